-- SPDX-License-Identifier: Apache-2.0
-- Code actions and questions on a played model: a preview that is refused, too old, too early or not
-- wanted; words typed in; an answer in a window of its own; a test command where nobody is trusted.

local child = require("child")

local BUSY_MS = 20000

local function has(line)
  return function()
    return vim.tbl_contains(child.lines(), line)
  end
end

local function preview()
  return child.wait("the preview", child.float, BUSY_MS)
end

---Press y where it counts.
local function agree()
  vim.wait(350)
  child.type("y")
end

local function gone()
  child.wait("the window's end", function()
    return not child.float()
  end, 5000)
end

child.scenario(function()
  -- Manual, so that ghost text takes no answer.
  local test = { manual = true, verify = { testCommand = child.python .. " -c pass" } }
  child.start({ cmd = vim.json.decode(assert(os.getenv("ACTION_SERVER"))), settings = test })
  child.type(":edit code.py<CR>")
  child.ready()
  local before = child.lines()

  -- refused
  child.choose("Simplify")
  child.type(":2<CR>:Ghostwright refactor<CR>")
  local shown = preview()
  assert(shown:find("\n-    else:", 1, true) and shown:find("ok ", 1, true), shown)
  assert(not shown:find("tests"), "a test command was run in a folder that nobody trusts:\n" .. shown)
  for _, title in ipairs(child.offered()) do
    assert(title:find("^Ghostwright: "), title)
  end
  child.type("n")
  gone()
  child.equal(child.lines(), before, "refused is refused")

  -- too early: a y that was meant for the text, and insert mode
  child.type(":2<CR>:Ghostwright refactor<CR>")
  child.type("Gi")
  child.says("a change is ready")
  vim.wait(100)
  assert(not child.float(), "a window in front of somebody who types")
  child.type("<Esc>")
  preview()
  child.type("yy")
  vim.wait(100)
  assert(child.float() and vim.deep_equal(child.lua([[return vim.api.nvim_buf_get_lines(1, 0, -1, false)]]), before), "too early")

  -- too old: the text has changed behind the window
  child.lua([[vim.api.nvim_buf_set_lines(1, -1, -1, false, { "# new" })]])
  agree()
  child.says("the text has changed since; nothing was applied")
  gone()
  child.type("u")
  child.wait("the text as it was", function()
    return vim.deep_equal(child.lines(), before)
  end)

  -- taken
  child.type(":2<CR>:Ghostwright refactor<CR>")
  preview()
  agree()
  child.wait("the simpler function", has("    return False"), BUSY_MS)
  assert(not vim.tbl_contains(child.lines(), "    else:"), "it was not simplified")

  -- an action of the menu that needs words, and the word of the command; at once where so chosen
  child.lua([[require("ghostwright.config").current.preview = false]])
  child.choose("Change add", "swap them")
  for _, keys in ipairs({ ":8<CR>:Ghostwright refactor<CR>", ":8<CR>:Ghostwright instruct<CR>" }) do
    child.lua([[_G.prompt = nil]])
    child.type(keys)
    child.wait("the swapped function", has("    return b + a"), BUSY_MS)
    assert(child.lua([[return _G.prompt]]), "nobody was asked")
    child.type("u")
    child.wait("the function as it was", has("    return a + b"))
  end

  -- a question
  child.type(":Ghostwright ask What does add do?<CR>")
  child.wait("the answer", function()
    return table.concat(child.lines(), "\n"):find("adds two")
  end, BUSY_MS)
  assert(child.lua([[return not vim.bo.modifiable and vim.bo.buftype == "nofile"]]), "it can be edited")
  child.is_free()
  child.type(":close<CR>")

  -- trusted: now it is run
  child.lua([[
    local config = require("ghostwright.config").current
    config.preview, config.trusted = true, function() return true end
  ]])
  child.type(":Ghostwright stop<CR>")
  child.wait("no server", function()
    return #child.servers() == 0
  end)
  child.type(":Ghostwright start<CR>")
  child.ready()
  child.type(":8<CR>:Ghostwright instruct swap them<CR>")
  shown = preview()
  assert(shown:find("\nok +tests"), shown)
  child.type("q")
  gone()
end)
