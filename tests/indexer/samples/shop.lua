local json = require("json")
local Store = require "store"

local LIMIT = 10

-- Keeps the orders.
local Shop = {}

--- Makes a shop.
function Shop.new(path)
  local self = setmetatable({}, Shop)
  self.store = Store.open(path)
  return self
end

function Shop:find(id)
  print("found (x)", id)
  return self.store:get(json.decode(id))
end

local function helper(a, b)
  return a + b
end

Shop.total = function(rate) return helper(rate, LIMIT) end

return Shop
