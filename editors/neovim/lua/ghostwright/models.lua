-- SPDX-License-Identifier: Apache-2.0
-- Choosing a model: the server knows which there are, and loads the one that is chosen.

local client = require("ghostwright.client")
local config = require("ghostwright.config")
local say = require("ghostwright.say")
local words = require("ghostwright.text")

local M = {}

local SELECT = "ghostwright.selectModel"
local GB = 1e9

---@class ghostwright.Model
---@field id string
---@field name string
---@field bytes integer
---@field downloaded boolean

---@class ghostwright.Models
---@field selected string
---@field models ghostwright.Model[]

---@param id? string  load this one
---@param answered fun(models: ghostwright.Models)
local function ask(id, answered)
  local function failed(message)
    say.say("Ghostwright: " .. message, vim.log.levels.WARN)
  end
  local function heard(result)
    if result then
      answered(result)
    end
  end
  if not client.execute(0, SELECT, id and { id } or nil, heard, failed) then
    say.say(client.NO_SERVER)
  end
end

---@param id string
local function select(id)
  ask(id, function(models)
    say.say("Ghostwright: model " .. models.selected)
  end)
end

---@param selected string
---@return fun(model: ghostwright.Model): string
local function row(selected)
  return function(model)
    local notes = { ("%.1f GB"):format(model.bytes / GB) }
    if not model.downloaded then
      notes[#notes + 1] = "not fetched"
    end
    if model.id == selected then
      notes[#notes + 1] = "selected"
    end
    return ("%s (%s)"):format(model.name, table.concat(notes, ", "))
  end
end

---@param text string  the id of a model; empty: shows which there are
function M.choose(text)
  local id = words.given(text)
  if id then
    select(id)
    return
  end
  ask(nil, function(models)
    local options = { prompt = "Model", kind = "ghostwright.model", format_item = row(models.selected) }
    vim.ui.select(models.models, options, function(model)
      if model then
        select(model.id)
      end
    end)
  end)
end

---@param lead string
---@return string[]  ids that begin so; none where the server does not answer at once
function M.complete(lead)
  local models = client.ask_now(SELECT, config.current.completion_wait_ms)
  local ids = vim.tbl_map(function(model)
    return model.id
  end, models and models.models or {})
  return vim.tbl_filter(function(id)
    return vim.startswith(id, lead)
  end, vim.list_extend({ "auto" }, ids))
end

return M
