-- SPDX-License-Identifier: Apache-2.0
-- Ghost text appears while typing, is what the server meant, and Tab takes it.

local child = require("child")

return function()
  child.lua([[vim.o.statusline = "%f %m%=%{v:lua.require'ghostwright'.statusline()} %l,%c"; vim.o.laststatus = 2]])
  child.type(":edit calc.py<CR>")
  child.ready()
  child.type("Goreturn a ")
  local ghost = child.wait("ghost text", child.ghost)
  child.is_free()

  local explained = child.explain()
  child.equal(ghost, explained.text, "ghost text is what the server says it answered")
  child.equal(explained.model, "qwen2.5-coder-0.5b", "from the real model")
  local first_line = vim.split(ghost, "\n")[1]
  local row = child.lua([[return vim.fn.line(".")]])
  child.equal(child.screen()[row], "    return a " .. first_line, "on the screen")
  child.equal(child.line(), "    return a ", "but not in the buffer")
  local picture = child.picture("ghost-text")
  assert(picture:find("    return a " .. first_line, 1, true), "not in the picture:\n" .. picture)
  assert(picture:find("calc.py %[%+%] +ghostwright: %w+ +6,14"), "no state in the status line:\n" .. picture)

  child.type("<Tab>")
  child.wait("the accepted text", function()
    return table.concat(child.lines(), "\n"):find("    return a " .. ghost, 1, true)
  end)
  child.equal(child.line(), "    return a - b", "what anyone would write here")
  child.type("<Esc>u")
  child.equal(child.line(), "    return a ", "u takes back the suggestion, not the typing")
end
