-- SPDX-License-Identifier: Apache-2.0
-- The server's process: started with the first file, shared by all, started again if it dies.

local config = require("ghostwright.config")
local say = require("ghostwright.say")
local status = require("ghostwright.status")

local M = {}

local NAME = "ghostwright"
local INSTRUCT = "ghostwright.instruct"
local group = vim.api.nvim_create_augroup("ghostwright.client", { clear = true })
M.ENCODING = "utf-8" -- the buffer's own bytes: nothing has to be converted

local wanted_running = false
local exited ---@type fun(code: integer, signal: integer)
---@type number[]  when the server died, in seconds
local deaths = {}

---Client methods take the client as their first argument from 0.11 on.
---@param client vim.lsp.Client
---@param method string
local function call(client, method, ...)
  if vim.fn.has("nvim-0.11") == 1 then
    return client[method](client, ...)
  end
  return client[method](...)
end

---Ours and alive: Neovim lists a client that has died for a moment longer.
---@param client vim.lsp.Client
---@return boolean
local function is_ours(client)
  return client.name == NAME and not call(client, "is_stopped")
end

---@param buf? integer  only one that serves this buffer
---@return vim.lsp.Client?
function M.get(buf)
  return vim.iter(vim.lsp.get_clients({ name = NAME, bufnr = buf })):find(is_ours)
end

---@param buf integer
---@return boolean
local function wants(buf)
  local name = vim.api.nvim_buf_get_name(buf)
  if not vim.api.nvim_buf_is_loaded(buf) or vim.bo[buf].buftype ~= "" then
    return false
  elseif name == "" or name:find("^%a[%w+.-]+://") then -- without a place of its own on the disk
    return false
  end
  local bytes = vim.api.nvim_buf_get_offset(buf, vim.api.nvim_buf_line_count(buf))
  return bytes <= config.current.max_buffer_bytes and config.current.enabled(buf)
end

---@param buf integer
---@return string
local function root_of(buf)
  return vim.fs.root(buf, config.current.root_markers) or vim.fs.dirname(vim.api.nvim_buf_get_name(buf))
end

---One server serves all folders: it holds a model, and two would hold it twice.
---@param client vim.lsp.Client
---@param root string
local function add_folder(client, root)
  local folder = { uri = vim.uri_from_fname(root), name = root }
  local folders = client.workspace_folders or {}
  local known = vim.iter(folders):any(function(other)
    return other.uri == folder.uri
  end)
  if not known then
    client.workspace_folders = vim.list_extend({ folder }, folders)
    local event = { added = { folder }, removed = {} }
    call(client, "notify", "workspace/didChangeWorkspaceFolders", { event = event })
  end
end

---Neovim's own words on a crash are wider than a screen: it then waits for <Enter>, and a user who
---is typing loses keys. So Neovim hears of an orderly end, and we say what has happened.
---@param dispatchers vim.lsp.rpc.Dispatchers
---@return vim.lsp.rpc.PublicClient
local function start_quietly(dispatchers)
  local told = vim.tbl_extend("force", {}, dispatchers)
  told.on_exit = function(code, signal)
    dispatchers.on_exit(0, 0)
    vim.schedule(function()
      exited(code, signal)
    end)
  end
  return vim.lsp.rpc.start(config.current.cmd, told)
end

