# SPDX-License-Identifier: Apache-2.0
"""How a person would type a change: hunk by hunk, top to bottom, key by key.

In: a file before, the file after, and where they differ. Out: `Key`s with times. It knows no git
and no server.

A few characters go with the backspace key, more of them by selecting; text comes character by
character. Editors indent new lines by themselves: Enter brings the indentation of the line before,
one more unit after `:`, `(`, `[` and `{`; Tab adds a unit and backspace takes one. With
`Pace(indent="typed")` nothing comes by itself: every character is a key.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

from lsp_server.replaying.trace import MAX_KEYS, Buffer, Key, Unusable, shared_start

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

KEYS_PER_S = 8.0  # a quick typist: 96 words a minute
PAUSE_S = 2.0  # to look, to move and to think, before each place
BACKSPACES_MAX = 10  # characters; whoever has more to delete selects them
OPENERS = (":", "(", "[", "{")  # a line that ends so is followed by a deeper one
USUAL_UNIT = "    "


class Hunk(NamedTuple):
    """Lines `old` of the file before become lines `new` of the file after: from 0, end excluded."""

    old: tuple[int, int]
    new: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast, and who indents."""

    keys_per_s: float = KEYS_PER_S
    pause_s: float = PAUSE_S
    indent: Literal["editor", "typed"] = "editor"


class Typist:
    """Types changes into files one after the other and keeps the time."""

    def __init__(self, pace: Pace) -> None:
        self.keys: list[Key] = []
        self._pace = pace
        self._now_s = 0.0
        self._hunk = -1

    def change(self, path: str, before: str, after: str, hunks: Iterable[Hunk]) -> None:
        """Type what makes `after` of `before`. Raises Unusable where that is too much."""
        buffer, new_lines = Buffer(before), Buffer(after).lines
        old_lines = tuple(buffer.lines)
        unit = indent_unit(new_lines)
        for old, new in hunks:
            removed, added = old_lines[slice(*old)], new_lines[slice(*new)]
            for edit in _edits(new[0], removed, added, buffer.lines):
                self._edit(_Place(path, buffer, unit, edit.row, edit.at), edit)
        assert buffer.text == after

    def fill(self, path: str, before: str, text: str, place: tuple[int, int]) -> None:
        """Type `text` into a hole of a file, at a line and an index from 0."""
        buffer = Buffer(before)
        unit = indent_unit(text.split("\n"))
        self._edit(_Place(path, buffer, unit, *place), _Edit(*place, "", text))

    def _edit(self, place: _Place, edit: _Edit) -> None:
        self._hunk += 1
        self._now_s += self._pace.pause_s
        self._remove(place, edit.removed)
        if self._pace.indent == "typed":
            for character in _characters(edit.text):
                self._press(place, "", character)
        else:
            self._write(place, edit.text)

    def _remove(self, place: _Place, text: str) -> None:
        """Take `text` away, which begins at the place."""
        if not text:
            return
        if "\n" in text or len(text) > BACKSPACES_MAX:
            self._press(place, text, "")
            return
        place.index += len(text)
        for _ in text:
            self._press_back(place, 1)

    def _write(self, place: _Place, text: str) -> None:
        """Type `text` in an editor that indents."""
        ended, empty = "", False
        pieces = text.split("\n")
        for number, piece in enumerate(pieces):
            last = number == len(pieces) - 1
            line = piece if last else piece.removesuffix("\r")
            if number:
                self._enter(place, ended, was_empty=empty)
            empty = number > 0 and not line
            if not place.head.strip() and (line or last):
                kept = "" if number else place.head
                self._indent(place, kept + _blank(line))
                line = line.lstrip(" \t")
            for character in line:
                self._press(place, "", character)
            ended = "\r\n" if piece.endswith("\r") else "\n"

    def _enter(self, place: _Place, ended: str, *, was_empty: bool) -> None:
        """The Enter key. The new line is indented; the editor's spaces of an empty one go."""
        head = place.head
        blank = _blank(head)
        deeper = place.unit if head.rstrip().endswith(OPENERS) else ""
        place.index -= len(head) * was_empty
        self._press(place, head if was_empty else "", ended + blank + deeper)

    def _indent(self, place: _Place, wanted: str) -> None:
        """Backspace or Tab until the line's indentation is the wanted one."""
        while not wanted.startswith(place.head):
            self._press_back(place, min(len(place.unit), place.index))
        while place.head != wanted:
            missing = wanted[place.index :]
            tab = place.unit if missing.startswith(place.unit) else missing[:1]
            self._press(place, "", tab)

    def _press_back(self, place: _Place, count: int) -> None:
        if count:
            place.index -= count
            line = place.buffer.lines[place.row]
            self._press(place, line[place.index : place.index + count], "")

    def _press(self, place: _Place, removed: str, text: str) -> None:
        if len(self.keys) == MAX_KEYS:
            raise Unusable(f"more than {MAX_KEYS:,} keys; choose fewer files")
        at_s = round(self._now_s, 3)
        key = Key(at_s, place.path, place.row + 1, place.index + 1, removed, text, self._hunk)
        place.row, place.index = place.buffer.press(key)
        self.keys.append(key)
        self._now_s += 1 / self._pace.keys_per_s


