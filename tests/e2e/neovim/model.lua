-- SPDX-License-Identifier: Apache-2.0
-- Choosing a model from the menu and by name; one that is not here costs nothing. Then the status.

local child = require("child")

local STARTER = "qwen2.5-coder-0.5b"

local function selected()
  return child.lua([[
    local client = vim.lsp.get_clients({ name = "ghostwright" })[1]
    return client:request_sync("workspace/executeCommand", { command = "ghostwright.selectModel" }, 10000, 0).result.selected
  ]])
end

return function()
  child.type(":edit area.py<CR>")
  child.ready()
  child.equal(selected(), "auto", "before")
  child.choose("0%.5B")
  child.type(":Ghostwright model<CR>")
  child.says("model " .. STARTER)
  local row = vim.iter(child.offered()):find(function(title)
    return title:find("0%.5B")
  end)
  assert(row:find("0%.%d GB") and not row:find("not fetched"), row)
  child.ready()
  child.equal(selected(), STARTER, "after")
  child.type("Goreturn ")
  child.wait("ghost text of the new choice", child.ghost)

  local ids = child.lua([[return vim.fn.getcompletion("Ghostwright model qwen3-coder-n", "cmdline")]])
  assert(#ids >= 1, "no ids are completed")
  child.type("<Esc>:Ghostwright model " .. ids[1] .. "<CR>")
  child.wait("what to do, in full", function()
    local text = child.float()
    return text and text:find("ghostwright models pull " .. ids[1], 1, true)
  end, 30000)
  child.close_floats()
  child.equal(selected(), STARTER, "the model in use stays")
  child.is_free()

  for word, part in pairs({ status = 'state = "', stats = "shown" }) do
    child.type(":Ghostwright " .. word .. "<CR>")
    child.wait("the float of " .. word, function()
      local text = child.float()
      return text and text:find(part, 1, true)
    end)
    child.close_floats()
  end
  child.type(":Ghostwright reindex<CR>")
  child.says("reads the repository again")
end