---@param buf integer
---@return vim.lsp.ClientConfig
local function client_config(buf)
  local capabilities = vim.lsp.protocol.make_client_capabilities()
  capabilities.textDocument.inlineCompletion = { dynamicRegistration = false }
  capabilities.general = vim.tbl_extend("force", capabilities.general or {}, { positionEncodings = { M.ENCODING } })
  return {
    name = NAME,
    cmd = start_quietly,
    root_dir = root_of(buf),
    -- The server may name this command of ours in an action; it is no setting.
    init_options = vim.tbl_extend("force", config.current.settings, { clientCommands = { INSTRUCT } }),
    commands = {
      [INSTRUCT] = function(command, context)
        require("ghostwright.actions").on_instruct(command, context)
      end,
    },
    capabilities = capabilities,
    offset_encoding = M.ENCODING,
    on_attach = function(client, attached)
      add_folder(client, root_of(attached))
    end,
    handlers = {
      ["ghostwright/status"] = function(_, result)
        status.set(result)
      end,
      ["ghostwright/answer"] = function(_, result)
        require("ghostwright.actions").on_answer(result)
      end,
      ["window/showMessage"] = function(_, result)
        -- 1 error, 2 warning, 3 and above information
        say.say(result.message, result.type <= 2 and vim.log.levels.WARN or vim.log.levels.INFO)
      end,
    },
  }
end

---@param buf integer
function M.attach(buf)
  if not wanted_running or not wants(buf) then
    return
  end
  local program = config.current.cmd[1]
  if vim.fn.executable(program) == 0 then
    say.once(("Ghostwright: %s not found; see :checkhealth ghostwright"):format(program), vim.log.levels.WARN)
    return
  end
  vim.lsp.start(client_config(buf), { bufnr = buf, reuse_client = is_ours })
end

local function attach_all()
  for _, buf in ipairs(vim.api.nvim_list_bufs()) do
    M.attach(buf)
  end
end

---@param code integer
---@param signal integer
exited = function(code, signal)
  status.set(nil)
  if not wanted_running or vim.v.exiting ~= vim.NIL then
    return
  elseif code == 0 and signal == 0 then -- somebody has stopped it in order
    wanted_running = false
    return
  end
  local now = vim.uv.now() / 1000
  deaths = vim.tbl_filter(function(moment)
    return now - moment < config.current.restart_window_s
  end, deaths)
  deaths[#deaths + 1] = now
  local how = signal ~= 0 and ("signal %d"):format(signal) or ("code %d"):format(code)
  if #deaths > config.current.max_restarts then
    wanted_running = false
    status.set({ state = "error", message = "the server keeps stopping: " .. how })
    say.say(("Ghostwright: stopped again (%s); see :Ghostwright log"):format(how), vim.log.levels.ERROR)
    return
  end
  say.say(("Ghostwright: the server stopped (%s), starting it again"):format(how), vim.log.levels.WARN)
  attach_all()
end

---@param buf integer
---@param method string
---@param params table
---@param answered fun(result: any)
---@param failed? fun(message: string)  without it a failure is answered with nil
---@return fun()? cancel  nil when nobody was asked
function M.request(buf, method, params, answered, failed)
  local client = M.get(buf)
  if not client or not client.initialized then
    return nil
  end
  local sent, id = call(client, "request", method, params, function(problem, result)
    if problem and failed then
      failed(problem.message)
    else
      answered(result ~= vim.NIL and result or nil)
    end
  end, buf)
  if not sent then
    return nil
  end
  return function()
    call(client, "cancel_request", id)
  end
end

---@param buf integer
---@param command string
---@param arguments? any[]
---@param answered? fun(result: any)
---@param failed? fun(message: string)
---@return fun()? cancel  nil where there was no server to ask
function M.execute(buf, command, arguments, answered, failed)
  local params = { command = command, arguments = arguments }
  return M.request(buf, "workspace/executeCommand", params, answered or function() end, failed)
end

function M.start()
  wanted_running, deaths = true, {}
  say.forget()
  vim.api.nvim_clear_autocmds({ group = group })
  vim.api.nvim_create_autocmd({ "FileType", "BufEnter", "BufWritePost" }, {
    group = group,
    callback = function(event)
      M.attach(event.buf)
    end,
  })
  attach_all()
end

function M.stop()
  wanted_running = false
  for _, client in ipairs(vim.lsp.get_clients({ name = NAME })) do
    call(client, "stop")
  end
end

return M
