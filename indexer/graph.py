# SPDX-License-Identifier: Apache-2.0
"""What leads to what: imports to files, uses to definitions, files to ranks.

In: records as files come, change and go (`update`), project files (`configure`), and a `Source`
to read records and texts from again. Out: lists of possible answers with scores, never one guess.
What a file's imports mean is kept and done again only where a change may touch it; all else is
worked out when asked, so an answer never depends on the order of updates.
Safe for threads: one question or one update at a time. It reads no file.
"""

from __future__ import annotations

import sys
import threading
from collections import OrderedDict, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import msgpack

from indexer import expressions, modules
from indexer.edges import Edges
from indexer.expressions import Step
from indexer.projects import NAMES, Projects
from indexer.receivers import Receivers, Thing
from indexer.scopes import FUNCTIONS, VALUES, Scope
from indexer.targets import Target, symbols_of, weaker
from indexer.tree import Tree

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from indexer.modules import Place
    from indexer.types import FileRecord, Import, Reference

# Of the state that is kept, and of the rules by which imports are resolved: what other rules have
# worked out is a miss. To be raised with every change of `modules*`, `tree`, `projects`, `edges`.
STATE_VERSION = 2
# Arranged records kept for the next question; each is some 100 KB for a large file.
SCOPES_MAX = 512
# A method of unknown receiver: with more candidates than this their names say nothing.
SAME_NAME_MAX = 8
BY_NAME_SCORE = 0.45  # below one half: a guess
# Measured on django: where the receiver's type is known, the only member of an uncommon name was
# the right one in 396 of 436 calls.
ONLY_ONE_SCORE = 0.6
# Names that belong to the languages' own strings, lists and tables before they are a project's.
COMMON_NAMES = frozenset(
    name for kind in (str, list, dict, set, bytes, int) for name in dir(kind)
) | {"push", "map", "filter", "forEach", "toString", "length", "size", "close", "read", "write"}
COMMON_SCORE = 0.3


class Source(Protocol):
    """Where records and texts are; of files that the resolver was told of and of no others."""

    def record(self, path: str) -> FileRecord | None: ...
    def text(self, path: str) -> bytes | None: ...
    def defining(self, name: str) -> Iterable[str]: ...


@dataclass(frozen=True, slots=True)
class ImportTarget:
    """What an import means. `path` is None outside of the repository; `symbol` for a module."""

    imported: Import
    path: str | None
    symbol: int | None
    score: float


class Memory:
    """A source that keeps all records itself: for tests and for small repositories."""

    def __init__(self) -> None:
        self.records: dict[str, FileRecord] = {}
        self.texts: dict[str, bytes] = {}
        self._defining: dict[str, set[str]] = defaultdict(set)

    def put(self, path: str, record: FileRecord | None, text: bytes | None = None) -> None:
        before = self.records.pop(path, None)
        self.texts.pop(path, None)
        for symbol in before.symbols if before else ():
            self._defining[symbol.name].discard(path)
        if record is not None:
            self.records[path] = record
            for symbol in record.symbols:
                self._defining[symbol.name].add(path)
        if text is not None:
            self.texts[path] = text

    def record(self, path: str) -> FileRecord | None:
        return self.records.get(path)

    def text(self, path: str) -> bytes | None:
        return self.texts.get(path)

    def defining(self, name: str) -> Iterable[str]:
        return self._defining.get(name, ())


