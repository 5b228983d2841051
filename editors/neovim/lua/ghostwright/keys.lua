-- SPDX-License-Identifier: Apache-2.0
-- Keys that work while ghost text is shown, and do what they did before at all other times.

local M = {}

---@type table<string, string>  key -> the <Plug> name that its earlier mapping was moved to
local earlier = {}

---A menu owns its keys, whoever drew it.
---@return boolean
function M.menu_is_open()
  if vim.fn.pumvisible() == 1 then
    return true
  end
  local cmp, blink = package.loaded["cmp"], package.loaded["blink.cmp"]
  if type(cmp) == "table" and cmp.visible and cmp.visible() then
    return true
  end
  local is_open = type(blink) == "table" and (blink.is_menu_visible or blink.is_visible)
  return is_open and is_open() or false
end

---@param key string
---@return table<string, any>?  the global insert-mode mapping of a key
local function mapping_of(key)
  local raw = vim.keycode(key)
  return vim.iter(vim.api.nvim_get_keymap("i")):find(function(map)
    return map.lhsraw == raw or map.lhsrawalt == raw
  end)
end

---Keep an earlier mapping alive under another name: Neovim itself then runs it, whatever its kind.
---@param key string
local function keep(key)
  local map = mapping_of(key)
  if not map or (map.desc or ""):find("^Ghostwright: ") then
    return
  end
  local name = ("<Plug>(ghostwright-earlier-%s)"):format(key:gsub("[<>]", ""))
  map.lhs, map.lhsraw, map.lhsrawalt = name, vim.keycode(name), nil
  vim.fn.mapset("i", false, map)
  earlier[key] = name
end

---@class ghostwright.Action
---@field name string
---@field description string
---@field can fun(): boolean  whether the key is ours now
---@field act fun()

---@type table<string, fun()>
local acts = {}

---@param name string
function M.run(name)
  acts[name]()
end

---An expression, so that whoever falls back to this mapping gets keys at once: plug-ins call other
---kinds of mappings later, behind what is typed next. In an expression no text may be changed,
---hence the <Cmd>. <Plug> names are followed in any mapping.
---@param key string|false
---@param action ghostwright.Action
function M.map(key, action)
  if not key then
    return
  end
  keep(key)
  acts[action.name] = action.act
  local run = ("<Cmd>lua require('ghostwright.keys').run('%s')<CR>"):format(action.name)
  vim.keymap.set("i", key, function()
    return action.can() and run or earlier[key] or key
  end, { expr = true, replace_keycodes = true, desc = "Ghostwright: " .. action.description })
end

return M
