# SPDX-License-Identifier: Apache-2.0
"""From a function's tree to the steps it takes: names resolved to variables, control to edges.

In: the node of a function, with the nodes around it. Out: a `Walker` that holds the graph, the
variables and the marks (`await`, `yield` ... with where they stand). What each kind of node means
is said by one subclass a language; here is what all languages have.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from indexer.extraction_flow import EXIT, OUTSIDE, Graph, Jump

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import tree_sitter as ts

    Rule = Callable[..., None]
    Work = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Variable:
    """A name with the place it is seen in. `type` is its text, "" where none is declared."""

    name: str
    at: int
    type: str
    word: str  # how it was declared: parameter, let, const, function, pattern ...
    scope: tuple[int, int]  # bytes in which it is seen
    outer: bool  # of a function around this one


@dataclass(frozen=True, slots=True)
class Mark:
    """A word that decides what may be moved. `depth` counts closures around it."""

    word: str
    at: int
    depth: int


@dataclass(slots=True)
class Scope:
    """Names of a stretch of text."""

    start: int
    end: int
    is_function: bool
    names: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class Loop:
    """What `break` and `continue` look for. A block with a label is one without `again`."""

    at: int
    label: str
    again: int | None
    breaks: list[int] = field(default_factory=list)
    plain: bool = True  # a break without a label means it


@dataclass(slots=True)
class Final:
    """A `finally` that every way out of its `try` takes."""

    entry: int
    pending: list[tuple[int, Jump, Loop | None]] = field(default_factory=list)


class Walker:
    """Walks one function. Subclasses give the rules by kind of node."""

    functions: ClassVar[frozenset[str]] = frozenset()
    rules: ClassVar[dict[str, Rule]] = {}
    risky: ClassVar[frozenset[str]] = frozenset()
    skipped: ClassVar[frozenset[str]] = frozenset()  # no names of values in these

    def __init__(self, function: ts.Node) -> None:
        self.function = function
        self.graph = Graph()
        self.variables: list[Variable] = []
        self._declared_at: dict[tuple[str, int], int] = {}
        self.marks: list[Mark] = []
        self.foreign: list[tuple[str, int]] = []  # writes of names that are no variables here
        self.scopes: list[Scope] = []
        self.frames: list[Loop | Final] = []
        self.depth = 0
        self.label = ""
        self.outer = True
        for node in reversed(list(ancestors(function))):
            self.around(node)
        self.outer = False
        self.enter(function)
        self.graph.go(self.graph.ends, EXIT)

    def around(self, node: ts.Node) -> None:
        """Declare the names that a node around the function gives."""

    def enter(self, function: ts.Node) -> None:
        """Declare parameters, walk the body. For the function itself and for closures."""
        raise NotImplementedError

    # names

    def push(self, node: ts.Node, *, is_function: bool = False) -> Scope:
        scope = Scope(node.start_byte, node.end_byte, is_function)
        self.scopes.append(scope)
        return scope

    def declare(
        self, name: str, at: int, type_: str = "", word: str = "", scope: Scope | None = None
    ) -> int:
        scope = scope or self.scopes[-1]
        known = self._declared_at.get((name, at))
        if known is not None:  # a `finally` is walked twice
            scope.names[name] = known
            return known
        self._declared_at[name, at] = len(self.variables)
        self.variables.append(Variable(name, at, type_, word, (scope.start, scope.end), self.outer))
        scope.names[name] = len(self.variables) - 1
        return len(self.variables) - 1

    def find(self, name: str) -> int | None:
        for scope in reversed(self.scopes):
            if name in scope.names:
                return scope.names[name]
        return None

    def read(self, node: ts.Node) -> None:
        found = self.find(text(node))
        if found is not None:
            self.graph.step(node.start_byte, reads=1 << found)

    def write(self, node: ts.Node) -> None:
        found = self.find(text(node))
        if found is None:
            self.foreign.append((text(node), node.start_byte))
        else:
            self.graph.step(node.start_byte, writes=1 << found)

    def mark(self, word: str, node: ts.Node) -> None:
        self.marks.append(Mark(word, node.start_byte, self.depth))

    # walking

    def visit(self, node: ts.Node | None) -> None:
        if node is None or node.type in self.skipped:
            return
        rule = self.rules.get(node.type)
        if rule is not None:
            rule(self, node)
        else:
            self.inside(node)
        if node.type in self.risky:
            self.graph.risk(node.start_byte)

    def inside(self, node: ts.Node) -> None:
        for child in node.named_children:
            self.visit(child)

    def each(self, nodes: Sequence[ts.Node]) -> None:
        for node in nodes:
            self.visit(node)

    def block(self, node: ts.Node) -> None:
        """A stretch of text with names of its own."""
        self.push(node)
        self.inside(node)
        self.scopes.pop()

    # control

    def branch(self, *ways: Work) -> None:
        """One of several ways is taken."""
        base, ends = self.graph.ends, list[int]()
        for way in ways:
            self.graph.ends = base
            way()
            ends += self.graph.ends
        self.graph.ends = ends

    def maybe(self, node: ts.Node | None) -> None:
        """Visited, or not."""
        self.branch(lambda: self.visit(node), _nothing)

    def loop(
        self,
        node: ts.Node,
        test: Work,
        body: Work,
        *,
        step: Work | None = None,
        otherwise: Work | None = None,
        endless: bool = False,
        body_first: bool = False,
    ) -> None:
        at = node.start_byte
        head = self.graph.step(at)
        frame = Loop(at, self.label, self.graph.detached(at))
        self.label = ""
        assert frame.again is not None
        out: list[int] = []
        if not body_first:
            test()
            out = [] if endless else self.graph.ends
        self.frames.append(frame)
        body()
        self.frames.pop()
        self.graph.go(self.graph.ends, frame.again)
        self.graph.ends = [frame.again]
        if body_first:
            test()
            out = [] if endless else self.graph.ends
        if step is not None:
            step()
        self.graph.go(self.graph.ends, head)
        self.graph.ends = out
        if otherwise is not None:
            otherwise()
        self.graph.ends = [*self.graph.ends, *frame.breaks]

    def breakable(self, node: ts.Node, body: Work, *, plain: bool) -> None:
        """A switch, or a block with a label."""
        frame = Loop(node.start_byte, "" if plain else self.label, None, plain=plain)
        self.label = "" if not plain else self.label
        self.frames.append(frame)
        body()
        self.frames.pop()
        self.graph.ends = [*self.graph.ends, *frame.breaks]

    def cases(self, ways: Sequence[Work], *, complete: bool, falls: bool) -> None:
        """The ways of a switch; `falls`: one goes on into the next."""
        base, ends, before = self.graph.ends, list[int](), list[int]()
        for way in ways:
            self.graph.ends = [*base, *before]
            way()
            before = self.graph.ends if falls else []
            ends += [] if falls else self.graph.ends
        self.graph.ends = [*ends, *before, *([] if complete else base)]

    def leave(self, node: ts.Node, word: str, label: str = "") -> None:
        """`return`, `break`, `continue`: whatever stands behind it is not reached."""
        step = self.graph.step(node.start_byte)
        target = None if word == "return" else self._target(word, label)
        jump = Jump(word, OUTSIDE if target is None else target.at)
        self._route([step], jump, target, len(self.frames))
        self.graph.ends = []

    def fail(self, node: ts.Node) -> None:
        """`raise`, `throw`."""
        self.graph.risk(node.start_byte)
        self.graph.ends = []

    def _target(self, word: str, label: str) -> Loop | None:
        for frame in reversed(self.frames):
            if isinstance(frame, Loop) and (
                frame.label == label
                if label
                else frame.plain and (word == "break" or frame.again is not None)
            ):
                return frame
        return None

    def _route(self, ends: list[int], jump: Jump, target: Loop | None, height: int) -> None:
        for end in ends:
            self.graph.jumps[end] = jump
        for frame in reversed(self.frames[:height]):
            if frame is target:
                break
            if isinstance(frame, Final):
                self.graph.go(ends, frame.entry)
                frame.pending.append((ends[0], jump, target))
                return
        if target is None:
            self.graph.go(ends, EXIT)
        elif jump.word == "continue" and target.again is not None:
            self.graph.go(ends, target.again)
        else:
            target.breaks += ends

    def attempt(
        self,
        node: ts.Node,
        body: Work,
        handlers: Sequence[Work],
        otherwise: Work | None = None,
        final: ts.Node | None = None,
        *,
        catches_all: bool = False,
    ) -> None:
        """`try`, with all that can follow it."""
        graph, outer = self.graph, self.graph.handlers
        ending = Final(graph.detached(final.start_byte)) if final is not None else None
        if ending is not None:
            self.frames.append(ending)
        around = [*outer, ending.entry] if ending else outer
        dispatch = graph.detached(node.start_byte)
        if around and not catches_all:
            graph.thrown[dispatch].append(around[-1])
        graph.handlers = [*around, dispatch] if handlers else around
        graph.risk(node.start_byte)
        body()
        graph.handlers = around
        if otherwise is not None:
            otherwise()
        normal = graph.ends
        for handler in handlers:
            graph.ends = [dispatch]
            handler()
            normal = [*normal, *graph.ends]
        graph.handlers, graph.ends = outer, normal
        if ending is not None and final is not None:
            self.frames.pop()
            self._finally(ending, final)

    def _finally(self, ending: Final, final: ts.Node) -> None:
        """It is walked twice: once as what comes next, once as what every other way out takes."""
        graph = self.graph
        self.visit(final)
        normal, graph.ends = graph.ends, [ending.entry]
        self.visit(final)
        ends = graph.ends
        for end in ends:
            graph.thrown[end] += graph.handlers[-1:]
        for jump, target in {(j.word, j.loop): (j, t) for _, j, t in ending.pending}.values():
            graph.ends = ends
            self._route([graph.step(final.start_byte)], jump, target, len(self.frames))
        graph.ends = normal

    def closure(self, node: ts.Node, walk: Work, *, at_once: bool = False) -> None:
        """A function within: what it shares with this one. `at_once`: it runs here and is gone."""
        saved, frames, known = self.graph, self.frames, len(self.variables)
        self.graph, self.frames = Graph(), []
        self.depth += 1
        walk()
        self.depth -= 1
        inner, self.graph, self.frames = self.graph, saved, frames
        mask = (1 << known) - 1
        reads = _union(inner.reads) & mask
        writes = _union(inner.writes) & mask
        step = self.graph.step(node.start_byte, reads=reads | (writes if not at_once else 0))
        if not at_once:
            self.graph.captures[step] = (reads, writes)
        elif writes:  # it may run no time at all
            base = self.graph.ends
            self.graph.step(node.start_byte, writes=writes)
            self.graph.ends = [*base, *self.graph.ends]


def _union(bits: Sequence[int]) -> int:
    found = 0
    for some in bits:
        found |= some
    return found


def _nothing() -> None:
    return


def ancestors(node: ts.Node) -> Iterator[ts.Node]:
    """The nodes around one, the nearest first."""
    parent = node.parent
    while parent is not None:
        yield parent
        parent = parent.parent


def text(node: ts.Node) -> str:
    """What stands there."""
    return (node.text or b"").decode("utf-8", "replace")


def field_of(node: ts.Node, name: str) -> ts.Node | None:
    return node.child_by_field_name(name)


def has_token(node: ts.Node, *words: str) -> bool:
    """Whether a node has one of these keywords as a child of its own."""
    return any(child.type in words for child in node.children)


def within(node: ts.Node, kinds: frozenset[str], but: frozenset[str]) -> Iterator[ts.Node]:
    """Nodes of some kinds at any depth, none from inside the kinds of `but`."""
    work = list(reversed(node.named_children))
    while work:
        found = work.pop()
        if found.type in kinds:
            yield found
        if found.type not in but:
            work += reversed(found.named_children)