class Resolver:
    """Resolution over a repository that changes."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._lock = threading.RLock()
        self._tree = Tree(self.defining)
        self._projects = Projects()
        self._edges = Edges(self._tree, self._meaning, self._imports_of)
        self._scopes: OrderedDict[str, Scope] = OrderedDict()
        self._versions: dict[str, int] = {}
        self.changes = 0  # since the state was last asked for

    # What flows in.

    def update(self, path: str, record: FileRecord | None, version: int = 0) -> None:
        """A file is there with this record, or is gone. `source` must know it already.

        `version`: of the record, as in `differing`; 0 where it has none.
        """
        with self._lock:
            self.changes += 1
            self._scopes.pop(path, None)
            self._versions.pop(path, None)
            if version and record is not None:
                self._versions[path] = version
            if record is None:
                self._edges.remove(path)
            else:
                self._edges.update(path, record)

    def configure(self, path: str, data: bytes | None) -> None:
        """A project file (`is_project_file`) has these bytes, or is gone."""
        with self._lock:
            if self._projects.update(path, data):
                self.changes += 1
                self._edges.all_stale()

    def differing(self, versions: Mapping[str, int]) -> list[str]:
        """Paths that are to be told: what was told of them is not of these versions."""
        with self._lock:
            known = self._versions
            changed = [path for path, new in versions.items() if known.get(path) != new]
            return changed + [path for path in self._tree.paths() if path not in versions]

    def knows(self, path: str, version: int) -> bool:
        """Was this version of the file's record told already?"""
        with self._lock:
            return version > 0 and self._versions.get(path) == version

    def to_bytes(self) -> bytes:
        """All that was worked out of imports, for `restored` on the same machine."""
        with self._lock:
            self.changes = 0
            rows = [(self._tree.number(path), version) for path, version in self._versions.items()]
            state = self._tree.to_state(), self._projects.to_state(), self._edges.to_state()
            data: bytes = msgpack.packb((STATE_VERSION, sys.byteorder, rows, *state))
            return data

    @classmethod
    def restored(cls, source: Source, data: bytes, versions: Mapping[str, int]) -> Resolver:
        """A resolver that was told all this before; it has forgotten files without a version now.

        Raises ValueError where this is no state of this version.
        """
        found = cls(source)
        try:
            version, order, rows, *state = msgpack.unpackb(data, strict_map_key=False)
            if (version, order) != (STATE_VERSION, sys.byteorder):
                raise ValueError(f"state {version} {order}, this is {STATE_VERSION}")
            tree, projects, edges = state
            found._tree.restore(tree)
            found._projects.restore(projects)
            found._edges.restore(edges)
            found._versions = {found._tree.names[number]: known for number, known in rows}
        except (TypeError, IndexError, AttributeError, msgpack.UnpackException) as error:
            raise ValueError(f"not a resolver's state: {error}") from error
        gone = [path for path in found._tree.paths() if path not in versions]
        for path in gone:
            found.update(path, None)
            if found.is_project_file(path):
                found.configure(path, None)
        return found

    def pack(self) -> None:
        """Give back memory after many changes."""
        with self._lock:
            self._tree.pack()
            self._edges.pack()

    @staticmethod
    def is_project_file(path: str) -> bool:
        return path.rpartition("/")[2] in NAMES

    # The graph of files.

    def importers(self, path: str) -> list[str]:
        """Files that import this one."""
        with self._lock:
            return self._edges.importers(path)

    def imported(self, path: str) -> list[str]:
        """Files that this one imports."""
        with self._lock:
            return self._edges.imported(path)

    @property
    def edges(self) -> dict[str, list[str]]:
        """Each file that imports others, with the files that it imports."""
        with self._lock:
            return self._edges.all()

    def rank(self, personal: Mapping[str, float] | None = None) -> dict[str, float]:
        """PageRank of files, 1 in all; with `personal`, of walks that start at these files."""
        with self._lock:
            return self._edges.rank(personal)

    def settle(self, limit: int | None = None) -> int:
        """Work out imports that changes have touched, at most `limit` files; how many are left."""
        with self._lock:
            return self._edges.settle(limit)

    # Questions about one file.

    def imports(self, path: str) -> list[ImportTarget]:
        """Every import of a file with what it may mean, best first; `path` None: outside."""
        with self._lock:
            scope = self.scope(path)
            found: list[ImportTarget] = []
            for imported in scope.record.imports if scope else ():
                found += self._import(scope, imported) if scope else ()
            return found

    def _import(self, scope: Scope, imported: Import) -> list[ImportTarget]:
        places = self.places(scope.path, imported)
        if not places:
            return [ImportTarget(imported, None, None, 1.0)]
        targets = []
        if imported.name not in ("", "*") or any(place.rest for place in places):
            targets = [t for t in Receivers(self).names.imported(scope, imported) if t.path]
        found = [
            ImportTarget(imported, t.path, t.symbol if t.symbol >= 0 else None, t.score)
            for t in targets
        ]
        return found or [ImportTarget(imported, p.path, None, p.score) for p in places]

    def definition(self, path: str, reference: Reference, *, guess: bool = True) -> list[Target]:
        """Where the used name may be defined, best first; [] for outside and for unknown.

        guess: also members of derived types, and, where the receiver's type is not known, of any.
        """
        with self._lock:
            scope = self.scope(path)
            if scope is None:
                return []
            receivers = Receivers(self, derived=guess)
            if reference.receiver:
                return _ordered(self._attribute(receivers, scope, reference, guess=guess))
            return _ordered(self._bare(receivers, scope, reference))

    def _bare(self, receivers: Receivers, scope: Scope, reference: Reference) -> list[Target]:
        if receivers.is_local(scope, reference.name, reference.start):
            return []
        found = receivers.names.bare(scope, reference.name, reference.start)
        return [t for t in found if t.path]

    def _attribute(
        self, receivers: Receivers, scope: Scope, reference: Reference, *, guess: bool
    ) -> list[Target]:
        things = self._receiver(receivers, scope, reference.receiver, reference.start)
        found: list[Target] = []
        for thing in things:
            found += weaker(receivers.member_targets(thing, reference.name), thing.score)
        inside = [target for target in found if target.path]
        if inside or found or not guess:
            return inside
        return self._by_name(scope, reference)

    def receiver_type(
        self, path: str, receiver: str, offset: int, *, guess: bool = True
    ) -> list[tuple[str, int]]:
        """Types, as (path, symbol), that `receiver` may have at a byte offset, best first.

        guess: as in `definition`.
        A module is (path, -1). For a receiver "()" the offset is that of the dot after it.
        """
        with self._lock:
            scope = self.scope(path)
            if scope is None:
                return []
            receivers = Receivers(self, derived=guess)
            things = self._receiver(receivers, scope, receiver, offset)
            return [(t.path, t.symbol) for t in things if t.path and t.kind != "function"]

    def _receiver(
        self, receivers: Receivers, scope: Scope, receiver: str, offset: int
    ) -> list[Thing]:
        parts = receiver.split(".")
        steps: tuple[Step, ...] = ()
        if parts[0] == "()":
            data = self.text(scope.path)
            before = expressions.before(data, offset) if data is not None else ""
            if before == "str":
                return [receivers.outside]
            if not before or isinstance(before, str):
                return []
            steps, parts = before, parts[1:]
        steps += tuple(Step("name", part, offset) for part in parts)
        return receivers.chain(scope, steps, offset)

    def _by_name(self, scope: Scope, reference: Reference) -> list[Target]:
        """Members of that name anywhere: guesses, fewer and better where the name is rare."""
        name = reference.name
        found: list[Target] = []
        for path in self.defining(name)[: SAME_NAME_MAX * 4]:
            other = self.scope(path)
            if other is None or not modules.same_family(other.language, scope.language):
                continue
            rows = other.record.symbols
            at = [
                i
                for i, row in enumerate(rows)
                if row.name == name
                and (row.parent >= 0 or row.bases)
                and row.kind in (FUNCTIONS | VALUES)
            ]
            found += symbols_of(other, at, 1.0, "only by its name")
        if not found or len(found) > SAME_NAME_MAX:
            return []
        if name in COMMON_NAMES:
            return weaker(found, COMMON_SCORE / len(found))
        return weaker(found, ONLY_ONE_SCORE if len(found) == 1 else BY_NAME_SCORE / len(found))

    # What the lookups ask of the repository (names.World).

    def scope(self, path: str) -> Scope | None:
        """A file's names, arranged; None for a file that is not there."""
        known = self._scopes.get(path)
        if known is not None:
            self._scopes.move_to_end(path)
            return known
        record = self._source.record(path) if self._tree.has(path) else None
        if record is None:
            return None
        scope = self._scopes[path] = Scope(path, record)
        if len(self._scopes) > SCOPES_MAX:
            self._scopes.popitem(last=False)
        return scope

    def places(self, path: str, imported: Import) -> list[Place]:
        """Files that an import may mean."""
        scope = self.scope(path)
        return self._meaning(path, scope.language, imported) if scope else []

    def _imports_of(self, path: str) -> tuple[Import, ...]:
        record = self._source.record(path)
        return record.imports if record is not None else ()

    def _meaning(self, path: str, language: str, imported: Import) -> list[Place]:
        return modules.resolve(self._tree, self._projects, path, language, imported)

    def text(self, path: str) -> bytes | None:
        return self._source.text(path)

    def defining(self, name: str) -> list[str]:
        return sorted(p for p in self._source.defining(name) if self._tree.has(p))

    def packages(self, path: str) -> tuple[str, ...]:
        return self._tree.packages(path)

    def exists(self, path: str) -> bool:
        return self._tree.has(path)


def _ordered(targets: list[Target]) -> list[Target]:
    """Each definition once, with its best score, best first."""
    best: dict[tuple[str, int, int], Target] = {}
    for target in targets:
        key = target[:3]
        if key not in best or best[key].score < target.score:
            best[key] = target
    return sorted(best.values(), key=lambda t: (-t.score, t.path, t.start))
