-- SPDX-License-Identifier: Apache-2.0
-- A scripted server: Tab belongs to menus, and to whom it belonged before, when nothing is shown.

local child = require("child")
local scripted = require("scripted")

local function tab(typed, want, what)
  child.type("<Esc>S" .. typed)
  child.wait("ghost text", child.ghost)
  child.type("<C-]>")
  child.wait("dismissal", function()
    return not child.ghost()
  end)
  child.type("<Tab>")
  child.wait(what, function()
    return child.line() == want
  end, 5000)
end

child.scenario(function()
  child.start(false)
  child.lua([[vim.keymap.set("i", "<Tab>", function() return "[" .. vim.fn.col(".") .. "]" end, { expr = true })]])
  scripted.start(child)
  scripted.ask("script", "GHOST")
  tab("ab", "ab[3]", "the earlier expression mapping")
  child.type("<Esc>Sab")
  child.wait("ghost text", child.ghost)
  child.type("<Tab>")
  child.wait("the suggestion", function()
    return child.line() == "abGHOST"
  end)

  -- Neovim's own menu: it closes the ghost text, and Tab is not taken from it.
  child.type("<Esc>:%delete<CR>ialpha alpine al")
  child.wait("ghost text", child.ghost)
  child.type("<C-x><C-n>")
  child.wait("the menu", function()
    return child.lua("return vim.fn.pumvisible() == 1")
  end)
  child.equal(child.ghost(), nil, "no ghost text under a menu")
  child.type("<Tab>")
  child.wait("the earlier mapping", function()
    return child.line():find("]", 1, true)
  end)
  assert(not child.line():find("GHOST"), "Tab took a suggestion while a menu was open")
  child.type("<Esc>")

  -- A menu that a plug-in draws: it says itself that it is open.
  child.lua([[package.loaded["cmp"] = { visible = function() return true end }]])
  child.type("Sab")
  child.wait("ghost text", child.ghost)
  child.type("<Tab>")
  child.wait("the earlier mapping", function()
    return child.line() == "ab[3]"
  end)

  -- A menu whose keys are mapped in the buffer, before ours: it runs ours when it is closed, as
  -- blink.cmp does with "fallback": it looks the global mapping up and types what it returns.
  child.lua([[
    package.loaded["cmp"] = nil
    package.loaded["blink.cmp"] = { is_menu_visible = function() return _G.blink_is_open end }
    vim.keymap.set("i", "<Tab>", function()
      if _G.blink_is_open then
        return "<C-v>u2713"
      end
      local map = vim.iter(vim.api.nvim_get_keymap("i")):find(function(each)
        return each.lhs == "<Tab>"
      end)
      return map.callback()
    end, { buffer = true, expr = true, replace_keycodes = true, remap = true })
  ]])
  for is_open, want in pairs({ [true] = "ab✓", [false] = "abGHOST" }) do
    child.lua("_G.blink_is_open = ...", is_open)
    child.type("<Esc>Sab")
    child.wait("ghost text", child.ghost)
    child.type("<Tab>")
    child.wait("what the buffer's mapping does: " .. want, function()
      return child.line() == want
    end, 5000)
  end
  child.lua([[vim.keymap.del("i", "<Tab>", { buffer = true }); package.loaded["blink.cmp"] = nil]])

  -- A message wider than the screen must not make Neovim wait for <Enter>.
  child.type("<Esc>S")
  scripted.ask("shout", ("too long\nto be read "):rep(40))
  child.wait("the message", function()
    return child.messages():find("too long to be read", 1, true)
  end)
  child.type("j<Space>b") -- keys that such a prompt eats
  child.wait("the typed keys", function()
    return child.line() == "j b"
  end)

  -- Words of :Ghostwright are completed; a wrong one is one line.
  child.equal(child.lua([[return vim.fn.getcompletion("Ghostwright st", "cmdline")]]), { "start", "stats", "status", "stop" }, "words")
  child.type("<Esc>:Ghostwright nonsense<CR>")
  child.wait("the message", function()
    return child.messages():find("no command nonsense", 1, true)
  end)
  child.type(":Ghostwright stop<CR>")
  child.wait("no server", function()
    return #child.servers() == 0
  end)
  child.type("ox")
  vim.wait(200)
  child.equal(child.ghost(), nil, "no ghost text without a server")
  assert(not child.messages():find("the server stopped"), "an orderly stop is no crash")
end)
