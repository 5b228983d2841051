-- SPDX-License-Identifier: Apache-2.0
-- A word, typing what is suggested, dismissing, pausing, explaining.

local child = require("child")

return function()
  child.type(":edit area.py<CR>")
  child.ready()
  child.type("Goreturn")
  vim.wait(1000) -- who has paused gets more than a word
  child.type("<Space>")
  local ghost = child.wait("ghost text of more than a word", function()
    local text = child.ghost()
    return text and text:find("^%w+%W") and text
  end)
  child.equal(ghost, child.explain().text, "ghost text is what the server says it answered")

  child.type("<M-w>")
  local word = ghost:match("^%w+")
  child.wait("the accepted word", function()
    return child.line() == "    return " .. word
  end)
  child.equal(child.ghost(), ghost:sub(#word + 1), "the rest stays")

  local key = ghost:sub(#word + 1, #word + 1)
  child.type(key == " " and "<Space>" or key)
  child.wait("the typed key", function()
    return child.line() == "    return " .. word .. key
  end)
  child.wait("the rest after typing as suggested", function()
    return child.ghost() == ghost:sub(#word + 2)
  end, 3000)

  child.type("<C-]>")
  child.wait("dismissal", function()
    return not child.ghost()
  end)
  child.type("<Esc>:Ghostwright pause<CR>")
  child.wait("the pause", function()
    return child.status() == "ghostwright: paused"
  end)
  child.type("o")
  child.type("re")
  vim.wait(500)
  child.equal(child.ghost(), nil, "no ghost text while paused")
  child.equal(child.explain().reason, "paused", "and the server says why")
  child.type("<Esc>:Ghostwright explain<CR>")
  child.wait("the explanation", function()
    return table.concat(child.screen(), "\n"):find('reason = "paused"', 1, true)
  end)
  child.type("<Esc>:Ghostwright pause<CR>")
  child.ready()
end
