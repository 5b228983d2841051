# SPDX-License-Identifier: Apache-2.0
"""What the text around the cursor says about what is needed next.

In: the file as it is being edited, a byte offset, the file's record if there is one. Out: weighted
words for a search, what was typed last, the uses of names near the cursor, the receiver that is
being typed, the names that the reader can see already. It knows no other file.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from indexer.scopes import FUNCTIONS
from indexer.terms import identifiers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from indexer.types import FileRecord, Reference, Symbol

LINES_BEFORE, LINES_AFTER = 20, 10  # notes/context.md: lines behind the cursor gave 6 to 11 points
WORD_MIN_CHARS = 3
# Measured on 139 holes of three Python repositories: need-recall of BM25 alone at 1,024 tokens is
# .53 with a half-life of 8 lines, .58 with 4, .60 with 3, .58 with 2.
WORD_HALF_LIFE_LINES = 3.0
USE_HALF_LIFE_LINES = 8.0
LINE_SHARES = (1.0, 0.8, 0.6)  # of what was typed on the cursor's line and the two before
AFTER_SHARE = 0.7  # of a line's weight, behind the cursor
FUNCTION_MAX_LINES = 400  # as far as a function that is being typed is followed
_CHAIN = re.compile(r"([^\W\d][\w.]*)\.\w*$")
_CALL = re.compile(r"([^\W\d][\w.]*)\([^()]*$")


@dataclass(frozen=True, slots=True)
class Clues:
    """See the module. `uses` are nearest first, with the weight that their distance gives."""

    words: tuple[tuple[str, float], ...]
    typed: tuple[tuple[str, float], ...]  # words of the last lines up to the cursor, 1 for its own
    uses: tuple[tuple[Reference, float], ...]
    receiver: str  # before the dot that is being typed, "" where none is
    called: str  # whose arguments are being typed, "" where none are
    offset: int  # of the cursor, in bytes
    visible: frozenset[str]  # every identifier of the file


def read(
    text: str,
    line: int,
    col: int,
    offset: int,
    record: FileRecord | None,
    *,
    words: int,
    uses: int,
) -> Clues:
    """Clues for a cursor: line and column from 1 in characters, the same place in bytes.

    Of `words` and `uses` so many at most, the best.
    """
    lines = text.split("\n")
    typed = lines[line - 1][: col - 1]
    chain, call = _CHAIN.search(typed), _CALL.search(typed)
    return Clues(
        words=_words(lines, line)[:words],
        typed=_typed([typed, *reversed(lines[max(0, line - 3) : line - 1])]),
        uses=_uses(record, line)[:uses] if record else (),
        receiver=chain[1] if chain else "",
        called=call[1] if call else "",
        offset=offset,
        visible=frozenset(identifiers(text)),
    )


def _words(lines: list[str], line: int) -> tuple[tuple[str, float], ...]:
    weights: Counter[str] = Counter()
    first, last = max(0, line - 1 - LINES_BEFORE), min(len(lines), line + LINES_AFTER)
    for at in range(first, last):
        distance = abs(at - (line - 1))
        weight = 0.5 ** (distance / WORD_HALF_LIFE_LINES) * (AFTER_SHARE if at >= line else 1.0)
        for word in set(identifiers(lines[at])):
            if len(word) >= WORD_MIN_CHARS:
                weights[word] += weight
    best = sorted(weights.items(), key=lambda pair: (-pair[1], pair[0]))
    return tuple(best)


def _typed(lines: Sequence[str]) -> tuple[tuple[str, float], ...]:
    """Words of lines, the cursor's first, with the share that the age of their line gives."""
    found: dict[str, float] = {}
    for share, line in zip(LINE_SHARES, lines, strict=False):
        for word in identifiers(line):
            if len(word) >= WORD_MIN_CHARS:
                found.setdefault(word, share)
    return tuple(found.items())


def _uses(record: FileRecord, line: int) -> tuple[tuple[Reference, float], ...]:
    """One use of each chain, the nearest; nearest first."""
    nearest: dict[tuple[str, str], tuple[int, Reference]] = {}
    for use in record.references:
        key, distance = (use.receiver, use.name), abs(use.line - line)
        if key not in nearest or distance < nearest[key][0]:
            nearest[key] = (distance, use)
    ordered = sorted(nearest.values(), key=lambda pair: (pair[0], pair[1].start))
    return tuple((use, 0.5 ** (distance / USE_HALF_LIFE_LINES)) for distance, use in ordered)


def function_at(record: FileRecord | None, lines: Sequence[str], line: int) -> str:
    """The full name of the function around a line, counted from 1; "" where there is none.

    The record may be some keys behind the text: what is indented deeper than the function that
    begins before it is in that function still.
    """
    if record is None:
        return ""
    symbols = record.symbols
    at = bisect_right(symbols, line, key=_first_line) - 1
    while at >= 0 and symbols[at].kind not in FUNCTIONS:
        at -= 1
    while at >= 0 and not (symbols[at].end_line >= line or _deeper(lines, symbols[at], line)):
        at = symbols[at].parent
    while at >= 0 and symbols[at].kind not in FUNCTIONS:
        at = symbols[at].parent
    names: list[str] = []
    while at >= 0:
        names.append(symbols[at].name)
        at = symbols[at].parent
    return ".".join(reversed(names))


def _first_line(symbol: Symbol) -> int:
    return symbol.start_line


def _deeper(lines: Sequence[str], symbol: Symbol, line: int) -> bool:
    """Whether the lines from behind a symbol's first to another are indented deeper than it."""
    if symbol.kind not in FUNCTIONS or line - symbol.start_line > FUNCTION_MAX_LINES:
        return False
    head = _indent(lines[symbol.start_line - 1])
    return all(_indent(text) > head for text in lines[symbol.start_line : line] if text.strip())


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())
