# SPDX-License-Identifier: Apache-2.0
"""Where a function is called, and where it is handed on without being called.

In: a snapshot, a definition. Out: `Sites`. A constructor is called by the name of its class, of
classes below that have none of their own, and by `super`. It changes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from indexer import masks
from indexer.binders import parameters_at
from indexer.families import bases_of, constructor_of, family, has_constructor
from indexer.uses import Use, uses

if TYPE_CHECKING:
    from collections.abc import Iterator

    from indexer.families import Definition
    from indexer.snapshot import Snapshot

_SILENT = ("definition", "import", "listed")
_TYPES = frozenset(("class", "struct", "record", "enum", "interface"))


class Sites(NamedTuple):
    """`values`: uses that hand the function on. `unsure`: nothing says whose they are; of
    `by_name`, which are among the others, their name alone.
    """

    definitions: tuple[Definition, ...]
    calls: tuple[Use, ...]
    values: tuple[Use, ...]
    unsure: tuple[Use, ...]
    by_name: tuple[Use, ...] = ()


def sites(snapshot: Snapshot, definition: Definition) -> Sites:
    """Every use of a function, sorted by what has to be done with it."""
    found = uses(snapshot, *definition)
    calls = [use for use in found.sure if _is_call(snapshot, use)]
    values = [use for use in found.sure if use.kind not in _SILENT and use not in calls]
    owner = constructor_of(snapshot, *definition)
    if owner is None:
        unsure = tuple(use for use in found.unsure if _is_call(snapshot, use))
        return Sites(found.definitions, tuple(calls), tuple(values), unsure, found.by_name)
    for use in _constructions(snapshot, owner):
        if use not in calls:
            calls.append(use)
    return Sites(family(snapshot, *definition).definitions, tuple(calls), (), ())


def _is_call(snapshot: Snapshot, use: Use) -> bool:
    record = snapshot.record(use.path)
    if use.kind in _SILENT or record is None:
        return False
    code = masks.code_of(record.language, snapshot.known_text(use.path))
    opened = parameters_at(code, use.at)
    if opened < 0 or masks.closing(code, opened) < 0:
        return False
    return not any(row.name_start == use.at for row in record.symbols)


def _constructions(snapshot: Snapshot, owner: Definition) -> Iterator[Use]:
    """Calls of a class, of those below it without a constructor, and `super(...)` in those with."""
    seen, fresh = {owner}, [owner]
    while fresh:
        one = fresh.pop()
        for use in uses(snapshot, *one).sure:
            below = _extends(snapshot, use, one)
            if below is None:
                if _is_call(snapshot, use):
                    yield use
            elif has_constructor(snapshot, below):
                yield from _supers(snapshot, below)
            elif below not in seen:
                seen.add(below)
                fresh.append(below)


def _extends(snapshot: Snapshot, use: Use, base: Definition) -> Definition | None:
    """The class in whose header a name stands as its base."""
    record = snapshot.record(use.path)
    number = masks.innermost(record, _TYPES, use.at) if record is not None else -1
    if number < 0 or record is None:
        return None
    below = (use.path, number)
    row = record.symbols[number]
    code = masks.code_of(record.language, snapshot.known_text(use.path))
    opened = parameters_at(code, row.name_start) if record.language == "python" else -1
    header = masks.closing(code, opened) if opened >= 0 else code.find(b"{", row.name_start)
    if not row.name_start < use.at <= header or base not in bases_of(snapshot, below)[0]:
        return None
    return below


def _supers(snapshot: Snapshot, below: Definition) -> Iterator[Use]:
    """`super(...)` in the constructor of a class, where languages have it."""
    path, number = below
    record = snapshot.record(path)
    assert record is not None  # it has the class
    if record.language == "python":
        return  # `super().__init__` is found by its name
    code = masks.code_of(record.language, snapshot.known_text(path))
    row = record.symbols[number]
    for at in masks.words(code, b"super", row.start, row.end):
        if masks.innermost(record, _TYPES, at) == number and parameters_at(code, at) >= 0:
            yield Use(path, at, "name", code.count(b"\n", 0, at) + 1)
