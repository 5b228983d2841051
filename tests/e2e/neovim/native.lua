-- SPDX-License-Identifier: Apache-2.0
-- A scripted server, and a Neovim that shows suggestions itself: the keys mean the same. The registries
-- have no Neovim 0.12, so the part that asks and draws is played, with the calls of the real one.

local child = require("child")
local scripted = require("scripted")

local PLAYED = [[
  local namespace = vim.api.nvim_create_namespace("nvim.lsp.inline_completion")
  local on, item = false, nil
  local function clear()
    item = nil
    vim.api.nvim_buf_clear_namespace(0, namespace, 0, -1)
  end
  local function ask()
    local params = vim.lsp.util.make_position_params(0, "utf-8")
    params.context = { triggerKind = 2 }
    local tick = vim.b.changedtick
    vim.lsp.buf_request(0, "textDocument/inlineCompletion", params, function(_, result)
      if vim.b.changedtick ~= tick then -- its place may be gone
        return
      end
      clear()
      local raw = on and result and result.items[1]
      if raw then
        local start = raw.range.start
        item = { insert_text = raw.insertText, command = raw.command, range = { to_lsp = function() return { start = start } end } }
        local chunks = { { raw.insertText:match("^[^\n]*"), "ComplHint" } }
        vim.api.nvim_buf_set_extmark(0, namespace, start.line, start.character, { virt_text = chunks, virt_text_pos = "inline" })
      end
    end)
  end
  vim.api.nvim_create_autocmd("TextChangedI", { callback = function() if on then ask() end end })
  vim.lsp.inline_completion = {
    enable = function(enabled) on = enabled; clear() end,
    select = function() ask() end,
    get = function(options)
      local taken = item
      if taken then
        clear()
        assert(options.on_accept(taken) == nil, "it would be inserted twice")
      end
      return taken ~= nil
    end,
  }
]]

local function visible()
  return child.lua([[return require("ghostwright").visible()]])
end

local function shown(typed)
  child.type(typed)
  child.wait("ghost text", visible, 5000)
end

local function becomes(key, want)
  child.type(key)
  child.wait(("%s: %s"):format(key, vim.inspect(want)), function()
    return vim.deep_equal(child.lines(), want)
  end, 5000)
end

child.scenario(function()
  child.start(false)
  child.lua(PLAYED)
  scripted.start(child)
  scripted.ask("script", "größe = one\n  two")
  shown("ix")
  child.equal(child.ghost(), nil, "and not drawn by us besides")
  becomes("<M-w>", { "xgröße" })
  shown("<Esc>Sx")
  becomes("<M-l>", { "xgröße = one" })
  shown("<Esc>Sx")
  child.type("<C-]>")
  child.wait("dismissal", function()
    return not visible()
  end)
  becomes("<Tab>", { "x       " })
  shown("<Esc>Sx")
  becomes("<Tab>", { "xgröße = one", "  two" })
  child.wait("the word that it was accepted", function()
    return scripted.ask("seen").accepted
  end)
end)
