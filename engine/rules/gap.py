# SPDX-License-Identifier: Apache-2.0
"""The place that a suggestion fills, as far as the rules need it, and words about lines.

In: lines around the cursor. Out: what kind of place it is. Knows no rule, no file and no editor.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

TAB_WIDTH = 4  # only to compare depths: a tab and four spaces are as deep
CLOSING_BRACKETS = ")]}"
CLOSERS = CLOSING_BRACKETS + ">,;:\"'`"  # may stand right of the cursor at the end of a line
CLOSING_WORDS = frozenset(("end", "fi", "done", "esac"))  # a whole line that ends a block
OPENS = re.compile(r"(?:[{(\[:]|=>|->|\b(?:do|then|begin))\s*\Z")
COMMENT_SIGNS = "*/#-%;!"
# Three word characters; lines with fewer look alike by chance.
WORTH_COMPARING = re.compile(r"\w\W*\w\W*\w")


@dataclass(frozen=True, slots=True)
class Gap:
    """The place to fill. Lines carry no line break."""

    before: str  # the cursor's line up to the cursor
    after: str  # the cursor's line from the cursor on
    above: str = ""  # the nearest line above that is not blank
    below: str = ""  # the nearest line below that is not blank
    multiline: bool = True  # whether the user wants more than one line at all
    above_lines: tuple[str, ...] = ()  # some lines above, in the order of the file
    below_lines: tuple[str, ...] = ()  # some lines below, the same
    lines: Literal["one", "many", "auto"] = "auto"  # by the syntax; auto: by looking at the line
    unit: str = ""  # one level of the file's indentation; "" for unknown
    code: bool = True  # not inside of a string or a comment: brackets count
    accepted: str = ""  # the text accepted last, if it ends at the cursor
    document: tuple[str, ...] = ()  # all lines: what stands in the file may be written again

    @property
    def one_line(self) -> bool:
        """Left to itself: more lines only at a fresh line or behind the opening of a block."""
        if not self.multiline or self.lines != "auto":
            return not self.multiline or self.lines == "one"
        if self.after.strip(CLOSERS + " \t"):
            return True
        return bool(self.before.strip()) and not self.opens

    @property
    def may_end(self) -> bool:
        """Whether the line at the cursor may be finished: then the next one is wanted."""
        return self.multiline and bool(self.before.strip()) and not self.after.strip()

    @property
    def opens(self) -> bool:
        """Whether the cursor stands behind the opening of a block."""
        return OPENS.search(self.before) is not None

    @property
    def indent(self) -> str:
        """White space that the block at the cursor has."""
        return leading(self.before or self.above)

    @property
    def following(self) -> tuple[str, ...]:
        """The lines below that are not blank, as many as are known."""
        found = tuple(line.rstrip() for line in self.below_lines if line.strip())
        return found or ((self.below,) if self.below else ())

    def has(self, text: str) -> bool:
        """Whether the file has `text` already, as far as it is known."""
        around = (self.before, self.after, self.above, self.below)
        return any(text in line for line in around) or any(text in line for line in self.document)


def leading(line: str) -> str:
    """The white space that a line begins with."""
    return line[: len(line) - len(line.lstrip())]


def depth(line: str) -> int:
    """How far a line is indented, in columns."""
    return len(leading(line).expandtabs(TAB_WIDTH))


def closes(line: str) -> bool:
    """Whether a line begins with the end of a block."""
    text = line.strip()
    return text.startswith((*CLOSING_BRACKETS, "</")) or text in CLOSING_WORDS


def joins(line: str) -> bool:
    """Whether a line ends a block and opens the next: `} else {`."""
    return line.lstrip().startswith((*CLOSING_BRACKETS,)) and OPENS.search(line) is not None


def bare(line: str) -> bool:
    """Whether a line is blank but for the sign of a comment that goes on."""
    return not line.strip(COMMENT_SIGNS + " \t")


def says_something(line: str) -> bool:
    """Whether a line is more than brackets and the like, which recur everywhere."""
    return WORTH_COMPARING.search(line) is not None and line.strip() not in CLOSING_WORDS
