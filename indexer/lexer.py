# SPDX-License-Identifier: Apache-2.0
"""A file's code without its strings and comments.

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
# Blank strings and comments by their length: to look one up is cheaper than to make it.
_QUOTED = [b'"' + b" " * max(size - 2, 0) + b'"' for size in range(256)]
_SPACES = [b" " * size for size in range(256)]


def blank(data: bytes, spans: list[tuple[Span, bool]]) -> bytes:
    """Blank out spans; those marked as code, inside of others, come back."""
    code = bytearray(data)
    for (start, end), is_code in sorted(spans):
        code[start:end] = data[start:end] if is_code else b" " * (end - start)
        if not is_code and data[start] in _QUOTES and end - start > 1:
            # There is something here. A string that never ends has another byte in the last place.
            code[start] = code[end - 1] = data[start]
    return bytes(code)


def blank_python(data: bytes) -> tuple[bytes, bool]:
    """Python's code: strings keep only their outer quotes, comments become spaces.

    And whether every string has an end.
    """
    parts = _PYTHON.split(data)
    between = b"".join(parts[::2])
    closed = b'"' not in between and b"'" not in between
    known = len(_SPACES)
    parts[1::2] = [
        (_SPACES[size] if text[0] == _HASH else _QUOTED[size])
        if (size := len(text)) < known and b"{" not in text
        else _blanked(before, text)
        for before, text in zip(parts[::2], parts[1::2], strict=False)
    ]
    return b"".join(parts), closed


def _blanked(before: bytes, text: bytes) -> bytes:
    """A long string or comment, or one with a brace."""
    if text[0] == _HASH:
        return b" " * len(text)
    if b"{" in text and before.endswith(_FORMATTED):
        return _holes(text)
    return b'"' + b" " * (len(text) - 2) + b'"'


def _holes(text: bytes) -> bytes:
    """A formatted string of which only the code between braces is left."""
    code = bytearray(b'"' + b" " * (len(text) - 2) + b'"')
    for match in _HOLE.finditer(text.replace(b"{{", b"  "), 1):
        code[match.start(1) : match.end(1)] = match[1].replace(b"\n", b" ")
    return bytes(code)
