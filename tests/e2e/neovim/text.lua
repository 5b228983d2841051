-- SPDX-License-Identifier: Apache-2.0
-- A scripted server: what is inserted, byte for byte, in lines that are not plain ASCII.

local child = require("child")
local scripted = require("scripted")

---Accept `text` with `key` behind `typed`, and compare the lines and the cursor.
local function check(typed, text, key, want_lines, want_column)
  scripted.ask("script", text)
  child.type("<Esc>:%delete<CR>i" .. typed)
  child.wait("ghost text for " .. typed, child.ghost)
  child.type(key)
  child.wait("the text", function()
    return vim.deep_equal(child.lines(), want_lines)
  end, 5000)
  child.equal(child.lua([[return vim.fn.col(".")]]), want_column, "cursor after " .. text)
end

child.scenario(function()
  scripted.start(child)
  check("naïve = ", "'größe' # 🦊", "<Tab>", { "naïve = 'größe' # 🦊" }, #"naïve = 'größe' # 🦊" + 1)
  scripted.asked_at(#"naïve = ") -- in bytes
  check("🦊", "x\n  größe\n", "<Tab>", { "🦊x", "  größe", "" }, 1)
  check("a ", "größe + 1", "<M-w>", { "a größe" }, #"a größe" + 1)
  check("a ", "== b", "<M-w>", { "a ==" }, 5)
  check("a", "\n  b\n  c", "<M-l>", { "a", "  b" }, 4)
  check("f(<Esc>i", "x", "<Tab>", { "fx(" }, 3)

  -- CRLF: the server writes as the file does; the buffer has no CR of its own.
  child.lua("vim.bo.fileformat = 'dos'")
  check("a", "b\r\nc", "<Tab>", { "ab", "c" }, 2)
  child.wait("the server's text", function()
    return scripted.ask("seen").text == "ab\r\nc\r\n"
  end)
end)
