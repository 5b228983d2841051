# SPDX-License-Identifier: Apache-2.0
"""Which lines around a change can be read by themselves.

In: two texts, the symbols of the first. Out: the lines that differ; a `Run` around them: whole
neighbouring definitions of one owner, in the innermost owner that is worth it, and the lines of
the owners that must stand around them. This module reads no code: it counts on symbols and lines.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from itertools import zip_longest
from typing import TYPE_CHECKING, NamedTuple

from indexer.parse import line_starts
from indexer.splice import Section

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from indexer.types import Symbol

    Span = tuple[int, int]

# A run that is this short is not worth another level of owners.
RUN_SMALL_BYTES = 3 * 1024
# Reading costs a third of a millisecond a KiB: a longer run is no gain over the whole file.
RUN_MAX_BYTES = 24 * 1024
WITNESS_MAX_BYTES = 4 * 1024
# Between two definitions: what is longer is read by itself, not with the second.
GAP_LINES = 3


class Change(NamedTuple):
    """Lines that differ: bytes [start, end) of the old text; how much longer the new one is."""

    start: int
    end: int
    growth: int


class Run(NamedTuple):
    """A section of the old text with what must be read around it.

    `inner` is the section without witnesses. `heads` and `tails`: the owners' first and last
    lines, in the order of the file. `witnessed`: each end of the section has a witness, or is an
    end of the owner.
    """

    section: Section
    inner: Span
    owners: tuple[int, ...]
    heads: tuple[Span, ...]
    tails: tuple[Span, ...]
    witnessed: bool

    @property
    def size(self) -> int:
        """Bytes to read."""
        return sum(b - a for a, b in (self.section[:2], *self.heads, *self.tails))


class _Block(NamedTuple):
    """Definitions of one owner that share lines: symbols [first, last), lines inclusive.

    Without siblings: what stands between two others, up to a blank line, such as imports.
    """

    first: int
    last: int
    start_line: int
    end_line: int
    siblings: int


class _Level(NamedTuple):
    """An owner's blocks, and where a run of them may begin or end: before the first, after each.

    What stands between two blocks, such as comments above the second, goes with the second.
    """

    owner: int
    blocks: list[_Block]
    cuts: list[int]


def changed_lines(old: bytes, new: bytes) -> Change:
    """Where two different texts differ, in whole lines that end with a newline."""
    shorter = min(len(old), len(new))
    head = _largest(shorter, lambda size: old.startswith(new[:size]))
    tail = _largest(shorter - head, lambda size: old.endswith(new[len(new) - size :]))
    start = old.rfind(b"\n", 0, head) + 1
    end = old.find(b"\n", len(old) - tail) + 1
    return Change(start, end or len(old), len(new) - len(old))


def _largest(limit: int, same: Callable[[int], bool]) -> int:
    low, high = 0, limit
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if same(middle) else (low, middle - 1)
    return low


def find_run(old: bytes, symbols: Sequence[Symbol], change: Change) -> Run | None:
    """The innermost run around a change that is worth it; None where none is short enough."""
    places = _Places(old, symbols)
    levels = [places.level(-1)]
    while True:
        level = levels[-1]
        low, high = _touched(level.cuts, change)
        inside = level.blocks[low] if low < len(level.blocks) else None
        if high - low > 1 or inside is None or inside.siblings != 1:
            break
        if level.cuts[high] - level.cuts[low] <= RUN_SMALL_BYTES:
            break
        deeper = places.level(inside.first)
        if not (deeper.cuts and deeper.cuts[0] <= change.start <= change.end <= deeper.cuts[-1]):
            break
        levels.append(deeper)
    run = places.run(levels, change)
    ends = {at for span in (run.section[:2], run.inner, *run.heads, *run.tails) for at in span}
    whole = all(at in (0, len(old)) or old[at - 1 : at] == b"\n" for at in ends)
    return run if whole and run.size <= RUN_MAX_BYTES else None


def _touched(cuts: list[int], change: Change) -> Span:
    """The numbers of the cuts around a change."""
    low = min(bisect_right(cuts, change.start) - 1, len(cuts) - 2)
    return low, max(bisect_left(cuts, change.end), low + 1)


class _Places:
    """Where the lines of a text and its symbols are."""

    def __init__(self, text: bytes, symbols: Sequence[Symbol]) -> None:
        self._lines = [*line_starts(text), len(text)]
        self._text = text
        self._size = len(text)
        self._symbols = symbols

    def _line(self, number: int) -> int:
        """Where line `number` starts, from 1; the end of the text after the last."""
        return self._lines[number - 1] if number <= len(self._lines) else self._size

    def level(self, owner: int) -> _Level:
        blocks = self._blocks(owner)
        if owner < 0:
            cuts = [0, *(self._line(block.end_line + 1) for block in blocks)]
            return _Level(
                owner, blocks, cuts if cuts[-1] == self._size > 0 else [*cuts, self._size]
            )
        if not blocks or blocks[0].start_line <= self._symbols[owner].start_line:
            return _Level(owner, blocks, [])
        first = self._line(blocks[0].start_line)
        return _Level(owner, blocks, [first, *(self._line(b.end_line + 1) for b in blocks)])

    def _blocks(self, owner: int) -> list[_Block]:
        symbols = self._symbols
        end = bisect_left(symbols, symbols[owner].end, key=_start) if owner >= 0 else len(symbols)
        rows: list[list[int]] = []  # first, start_line, end_line, siblings
        for at in range(owner + 1, end):
            symbol = symbols[at]
            if symbol.parent != owner:
                continue
            if rows and symbol.start_line <= rows[-1][2]:
                rows[-1][2] = max(rows[-1][2], symbol.end_line)
                rows[-1][3] += 1
            else:
                rows.append([at, symbol.start_line, symbol.end_line, 1])
        blocks: list[_Block] = []
        line = 1 if owner < 0 or not rows else rows[0][1]
        for (at, start_line, end_line, siblings), after in zip_longest(rows, rows[1:]):
            if start_line - line > GAP_LINES and (blank := self._blank_above(start_line, line)):
                blocks.append(_Block(at, at, line, blank, 0))
            last = after[0] if after else end
            blocks.append(_Block(at, last, start_line, end_line, siblings))
            line = end_line + 1
        return blocks

    def _blank_above(self, number: int, first: int) -> int:
        """The nearest blank line above a line, 0 where there is none from `first` on."""
        for above in range(number - 1, first - 1, -1):
            if not self._text[self._line(above) : self._line(above + 1)].strip():
                return above
        return 0

    def run(self, levels: list[_Level], change: Change) -> Run:
        owner, blocks, cuts = levels[-1]
        low, high = first, last = _touched(cuts, change)
        if low > 0 and cuts[low] - cuts[low - 1] <= WITNESS_MAX_BYTES:
            first -= 1
        if high < len(cuts) - 1 and cuts[high + 1] - cuts[high] <= WITNESS_MAX_BYTES:
            last += 1
        witnessed = (first < low or not low) and (last > high or high == len(cuts) - 1)
        rows = blocks[first:last]
        begin = rows[0].first if rows else len(self._symbols)
        section = Section(
            cuts[first],
            cuts[last],
            bisect_right(self._lines, cuts[first]),
            bisect_left(self._lines, cuts[last]) + 1,
            begin,
            rows[-1].last if rows else begin,
            owner,
        )
        spans = [self._around(level) for level in levels[1:]]
        return Run(
            section,
            (cuts[low], cuts[high]),
            tuple(level.owner for level in levels[1:]),
            tuple(head for head, _ in spans),
            tuple(tail for _, tail in reversed(spans)),
            witnessed,
        )

    def _around(self, level: _Level) -> tuple[Span, Span]:
        """An owner's lines before its first block and after its last."""
        owner = self._symbols[level.owner]
        end_line = max(owner.end_line, level.blocks[-1].end_line)
        head = (self._line(owner.start_line), level.cuts[0])
        return head, (level.cuts[-1], self._line(end_line + 1))


def _start(symbol: Symbol) -> int:
    return symbol.start
