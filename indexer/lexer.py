# SPDX-License-Identifier: Apache-2.0
"""A file's code without its strings and comments, and Python's without its function bodies.

In: bytes, and for most languages the spans that the tree calls strings and comments. Out: bytes
of the same length in which they are blank, so that every offset still holds.
Python's strings and comments are simple enough for one regular expression, five times faster
than asking the tree. This module knows no definition and no name.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from indexer.outline import Span

# Unrolled loops: a string that never ends must cost one look to the end, not 2 to the power of it.
_PYTHON = re.compile(
    rb"(#[^\n]*"
    rb'|"(?:""[^"\\]*(?:(?:\\.|"(?!""))[^"\\]*)*"""|[^"\\\n]*(?:\\.[^"\\\n]*)*")'
    rb"|'(?:''[^'\\]*(?:(?:\\.|'(?!''))[^'\\]*)*'''|[^'\\\n]*(?:\\.[^'\\\n]*)*'))",
    re.DOTALL,
)
_FORMATTED = (b"f", b"F", b"fr", b"rf", b"fR", b"rF", b"Fr", b"Rf", b"FR", b"RF")
_QUOTES = b"\"'`"
_HASH = ord("#")
_HOLE = re.compile(rb"\{([^{}!]*)")
_FUNCTION = ("def ", "async def ")
# What a function may hold that the outline wants to know of.
_NESTED = ("def ", "class ", "import ")


def blank(data: bytes, spans: list[tuple[Span, bool]]) -> bytes:
    """Blank out spans; those marked as code, inside of others, come back."""
    code = bytearray(data)
    for (start, end), is_code in sorted(spans):
        code[start:end] = data[start:end] if is_code else b" " * (end - start)
        if not is_code and data[start] in _QUOTES and end - start > 1:
            # There is something here. A string that never ends has another byte in the last place.
            code[start] = code[end - 1] = data[start]
    return bytes(code)


def blank_python(data: bytes) -> bytes:
    """Python's code: strings keep only their outer quotes, comments become spaces."""
    parts = _PYTHON.split(data)
    spaces = b" " * max(map(len, parts))
    parts[1::2] = [
        spaces[: len(text)]
        if text[0] == _HASH
        else b'"' + spaces[: len(text) - 2] + b'"'
        if b"{" not in text or not before.endswith(_FORMATTED)
        else _holes(text)
        for before, text in zip(parts[::2], parts[1::2], strict=False)
    ]
    return b"".join(parts)


def _holes(text: bytes) -> bytes:
    """A formatted string of which only the code between braces is left."""
    code = bytearray(b'"' + b" " * (len(text) - 2) + b'"')
    for match in _HOLE.finditer(text.replace(b"{{", b"  "), 1):
        code[match.start(1) : match.end(1)] = match[1].replace(b"\n", b" ")
    return bytes(code)


def python_skeleton(data: bytes, code: str) -> bytes:
    """`data` with the body of every plain function replaced by one long name.

    `code` is what `blank_python` gave. Parsing what is left takes a third of the time, and its
    definitions stand at the same bytes. A body that defines or imports something stays. Where
    the layout is not plain, `data` itself comes back, or the parse shows an error.
    """
    if "\t" in code or "\r" in code or "\f" in code:
        return data  # here indentation is not simply a number of spaces
    pieces: list[bytes] = []
    at = done = first = last = 0
    indent, in_header = -1, False
    for line in code.split("\n"):
        text = line.lstrip(" ")
        margin = len(line) - len(text)
        if text and in_header:
            in_header = line.rstrip()[-1] != ":"
        elif text and indent >= 0 and margin > indent:
            first = first or at + margin
            last = at + len(line)
        elif text:
            if first:
                done = _cut(pieces, data, code, done, first, last)
            indent, in_header, first = -1, False, 0
            if text.startswith(_FUNCTION):
                in_header = line.rstrip()[-1] != ":"
                # A function on one line has no body worth cutting.
                indent = margin if not in_header or line.count("(") > line.count(")") else -1
                in_header = in_header and indent >= 0
        at += len(line) + 1
    if first:
        done = _cut(pieces, data, code, done, first, last)
    pieces.append(data[done:])
    return b"".join(pieces)


def _cut(  # noqa: PLR0917  the state of one loop, taken out of it
    pieces: list[bytes], data: bytes, code: str, done: int, first: int, last: int
) -> int:
    """Replace one body, if nothing in it is of interest; return up to where pieces reach."""
    body = code[first:last]
    if any(word in body for word in _NESTED):
        return done
    size = len(body.rstrip(" ;"))
    pieces += (data[done:first], b"_" * size)
    return first + size
