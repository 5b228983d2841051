-- SPDX-License-Identifier: Apache-2.0
-- Real server, no model, a repository full of files that want to be obeyed: nothing of it is read,
-- the missing model is said once, and editing goes on.

local child = require("child")

---A user who has 'exrc' on is asked by Neovim (vim.secure): he ignores the file. And a careless $PATH.
local INIT = [[
vim.o.exrc = true
vim.env.PATH = ".:" .. vim.env.PATH
]]

child.scenario(function()
  local folder = vim.env.XDG_CONFIG_HOME .. "/nvim"
  vim.fn.mkdir(folder, "p")
  vim.fn.writefile(vim.split(INIT, "\n"), folder .. "/init.lua")
  child.start(false, {})
  local function is_asking()
    return vim.rpcrequest(child.channel, "nvim_get_mode").mode == "r?"
  end
  assert(vim.wait(10000, is_asking, 20), "Neovim does not ask about .nvim.lua")
  for _ = 1, 3 do -- for each of the files
    child.type("i")
    vim.wait(100)
  end
  assert(not is_asking(), "Neovim still asks")
  child.type("<Esc>")
  child.setup({ cmd = { "ghostwright", "serve" } })
  child.type(":edit calc.py<CR>")
  child.says("ghostwright is only in the open folder: not started")
  child.setup()

  child.type("Goreturn")
  child.wait("the word that there is no model", function()
    return child.status() == "ghostwright: no-model"
  end)
  child.says("ghostwright setup")
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
  assert(not child.messages():find("canary"), "something of the repository was taken: " .. child.messages())

  -- Extraction needs no model: the rest of the plug-in works.
  child.choose("Extract")
  child.type("<Esc>:edit! stock.py<CR>:3,6Ghostwright refactor<CR>")
  assert(child.wait("the preview", child.float):find("\n+def ", 1, true), "no diff")
  child.type("<Esc>")

  child.type(":checkhealth ghostwright<CR>")
  local page = child.wait("the health page", function()
    local text = table.concat(child.lines(), "\n")
    return text:find("no%-model") and text
  end)
  assert(page:find("OK Neovim") and page:find("WARNING model: no model"), page)
  assert(page:find("not trusted, its tests are not run", 1, true), page)
  assert(not vim.uv.fs_stat(child.canary), "a file of the repository was run")
end)
