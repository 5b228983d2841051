-- SPDX-License-Identifier: Apache-2.0
-- The server's process: started with the first file, shared by all, started again if it dies.

local calls = require("ghostwright.calls")
local config = require("ghostwright.config")
local launch = require("ghostwright.launch")
local say = require("ghostwright.say")
local status = require("ghostwright.status")
local trust = require("ghostwright.trust")

local M = {}

local NAME = "ghostwright"
local INSTRUCT = "ghostwright.instruct" -- a command of ours
local REFACTOR = "ghostwright.refactor" -- of the server; done by way of a preview
local group = vim.api.nvim_create_augroup("ghostwright.client", { clear = true })
M.ENCODING = "utf-8" -- the buffer's own bytes: nothing has to be converted
M.NO_SERVER = "Ghostwright: no server for this buffer; :Ghostwright start or :checkhealth ghostwright"

local wanted_running = false
local exited ---@type fun(code: integer, signal: integer)
---@type number[]  when the server died, in seconds
local deaths = {}

---Ours and alive: Neovim lists a client that has died for a moment longer.
---@param client vim.lsp.Client
---@return boolean
local function is_ours(client)
  return client.name == NAME and not calls.method(client, "is_stopped")
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

---@param client vim.lsp.Client
---@return string[]
function M.folders(client)
  return vim.tbl_map(function(folder)
    return vim.uri_to_fname(folder.uri)
  end, client.workspace_folders or {})
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
    client.settings = { ghostwright = trust.settings(M.folders(client)) } -- before it sees the folder
    calls.method(client, "notify", "workspace/didChangeConfiguration", { settings = client.settings })
    local event = { added = { folder }, removed = {} }
    calls.method(client, "notify", "workspace/didChangeWorkspaceFolders", { event = event })
  end
end

---@param buf integer
---@return vim.lsp.ClientConfig
local function client_config(buf)
  local root = root_of(buf)
  local settings = trust.settings({ root })
  local capabilities = vim.lsp.protocol.make_client_capabilities()
  capabilities.textDocument.inlineCompletion = { dynamicRegistration = false }
  capabilities.general = vim.tbl_extend("force", capabilities.general or {}, { positionEncodings = { M.ENCODING } })
  -- Without data there is no codeAction/resolve: all goes through the command, and its preview.
  capabilities.textDocument.codeAction.dataSupport = false
  return {
    name = NAME,
    cmd = launch.quietly(exited),
    root_dir = root,
    settings = { ghostwright = settings }, -- what the server is told when it asks
    -- The server may name this command of ours in an action; it is no setting.
    init_options = vim.tbl_extend("force", settings, { clientCommands = { INSTRUCT } }),
    commands = {
      [REFACTOR] = function(command, context)
        require("ghostwright.actions").on_refactor(command, context)
      end,
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
        require("ghostwright.ask").on_answer(result)
      end,
      ["workspace/applyEdit"] = function(...)
        return require("ghostwright.actions").on_edit(...)
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
  local _, problem = launch.program()
  if problem then
    say.once(("Ghostwright: %s; see :checkhealth ghostwright"):format(problem), vim.log.levels.WARN)
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
  calls.lost()
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
  return calls.request(M.get(buf), buf, method, params, answered, failed)
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

---@param command string
---@param wait_ms integer
---@return any  nil where no answer came in time
function M.ask_now(command, wait_ms)
  return calls.ask_now(M.get(0), command, wait_ms)
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
    calls.method(client, "stop")
  end
end

return M
