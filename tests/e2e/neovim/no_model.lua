-- SPDX-License-Identifier: Apache-2.0
-- Real server, no model: said once, no errors, and editing goes on.

local child = require("child")

child.scenario(function()
  child.start()
  child.type(":edit calc.py<CR>")
  child.type("Goreturn")
  child.wait("the word that there is no model", function()
    return child.status() == "ghostwright: no-model"
  end)
  child.wait("the message", function()
    return child.messages():find("ghostwright setup", 1, true)
  end)
  child.type(" a + b")
  child.wait("the typed text", function()
    return child.line() == "    return a + b"
  end)
  child.is_free()
  child.type("<Esc>:edit area.py<CR>oresult =")
  child.wait("the typed text", function()
    return child.line():find("result =", 1, true)
  end)
  vim.wait(300)
  child.equal(child.ghost(), nil, "no ghost text")
  child.equal(select(2, child.messages():gsub("ghostwright setup", "")), 1, "said once: " .. child.messages())
  assert(not child.messages():find("E%d+:"), child.messages())

  child.type("<Esc>:checkhealth ghostwright<CR>")
  local page = child.wait("the health page", function()
    local text = table.concat(child.lines(), "\n")
    return text:find("no%-model") and text
  end)
  assert(page:find("OK Neovim") and page:find("WARNING model: no model"), page)
end)
