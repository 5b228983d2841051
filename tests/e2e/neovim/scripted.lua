-- SPDX-License-Identifier: Apache-2.0
-- Talks to scripted_server.lua through the Neovim under test.

local M = {}

local child

---@param it table  the module child
---@param options? table
function M.start(it, options)
  child = it
  local here = debug.getinfo(1, "S").source:sub(2):match("^(.*)[/\\]") or "."
  local command = { vim.v.progpath, "--clean", "--headless", "-l", here .. "/scripted_server.lua" }
  if not child.channel then
    child.start(false)
  end
  child.setup(vim.tbl_extend("force", { cmd = command }, options or {}))
  child.type(":edit notes.txt<CR>")
  child.wait("the server", function()
    return child.lua([[
      local client = vim.lsp.get_clients({ name = "ghostwright" })[1]
      return client and client.initialized and next(client.attached_buffers) ~= nil
    ]])
  end)
end

---Run one of its commands.
function M.ask(command, ...)
  return M.after("", command, ...)
end

---Run Lua, and then one of its commands before Neovim has told anybody what the Lua has changed.
function M.after(code, command, ...)
  return child.lua(
    code
      .. [[

      local client = vim.lsp.get_clients({ name = "ghostwright" })[1]
      local params = { command = select(1, ...), arguments = { select(2, ...) } }
      local answer = client:request_sync("workspace/executeCommand", params, 5000)
      return answer and answer.result ~= vim.NIL and answer.result or nil
    ]],
    command,
    ...
  )
end

---Wait until it has been asked at a byte column.
function M.asked_at(column)
  child.wait("a question at column " .. column, function()
    return vim.tbl_contains(M.ask("seen").columns, column)
  end, 5000)
end

return M