def indent_unit(lines: Iterable[str]) -> str:
    """What one step of indentation is in these lines: a tab, or the most usual number of spaces."""
    steps: Counter[str] = Counter()
    last = ""
    for line in lines:
        if not line.strip():
            continue
        blank = _blank(line)
        if blank.startswith(last) and blank != last:
            steps[blank[len(last) :]] += 1
        last = blank
    usual = steps.most_common(1)
    return usual[0][0] if usual else USUAL_UNIT


@dataclass(slots=True)
class _Place:
    """The cursor in an open file."""

    path: str
    buffer: Buffer
    unit: str
    row: int
    index: int

    @property
    def head(self) -> str:
        """The line up to the cursor."""
        return self.buffer.lines[self.row][: self.index]


class _Edit(NamedTuple):
    """At one place: text that goes and text that comes."""

    row: int
    at: int
    removed: str
    text: str


def _edits(row: int, old: tuple[str, ...], new: list[str], lines: list[str]) -> Iterator[_Edit]:
    """One hunk as a person edits it; `lines` are the file's as they are by then."""
    least = min(len(old), len(new))
    alike = [_alike(was, becomes) for was, becomes in zip(old, new, strict=False)]
    head = least if len(old) == len(new) else [*alike, False].index(False)
    tail = 0
    while tail < least - head and _alike(old[-1 - tail], new[-1 - tail]):
        tail += 1
    for offset in range(head):
        yield from _within(row + offset, old[offset], new[offset], both_ends=True)
    gone, come = "".join(old[head : len(old) - tail]), "".join(new[head : len(new) - tail])
    yield from _block(row + head, gone, come, lines)
    for offset in range(tail, 0, -1):
        yield from _within(row + len(new) - offset, old[-offset], new[-offset], both_ends=True)


def _block(row: int, gone: str, come: str, lines: list[str]) -> Iterator[_Edit]:
    """Whole lines that go, come or take the place of others."""
    if not gone and row and come.endswith("\n"):
        # New lines are begun with Enter behind the line above.
        above = lines[row - 1].rstrip("\r\n")
        ended = lines[row - 1][len(above) :]
        if ended == ("\r\n" if come.endswith("\r\n") else "\n"):
            yield _Edit(row - 1, len(above), "", ended + come.removesuffix(ended))
            return
    yield from _within(row, gone, come, both_ends=not gone or not come)


def _alike(was: str, becomes: str) -> bool:
    """Whether a person would edit the one line into the other rather than write it anew."""
    was, becomes = was.strip(), becomes.strip()
    start = shared_start(was, becomes)
    end = shared_start(was[start:][::-1], becomes[start:][::-1])
    return 2 * (start + end) > max(len(was), len(becomes))


def _within(row: int, was: str, becomes: str, *, both_ends: bool) -> Iterator[_Edit]:
    """The part of a text that changes. Without `both_ends` only the line end stays behind it."""
    if was == becomes:
        return
    start = shared_start(was, becomes)
    end = 0
    if both_ends:
        end = shared_start(was[start:][::-1], becomes[start:][::-1])
    elif was[start:].endswith("\n") and becomes[start:].endswith("\n"):
        end = 1
    removed, added = was[start : len(was) - end], becomes[start : len(becomes) - end]
    if end and (removed.endswith("\r") or added.endswith("\r")):
        end -= 1  # a line end changes whole
    kept = was[:start]
    index = start - (kept.rfind("\n") + 1)
    row += kept.count("\n")
    yield _Edit(row, index, was[start : len(was) - end], becomes[start : len(becomes) - end])


def _characters(text: str) -> list[str]:
    """Every character; CR LF is one key."""
    return re.findall(r"\r\n|.", text, re.DOTALL)


def _blank(line: str) -> str:
    return line[: len(line) - len(line.lstrip(" \t"))]
