-- SPDX-License-Identifier: Apache-2.0
-- For the bench: how long from opening Neovim to the first suggestion, to the next, and what the
-- server holds in memory then. Prints one line of JSON.

local child = require("child")

-- Of the server and all that it has started; the model may be in another process.
local RSS = [[
import psutil, sys
server = psutil.Process(int(sys.argv[1]))
print(sum(each.memory_info().rss for each in (server, *server.children(recursive=True))))
]]

local function since(began)
  return (vim.uv.hrtime() - began) / 1e6
end

child.scenario(function()
  local began = vim.uv.hrtime()
  child.start()
  child.type(":edit calc.py<CR>Goreturn a ")
  local taken = child.wait("ghost text", child.ghost)
  local first_ms = since(began)
  child.type("<Tab>")
  child.wait("the accepted text", function()
    return table.concat(child.lines(), "\n"):find("return a " .. taken, 1, true)
  end)
  child.type("<Esc>")
  child.ready()
  began = vim.uv.hrtime()
  child.type("odef mul(a, b):<CR>return a ")
  child.wait("the next ghost text", child.ghost)
  local next_ms = since(began)
  local asked = vim.system({ child.python, "-c", RSS, tostring(child.servers()[1]) }, { text = true }):wait()
  local result = { first_ms = first_ms, next_ms = next_ms, rss_bytes = assert(tonumber(asked.stdout), asked.stderr) }
  child.type("<Esc>:Ghostwright stop<CR>") -- in order: what it has read is kept for the next start
  child.wait("the server's end", function()
    return #child.servers() == 0
  end)
  io.stdout:write(vim.json.encode(result) .. "\n")
end)
