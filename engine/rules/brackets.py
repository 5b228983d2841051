# SPDX-License-Identifier: Apache-2.0
"""Brackets of a piece of code in any language, and how alike two lines are.

In: text. Out: positions of brackets outside of strings and comments, which ones stay open, yes or
no. Knows no grammar: where a quote or a comment sign is in doubt, a bracket too many counts
as open, so that a later closing one is left alone.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from engine.edits import edits

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


def alike(first: str, second: str, share: float) -> bool:
    """Whether fewer than `share` of the characters have to be edited."""
    allowed = share * max(len(first), len(second))
    if abs(len(first) - len(second)) >= allowed:
        return False
    # Edits fewer than the pieces leave one of them whole: that is quickly seen, and rules out most.
    size = max(1, len(first) // (int(allowed) + 1))
    pieces = (first[at : at + size] for at in range(0, len(first), size))
    return any(piece in second for piece in pieces) and edits(first, second) < allowed
