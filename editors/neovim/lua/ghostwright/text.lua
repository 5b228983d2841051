-- SPDX-License-Identifier: Apache-2.0
-- Pieces of a suggestion, and how they get into the buffer. Knows neither server nor screen.

local M = {}

---@alias ghostwright.Piece "all"|"word"|"line"

---@param text string
---@return string  with the line breaks that a buffer has
function M.unix(text)
  return (text:gsub("\r\n?", "\n"))
end

---@param text? string  as a user has typed it
---@return string?  nil for nothing but white space
function M.given(text)
  text = vim.trim(text or "")
  return text ~= "" and text or nil
end

---@param text string  not empty
---@param piece ghostwright.Piece
---@return string
function M.first(text, piece)
  if piece == "line" then
    return text:match("^\n?[^\n]*")
  elseif piece == "word" then -- bytes from 128 on belong to letters beyond ASCII
    return text:match("^%s*[%w_\128-\255]+") or text:match("^%s*[^%w_%s\128-\255]+") or text
  end
  return text
end

---Insert at the cursor and go behind it. `u` takes back the suggestion, not what was typed.
---@param text string
function M.insert(text)
  local lines = vim.split(text, "\n", { plain = true })
  local row, col = unpack(vim.api.nvim_win_get_cursor(0))
  vim.cmd("let &g:undolevels = &g:undolevels")
  vim.api.nvim_buf_set_text(0, row - 1, col, row - 1, col, lines)
  local last = #lines[#lines]
  vim.api.nvim_win_set_cursor(0, { row + #lines - 1, #lines == 1 and col + last or last })
end

return M
