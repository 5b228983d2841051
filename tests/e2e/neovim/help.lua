-- SPDX-License-Identifier: Apache-2.0
-- No server: the help file has a tag for every option, function and word of :Ghostwright.

local child = require("child")

child.scenario(function()
  child.start({ cmd = { "no-gw" } })
  local missing = child.lua([[
    local plugin = vim.api.nvim_get_runtime_file("lua/ghostwright/init.lua", false)[1]:match("^(.*)/lua/")
    local folder = vim.fn.tempname()
    vim.fn.mkdir(folder .. "/doc", "p")
    vim.uv.fs_copyfile(plugin .. "/doc/ghostwright.txt", folder .. "/doc/ghostwright.txt")
    vim.cmd.helptags(folder .. "/doc") -- fails on a tag that is there twice
    local tags = table.concat(vim.fn.readfile(folder .. "/doc/tags"), "\n") .. "\n"

    local wanted = { "ghostwright", ":Ghostwright", "GhostwrightStatus", "hl-GhostwrightGhost" }
    for name in pairs(require("ghostwright.config").defaults) do
      table.insert(wanted, "ghostwright-option-" .. name)
    end
    for name in pairs(require("ghostwright")) do
      table.insert(wanted, ("ghostwright.%s()"):format(name))
    end
    for word in pairs(require("ghostwright.commands").words) do
      table.insert(wanted, ":Ghostwright-" .. word)
    end
    return vim.tbl_filter(function(tag)
      return not ("\n" .. tags):find("\n" .. tag .. "\t", 1, true)
    end, wanted)
  ]])
  child.equal(missing, {}, "names without a tag in doc/ghostwright.txt")
end)
