-- SPDX-License-Identifier: Apache-2.0
-- The server's program: which file it is, and how its process is run. Knows no buffers.

local config = require("ghostwright.config")

local M = {}

---@param folder string
---@return boolean
local function is_on_path(folder)
  local separator = vim.fn.has("win32") == 1 and ";" or ":"
  return vim.iter(vim.split(vim.env.PATH or "", separator, { plain = true })):any(function(entry)
    local is_full = entry:find("^[/\\]") or entry:find("^%a:[/\\]")
    return is_full ~= nil and vim.fs.normalize(entry) == folder
  end)
end

---The program of the user's `cmd`. A name is looked up in those folders of $PATH that are named in
---full: "." on it, and the working folder, where Windows looks first, are of the open repository.
---@return string? path
---@return string? problem
function M.program()
  local name = config.current.cmd[1]
  local path = vim.fn.exepath(name)
  if path == "" then
    return nil, name .. " not found"
  elseif not name:find("[/\\]") and not is_on_path(vim.fs.normalize(vim.fs.dirname(path))) then
    return nil, name .. " is only in the open folder: not started"
  end
  return path
end

---Neovim's own words on a crash are wider than a screen: it then waits for <Enter>, and a user who
---is typing loses keys. So Neovim hears of an orderly end, and we say what has happened.
---@param exited fun(code: integer, signal: integer)
---@return fun(dispatchers: vim.lsp.rpc.Dispatchers): vim.lsp.rpc.PublicClient
function M.quietly(exited)
  return function(dispatchers)
    local told = vim.tbl_extend("force", {}, dispatchers)
    told.on_exit = function(code, signal)
      dispatchers.on_exit(0, 0)
      vim.schedule(function()
        exited(code, signal)
      end)
    end
    local cmd = vim.list_slice(config.current.cmd)
    cmd[1] = M.program() or cmd[1]
    return vim.lsp.rpc.start(cmd, told)
  end
end

return M
