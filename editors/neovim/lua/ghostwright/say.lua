-- SPDX-License-Identifier: Apache-2.0
-- One line to the user, and never one that stops the typing.

local M = {}

---@type table<string, boolean>
local told = {}

---A message as wide as the screen makes Neovim ask for <Enter>, and that eats the next key typed.
---@param text string  without line breaks
---@return string
local function fitting(text)
  local room = vim.v.echospace
  if vim.fn.strdisplaywidth(text) <= room then
    return text
  end
  return vim.fn.strcharpart(text, 0, math.max(room - 1, 1)) .. "…"
end

---What was cut off is often what to do: who does not type can read it until the cursor moves.
---@param text string
local function whole(text)
  local width = math.max(1, vim.o.columns - 4)
  local options = { border = "rounded", wrap = true, max_width = width, focusable = false }
  vim.lsp.util.open_floating_preview({ text }, "", options)
end

---@param text string
---@param level? integer of vim.log.levels
function M.say(text, level)
  vim.schedule(function()
    -- A replaced vim.notify (nvim-notify, noice, fidget) shows any length without asking.
    local plain = debug.getinfo(vim.notify, "S").source:find("vim/_editor", 1, true) ~= nil
    local line = text:gsub("%s+", " ")
    local shown = plain and fitting(line) or text
    vim.notify(shown, level or vim.log.levels.INFO, { title = "Ghostwright" })
    if plain and shown ~= line and vim.api.nvim_get_mode().mode == "n" then
      whole(line)
    end
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
