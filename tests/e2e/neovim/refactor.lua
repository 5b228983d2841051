-- SPDX-License-Identifier: Apache-2.0
-- A refactor from the menu: its diff and its checks are seen before the text changes, and y makes it.

local child = require("child")

return function()
  child.type(":edit stock.py<CR>")
  child.ready()
  local before = child.lines()
  child.choose("Extract")
  child.type(":3,6Ghostwright refactor<CR>")
  local shown = child.wait("the preview", child.float)
  assert(vim.iter(child.offered()):any(function(title)
    return title:find("Simplify")
  end), "the menu has no other action: " .. vim.inspect(child.offered()))
  assert(shown:find("\n@@ ") and shown:find("\n%+def "), "no diff:\n" .. shown)
  assert(shown:find("^ok +%w+"), "no checks:\n" .. shown)
  child.equal(child.lua([[return vim.api.nvim_buf_get_lines(vim.fn.bufnr("stock.py"), 0, -1, false)]]), before, "too early")
  local picture = child.picture("refactor-preview")
  assert(picture:find("y apply", 1, true) and picture:find("+def ", 1, true), picture)

  vim.wait(400) -- longer than preview_settle_ms
  child.type("y")
  child.wait("the extracted function", function()
    return #child.lines() > #before and not child.float()
  end)
  assert(child.lua([[return vim.fn.expand("%:t")]]) == "stock.py", "in the window of before")
  child.says("applied, ")
  child.type("u")
  child.wait("the text as it was", function()
    return vim.deep_equal(child.lines(), before)
  end)
end
