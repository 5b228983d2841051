-- SPDX-License-Identifier: Apache-2.0
-- Which of the user's settings hold for the folders that are open. The folders themselves are never
-- asked: no file of a repository is read here, so it can name no model, no server and no command.

local config = require("ghostwright.config")

local M = {}

---@param folders string[]
---@return string[]  those that the user has not said he trusts
function M.strangers(folders)
  return vim.tbl_filter(function(folder)
    return config.current.trusted(folder) ~= true
  end, folders)
end

---The settings for a server that serves these folders. A test command runs code of theirs, so one
---that is not trusted takes it away for all: there is one server.
---@param folders string[]
---@return table<string, any>
function M.settings(folders)
  local given = config.current.settings
  local bare = type(given.ghostwright) == "table" and given.ghostwright or given
  if #M.strangers(folders) == 0 then
    return bare
  end
  return vim.tbl_deep_extend("force", bare, { verify = { testCommand = "" } })
end

return M
