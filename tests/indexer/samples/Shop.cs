using System;
using System.Collections.Generic;
using Depot = Example.Store;

namespace Example.Shop;

/// <summary>Keeps the orders.</summary>
public class Shop : Base<Order>, INamed
{
    private readonly Depot store;
    public const int Limit = 10;
    public string Name { get; set; }

    public Shop(Depot store) { this.store = store; }

    // Finds an order.
    [Obsolete]
    public async Task<Order> Find(string id, List<Order> seen)
    {
        var order = new Order(id);
        Console.WriteLine($"found {order.Key()} (x)");
        return await this.store.Get<Order>(order);
    }
}

public interface INamed { string GetName(); }
public enum Status { Open, Closed }
public struct Point { public int X; }
public record Pair(int A, int B);
public delegate void Handler(object sender);
