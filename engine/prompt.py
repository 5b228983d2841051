# SPDX-License-Identifier: Apache-2.0
"""Parts to a prompt: strata in the order of how rarely they change, as token ids that fit.

In: `Part`s, the name of a layout, a budget. Out: a `Prompt` whose segments say what became of each
part. Knows no repository, no editor and no clock.

Whole pieces are dropped, never cut; only the file at the cursor is cut, far from the cursor first.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.tokens import chunks
from engine.types import Part, Prompt, RequestRejected, Segment

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from engine.tokens import Tokens

STRATA = ("header", "definition", "journal", "analogy", "prefix", "suffix")
# The window before the cursor starts at a multiple of this share of its budget, so that it stands
# still while the user types: a start that slides with the cursor would void the prefix at each key.
ANCHOR_SHARE = 4
CHARS_PER_TOKEN = 3  # low for code, so that a window by characters seldom exceeds its tokens
PREFIX_SHARE = 0.75  # of what the fixed tokens leave; the rest is for the suffix and other files


@dataclass(frozen=True, slots=True)
class Layout:
    """The order of special tokens and slots of one model family, from templates.toml."""

    repository: tuple[str, ...]
    piece: tuple[str, ...]
    file: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Hole:
    """The file at the cursor: everything before it, what is shown after it."""

    path: str
    prefix: str
    suffix: str
    line: int  # of the cursor, 1-based


@cache
def layouts() -> dict[str, Layout]:
    """Every layout of templates.toml by its name."""
    text = Path(__file__).with_name("templates.toml").read_text(encoding="utf-8")
    return {name: _layout(row) for name, row in tomllib.loads(text).items()}


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

    Raises RequestRejected when the vocabulary lacks a token of the layout, or when the budget has
    no room for the line at the cursor.
    """
    render = _Renderer(tokens)
    head = render.items(layout.repository, {"repository": repository})
    frame = render.items(layout.file, {"path": hole.path, "prefix": "", "suffix": ""})
    room = budget - len(head) - len(frame)
    if room <= 0:
        raise RequestRejected(f"a budget of {budget} tokens is too small for any prompt")
    suffix = _fit_suffix(hole.suffix, tokens, int(room * (1 - PREFIX_SHARE)))
    prefix, first_line = _fit_prefix(hole, tokens, room - len(tokens.ids(suffix)))
    left = room - len(tokens.ids(suffix)) - len(tokens.ids(prefix))
    pieces, segments = _fit_pieces(parts, layout, render, left)
    slots = {"path": hole.path, "prefix": prefix, "suffix": suffix}
    ids = (*head, *pieces, *render.items(layout.file, slots))
    last_line = hole.line + max(0, len(suffix.splitlines()) - 1)
    return Prompt(
        ids,
        (
            Segment("header", "", 0, 0, len(head), 1.0, "repository name"),
            *segments,
            Segment(
                "prefix",
                hole.path,
                first_line,
                hole.line,
                len(ids) - len(head) - len(pieces) - len(tokens.ids(suffix)),
                1.0,
                "the file up to the cursor",
            ),
            Segment(
                "suffix",
                hole.path,
                hole.line,
                last_line,
                len(tokens.ids(suffix)),
                1.0,
                "what follows the cursor",
            ),
        ),
    )


def _fit_suffix(suffix: str, tokens: Tokens, budget: int) -> str:
    """Whole lines from the cursor on, as many as fit."""
    lines = suffix.splitlines(keepends=True)
    while lines and len(tokens.ids("".join(lines))) > budget:
        lines.pop()
    return "".join(lines)


def _fit_prefix(hole: Hole, tokens: Tokens, budget: int) -> tuple[str, int]:
    """The end of the prefix that fits, and the number of its first line.

    The start is anchored: it moves in steps of a share of the budget, not with each key.
    """
    pieces = list(chunks(hole.prefix))
    skipped = _anchor(pieces, max(1, budget) * CHARS_PER_TOKEN)
    counts = [len(tokens.ids(piece)) for piece in pieces[skipped:]]
    total = sum(counts)
    while total > budget and len(counts) > 1:
        total -= counts.pop(0)
        skipped += 1
    kept = "".join(pieces[skipped:])
    if total > budget:
        kept = _last_lines(kept, tokens, budget)
    first_line = hole.line - kept.count("\n")
    return kept, first_line


def _anchor(pieces: Sequence[str], window_chars: int) -> int:
    """How many pieces to leave out at the start so that the rest is at most a window long."""
    excess = sum(map(len, pieces)) - window_chars
    if excess <= 0:
        return 0
    step = max(1, window_chars // ANCHOR_SHARE)
    target = -(-excess // step) * step
    skipped = size = 0
    while size < target and skipped < len(pieces) - 1:
        size += len(pieces[skipped])
        skipped += 1
    return skipped


def _last_lines(text: str, tokens: Tokens, budget: int) -> str:
    """Whole lines at the end of `text` that fit. The line at the cursor is never dropped."""
    lines = text.splitlines(keepends=True)
    while len(lines) > 1 and len(tokens.ids("".join(lines))) > budget:
        lines.pop(0)
    kept = "".join(lines)
    if len(tokens.ids(kept)) > budget:
        kept = _end_of_line(kept, tokens, budget)
    return kept


def _end_of_line(line: str, tokens: Tokens, budget: int) -> str:
    """A line longer than the whole budget: its end, found by halving."""
    while line and len(tokens.ids(line)) > budget:
        line = line[len(line) // 2 + 1 :]
    if not line:
        raise RequestRejected("the budget has no room for the line at the cursor")
    return line


def _fit_pieces(
    parts: Iterable[Part], layout: Layout, render: _Renderer, budget: int
) -> tuple[tuple[int, ...], list[Segment]]:
    """Whole pieces, best first while they fit, then in the order of the strata."""
    rendered = [
        (part, render.items(layout.piece, {"path": part.path, "text": part.text})) for part in parts
    ]
    kept = []
    for part, ids in sorted(rendered, key=lambda pair: -pair[0].score):
        if len(ids) <= budget:
            kept.append((part, ids))
            budget -= len(ids)
    kept.sort(key=lambda pair: (STRATA.index(pair[0].role), pair[0].score, pair[0].path))
    segments = [
        Segment(p.role, p.path, p.start_line, p.end_line, len(ids), p.score, p.why)
        for p, ids in kept
    ]
    return tuple(token for _, ids in kept for token in ids), segments


class _Renderer:
    """Items of a layout to token ids."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens

    def items(self, items: Iterable[str], slots: dict[str, str]) -> tuple[int, ...]:
        return tuple(token for item in items for token in self._item(item, slots))

    def _item(self, item: str, slots: dict[str, str]) -> Sequence[int]:
        kind, _, value = item.partition(":")
        if kind == "special":
            token = self._tokens.special(value)
            if token is None:
                raise RequestRejected(f"this model has no token {value}: it cannot fill in")
            return (token,)
        return self._tokens.ids(slots[value] if kind == "slot" else value)


def _layout(row: dict[str, Any]) -> Layout:
    return Layout(tuple(row["repository"]), tuple(row["piece"]), tuple(row["file"]))
