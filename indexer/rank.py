# SPDX-License-Identifier: Apache-2.0
"""PageRank over a graph of files, kept up as edges come and go.

In: for each node the nodes it points at. Out: how much the rest of the graph leads to each node.
What a change leaves unpaid (its residual) is kept at the nodes and passed along edges until little
is left, so an edit costs what it moves, and the first answer is the sum of all edits. Shares count
in units in which a node without any edge towards it has 1 - DAMPING.
It knows no path.
"""

from __future__ import annotations

from array import array
from collections import deque
from typing import TYPE_CHECKING, Any

from indexer.table import Table

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

DAMPING = 0.85  # the share that follows an edge; the rest starts anew. The customary value.
# What may stay unpaid at a node: an average node has a share of 1, and ranks of files that differ
# by less than a thousandth are as good as equal.
UNPAID_MAX = 1e-3
# The same for a walk from a few nodes, whose shares are 1 in all.
PERSONAL_UNPAID_MAX = 1e-5


class Rank:
    """Shares of nodes 0, 1, 2, ...; a node's edges count equally."""

    def __init__(self) -> None:
        self.targets = Table("I")
        self._alive = bytearray()
        self._shares = array("d")
        self._unpaid = array("d")
        self._touched: set[int] = set()  # nodes that may have something unpaid

    def to_state(self) -> tuple[Any, ...]:
        """Everything, for msgpack."""
        shares, unpaid = self._shares.tobytes(), self._unpaid.tobytes()
        touched = array("I", sorted(self._touched)).tobytes()
        return self.targets.to_bytes(), bytes(self._alive), shares, unpaid, touched

    def restore(self, state: tuple[Any, ...]) -> None:
        """Be what a rank was. Raises ValueError, TypeError where this is no such state."""
        targets, alive, shares, unpaid, touched = state
        self.targets = Table("I", *targets)
        self._alive = bytearray(alive)
        self._shares, self._unpaid = array("d", shares), array("d", unpaid)
        self._touched = {*array("I", touched)}

    def add(self, node: int) -> None:
        """A node that exists from now on."""
        while len(self._alive) <= node:
            self._alive.append(0)
            self._shares.append(0.0)
            self._unpaid.append(0.0)
        if not self._alive[node]:
            self._alive[node] = 1
            self._unpaid[node] += 1 - DAMPING
            self._touched.add(node)

    def remove(self, node: int) -> None:
        """It points at nothing any more; edges towards it are for their owners to withdraw."""
        if self._alive[node]:
            self.point(node, ())
            self._alive[node] = 0
            self._unpaid[node] -= 1 - DAMPING
            self._touched.add(node)

    def point(self, node: int, targets: Sequence[int]) -> None:
        """Set what a node points at. All of them must have been added."""
        for sign, row in ((-1.0, self.targets[node]), (1.0, targets)):
            if row:
                flow = sign * DAMPING * self._shares[node] / len(row)
                for target in row if flow else ():
                    self._unpaid[target] += flow
                    self._touched.add(target)
        self.targets[node] = targets

    def shares(self, key: Callable[[int], str | int] = int) -> list[float]:
        """All nodes' shares; a node that does not exist has none.

        key: what to order nodes by, where their numbers are a matter of chance.
        """
        _settle(self.targets, self._shares, self._unpaid, UNPAID_MAX, self._order(key))
        self._touched.clear()
        return [
            max(share, 0.0) if alive else 0.0
            for share, alive in zip(self._shares, self._alive, strict=True)
        ]

    def _order(self, key: Callable[[int], str | int]) -> list[int]:
        """Who is unpaid, importers before what they import: then most nodes are passed once."""
        order: list[int] = []
        seen = bytearray(len(self._alive))
        for root in sorted(self._touched, key=key):
            stack = [(root, iter(self.targets[root]))] if not seen[root] else []
            seen[root] = 1
            while stack:
                node, rest = stack[-1]
                for target in rest:
                    if not seen[target] and target in self._touched:
                        seen[target] = 1
                        stack.append((target, iter(self.targets[target])))
                        break
                else:
                    order.append(node)
                    stack.pop()
        return order[::-1]

    def personal(self, weights: Mapping[int, float]) -> dict[int, float]:
        """Shares of the nodes that walks from these nodes reach, 1 in all at most."""
        whole = sum(weights.values())
        size = len(self._alive)
        shares, unpaid = array("d", bytes(8 * size)), array("d", bytes(8 * size))
        for node, weight in weights.items():
            unpaid[node] = (1 - DAMPING) * weight / whole
        _settle(self.targets, shares, unpaid, PERSONAL_UNPAID_MAX * (1 - DAMPING), list(weights))
        return {node: share for node, share in enumerate(shares) if share > 0}


def _settle(
    targets: Table,
    shares: array[float],
    unpaid: array[float],
    limit: float,
    begin: Sequence[int],
) -> None:
    """Pass along what is unpaid until no node has more than `limit`, first come first served."""
    waiting = deque([node for node in begin if abs(unpaid[node]) > limit])
    queued = bytearray(len(shares))
    for node in waiting:
        queued[node] = 1
    while waiting:
        node = waiting.popleft()
        queued[node] = 0
        amount = unpaid[node]
        unpaid[node] = 0.0
        shares[node] += amount
        row = targets[node]
        if not row:
            continue
        flow = DAMPING * amount / len(row)
        for target in row:
            new = unpaid[target] + flow
            unpaid[target] = new
            if not queued[target] and (new > limit or new < -limit):
                queued[target] = 1
                waiting.append(target)
