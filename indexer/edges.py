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

import zlib
from array import array
from typing import TYPE_CHECKING

import msgpack

from indexer.rank import Rank
from indexer.types import Import

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from indexer.modules import Place
    from indexer.tree import Tree
    from indexer.types import FileRecord

# Buckets for questions: with a million questions in 2**16 buckets a change of one file re-resolves
# some tens of files needlessly, for a table of a few MB.
BUCKETS = 1 << 16
Meaning = "Callable[[str, str, Import], list[Place]]"


class Edges:
    """Nodes are numbers; a path keeps its number for as long as the process lives."""

    def __init__(self, tree: Tree, meaning: Callable[[str, str, Import], list[Place]]) -> None:
        self._tree = tree
        self._meaning = meaning
        self._numbers: dict[str, int] = {}
        self._paths: list[str] = []
        self._statements: dict[int, tuple[str, bytes]] = {}  # language, distinct imports packed
        self._names: dict[int, int] = {}  # a hash of the names at the top of the file
        self._out: dict[int, tuple[int, ...]] = {}
        self._in: dict[int, array[int]] = {}
        self._asked: dict[int, array[int]] = {}
        self._buckets: dict[int, array[int]] = {}
        self._stale: set[int] = set()
        self._rank = Rank()

    def update(self, path: str, record: FileRecord) -> None:
        number = self._number(path)
        touched = self._tree.add(path)
        touched |= self._tree.declare(path, _packages(record))
        statement = (record.language, _packed(record.imports))
        if self._statements.get(number) != statement:
            self._statements[number] = statement
            self._stale.add(number)
        names = hash(frozenset(s.name for s in record.symbols if s.parent < 0 or s.kind == "class"))
        if self._names.get(number) != names:
            self._names[number] = names
            touched |= {"package " + name for name in self._tree.packages(path)}
        self._rank.add(number)
        self._touch(touched)

    def remove(self, path: str) -> None:
        number = self._numbers.get(path)
        if number is None or number not in self._statements:
            return
        packages = {"package " + name for name in self._tree.packages(path)}
        self._point(number, ())
        self._rank.remove(number)
        del self._statements[number]
        self._names.pop(number, None)
        self._stale.discard(number)
        self._touch(self._tree.remove(path) | packages)

    def all_stale(self) -> None:
        self._stale.update(self._statements)

    def _number(self, path: str) -> int:
        number = self._numbers.get(path)
        if number is None:
            number = self._numbers[path] = len(self._paths)
            self._paths.append(path)
        return number

    def _touch(self, questions: Iterable[str]) -> None:
        for bucket in map(_bucket, questions):
            self._stale.update(n for n in self._buckets.get(bucket, ()) if n in self._statements)

    def settle(self, limit: int | None = None) -> int:
        """Resolve what is stale, at most `limit` files; how many are left."""
        for number in sorted(self._stale)[:limit]:
            self._resolve(number)
            self._stale.discard(number)
        return len(self._stale)

    def _resolve(self, number: int) -> None:
        path = self._paths[number]
        language, packed = self._statements[number]
        found: dict[int, None] = {}
        asked = self._tree.watch()
        for module, name, level in msgpack.unpackb(packed):
            imported = Import(module, name, name, 0, level, False)
            for place in self._meaning(path, language, imported):
                if place.path != path and place.path in self._numbers:
                    found[self._numbers[place.path]] = None
        self._tree.unwatch()
        self._point(number, tuple(sorted(found)))
        before = frozenset(self._asked.get(number, ()))
        after = frozenset(map(_bucket, asked))
        for bucket in after - before:
            row = self._buckets.get(bucket)
            if row is None:
                row = self._buckets[bucket] = array("I")
            row.append(number)
        # What was asked once stays noted: it costs a resolution now and then, and no bookkeeping.
        self._asked[number] = array("H", sorted(before | after))

    def _point(self, number: int, targets: tuple[int, ...]) -> None:
        before = self._out.get(number, ())
        if before == targets:
            return
        for target in set(before).difference(targets):
            self._in[target].remove(number)
        for target in set(targets).difference(before):
            self._in.setdefault(target, array("I")).append(number)
        self._out[number] = targets
        self._rank.point(number, targets)

    def importers(self, path: str) -> list[str]:
        self.settle()
        number = self._numbers.get(path, -1)
        return sorted(self._paths[n] for n in self._in.get(number, ()))

    def imported(self, path: str) -> list[str]:
        number = self._numbers.get(path, -1)
        if number in self._stale:
            self._resolve(number)
            self._stale.discard(number)
        return sorted(self._paths[n] for n in self._out.get(number, ()))

    def all(self) -> dict[str, list[str]]:
        self.settle()
        rows = [(self._paths[n], targets) for n, targets in self._out.items() if targets]
        return {path: sorted(self._paths[t] for t in targets) for path, targets in sorted(rows)}

    def rank(self, personal: Mapping[str, float] | None) -> dict[str, float]:
        self.settle()
        weights = {
            self._numbers[path]: weight
            for path, weight in (personal or {}).items()
            if weight > 0 and self._numbers.get(path) in self._statements
        }
        shares = self._rank.personal(weights) if weights else dict(enumerate(self._rank.shares()))
        found = {self._paths[n]: share for n, share in shares.items() if n in self._statements}
        whole = sum(found.values())
        return {path: share / whole for path, share in found.items()} if whole else {}


def _bucket(question: str) -> int:
    return zlib.crc32(question.encode("utf-8", "surrogateescape")) % BUCKETS


def _packed(imports: Iterable[Import]) -> bytes:
    """Distinct imports in few bytes: a repository has half a million."""
    rows = sorted({(i.module, i.name, i.level) for i in imports})
    packed: bytes = msgpack.packb(rows)
    return packed


def _packages(record: FileRecord) -> tuple[str, ...]:
    """What the file says it is: packages, namespaces, modules."""
    return tuple(dict.fromkeys(s.name for s in record.symbols if s.kind == "module"))
