# SPDX-License-Identifier: Apache-2.0
"""What a piece of a function reads, writes and leaves behind: data flow over its steps.

In: a `Graph` of steps in the order in which they run, sets of variables as the bits of a number,
and the byte range of a piece. Out: `Facts` of that piece. It knows no language and no tree.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

EXIT = 0
START = 1
OUTSIDE = -1  # the offset of a step that stands nowhere in the text


@dataclass(frozen=True, slots=True)
class Jump:
    """A step that goes elsewhere: `word` as written, `loop` where what it leaves begins."""

    word: str
    loop: int


class Graph:
    """Steps of one function. `ends` are the steps that the next one follows; none: unreachable."""

    def __init__(self) -> None:
        self.at: list[int] = []
        self.reads: list[int] = []
        self.writes: list[int] = []
        self.lost: list[int] = []  # variables that a step takes away
        self.following: list[list[int]] = []
        self.thrown: list[list[int]] = []  # where an error of this step goes
        self.jumps: dict[int, Jump] = {}
        self.captures: dict[int, tuple[int, int]] = {}  # step -> bits that a closure reads, writes
        self.handlers: list[int] = []  # the innermost last
        self.ends: list[int] = []
        self.detached(OUTSIDE)
        self.ends = [self.detached(OUTSIDE)]

    def detached(self, at: int, reads: int = 0, writes: int = 0, lost: int = 0) -> int:
        """A step that follows none."""
        self.at.append(at)
        self.reads.append(reads)
        self.writes.append(writes)
        self.lost.append(lost)
        self.following.append([])
        self.thrown.append([])
        return len(self.at) - 1

    def step(self, at: int, reads: int = 0, writes: int = 0, lost: int = 0) -> int:
        """A step behind the last ones."""
        new = self.detached(at, reads, writes, lost)
        self.go(self.ends, new)
        self.ends = [new]
        return new

    def risk(self, at: int) -> None:
        """A step that can fail."""
        new = self.step(at)
        if self.handlers:
            self.thrown[new].append(self.handlers[-1])

    def go(self, ends: Iterable[int], to: int) -> None:
        for end in ends:
            self.following[end].append(to)


@dataclass(frozen=True, slots=True)
class Facts:
    """What a piece of a function does with variables, as bits, and how control leaves it."""

    reached: bool
    needs: int  # read before they are written in it
    written: int
    outs: int  # written in it, read behind it
    sure: int  # written on every way through it
    before: int  # written on every way to it
    lost_in_errors: int  # written in it, and read where an error in it goes
    goes_on: bool  # its end is reached
    returns: bool
    ends_all: bool  # behind its end is nothing but the end of the function
    leaves: tuple[str, ...]  # words of jumps to places outside, but for `return`
    written_later: int  # written outside, on a way that comes after it
    captured_inside: int
    captured_before: int  # by a closure that may run in it
    closures_write: int  # by any closure
    repeats: bool  # it may run more than once in one call


def facts(graph: Graph, start: int, end: int) -> Facts:
    """Facts about the bytes `start` to `end`."""
    inside = [start <= at < end for at in graph.at]
    before = _before(graph)
    live = _live(graph, [True] * len(inside))
    sources: list[list[int]] = [[] for _ in inside]
    for step, nexts in enumerate(graph.following):
        for to in nexts:
            sources[to].append(step)
    reached = _closure([START], lambda n: (*graph.following[n], *graph.thrown[n]))
    entries = [
        n
        for n in range(len(inside))
        if inside[n] and any(not inside[s] and s in reached for s in sources[n])
    ]
    maybe, sure = _written_inside(graph, inside, entries)
    exits = _exits(graph, inside, reached)
    outs, certain, lost = 0, -1, 0
    for step, to in exits:
        outs |= (maybe[step] | graph.writes[step]) & live[to]
        certain &= sure.get(step, 0) | graph.writes[step]
    for step in range(len(inside)):
        if inside[step]:
            for handler in graph.thrown[step]:
                if not inside[handler]:
                    lost |= maybe[step] & live[handler]
    later = _closure([to for _, to in exits], lambda n: (*graph.following[n], *graph.thrown[n]))
    earlier = _closure(entries, lambda n: sources[n])
    needed = _live(graph, inside)
    jumps = [j for n, j in graph.jumps.items() if inside[n] and not start <= j.loop < end]
    return Facts(
        reached=bool(entries),
        needs=_any(needed[n] for n in entries),
        written=_any(graph.writes[n] for n in range(len(inside)) if inside[n]),
        outs=outs,
        sure=certain if exits else 0,
        before=_all(before[n] for n in entries),
        lost_in_errors=lost,
        goes_on=bool(exits),
        returns=any(jump.word == "return" for jump in jumps),
        ends_all=all(to == EXIT for _, to in exits),
        leaves=tuple(jump.word for jump in jumps if jump.word != "return"),
        written_later=_any(graph.writes[n] for n in later if not inside[n]),
        captured_inside=_any(sum_of(c) for n, c in graph.captures.items() if inside[n]),
        captured_before=_any(
            sum_of(c) for n, c in graph.captures.items() if not inside[n] and n in earlier
        ),
        closures_write=_any(writes for _, writes in graph.captures.values()),
        repeats=not later.isdisjoint(entries),
    )


def sum_of(capture: tuple[int, int]) -> int:
    return capture[0] | capture[1]


def _exits(graph: Graph, inside: list[bool], reached: set[int]) -> list[tuple[int, int]]:
    """Steps out of the piece that are no jumps out of it."""
    spans = [at for at, is_in in zip(graph.at, inside, strict=True) if is_in]
    first, last = min(spans, default=0), max(spans, default=0)
    found = []
    for step, nexts in enumerate(graph.following):
        jump = graph.jumps.get(step)
        if not inside[step] or step not in reached:
            continue
        if jump is not None and not first <= jump.loop <= last:
            continue
        found += [(step, to) for to in nexts if not inside[to]]
    return found


def _live(graph: Graph, within: list[bool]) -> list[int]:
    """By step, the variables that are read from there on before they are written."""
    live = [0] * len(within)
    changed = True
    while changed:
        changed = False
        for step in range(len(within) - 1, -1, -1):
            if not within[step]:
                continue
            after = _any(live[to] for to in graph.following[step])
            now = graph.reads[step] | (after & ~graph.writes[step])
            now |= _any(live[to] for to in graph.thrown[step])
            if now != live[step]:
                live[step], changed = now, True
    return live


def _before(graph: Graph) -> list[int]:
    """By step, the variables that are written on every way to it."""
    known: dict[int, int] = {START: 0}
    work = [START]
    while work:
        step = work.pop()
        here = known[step]
        behind = (here | graph.writes[step]) & ~graph.lost[step]
        for state, nexts in ((behind, graph.following[step]), (here, graph.thrown[step])):
            for to in nexts:
                new = state & known[to] if to in known else state
                if known.get(to) != new:
                    known[to] = new
                    work.append(to)
    return [known.get(step, 0) for step in range(len(graph.at))]


def _written_inside(
    graph: Graph, inside: list[bool], entries: list[int]
) -> tuple[list[int], dict[int, int]]:
    """By step, what was written since the piece began: on some way, and on every way."""
    maybe = [0] * len(inside)
    sure: dict[int, int] = dict.fromkeys(entries, 0)
    work = list(entries)
    seen: set[int] = set(entries)
    while work:
        step = work.pop()
        ways = (
            (maybe[step] | graph.writes[step], sure[step] | graph.writes[step], graph.following),
            (maybe[step], sure[step], graph.thrown),
        )
        for some, every, edges in ways:
            for to in edges[step]:
                if not inside[to]:
                    continue
                new = (maybe[to] | some, every & sure.get(to, -1) if to in sure else every)
                if to not in seen or new != (maybe[to], sure[to]):
                    maybe[to], sure[to] = new
                    seen.add(to)
                    work.append(to)
    return maybe, sure


def _closure(starts: Iterable[int], nexts: Callable[[int], Iterable[int]]) -> set[int]:
    found: set[int] = set()
    work = list(starts)
    while work:
        step = work.pop()
        if step not in found:
            found.add(step)
            work += nexts(step)
    return found


def _any(bits: Iterable[int]) -> int:
    found = 0
    for some in bits:
        found |= some
    return found


def _all(bits: Iterable[int]) -> int:
    found = -1
    for some in bits:
        found &= some
    return found
