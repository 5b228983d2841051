package org.example.shop

import kotlin.math.max
import org.example.store.Store as Depot

/** Keeps the orders. */
class Shop(private val depot: Depot) : Base(), Named {
    val limit: Int = 10

    // Finds an order.
    fun find(id: String): Order? {
        val order = Order(id)
        println("found ${order.key()} (x)")
        return depot.get(order)
    }

    companion object {
        fun create(): Shop = Shop(Depot())
    }
}

interface Named { fun name(): String }

object Registry

enum class Status { OPEN, CLOSED }

typealias Id = String

fun String.shout() = uppercase()
