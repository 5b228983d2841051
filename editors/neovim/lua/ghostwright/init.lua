-- SPDX-License-Identifier: Apache-2.0
-- What others may call: setup, the five actions, the status line.
-- Options are in config.lua, the server in client.lua, asking and showing in suggest.lua.

local M = {}

---@class ghostwright.Display  suggest.lua or native.lua
---@field enable fun()
---@field visible fun(): boolean
---@field accept fun(piece: ghostwright.Piece): boolean
---@field next fun()
---@field dismiss fun()

---@type ghostwright.Display?
local display

---@return ghostwright.Display
local function choose()
  local native = require("ghostwright.native")
  if require("ghostwright.config").current.native and native.exists() then
    return native
  end
  return require("ghostwright.suggest")
end

---Whether ghost text is on the screen.
---@return boolean
function M.visible()
  return display ~= nil and display.visible()
end

---For mappings of your own: inserts the suggestion, or its next "word" or "line".
---@param piece? ghostwright.Piece
---@return boolean  false when there was nothing to insert
function M.accept(piece)
  return display ~= nil and display.accept(piece or "all")
end

---The next suggestion; where there is none, asks for one.
function M.next()
  if display then
    display.next()
  end
end

---@return boolean  false when nothing was shown
function M.dismiss()
  local visible = M.visible()
  if display and visible then
    display.dismiss()
  end
  return visible
end

---A short text for the status line, such as "ghostwright: ready"; empty while no server runs.
---@return string
function M.statusline()
  return require("ghostwright.status").line()
end

---@return ghostwright.Action[]
local function actions()
  local keys = require("ghostwright.keys")
  ---@param piece ghostwright.Piece
  local function accept(piece)
    return function()
      M.accept(piece)
    end
  end
  local function alone()
    return M.visible() and not keys.menu_is_open()
  end
  local function always()
    return display ~= nil
  end
  return {
    { name = "accept", description = "accept the suggestion", can = alone, act = accept("all") },
    { name = "accept_word", description = "accept its next word", can = M.visible, act = accept("word") },
    { name = "accept_line", description = "accept its next line", can = M.visible, act = accept("line") },
    { name = "next", description = "next suggestion", can = always, act = M.next },
    { name = "dismiss", description = "dismiss the suggestion", can = M.visible, act = M.dismiss },
  }
end

---Start the server for the files that are open, and for those that will be.
---@param options? table  see config.lua or |ghostwright-options|
function M.setup(options)
  if vim.fn.has("nvim-0.10") == 0 then
    vim.notify("Ghostwright needs Neovim 0.10 or newer", vim.log.levels.ERROR)
    return
  end
  local config, say = require("ghostwright.config"), require("ghostwright.say")
  for _, problem in ipairs(config.resolve(options)) do
    say.once("Ghostwright: " .. problem, vim.log.levels.WARN)
  end
  if not display then -- a second setup() changes options, not keys
    display = choose()
    display.enable()
    for _, action in ipairs(actions()) do
      require("ghostwright.keys").map((config.current.keymaps or {})[action.name], action)
    end
  end
  require("ghostwright.client").start()
end

return M
