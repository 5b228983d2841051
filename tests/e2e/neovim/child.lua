-- SPDX-License-Identifier: Apache-2.0
-- A second Neovim that is typed into as by a person, with the plug-in and the real server.
-- The environment says where: GHOSTWRIGHT_TEST = { nvim, plugin, cmd, folder, settings, python,
-- artefacts }.

local M = {}

local LINES, COLUMNS = 24, 80 -- the terminal that programs may expect everywhere
local POLL_MS = 20
local SILENCE_MS = 20000 -- longer than any call takes; a prompt for <Enter> lasts for ever
local QUIT_MS = 3000
local WAIT_MS = 60000 -- for the model: a slow machine reads 25 tokens a second

local address ---@type string?  where the Neovim under test can be looked at

local place = vim.json.decode(assert(os.getenv("GHOSTWRIGHT_TEST")))
M.folder, M.python, M.canary, M.place = place.folder, place.python, place.canary, place

local SETUP = [[
  local plugin, options = ...
  vim.opt.runtimepath:prepend(plugin)
  vim.cmd.runtime("plugin/ghostwright.lua")
  vim.o.swapfile = false
  vim.o.shadafile = "NONE"
  vim.cmd("set expandtab shiftwidth=4")
  require("ghostwright").setup(options)
]]

---Start a Neovim. `options` go to setup{} with the server of the test; false: no setup.
---`arguments` instead of --clean: one that reads the user's init.lua.
function M.start(options, arguments)
  local command = vim.list_extend({ place.nvim, "--embed", "-n" }, arguments or { "--clean" })
  M.channel = vim.fn.jobstart(command, { rpc = true, cwd = place.folder })
  assert(M.channel > 0, "Neovim did not start")
  vim.rpcrequest(M.channel, "nvim_ui_attach", COLUMNS, LINES, { rgb = true })
  if options ~= false then
    M.setup(options)
  end
end

function M.setup(options)
  local defaults = { cmd = place.cmd, settings = place.settings }
  M.lua(SETUP, place.plugin, vim.tbl_extend("force", defaults, options or {}))
end

function M.stop()
  pcall(vim.rpcnotify, M.channel, "nvim_command", "qall!")
  if vim.fn.jobwait({ M.channel }, QUIT_MS)[1] == -1 then
    vim.fn.jobstop(M.channel)
  end
end

---Run Lua over there; the arguments are its `...`.
function M.lua(code, ...)
  local watchdog = assert(vim.uv.new_timer())
  watchdog:start(SILENCE_MS, 0, function()
    io.stderr:write("Neovim waits for a key and answers nothing:\n" .. code .. "\n")
    os.exit(1)
  end)
  local result = vim.rpcrequest(M.channel, "nvim_exec_lua", code, { ... })
  watchdog:close()
  return result ~= vim.NIL and result or nil
end

---Press keys, as a terminal does.
function M.type(keys)
  vim.rpcrequest(M.channel, "nvim_input", keys)
end

---Wait until `probe` gives something, and return it.
function M.wait(what, probe, wait_ms)
  local result
  local came = vim.wait(wait_ms or WAIT_MS, function()
    M.is_free() -- a Neovim that waits for a key answers nothing
    result = probe()
    return result
  end, POLL_MS)
  if not came then
    error(("%s did not come; messages:\n%s\nscreen:\n%s"):format(what, M.messages(), table.concat(M.screen(), "\n")))
  end
  return result
end

function M.messages()
  return M.lua([[return vim.fn.execute("messages")]])
end

---The editor must take keys at any time: never "Press ENTER".
function M.is_free()
  local mode = vim.rpcrequest(M.channel, "nvim_get_mode")
  assert(not mode.blocking, "Neovim waits for a key in mode " .. mode.mode)
end

function M.lines()
  return M.lua([[return vim.api.nvim_buf_get_lines(0, 0, -1, false)]])
end

function M.line()
  return M.lua([[return vim.api.nvim_get_current_line()]])
end

