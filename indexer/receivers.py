# SPDX-License-Identifier: Apache-2.0
"""What kind of thing an expression is: a module, a type, an instance of a type, a function.

In: an expression's steps and where they stand. Out: `Thing`s, each with a score; [] where the text
does not tell. It follows declarations, constructor calls, return types and, in languages without
declarations, what a function returns and what a name was last set to.
It runs no program: conditions are not weighed, the alternatives are all given.
"""

from __future__ import annotations

import builtins
import re
from typing import TYPE_CHECKING, NamedTuple

from indexer import expressions
from indexer.bindings import DYNAMIC, is_parameter, last_set, tested_types
from indexer.expressions import Step
from indexer.names import Names
from indexer.scopes import ADDITIONS, FUNCTIONS, OWNERS, VALUES
from indexer.targets import OUTSIDE, Target, World
from indexer.typetext import type_names

if TYPE_CHECKING:
    from collections.abc import Iterable

    from indexer.scopes import Scope

# One question follows at most so many steps: enough for real code, an end for a maze.
STEPS_MAX = 400
DEPTH_MAX = 10
RETURNS_MAX = 6
TESTED_SCORE = 0.6  # a test may have failed where the name is used
_SELF = frozenset(("self", "this", "$this", "Self", "cls", "static", "@This"))
_SUPER = frozenset(("super", "base", "parent"))
_BUILTINS = frozenset(dir(builtins))
_RETURN = re.compile(rb"\breturn[ \t]+")
_VALUE = re.compile(rb"\s*(?::[^=\n]*)?(?::=|=(?!=))\s*")
_COPIES = frozenset(("copy", "deepcopy"))  # of Python's copy: what they give is what they get
_CONSTRUCTORS = {"rust": "new", "lua": "new", "zig": "init"}


class Thing(NamedTuple):
    """`kind`: module, class, instance, function, super (a class's bases), outside."""

    kind: str
    path: str
    symbol: int
    score: float


class _Call(NamedTuple):
    name: str  # of what is called
    at: int  # where the bracket opens
    of: list[Thing]  # what it was taken from


OUT = Thing("outside", "", -1, 1.0)


