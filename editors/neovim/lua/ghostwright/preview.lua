-- SPDX-License-Identifier: Apache-2.0
-- A change before it is made: its diff and what was checked, in a window that asks yes or no.
-- In: the server's report and its edit. Out: the edit made by Neovim, or nothing.

local config = require("ghostwright.config")
local say = require("ghostwright.say")

local M = {}

local ENCODING = "utf-8" -- as in client.lua
local WIDEST, MARGIN = 100, 4 -- cells; lines of code are rarely longer, and what is behind stays seen
local MARKS = { [true] = "ok", [false] = "failed" }

---@class ghostwright.Change
---@field title string
---@field record table  the JSON of a refactor
---@field edit lsp.WorkspaceEdit
---@field places table<string, string>  what each file was like when the edit came

---@type ghostwright.Change[]  not yet looked at
local queue = {}
---@type integer?  the window that is open
local window

---@param edit lsp.WorkspaceEdit
---@return string[]
local function uris(edit)
  local found = vim.tbl_keys(edit.changes or {})
  for _, change in ipairs(edit.documentChanges or {}) do
    found[#found + 1] = change.uri or change.textDocument.uri
  end
  return found
end

---@param uri string
---@return string  another one when the text is another one
local function stamp(uri)
  local buf = vim.iter(vim.api.nvim_list_bufs()):find(function(each)
    return vim.api.nvim_buf_is_loaded(each) and vim.uri_from_bufnr(each) == uri
  end)
  if buf then
    return ("buffer %d at %d"):format(buf, vim.api.nvim_buf_get_changedtick(buf))
  end
  local file = vim.uv.fs_stat(vim.uri_to_fname(uri))
  return file and ("%d bytes at %d.%d"):format(file.size, file.mtime.sec, file.mtime.nsec) or "none"
end

---@param edit lsp.WorkspaceEdit
---@return table<string, string>
local function places(edit)
  local found = {}
  for _, uri in ipairs(uris(edit)) do
    found[uri] = stamp(uri)
  end
  return found
end

---@param record table
---@return string  such as "5 of 6 checks passed"
function M.in_short(record)
  local passed = vim.tbl_filter(function(check)
    return check.passed == true
  end, record.checks)
  return ("%d of %d checks passed"):format(#passed, #record.checks)
end

---@param change ghostwright.Change
local function apply(change)
  if not vim.deep_equal(change.places, places(change.edit)) then
    say.say("Ghostwright: the text has changed since; nothing was applied", vim.log.levels.WARN)
    return
  end
  local good, problem = pcall(vim.lsp.util.apply_workspace_edit, change.edit, ENCODING)
  if good then
    say.say(("Ghostwright: applied, %s"):format(M.in_short(change.record)))
  else
    say.say("Ghostwright: " .. tostring(problem), vim.log.levels.ERROR)
  end
end

---@param record table
---@return string[]
local function lines_of(record)
  local lines = {}
  for _, check in ipairs(record.checks) do
    local detail = check.detail and check.detail ~= "" and ": " .. check.detail or ""
    local line = ("%-8s%s%s"):format(MARKS[check.passed] or "skipped", check.name, detail)
    lines[#lines + 1] = (line:gsub("%s*\n%s*", " "))
  end
  lines[#lines + 1] = ""
  return vim.list_extend(lines, vim.split(vim.trim(record.diff), "\r?\n"))
end

---@param lines string[]
---@param title string
---@return vim.api.keyset.win_config
local function layout(lines, title)
  local width = math.min(WIDEST, vim.o.columns - MARGIN)
  local height = math.max(1, math.min(#lines, vim.o.lines - vim.o.cmdheight - MARGIN))
  return {
    relative = "editor",
    row = math.max(0, math.floor((vim.o.lines - height) / 2) - 1),
    col = math.floor((vim.o.columns - width) / 2),
    width = width,
    height = height,
    border = "rounded",
    title = (" %s "):format(vim.fn.strcharpart(title, 0, width - 2)),
    footer = " y apply   n leave it ",
  }
end

---@param change ghostwright.Change
local function open(change)
  local lines = lines_of(change.record)
  local buf = vim.api.nvim_create_buf(false, true)
  vim.api.nvim_buf_set_lines(buf, 0, -1, false, lines)
  vim.bo[buf].bufhidden, vim.bo[buf].modifiable, vim.bo[buf].filetype = "wipe", false, "diff"
  window = vim.api.nvim_open_win(buf, true, layout(lines, change.title))
  vim.wo[window].wrap = false
  local may_answer = vim.uv.now() + config.current.preview_settle_ms

  local function close()
    if window and vim.api.nvim_win_is_valid(window) then
      vim.api.nvim_win_close(window, true)
    end
  end
  local function on(keys, action, description)
    for _, key in ipairs(keys) do
      vim.keymap.set("n", key, action, { buffer = buf, nowait = true, desc = "Ghostwright: " .. description })
    end
  end
  on({ "y" }, function()
    if vim.uv.now() >= may_answer then -- else it was typed before the window was there
      close()
      apply(change)
    end
  end, "apply the change")
  on({ "n", "q", "<Esc>" }, close, "leave the text as it is")
  vim.api.nvim_create_autocmd("BufWipeout", {
    buffer = buf,
    once = true,
    callback = function()
      window = nil
      vim.schedule(M.next)
    end,
  })
end

---Who types gets no window in front of his keys: it waits for normal mode.
function M.next()
  if window or #queue == 0 or vim.api.nvim_get_mode().mode ~= "n" then
    return
  end
  open(table.remove(queue, 1))
end

---@param title string
---@param record table
---@param edit lsp.WorkspaceEdit
function M.show(title, record, edit)
  queue[#queue + 1] = { title = title, record = record, edit = edit, places = places(edit) }
  if vim.api.nvim_get_mode().mode ~= "n" then
    say.say("Ghostwright: a change is ready; leave insert mode to see it")
  end
  vim.schedule(M.next)
end

vim.api.nvim_create_autocmd("ModeChanged", {
  group = vim.api.nvim_create_augroup("ghostwright.preview", { clear = true }),
  pattern = "*:n",
  callback = function()
    vim.schedule(M.next)
  end,
})

return M
