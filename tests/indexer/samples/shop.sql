-- Customers of the shop.
CREATE TABLE shop.customer (
  id INTEGER PRIMARY KEY,
  name VARCHAR(40) NOT NULL
);

CREATE VIEW big_orders AS
SELECT customer.name, SUM(orders.total) FROM orders
JOIN customer ON customer.id = orders.customer_id;

-- Finds the total.
CREATE FUNCTION order_total(order_id INTEGER) RETURNS INTEGER AS $$
  SELECT SUM(price) FROM line WHERE id = order_id;
$$ LANGUAGE sql;

CREATE INDEX by_name ON customer (name);
