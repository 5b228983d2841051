# SPDX-License-Identifier: Apache-2.0
"""Which of many names hold some letters in their order: what somebody types to find a symbol.

In: names. Out: those that fit, in no time: names are grouped by the set of their letters, so that
a question looks at few of them. As one blob it is kept between runs.
It knows no file. A name is never taken out: who asks looks for its definitions anyway.
"""

from __future__ import annotations

import re
import string
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING

import msgpack

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

VERSION = 2
_KNOWN = string.ascii_lowercase + string.digits + "_"


class _Bits(dict[str, int]):
    """A bit for each character."""

    def __missing__(self, _: str) -> int:
        return 1 << len(_KNOWN)  # any other character


_BITS = _Bits({char: 1 << at for at, char in enumerate(_KNOWN)})
_BETWEEN = "\0"  # stands in no name


class Letters:
    """Groups of names. Not for several threads."""

    def __init__(self, groups: dict[int, str] | None = None, upto: int = 0) -> None:
        self._groups = groups or {}  # names, each after a NUL
        self._order: list[int] | None = None
        self.upto = upto  # the last record whose names are in here

    @classmethod
    def from_bytes(cls, data: bytes) -> Letters:
        """Raises ValueError where it is no such blob."""
        try:
            version, upto, masks, groups = msgpack.unpackb(data, strict_map_key=False)
            if version != VERSION:
                raise ValueError(f"letters of version {version}, this is {VERSION}")
            found = cls(dict(zip(masks, groups, strict=True)), upto)
            found._order = list(masks)
        except (TypeError, msgpack.UnpackException) as error:
            raise ValueError(f"not letters: {error}") from error
        return found

    def to_bytes(self) -> bytes:
        masks = self._ordered()
        groups = [self._groups[mask] for mask in masks]
        data: bytes = msgpack.packb((VERSION, self.upto, masks, groups))
        return data

    def add_new(self, names: Iterable[str]) -> None:
        """Names of which none is known here, and none comes twice."""
        rows: dict[int, list[str]] = {}
        for name in names:
            rows.setdefault(_mask(name), []).append(name)
        for mask, row in rows.items():
            self._groups[mask] = self._groups.get(mask, "") + _BETWEEN + _BETWEEN.join(row)
        self._order = None

    def add(self, names: Iterable[str]) -> None:
        """Names that may be known already."""
        fresh = {*names}
        self.add_new([name for name in fresh if not self._has(name)] if self._groups else fresh)

    def _has(self, name: str) -> bool:
        group = self._groups.get(_mask(name), "") + _BETWEEN
        return f"{_BETWEEN}{name}{_BETWEEN}" in group

    def like(self, letters: str, limit: int) -> list[str]:
        """Names that hold these letters in this order, in any case; those with few others first."""
        found: list[str] = []
        for names in self._fitting(letters.lower()):
            found += sorted(names)  # whoever came first: the limit cuts the same off
            if len(found) >= limit:
                break
        return found[:limit]

    def _ordered(self) -> list[int]:
        """Groups with few letters first."""
        if self._order is None:
            self._order = sorted(self._groups, key=lambda mask: (mask.bit_count(), mask))
        return self._order

    def _fitting(self, letters: str) -> Iterator[list[str]]:
        """Those that fit, group by group."""
        wanted = _mask(letters)
        in_order = re.compile("[^\0]*?".join(map(re.escape, letters))).search
        for mask in [mask for mask in self._ordered() if mask & wanted == wanted]:
            names = self._groups[mask].split(_BETWEEN)[1:]
            yield [name for name in names if in_order(name.lower())]


def _mask(name: str) -> int:
    """Its letters as bits. Called for every name: past every loop of Python's own."""
    return reduce(or_, map(_BITS.__getitem__, {*name.lower()}), 0)
