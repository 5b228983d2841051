-- SPDX-License-Identifier: Apache-2.0
-- Asks at every key, shows the answer if it still fits, and inserts what the user takes.
-- When to answer, and what, is the server's business.

local client = require("ghostwright.client")
local ghost = require("ghostwright.ghost")
local text = require("ghostwright.text")

local M = {}

local METHOD = "textDocument/inlineCompletion"
local INVOKED, AUTOMATIC = 1, 2 -- InlineCompletionTriggerKind
-- States that may have left a question unanswered. Not "busy": that ends with every answer.
local NOT_ANSWERING = { "starting", "loading", "no-model", "error", "paused" }
-- A pause: in a burst of keys the server answers in words, afterwards in lines.
local REST_MS = 350
local group = vim.api.nvim_create_augroup("ghostwright.suggest", { clear = true })

---@type ghostwright.Place?  where we have asked last
local asked
---@type fun()?  takes the question back
local cancel
---@type table[]  the items of the last answer
local items = {}
---@type integer  which of them is shown
local index = 1

local function in_insert_mode()
  return vim.api.nvim_get_mode().mode:sub(1, 1) == "i"
end

function M.clear()
  if cancel then
    cancel()
  end
  cancel, asked, items = nil, nil, {}
  ghost.clear()
end

---We insert at the cursor. An item that replaces text is for clients who have told they can.
---@param item table
---@param position table
---@return boolean
local function inserts_at(item, position)
  local range = item.range
  local empty = not range or (vim.deep_equal(range.start, position) and vim.deep_equal(range["end"], position))
  return type(item.insertText) == "string" and empty
end

---@param place ghostwright.Place  of the question
---@param position table  the same as the server was told
---@param again boolean
---@param result? table
local function answered(place, position, again, result)
  cancel = nil
  if not in_insert_mode() or not ghost.same(place, ghost.here()) then
    return -- written for another text: Neovim tells of some changes only later
  end
  local found = vim.tbl_filter(function(item)
    return inserts_at(item, position)
  end, result and (result.items or result) or {})
  if again and #found == 0 then
    return -- there is nothing better than what is shown
  end
  items, index = found, 1
  ghost.show(place, items[1] and text.unix(items[1].insertText) or "")
end

local ask

---Whoever has stopped after a burst sees the rest, and what was not there in time.
---@param place ghostwright.Place
local function ask_again(place)
  vim.defer_fn(function()
    if asked == place and not cancel and in_insert_mode() then
      asked = nil
      ask(AUTOMATIC, true)
    end
  end, REST_MS)
end

---@param kind integer
---@param again? boolean
ask = function(kind, again)
  local place = ghost.here()
  if kind == AUTOMATIC and ghost.same(place, asked) then
    return -- TextChangedI and CursorMovedI come for the same key
  end
  if cancel then
    cancel()
  end
  ghost.follow(place)
  asked = place
  items, index = { items[index] }, 1 -- the others were not for this text
  local params = vim.lsp.util.make_position_params(0, client.ENCODING)
  params.context = { triggerKind = kind }
  cancel = client.request(place.buf, METHOD, params, function(result)
    if asked == place then
      answered(place, params.position, again or false, result)
      if kind == AUTOMATIC and not again then
        ask_again(place)
      end
    end
  end)
end

function M.ask()
  -- A macro is over before an answer comes; a menu's own text may go again.
  if in_insert_mode() and vim.fn.reg_executing() == "" and vim.fn.pumvisible() == 0 then
    ask(AUTOMATIC)
  end
end

---The other suggestion, where the server has sent several; else a new one, asked for by hand.
function M.next()
  if #items < 2 then
    return ask(INVOKED)
  end
  index = index % #items + 1
  ghost.show(ghost.here(), text.unix(items[index].insertText))
end

---@return boolean
function M.visible()
  return ghost.at(ghost.here()) ~= nil
end

---Take the text away until the next key.
function M.dismiss()
  M.clear()
  asked = ghost.here() -- a new table: the answer that may still come is to an older question
end

---Insert the shown text, or its first word or line.
---@param piece ghostwright.Piece
---@return boolean  false when nothing is shown
function M.accept(piece)
  local whole = ghost.at(ghost.here())
  if not whole then
    return false
  end
  local item = items[index]
  local taken = text.first(whole, piece)
  M.clear()
  text.insert(taken)
  if #taken < #whole then
    items, index = { item }, 1
    ghost.show(ghost.here(), whole:sub(#taken + 1)) -- the rest, until the next answer
  elseif item and item.command then
    client.execute(0, item.command.command, item.command.arguments)
  end
  M.ask()
  return true
end

function M.enable()
  vim.api.nvim_clear_autocmds({ group = group })
  ---@param events string[]
  ---@param action fun()
  local function on(events, action)
    vim.api.nvim_create_autocmd(events, {
      group = group,
      callback = function()
        action()
      end,
    })
  end
  on({ "InsertEnter" }, function()
    vim.schedule(M.ask) -- the mode has not changed yet
  end)
  on({ "TextChangedI", "CursorMovedI", "CompleteDone" }, M.ask)
  vim.api.nvim_create_autocmd("User", {
    group = group,
    pattern = "GhostwrightStatus",
    callback = function(event)
      if event.data.now == "ready" and vim.tbl_contains(NOT_ANSWERING, event.data.before) then
        asked = nil
        M.ask()
      end
    end,
  })
  on({ "InsertLeave", "BufLeave", "CompleteChanged" }, M.clear)
end

return M
