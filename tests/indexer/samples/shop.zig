const std = @import("std");
const Store = @import("store.zig").Store;

pub const limit: u32 = 10;

/// Keeps the orders.
pub const Shop = struct {
    store: Store,
    size: usize = 0,

    /// Finds an order.
    pub fn find(self: *Shop, id: []const u8) !?Order {
        const order = Order.init(id);
        std.debug.print("found (x) {s}\n", .{id});
        return self.store.get(order);
    }
};

const Status = enum { open, closed };

fn helper(a: i32) i32 {
    return a + 1;
}

test "helper adds one" {
    try std.testing.expect(helper(1) == 2);
}
