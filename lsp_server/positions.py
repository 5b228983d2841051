# SPDX-License-Identifier: Apache-2.0
"""Columns of the protocol, indices of Python strings and offsets into UTF-8, each into the other.

In: one line of text and a number in one unit. Out: the number in another unit, always inside
the line. The sole home of UTF-16. It knows no document, no editor and no protocol.

Units: a *column* counts code units of the negotiated encoding (a byte of UTF-8, two bytes of
UTF-16, a character of UTF-32); an *index* counts the characters of a `str`; an *offset* counts
bytes of UTF-8. Text comes without lone surrogates: `documents.py` replaces them at the door.
"""

from __future__ import annotations

from typing import Final, Literal

Encoding = Literal["utf-8", "utf-16", "utf-32"]
ENCODINGS: Final[tuple[Encoding, ...]] = ("utf-8", "utf-16", "utf-32")


def content_length(line: str) -> int:
    """Characters of a line before its terminator (LF, CR LF or CR)."""
    if line.endswith("\r\n"):
        return len(line) - 2
    return len(line) - 1 if line.endswith(("\n", "\r")) else len(line)


def to_index(line: str, column: int, encoding: Encoding) -> int:
    """The index of the character at a column.

    A column past the end becomes the end of the content, never a place inside the terminator;
    one inside a character becomes that character's start; a negative one becomes 0.
    """
    column = max(0, column)
    # A character takes at least one unit, so that the answer lies within the first `column` ones.
    head = line[: min(column, content_length(line))]
    if encoding == "utf-32" or head.isascii():
        return len(head)
    if encoding == "utf-8":
        return len(head.encode("utf-8", "replace")[:column].decode("utf-8", "ignore"))
    return len(head.encode("utf-16-le", "replace")[: 2 * column].decode("utf-16-le", "ignore"))


def to_column(line: str, index: int, encoding: Encoding) -> int:
    """The column of the character at an index, with the same clamping as `to_index`."""
    head = line[: max(0, min(index, content_length(line)))]
    if encoding == "utf-32" or head.isascii():
        return len(head)
    if encoding == "utf-8":
        return len(head.encode("utf-8", "replace"))
    return len(head.encode("utf-16-le", "replace")) // 2


def to_offset(text: str, index: int) -> int:
    """The UTF-8 offset of the character at an index; past the end is the end."""
    head = text[: max(0, index)]
    return len(head) if head.isascii() else len(head.encode("utf-8", "replace"))


def from_offset(text: str, offset: int) -> int:
    """The index of the character at a UTF-8 offset; inside a character is its start."""
    head = text[: max(0, offset)]
    if head.isascii():
        return len(head)
    return len(head.encode("utf-8", "replace")[:offset].decode("utf-8", "ignore"))
