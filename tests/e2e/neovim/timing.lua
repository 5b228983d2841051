-- SPDX-License-Identifier: Apache-2.0
-- A scripted server: late answers, several answers, other line breaks, letters of several bytes.
-- What it must never do: show or insert text that was written for another text (P5).

local child = require("child")
local scripted = require("scripted")

child.scenario(function()
  scripted.start(child)
  child.equal(scripted.ask("seen").encodings, { "utf-8" }, "positions are bytes")

  -- A late answer: the cursor has moved on, so it is not shown.
  scripted.ask("script", "LATE")
  scripted.ask("hold", true)
  child.type("Gox")
  scripted.asked_at(1)
  child.type("y")
  scripted.asked_at(2)
  scripted.ask("script", "NEW")
  scripted.ask("hold", false) -- answers both, the older one first
  child.equal(child.wait("ghost text", child.ghost), "LATE", "the answer to the last question")
  child.type("z")
  child.wait("the next answer", function()
    return child.ghost() == "NEW"
  end)
  assert(scripted.ask("seen")["$/cancelRequest"] >= 1, "the first question was not taken back")

  -- An answer after <Esc>: nothing is shown in normal mode.
  scripted.ask("hold", true)
  child.type("a")
  scripted.asked_at(4)
  child.type("<Esc>")
  child.wait("normal mode", function()
    return vim.rpcrequest(child.channel, "nvim_get_mode").mode == "n"
  end)
  scripted.ask("hold", false)
  vim.wait(200)
  child.equal(child.ghost(), nil, "no ghost text outside of insert mode")

  -- An answer after a change that Neovim has told nobody of yet.
  scripted.ask("script", "OLD")
  scripted.ask("hold", true)
  child.type("Sabcdef")
  scripted.asked_at(6)
  -- Same place, other text. The change may be asked about at once: that answer is another one.
  scripted.after("vim.api.nvim_set_current_line('ABCdef')", "release", "LATER")
  vim.wait(200)
  assert(child.ghost() ~= "OLD", "text of an older version is shown")

  -- Dismissed while the next answer is under way: it stays away.
  child.type("<Esc>S")
  scripted.ask("script", "dismiss me")
  child.type("x")
  child.wait("ghost text", child.ghost)
  scripted.ask("hold", true)
  child.type("d")
  child.wait("the rest", function()
    return child.ghost() == "ismiss me"
  end)
  child.type("<C-]>")
  child.wait("dismissal", function()
    return not child.ghost()
  end)
  scripted.ask("hold", false)
  vim.wait(200)
  child.equal(child.ghost(), nil, "dismissed is dismissed")

  -- Typing what is shown: the rest stays while the server is silent; anything else takes it away.
  scripted.ask("script", "range(3):\n\tprint(1)")
  child.type("Sfor i in ")
  child.wait("ghost text", child.ghost)
  scripted.ask("hold", true)
  child.type("ra")
  child.wait("the rest", function()
    return child.ghost() == "nge(3):\n        print(1)" -- a tab is shown as blanks
  end)
  child.type("w")
  child.wait("no ghost text", function()
    return not child.ghost()
  end)
  scripted.ask("hold", false)
  child.type("<Esc>")

  -- Several suggestions: the next key goes round.
  scripted.ask("script", "one", "two")
  child.type("S")
  child.wait("the first", function()
    return child.ghost() == "one"
  end)
  child.type("<M-]>")
  child.wait("the second", function()
    return child.ghost() == "two"
  end)
  child.type("<Tab>")
  child.wait("the second's text", function()
    return child.line() == "two"
  end)
  child.wait("the word that it was accepted", function()
    local command = scripted.ask("seen").accepted
    return command and command[1] == "two"
  end)
end)
