# SPDX-License-Identifier: Apache-2.0
"""What of the file at the cursor goes into the prompt.

In: the text before and after the cursor, tokens to spend. Out: a `Window` whose start stands still
while the user types. Only whole lines, but for a line that is longer than the budget. Knows no
layout but whether an answer is begun for the model.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.tokens import CHUNK_CHARS, chunks
from engine.types import RequestRejected

if TYPE_CHECKING:
    from engine.layout import Layout
    from engine.tokens import Tokens

CHARS_PER_TOKEN = 3  # low for code, so that a window by characters seldom exceeds its tokens
SUFFIX_SHARE = 0.25  # of the room, at most; the rest is for the prefix and other files
# The window before the cursor starts at steps of this share of its budget: a start that slid with
# the cursor would void the prefix at each key.
ANCHOR_SHARE = 4
# The room kept for the suffix is rounded up to steps of this share, so that the start of the
# window does not move when the suffix gets a word longer.
SUFFIX_STEPS = 16
SMALLEST_STEP_CHARS = 80  # two lines of code; finer steps would move the start for nothing
ANSWER_CHARS = 50  # a begun answer that is shorter leaves a chat model in doubt where it is


@dataclass(frozen=True, slots=True)
class Hole:
    """The file at the cursor: what stands before it, what is shown after it. Breaks are LF."""

    path: str
    prefix: str
    suffix: str
    line: int  # of the cursor, 1-based


@dataclass(frozen=True, slots=True)
class Window:
    """What of a `Hole` fits. `lines` + `answer` is the prefix; `lines` may be empty."""

    lines: str
    answer: str
    suffix: str
    first_line: int  # of the prefix, 1-based

    def slots(self, layout: Layout) -> dict[str, str]:
        """Texts by the slots of a layout."""
        if layout.is_chat:
            return {"lines": self.lines, "answer": self.answer, "suffix": self.suffix}
        return {"prefix": self.lines + self.answer, "suffix": self.suffix}


def fit(hole: Hole, tokens: Tokens, room: int, *, begin_answer: bool) -> Window:
    """The lines around the cursor that fit into `room` tokens.

    Raises RequestRejected where not even the last character before the cursor fits.
    """
    suffix = _start_of(hole.suffix, tokens, int(room * SUFFIX_SHARE))
    step = max(1, room // SUFFIX_STEPS)
    reserved = -(-tokens.count(suffix) // step) * step
    kept = _end_of(hole.prefix, tokens, max(0, room - reserved), room)
    split = _split(kept) if begin_answer else len(kept)
    return Window(kept[:split], kept[split:], suffix, hole.line - kept.count("\n"))


def _end_of(text: str, tokens: Tokens, budget: int, room: int) -> str:
    """Whole lines at the end of `text`, from an anchored start.

    Steps and anchors are of `room`, which is the same at every key; `budget` limits.
    """
    window_chars = room * CHARS_PER_TOKEN
    grain = min(CHUNK_CHARS, max(SMALLEST_STEP_CHARS, window_chars // (2 * ANCHOR_SHARE)))
    pieces = list(chunks(text, grain))
    first, left = len(pieces), budget
    while first:
        size = _size(pieces[first - 1], tokens, left)
        if size > left:
            break
        left -= size
        first -= 1
    if first == len(pieces):
        return _last_lines(pieces[-1], tokens, budget) if pieces else ""
    stride = max(1, window_chars // ANCHOR_SHARE // grain)
    anchored = min(-(-first // stride) * stride, max(first, len(pieces) - 1))
    return "".join(pieces[anchored:])


def _start_of(text: str, tokens: Tokens, budget: int) -> str:
    """Whole lines at the start of `text`; of the first line at least a part."""
    kept = ""
    for chunk in chunks(text):
        size = _size(chunk, tokens, budget)
        if size > budget:
            lines = _lines(chunk)
            return kept + "".join(lines[: _fitting(lines, tokens, budget)]) or _start_of_line(
                lines[0], tokens, budget
            )
        budget -= size
        kept += chunk
    return kept


def _last_lines(text: str, tokens: Tokens, budget: int) -> str:
    """Whole lines at the end of `text`. The end of the last one is never dropped."""
    lines = _lines(text)
    if _size(lines[-1], tokens, budget) > budget:
        return _end_of_line(lines[-1], tokens, budget)
    counts = range(1, len(lines) + 1)
    fits = bisect_right(counts, budget, key=lambda n: _size("".join(lines[-n:]), tokens, budget))
    return "".join(lines[-max(1, fits) :])


def _fitting(lines: list[str], tokens: Tokens, budget: int) -> int:
    """How many lines from the first on fit."""
    counts = range(1, len(lines) + 1)
    return bisect_right(counts, budget, key=lambda n: _size("".join(lines[:n]), tokens, budget))


def _end_of_line(line: str, tokens: Tokens, budget: int) -> str:
    """A line longer than the whole budget: its end, from an anchored start."""
    size = budget * CHARS_PER_TOKEN
    step = max(1, size // ANCHOR_SHARE)
    start = max(0, -(-(len(line) - size) // step) * step)
    while start < len(line) and tokens.count(line[start:]) > budget:
        start += max(1, (len(line) - start) // 2)
    if start >= len(line):
        raise RequestRejected("the budget has no room for the line at the cursor")
    return line[start:]


def _start_of_line(line: str, tokens: Tokens, budget: int) -> str:
    end = min(len(line), budget * CHARS_PER_TOKEN)
    while end and tokens.count(line[:end]) > budget:
        end //= 2
    return line[:end]


def _size(text: str, tokens: Tokens, budget: int) -> int:
    """Tokens of a text; of one that is far too long only that it does not fit."""
    if len(text) > max(CHUNK_CHARS, budget) * CHARS_PER_TOKEN * ANCHOR_SHARE:
        return budget + 1
    return tokens.count(text)


def _split(prefix: str) -> int:
    """Where the answer of a chat model begins: some lines back, at one that is not blank.

    A cut there changes no token (see `tokens.chunks`).
    """
    start = len(prefix)
    while start:
        start = prefix.rfind("\n", 0, start - 1) + 1
        line = prefix[start : prefix.find("\n", start) + 1 or len(prefix)]
        if len(prefix) - start >= ANSWER_CHARS and not line.isspace():
            break
    return start


def _lines(text: str) -> list[str]:
    """Lines with their breaks; only LF is one."""
    lines = [line + "\n" for line in text.split("\n")]
    lines[-1] = lines[-1][:-1]
    return lines if lines[-1] else lines[:-1]
