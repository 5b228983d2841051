-- SPDX-License-Identifier: Apache-2.0
-- Requests to a server that may die before it answers: who waits hears of it. Knows no buffers.

local M = {}

local EXECUTE = "workspace/executeCommand"

---@type table<integer, fun(message: string)>  who waits for an answer, by the request's number
local waiting = {}

---Client methods take the client as their first argument from 0.11 on.
---@param client vim.lsp.Client
---@param method string
function M.method(client, method, ...)
  if vim.fn.has("nvim-0.11") == 1 then
    return client[method](client, ...)
  end
  return client[method](...)
end

---@param client? vim.lsp.Client
---@param buf integer
---@param method string
---@param params table
---@param answered fun(result: any)
---@param failed? fun(message: string)  without it a failure is answered with nil
---@return fun()? cancel  nil when nobody was asked
function M.request(client, buf, method, params, answered, failed)
  if not client or not client.initialized then
    return nil
  end
  local sent, id
  sent, id = M.method(client, "request", method, params, function(problem, result)
    waiting[id] = nil
    if problem and failed then
      failed(problem.message)
    else
      answered(result ~= vim.NIL and result or nil)
    end
  end, buf)
  if not sent then
    return nil
  end
  waiting[id] = failed
  return function()
    waiting[id] = nil
    M.method(client, "cancel_request", id)
  end
end

---Ask and wait: for the command line, which cannot be completed later.
---@param client? vim.lsp.Client
---@param command string
---@param wait_ms integer
---@return any  nil where no answer came in time
function M.ask_now(client, command, wait_ms)
  if not client or not client.initialized then
    return nil
  end
  local answer = M.method(client, "request_sync", EXECUTE, { command = command }, wait_ms, 0)
  return answer and answer.result
end

---The server has died: Neovim forgets its requests without a word.
function M.lost()
  local unanswered = waiting
  waiting = {}
  for _, failed in pairs(unanswered) do
    failed("the server has stopped")
  end
end

return M