class Receivers:
    """The types of one question; made anew for each, so that no answer depends on another."""

    outside = OUT

    def __init__(self, world: World, *, derived: bool = True) -> None:
        """derived: members that only types derived from a receiver's have count, too; slow."""
        self.world = world
        self._derived = derived
        self.names = Names(world)
        self._left = STEPS_MAX
        self._self: tuple[str, int, Thing] | None = None  # while a method is followed: of whom
        self._busy: set[tuple[str, int, int]] = set()

    def chain(self, scope: Scope, steps: Iterable[Step], offset: int) -> list[Thing]:
        """What a chain of names, calls and subscripts is."""
        steps = list(steps)
        things: list[Thing] = []
        of: list[Thing] = []
        for number, step in enumerate(steps):
            self._left -= 1
            if self._left < 0:
                return []
            called = number + 1 < len(steps) and steps[number + 1].kind == "call"
            if number == 0:
                things = self._first(scope, step.name, offset, called)
            elif step.kind == "name":
                of, things = things, self._members(things, step.name, called)
            elif step.kind == "call":
                call = _Call(steps[number - 1].name, step.at, of)
                things = self._called(scope, call, things, offset)
            else:
                things = [t for t in things if t.kind == "outside"]
            if not things:
                return []
        return _best(things)

    def _first(self, scope: Scope, name: str, offset: int, called: bool) -> list[Thing]:
        owner = scope.owner(offset)
        if owner >= 0 and (name in _SELF or name in _SUPER):
            return [self._own(scope, owner, name)]
        if name.startswith("@") and owner >= 0:
            return self.values(self.names.fields(scope, owner, name))
        local = self._local(scope, name, offset)
        if local is not None:
            return local
        found = self.names.bare(scope, name, offset)
        if not found and scope.language == "python" and name in _BUILTINS:
            return [OUT]
        return self._seen(found, called)

    def _own(self, scope: Scope, owner: int, name: str) -> Thing:
        """`self`: of the type around it, or of the one whose inherited method is followed."""
        if name in _SUPER:
            return Thing("super", scope.path, owner, 1.0)
        kind = "class" if name in ("Self", "cls", "static") else "instance"
        if self._self and self._self[:2] == (scope.path, owner):
            return self._self[2]._replace(kind=kind, score=1.0)
        return Thing(kind, scope.path, owner, 1.0)

    def _seen(self, found: list[Target], called: bool, of: Thing | None = None) -> list[Thing]:
        """Definitions as things; a method that is not called is a property: what it returns."""
        things: list[Thing] = []
        for target in found:
            for thing in self.values([target]):
                if thing.kind == "function" and not called and self._is_method(thing):
                    things += self.returns(thing, of)
                else:
                    things.append(thing)
        return things

    def _is_method(self, thing: Thing) -> bool:
        scope = self.world.scope(thing.path)
        return bool(scope and scope.record.symbols[thing.symbol].parent >= 0)

    def _members(self, things: list[Thing], name: str, called: bool) -> list[Thing]:
        found: list[Thing] = []
        for thing in things:
            if name in ("__class__", "class") and thing.kind == "instance":
                found.append(thing._replace(kind="class"))
                continue
            if name == "new" and thing.kind == "class" and self._is_ruby(thing):
                found.append(thing._replace(kind="instance"))  # with or without brackets
                continue
            got = self._seen(self.member_targets(thing, name), called, thing)
            found += [t._replace(score=t.score * thing.score) for t in got]
        return found

    def member_targets(self, thing: Thing, name: str) -> list[Target]:
        """Definitions of `name` in a thing."""
        if thing.kind == "outside":
            return [OUTSIDE]
        if thing.kind == "module":
            return self.names.exported(thing.path, name)
        if thing.kind == "super":
            return self.names.inherited(thing.path, thing.symbol, name)
        if thing.kind == "function":
            return []
        found = self.names.members(thing.path, thing.symbol, name) or self._new(thing, name)
        if not found and self._derived:
            found = self.names.in_subtypes(thing.path, thing.symbol, name)
        return found

    def _is_ruby(self, thing: Thing) -> bool:
        scope = self.world.scope(thing.path)
        return bool(scope and scope.language == "ruby")

    def _new(self, thing: Thing, name: str) -> list[Target]:
        """`Shop.new` in Ruby is `initialize`."""
        scope = self.world.scope(thing.path)
        if scope and name == "new" and scope.language == "ruby":
            found = self.names.members(thing.path, thing.symbol, "initialize")
            row = scope.record.symbols[thing.symbol]
            return found or [
                Target(thing.path, thing.symbol, row.start, row.name_line, 0.9, "class")
            ]
        return []

    def _called(self, scope: Scope, call: _Call, things: list[Thing], offset: int) -> list[Thing]:
        """What calling these things gives."""
        if scope.language == "python" and (found := self._special(scope, call, things, offset)):
            return found
        found = []
        for thing in things:
            if thing.kind == "function":
                given = self.returns(thing, call.of[0] if len(call.of) == 1 else None)
                found += [r._replace(score=r.score * thing.score) for r in given]
            elif thing.kind == "instance" and not (call.name == "new" and self._is_ruby(thing)):
                calls = self.values(self.names.members(thing.path, thing.symbol, "__call__"))
                found += [r for c in calls if c.kind == "function" for r in self.returns(c)]
            elif thing.kind != "module":
                found.append(thing._replace(kind="instance") if thing.kind == "class" else thing)
        return found

    def _special(self, scope: Scope, call: _Call, things: list[Thing], offset: int) -> list[Thing]:
        """Python's `super()`, `type(self)` and `copy.copy(x)`."""
        owner = scope.owner(offset)
        if call.name == "super" and not call.of and owner >= 0:
            return [Thing("super", scope.path, owner, 1.0)]
        if call.name == "type" and not call.of and owner >= 0:
            data = self.world.text(scope.path) or b""
            return [self._own(scope, owner, "cls")] if data.startswith(b"(self)", call.at) else []
        if call.name in _COPIES and things[0].kind == "outside":
            return self._argument(scope, call.at, offset)
        return []

    def _argument(self, scope: Scope, at: int, offset: int) -> list[Thing]:
        """The only argument of the call whose bracket is at `at`."""
        data = self.world.text(scope.path) or b""
        end = expressions.close(data, at, len(data))
        steps = expressions.forward(data, at + 1, end) if end > 0 else None
        return self.chain(scope, steps, offset) if steps else []

    def returns(self, function: Thing, of: Thing | None = None) -> list[Thing]:
        """What a function gives back: by its declared type, else by its `return` statements."""
        scope = self.world.scope(function.path)
        key = (function.path, function.symbol, 1)
        if scope is None or key in self._busy or len(self._busy) > DEPTH_MAX:
            return []
        row = scope.record.symbols[function.symbol]
        owner = scope.owner(row.start)
        if row.kind == "constructor" and owner >= 0:
            return [Thing("instance", scope.path, owner, 1.0)]
        self._busy.add(key)
        before = self._self
        if of and of.kind in ("class", "instance", "super"):
            bound = self._self[2] if of.kind == "super" and self._self else of
            bound = bound._replace(kind="instance")
            self._self = (scope.path, owner, bound)
        try:
            if row.type:
                return self.declared(scope, row.type, row.start + 1)
            found = self._returned(scope, row.start, row.end)
        finally:
            self._busy.discard(key)
            self._self = before
        if not found and _CONSTRUCTORS.get(scope.language) == row.name:
            return self._owner_instance(scope, function.symbol)
        return found

    def _owner_instance(self, scope: Scope, symbol: int) -> list[Thing]:
        row = scope.record.symbols[symbol]
        targets = [t for base in row.bases for t in self.names.types(scope, base, row.start)]
        owner = scope.owner(row.start)
        if owner >= 0:
            return [Thing("instance", scope.path, owner, 0.9)]
        return [Thing("instance", t.path, t.symbol, t.score * 0.9) for t in targets if t.path]

    def _returned(self, scope: Scope, start: int, end: int) -> list[Thing]:
        data = self.world.text(scope.path)
        if data is None or scope.language not in DYNAMIC:
            return []
        found: list[Thing] = []
        for match in list(_RETURN.finditer(data, start, end))[:RETURNS_MAX]:
            if scope.functions(match.start())[:1] == scope.functions(start + 1)[:1]:
                for steps in expressions.alternatives(data, match.end()):
                    found += self.chain(scope, steps, match.start())
        return _shared(found)

    def declared(self, scope: Scope, text: str, offset: int) -> list[Thing]:
        """Instances of the types that a type's text names."""
        found: list[Thing] = []
        for name, kind in type_names(scope.language, text):
            if name in _SELF and (owner := scope.owner(offset)) >= 0:
                found.append(self._own(scope, owner, "cls" if kind == "class" else "self"))
                continue
            targets = self.names.types(scope, name, offset)
            if not targets and scope.language == "python" and name in _BUILTINS:
                targets = [OUTSIDE]
            found += [Thing(kind, t.path, t.symbol, t.score) if t.path else OUT for t in targets]
        return self._aliases(_shared(found))

    def _aliases(self, things: list[Thing]) -> list[Thing]:
        """`type Id = Store` is Store."""
        found: list[Thing] = []
        for thing in things:
            scope = self.world.scope(thing.path) if thing.path else None
            row = scope.record.symbols[thing.symbol] if scope and thing.symbol >= 0 else None
            key = (thing.path, thing.symbol, 2)
            if scope and row and row.kind == "type" and row.type and key not in self._busy:
                self._busy.add(key)
                found += self.declared(scope, row.type, row.start) or [thing]
                self._busy.discard(key)
            else:
                found.append(thing)
        return found

    def values(self, targets: list[Target]) -> list[Thing]:
        """What definitions stand for; for a variable or a field, what it holds."""
        found: list[Thing] = []
        for target in targets:
            if not target.path:
                found.append(OUT)
                continue
            scope = self.world.scope(target.path)
            if scope is not None:
                got = self._value(scope, target)
                found += [t._replace(score=t.score * target.score) for t in got]
        return _best(found)

    def _value(self, scope: Scope, target: Target) -> list[Thing]:
        if target.symbol < 0:
            if target.why == "module" or (target.line == 1 and not target.start):
                return [Thing("module", target.path, -1, 1.0)]
            return self._assigned(scope, target.start)
        row = scope.record.symbols[target.symbol]
        if row.kind in OWNERS | ADDITIONS:
            return [Thing("class", target.path, target.symbol, 1.0)]
        if row.kind in FUNCTIONS:
            return [Thing("function", target.path, target.symbol, 1.0)]
        if row.kind in VALUES and row.type:
            return self.declared(scope, row.type, row.start)
        return self._assigned(scope, row.name_start)

    def _assigned(self, scope: Scope, start: int) -> list[Thing]:
        """The value of the assignment whose left side starts at `start`."""
        key = (scope.path, start, 0)
        if key in self._busy or len(self._busy) > DEPTH_MAX:
            return []
        self._busy.add(key)
        try:
            return self._set_to(scope, start)
        finally:
            self._busy.discard(key)

    def _set_to(self, scope: Scope, start: int) -> list[Thing]:
        rows = [t for group in scope.typed.values() for t in group if t.start == start]
        for typed in rows:
            if typed.how == "declared":
                return self.declared(scope, typed.type, start)
        data = self.world.text(scope.path)
        if data is not None:
            left = re.compile(rb"[\w\x80-\xff.@$>-]+").match(data, start)
            value = _VALUE.match(data, left.end()) if left else None
            if value and (chains := expressions.alternatives(data, value.end())):
                return _shared([t for c in chains for t in self._or_constructed(scope, c, start)])
            if value and data[value.end() : value.end() + 1] in (b'"', b"'", b"[", b"{", b"("):
                return [OUT]
        for typed in rows:
            steps = tuple(Step("name", part, start) for part in typed.type.split("."))
            more = (Step("call", "", start),) if typed.how == "call" else ()
            return self._or_constructed(scope, (*steps, *more), start)
        return []

    def _or_constructed(self, scope: Scope, steps: tuple[Step, ...], start: int) -> list[Thing]:
        """`Shop.new(x)`, where `new` says nothing of its type, is a Shop."""
        found = self.chain(scope, steps, start)
        names = [step.name for step in steps if step.kind == "name"]
        maker = _CONSTRUCTORS.get(scope.language)
        if (found and any(t.kind != "function" for t in found)) or names[-1] != maker:
            return found
        made = self.chain(scope, [Step("name", name, start) for name in names[:-1]], start)
        return [t._replace(kind="instance", score=t.score * 0.9) for t in made if t.kind == "class"]

    def is_local(self, scope: Scope, name: str, offset: int) -> bool:
        """Is the name a parameter or a variable of a function around the offset?"""
        functions = scope.functions(offset)
        if any(name in scope.inside.get(function, {}) for function in functions):
            return False
        return self._local(scope, name, offset) is not None

    def _local(self, scope: Scope, name: str, offset: int) -> list[Thing] | None:
        """What a local name holds; None where it is no local, [] where nothing tells."""
        for function in scope.functions(offset):
            start, end = scope.span(function)
            typed = [t for t in scope.typed.get(name, ()) if start <= t.start < end]
            declared = [t for t in typed if t.how == "declared"]
            early = [t for t in declared if t.start <= offset]
            if declared:
                return self._assigned(scope, (early or declared)[-1].start)
            data = self.world.text(scope.path) if scope.language in DYNAMIC else None
            at = last_set(scope, data, name, function, offset) if data is not None else None
            if at is None and typed:
                at = max(([t.start for t in typed if t.start < offset]) or [typed[0].start])
            if at is not None:
                return self._assigned(scope, at)
            if is_parameter(scope, name, function):
                return self._narrowed(scope, name, start, offset)
        return None

    def _narrowed(self, scope: Scope, name: str, start: int, offset: int) -> list[Thing]:
        """What tests before the use say that a parameter may be."""
        data = self.world.text(scope.path)
        if data is None or scope.language != "python":
            return []
        tested = tested_types(data, name, start, offset)
        found = [t for type_, at in tested for t in self.declared(scope, type_, at)]
        return [t._replace(score=t.score * TESTED_SCORE) for t in _shared(found)]


def _best(things: list[Thing]) -> list[Thing]:
    """Each thing once, with its best score, best first."""
    best: dict[tuple[str, str, int], Thing] = {}
    for thing in things:
        key = thing[:3]
        if key not in best or best[key].score < thing.score:
            best[key] = thing
    return sorted(best.values(), key=lambda t: (-t.score, t.path, t.symbol))


def _shared(things: list[Thing]) -> list[Thing]:
    """Alternatives: the more there are, the less each is worth."""
    best = _best(things)
    return [
        t._replace(score=t.score * (1.0 if len(best) == 1 else 0.9 / len(best) ** 0.5))
        for t in best
    ]
