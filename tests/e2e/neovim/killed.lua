-- SPDX-License-Identifier: Apache-2.0
-- Real server, real model: the server is killed while it writes; typing goes on, and it comes back.

local child = require("child")

local function kill_and_type(text)
  child.kill_server()
  for key in text:gmatch(".") do
    child.type(key == " " and "<Space>" or key)
    vim.wait(50)
    child.is_free()
  end
end

child.scenario(function()
  child.start({ max_restarts = 1 })
  child.type(":edit calc.py<CR>")
  child.ready()
  child.type("Goreturn")
  child.wait("a server at work", function()
    return #child.servers() == 1
  end)
  kill_and_type(" a ")
  child.equal(child.line(), "    return a ", "no key is lost")
  assert(child.messages():find("the server stopped %(signal 9%), starting it again"), child.messages())

  -- Nobody has pressed a key since the model is back: the question is asked again.
  child.equal(child.wait("ghost text of the new server", child.ghost), "- b", "ghost text")
  child.type("<Tab>")
  child.wait("the accepted text", function()
    return child.line() == "    return a - b"
  end)

  kill_and_type("ea")
  child.equal(child.line(), "    return a - bea", "no key is lost")
  child.wait("the last word", function()
    return child.status() == "ghostwright: error"
  end)
  child.equal(child.servers(), {}, "not started for ever")
  assert(child.messages():find("stopped again %(signal 9%); see :Ghostwright log"), child.messages())

  child.type("<Esc>:Ghostwright start<CR>")
  child.ready()
end)
