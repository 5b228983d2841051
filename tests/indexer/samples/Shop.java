package org.example.shop;

import java.util.List;
import static java.lang.Math.max;
import org.example.store.*;

/** Keeps the orders. */
public class Shop extends Base<Order> implements Closeable, Named {
    private final Store store;
    public static final int LIMIT = 10;

    public Shop(Store store) {
        this.store = store;
    }

    // Finds an order.
    @Override
    public Order find(String id, List<Order> seen) throws IOException {
        Order order = new Order(id);
        return this.store.get(order.key());
    }

    enum Status { OPEN, CLOSED }

    interface Visitor<R> { R visit(Order order); }

    record Point(int x, int y) {}
}
