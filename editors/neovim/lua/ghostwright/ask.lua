-- SPDX-License-Identifier: Apache-2.0
-- Questions about the repository: the answer is written into a window of its own as it comes.

local client = require("ghostwright.client")
local words = require("ghostwright.text")

local M = {}

---@type table<string, fun(text: string)>  who hears the pieces of an answer, by its token
local hearing = {}
local asked = 0

---A piece of an answer.
---@param params { token: string, text: string }
function M.on_answer(params)
  local hear = hearing[params.token]
  if hear then
    hear(params.text)
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
    refused(client.NO_SERVER)
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
  local question = words.given(text)
  if question then
    ask(question, buf, line)
    return
  end
  vim.ui.input({ prompt = "Ask about this repository: " }, function(typed)
    question = words.given(typed)
    if question then
      ask(question, buf, line)
    end
  end)
end

return M
