# SPDX-License-Identifier: Apache-2.0
"""What other files bring into a prompt, held still while the user types in one place.

In: a snapshot of the repository, a cursor in it, a budget. Out: parts for the prompt.
A change near the front of a prompt makes the engine read all that follows anew, at some tens of
milliseconds a token; so what was chosen stays until the cursor leaves the function it was chosen
for, and then what is still among the best keeps its place. Where the user has been is remembered.
Called from the engine's thread only. It knows no protocol and no engine.
"""

from __future__ import annotations

import hashlib
from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import msgpack

from engine.types import Part
from indexer.context import Cursor, Home, gather, home
from indexer.selection import Excerpt
from lsp_server.redacting import redacted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

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
    digests: Mapping[str, bytes]  # of the files that the pieces are from, as they were then

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
        self._is_old = False  # of an earlier session: files may have changed since
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
        if self._is_old and self._choice is not None:
            self._choice = _what_still_holds(self._choice, snapshot, budget)
        self._is_old = False
        choice = self._choice
        if choice is None or not choice.serves(snapshot, here, budget, anew=anew):
            choice = self._choice = self._chosen(snapshot, spot, here, budget, count)
        return tuple(map(_part, choice.pieces))

    def forget(self) -> None:
        """Choose anew: the rules of what may be read have changed."""
        self._choice = None
        self._visits.clear()

    def note(self) -> tuple[bytes, frozenset[str]]:
        """What was chosen, for a later session that finds the prompt resident.

        With the absolute paths of the files whose text is in it.
        """
        choice = self._choice
        if choice is None:
            return b"", frozenset()
        row = (choice.root, choice.home, choice.budget, choice.complete)
        packed: bytes = msgpack.packb(
            (*row, choice.pieces, dict(choice.digests)), unicode_errors="surrogatepass"
        )
        return packed, frozenset(f"{choice.root}/{piece.path}" for piece in choice.pieces)

    def recall(self, note: bytes) -> None:
        """Go on from the note of an earlier session; one that is no note is none."""
        try:
            root, there, budget, complete, pieces, digests = msgpack.unpackb(
                note, unicode_errors="surrogatepass"
            )
            found = tuple(Excerpt(*piece) for piece in pieces)
            self._choice = _Choice(root, Home(*there), budget, complete, found, digests)
            self._is_old = True
        except (msgpack.UnpackException, TypeError, ValueError):
            self.forget()

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
        complete = snapshot.report.complete
        digests = digests_of(snapshot, {piece.path for piece in found.pieces})
        return _Choice(snapshot.root, here, budget, complete, found.pieces, digests)


def digests_of(snapshot: Snapshot, paths: set[str]) -> dict[str, bytes]:
    """What tells whether the text of files is still what it was."""
    return {path: hashlib.blake2b(snapshot.text(path), digest_size=16).digest() for path in paths}


def _what_still_holds(choice: _Choice, snapshot: Snapshot, budget: int) -> _Choice | None:
    """A choice of an earlier session without what has changed; None in another repository.

    The speed of this machine, and so the budget, is measured anew at each start: that alone is no
    reason to choose anew.
    """
    if choice.root != snapshot.root:
        return None
    now = digests_of(snapshot, set(choice.digests))
    pieces = tuple(
        piece for piece in choice.pieces if choice.digests[piece.path] == now[piece.path]
    )
    fits = sum(piece.tokens for piece in pieces) <= budget
    complete = choice.complete and len(pieces) == len(choice.pieces)
    kept_budget = budget if fits else choice.budget
    return replace(choice, pieces=pieces, budget=kept_budget, complete=complete)


def _part(piece: Excerpt) -> Part:
    lines = (piece.start_line, piece.end_line)
    return Part(piece.role, piece.path, redacted(piece.text), *lines, piece.score, piece.why)
