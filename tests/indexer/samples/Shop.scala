package org.example.shop

import scala.math.max
import org.example.store.{Store => Depot, Line}
import org.example.util._

/** Keeps the orders. */
class Shop(depot: Depot) extends Base[Order] with Named {
  val limit: Int = 10

  // Finds an order.
  def find(id: String): Option[Order] = {
    val order = new Order(id)
    println(s"found ${order.key()} (x)")
    depot.get(order)
  }
}

trait Named { def name: String }

object Shop { def apply(): Shop = new Shop(Depot()) }

case class Point(x: Int, y: Int)

type Id = String
