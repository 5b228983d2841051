-- SPDX-License-Identifier: Apache-2.0
-- Real server, real model: one Neovim lives through all of it, as a person's does.

local child = require("child")

child.scenario(function()
  child.start({ max_restarts = 1 })
  for _, name in ipairs({ "accept", "pieces", "refactor", "model", "killed" }) do
    io.stderr:write(name .. "\n") -- shown when it fails
    local began = vim.uv.hrtime()
    require(name)()
    io.stderr:write(("  %.1f s\n"):format((vim.uv.hrtime() - began) / 1e9))
    child.type("<Esc>:silent %bwipeout!<CR>")
    child.quiet()
  end
end)
