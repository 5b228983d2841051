# SPDX-License-Identifier: Apache-2.0
"""The graph of files that import each other, kept up as files come and go.

In: records by path, and a function from an import to files. Out: edges both ways, and ranks.
While an import is resolved, the tree notes which questions were asked; a change of the tree names
the questions that it answers otherwise; whoever asked one of them is resolved again, when next
the graph is asked for. Questions are kept as hashes in small numbers: two that share a hash cost
a needless resolution, never a wrong edge.
It knows no symbol.
"""

from __future__ import annotations

import hashlib
from array import array
from math import fsum
from typing import TYPE_CHECKING, Any

import msgpack

from indexer.rank import Rank
from indexer.table import Table
from indexer.tree import bucket
from indexer.types import Import

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from indexer.modules import Place
    from indexer.tree import Tree
    from indexer.types import FileRecord

_EMPTY = 0  # hash of a node that is not there


class Edges:
    """Nodes are the tree's numbers of paths."""

    def __init__(
        self,
        tree: Tree,
        meaning: Callable[[str, str, Import], list[Place]],
        imports: Callable[[str], Sequence[Import]],
    ) -> None:
        """`imports` gives those of a file that was told of before, once more."""
        self._tree = tree
        self._meaning = meaning
        self._imports = imports
        self._languages: list[str] = []
        self._language = array("H")  # by node, as a number of the list
        self._statements = array("Q")  # by node, a hash of language and imports
        self._names = array("Q")  # by node, a hash of the names at the top of the file
        self._told: dict[int, bytes] = {}  # imports of stale nodes, packed; else they are asked for
        self._in = Table("I")
        self._asked = Table("H")
        self._buckets = Table("I")
        self._stale: set[int] = set()
        self._rank = Rank()
        self._out = self._rank.targets

    def to_state(self) -> tuple[Any, ...]:
        """Everything, for msgpack."""
        columns = [c.tobytes() for c in (self._language, self._statements, self._names)]
        tables = [table.to_bytes() for table in (self._in, self._asked, self._buckets)]
        stale = array("I", sorted(self._stale)).tobytes()
        return self._languages, columns, tables, stale, self._rank.to_state()

    def restore(self, state: tuple[Any, ...]) -> None:
        """Be what edges were. Raises ValueError, TypeError where this is no such state."""
        languages, columns, tables, stale, rank = state
        self._languages = list(languages)
        kinds = zip("HQQ", columns, strict=True)
        self._language, self._statements, self._names = (array(*kind) for kind in kinds)
        kinds = zip("IHI", tables, strict=True)
        self._in, self._asked, self._buckets = (Table(kind, *table) for kind, table in kinds)
        self._stale = {*array("I", stale)}
        self._rank.restore(rank)
        self._out = self._rank.targets

    def pack(self) -> None:
        """Give back memory after many changes."""
        for table in (self._out, self._in, self._asked, self._buckets):
            table.pack()

    def update(self, path: str, record: FileRecord) -> None:
        number = self._number(path)
        touched = self._tree.add(path)
        touched |= self._tree.declare(path, _packages(record))
        packed = _packed(record.imports)
        statement = _hash(record.language.encode() + packed)
        if self._statements[number] != statement:
            self._statements[number] = statement
            self._language[number] = self._language_number(record.language)
            self._told[number] = packed
            self._stale.add(number)
        tops = sorted({s.name for s in record.symbols if s.parent < 0 or s.kind == "class"})
        names = _hash("\0".join(tops).encode("utf-8", "replace"))
        if self._names[number] != names:
            self._names[number] = names
            touched |= {"package " + name for name in self._tree.packages(path)}
        self._rank.add(number)
        self._touch(touched)

    def remove(self, path: str) -> None:
        if not self._tree.has(path):
            return
        number = self._number(path)
        packages = {"package " + name for name in self._tree.packages(path)}
        self._point(number, ())
        self._rank.remove(number)
        self._statements[number] = self._names[number] = _EMPTY
        self._told.pop(number, None)
        self._stale.discard(number)
        self._touch(self._tree.remove(path) | packages)

    def all_stale(self) -> None:
        self._stale.update(n for n, statement in enumerate(self._statements) if statement)

    def _number(self, path: str) -> int:
        number = self._tree.number(path)
        while len(self._statements) <= number:
            self._statements.append(_EMPTY)
            self._names.append(_EMPTY)
            self._language.append(0)
        return number

    def _language_number(self, language: str) -> int:
        if language not in self._languages:
            self._languages.append(language)
        return self._languages.index(language)

    def _touch(self, questions: Iterable[str]) -> None:
        for asked in {*map(bucket, questions)}:
            self._stale.update(n for n in self._buckets[asked] if self._statements[n])

    def settle(self, limit: int | None = None) -> int:
        """Resolve what is stale, at most `limit` files; how many are left."""
        for number in sorted(self._stale)[:limit]:
            self._resolve(number)
        return len(self._stale)

    def _resolve(self, number: int) -> None:
        self._stale.discard(number)
        path = self._tree.names[number]
        language = self._languages[self._language[number]]
        packed = self._told.pop(number, None)
        packed = _packed(self._imports(path)) if packed is None else packed
        found: set[int] = set()
        asked = self._tree.watch()
        for module, name, level in msgpack.unpackb(packed):
            imported = Import(module, name, name, 0, level, False)
            places = self._meaning(path, language, imported)
            found.update(self._tree.numbers[place.path] for place in places)
        self._tree.unwatch()
        found.discard(number)
        # By path: numbers are given as files come, and ranks would differ in their last digits.
        self._point(number, sorted(found, key=self._tree.names.__getitem__))
        before = frozenset(self._asked[number])
        after = frozenset(map(bucket, asked))
        if after <= before:
            return
        for new in after - before:
            self._buckets.append(new, number)
        # What was asked once stays noted: it costs a resolution now and then, and no bookkeeping.
        self._asked[number] = sorted(before | after)

    def _point(self, number: int, targets: Sequence[int]) -> None:
        before, after = {*self._out[number]}, {*targets}
        for target in before - after:
            self._in.discard(target, number)
        for target in after - before:
            self._in.append(target, number)
        if before != after:
            self._rank.point(number, targets)

    def _paths(self, numbers: Iterable[int]) -> list[str]:
        return sorted(self._tree.names[number] for number in numbers)

    def importers(self, path: str) -> list[str]:
        self.settle()
        number = self._tree.numbers.get(path)
        return [] if number is None else self._paths(self._in[number])

    def imported(self, path: str) -> list[str]:
        number = self._tree.numbers.get(path)
        if number is None:
            return []
        if number in self._stale:
            self._resolve(number)
        return self._paths(self._out[number])

    def all(self) -> dict[str, list[str]]:
        self.settle()
        rows = [(self._tree.names[n], targets) for n, targets in self._out.filled()]
        return {path: self._paths(targets) for path, targets in sorted(rows)}

    def rank(self, personal: Mapping[str, float] | None) -> dict[str, float]:
        self.settle()
        weights = {
            self._tree.numbers[path]: weight
            for path, weight in (personal or {}).items()
            if weight > 0 and self._tree.has(path)
        }
        names, rank = self._tree.names, self._rank
        by_name = names.__getitem__
        shares = rank.personal(weights) if weights else dict(enumerate(rank.shares(by_name)))
        found = {names[n]: share for n, share in shares.items() if self._statements[n]}
        whole = fsum(found.values())
        return {path: share / whole for path, share in found.items()} if whole else {}


def _hash(data: bytes) -> int:
    """The same in every process; 0 for nothing."""
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "little") or 1


def _packed(imports: Iterable[Import]) -> bytes:
    """Distinct imports in few bytes: a repository has half a million."""
    rows = sorted({(i.module, i.name, i.level) for i in imports})
    packed: bytes = msgpack.packb(rows)
    return packed


def _packages(record: FileRecord) -> tuple[str, ...]:
    """What the file says it is: packages, namespaces, modules."""
    return tuple(dict.fromkeys(s.name for s in record.symbols if s.kind == "module"))
