-- SPDX-License-Identifier: Apache-2.0
-- A server that answers when and what a test wants: `nvim -l scripted_server.lua`.
-- Suggestions come from the command `script` {texts}; `hold` {true} keeps answers back until
-- `hold` {false}; `release` {texts} sends them too, and scripts what is answered from then on;
-- `shout` {text} shows a message; `seen` returns what has been received.

local texts, held, holding = {}, {}, false
local seen = { columns = {} }

local function send(message)
  message.jsonrpc = "2.0"
  local body = vim.json.encode(message)
  io.stdout:write(("Content-Length: %d\r\n\r\n%s"):format(#body, body))
  io.stdout:flush()
end

local function read()
  local length
  for line in io.lines() do
    line = line:gsub("\r$", "")
    if line == "" then
      return vim.json.decode(io.read(length))
    end
    length = tonumber(line:match("^Content%-Length: (%d+)")) or length
  end
  os.exit(0)
end

local function items_at(position)
  return vim.tbl_map(function(text)
    local command = { title = "Accepted", command = "ghostwright.accepted", arguments = { text } }
    return { insertText = text, range = { start = position, ["end"] = position }, command = command }
  end, texts)
end

local commands = {
  script = function(arguments)
    texts = arguments
  end,
  hold = function(arguments)
    holding = arguments[1]
    for _, answer in ipairs(holding and {} or held) do
      send(answer)
    end
    held = holding and held or {}
  end,
  release = function(arguments)
    holding = false
    for _, answer in ipairs(held) do
      send(answer)
    end
    held, texts = {}, arguments
  end,
  seen = function()
    return seen
  end,
  shout = function(arguments)
    send({ method = "window/showMessage", params = { type = 1, message = arguments[1] } })
  end,
}

local methods = {
  initialize = function(params)
    seen.encodings = params.capabilities.general.positionEncodings
    local capabilities = { positionEncoding = "utf-8", textDocumentSync = 1, inlineCompletionProvider = true }
    return { capabilities = capabilities }
  end,
  ["textDocument/didChange"] = function(params)
    seen.text = params.contentChanges[1].text
  end,
  ["workspace/executeCommand"] = function(params)
    if params.command == "ghostwright.accepted" then
      seen.accepted = params.arguments
    end
    local run = commands[params.command]
    return run and run(params.arguments)
  end,
  shutdown = function() end,
  exit = function()
    os.exit(0)
  end,
}

while true do
  local message = read()
  local method = message.method
  seen[method] = (seen[method] or 0) + 1
  if method == "textDocument/inlineCompletion" then
    table.insert(seen.columns, message.params.position.character)
    local answer = { id = message.id, result = { items = items_at(message.params.position) } }
    if holding then
      held[#held + 1] = answer
    else
      send(answer)
    end
  else
    local result = methods[method] and methods[method](message.params)
    if message.id then
      send({ id = message.id, result = result or vim.NIL })
    end
  end
end
