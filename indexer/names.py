# SPDX-License-Identifier: Apache-2.0
"""From a name to its definitions: around it, in its file, through imports, in its package.

In: a `World` that answers for records, places of imports and texts. Out: `Target`s; `OUTSIDE`
among them says that the name leads out of the repository. Nothing is guessed here: where several
definitions are possible all are given, and `score` says what each is worth.
It knows no type of a value: that is `receivers`.
"""

from __future__ import annotations

from posixpath import dirname
from typing import TYPE_CHECKING

from indexer.members import Members
from indexer.modules import same_family
from indexer.scopes import OWNERS
from indexer.targets import (
    DEPTH_MAX,
    FILES_MAX,
    OUTSIDE,
    Target,
    module_target,
    symbols_of,
    weaker,
)
from indexer.tree import FOLDER_STEMS, join, stem

if TYPE_CHECKING:
    from indexer.modules import Place
    from indexer.scopes import Scope
    from indexer.types import Import

WEB = frozenset(("javascript", "typescript", "tsx"))
_PACKAGED = frozenset(("java", "kotlin", "scala", "csharp", "php"))
_INCLUDES = frozenset(("c", "cpp"))
_IMPLICIT_THIS = frozenset(("java", "kotlin", "scala", "csharp", "cpp", "swift", "ruby"))


