-- SPDX-License-Identifier: Apache-2.0
-- The ghost text on the screen: one extmark, at the place it was written for.
-- Knows no server: text comes in, and the text that is shown at a place goes out.

local M = {}

local namespace = vim.api.nvim_create_namespace("ghostwright")
local MARK = 1 -- there is one ghost text at a time
local HIGHLIGHT = "GhostwrightGhost"

---@class ghostwright.Place  where the cursor is, and of which text; rows and byte columns from 0
---@field buf integer
---@field tick integer
---@field row integer
---@field col integer

---@class ghostwright.Shown
---@field place ghostwright.Place
---@field before string  the line up to the cursor
---@field after string  the line behind it
---@field text string

---@type ghostwright.Shown?
local shown

---@return ghostwright.Place
function M.here()
  local cursor = vim.api.nvim_win_get_cursor(0)
  local buf = vim.api.nvim_get_current_buf()
  local tick = vim.api.nvim_buf_get_changedtick(buf)
  return { buf = buf, tick = tick, row = cursor[1] - 1, col = cursor[2] }
end

---@param a? ghostwright.Place
---@param b? ghostwright.Place
---@return boolean
function M.same(a, b)
  return vim.deep_equal(a, b)
end

---Virtual text draws a tab as one cell: write the blanks it stands for.
---@param text string
---@param start integer display column where it begins
---@param tabstop integer
---@return string
local function untabbed(text, start, tabstop)
  local parts, column = {}, start
  for part, tab in text:gmatch("([^\t]*)(\t?)") do
    column = column + vim.fn.strdisplaywidth(part)
    local blanks = tab == "" and 0 or tabstop - column % tabstop
    parts[#parts + 1] = part .. (" "):rep(blanks)
    column = column + blanks
  end
  return table.concat(parts)
end

---@param place ghostwright.Place
---@param before string
---@param text string
local function draw(place, before, text)
  local tabstop = vim.bo[place.buf].tabstop
  local chunks = {}
  for index, line in ipairs(vim.split(text, "\n", { plain = true })) do
    local start = index == 1 and vim.fn.strdisplaywidth(before) or 0
    chunks[index] = { { untabbed(line, start, tabstop), HIGHLIGHT } }
  end
  vim.api.nvim_buf_set_extmark(place.buf, namespace, place.row, place.col, {
    id = MARK,
    virt_text = table.remove(chunks, 1),
    virt_text_pos = "inline",
    virt_lines = chunks,
    hl_mode = "combine",
  })
end

---@param place ghostwright.Place
---@return string before
---@return string after
local function line_at(place)
  local line = vim.api.nvim_buf_get_lines(place.buf, place.row, place.row + 1, false)[1] or ""
  return line:sub(1, place.col), line:sub(place.col + 1)
end

---@param place ghostwright.Place
---@param text string
function M.show(place, text)
  M.clear()
  if text == "" then
    return
  end
  local before, after = line_at(place)
  shown = { place = place, before = before, after = after, text = text }
  draw(place, before, text)
end

function M.clear()
  if shown and vim.api.nvim_buf_is_valid(shown.place.buf) then
    vim.api.nvim_buf_clear_namespace(shown.place.buf, namespace, 0, -1)
  end
  shown = nil
end

---The cursor is somewhere else now. Where the user typed what was shown, the rest stays on the
---screen until the server has spoken, so that nothing flickers; anywhere else it goes.
---@param place ghostwright.Place
function M.follow(place)
  local old = shown
  if not old or old.place.buf ~= place.buf or old.place.row ~= place.row then
    return M.clear()
  end
  local before, after = line_at(place)
  local typed = before:sub(#old.before + 1)
  local goes_on = before:sub(1, #old.before) == old.before
    and after == old.after
    and old.text:sub(1, #typed) == typed
  M.show(place, goes_on and old.text:sub(#typed + 1) or "")
end

---The text shown at a place; nil when there is none, or when it was written for another text.
---@param place ghostwright.Place
---@return string?
function M.at(place)
  return shown and M.same(shown.place, place) and shown.text or nil
end

return M
