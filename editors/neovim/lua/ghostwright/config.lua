-- SPDX-License-Identifier: Apache-2.0
-- Every option and every number of this plug-in, each with its reason.
-- In: the table given to setup(). Out: one complete ghostwright.Config, and a list of problems.

local M = {}

---@class ghostwright.Keymaps  an insert-mode key for each, or false for none
---@field accept string|false
---@field accept_word string|false
---@field accept_line string|false
---@field next string|false
---@field dismiss string|false

---@class ghostwright.Config
---@field cmd string[]
---@field settings table<string, any>
---@field keymaps ghostwright.Keymaps|false
---@field root_markers string[]
---@field enabled fun(buf: integer): boolean
---@field native boolean
---@field preview boolean
---@field preview_settle_ms integer
---@field trusted fun(root: string): boolean
---@field max_buffer_bytes integer
---@field max_restarts integer
---@field restart_window_s integer
---@field health_timeout_ms integer
---@field completion_wait_ms integer

---@type ghostwright.Config
M.defaults = {
  -- The server. Neovim looks it up on $PATH; a full path works as well.
  cmd = { "ghostwright", "serve", "--stdio" },

  -- The server's settings, e.g. { model = "auto", multiline = true, languages = { text = "off" } }.
  -- They are explained in the project's README and are sent as they are.
  settings = {},

  -- Each key does its work only while ghost text is shown (Tab: and no completion menu is open).
  -- At all other times it does what it was mapped to before. `keymaps = false` maps nothing.
  keymaps = {
    accept = "<Tab>", -- what people's fingers know; steps back for menus and snippets
    accept_word = "<M-w>", -- "word"
    accept_line = "<M-l>", -- "line"
    next = "<M-]>", -- as in other ghost-text plug-ins; asks even where there is none yet
    dismiss = "<C-]>", -- as there; <Esc> leaves insert mode, which dismisses too
  },

  -- What marks the folder of a project; without one, the file's own folder is the root.
  root_markers = { ".git" },

  -- Return false for buffers that the server shall never see.
  enabled = function(_)
    return true
  end,

  -- Neovim 0.12 can show inline completion itself: then this plug-in leaves it to Neovim.
  -- false: our own ghost text there too, without Neovim's fixed pause of 200 ms before it asks.
  native = true,

  -- Show the diff of a refactor and what was checked, and ask, before the text is changed.
  -- false: the change is made at once; `u` takes it back.
  preview = true,

  -- The window may open between two keys: a "y" this soon was meant for the text below.
  preview_settle_ms = 300,

  -- Return true for folders whose own code may be run. Elsewhere the server is told that there is no
  -- `verify.testCommand`: a command like "pytest" runs whatever the repository has put there.
  trusted = function(_)
    return false
  end,

  -- Text above this size is data, not code, and opening it would send all of it to the server.
  max_buffer_bytes = 1024 * 1024,

  -- A server that keeps dying is not started again: 4 restarts in 180 s, as VS Code does it.
  max_restarts = 4,
  restart_window_s = 180,

  -- `:checkhealth` asks `ghostwright doctor`, which reads the model's header; slow disks exist.
  health_timeout_ms = 20000,

  -- `:Ghostwright model <Tab>` asks the server, and a key that hangs longer seems lost.
  completion_wait_ms = 500,
}

---@type ghostwright.Config
M.current = M.defaults

---@param name string
---@param value any
---@param default any
---@return string? problem
local function check(name, value, default)
  if default == nil then
    return ("%s is not an option"):format(name)
  elseif name == "keymaps" and value == false then
    return nil
  elseif name == "cmd" and type(value) == "table" and type(value[1]) ~= "string" then
    return "cmd must be a list: the program, then its arguments"
  elseif type(value) ~= type(default) then
    return ("%s must be a %s"):format(name, type(default))
  end
  return nil
end

---@param given table
---@param problems string[]
---@return ghostwright.Keymaps
local function keymaps(given, problems)
  local result = vim.deepcopy(M.defaults.keymaps)
  for action, key in pairs(given) do
    local good = key == false or type(key) == "string"
    if result[action] == nil or not good then
      problems[#problems + 1] = ("keymaps.%s must be one of the five actions with a key or false"):format(action)
    else
      result[action] = key
    end
  end
  return result --[[@as ghostwright.Keymaps]]
end

---A bad value keeps its default and makes one problem.
---@param given? table
---@return string[] problems
function M.resolve(given)
  local config, problems = vim.deepcopy(M.defaults), {}
  for name, value in pairs(given or {}) do
    local problem = check(name, value, M.defaults[name])
    if problem then
      problems[#problems + 1] = problem
    elseif name == "keymaps" and value then
      config.keymaps = keymaps(value, problems)
    else
      config[name] = value
    end
  end
  M.current = config
  table.sort(problems)
  return problems
end

return M
