# SPDX-License-Identifier: Apache-2.0
"""The instant tier: what the repository itself makes near certain, at once and without a model.

In: a document's lines and the cursor, a snapshot of the repository if there is one. Out: text for
the rest of the line, or nothing; precision comes first. The answer is for the event loop: it costs
about two milliseconds. What it looks into is gathered on a thread before, kept in memory only, and
let go of as soon as one of its files may not be read any more (S4). It knows no protocol.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from indexer.continuation import flat, pieces
from indexer.nearest import Near, near

if TYPE_CHECKING:
    from collections.abc import Sequence

    from indexer.snapshot import Snapshot

CERTAIN = 0.70  # of the whole text shown; measured .75 right on eight commits it was fitted on
# One place alone is no habit: on three of these commits .60, .91, .63 of all texts were right
# without this, .67, .91, .66 with it.
CERTAIN_ALONE = 0.90
LEAST_CHARS = 3  # less is as quickly typed as read
OWN_LINES = 1_000  # on either side of the cursor, of its own file
OWN_CHARS = 128 * 1024  # likewise: lines may be long
LINE_CHARS = 1_000  # on a longer line nobody types
KEPT = 4  # files whose neighbours are kept: 0.3 MB each

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Found:
    """Text for the cursor's place. `certainty`: the estimated probability that all of it is."""

    text: str
    why: str
    certainty: float


@dataclass(frozen=True, slots=True)
class Spot:
    """A place in a file: lines as they are now, line and index from 0."""

    path: str
    lines: Sequence[str]
    line: int
    index: int

    @property
    def before(self) -> str:
        return self.lines[self.line][: self.index]

    @property
    def after(self) -> str:
        return self.lines[self.line][self.index :].rstrip("\r\n")


class Instant:
    """What is near to the files that are being edited. Asked from the event loop."""

    def __init__(self) -> None:
        self._nears: OrderedDict[str, Near] = OrderedDict()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="instant")
        self._gathering: Future[Near] | None = None
        self._last: tuple[str, int, str, Found] | None = None  # path, line, before the text, text

    def find(self, spot: Spot, snapshot: Snapshot | None) -> Found | None:
        """What is near certain here; by the file itself, until its neighbours are gathered."""
        found = find(spot, self._near(spot.path, snapshot))
        rest = self._rest(spot)
        if rest is not None and not (found and found.text.startswith(rest.text)):
            found = rest  # what is on the screen stays while it comes true
        if found is not None:
            self._last = (spot.path, spot.line, spot.before, found)
        return found

    def forget(self) -> None:
        """The rules of what may be read have changed."""
        self._nears.clear()
        self._gathering = self._last = None

    def settle(self, spot: Spot, snapshot: Snapshot) -> None:
        """Gather now what is near to a file, as `find` has it done behind it. For who can wait."""
        self._nears[spot.path] = near(snapshot, spot.path)

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _near(self, path: str, snapshot: Snapshot | None) -> str:
        """What is at hand; what is newer is gathered for the next key."""
        if snapshot is None:
            return ""
        self._take()
        known = self._nears.get(path)
        if known is not None and not known.may_stay(snapshot):
            del self._nears[path]
            known = None
        if self._gathering is None and (known is None or not known.is_new(snapshot)):
            self._gathering = self._thread.submit(near, snapshot, path)
        return known.text if known is not None else ""

    def _take(self) -> None:
        """What the thread has gathered meanwhile."""
        if self._gathering is None or not self._gathering.done():
            return
        done, self._gathering = self._gathering, None
        if (error := done.exception()) is not None:
            _log.error("nothing near was gathered: %s", error)
            return
        gathered = done.result()
        self._nears[gathered.path] = gathered
        self._nears.move_to_end(gathered.path)
        while len(self._nears) > KEPT:
            self._nears.popitem(last=False)

    def _rest(self, spot: Spot) -> Found | None:
        """What is left of the last answer, where it was typed on."""
        if self._last is None:
            return None
        path, line, before, found = self._last
        whole, here = before + found.text, spot.before
        fits = (path, line) == (spot.path, spot.line) and here.startswith(before)
        if not fits or not whole.startswith(here) or whole == here:
            return None
        return Found(whole[len(here) :], found.why, found.certainty)


def find(spot: Spot, near_text: str) -> Found | None:
    """What is near certain at a place, by its own file and a flat text of others."""
    if not _typeable(spot):
        return None
    start, end = max(0, spot.line - OWN_LINES), spot.line + 1 + OWN_LINES
    above = flat(spot.lines[start : spot.line])[-OWN_CHARS:]
    below = flat(spot.lines[spot.line + 1 : end])[:OWN_CHARS]
    before = above + spot.before.lstrip()
    text, certainty, why, least = "", 1.0, "", CERTAIN
    for piece in pieces(before, (before, below, near_text)):
        likely = certainty * piece.evidence.certainty
        if likely < CERTAIN:
            break
        if not text:
            seen = piece.evidence
            least = CERTAIN_ALONE if seen.places == 1 else CERTAIN
            why = f"{seen.places} places share {seen.shared} tokens before the cursor"
        text, certainty = text + piece.text, likely
    text = _without_end(text, spot.after).rstrip()
    shown = len(text.strip()) >= LEAST_CHARS and certainty >= least
    return Found(text, why, certainty) if shown else None


def _typeable(spot: Spot) -> bool:
    """Whether somebody may be typing here: not within a word."""
    line = spot.lines[spot.line]
    return len(line) <= LINE_CHARS and not (spot.after[:1].isalnum() or spot.after[:1] == "_")


def _without_end(text: str, after: str) -> str:
    """The text up to where it would repeat what stands behind the cursor."""
    most = min(len(text), len(after))
    repeated = next((n for n in range(most, 0, -1) if text.endswith(after[:n])), 0)
    return text[: len(text) - repeated]
