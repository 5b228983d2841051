-- SPDX-License-Identifier: Apache-2.0
-- :Ghostwright and its words.

local client = require("ghostwright.client")
local say = require("ghostwright.say")

local M = {}

---@param value table
local function float(value)
  local lines = vim.split(vim.inspect(value), "\n")
  vim.lsp.util.open_floating_preview(lines, "lua", { border = "rounded", focus_id = "ghostwright" })
end

---@param command string
---@param show fun(result: any)
local function ask(command, show)
  if not client.execute(0, command, nil, show) then
    say.say("Ghostwright: no server for this buffer; :Ghostwright start or :checkhealth ghostwright")
  end
end

---@param status table
local function say_state(status)
  require("ghostwright.status").set(status)
  say.say("Ghostwright: " .. status.state)
end

---@param status table
local function open_log(status)
  -- A server that does not name its log file still has its warnings in Neovim's own.
  vim.cmd.split({ args = { vim.fn.fnameescape(status.log or vim.lsp.log.get_filename()) } })
  vim.cmd.normal({ args = { "G" }, bang = true })
end

---@param name "refactor"|"instruct"|"ask"
local function action(name)
  return function(rest, lines)
    require("ghostwright.actions")[name](rest, lines)
  end
end

---@type table<string, fun(rest: string, lines?: ghostwright.Lines)>
M.words = {
  refactor = action("refactor"),
  instruct = action("instruct"),
  ask = action("ask"),
  pause = function()
    ask("ghostwright.pause", say_state)
  end,
  status = function()
    ask("ghostwright.status", float)
  end,
  explain = function()
    ask("ghostwright.explain", float)
  end,
  log = function()
    if not client.execute(0, "ghostwright.status", nil, open_log) then
      open_log({})
    end
  end,
  start = function()
    client.start()
  end,
  stop = function()
    client.stop()
  end,
}

---@param text string  a word, and what it may need
---@param lines? ghostwright.Lines
function M.run(text, lines)
  local word, rest = text:match("^(%S+)%s*(.*)$")
  local run = M.words[word]
  if not run then
    say.say(("Ghostwright: no command %s, but %s"):format(word, table.concat(M.complete(""), ", ")), vim.log.levels.ERROR)
    return
  end
  run(rest, lines)
end

---@param lead string
---@return string[]
function M.complete(lead)
  local words = vim.tbl_filter(function(word)
    return vim.startswith(word, lead)
  end, vim.tbl_keys(M.words))
  table.sort(words)
  return words
end

return M
