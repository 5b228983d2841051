-- SPDX-License-Identifier: Apache-2.0
-- Code actions and questions as a person uses them: chosen from the menu, with words typed in, an
-- answer that is written into a window of its own. Menus answer by themselves, as plug-ins' do.

local child = require("child")

child.start({ cmd = vim.json.decode(assert(os.getenv("ACTION_SERVER"))) })
child.type(":edit code.py<CR>")
child.wait("the model", function()
  return child.lua([[return require("ghostwright").statusline() == "ghostwright: ready"]])
end)
child.lua([[
  vim.ui.select = function(items, _, choose)
    for _, item in ipairs(items) do
      local title = (item.action or item).title
      assert(title:find("^Ghostwright: "), title)
      if title:find(_G.wanted) then
        return choose(item)
      end
    end
    _G.missing = true
  end
  vim.ui.input = function(options, answer)
    _G.prompt = options.prompt
    answer("swap them")
  end
]])

local function has(line)
  return function()
    return vim.tbl_contains(child.lines(), line)
  end
end

-- from the menu
child.lua([[_G.wanted = "Simplify"]])
child.type(":2<CR>:Ghostwright refactor<CR>")
child.wait("the simpler function", has("    return False"), 20000)
assert(not vim.tbl_contains(child.lines(), "    else:"), "it was not simplified")

-- an action of the menu that needs words, and the word of the command
for _, keys in ipairs({ ":8<CR>:Ghostwright refactor<CR>", ":8<CR>:Ghostwright instruct<CR>" }) do
  child.lua([[_G.wanted, _G.prompt = "Change add", nil]])
  child.type(keys)
  child.wait("the swapped function", has("    return b + a"), 20000)
  assert(child.lua([[return _G.prompt]]), "nobody was asked")
  child.type("u")
  child.wait("the function as it was", has("    return a + b"))
end
assert(not child.lua([[return _G.missing]]), "the menu had not all")

-- a question
child.type(":Ghostwright ask What does add do?<CR>")
child.wait("the answer", function()
  return table.concat(child.lines(), "\n"):find("adds two")
end, 20000)
assert(child.lua([[return not vim.bo.modifiable and vim.bo.buftype == "nofile"]]), "it can be edited")
child.is_free()
child.stop()
