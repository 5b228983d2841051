-- SPDX-License-Identifier: Apache-2.0
-- Loaded at start: only names, nothing runs before setup{} or a command.

if vim.g.loaded_ghostwright then
  return
end
vim.g.loaded_ghostwright = true

local function colour()
  vim.api.nvim_set_hl(0, "GhostwrightGhost", { link = "NonText", default = true })
end
colour()
vim.api.nvim_create_autocmd("ColorScheme", {
  group = vim.api.nvim_create_augroup("ghostwright.colour", { clear = true }),
  callback = colour,
})

vim.api.nvim_create_user_command("Ghostwright", function(call)
  local lines = call.range > 0 and { first = call.line1, last = call.line2 } or nil
  require("ghostwright.commands").run(call.args, lines)
end, {
  nargs = "+",
  range = true,
  desc = "Ghostwright: refactor, instruct, ask, model, pause, status, stats, explain, and more",
  complete = function(lead, line, cursor)
    return require("ghostwright.commands").complete(lead, line:sub(1, cursor))
  end,
})
