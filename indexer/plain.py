# SPDX-License-Identifier: Apache-2.0
"""The outline of a Python file read line by line, where its layout is plain; no tree is made.

In: a file's bytes, and its code with strings and comments blanked out. Out: the `Outline` that
`queries/python.scm` gives; a test compares the two on real files. Indentation and brackets tell
where statements begin and end, in a fifth of the time that a parse takes. Whatever is not plain
(a tab, `;`, a bracket too many, a line indented for no reason) gives None: then a tree must tell.
What is wrong inside of a statement, or of a function's body, goes unnoticed.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from indexer.outline import Outline, Typed

if TYPE_CHECKING:
    from indexer.outline import Span

_WORD = rb"[\w\x80-\xff]+"
_END = rb"(?![\w\x80-\xff])"
# A statement's text: brackets in brackets hold whatever they hold, line ends included.
_FLAT, _DEEP = rb"[^\n()\[\]{};]*", rb"[^()\[\]{};]*"
_PAIR = rb"[(\[{]" + _DEEP + rb"[)\]}]"
for _ in range(2):
    _PAIR = rb"[(\[{]" + _DEEP + rb"(?:" + _PAIR + _DEEP + rb")*[)\]}]"
_REST = _FLAT + rb"(?:" + _PAIR + _FLAT + rb")*"
_KIND = (
    rb"(?:async +)?def +(%b)|class +(%b)|(import|from)%b|(@)"
    rb"|((?:if|elif|else|try|except|finally|with|for|while|async +(?:with|for))%b"
    rb"|(?:match|case) +(?![=:.,)]))"
    rb"|type +(%b) *=|(?!lambda *:)(%b) *(:|=(?!=)) *" % (_WORD, _WORD, _END, _END, _WORD, _WORD)
)
_STATEMENT = re.compile(rb"(?: *\n)*( *)(?:%b)?%b" % (_KIND, _REST))
_MARGIN, _FUNCTION, _CLASS, _IMPORT, _DECORATOR, _BLOCK, _ALIAS, _NAME, _SIGN = range(1, 10)
_CHAINED = re.compile(rb"(%b) *=(?!=) *" % _WORD)
_PARAMETER = re.compile(rb"[ \n]*(%b)[ \n]*:[ \n]*" % _WORD)
_INK = re.compile(rb"[^ \n]")
_MARKS = re.compile(rb"[()\[\]{},:=]")
_NOT_PLAIN = (b"\t", b"\r", b"\f")  # here indentation is not simply a number of spaces
_NESTED = (b"def ", b"class ", b"import ")  # what else is worth reading a function's body for
_UNFINISHED = frozenset(b"=+-/%&|^~<>@!:;")
_BLANK = b" \n"
_SPACE, _NEWLINE, _COLON, _OPEN, _EQUALS, _COMMA = b" \n:(=,"
_OPENING, _CLOSING = frozenset(b"([{"), frozenset(b")]}")


class _NotPlainError(Exception):
    """A tree must tell."""


def read_plain(data: bytes, code: bytes) -> Outline | None:
    """Definitions, imports and declared types; None where only a tree can tell them."""
    if any(mark in code for mark in _NOT_PLAIN):
        return None
    try:
        return _Reader(data, code).read()
    except _NotPlainError:
        return None


@lru_cache(maxsize=64)
def _not_deeper(margin: int) -> re.Pattern[bytes]:
    """The end of a line before one that is indented by at most `margin`."""
    return re.compile(rb"\n {0,%d}[^ \n]" % margin)


def _depth(text: bytes) -> int:
    """How many brackets a text leaves open."""
    count = text.count
    opened = count(b"(") + count(b"[") + count(b"{")
    return opened - count(b")") - count(b"]") - count(b"}")


class _Reader:
    """One file on its way to an outline, statement by statement."""

    __slots__ = ("code", "data", "decorated", "last", "margins", "open", "opened", "outline")

    def __init__(self, data: bytes, code: bytes) -> None:
        self.data = data
        self.code = code.replace(b"\\\n", b"  ") if b"\\" in code else code
        self.outline = Outline()
        self.margins = [0]  # of the blocks around this place
        # Classes, and functions that hold something, with the margins of their bodies.
        self.open: list[tuple[int, str, int, int, Span, int, Span | None, tuple[Span, ...]]] = []
        self.opened = False  # the last statement announced a block
        self.decorated = -1  # where the decorators begin of what comes next
        self.last = 0  # the end of the last statement

    def read(self) -> Outline:
        match, code, at = _STATEMENT.match, self.code, 0
        while found := match(code, at):
            start, end = found.end(_MARGIN), found.end()
            if start == len(code):
                break
            at = self._statement(found, start, end)
        if self.opened or self.decorated >= 0:
            raise _NotPlainError
        self._close(-1, len(code))
        return self.outline

    def _statement(  # noqa: C901  hot: a call less for each line
        self, found: re.Match[bytes], start: int, end: int
    ) -> int:
        """Read the statement that was found; return where to go on."""
        code, kind = self.code, found.lastindex
        margin = start - found.start(_MARGIN)
        if self.opened or margin != self.margins[-1]:
            self._indent(margin, start)
        if end < len(code) and code[end] != _NEWLINE:
            end = self._far_end(start, end)
        if code[end - 1] == _SPACE:
            end = start + len(code[start:end].rstrip(_BLANK))
        self.last = end
        if kind == _FUNCTION:
            return self._function(start, found.span(kind), end, margin)
        if kind == _CLASS:
            self._class(start, found.span(kind), end)
            return end
        if kind == _DECORATOR:
            if self.decorated < 0:
                self.decorated = start
            return end
        if self.decorated >= 0:
            raise _NotPlainError
        if kind == _BLOCK:
            self._block(start, end)
        elif kind == _MARGIN:
            self._check(end)
        else:
            self._simple(found, start, end)
        return end

    # --- where things end ---

    def _far_end(self, start: int, end: int) -> int:
        """The end of a statement that has brackets in brackets in brackets in brackets."""
        code = self.code
        depth, at = 0, start
        while depth or at == start:
            end = code.find(b"\n", end + 1)
            end = len(code) if end < 0 else end
            text = code[at:end]
            depth += _depth(text)
            if depth < 0 or b";" in text or (depth and end == len(code)):
                raise _NotPlainError
            at = end
        return end

    def _check(self, end: int) -> None:
        if self.code[end - 1] in _UNFINISHED:
            raise _NotPlainError

    def _indent(self, margin: int, start: int) -> None:
        """Enter the block that was announced, or leave those that end here."""
        margins = self.margins
        if self.opened:
            if margin <= margins[-1]:
                raise _NotPlainError
            margins.append(margin)
            self.opened = False
            return
        while margins[-1] > margin:
            margins.pop()
        if margins[-1] != margin:
            raise _NotPlainError
        self._close(margin, start)

    def _close(self, margin: int, start: int) -> None:
        """Definitions whose bodies are indented deeper than `margin` have ended before `start`."""
        while self.open and self.open[-1][0] > margin:
            inner, kind, first, head, name, body, type_, bases = self.open.pop()
            end = self._with_comments(self.last, start, inner)
            self.outline.definitions.append((kind, first, end, head, name, body, type_, bases))

    def _with_comments(self, end: int, limit: int, margin: int) -> int:
        """Comments that follow at a block's margin are part of it."""
        data = self.data
        if data.find(b"#", end, limit) < 0:
            return end
        at = end
        for number, line in enumerate(data[end:limit].split(b"\n")):
            text = line.lstrip(b" ")
            if text and number and len(line) - len(text) < margin:
                break
            at += len(line) + 1
            if text:
                end = at - 1
        return end

    # --- what statements say ---

    def _function(self, start: int, name: Span, end: int, margin: int) -> int:
        code = self.code
        first, self.decorated = start if self.decorated < 0 else self.decorated, -1
        colon = self._colon(name[1], end)
        type_ = self._annotations(name[1], colon)
        if colon < end - 1:
            body = self._ink(colon + 1)
            last = self._with_comments(end, self._line_end(end), 0)
            definition = ("function", first, last, start, name, body, type_, ())
            self.outline.definitions.append(definition)
            if any(word in code[body:end] for word in _NESTED):
                self._inline(body, end)
            return end
        body = self._ink(end)
        inner = body - code.rfind(b"\n", 0, body) - 1
        if inner <= margin:
            raise _NotPlainError
        found = _not_deeper(margin).search(code, end)
        after = found.start() if found else len(code)
        for word in _NESTED:
            if code.find(word, body, after) >= 0:
                self.open.append((inner, "function", first, start, name, body, type_, ()))
                self.opened = True
                return end
        self.last = body + len(code[body:after].rstrip(_BLANK))
        last = self._with_comments(self.last, after, inner)
        self.outline.definitions.append(("function", first, last, start, name, body, type_, ()))
        return after

    def _annotations(self, start: int, colon: int) -> Span | None:  # noqa: C901  one walk
        """Note the parameters' types; return the span of the result's."""
        code = self.code
        header = code[start:colon].rstrip(_BLANK)
        if (
            code[start] == _OPEN
            and header.endswith(b")")
            and b":" not in header
            and b">" not in header
        ):
            return None
        if b"lambda" in header or header.lstrip(b" ")[:1] not in (b"(", b"["):
            raise _NotPlainError
        depth, opened, equals = 0, -1, -1
        for mark in _MARKS.finditer(code, start, colon):
            at = mark.start()
            char = code[at]
            if char in _OPENING:
                if not depth and char == _OPEN and opened < 0:
                    opened = at + 1
                    first = opened
                depth += 1
            elif char in _CLOSING:
                depth -= 1
                if not depth and opened >= 0:
                    self._parameter(first, equals, at)
                    return self._trimmed(at + 1, colon)
            elif depth == 1 and opened >= 0:
                if char == _COMMA:
                    self._parameter(first, equals, at)
                    first, equals = at + 1, -1
                elif char == _EQUALS and equals < 0:
                    equals = at
        raise _NotPlainError

    def _parameter(self, start: int, equals: int, end: int) -> None:
        if equals > 0:
            end = equals
        match = _PARAMETER.match(self.code, start, end)
        if match:
            stop = match.end() + len(self.code[match.end() : end].rstrip(_BLANK))
            self.outline.typed.append(Typed(match.span(1), (match.end(), stop)))

    def _trimmed(self, start: int, end: int) -> Span | None:
        """The type after an arrow; None where there is nothing."""
        text = self.code[start:end].strip(_BLANK)
        if not text:
            return None
        if not text.startswith(b"->"):
            raise _NotPlainError
        type_ = text[2:].lstrip(_BLANK)
        stop = start + len(self.code[start:end].rstrip(_BLANK))
        return (stop - len(type_), stop)

    def _class(self, start: int, name: Span, end: int) -> None:
        code = self.code
        first, self.decorated = start if self.decorated < 0 else self.decorated, -1
        colon = self._colon(name[1], end)
        bases = self._bases(name[1], colon)
        body = self._ink(colon + 1)
        if colon < end - 1:
            last = self._with_comments(end, self._line_end(end), 0)
            self.outline.definitions.append(("class", first, last, start, name, body, None, bases))
            self._inline(body, end)
            return
        margin = body - code.rfind(b"\n", 0, body) - 1
        self.open.append((margin, "class", first, start, name, body, None, bases))
        self.opened = True

    def _bases(self, start: int, colon: int) -> tuple[Span, ...]:
        header = self.code[start:colon].rstrip(_BLANK)
        if header.startswith(b"["):
            raise _NotPlainError
        if not header:
            return ()
        opened = self._ink(start)
        if self.code[opened] != _OPEN or not header.endswith(b")"):
            raise _NotPlainError
        return ((opened, start + len(header)),)

    def _block(self, start: int, end: int) -> None:
        if self.code[end - 1] == _COLON:
            self.opened = True
        else:
            self._inline(self._ink(self._colon(start, end) + 1), end)

    def _inline(self, start: int, end: int) -> None:
        """What stands on the line of its header."""
        found = _STATEMENT.match(self.code, start)
        if found is None or found.lastindex not in (_MARGIN, _IMPORT, _ALIAS, _SIGN):
            raise _NotPlainError
        if found.lastindex == _MARGIN:
            self._check(end)
        else:
            self._simple(found, start, end)

    def _simple(self, found: re.Match[bytes], start: int, end: int) -> None:
        """An import or an assignment."""
        kind, outline = found.lastindex, self.outline
        self._check(end)
        if kind == _IMPORT:
            outline.imports.append((start, end))
            return
        if kind == _ALIAS:
            name = found.span(_ALIAS)
            outline.definitions.append(("type", start, end, start, name, -1, None, ()))
            return
        sign, type_ = found.start(_SIGN), None
        is_typed = self.code[sign] == _COLON
        at = sign + 1
        while at < end and self.code[at] == _SPACE:
            at += 1
        if is_typed:
            equals = self._find(_EQUALS, at, end)
            stop = at + len(self.code[at : equals if equals > 0 else end].rstrip(_BLANK))
            type_ = (at, stop)
        define = outline.definitions.append
        define(("variable", start, end, start, found.span(_NAME), -1, type_, ()))
        while not is_typed and (match := _CHAINED.match(self.code, at, end)):
            define(("variable", at, end, at, match.span(1), -1, None, ()))
            at = match.end()

    # --- looking ahead ---

    def _line_end(self, at: int) -> int:
        end = self.code.find(b"\n", at)
        return end if end >= 0 else len(self.code)

    def _ink(self, at: int) -> int:
        found = _INK.search(self.code, at)
        if found is None:
            raise _NotPlainError
        return found.start()

    def _colon(self, start: int, end: int) -> int:
        """Where a header ends."""
        if self.code[end - 1] == _COLON:
            return end - 1
        colon = self._find(_COLON, start, end)
        if colon < 0 or b"lambda" in self.code[start:colon]:
            raise _NotPlainError
        return colon

    def _find(self, wanted: int, start: int, end: int) -> int:
        """The first such character outside of brackets, -1: none."""
        depth = 0
        for mark in _MARKS.finditer(self.code, start, end):
            char = self.code[mark.start()]
            if char == wanted and not depth:
                return mark.start()
            depth += (char in _OPENING) - (char in _CLOSING)
        return -1
