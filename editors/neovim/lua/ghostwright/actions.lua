-- SPDX-License-Identifier: Apache-2.0
-- Code actions and questions: what the user types goes to the server, what it says is shown.
-- The edits themselves are made by Neovim, as for any language server.

local client = require("ghostwright.client")
local say = require("ghostwright.say")

local M = {}

local INSTRUCT = "refactor.rewrite.instruct"
local TITLE = "^Ghostwright: "
local NO_SERVER = "Ghostwright: no server for this buffer; :Ghostwright start or :checkhealth ghostwright"

---@class ghostwright.Lines  of a range that was given to the command, from 1; nil: the cursor
---@field first integer
---@field last integer

---@type table<string, fun(text: string)>  who hears the pieces of an answer, by its token
local hearing = {}
local asked = 0

---Lines and byte columns from 0, as the server has them: it speaks UTF-8 with us.
---@param lines? ghostwright.Lines
---@return lsp.Range
local function range(lines)
  if lines then
    local last = vim.api.nvim_buf_get_lines(0, lines.last - 1, lines.last, true)[1]
    return {
      start = { line = lines.first - 1, character = 0 },
      ["end"] = { line = lines.last - 1, character = #last },
    }
  end
  local row, col = unpack(vim.api.nvim_win_get_cursor(0))
  local here = { line = row - 1, character = col }
  return { start = here, ["end"] = here }
end

---@param text? string
---@return string?  nil for nothing but white space
local function words(text)
  text = vim.trim(text or "")
  return text ~= "" and text or nil
end

---@param message string
local function failed(message)
  say.say("Ghostwright: " .. message, vim.log.levels.WARN)
end

---The server says itself why there is no edit; here only that it is done.
---@param record any
local function told(record)
  if record and record.applied then
    say.say(("Ghostwright: %d of %d checks passed"):format(
      #vim.tbl_filter(function(check)
        return check.passed == true
      end, record.checks),
      #record.checks
    ))
  end
end

---@param buf integer
---@param argument table  of the command ghostwright.refactor, but for the instruction
---@param prompt string
local function instruct(buf, argument, prompt)
  vim.ui.input({ prompt = prompt .. " " }, function(text)
    argument.instruction = words(text)
    if argument.instruction and not client.execute(buf, "ghostwright.refactor", { argument }, told, failed) then
      say.say(NO_SERVER)
    end
  end)
end

---The client's command `ghostwright.instruct`: an action that was chosen needs words.
---@param command lsp.Command
---@param context { bufnr: integer }
function M.on_instruct(command, context)
  local argument = command.arguments[1]
  instruct(context.bufnr, argument, argument.question or "What shall be changed?")
end

---A piece of an answer.
---@param params { token: string, text: string }
function M.on_answer(params)
  local hear = hearing[params.token]
  if hear then
    hear(params.text)
  end
end

---The menu of actions, with ours alone.
---@param _ string
---@param lines? ghostwright.Lines
function M.refactor(_, lines)
  if not client.get(0) then
    say.say(NO_SERVER)
    return
  end
  local span
  if lines then
    local place = range(lines)["end"]
    span = { start = { lines.first, 0 }, ["end"] = { lines.last, place.character } }
  end
  vim.lsp.buf.code_action({
    range = span,
    filter = function(action)
      return action.title:find(TITLE) ~= nil
    end,
  })
end

---@param text string  the instruction; asked for where it is empty
---@param lines? ghostwright.Lines
function M.instruct(text, lines)
  local buf = vim.api.nvim_get_current_buf()
  local argument = {
    kind = INSTRUCT,
    uri = vim.uri_from_bufnr(buf),
    version = vim.lsp.util.buf_versions[buf],
    range = range(lines),
    instruction = words(text),
  }
  if not argument.instruction then
    instruct(buf, argument, "What shall be changed?")
  elseif not client.execute(buf, "ghostwright.refactor", { argument }, told, failed) then
    say.say(NO_SERVER)
  end
end

---A buffer beside the code that only we write to.
---@return fun(text: string) append
---@return integer buf
local function scratch()
  local buf = vim.api.nvim_create_buf(false, true)
  vim.bo[buf].filetype = "markdown"
  vim.bo[buf].bufhidden = "wipe"
  vim.bo[buf].modifiable = false
  vim.cmd.split({ mods = { split = "botright" } })
  vim.api.nvim_win_set_buf(0, buf)
  vim.wo.wrap, vim.wo.linebreak = true, true
  local function append(text)
    if not vim.api.nvim_buf_is_valid(buf) then -- the user has seen enough
      return
    end
    local last = vim.api.nvim_buf_get_lines(buf, -2, -1, true)[1]
    vim.bo[buf].modifiable = true
    vim.api.nvim_buf_set_text(buf, -1, #last, -1, #last, vim.split(text, "\n", { plain = true }))
    vim.bo[buf].modifiable = false
  end
  return append, buf
end

---@param record any
---@return string  the citations, one a line
local function cited(record)
  local rows = {}
  for _, each in ipairs(record.citations or {}) do
    local symbol = type(each.symbol) == "string" and each.symbol ~= "" and "  " .. each.symbol or ""
    rows[#rows + 1] = ("\n%s:%d%s%s"):format(each.path, each.line, symbol, each.exists and "" or "  (not found)")
  end
  return #rows > 0 and "\n" .. table.concat(rows) or ""
end

---@param question string
---@param buf integer
---@param line integer
local function ask(question, buf, line)
  asked = asked + 1
  local token = ("nvim-%d"):format(asked)
  local append, shown = scratch()
  append(question .. "\n\n")
  local heard = false
  hearing[token] = function(text)
    heard = true
    append(text)
  end
  local argument = { question = question, uri = vim.uri_from_bufnr(buf), line = line, token = token }
  local function answered(record)
    hearing[token] = nil
    if record then
      append((heard and "" or record.answer) .. cited(record))
    end
  end
  local function refused(message)
    hearing[token] = nil
    append(message)
  end
  local cancel = client.execute(buf, "ghostwright.ask", { argument }, answered, refused)
  if not cancel then
    refused(NO_SERVER)
    return
  end
  vim.api.nvim_create_autocmd("BufWipeout", {
    buffer = shown,
    once = true,
    callback = function()
      if hearing[token] then
        hearing[token] = nil
        cancel()
      end
    end,
  })
end

---@param text string  the question; asked for where it is empty
function M.ask(text)
  local buf = vim.api.nvim_get_current_buf()
  local line = vim.api.nvim_win_get_cursor(0)[1] - 1
  if words(text) then
    ask(vim.trim(text), buf, line)
    return
  end
  vim.ui.input({ prompt = "Ask about this repository: " }, function(given)
    if words(given) then
      ask(vim.trim(given), buf, line)
    end
  end)
end

return M
