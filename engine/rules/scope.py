# SPDX-License-Identifier: Apache-2.0
"""Rules of scope: a suggestion ends with the block at the cursor, or with the one it opens.

In: text and its `Gap`. Out: the text, cut. Goes by brackets and indentation, without a grammar.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from engine.rules.brackets import PAIRS, brackets, take, unpaired
from engine.rules.gap import CLOSING_BRACKETS, OPENS, closes, depth, joins

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.rules.gap import Gap

# The next block of the same statement, whose brace may stand on a line of its own.
GOES_ON = re.compile(r"\s*\}\s*(?:catch|else|finally)\b")
# Lines that belong to a block though they stand no deeper than its head.
LABEL = re.compile(r"\s*(?:case\b|default\s*:|(?:public|private|protected)\s*:)")


def scope(text: str, gap: Gap) -> str:
    """Stop where the block at the cursor ends: at the first line that is indented less.

    One closing line belongs to the block, unless it stands below already; `} else {` goes on.
    """
    lines = text.split("\n")
    floor = _floor(lines, gap)
    for index, line in enumerate(lines[1:], start=1):
        if not line.strip() or depth(line) >= floor or (gap.opens and LABEL.match(line)):
            continue
        if joins(line) and _may_join(line, gap):
            continue
        if unpaired("\n".join(lines[:index]))[1]:
            continue  # within what the text itself has opened
        return "\n".join(lines[: index + (closes(line) and _may_close(line, gap))])
    return text


def balanced(text: str, gap: Gap) -> str:
    """Stop behind the line that closes what the suggestion opened, where its indent returns."""
    lines = text.split("\n")
    base = depth(gap.before + lines[0]) if not gap.before.strip() else depth(gap.before)
    level = int(gap.before.rstrip().endswith(("(", "[", "{")))
    for index, line in enumerate(lines):
        was_open = level > 0
        level += sum(-1 if found in CLOSING_BRACKETS else 1 for _, found in brackets(line))
        if level < 0:
            return text
        at_end = index and was_open and not level and closes(line) and depth(line) <= base
        if at_end and OPENS.search(line) is None and not GOES_ON.match(line):
            return "\n".join(lines[: index + 1])
    return text


def unopened(text: str, gap: Gap) -> str:
    """Close only what the suggestion, the line at the cursor or the text accepted last opened.

    Or what lines above opened and nothing below closes. Lines that begin with a closing bracket
    are judged by their indentation: behind the block they are `scope`'s business.
    """
    if not gap.code:
        return text
    stack = _open_at_cursor(gap)
    lacking: list[str] | None = None
    for index, bracket in brackets(gap.before + text):
        at = index - len(gap.before)
        if at < 0 or take(stack, bracket) or _in_closing_line(text, at, gap):
            continue
        lacking = _lacking(gap) if lacking is None else lacking
        if not take(lacking, bracket):
            return text[:at]
    return text


def blank_gap(text: str, gap: Gap) -> str:
    """Inside a block two blank lines end the thought; at the top level they part definitions."""
    return text.split("\n\n\n", 1)[0] if _floor(text.split("\n"), gap) else text


def dangling(text: str, _gap: Gap) -> str:
    """Drop a `} else {` at the end: nothing follows it."""
    head, newline, last = text.rstrip().rpartition("\n")
    return head if newline and joins(last) else text


def _floor(lines: Sequence[str], gap: Gap) -> int:
    """The depth that lines of the block have at least."""
    if gap.before.strip():
        return depth(gap.before) + gap.opens
    index = next((index for index, line in enumerate(lines) if line.strip()), 0)
    own = lines[index] if index else gap.before + lines[0]
    return max(depth(own), depth(gap.before))


def _may_close(line: str, gap: Gap) -> bool:
    """Whether nothing behind the cursor closes the block or is still part of it."""
    if gap.after.lstrip().startswith((*CLOSING_BRACKETS,)):
        return False
    if not gap.below or depth(gap.below) < depth(line):
        return True
    if depth(gap.below) > depth(line):
        return OPENS.search(line) is not None
    return not closes(gap.below)


def _may_join(line: str, gap: Gap) -> bool:
    """Whether another block may follow: the one below, if any, has no branch of its own."""
    if _may_close(line, gap):
        return True
    return depth(gap.below) == depth(line) and closes(gap.below) and not joins(gap.below)


def _open_at_cursor(gap: Gap) -> list[str]:
    """Brackets that the suggestion may close, outermost first."""
    written = gap.accepted if gap.accepted.endswith(gap.before) else gap.before
    return unpaired(written)[1][len(unpaired(gap.after)[0]) :]


def _in_closing_line(text: str, at: int, gap: Gap) -> bool:
    """Whether the bracket is one of those that a line of its own begins with, in its place."""
    start, end = text.rfind("\n", 0, at) + 1, text.find("\n", at)
    if text[start:at].strip(CLOSING_BRACKETS + " \t"):
        return False
    if start:
        return depth(text[start:at] + "x") < _floor(text.split("\n"), gap)
    line = gap.before + (text if end < 0 else text[:end])
    inside = depth(gap.above) - depth(line) + (OPENS.search(gap.above) is not None) > 0
    leaves_open = OPENS.search(text) is not None  # then what is below belongs to that
    may = leaves_open or _may_close(line, gap) or (joins(line) and _may_join(line, gap))
    return not gap.before.strip() and inside and may


def _lacking(gap: Gap) -> list[str]:
    """Brackets of the lines above that nothing in the lines below closes, outermost first.

    What closes beyond those lines is not known: there the block is open if what follows is outside.
    """
    stack: list[tuple[str, int]] = []
    for line in (*gap.above_lines, gap.before):
        for _, found in brackets(line):
            if found not in PAIRS:
                stack.append((found, depth(line)))
            elif stack and stack[-1][0] == PAIRS[found]:
                stack.pop()
    lacking: list[str] = []
    for found in unpaired("\n".join((gap.after, *gap.following)))[0]:
        while stack and stack[-1][0] != PAIRS[found]:
            lacking.insert(0, stack.pop()[0])
        if stack:
            stack.pop()
    outside = depth(gap.below)
    return [found for found, own in stack if outside <= own and not closes(gap.below)] + lacking
