<?php
namespace Example\Shop;

use Example\Store;
use Example\Model\{Order as Purchase, Line};
use function Example\format;
require_once 'config.php';

const LIMIT = 10;

/** Keeps the orders. */
final class Shop extends Base implements Named, \Countable
{
    use Loggable;
    private Store $store;
    public const MAX = 5;

    public function __construct(Store $store) { $this->store = $store; }

    // Finds an order.
    public static function find(string $id, ?array $seen = null): ?Purchase
    {
        $order = new Purchase($id);
        echo "found {$order->key()} (x)";
        return self::convert($order->store->get(format($id)));
    }
}

interface Named { public function name(): string; }
trait Loggable { }
enum Status: string { case Open = 'open'; }
function helper(int $n): int { return $n; }
