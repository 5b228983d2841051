-- SPDX-License-Identifier: Apache-2.0
-- Code actions: what the user chooses or types goes to the server; what comes is shown, then made.
-- All of them are done by the server's command ghostwright.refactor, for its report says more than
-- an edit does: what was checked. The edit comes before the report, and waits for it here.

local client = require("ghostwright.client")
local config = require("ghostwright.config")
local preview = require("ghostwright.preview")
local say = require("ghostwright.say")
local words = require("ghostwright.text")

local M = {}

local REFACTOR = "ghostwright.refactor"
local INSTRUCT = "refactor.rewrite.instruct"
local TITLE = "^Ghostwright: "
local APPLY_EDIT = "workspace/applyEdit"

---@class ghostwright.Lines  of a range that was given to the command, from 1; nil: the cursor
---@field first integer
---@field last integer

---@type table<string, { edit?: lsp.WorkspaceEdit }>  at work, by the title that we gave
local working = {}
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

---@param buf integer
---@param argument table  of the command ghostwright.refactor
local function perform(buf, argument)
  asked = asked + 1
  local title = (argument.title or "Ghostwright: change"):gsub(TITLE, "")
  local label = ("Ghostwright: %s (%d)"):format(title, asked)
  working[label] = {}
  ---@param record any
  local function done(record)
    local edit = working[label].edit
    working[label] = nil
    if record and edit then
      preview.show(title, record, edit)
    elseif record and record.applied then
      say.say("Ghostwright: applied, " .. preview.in_short(record))
    end -- else the server has said itself why there is no edit
  end
  local function failed(message)
    working[label] = nil
    say.say(("Ghostwright: %s: %s"):format(title, message), vim.log.levels.WARN)
  end
  local sent = vim.tbl_extend("force", argument, { title = label })
  if not client.execute(buf, REFACTOR, { sent }, done, failed) then
    working[label] = nil
    say.say(client.NO_SERVER)
  end
end

---@param buf integer
---@param argument table  of the command, but for the instruction
---@param prompt string
local function instruct(buf, argument, prompt)
  vim.ui.input({ prompt = prompt .. " " }, function(text)
    argument.instruction = words.given(text)
    if argument.instruction then
      perform(buf, argument)
    end
  end)
end

---The command of an action that was chosen from a menu.
---@param command lsp.Command
---@param context { bufnr: integer }
function M.on_refactor(command, context)
  perform(context.bufnr, command.arguments[1])
end

---The client's command `ghostwright.instruct`: an action that was chosen needs words.
---@param command lsp.Command
---@param context { bufnr: integer }
function M.on_instruct(command, context)
  local argument = command.arguments[1]
  instruct(context.bufnr, argument, argument.question or "What shall be changed?")
end

---The server wants an edit made. One that is shown first is not made yet, and the server is told so.
---@param problem? lsp.ResponseError
---@param params lsp.ApplyWorkspaceEditParams
---@param context lsp.HandlerContext
---@return lsp.ApplyWorkspaceEditResult
function M.on_edit(problem, params, context)
  local mine = working[params.label]
  if mine and config.current.preview then
    mine.edit = params.edit
    return { applied = false }
  end
  -- Neovim prints the label, and a wide one makes it wait for <Enter>.
  return vim.lsp.handlers[APPLY_EDIT](problem, { edit = params.edit }, context)
end

---The menu of actions, with ours alone.
---@param _ string
---@param lines? ghostwright.Lines
function M.refactor(_, lines)
  if not client.get(0) then
    say.say(client.NO_SERVER)
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
    title = "change as told",
    uri = vim.uri_from_bufnr(buf),
    version = vim.lsp.util.buf_versions[buf],
    range = range(lines),
    instruction = words.given(text),
  }
  if argument.instruction then
    perform(buf, argument)
  else
    instruct(buf, argument, "What shall be changed?")
  end
end

return M
