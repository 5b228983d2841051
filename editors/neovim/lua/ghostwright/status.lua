-- SPDX-License-Identifier: Apache-2.0
-- What the server has said of itself, and that in a few characters for the status line.

local M = {}

---@class ghostwright.Status  as the server sends it
---@field state string
---@field message? string
---@field model? string
---@field index? { files: integer, done: integer }

---@type ghostwright.Status?
M.current = nil

---@param value? ghostwright.Status
function M.set(value)
  local data = { before = M.current and M.current.state or "starting", now = value and value.state or "" }
  M.current = value
  vim.schedule(function()
    vim.api.nvim_exec_autocmds("User", { pattern = "GhostwrightStatus", modeline = false, data = data })
    vim.cmd.redrawstatus({ bang = true })
  end)
end

---@return string  empty while no server runs
function M.line()
  local it = M.current
  if not it then
    return ""
  end
  local index = it.index
  if index and index.files > index.done then
    return ("ghostwright: indexing %d/%d"):format(index.done, index.files)
  end
  return "ghostwright: " .. it.state
end

return M
