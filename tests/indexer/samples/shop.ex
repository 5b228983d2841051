defmodule Example.Shop do
  @moduledoc "Keeps the orders."
  alias Example.{Store, Order}
  alias Example.Line, as: Row
  import Enum, only: [map: 2]
  use GenServer
  require Logger

  @limit 10
  defstruct [:store]

  @doc "Finds an order."
  def find(shop, id) when is_binary(id) do
    order = Store.get(shop.store, id)
    Logger.info("found #{Order.key(order)} (x)")
    order |> convert()
  end

  # Helps.
  defp convert(order), do: map(order, &Row.new/1)

  defmacro twice(x), do: x
end

defprotocol Named do
  def name(thing)
end
