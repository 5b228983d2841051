-- SPDX-License-Identifier: Apache-2.0
-- The program is not installed, and the options are wrong: one line each, and editing goes on.

local child = require("child")

child.scenario(function()
  child.start({ cmd = { "no-gw", "serve" }, keymap = {}, native = "yes" })
  child.type(":edit calc.py<CR>")
  child.type(":edit area.py<CR>Goreturn 1")
  child.wait("the typed text", function()
    return child.line() == "    return 1"
  end)
  child.is_free()
  child.equal(child.status(), "", "nothing to say in the status line")
  child.equal(vim.split(vim.trim(child.messages()), "\n"), {
    "Ghostwright: keymap is not an option",
    "Ghostwright: native must be a boolean",
    "Ghostwright: no-gw not found; see :checkhealth ghostwright",
  }, "one line a problem")

  child.type("<Tab>x")
  child.wait("a plain Tab", function()
    return child.line() == "    return 1    x"
  end)
  child.type("<Esc>:checkhealth ghostwright<CR>")
  child.wait("the health page", function()
    return table.concat(child.lines(), "\n"):find("ERROR no%-gw not found")
  end)
end)
