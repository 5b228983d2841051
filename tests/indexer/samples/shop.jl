module Shop

using LinearAlgebra
import Base: show, length
import JSON as J
include("store.jl")

const LIMIT = 10

abstract type Named end

"""
Keeps the orders.
"""
mutable struct Order <: Named
    store::Store
    total::Float64
end

# Finds an order.
function find(order::Order, id::String)::Union{Order,Nothing}
    found = lookup(order.store, id)
    println("found $(key(found)) (x)")
    return found
end

half(x::Int) = x / 2

macro order(ex)
    esc(ex)
end

end
