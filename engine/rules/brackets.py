# SPDX-License-Identifier: Apache-2.0
"""Brackets of a piece of code in any language, and how alike two lines are.

In: text. Out: positions of brackets outside of strings and comments, which ones stay open, numbers
of edits. Knows no grammar: where a quote or a comment sign is in doubt, a bracket too many counts
as open, so that a later closing one is left alone.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

PAIRS = {")": "(", "]": "[", "}": "{"}
# Strings that end on their line, comments, brackets. A quote behind two letters is an apostrophe,
# behind & or < a Rust lifetime; # is a comment sign where blanks are around it. Each form begins
# with a plain character, and looks back from there: so most text is passed over quickly.
PIECES = re.compile(
    r'"(?:\\.|[^"\\\n])*"'
    r"|'(?<![&<]')(?<!\w\w')(?:\\.|[^'\\\n])*'"
    r"|`[^`\n]*`"
    r"|/\*[^\n]*?\*/|//[^\n]*|#(?<!\S#)\s[^\n]*"
    r"|[()\[\]{}]"
)


def brackets(text: str) -> Iterator[tuple[int, str]]:
    """Index and character of each bracket of code."""
    for match in PIECES.finditer(text):
        if match.end() - match.start() == 1:
            yield match.start(), match.group()


def take(stack: list[str], bracket: str) -> bool:
    """Open or close on a stack of open brackets; False for one that closes nothing."""
    if bracket not in PAIRS:
        stack.append(bracket)
    elif PAIRS[bracket] in stack:
        while stack.pop() != PAIRS[bracket]:
            pass
    else:
        return False
    return True


def unpaired(text: str) -> tuple[list[str], list[str]]:
    """Closing brackets that nothing opens, and opening ones that nothing closes, in order."""
    stack: list[str] = []
    return [found for _, found in brackets(text) if not take(stack, found)], stack


def edits(first: str, second: str) -> int:
    """Levenshtein's distance, by Myers' bit vectors: one step for each character of `second`."""
    if not first:
        return len(second)
    masks: dict[str, int] = {}
    for index, character in enumerate(first):
        masks[character] = masks.get(character, 0) | 1 << index
    everything, last = (1 << len(first)) - 1, 1 << (len(first) - 1)
    plus, minus, distance = everything, 0, len(first)
    for character in second:
        equal = masks.get(character, 0)
        down = equal | minus
        across = (((equal & plus) + plus) ^ plus) | equal
        more = (minus | ~(across | plus)) & everything
        less = plus & across
        distance += bool(more & last) - bool(less & last)
        more, less = more << 1 | 1, less << 1
        plus = (less | ~(down | more)) & everything
        minus = more & down & everything
    return distance


def alike(first: str, second: str, share: float) -> bool:
    """Whether fewer than `share` of the characters have to be edited."""
    allowed = share * max(len(first), len(second))
    if abs(len(first) - len(second)) >= allowed:
        return False
    # Edits fewer than the pieces leave one of them whole: that is quickly seen, and rules out most.
    size = max(1, len(first) // (int(allowed) + 1))
    pieces = (first[at : at + size] for at in range(0, len(first), size))
    return any(piece in second for piece in pieces) and edits(first, second) < allowed
