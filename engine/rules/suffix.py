# SPDX-License-Identifier: Apache-2.0
"""Rules against writing what stands behind the cursor already.

In: text and its `Gap`. Out: the text, cut. Knows what is right of the cursor and some lines below.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.rules.brackets import alike, unpaired
from engine.rules.gap import CLOSERS, OPENS, bare, depth, says_something

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from engine.rules.gap import Gap

SUFFIX_CHARS = 20  # of the rest of the line: when they are written, the rest follows
SHORTEST_SUFFIX_CHARS = 8  # fewer may be written for another reason
EDITED_SHARE = 0.1  # of a line's characters: with fewer edits it is the same line
ROWS_SHARE = 1 / 3  # rows of one table differ in no more
SKIPPED_LINES = 2  # a model that leaves out more of them may mean another place
BRACKETS = "()[]{}"
QUOTES = "\"'`"


def suffix_start(text: str, gap: Gap) -> str:
    """Stop where what stands right of the cursor begins to be written."""
    start = gap.after.strip()[:SUFFIX_CHARS]
    at = text.split("\n", 1)[0].find(start) if len(start) >= SHORTEST_SUFFIX_CHARS else -1
    return text if at < 0 else text[:at]


def rest_of_line(text: str, gap: Gap) -> str:
    """Do not write the end of the line, or the brackets and quotes of it, a second time.

    What is left must be as balanced as the line was: `foo()` before `)` is whole.
    """
    first, newline, others = text.partition("\n")
    rest, end = gap.after.strip(), first.rstrip()
    for tail in _tails(rest):
        kept = end[: len(end) - len(tail)]
        if end.endswith(tail) and _neutral(kept, gap.before, rest):
            return kept + newline + others
    return text


def line_below(text: str, gap: Gap) -> str:
    """Stop before the line that stands below the cursor, or one that is nearly the same.

    Brackets count only where they are indented like those below: a block may end in one as well.
    """
    if not gap.following:
        return text
    lines = text.split("\n")
    whole = [gap.before + lines[0], *lines[1:]]
    whole[-1] += gap.after
    below = gap.following
    for index, line in enumerate(lines):
        if not line.strip() or (bare(line) and any(lines[index + 1 :])):
            continue
        previous = next((w for w in reversed(whole[:index]) if w.strip()), gap.above)
        if _is_below(whole[index:], below, previous):
            return "\n".join(lines[: _without_header(lines, index)])
    return text


def _tails(rest: str) -> Iterator[str]:
    """What the text may end with for the rest of the line's sake, longest first."""
    if rest:
        yield rest
    for size in range(min(len(rest), SUFFIX_CHARS), 0, -1):
        for part in (rest[:size], rest[-size:]):
            if not part.strip(CLOSERS + " "):
                yield part


def _neutral(kept: str, before: str, rest: str) -> bool:
    """Whether `kept` leaves brackets and quotes of a line as they are."""
    if rest[:1] in QUOTES and before.count(rest[0]) % 2 and kept.count(rest[0]) % 2:
        return False
    return unpaired(before + kept + rest) == unpaired(before + rest)


def _is_below(lines: Sequence[str], below: Sequence[str], previous: str) -> bool:
    """Whether lines go on with the next one below, or with two of the later ones.

    Where the line before is like the one below too, all are rows of a table: edits count there.
    """
    line, text, next_below = lines[0], lines[0].strip(), below[0].strip()
    if text == next_below:
        return says_something(line) or depth(line) <= depth(below[0])
    if not says_something(line):
        return False
    if text[-1] not in BRACKETS and alike(text, next_below, EDITED_SHARE):
        return not alike(previous.strip(), next_below, ROWS_SHARE)
    later = [other.strip() for other in below[1 : SKIPPED_LINES + 2]]
    following = [other.strip() for other in lines[1:] if other.strip()][:1]
    return any([text, *following] == later[at : at + 2] for at in range(len(later) - 1))


def _without_header(lines: Sequence[str], end: int) -> int:
    """`end`, less the line before it if that opens a block which would be empty now."""
    return end - 1 if end and lines[end - 1].strip() and OPENS.search(lines[end - 1]) else end
