#include <vector>
#include "store.hpp"

namespace shop {

using Id = unsigned long;

/// Keeps the orders.
class Shop : public Base<int>, private Named {
 public:
  explicit Shop(Store store) : store_(store) {}
  virtual ~Shop() = default;
  Order find(Id id) const;
  template <typename T> T cast(const std::string &text) { return parse<T>(text); }

 private:
  Store store_;
};

// Finds an order.
Order Shop::find(Id id) const {
  auto order = std::make_unique<Order>(id);
  Store other("x (y)");
  return store_.get(order->key());
}

enum class Status { Open, Closed };

template <typename T>
struct Box { T value; };

}  // namespace shop
