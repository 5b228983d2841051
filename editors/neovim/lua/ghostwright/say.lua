-- SPDX-License-Identifier: Apache-2.0
-- One line to the user, the same one never twice, and never one that stops the typing.

local M = {}

---@type table<string, boolean>
local told = {}

---A message as wide as the screen makes Neovim ask for <Enter>, and that eats the next key typed.
---@param text string
---@return string
local function fitting(text)
  text = text:gsub("%s+", " ")
  local room = vim.v.echospace
  if vim.fn.strdisplaywidth(text) <= room then
    return text
  end
  return vim.fn.strcharpart(text, 0, math.max(room - 1, 1)) .. "…"
end

---@param text string
---@param level? integer of vim.log.levels
function M.say(text, level)
  vim.schedule(function()
    -- A replaced vim.notify (nvim-notify, noice, fidget) shows any length without asking.
    local plain = debug.getinfo(vim.notify, "S").source:find("vim/_editor", 1, true) ~= nil
    vim.notify(plain and fitting(text) or text, level or vim.log.levels.INFO, { title = "Ghostwright" })
  end)
end

---@param text string
---@param level? integer
function M.once(text, level)
  if not told[text] then
    told[text] = true
    M.say(text, level)
  end
end

---Say everything again from here on: the user has asked for a new start.
function M.forget()
  told = {}
end

return M
