# SPDX-License-Identifier: Apache-2.0
"""Definitions that share a name and a fate: overriding methods, overloads, stubs.

In: a repository, a definition. Out: a `Family`: whoever renames one of them or changes what it
takes has to do so with all. Knows no use and no text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from indexer.scopes import plain
from indexer.types import Reference

if TYPE_CHECKING:
    from collections.abc import Iterable

    from indexer.graph import Resolver
    from indexer.types import FileRecord, Symbol

Definition = tuple[str, int]  # path, number in the file's record
CONSTRUCTORS = frozenset(("__init__", "constructor"))  # called by the name of their class
DEPTH_MAX = 12  # of bases; deeper chains are rings
# Their bases say nothing of the methods that a class of ours overrides.
_EMPTY = frozenset(
    ("object", "Generic", "Protocol", "ABC", "NamedTuple", "Enum", "Object", "Sized", "Copy")
)


class Repository(Protocol):
    """What is asked of a snapshot."""

    @property
    def resolver(self) -> Resolver: ...
    def record(self, path: str) -> FileRecord | None: ...
    def defining(self, name: str) -> Iterable[str]: ...


class Family(NamedTuple):
    """`outside`: bases of the owners that are not in the repository."""

    definitions: tuple[Definition, ...]
    outside: tuple[str, ...]


def family(repo: Repository, path: str, symbol: int) -> Family:
    """The definition itself first, then those that have to change with it."""
    record = repo.record(path)
    if record is None:
        return Family((), ())
    row = record.symbols[symbol]
    found = _same_scope(record, path, symbol)
    owner = owner_of(repo, path, symbol)
    outside: tuple[str, ...] = ()
    if owner is not None and row.kind != "constructor" and row.name not in CONSTRUCTORS:
        lineage, outside = _relatives(repo, owner, row.name)
        found += lineage
    found += _stubs(repo, path, row, record)
    return Family(tuple(dict.fromkeys(found)), outside)


def owner_of(repo: Repository, path: str, symbol: int) -> Definition | None:
    """The type that has a member; None for what is no member."""
    record = repo.record(path)
    if record is None:
        return None
    row = record.symbols[symbol]
    if row.parent >= 0 and record.symbols[row.parent].kind not in ("module", "function", "method"):
        return path, row.parent
    if row.kind == "method" and row.bases:  # of Go: the owner stands elsewhere in the package
        return _first(repo, path, row.bases[0], row)
    return None


def bases_of(repo: Repository, it: Definition) -> tuple[list[Definition], list[str]]:
    """The types that a type extends, and the names of those that are not in the repository."""
    path, symbol = it
    record = repo.record(path)
    if record is None:
        return [], []
    row = record.symbols[symbol]
    inside, outside = [], []
    for base in row.bases if row.kind not in ("method", "function") else ():
        found = _first(repo, path, base, row)
        if found is not None and found != it:
            inside.append(found)
        elif plain(base) not in _EMPTY:
            outside.append(base)
    return inside, outside


def ancestors(repo: Repository, it: Definition) -> tuple[set[Definition], list[str]]:
    """All types above a type, and the names of what is outside of the repository."""
    seen: set[Definition] = set()
    outside: list[str] = []
    row = [it]
    for _ in range(DEPTH_MAX):
        above: list[Definition] = []
        for one in row:
            inside, missing = bases_of(repo, one)
            outside += missing
            above += [base for base in inside if base not in seen]
            seen.update(inside)
        if not above:
            break
        row = above
    return seen, outside


def _relatives(
    repo: Repository, owner: Definition, name: str
) -> tuple[list[Definition], tuple[str, ...]]:
    """Members of that name in types above and below, and beside by way of a common one."""
    owners: dict[Definition, list[Definition]] = {}
    for path in repo.defining(name):
        record = repo.record(path)
        for number, row in enumerate(record.symbols if record else ()):
            if row.name == name and (of := owner_of(repo, path, number)) is not None:
                owners.setdefault(of, []).append((path, number))
    above = {one: ancestors(repo, one) for one in {*owners, owner}}
    related, fresh = {owner}, [owner]
    while fresh:
        one = fresh.pop()
        for other in owners:
            near = other in above[one][0] or one in above[other][0]
            if other not in related and near:
                related.add(other)
                fresh.append(other)
    outside = sorted({base for one in related for base in above[one][1]})
    return [place for one in sorted(related) for place in owners.get(one, ())], tuple(outside)


def _same_scope(record: FileRecord, path: str, symbol: int) -> list[Definition]:
    """Overloads, setters of properties, alternatives of a condition."""
    row = record.symbols[symbol]
    others = [
        (path, number)
        for number, other in enumerate(record.symbols)
        if number != symbol
        and other.name == row.name
        and other.parent == row.parent
        and other.bases == row.bases
    ]
    return [(path, symbol), *others]


def _stubs(repo: Repository, path: str, row: Symbol, record: FileRecord) -> list[Definition]:
    """The same definition in the file of types beside: `name.pyi` and `name.py`."""
    if not path.endswith((".py", ".pyi")):
        return []
    twin = path[:-1] if path.endswith(".pyi") else path + "i"
    other = repo.record(twin)
    owner = record.symbols[row.parent].name if row.parent >= 0 else ""
    return [
        (twin, number)
        for number, there in enumerate(other.symbols if other else ())
        if there.name == row.name
        and (other.symbols[there.parent].name if other and there.parent >= 0 else "") == owner
    ]


def _first(repo: Repository, path: str, name: str, at: Symbol) -> Definition | None:
    receiver, _, last = name.partition("<")[0].replace("::", ".").rpartition(".")
    reference = Reference(last, receiver, "type", at.start, at.start_line)
    found = repo.resolver.definition(path, reference, guess=False)
    return next(((t.path, t.symbol) for t in found if t.symbol >= 0), None)


def constructor_of(repo: Repository, path: str, symbol: int) -> Definition | None:
    """The class that a function is the constructor of."""
    record = repo.record(path)
    if record is None:
        return None
    row = record.symbols[symbol]
    is_one = row.kind == "constructor" or row.name in CONSTRUCTORS
    return (path, row.parent) if is_one and row.parent >= 0 else None


def has_constructor(repo: Repository, it: Definition) -> bool:
    """Whether a class has one of its own."""
    path, number = it
    record = repo.record(path)
    return record is not None and any(
        row.parent == number and (row.kind == "constructor" or row.name in CONSTRUCTORS)
        for row in record.symbols
    )
