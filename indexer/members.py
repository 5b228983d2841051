# SPDX-License-Identifier: Apache-2.0
"""Members of types: their own, those that stand elsewhere, those of bases and of derived types.

In: a type as (path, symbol) and a name. Out: `Target`s; `OUTSIDE` where a base leads out of the
repository and may have the member. What a base's name means is asked of `names`.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from posixpath import dirname
from typing import TYPE_CHECKING

from indexer.modules import same_family
from indexer.scopes import ADDITIONS, FUNCTIONS, plain
from indexer.targets import DEPTH_MAX, FILES_MAX, OUTSIDE, Target, World, symbols_of, weaker

if TYPE_CHECKING:
    from indexer.scopes import Scope

# Languages in which a type's members may stand in other files than the type.
_OPEN_TYPES = frozenset(("go", "rust", "cpp", "swift", "ruby", "csharp", "kotlin", "julia"))
_OWN = ("self", "this", "$this", "cls")
_ASSIGNS = re.compile(rb"\s*(?::[^=\n]*)?(?:=(?!=)|:=)")


class Members(ABC):
    """Lookups inside of types."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._asked: set[tuple[str, int]] = set()  # types whose bases are being looked up

    @abstractmethod
    def types(self, scope: Scope, dotted: str, offset: int) -> list[Target]:
        """Types that a dotted name may mean at an offset."""

    def members(
        self,
        path: str,
        symbol: int,
        name: str,
        depth: int = 0,
        seen: set[tuple[str, int]] | None = None,
    ) -> list[Target]:
        """Members of a type: its own, those added elsewhere, those of its bases, in that order.

        `OUTSIDE` where there are none and a base leads out of the repository.
        """
        seen = set() if seen is None else seen
        scope = self.world.scope(path)
        if scope is None or depth > DEPTH_MAX or (path, symbol) in seen:
            return []
        seen.add((path, symbol))
        own = self._own_members(scope, symbol, name)
        return own or self.inherited(path, symbol, name, depth, seen)

    def _own_members(self, scope: Scope, symbol: int, name: str) -> list[Target]:
        row = scope.record.symbols[symbol]
        why = f"member of {row.name}"
        if found := scope.inside.get(symbol, {}).get(name):
            return symbols_of(scope, found, 1.0, why)
        if found := scope.added.get(plain(row.name), {}).get(name):
            return symbols_of(scope, found, 1.0, why)
        if fields := self.fields(scope, symbol, name):
            return fields
        return self._added(scope, row.name, name) if scope.language in _OPEN_TYPES else []

    def fields(self, scope: Scope, symbol: int, name: str) -> list[Target]:
        """The first place inside of a type where its field is set."""
        start, end = scope.span(symbol)
        why = f"set in {scope.record.symbols[symbol].name}"
        forms = [name] if name.startswith("@") else [f"{own}.{name}" for own in _OWN[:3]]
        known = [t for form in forms for t in scope.typed.get(form, ()) if start <= t.start < end]
        for typed in known:
            return [Target(scope.path, -1, typed.start, typed.line, 1.0, why)]
        is_ruby = name.startswith("@")
        if not is_ruby and not any(form in scope.record.references.chains for form in forms):
            return []  # without the file's text, which would have to be read
        data = self.world.text(scope.path)
        if data is None:
            return []
        if is_ruby:
            at = re.compile(rb"%b\s*(?:\|\|)?=(?!=)" % re.escape(name.encode())).search(
                data, start, end
            )
            line = data.count(b"\n", 0, at.start()) + 1 if at else 0
            return [Target(scope.path, -1, at.start(), line, 1.0, why)] if at else []
        for use in scope.record.references.named(name):
            if start <= use.start < end and use.receiver in _OWN and use.kind == "attribute":
                after = use.start + len(use.receiver.encode()) + 1 + len(name.encode())
                if _ASSIGNS.match(data, after):
                    return [Target(scope.path, -1, use.start, use.line, 1.0, why)]
        return []

    def _added(self, scope: Scope, owner: str, name: str) -> list[Target]:
        """Methods of a type that stand in other files."""
        found: list[Target] = []
        paths = [p for p in self.world.defining(name) if p != scope.path]
        if scope.language == "go":
            paths = [p for p in paths if dirname(p) == dirname(scope.path)]
        for path in paths[:FILES_MAX]:
            other = self.world.scope(path)
            if other is None or not same_family(other.language, scope.language):
                continue
            at = [*other.added.get(plain(owner), {}).get(name, ())]
            if scope.language != "go":
                for twin in other.top.get(owner, ()):
                    at += other.inside.get(twin, {}).get(name, ())
            found += symbols_of(other, dict.fromkeys(at), 0.9, f"member of {owner}")
        return found

    def inherited(
        self,
        path: str,
        symbol: int,
        name: str,
        depth: int = 0,
        seen: set[tuple[str, int]] | None = None,
    ) -> list[Target]:
        """Members that a type has from its bases; the first base that has it counts."""
        seen = set() if seen is None else seen
        scope = self.world.scope(path)
        if scope is None:
            return []
        row = scope.record.symbols[symbol]
        bases = () if row.kind in FUNCTIONS else row.bases
        outside = False
        for base in self.bases(scope, symbol, bases):
            if not base.path:
                outside = True
                continue
            found = self.members(base.path, base.symbol, name, depth + 1, seen)
            if any(t.path for t in found):
                return weaker(found, base.score)
            outside = outside or bool(found)
        return [OUTSIDE] if outside else []

    def bases(self, scope: Scope, symbol: int, named: tuple[str, ...]) -> list[Target]:
        """Types that a type is derived from. A base may be a member of the type, in a ring."""
        key = (scope.path, symbol)
        if key in self._asked:
            return []
        self._asked.add(key)
        try:
            return self._bases(scope, symbol, named)
        finally:
            self._asked.discard(key)

    def _bases(self, scope: Scope, symbol: int, named: tuple[str, ...]) -> list[Target]:
        row = scope.record.symbols[symbol]
        found: list[Target] = []
        if row.kind in ADDITIONS:  # the type itself, which the addition only names
            found += [t for t in self.types(scope, row.name, -1) if t[:2] != (scope.path, symbol)]
        for base in named:
            # A class's own body is not in sight where its bases are written.
            types = self.types(scope, base, row.start - 1)
            types = [t for t in types if t[:2] != (scope.path, symbol)]
            if not types and scope.language == "python" and base != "object":
                types = self._made(scope, row.signature, base, row.start - 1)
            found += types or ([] if base == "object" else [OUTSIDE])
        return found

    def _made(self, scope: Scope, signature: str, base: str, offset: int) -> list[Target]:
        """Of a base that a call makes, such as `Manager.of(Rows)`, both types count as bases."""
        given = re.search(re.escape(base) + r"\(([\w., ]*)\)", signature)
        if given is None:
            return []
        names = [base.rpartition(".")[0], *(name.strip() for name in given[1].split(","))]
        found = [t for name in names if name for t in self.types(scope, name, offset)]
        return weaker(found, 0.9)

    def in_subtypes(self, path: str, symbol: int, name: str) -> list[Target]:
        """Members that types derived from this one have: what a mixin or an interface counts on."""
        found: list[Target] = []
        for other in self.world.defining(name)[:FILES_MAX]:
            scope = self.world.scope(other)
            for at, inside in list(scope.inside.items()) if scope else ():
                if scope and name in inside and self._derives(scope, at, (path, symbol), 0):
                    found += symbols_of(scope, inside[name], 1.0, "member of a derived type")
        return weaker(found, 0.8 / len(found) ** 0.5) if found else []

    def _derives(self, scope: Scope, at: int, wanted: tuple[str, int], depth: int) -> bool:
        row = scope.record.symbols[at]
        if row.kind in FUNCTIONS or not row.bases or depth > DEPTH_MAX:
            return False
        for base in self.bases(scope, at, row.bases):
            if base[:2] == wanted:
                return True
            other = self.world.scope(base.path) if base.path and base.symbol >= 0 else None
            if other and self._derives(other, base.symbol, wanted, depth + 1):
                return True
        return False
