# SPDX-License-Identifier: Apache-2.0
"""What an answer cites is checked before anybody sees it.

In: text of a model, in chunks of any size, and `Known`, which knows what there is. Out: the text
as it may be shown: paths in full, and what does not exist struck out. A word or a span in
backticks is held back until it is complete, so the chunks make no difference. Code in fences is
left alone: it may be new. Knows no model and no index.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

NO_FILE = "[struck: no such file]"
NO_LINE = "[struck: no such line]"
NO_NAME = "[struck: no such name]"
MANY_FILES = "[struck: several files have this name]"
LONGEST_CHARS = (
    2_000  # of a word with its citations; what is longer is garbage, and slow to look at
)

_LINES = r"(?::\d+(?:[-\u2013:]\d+)*|#L\d+(?:C\d+)?(?:-L?\d+(?:C\d+)?)?)"
_PART = r"(?:[\w.@+\-]|\[[\w.]+\])"
_PATH = (
    r"(?:[A-Za-z]:[\\/]|~?/|(?:\.{1,2}[\\/])+)?"
    rf"(?:{_PART}+[\\/])*{_PART}*\w\.[A-Za-z]\w{{0,9}}"
)
_CHAIN = r"[A-Za-z_$][\w$]*(?:(?:\.|::|#|->)~?[\w$]+)*"
_CITED = re.compile(
    rf"(?P<ticks>`+)(?P<span>[^`\n]+?)(?P=ticks)(?!`)(?P<behind>{_LINES})?"
    rf"|(?<![\w$.:/])(?P<call>{_CHAIN})\(\)"
    rf"|(?<![\w/\\])(?P<path>{_PATH})(?P<lines>{_LINES})?(?![\w(/\\])"
)
_INNER = re.compile(rf"(?<![\w/\\])(?P<path>{_PATH})(?P<lines>{_LINES})?(?![\w(/\\])")
_SPAN_PATH = re.compile(rf"(?P<path>{_PATH})(?P<lines>{_LINES})?")
_KEYWORD = (
    r"(?:(?:async )?(?:def|func|fn|function|class|struct|interface|trait|enum|new|await) |@)?"
)
_SPAN_NAME = re.compile(rf"{_KEYWORD}(?P<chain>{_CHAIN})(?P<call>\(.*\)|!)?:?")
_FENCE = re.compile(r"[ \t]*(`{3,}|~{3,})")
_NUMBER = re.compile(r"\d+")


@dataclass(frozen=True, slots=True)
class Citation:
    """A place that an answer names. `line` 0: the file as a whole; `symbol` "": no name."""

    path: str
    line: int
    symbol: str
    exists: bool = True

    def record(self) -> dict[str, str | int | bool]:
        """The contract's JSON."""
        return {
            "path": self.path,
            "line": self.line,
            "symbol": self.symbol,
            "exists": self.exists,
        }


@dataclass(frozen=True, slots=True)
class Wrong:
    """A citation of what is not there; `mark` says so."""

    mark: str
    path: str = ""  # where that much is right


class Known(Protocol):
    """What there is. Both answer None for what is no citation at all."""

    def file(self, path: str, first: int, last: int) -> Citation | Wrong | None:
        """A file by its path or by the end of it, and that it has these lines; 0 for none."""

    def name(self, chain: str, *, called: bool) -> Citation | Wrong | None:
        """A name such as `Shop.buy`."""