class Names(Members):
    """Lookups over one state of the repository."""

    def bare(self, scope: Scope, name: str, offset: int) -> list[Target]:
        """What a name without a receiver means at an offset, the nearest scope first."""
        for function in scope.functions(offset):
            if found := scope.inside.get(function, {}).get(name):
                return symbols_of(scope, found, 1.0, "defined in this function")
        owner = scope.owner(offset)
        if owner >= 0 and scope.language in _IMPLICIT_THIS:
            found_members = self.members(scope.path, owner, name)
            if any(t.path for t in found_members):
                return found_members
        in_body = owner >= 0 and not scope.functions(offset)
        if in_body and (found := scope.inside.get(owner, {}).get(name)):
            return symbols_of(scope, found, 1.0, "defined in this class")
        if found := scope.top.get(name):
            return symbols_of(scope, found, 1.0, "defined in this file")
        if imports := scope.imports.get(name):
            return [target for one in imports for target in self.imported(scope, one)]
        starred = self._starred(scope, scope.stars, name, 0, set())
        return starred or self._near(scope, name)

    def _starred(
        self, scope: Scope, stars: list[Import], name: str, depth: int, seen: set[tuple[str, str]]
    ) -> list[Target]:
        if name.startswith("_") and scope.language == "python":
            return []
        for one in stars:
            for place in self.world.places(scope.path, one):
                if found := self.exported(place.path, name, depth + 1, seen):
                    return weaker(found, place.score)
        return []

    def _near(self, scope: Scope, name: str) -> list[Target]:
        """Names that need no import: of the same package, or of the whole program."""
        language, path = scope.language, scope.path
        if language == "go":
            near = [p for p in self.world.defining(name) if dirname(p) == dirname(path)]
            return self._tops(near, name, 1.0, "same package", language)
        if language in _PACKAGED:
            own = {*self.world.packages(path)}
            near = [p for p in self.world.defining(name) if own & {*self.world.packages(p)}]
            return self._tops(near, name, 0.95, "same package", language)
        if language in ("ruby", "swift", "c", "cpp", "bash", "lua", "julia"):
            score = 0.8 if language in ("ruby", "swift") else 0.5
            return self._tops(self.world.defining(name), name, score, "only by its name", language)
        return []

    def _tops(
        self, paths: list[str], name: str, score: float, why: str, language: str
    ) -> list[Target]:
        found: list[Target] = []
        for path in paths[:FILES_MAX]:
            scope = self.world.scope(path)
            if scope and same_family(scope.language, language):
                found += symbols_of(scope, scope.top.get(name, ()), score, why)
        return weaker(found, 1 / len(found)) if len(found) > 1 else found

    def exported(
        self, path: str, name: str, depth: int = 0, seen: set[tuple[str, str]] | None = None
    ) -> list[Target]:
        """What a module gives under a name: its own, what it hands on, a module inside of it."""
        seen = set() if seen is None else seen
        scope = self.world.scope(path)
        if scope is None or depth > DEPTH_MAX or (path, name) in seen:
            return []
        seen.add((path, name))
        if name == "default" and scope.language in WEB:
            return self._default(scope, "")
        if found := scope.top.get(name):
            return symbols_of(scope, found, 1.0, "defined in the module")
        web = scope.language in WEB
        for one in scope.imports.get(name, ()):
            if one.reexport or scope.language in ("python", *_INCLUDES):
                return weaker(self.imported(scope, one, depth + 1, seen), 1.0, "re-exported")
        stars = [s for s in scope.stars if s.reexport or (not web and scope.language != "rust")]
        if scope.language in _INCLUDES:
            stars = list(scope.record.imports)
        if found_stars := self._starred(scope, stars, name, depth, seen):
            return found_stars
        return self._submodule(scope, name)

    def _submodule(self, scope: Scope, name: str) -> list[Target]:
        if scope.language != "python" or stem(scope.path) not in FOLDER_STEMS:
            return []
        folder = dirname(scope.path)
        for path in (join(folder, name, "__init__.py"), join(folder, name + ".py")):
            if self.world.exists(path):
                return [module_target(path)]
        return []

    def _default(self, scope: Scope, alias: str) -> list[Target]:
        """A default export has no name of its own: the one named like it, else the file's only."""
        tops = [at for found in scope.top.values() for at in found]
        for name in (alias, stem(scope.path)):
            if name and name in scope.top:
                return symbols_of(scope, scope.top[name], 0.9, "default export, by its name")
        found = symbols_of(scope, tops, 0.8, "default export")
        return weaker(found, 1 / len(found)) if found else [module_target(scope.path, 0.8)]

    def imported(
        self, scope: Scope, one: Import, depth: int = 0, seen: set[tuple[str, str]] | None = None
    ) -> list[Target]:
        """What an import brings in; `OUTSIDE` where its module is not in the repository."""
        first, dot, _ = one.module.partition(".")
        if scope.language == "python" and not one.name and dot and one.alias == first:
            one = one._replace(module=first)  # `import a.b` binds a
        places = self.world.places(scope.path, one)
        if not places:
            return [OUTSIDE]
        found: list[Target] = []
        for place in places:
            got = self._rest(place, one.alias, depth, seen)
            if got and place.rest == "" and found == [] and scope.language == "python":
                return weaker(got, place.score)
            found += weaker(got, place.score)
        return found

    def _rest(
        self, place: Place, alias: str, depth: int, seen: set[tuple[str, str]] | None
    ) -> list[Target]:
        if not place.rest:
            return [module_target(place.path)]
        first, *more = place.rest.replace("::", ".").split(".")
        scope = self.world.scope(place.path)
        if first == "default" and scope and scope.language in WEB:
            return self._default(scope, alias)
        found = self.exported(place.path, first, depth, seen)
        for name in more:
            found = [t for target in found for t in self.part(target, name)]
        return found

    def part(self, target: Target, name: str) -> list[Target]:
        """`name` of what a target stands for: a module, a namespace, a type."""
        if not target.path:
            return [OUTSIDE]
        if target.symbol < 0:
            return (
                weaker(self.exported(target.path, name), target.score) if target.line == 1 else []
            )
        return weaker(self.members(target.path, target.symbol, name), target.score)

    def types(self, scope: Scope, dotted: str, offset: int) -> list[Target]:
        """Types that a dotted name may mean at an offset."""
        first, *more = dotted.replace("::", ".").replace("\\", ".").strip(".").split(".")
        found = self.bare(scope, first, offset)
        for name in more:
            found = [t for target in found for t in self.part(target, name)]
        return [t for t in found if not t.path or self.is_type(t)]

    def is_type(self, target: Target) -> bool:
        scope = self.world.scope(target.path)
        return bool(
            scope and target.symbol >= 0 and scope.record.symbols[target.symbol].kind in OWNERS
        )
