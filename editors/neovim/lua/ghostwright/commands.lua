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
  local function failed(message)
    say.say("Ghostwright: " .. message, vim.log.levels.WARN)
  end
  if not client.execute(0, command, nil, show, failed) then
    say.say(client.NO_SERVER)
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

---@param module string
---@param name string
---@return fun(rest: string, lines?: ghostwright.Lines)
local function call(module, name)
  return function(rest, lines)
    require(module)[name](rest, lines)
  end
end

---@type table<string, fun(rest: string, lines?: ghostwright.Lines)>
M.words = {
  refactor = call("ghostwright.actions", "refactor"),
  instruct = call("ghostwright.actions", "instruct"),
  ask = call("ghostwright.ask", "ask"),
  model = call("ghostwright.models", "choose"),
  pause = function()
    ask("ghostwright.pause", say_state)
  end,
  status = function()
    ask("ghostwright.status", float)
  end,
  explain = function()
    ask("ghostwright.explain", float)
  end,
  stats = function()
    ask("ghostwright.stats", float)
  end,
  reindex = function()
    ask("ghostwright.reindex", function()
      say.say("Ghostwright: reads the repository again")
    end)
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

---@param lead string
---@return string[]
local function names(lead)
  local words = vim.tbl_filter(function(word)
    return vim.startswith(word, lead)
  end, vim.tbl_keys(M.words))
  table.sort(words)
  return words
end

---@param text string  a word, and what it may need
---@param lines? ghostwright.Lines
function M.run(text, lines)
  local word, rest = text:match("^(%S+)%s*(.*)$")
  local run = M.words[word]
  if not run then
    say.say(("Ghostwright: no command %s, but %s"):format(word, table.concat(names(""), ", ")), vim.log.levels.ERROR)
    return
  end
  run(rest, lines)
end

---@param lead string  what the word at the cursor begins with
---@param line string  up to the cursor
---@return string[]
function M.complete(lead, line)
  local before = line:match("Ghostwright%s+(.-)%S*$")
  if before == "" then
    return names(lead)
  end
  return before:find("^model%s+$") and require("ghostwright.models").complete(lead) or {}
end

return M
