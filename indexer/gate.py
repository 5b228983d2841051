# SPDX-License-Identifier: Apache-2.0
"""The syntax gate: a suggestion ends with the last line up to which the buffer reads no worse.

In: a path, the text on both sides of the cursor, a suggestion. Out: `Gated`: the suggestion's
longest run of whole lines with which a parser finds no more errors than without, and what it
counted. A buffer in which somebody types has errors almost always, so counts are compared, never
asked to be zero. It knows no model, no rule of form and no other file.

A block that the suggestion opens and does not close is no error but unfinished, where the buffer
is as well: with the missing closers put in, it must read no worse. An argument list or a subscript
that it leaves open is one. In a buffer without errors nothing is left unfinished: what has a body
gets its closing lines, and what has none is cut.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING

from indexer.languages import detect
from indexer.marks import CLOSERS, COLONS, count_torn, open_brackets, read
from indexer.site import around_cursor, is_prose
from indexer.window import Window, cut, parse, tree_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    import tree_sitter as ts

# Processor time of all parses of one call. Code takes 1-3 ms; garbage takes more, and passes.
GATE_MAX_S = 0.03
MAX_LINES = 40  # more is never shown
MAX_CHARS = 8000
# Around the cursor where less of the file has errors: most of them are where it was cut off. 5 ms.
WIDE_BEFORE_CHARS = 24_000
WIDE_AFTER_CHARS = 12_000
# Around the cursor where brackets are counted instead, from the start for each line.
PLAIN_BEFORE_CHARS = 2000
PLAIN_AFTER_CHARS = 1000
# Words that may end what was begun, where brackets do not.
_END_WORDS = {
    **dict.fromkeys(
        ("ruby", "lua", "luau", "julia", "elixir"), ("end", "end\nend", "end\nend\nend")
    ),
    "bash": ("fi", "done", "esac", "fi\ndone", "done\nfi"),
}
_TRY = re.compile(r"^([ \t]*)try:[ \t]*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Gated:
    """A suggestion up to the last line that fits, maybe with lines that close it."""

    text: str
    fired: bool = False  # whether it is another text
    errors_before: int = 0  # of the buffer without a suggestion
    errors_after: int = 0  # with this text, its blocks closed; the same as before if not judged


class _TooSlow(Exception):
    """Parsing took longer than a suggestion is worth."""


@dataclass(frozen=True, slots=True)
class _Buffer:
    """The text around the cursor, and how to count its errors with something put in."""

    language: str
    window: Window
    tree: ts.Tree | None
    errors: int
    deadline: float
    counted: dict[str, int] = field(default_factory=dict)

    def count(self, text: str) -> int:
        """Errors with this text at the cursor. Raises _TooSlow."""
        if text not in self.counted:
            self.counted[text] = self._count(text)
        return self.counted[text]

    def in_comment(self) -> bool:
        """Whether the cursor stands among words for people. Then a line of them is no code."""
        parsed = (self.tree, self.errors) if self.tree else None
        code = read(self.window.before, self.language)
        return around_cursor(self.window, parsed, code) == "comment"

    def _count(self, text: str) -> int:
        if time.thread_time() > self.deadline:
            raise _TooSlow
        if self.tree is None:
            return count_torn(self.window.before + text + self.window.after, self.language)
        data, at, new = self.window.data, self.window.at, text.encode("utf-8", "replace")
        old = self.tree.copy()
        start = _point(data[:at])
        old.edit(at, at, at + len(new), start, start, _point(data[:at] + new))
        found = parse(self.language, data[:at] + new + data[at:], self.deadline, old)
        if found is None:
            raise _TooSlow
        return found[1]


def gate(path: str, before: str, after: str, text: str) -> Gated:
    """Cut `text`, meant for the place between two texts, at the end of a line.

    The result is a prefix of `text`, maybe "", maybe with lines that close its blocks. What cannot
    be judged (prose, a buffer that no parser gets through in time) passes. Any text will do.
    """
    language = detect(path, before[:256].encode("utf-8", "replace"))
    if not text.strip() or is_prose(path, language):
        return Gated(text)
    deadline = time.thread_time() + GATE_MAX_S
    try:
        buffer = _buffer(language, before, after, deadline)
        if "\n" not in text and buffer.in_comment():
            return Gated(text, errors_before=buffer.errors, errors_after=buffer.errors)
        return _longest(buffer, text)
    except _TooSlow:
        return Gated(text)


def _buffer(language: str, before: str, after: str, deadline: float) -> _Buffer:
    window = cut(language, before, after)
    parsed = tree_of(language, window.data)
    if parsed is not None and parsed[1]:
        wide = cut(language, before, after, WIDE_BEFORE_CHARS, WIDE_AFTER_CHARS)
        again = parse(language, wide.data, deadline)
        if again is not None and again[1] < parsed[1]:
            window, parsed = wide, again
    if parsed is not None:
        return _Buffer(language, window, *parsed, deadline)
    window = cut(language, before, after, PLAIN_BEFORE_CHARS, PLAIN_AFTER_CHARS)
    errors = count_torn(window.before + window.after, language)
    return _Buffer(language, window, None, errors, deadline)


def _longest(buffer: _Buffer, text: str) -> Gated:
    """The longest prefix that fits."""
    prefixes = _prefixes(text)
    if prefixes and prefixes[0] == text and not buffer.count(text):
        return Gated(text, errors_before=buffer.errors)
    if not buffer.errors:
        return _finished(buffer, prefixes, text)
    # The first line may mend what was half written: then the others have nothing to add to that.
    limit = min(buffer.errors, *_counts(buffer, prefixes[-1])) if prefixes else 0
    for prefix in prefixes:
        errors = next((n for n in _counts(buffer, prefix) if n <= limit), None)
        if errors is not None:
            return Gated(prefix, prefix != text, buffer.errors, errors)
    return Gated("", fired=True, errors_before=buffer.errors, errors_after=buffer.errors)


def _finished(buffer: _Buffer, prefixes: list[str], text: str) -> Gated:
    """The longest prefix that reads without errors, as it is or with its closing lines."""
    for prefix in prefixes:
        for whole in (prefix, *_closed(buffer, prefix)):
            if not buffer.count(whole):
                return Gated(whole, fired=whole != text)
    return Gated("", fired=True)


def _closed(buffer: _Buffer, prefix: str) -> Iterator[str]:
    """The prefix with lines that close what it opens, as deep as the lines that opened it."""
    if buffer.tree is None:
        return  # what is open is not known well enough
    prefix = prefix.rstrip()
    above = buffer.window.before[buffer.window.before.rfind("\n") + 1 :]
    code = read(prefix, buffer.language).text
    opened, _ = open_brackets(code)
    if buffer.language in _END_WORDS and not opened and "\n" in prefix:
        yield f"{prefix}\n{_indent(above + prefix)}{_END_WORDS[buffer.language][0]}"
    last = prefix.rfind("\n") + 1
    if not opened or (opened[-1] >= last and not code[opened[-1] + 1 :].strip()):
        return  # nothing to close, or nothing in it
    ends = []
    for at, line in groupby(reversed(opened), lambda at: prefix.rfind("\n", 0, at) + 1):
        opener = prefix[at:] if at else above + prefix
        ends.append(_indent(opener) + "".join(CLOSERS[code[each]] for each in line))
    for end in ("", ";"):
        yield "\n".join((prefix, *ends)) + end


def _indent(line: str) -> str:
    return line[: len(line) - len(line.lstrip(" \t"))]


def _prefixes(text: str) -> list[str]:
    """Whole lines from the start, the most first; none that only adds a blank line to another."""
    lines = text.split("\n")
    found, size = [], 0
    for number, line in enumerate(lines[:MAX_LINES]):
        size += len(line) + (number > 0)
        if size > MAX_CHARS:
            break
        if line.strip() or size == len(text):
            found.append(text[:size])
    return found[::-1]


def _counts(buffer: _Buffer, prefix: str) -> Iterator[int]:
    """Errors with a prefix, then with what it leaves open closed."""
    yield buffer.count(prefix)
    for closing in _closings(prefix, buffer.language):
        yield buffer.count(f"{prefix}\n{closing}\n")


def _closings(prefix: str, language: str) -> Iterator[str]:
    """What might end the blocks that a prefix has begun."""
    if language in COLONS:
        # A block needs no end there, but `try` needs a second one.
        for match in list(_TRY.finditer(prefix))[-1:]:
            yield f"{match[1]}finally:\n{match[1]} pass"
        return
    code = read(prefix, language).text
    opened, _ = open_brackets(code)
    if not opened:
        yield from _END_WORDS.get(language, ())
    elif code[opened[-1]] == "{":
        ends = "".join(_end(code, at, language) for at in reversed(opened))
        yield ends
        if not ends.strip("}"):
            yield ends + ";"  # a class of C++


def _end(code: str, at: int, language: str) -> str:
    """What closes a bracket. `try` asks for more than a brace."""
    if code[at] == "{" and code[:at].rstrip().endswith("try"):
        return "} catch (...) {}" if language == "cpp" else "} finally {}"
    return CLOSERS[code[at]]


def _point(data: bytes) -> tuple[int, int]:
    """Row and column, in bytes, of the end of some text."""
    return data.count(b"\n"), len(data) - (data.rfind(b"\n") + 1)
