# SPDX-License-Identifier: Apache-2.0
"""Rows of small numbers, by number, in little memory and ready to be written down.

In: rows as they change. Out: rows. Most stand in two flat arrays, as a whole they are two pieces of
bytes; changed ones stand beside them until `pack`. It knows not what the numbers mean.
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

PACK_MIN = 2_000  # changed rows are worth 100 bytes each
PACK_SHARE = 8


class Table:
    """A row is an array; one that was never set is empty. A row that was got is not to be changed.

    `kind` is the type code of its numbers: "H" below 2**16, "I" below 2**32.
    """

    __slots__ = ("_changed", "_flat", "_kind", "_starts")

    def __init__(self, kind: str, starts: bytes = b"", flat: bytes = b"") -> None:
        self._kind = kind
        self._starts = array("I", starts or array("I", [0]).tobytes())
        self._flat = array(kind, flat)
        self._changed: dict[int, array[int]] = {}

    def __getitem__(self, number: int) -> array[int]:
        row = self._changed.get(number)
        if row is not None:
            return row
        if number + 1 < len(self._starts):
            return self._flat[self._starts[number] : self._starts[number + 1]]
        return array(self._kind)

    def __setitem__(self, number: int, row: Iterable[int]) -> None:
        self._changed[number] = array(self._kind, row)

    def append(self, number: int, value: int) -> None:
        """Put a value into a row that does not have it."""
        row = self[number]
        row.append(value)
        self._changed[number] = row

    def discard(self, number: int, value: int) -> None:
        """Take a value out of a row that has it."""
        row = self[number]
        row.remove(value)
        self._changed[number] = row

    def __len__(self) -> int:
        """One more than the highest number that may have a row."""
        return max(len(self._starts) - 1, max(self._changed, default=-1) + 1)

    def filled(self) -> Iterator[tuple[int, array[int]]]:
        """Rows that are not empty, in order."""
        for number in range(len(self)):
            if row := self[number]:
                yield number, row

    def pack(self, *, now: bool = False) -> None:
        """Take changed rows into the flat arrays, once they are many."""
        if not self._changed or not (
            now or len(self._changed) > max(PACK_MIN, len(self._starts) // PACK_SHARE)
        ):
            return
        starts, flat = array("I", [0]), array(self._kind)
        for number in range(len(self)):
            flat.extend(self[number])
            starts.append(len(flat))
        self._starts, self._flat, self._changed = starts, flat, {}

    def to_bytes(self) -> tuple[bytes, bytes]:
        """What the constructor takes after `kind`, on a machine of the same byte order."""
        self.pack(now=True)
        return self._starts.tobytes(), self._flat.tobytes()
