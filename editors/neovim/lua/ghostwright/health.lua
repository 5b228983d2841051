-- SPDX-License-Identifier: Apache-2.0
-- :checkhealth ghostwright

local M = {}

local health = vim.health

local function check_neovim()
  local version = tostring(vim.version())
  if vim.fn.has("nvim-0.10") == 0 then
    health.error("Neovim " .. version, "install Neovim 0.10 or newer")
  elseif require("ghostwright.native").exists() and require("ghostwright.config").current.native then
    health.ok(("Neovim %s, shows suggestions itself"):format(version))
  else
    health.ok(("Neovim %s, with our own ghost text"):format(version))
  end
end

---The command line of `ghostwright doctor`, from that of `ghostwright serve`.
---@param cmd string[]
---@return string[]
local function doctor(cmd)
  local line = {}
  for _, word in ipairs(cmd) do
    if word == "serve" then
      return vim.list_extend(line, { "doctor", "--json" })
    end
    line[#line + 1] = word
  end
  return { cmd[1], "doctor", "--json" }
end

---@param cmd string[]
local function check_server(cmd)
  local path, problem = require("ghostwright.launch").program()
  if not path then
    health.error(problem, "install the server, or give its path: setup{ cmd = { PATH, \"serve\", \"--stdio\" } }")
    return
  end
  health.ok("server: " .. path)
  local timeout = require("ghostwright.config").current.health_timeout_ms
  local result = vim.system(doctor(cmd), { text = true, timeout = timeout }):wait()
  local good, lines = pcall(vim.json.decode, result.stdout or "")
  if not good or type(lines) ~= "table" then
    health.error(("%s ended with code %d"):format(table.concat(doctor(cmd), " "), result.code), result.stderr)
    return
  end
  for _, line in ipairs(lines) do
    local text = ("%s: %s"):format(line.name, line.detail)
    if line.ok then
      health.ok(text)
    else
      health.warn(text, line.fix ~= "" and line.fix or nil)
    end
  end
end

local function check_running()
  local status = require("ghostwright.status").current
  if not status then
    health.info("no server runs now: it starts with the first file, after setup{}")
  elseif status.state == "error" or status.state == "no-model" then
    health.warn(("%s: %s"):format(status.state, status.message or ""))
  else
    health.ok(("running, %s: %s"):format(status.state, status.message or ""))
  end
end

---Which folders the server serves, and whether their own code may be run.
local function check_folders()
  local client = require("ghostwright.client")
  local it = client.get()
  local folders = it and client.folders(it) or {}
  local strangers = require("ghostwright.trust").strangers(folders)
  for _, folder in ipairs(folders) do
    local is_stranger = vim.list_contains(strangers, folder)
    health.info(("%s: %s"):format(folder, is_stranger and "not trusted, its tests are not run" or "trusted"))
  end
end

---@param keymaps ghostwright.Keymaps|false
local function check_keys(keymaps)
  for action, key in pairs(keymaps or {}) do
    local map = key and vim.fn.maparg(key, "i", false, true) or {}
    if key and not (map.desc or ""):find("^Ghostwright: ") then
      health.warn(("%s (%s) is mapped by something else"):format(key, action), "see :help ghostwright-keys")
    end
  end
end

function M.check()
  local config = require("ghostwright.config").current
  health.start("ghostwright")
  check_neovim()
  check_server(config.cmd)
  check_running()
  check_folders()
  check_keys(config.keymaps)
end

return M
