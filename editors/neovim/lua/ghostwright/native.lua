-- SPDX-License-Identifier: Apache-2.0
-- Neovim 0.12 and later asks and draws itself; only what the keys do is ours.
-- The same functions as suggest.lua, so that callers need not know which of the two is in use.

local client = require("ghostwright.client")
local text = require("ghostwright.text")

local M = {}

local group = vim.api.nvim_create_augroup("ghostwright.native", { clear = true })

---@return boolean
function M.exists()
  return vim.lsp.inline_completion ~= nil
end

function M.enable()
  vim.api.nvim_create_autocmd("LspAttach", {
    group = group,
    callback = function(event)
      local it = client.get()
      if it and it.id == event.data.client_id then
        vim.lsp.inline_completion.enable(true, { bufnr = event.buf })
      end
    end,
  })
end

---@return boolean
function M.visible()
  local namespace = vim.api.nvim_get_namespaces()["nvim.lsp.inline_completion"]
  return namespace ~= nil and #vim.api.nvim_buf_get_extmarks(0, namespace, 0, -1, { limit = 1 }) > 0
end

---Neovim keeps an old suggestion on the screen while it asks for the next: take only what still
---goes on from where the cursor is.
---@param item table  vim.lsp.inline_completion.Item
---@return string
local function rest_of(item)
  local row, col = unpack(vim.api.nvim_win_get_cursor(0))
  local start = item.range and item.range:to_lsp(client.ENCODING).start
  local whole = text.unix(item.insert_text)
  if not start then
    return whole
  end
  local typed = vim.api.nvim_get_current_line():sub(start.character + 1, col)
  local fits = start.line == row - 1 and whole:sub(1, #typed) == typed
  return fits and whole:sub(#typed + 1) or ""
end

---@param piece ghostwright.Piece
---@return boolean
function M.accept(piece)
  if not M.visible() then
    return false
  end
  return vim.lsp.inline_completion.get({
    on_accept = function(item)
      local rest = type(item.insert_text) == "string" and rest_of(item) or ""
      if rest == "" then
        return nil
      end
      local taken = text.first(rest, piece)
      text.insert(taken)
      if #taken == #rest and item.command then
        client.execute(0, item.command.command, item.command.arguments)
      end
      return nil -- it is inserted already
    end,
  })
end

function M.next()
  vim.lsp.inline_completion.select({ count = 1 })
end

---There is no call for it: a new start forgets what is shown.
function M.dismiss()
  local buf = vim.api.nvim_get_current_buf()
  vim.lsp.inline_completion.enable(false, { bufnr = buf })
  vim.lsp.inline_completion.enable(true, { bufnr = buf })
end

return M
