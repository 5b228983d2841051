import Foundation
import struct Store.Depot

/// Keeps the orders.
public final class Shop: Base, Named {
    private let depot: Depot
    var limit = 10

    init(depot: Depot) {
        self.depot = depot
    }

    // Finds an order.
    func find(_ id: String, seen: [Order]) async throws -> Order? {
        let order = Order(id: id)
        print("found \(order.key()) (x)")
        return depot.get(order)
    }
}

protocol Named { func name() -> String }

struct Point { var x: Int }

enum Status { case open, closed }

extension Shop: Closable { func close() {} }

typealias Id = String