class Checked:
    """One answer as it comes. `citations` are those that were shown, `struck` counts the others."""

    def __init__(self, known: Known) -> None:
        self.citations: list[Citation] = []
        self.struck = 0
        self._known = known
        self._held = ""
        self._fence = ""  # how the block of code began that we are in
        self._at_line_start = True

    def feed(self, text: str) -> str:
        """Take a chunk; what may be shown now."""
        self._held += text
        return "".join(self._complete(final=False))

    def close(self) -> str:
        """The rest, at the end of the answer."""
        return "".join(self._complete(final=True))

    def _complete(self, *, final: bool) -> Iterator[str]:
        """Units that are complete, checked."""
        while self._held:
            if self._at_line_start:
                if not final and _may_become_fence(self._held):
                    return
                self._at_line_start = False
                if fence := _FENCE.match(self._held):
                    end = self._held.find("\n")
                    if end < 0 and not final:
                        self._at_line_start = True
                        return
                    if "`" not in self._held[fence.end() : end if end >= 0 else None]:
                        yield self._fence_line(fence[1], end)
                        continue
            size = self._code_size() if self._fence else _unit(self._held, final=final)
            if not size:
                return
            unit, self._held = self._held[:size], self._held[size:]
            self._at_line_start = unit.endswith("\n")
            yield unit if self._fence else self._unit_checked(unit)

    def _fence_line(self, marks: str, end: int) -> str:
        """A line that begins or ends a block of code."""
        size = len(self._held) if end < 0 else end + 1
        line, self._held = self._held[:size], self._held[size:]
        self._at_line_start = True
        if not self._fence:
            self._fence = marks
        elif marks.startswith(self._fence) and not line.strip().strip(marks[0]):
            self._fence = ""
        return line

    def _code_size(self) -> int:
        end = self._held.find("\n")
        return len(self._held) if end < 0 else end + 1

    def _unit_checked(self, unit: str) -> str:
        if unit.isspace() or "://" in unit or len(unit) > LONGEST_CHARS:
            return unit
        return _CITED.sub(self._cited, unit)

    def _cited(self, match: re.Match[str]) -> str:
        if match["span"] is not None:
            return self._span(match)
        if match["call"] is not None:
            return self._shown(self._known.name(match["call"], called=True), match[0])
        return self._path(match["path"], match["lines"] or "", match[0], "")

    def _span(self, match: re.Match[str]) -> str:
        """A span in backticks: a path, a name, or neither."""
        inside, behind, ticks = match["span"].strip(), match["behind"] or "", match["ticks"]
        if path := _SPAN_PATH.fullmatch(inside.strip("\"'")):
            return self._path(path["path"], path["lines"] or behind, match[0], ticks)
        if name := _SPAN_NAME.fullmatch(inside):
            found = self._known.name(name["chain"], called=bool(name["call"]))
            return self._shown(found, match[0])
        return f"{ticks}{_INNER.sub(self._inner, match['span'])}{ticks}{behind}"

    def _inner(self, match: re.Match[str]) -> str:
        """A path in a span of several words, such as a command."""
        if "/" not in match["path"] and not match["lines"]:
            return match[0]
        return self._path(match["path"], match["lines"] or "", match[0], "")

    def _path(self, path: str, lines: str, written: str, ticks: str) -> str:
        plain = "/" not in path and not lines
        if plain and not ticks and len(path.partition(".")[0]) < 2:  # noqa: PLR2004  e.g., U.S.
            return written
        numbers = [int(number) for number in _NUMBER.findall(lines)]
        first = numbers[0] if numbers else 0
        last = numbers[1] if len(numbers) > 1 and numbers[1] > first else first
        if ":" in lines[1:]:  # line and column
            last = first
        found = self._known.file(path, first, last)
        if found is None or (isinstance(found, Wrong) and found.mark == NO_FILE):
            named = self._known.name(path, called=False) if plain and ticks else None
            found = named if found is None or isinstance(named, Citation) else found
            return self._shown(found, written)
        if isinstance(found, Citation):
            return self._shown(found, f"{ticks}{found.path}{lines}{ticks}")
        right = f"{ticks}{found.path}{ticks} " if found.path else ""
        return right + self._shown(found, written)

    def _shown(self, found: Citation | Wrong | None, written: str) -> str:
        if isinstance(found, Wrong):
            self.struck += 1
            return found.mark
        if found is not None and found not in self.citations:
            self.citations.append(found)
        return written


def _may_become_fence(held: str) -> bool:
    """Whether a line may still turn out to begin with a fence."""
    start = held.lstrip(" \t")
    return not start or (len(start) < 3 and start in ("`", "``", "~", "~~"))  # noqa: PLR2004


def _unit(held: str, *, final: bool) -> int:
    """The length of the first complete unit: white space, or what stands between it.

    Spaces in a span in backticks do not end it. 0 where more text is needed.
    """
    if held[0].isspace():
        return 1
    at = 0
    while at < len(held):
        if held[at].isspace():
            return at
        if held[at] != "`":
            at += 1
            continue
        ticks = len(held[at:]) - len(held[at:].lstrip("`"))
        if at + ticks == len(held) and not final:
            return 0
        at = _behind_span(held, at, ticks, final=final)
        if at < 0:
            return 0
    return len(held) if final else 0


def _behind_span(held: str, at: int, ticks: int, *, final: bool) -> int:
    """Where a span ends that begins at `at`; behind its backticks where its line ends first.

    -1 where neither is known yet.
    """
    end = held.find("\n", at)
    line = held[at + ticks : end if end >= 0 else len(held)]
    for match in re.finditer(r"`+", line):
        open_end = end < 0 and not final and match.end() == len(line)
        if len(match[0]) == ticks and not open_end:
            return at + ticks + match.end()
        if open_end:
            return -1
    return at + ticks if final or end >= 0 else -1
