# SPDX-License-Identifier: Apache-2.0
"""What the model wrote to what may be shown: one rule, one function.

In: raw text and the `Gap` it is meant to fill. Out: the text to insert and the names of the rules
that fired. Knows no file, no editor and no model. Two moments: `enough` while text streams, so that
no token is written in vain; `trim` once at the end.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_LINES = 12  # more is read by nobody while typing
MIN_CHARS = 2  # a lone bracket is quicker typed than read
LONGEST_LINE_CHARS = 400  # no line that a person writes; models in a loop do
REPEATED_LINES = 3
OPENERS = ("{", "(", "[", ":", "=>", "->", "do", "then", "begin")
CLOSERS = ")]}>,;:\"'`"
# What chat models say before they begin; it counts only where a fence follows, as prose may begin
# like this too. Then the fence's own line.
_GREETING = r"(?:(?:Here(?:'s|\u2019s| is| are)|Sure|Certainly|Of course|Below is)\b[^\n]*\n\s*)?"
PREAMBLE = re.compile(rf"\s*{_GREETING}```[\w+#.-]*[ \t]*\n")
BEGINNING = re.compile(
    rf"\s*{_GREETING}(?:`{{1,2}}|```[\w+#.-]*[ \t]*)?"
)  # the same, not all there
# A run of one unit, repeated at the end of the text (the two forms are Tabby's).
REPETITION = re.compile(r"(.{3,}?)\1{5,}\s*$|(.{10,}?)\2{3,}\s*$", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Gap:
    """The place to fill, as far as the rules need it. Lines carry no line break."""

    before: str  # the cursor's line up to the cursor
    after: str  # the cursor's line from the cursor on
    above: str = ""  # the nearest line above that is not blank
    below: str = ""  # the nearest line below that is not blank
    multiline: bool = True  # whether the user wants more than one line at all

    @property
    def one_line(self) -> bool:
        """More than one line only at a fresh line or behind the opening of a block."""
        if not self.multiline or self.after.strip(CLOSERS + " \t"):
            return True
        return bool(self.before.strip()) and not self.before.rstrip().endswith(OPENERS)

    @property
    def indent(self) -> str:
        """White space that the block at the cursor has."""
        line = self.before if self.before.strip() or not self.above else self.before or self.above
        return line[: len(line) - len(line.lstrip())]


def enough(raw: str, gap: Gap) -> bool:
    """Whether more tokens could not change what will be shown."""
    if raw.strip() and BEGINNING.fullmatch(raw):
        return False
    raw = preamble(raw, gap)
    if gap.one_line and "\n" in raw.lstrip(" \t"):
        return True
    if len(raw) - (raw.rfind("\n") + 1) > LONGEST_LINE_CHARS:
        return True
    complete = raw[: raw.rfind("\n") + 1]
    return bool(complete) and len(_run(complete, gap, STREAM_RULES)[0].rstrip()) < len(
        complete.rstrip()
    )


def trim(raw: str, gap: Gap) -> tuple[str, tuple[str, ...]]:
    """The text to insert, empty when nothing is worth showing, and the rules that fired."""
    return _run(raw.replace("\r\n", "\n").replace("\r", "\n"), gap, RULES)


def invisible(text: str, _gap: Gap) -> str:
    """Cut at the first control or direction-changing character: what is shown is what is there."""
    for index, character in enumerate(text):
        if character not in "\n\t" and unicodedata.category(character) in ("Cc", "Cf", "Cs", "Co"):
            return text[:index]
    return text


def preamble(text: str, _gap: Gap) -> str:
    """Chat models greet and wrap code in Markdown fences: never part of the code."""
    match = PREAMBLE.match(text)
    return text[match.end() :] if match else text


def fences(text: str, _gap: Gap) -> str:
    """Code in a fence ends where the fence does; what follows is talk."""
    return "" if text.startswith("```") else text.split("\n```", 1)[0]


def odd_indent(text: str, gap: Gap) -> str:
    """One space behind an indentation is the start of a word's token, not one more level.

    Chat models write it: their answer is begun with the indentation, and words have their space.
    """
    single = text.startswith(" ") and not text[1:2].isspace()
    return text[1:] if single and gap.before and not gap.before.strip() else text


def single_line(text: str, gap: Gap) -> str:
    """Keep the first line where the place asks for one."""
    if not gap.one_line:
        return text
    return text.split("\n", 1)[0] if gap.before.strip() else text.lstrip("\n").split("\n", 1)[0]


def long_lines(text: str, _gap: Gap) -> str:
    """Cut before the first line that no person would write."""
    return _keep_lines(text, lambda line, _: len(line) <= LONGEST_LINE_CHARS)


def line_below(text: str, gap: Gap) -> str:
    """Stop before the line that already stands below the cursor."""
    below = gap.below.strip()
    if not below:
        return text
    return _keep_lines(text, lambda line, _: line.strip() != below)


def repeated_lines(text: str, _gap: Gap) -> str:
    """Stop at a line that comes for the third time."""
    seen: dict[str, int] = {}

    def fresh(line: str, _index: int) -> bool:
        key = line.strip()
        seen[key] = seen.get(key, 0) + 1
        return len(key) < MIN_CHARS or seen[key] < REPEATED_LINES

    return _keep_lines(text, fresh)


def repetition(text: str, _gap: Gap) -> str:
    """Keep one of a unit that is repeated to the end."""
    match = REPETITION.search(text)
    if match is None:
        return text
    return text[: match.start()] + (match.group(1) or match.group(2))


def scope(text: str, gap: Gap) -> str:
    """Stop where the block at the cursor ends: at the first line that is indented less.

    A closing line one step out belongs to the block unless it stands below already.
    """
    depth = len(gap.indent.expandtabs(4))
    lines = text.split("\n")
    for index, line in enumerate(lines[1:], start=1):
        if not line.strip() or len(line[: len(line) - len(line.lstrip())].expandtabs(4)) >= depth:
            continue
        closing = line.strip()[0] in ")]}" or line.strip() == "end"
        keep = closing and line.strip() != gap.below.strip()
        return "\n".join(lines[: index + keep])
    return text


def blank_gap(text: str, gap: Gap) -> str:
    """Inside a block two blank lines end the thought; at the top level they part definitions."""
    return text if not gap.indent else text.split("\n\n\n", 1)[0]


def max_lines(text: str, _gap: Gap) -> str:
    """At most MAX_LINES lines."""
    return "\n".join(text.split("\n")[:MAX_LINES])


def rest_of_line(text: str, gap: Gap) -> str:
    """What stands right of the cursor is there already: do not write it again."""
    rest = gap.after.strip()
    if not rest:
        return text
    first, newline, others = text.partition("\n")
    if first.rstrip().endswith(rest):
        return first.rstrip()[: -len(rest)] + newline + others
    return text


def echo(text: str, gap: Gap) -> str:
    """A suggestion that only repeats the line above or the line below says nothing."""
    whole = (gap.before + text).strip()
    return "" if whole and whole in (gap.above.strip(), gap.below.strip()) else text


def trailing_space(text: str, _gap: Gap) -> str:
    """Neither blank lines nor spaces at the end."""
    return text.rstrip()


def too_short(text: str, _gap: Gap) -> str:
    """Not worth a glance."""
    return text if len(text.strip()) >= MIN_CHARS else ""


STREAM_RULES: tuple[Callable[[str, Gap], str], ...] = (
    invisible,
    fences,
    long_lines,
    line_below,
    repeated_lines,
    scope,
    blank_gap,
    max_lines,
)
RULES: tuple[Callable[[str, Gap], str], ...] = (
    invisible,
    preamble,
    fences,
    odd_indent,
    single_line,
    long_lines,
    repetition,
    repeated_lines,
    line_below,
    scope,
    blank_gap,
    max_lines,
    rest_of_line,
    echo,
    trailing_space,
    too_short,
)


def _run(
    text: str, gap: Gap, rules: tuple[Callable[[str, Gap], str], ...]
) -> tuple[str, tuple[str, ...]]:
    fired = []
    for rule in rules:
        trimmed = rule(text, gap)
        if trimmed != text:
            fired.append(rule.__name__)
        text = trimmed
    return text, tuple(fired)


def _keep_lines(text: str, wanted: Callable[[str, int], bool]) -> str:
    """Lines up to the first that is not wanted."""
    lines = text.split("\n")
    for index, line in enumerate(lines):
        if not wanted(line, index):
            return "\n".join(lines[:index])
    return text
