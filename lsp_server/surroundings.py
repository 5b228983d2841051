# SPDX-License-Identifier: Apache-2.0
"""What other files bring into a prompt, held still while the user types in one place.

In: a snapshot of the repository, a cursor in it, a budget. Out: parts for the prompt.
A change near the front of a prompt makes the engine read all that follows anew, at some tens of
milliseconds a token; so what was chosen stays until the cursor leaves the function it was chosen
for, and then what is still among the best keeps its place. Where the user has been is remembered.
Called from the engine's thread only. It knows no protocol and no engine.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from engine.types import Part
from indexer.context import Cursor, gather, home

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from indexer.context import Home
    from indexer.selection import Excerpt
    from indexer.snapshot import Snapshot

VISITS_MAX = 8  # places left lately that are candidates for the prompt
BUDGET_SLACK = 0.25  # a choice is made anew when the budget has changed by more than this share


class Spot(NamedTuple):
    """A place in a document: lines with their ends, line and column from 1 in characters."""

    path: str
    lines: Sequence[str]
    line: int
    col: int


@dataclass(frozen=True, slots=True)
class _Choice:
    """What was chosen, for where, and whether the index was complete then."""

    root: str
    home: Home
    budget: int
    complete: bool
    pieces: tuple[Excerpt, ...]

    def serves(self, snapshot: Snapshot, here: Home, budget: int, *, anew: bool) -> bool:
        """Whether it may stay for another place and budget."""
        near = abs(self.budget - budget) <= BUDGET_SLACK * self.budget
        if not near or self.root != snapshot.root or self.home.path != here.path:
            return False
        known = self.complete or not snapshot.report.complete
        return not anew or (known and self.home.holds(here))


class Surroundings:
    """The choice for the place where the user is, and the places before it."""

    def __init__(self) -> None:
        self._choice: _Choice | None = None
        self._visits: deque[tuple[str, Home]] = deque(maxlen=VISITS_MAX)

    def parts(
        self,
        snapshot: Snapshot,
        spot: Spot,
        budget: int,
        count: Callable[[str], int],
        *,
        anew: bool = True,
    ) -> tuple[Part, ...]:
        """Parts of at most `budget` tokens, the same as before wherever that will do.

        Unless `anew`, those of another function of the same file will do, too: there is no time to
        read others.
        """
        here = home(snapshot, spot.path, spot.lines, spot.line)
        choice = self._choice
        if choice is None or not choice.serves(snapshot, here, budget, anew=anew):
            choice = self._choice = self._chosen(snapshot, spot, here, budget, count)
        return tuple(map(_part, choice.pieces))

    def forget(self) -> None:
        """Choose anew: the rules of what may be read have changed."""
        self._choice = None
        self._visits.clear()

    def _chosen(
        self,
        snapshot: Snapshot,
        spot: Spot,
        here: Home,
        budget: int,
        count: Callable[[str], int],
    ) -> _Choice:
        held: tuple[Excerpt, ...] = ()
        if (last := self._choice) is not None and last.root == snapshot.root:
            held = last.pieces
            if not last.home.holds(here):
                self._visits.appendleft((last.root, last.home))
        visits = [(left.path, left.line) for root, left in self._visits if root == snapshot.root]
        cursor = Cursor(spot.path, spot.line, spot.col, "".join(spot.lines))
        found = gather(snapshot, cursor, budget, count, held=held, visits=visits)
        return _Choice(snapshot.root, here, budget, snapshot.report.complete, found.pieces)


def _part(piece: Excerpt) -> Part:
    lines = (piece.start_line, piece.end_line)
    return Part(piece.role, piece.path, piece.text, *lines, piece.score, piece.why)
