-- SPDX-License-Identifier: Apache-2.0
-- The last steps of the README, with an init.lua and a server that its first steps have made.

local child = require("child")

child.scenario(function()
  child.start(false, {})
  for _, keys in ipairs(child.place.typed) do
    child.type(keys)
  end
  local ghost = child.wait("ghost text", child.ghost)
  local line = child.line()
  assert(line:find("^%s+return $"), line)
  child.is_free()
  child.picture("newcomer")
  child.type("<Tab>")
  child.wait("the accepted text", function()
    return table.concat(child.lines(), "\n"):find(line .. ghost, 1, true)
  end)
  child.type("<Esc>:checkhealth ghostwright<CR>")
  local page = child.wait("the health page", function()
    local text = table.concat(child.lines(), "\n")
    return text:find("running, ", 1, true) and text
  end)
  assert(not page:find("ERROR") and page:find(".local/bin/ghostwright", 1, true), page)
end)
