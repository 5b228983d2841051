-- SPDX-License-Identifier: Apache-2.0
-- The server is killed while it writes; typing goes on, and it comes back.

local child = require("child")

local function kill_and_type(text)
  child.kill_server()
  for key in text:gmatch(".") do
    child.type(key == " " and "<Space>" or key)
    vim.wait(50)
    child.is_free()
  end
end

return function()
  child.type(":edit calc.py<CR>")
  child.ready()
  child.type("Goreturn")
  child.wait("a server at work", function()
    return #child.servers() == 1
  end)
  kill_and_type(" a ")
  child.equal(child.line(), "    return a ", "no key is lost")
  child.says("the server stopped (signal 9), starting it again")

  -- Nobody has pressed a key since the model is back: the question is asked again.
  child.equal(child.wait("ghost text of the new server", child.ghost), "- b", "ghost text")
  child.type("<Tab>")
  child.wait("the accepted text", function()
    return child.line() == "    return a - b"
  end)

  -- A question is under way: it does not wait for ever, and the server is not started for ever.
  child.type("<Esc>:Ghostwright ask What does add do?<CR>")
  child.wait("the answer's window", function()
    return child.lines()[1] == "What does add do?"
  end)
  child.kill_server()
  child.wait("the end of the answer", function()
    return table.concat(child.lines(), "\n"):find("the server has stopped", 1, true)
  end)
  child.wait("the last word", function()
    return child.status() == "ghostwright: error"
  end)
  child.equal(child.servers(), {}, "not started for ever")
  child.says("stopped again (signal 9); see :Ghostwright log")

  child.type(":close<CR>Ax")
  child.wait("the typed key", function()
    return child.line() == "    return a - bx"
  end)
  child.is_free()
  child.type("<Esc>:Ghostwright start<CR>")
  child.wait("a server", function()
    return #child.servers() == 1
  end)
end
