# SPDX-License-Identifier: Apache-2.0
"""Versioned text of open files, as frozen values, and the store that holds the newest of each.

In: what the editor opened and changed, in columns of the negotiated encoding. Out: `Document`s,
whose places are (line, index), both from 0, the index in characters.
It knows no protocol library, no disk and no model. A line ends at LF, CR LF or CR and nowhere
else; the last line has no terminator and may be empty. No text here holds a lone surrogate.
"""

from __future__ import annotations

import io
import os
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, unquote_to_bytes

from lsp_server import positions

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from lsp_server.positions import Encoding

_BOM: Final = "\ufeff"
_LONE_SURROGATE: Final = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A place between two characters of a document: the line, and the index into it, from 0."""

    line: int
    index: int


@dataclass(frozen=True, slots=True)
class Change:
    """One edit as the editor sends it: (line, column) pairs in the negotiated encoding.

    Without `start` and `end` the text replaces the whole document.
    """

    text: str
    start: tuple[int, int] | None = None
    end: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Document:
    """The text of a file at one version. `path` is None for what is not a file (`untitled:`)."""

    uri: str
    path: Path | None
    language_id: str
    version: int
    lines: tuple[str, ...]

    @property
    def text(self) -> str:
        return "".join(self.lines)

    @property
    def has_bom(self) -> bool:
        """Whether the text starts with a byte order mark, which stays a part of it."""
        return self.lines[0].startswith(_BOM)

    def place(self, line: int, column: int, encoding: Encoding) -> Place:
        """The nearest place to a position of the editor: past the end is the end."""
        return _place(self.lines, (line, column), encoding)

    def position(self, place: Place, encoding: Encoding) -> tuple[int, int]:
        """A place as (line, column) of the editor."""
        return place.line, positions.to_column(self.lines[place.line], place.index, encoding)

    def offset(self, place: Place) -> int:
        """Characters before a place, counted from the start of the text."""
        return sum(map(len, self.lines[: place.line])) + place.index

    def offset_position(self, offset: int) -> Place:
        """The place after `offset` characters. It is never inside a terminator nor past the end."""
        rest = max(0, offset)
        for number, line in enumerate(self.lines):
            if rest < len(line):
                return Place(number, min(rest, positions.content_length(line)))
            rest -= len(line)
        return Place(len(self.lines) - 1, len(self.lines[-1]))

    def prefix(
        self, place: Place, *, max_lines: int | None = None, max_chars: int | None = None
    ) -> str:
        """The text before a place, at most so many lines (the place's own counts) or characters."""
        pieces = [self.lines[place.line][: place.index]]
        above = (self.lines[number] for number in range(place.line - 1, -1, -1))
        pieces += _bounded(above, len(pieces[0]), max_lines, max_chars)
        text = "".join(reversed(pieces))
        return text if max_chars is None else text[max(0, len(text) - max_chars) :]

    def suffix(
        self, place: Place, *, max_lines: int | None = None, max_chars: int | None = None
    ) -> str:
        """The text after a place, bounded as in `prefix`."""
        pieces = [self.lines[place.line][place.index :]]
        below = (self.lines[number] for number in range(place.line + 1, len(self.lines)))
        pieces += _bounded(below, len(pieces[0]), max_lines, max_chars)
        return "".join(pieces)[:max_chars]


def _bounded(
    lines: Iterable[str], chars: int, max_lines: int | None, max_chars: int | None
) -> Iterator[str]:
    """Lines for as long as both bounds leave room; the last one may be longer than the room."""
    for count, line in enumerate(lines, start=2):
        if (max_lines is not None and count > max_lines) or (
            max_chars is not None and chars >= max_chars
        ):
            return
        yield line
        chars += len(line)


def from_text(uri: str, text: str, *, language_id: str = "", version: int = 0) -> Document:
    """A document of the whole text."""
    lines = tuple(_split_lines(_without_lone_surrogates(text)))
    return Document(uri, path_of(uri), language_id, version, lines)


def apply(
    document: Document, changes: Sequence[Change], version: int, encoding: Encoding
) -> Document:
    """The document after the changes, each of which sees the text that the one before it left.

    Reversed ranges are turned round, places past the end become the end. Only the lines that a
    change touches are looked at; the others are the same objects as before.
    """
    lines = list(document.lines)
    for change in changes:
        text = _without_lone_surrogates(change.text)
        if change.start is None or change.end is None:
            lines = _split_lines(text)
        else:
            ends = (_place(lines, change.start, encoding), _place(lines, change.end, encoding))
            _splice(lines, min(ends), max(ends), text)
    return replace(document, version=version, lines=tuple(lines))


def lf(text: str) -> str:
    """Text with LF alone at the ends of its lines, as models and parsers are used to."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def behind(document: Document, start: Place, text: str) -> Place:
    """The place behind text that was put in at another, without counting through the document.

    Never outside of the document: a client's positions may have been.
    """
    added = lf(text).split("\n")
    line = min(start.line + len(added) - 1, len(document.lines) - 1)
    index = len(added[-1]) + (start.index if len(added) == 1 else 0)
    return Place(line, min(index, len(document.lines[line])))


def _splice(lines: list[str], start: Place, end: Place, text: str) -> None:
    first, after = start.line, end.line + 1
    text = lines[first][: start.index] + text + lines[end.line][end.index :]
    # Only here can two neighbours become one: a lone CR above and an LF that now follows it.
    # Below, the last touched line keeps its own terminator, or is the last line of all.
    if first > 0 and text.startswith("\n") and lines[first - 1].endswith("\r"):
        first -= 1
        text = lines[first] + text
    fresh = _split_lines(text)
    if after < len(lines):
        fresh.pop()  # the empty line after the last terminator: the next line stands there
    lines[first:after] = fresh


def _place(lines: Sequence[str], position: tuple[int, int], encoding: Encoding) -> Place:
    line, column = position
    if line < 0:
        return Place(0, 0)
    if line >= len(lines):
        return Place(len(lines) - 1, len(lines[-1]))
    return Place(line, positions.to_index(lines[line], column, encoding))


def _split_lines(text: str) -> list[str]:
    # Not str.splitlines: it also ends a line at FF, VT, NEL, U+2028 and others; editors do not.
    lines = io.StringIO(text, newline="").readlines()
    if not lines or lines[-1].endswith(("\n", "\r")):
        lines.append("")
    return lines


def _without_lone_surrogates(text: str) -> str:
    # JSON can spell half a character; nothing can encode it, so that it would break things later.
    return text if text.isascii() else _LONE_SURROGATE.sub("\ufffd", text)


def path_of(uri: str) -> Path | None:
    """The file that a `file:` URI names, None for any other URI."""
    text = file_name(uri, windows=os.name == "nt")
    return None if text is None else Path(text)


def file_name(uri: str, *, windows: bool) -> str | None:
    """The absolute file name in a `file:` URI by the rules of either kind of system.

    `?` and `#` that a client forgot to escape are taken as parts of the name.
    """
    if uri[:5].lower() != "file:":
        return None
    rest, host = uri[5:], ""
    if rest.startswith("//"):
        host, slash, rest = rest[2:].partition("/")
        rest = slash + rest
    host = "" if host.lower() == "localhost" else host
    name = _windows_name(host, unquote(rest)) if windows else _posix_name(host, rest)
    return None if name is None or "\0" in name else name


def _posix_name(host: str, rest: str) -> str | None:
    return os.fsdecode(unquote_to_bytes(rest)) if rest.startswith("/") and not host else None


def _windows_name(host: str, rest: str) -> str | None:
    if host:
        return "\\\\" + host + rest.replace("/", "\\")  # a share: \\host\share\...
    if re.match(r"/[A-Za-z]:", rest):
        return rest[1:].replace("/", "\\")
    return None


class Documents:
    """The newest version of every open document. Used from one thread.

    Nothing is raised: what an editor does wrong comes back as a one-line problem. After a change
    that does not continue from the version we hold, the true text is unknown: `get` then returns
    None, rather than a text that the editor no longer shows, until the document is opened again
    or replaced as a whole under a higher version. A jump upwards is allowed by the protocol.
    """

    def __init__(self) -> None:
        self._documents: dict[str, Document] = {}
        self._out_of_step: set[str] = set()

    def __iter__(self) -> Iterator[Document]:
        return iter([d for uri, d in self._documents.items() if uri not in self._out_of_step])

    def get(self, uri: str) -> Document | None:
        """The newest version, None when it is not open or its text is not known for certain."""
        return None if uri in self._out_of_step else self._documents.get(uri)

    def open(self, uri: str, language_id: str, version: int, text: str) -> Document:
        document = from_text(uri, text, language_id=language_id, version=version)
        self._documents[uri] = document
        self._out_of_step.discard(uri)
        return document

    def change(
        self, uri: str, version: int, changes: Sequence[Change], encoding: Encoding
    ) -> tuple[Document | None, str | None]:
        """(the new document, None), or (None, the problem)."""
        old = self._documents.get(uri)
        if old is None:
            return None, "a change to a document that is not open was ignored"
        if version <= old.version:
            self._out_of_step.add(uri)
            return None, f"a change to version {version} came after version {old.version}"
        whole = any(change.start is None or change.end is None for change in changes)
        if uri in self._out_of_step and not whole:
            return None, "a change to a document whose text is not known was ignored"
        document = apply(old, changes, version, encoding)
        self._documents[uri] = document
        self._out_of_step.discard(uri)
        return document, None

    def lose(self, uri: str) -> None:
        """Say that a change was missed: the text is unknown until it is opened or replaced."""
        if uri in self._documents:
            self._out_of_step.add(uri)

    def close(self, uri: str) -> str | None:
        """Forget a document. Returns the problem when it was not open."""
        self._out_of_step.discard(uri)
        if self._documents.pop(uri, None) is None:
            return "a document that is not open was closed"
        return None
