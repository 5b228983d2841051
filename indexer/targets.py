# SPDX-License-Identifier: Apache-2.0
"""What resolution answers with, and what it asks of the repository.

A `Target` is a definition with a score; a `World` gives records, texts and the places of imports.
No lookup is here, and no state.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable

    from indexer.modules import Place
    from indexer.scopes import Scope
    from indexer.types import Import

DEPTH_MAX = 12  # of re-exports and bases; deeper chains are rings
FILES_MAX = 64  # that are looked at for parts of one type


class Target(NamedTuple):
    """A definition. `symbol` is an index into the file's symbols, -1 for a place without one.

    Such a place is the file itself, or an assignment such as `self.x = 1`. `start`: its byte.
    """

    path: str
    symbol: int
    start: int
    line: int
    score: float  # 1: the text says so; below 0.5: a guess, one of several
    why: str


OUTSIDE = Target("", -1, 0, 0, 1.0, "outside of the repository")


class World(Protocol):
    """What resolution asks of the repository."""

    def scope(self, path: str) -> Scope | None: ...
    def places(self, path: str, imported: Import) -> list[Place]: ...
    def text(self, path: str) -> bytes | None: ...
    def defining(self, name: str) -> list[str]: ...
    def packages(self, path: str) -> tuple[str, ...]: ...
    def exists(self, path: str) -> bool: ...


def weaker(targets: Iterable[Target], factor: float, why: str = "") -> list[Target]:
    return [t._replace(score=t.score * factor, why=why or t.why) for t in targets]


def module_target(path: str, score: float = 1.0) -> Target:
    return Target(path, -1, 0, 1, score, "module")


def symbols_of(scope: Scope, found: Iterable[int], score: float, why: str) -> list[Target]:
    rows = [(at, scope.record.symbols[at]) for at in found]
    return [Target(scope.path, at, s.start, s.name_line, score, why) for at, s in rows]
