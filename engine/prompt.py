# SPDX-License-Identifier: Apache-2.0
"""Parts to a prompt: strata in the order of how rarely they change, as token ids that fit.

In: `Part`s, a `Layout`, a budget. Out: a `Prompt` whose segments say what became of each part.
Knows no repository, no editor and no clock. What of the file at the cursor fits: `window.py`.

Pieces are whole: one that does not fit is left out, never cut.
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING

from engine.layout import Layout, layouts, piece_ids, render
from engine.types import Part, Prompt, RequestRejected, Segment
from engine.window import Hole, Window, fit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.tokens import Tokens

    Frame = list[tuple[str, array[int]]]  # ids of the layout, and the slots between them

__all__ = ["Hole", "Layout", "build", "cost", "layouts", "opening", "piece_ids"]

STRATA = ("header", "definition", "journal", "analogy", "prefix", "suffix")
PIECES_SHARE = 0.5  # of the room is kept for pieces, where there are so many
FRAME_SHARE = 0.5  # names that take more than this of a budget are shortened, then left out
# No code has more characters a token over a whole piece: such a one is left out without reading it,
# so that a line of megabytes does not hold up a keystroke.
MOST_CHARS_PER_TOKEN = 12


def build(
    repository: str,
    parts: Sequence[Part],
    hole: Hole,
    *,
    layout: Layout,
    tokens: Tokens,
    budget: int,
) -> Prompt:
    """Lay out one prompt of at most `budget` tokens.

    Room is kept for the pieces, up to half of it; the file at the cursor has the rest, and pieces
    have what that leaves, by their score while they fit. They stand in the order of the strata and,
    within one, in the order they came in.
    Raises RequestRejected when the vocabulary lacks a token of the layout, or when the budget has
    no room for the end of the line at the cursor.
    """
    frame = _frame(repository, hole.path, layout, tokens, budget)
    room = budget - _size(frame)
    if room < 0:
        raise RequestRejected(f"a budget of {budget} tokens is too small for any prompt")
    pieces = sum(cost(p, layout=layout, tokens=tokens) for p in parts if _may_fit(p, room))
    kept = min(pieces, int(room * PIECES_SHARE))
    window = fit(hole, tokens, room - kept, begin_answer=layout.is_chat)
    bodies = {name: tokens.ids(text) for name, text in window.slots(layout).items()}
    room -= sum(map(len, bodies.values()))
    return _assemble(frame, bodies, _choose(parts, layout, tokens, room), hole, window)


def opening(repository: str, *, layout: Layout, tokens: Tokens) -> array[int]:
    """The ids in front of the first piece: a prompt without a hole begins with them, too.

    Pieces follow as they are in `build`, each with the ids of `piece_ids`.
    Raises RequestRejected when the vocabulary lacks a token of the layout.
    """
    found = array("i")
    for slot, ids in render(layout.prompt, {"repository": repository, "path": ""}, tokens):
        if slot == "pieces":
            break
        found.extend(ids)
    return found


def cost(part: Part, *, layout: Layout, tokens: Tokens) -> int:
    """How many tokens a piece takes in a prompt, header included."""
    return len(piece_ids(part, layout, tokens))


def _frame(repository: str, path: str, layout: Layout, tokens: Tokens, budget: int) -> Frame:
    """The layout's own tokens. Where they take too much of a small budget, names give way."""
    frame: Frame = []
    for names in ((repository, path), ("", path.rpartition("/")[2]), ("", "")):
        slots = dict(zip(("repository", "path"), names, strict=True))
        frame = list(render(layout.prompt, slots, tokens))
        if _size(frame) <= budget * FRAME_SHARE:
            break
    return frame


def _size(frame: Frame) -> int:
    return sum(len(ids) for _, ids in frame)


def _may_fit(part: Part, room: int) -> bool:
    """Whether a piece is worth reading: a line of megabytes is not."""
    return len(part.text) <= room * MOST_CHARS_PER_TOKEN


def _choose(
    parts: Sequence[Part], layout: Layout, tokens: Tokens, room: int
) -> list[tuple[Part, array[int]]]:
    """Whole pieces, best first; a later, smaller one may take the room that is left."""
    kept = []
    for index in sorted(range(len(parts)), key=lambda index: -parts[index].score):
        part = parts[index]
        if not _may_fit(part, room):
            continue
        ids = piece_ids(part, layout, tokens)
        if len(ids) <= room:
            room -= len(ids)
            kept.append((STRATA.index(part.role), index, ids))
    return [(parts[index], ids) for _, index, ids in sorted(kept, key=lambda row: row[:2])]


def _assemble(
    frame: Frame,
    bodies: dict[str, array[int]],
    pieces: Sequence[tuple[Part, array[int]]],
    hole: Hole,
    window: Window,
) -> Prompt:
    """Ids and segments in the order of the layout. Every token belongs to one segment.

    The layout's own tokens count to the header up to the pieces and to the prefix behind them.
    """
    ids = array("i")
    sizes = {"header": 0, "prefix": 0, "suffix": 0}
    order: list[str] = ["header"]
    own = "header"
    for slot, fixed in frame:
        role = {"": own, "pieces": "pieces", "suffix": "suffix"}.get(slot, "prefix")
        if slot and role not in order:
            order.append(role)
        if slot == "pieces":
            own = "prefix"
            for _, found in pieces:
                ids.extend(found)
            continue
        found = bodies.get(slot, fixed)
        sizes[role] += len(found)
        ids.extend(found)
    segments: list[Segment] = []
    for role in order:
        if role == "pieces":
            segments += [_segment(part, len(found)) for part, found in pieces]
        else:
            segments.append(_own_segment(role, sizes[role], hole, window))
    return Prompt(tuple(ids), tuple(segments))


def _segment(part: Part, size: int) -> Segment:
    return Segment(part.role, part.path, part.start_line, part.end_line, size, part.score, part.why)


def _own_segment(role: str, size: int, hole: Hole, window: Window) -> Segment:
    """The segment of what is there in every prompt."""
    if role == "header":
        return Segment("header", "", 0, 0, size, 1.0, "the layout's own tokens and the names")
    if role == "prefix":
        start, why = window.first_line, "the file up to the cursor"
        return Segment("prefix", hole.path, start, hole.line, size, 1.0, why)
    end = hole.line + max(0, window.suffix.rstrip("\n").count("\n"))
    return Segment("suffix", hole.path, hole.line, end, size, 1.0, "what follows the cursor")
