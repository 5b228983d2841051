# SPDX-License-Identifier: Apache-2.0
"""What the user has changed of late, as hunks of lines: what stood there, and where it is now.

In: documents before and after each change. Out: `Hunk`s, the newest last. Keys that follow each
other in the same lines are one hunk, however many they are. Per key only numbers of lines are
compared and a few strings kept by reference: microseconds, whatever the document's size.
It knows no language and what an edit means.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lsp_server.documents import Change, Document

ONE_EDIT_S = 20.0  # a pause longer than this begins another edit of the same lines
HUNKS_MAX = 8  # a document
LINES_MAX = 40  # of a hunk: what is longer was pasted or formatted and not written
TERMINATORS = ("\n", "\r")


@dataclass(frozen=True, slots=True)
class Hunk:
    """The lines `start` to `end` (exclusive, from 0) of a document read `old` before."""

    old: tuple[str, ...]
    start: int
    end: int
    touched: float  # seconds of the caller's clock
    settled: bool = False  # the user follows it elsewhere: another edit here is another one

    def now(self, document: Document) -> tuple[str, ...]:
        return document.lines[self.start : self.end]


@dataclass(frozen=True, slots=True)
class Step:
    """Lines `old_start` to `old_end` became `start` to `end`, in one message of the editor."""

    old_start: int
    old_end: int
    start: int
    end: int


def steps(changes: Sequence[Change], lines: int) -> list[Step] | None:
    """The lines that changes touch in a document of so many lines, in order and disjoint.

    Each change sees the text that the one before left. None where the whole text was replaced.
    """
    found: list[Step] = []
    for change in changes:
        if change.start is None or change.end is None:
            return None
        count = lines + sum((s.end - s.start) - (s.old_end - s.old_start) for s in found)
        ends = sorted(min(max(place[0], 0), count - 1) for place in (change.start, change.end))
        found = _with(found, ends[0], ends[1] + 1, _lines_in(change.text) + 1)
    return found


def _lines_in(text: str) -> int:
    """Line breaks of a text."""
    return text.count("\n") + text.count("\r") - text.count("\r\n")


def _with(found: list[Step], start: int, end: int, size: int) -> list[Step]:
    """The steps and one more: lines `start` to `end` of the text they leave become `size` lines."""
    grown = size - (end - start)
    before = [step for step in found if step.end <= start]
    behind = [step for step in found if step.start >= end]
    over = found[len(before) : len(found) - len(behind)]
    shift = sum((s.end - s.start) - (s.old_end - s.old_start) for s in before)
    low, high = min([start, *(s.start for s in over)]), max([end, *(s.end for s in over)])
    inside = sum((s.end - s.start) - (s.old_end - s.old_start) for s in over)
    step = Step(low - shift, high - shift - inside, low, high + grown)
    moved = [replace(s, start=s.start + grown, end=s.end + grown) for s in behind]
    return [*before, step, *moved]


def noted(
    hunks: Sequence[Hunk],
    before: Document,
    done: Sequence[Step],
    now_s: float,
    *,
    followed: bool = False,
) -> list[Hunk]:
    """The hunks of a document after one message, at most HUNKS_MAX of them.

    followed: what was done only follows another edit: it makes no hunk of its own.
    """
    kept: list[Hunk] = list(hunks)
    # From the end, so that the numbers of the steps above still hold.
    for step in reversed(done):
        kept = _after(kept, before, step, now_s, followed=followed)
    return kept[-HUNKS_MAX:]


def _after(
    hunks: list[Hunk], before: Document, step: Step, now_s: float, *, followed: bool
) -> list[Hunk]:
    grown = (step.end - step.start) - (step.old_end - step.old_start)
    over = [h for h in hunks if h.start < step.old_end and step.old_start < h.end]
    behind = [_moved(h, grown) if h.start >= step.old_end else h for h in hunks if h not in over]
    if followed and not over:
        return behind
    # An older edit of these lines is over: they no longer read as it left them.
    same = [h for h in over if followed or not (h.settled or now_s - h.touched > ONE_EDIT_S)]
    fresh = _merged(sorted(same, key=_start_of), before, step, now_s, grown)
    if followed:
        fresh = replace(fresh, settled=True)
    small = fresh.end - fresh.start <= LINES_MAX and len(fresh.old) <= LINES_MAX
    return [*behind, fresh] if small else behind


def _merged(same: list[Hunk], before: Document, step: Step, now_s: float, grown: int) -> Hunk:
    """One hunk of the lines of a step and of the hunks that it goes on with."""
    start = min([step.old_start, *(h.start for h in same)])
    end = max([step.old_end, *(h.end for h in same)])
    old: tuple[str, ...] = ()
    done = start
    for hunk in same:
        old += before.lines[done : hunk.start] + hunk.old
        done = hunk.end
    return Hunk(old + before.lines[done:end], start, end + grown, now_s)


def _moved(hunk: Hunk, by: int) -> Hunk:
    return replace(hunk, start=hunk.start + by, end=hunk.end + by) if by else hunk


def _start_of(hunk: Hunk) -> int:
    return hunk.start
