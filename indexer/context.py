# SPDX-License-Identifier: Apache-2.0
"""From a snapshot and a cursor to the pieces of other files that the next lines need.

In: `Snapshot`, `Cursor`, a budget in tokens and a way to count them. Out: a `Context` of whole
pieces, in the order in which a prompt has them, each with a reason. Nothing of the cursor's own
file is among them: it would be copied. It knows no model and no layout.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from indexer import clues, providers, wide
from indexer.likely import Evidence
from indexer.selection import choose

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from indexer.selection import Excerpt
    from indexer.snapshot import Snapshot

TOKENS_A_WINDOW = 110  # similar windows are asked for in proportion to what may be shown
WINDOWS_MAX = 40
SMALL_TOKENS = 1536  # up to here the next key waits for the choice
SAME_PLACE_LINES = 20  # outside of functions, so near is the same place


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place in a file as it is being edited. Line and column count from 1, in characters."""

    path: str
    line: int
    col: int
    text: str


@dataclass(frozen=True, slots=True)
class Context:
    """What was chosen, and what it cost."""

    pieces: tuple[Excerpt, ...]
    tokens: int
    build_ms: float


class Home(NamedTuple):
    """Where a choice belongs: a function, or some lines outside of any."""

    path: str
    function: str
    line: int

    def holds(self, other: Home) -> bool:
        """Whether another place is still the same, so that what was chosen may stay."""
        if self.path != other.path:
            return False
        if self.function and other.function:
            return self.function == other.function
        return abs(self.line - other.line) <= SAME_PLACE_LINES


class Effort(NamedTuple):
    """How much is looked at, at most."""

    windows: int  # that are like the lines at the cursor; each 32 to 64 lines
    whole: int  # of them, those whose functions and paragraphs are pieces, too
    words: int  # that are searched for; each costs 0.2 ms over 50,000 files
    uses: int  # of names near the cursor, whose definitions are looked up


# Measured on 325 holes: looking at more brings nothing at 1,000 tokens, and 2 points at 2,000.
QUICK = Effort(windows=10, whole=6, words=24, uses=12)


def effort(budget: int) -> Effort:
    """A prompt that takes long to read is worth a longer choice."""
    if budget <= SMALL_TOKENS:
        return QUICK
    return Effort(min(WINDOWS_MAX, max(14, budget // TOKENS_A_WINDOW)), 10, 24, 60)


def home(snapshot: Snapshot, path: str, lines: Sequence[str], line: int) -> Home:
    """The home of a line, from 1, of a file. Quick: it is asked at every key."""
    return Home(path, clues.function_at(snapshot.record(path), lines, line), line)


def gather(
    snapshot: Snapshot,
    cursor: Cursor,
    budget: int,
    count: Callable[[str], int],
    *,
    held: Sequence[Excerpt] = (),
    visits: Iterable[tuple[str, int]] = (),
) -> Context:
    """The best pieces for this place, `budget` tokens in all at most.

    held: what was chosen last time, which stays unless something is better by a margin.
    visits: places, the latest first, that the user has edited lately.
    """
    started = time.perf_counter()
    record, most = snapshot.record(cursor.path), effort(budget)
    place = (cursor.line, cursor.col, _offset(cursor))
    seen = clues.read(cursor.text, *place, record, words=most.words, uses=most.uses)
    evidence = Evidence()
    pool = [
        *providers.definitions(snapshot, cursor.path, seen, evidence),
        *providers.journal(snapshot, cursor.path, visits, seen, evidence),
        *providers.analogies(
            snapshot, cursor.path, seen, evidence, limit=most.windows, whole=most.whole
        ),
        *providers.pairs(snapshot, cursor.path, seen, evidence),
    ]
    pieces = choose(pool, evidence.weights(), budget, count, held)
    left = budget - sum(piece.tokens for piece in pieces)
    if left >= wide.SMALLEST_TOKENS:
        pieces = [*wide.files(snapshot, cursor.path, pieces, left, count), *pieces]
    tokens = sum(piece.tokens for piece in pieces)
    return Context(tuple(pieces), tokens, (time.perf_counter() - started) * 1000)


def _offset(cursor: Cursor) -> int:
    """The cursor's place in bytes."""
    start = 0
    for _ in range(cursor.line - 1):
        start = cursor.text.find("\n", start) + 1
    return len(cursor.text[: start + cursor.col - 1].encode("utf-8", "replace"))
