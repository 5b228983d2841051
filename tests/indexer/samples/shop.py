"""Orders and their totals."""

from __future__ import annotations

import json
from decimal import Decimal as Money
from .store import Store, open_store

MAX_LINES = 40


class Order(Base, Printable):
    """A customer's order."""

    currency: str = "EUR"

    def __init__(self, store: Store, lines: list[Line] | None = None) -> None:
        self.store = store
        self.lines = lines or []

    @property
    def total(self) -> Money:
        """Sum of all lines."""
        return Money(sum(line.price for line in self.lines))


async def load(path, encoding="utf-8"):
    """Read an order.

    More text.
    """
    store = open_store(path)
    print(f"loading {store.name()}")
    return Order(store, json.loads(store.read("order (old)")))