---The ghost text as its extmark has it, nil without one.
function M.ghost()
  return M.lua([[
    local namespace = vim.api.nvim_get_namespaces().ghostwright
    local mark = namespace and vim.api.nvim_buf_get_extmarks(0, namespace, 0, -1, { details = true })[1]
    if not mark then
      return nil
    end
    local lines = { mark[4].virt_text[1][1] }
    for _, chunks in ipairs(mark[4].virt_lines or {}) do
      lines[#lines + 1] = chunks[1][1]
    end
    local cursor = vim.api.nvim_win_get_cursor(0)
    assert(mark[2] == cursor[1] - 1 and mark[3] == cursor[2], "ghost text away from the cursor")
    return table.concat(lines, "\n")
  ]])
end

---What the server itself says of its last answer.
function M.explain()
  return M.lua([[
    local client = vim.lsp.get_clients({ name = "ghostwright" })[1]
    local params = { command = "ghostwright.explain" }
    local answer = client:request_sync("workspace/executeCommand", params, 10000, 0)
    return answer and answer.result
  ]])
end

---Process ids of the servers: Neovim's only children.
function M.servers()
  return M.lua([[return vim.api.nvim_get_proc_children(vim.fn.getpid())]])
end

---End the server as a crash does.
function M.kill_server()
  for _, id in ipairs(M.servers()) do
    vim.uv.kill(id, "sigkill")
  end
end

function M.status()
  return M.lua([[return require("ghostwright").statusline()]])
end

function M.ready()
  return M.wait("a loaded model", function()
    return M.status() == "ghostwright: ready"
  end)
end

---What stands on the screen, a string a row.
function M.screen()
  return M.lua([[
    vim.cmd.redraw()
    local rows = {}
    for row = 1, vim.o.lines do
      local cells = {}
      for column = 1, vim.o.columns do
        cells[column] = vim.fn.screenstring(row, column)
      end
      rows[row] = table.concat(cells):gsub("%s+$", "")
    end
    return rows
  ]])
end

function M.equal(got, want, what)
  assert(vim.deep_equal(got, want), ("%s\n got: %s\nwant: %s"):format(what, vim.inspect(got), vim.inspect(want)))
end

---Keep what is on the screen as a picture: neovim-<name>.svg and .txt.
function M.picture(name)
  address = address or M.lua([[return vim.fn.serverstart("127.0.0.1:0")]])
  local here = debug.getinfo(1, "S").source:sub(2):match("^(.*)[/\\]") or "."
  local file = ("%s/neovim-%s"):format(place.artefacts, name)
  local done = vim.system({ place.python, here .. "/screen.py", address, file }, { text = true }):wait()
  assert(done.code == 0, done.stderr)
  return table.concat(vim.fn.readfile(file .. ".txt"), "\n")
end

---A window over the text: its lines as one string; nil without one.
function M.float()
  return M.lua([[
    for _, window in ipairs(vim.api.nvim_list_wins()) do
      if vim.api.nvim_win_get_config(window).relative ~= "" then
        local buf = vim.api.nvim_win_get_buf(window)
        return table.concat(vim.api.nvim_buf_get_lines(buf, 0, -1, false), "\n")
      end
    end
  ]])
end

function M.close_floats()
  M.lua([[
    for _, window in ipairs(vim.api.nvim_list_wins()) do
      if vim.api.nvim_win_get_config(window).relative ~= "" then
        vim.api.nvim_win_close(window, true)
      end
    end
  ]])
end

---Answer the menus and the prompts from here on: the item whose title has `wanted`, and `words`.
function M.choose(wanted, words)
  M.lua(
    [[
    _G.offered, _G.prompt = nil, nil
    local wanted, words = ...
    vim.ui.select = function(items, options, choose)
      _G.offered = vim.tbl_map(options.format_item or tostring, items)
      for at, title in ipairs(_G.offered) do
        if title:find(wanted) then
          return choose(items[at], at)
        end
      end
      choose(nil)
    end
    vim.ui.input = function(options, answer)
      _G.prompt = options.prompt
      answer(words)
    end
  ]],
    wanted,
    words
  )
end

---What the last menu had, nil where none came.
function M.offered()
  return M.lua([[return _G.offered]])
end

function M.says(words)
  return M.wait("the message " .. words, function()
    return M.messages():find(words, 1, true)
  end, 30000)
end

---Forget what has been said so far.
function M.quiet()
  M.lua([[vim.cmd("messages clear")]])
end

---Run a scenario; the exit code tells how it went, and the reason is printed.
function M.scenario(steps)
  local good, problem = xpcall(steps, debug.traceback)
  if not good then
    io.stderr:write(problem .. "\n")
    pcall(M.picture, "failed")
  end
  M.stop()
  os.exit(good and 0 or 1)
end

return M
