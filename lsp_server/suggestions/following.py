# SPDX-License-Identifier: Apache-2.0
"""What follows from each edit of late, in the order in which it is to be looked at.

In: the open documents, a snapshot of the repository, edits with the newest first. Out: groups of
echoes; a later group is only worked out when an earlier one had nothing that still fits.
Texts and records are looked up once for an answer. It knows no cursor and no protocol.
"""

from __future__ import annotations

import time
from bisect import bisect_right
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING

from indexer import echoes_elsewhere, languages, likeness, masks
from indexer.echoes import Echo, Renamed, echoes
from indexer.headers import Edited, changed_signature
from indexer.parse import extract
from lsp_server.documents import Place, from_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from indexer.likeness import Piece, Rule
    from indexer.snapshot import Snapshot
    from indexer.types import FileRecord
    from lsp_server.documents import Document
    from lsp_server.session import Session
    from lsp_server.suggestions.hunks import Hunk

    Edits = Sequence[tuple[Document, Hunk]]
    Words = set[tuple[bytes, bytes]]

LOOK_S = 0.03  # at other files for one answer: a listing of actions has 50 ms
EXTRACT_MAX_BYTES = 64 * 1024  # read here and now where the index is behind: 20 ms
PIECES_MAX = 8  # of one edit
AGAIN = "the same change was made elsewhere"
ALIKE = "the same change as in a like line"


class Look:
    """Texts, records and paths for one answer."""

    def __init__(
        self, session: Session, snapshot: Snapshot | None, opened: Sequence[Document]
    ) -> None:
        self.snapshot = snapshot
        self._session = session
        self._open = {self.path(document): document for document in opened}
        self._data: dict[str, bytes] = {}
        self._codes: dict[str, bytes] = {}
        self._records: dict[str, FileRecord | None] = {}
        self._starts: dict[str, list[int]] = {}

    def path(self, document: Document) -> str:
        """As the index names it; an address for what is not a file of the repository."""
        if document.path is None or self.snapshot is None:
            return document.uri
        root = Path(self.snapshot.root)
        for path in (document.path, document.path.resolve()):
            if path.is_relative_to(root):
                return path.relative_to(root).as_posix()
        return document.uri

    def documents(self) -> list[Document]:
        """Open ones that may be read."""
        return [each for each in self._open.values() if self._may_read(each.path)]

    def open(self, path: str) -> Document | None:
        """The open document of a path that may be read."""
        document = self._open.get(path)
        return document if document is not None and self._may_read(document.path) else None

    def closed(self, path: str) -> Document | None:
        """A file that is not open, as the disk says now; None where it is gone or not for us."""
        if self.snapshot is None or path in self._open:
            return None
        file = Path(self.snapshot.root) / path
        data = self.snapshot.text(path) if self._may_read(file) else b""
        try:
            return from_text(file.as_uri(), data.decode()) if data else None
        except UnicodeDecodeError:
            return None

    def _may_read(self, path: Path | None) -> bool:
        return path is None or self._session.may_read(path)

    def data(self, document: Document) -> bytes:
        if document.uri not in self._data:
            self._data[document.uri] = document.text.encode()
        return self._data[document.uri]

    def language(self, document: Document) -> str:
        return languages.detect(document.path.name) if document.path else document.language_id

    def code(self, document: Document) -> bytes:
        if document.uri not in self._codes:
            found = masks.code_of(self.language(document), self.data(document))
            self._codes[document.uri] = found
        return self._codes[document.uri]

    def record(self, document: Document) -> FileRecord | None:
        """Of the text as it is: from the index, else read now where that takes no time."""
        if document.uri not in self._records:
            self._records[document.uri] = self._record(document)
        return self._records[document.uri]

    def _record(self, document: Document) -> FileRecord | None:
        path, data = self.path(document), self.data(document)
        if self.snapshot is not None and self.snapshot.known_text(path) == data:
            return self.snapshot.record(path)
        language = self.language(document)
        if len(data) > EXTRACT_MAX_BYTES or language not in masks.KNOWN:
            return None
        return extract(language, data)

    def offset(self, document: Document, place: Place) -> int:
        """Bytes before a place."""
        line = document.lines[place.line]
        return self._line_starts(document)[place.line] + len(line[: place.index].encode())

    def place(self, document: Document, offset: int) -> Place:
        """The place behind so many bytes."""
        starts = self._line_starts(document)
        line = min(bisect_right(starts, offset), len(document.lines)) - 1
        head = document.lines[line].encode()[: offset - starts[line]]
        return Place(line, len(head.decode("utf-8", "ignore")))

    def _line_starts(self, document: Document) -> list[int]:
        if document.uri not in self._starts:
            sizes = (len(line.encode()) for line in document.lines)
            self._starts[document.uri] = [0, *accumulate(sizes)]
        return self._starts[document.uri]


class Made:
    """One edit with its text before and after, in bytes."""

    def __init__(self, look: Look, document: Document, hunk: Hunk) -> None:
        self.document, self.hunk = document, hunk
        self.start = look.offset(document, Place(hunk.start, 0))
        self.old = "".join(hunk.old).encode()
        self.new = "".join(hunk.now(document)).encode()
        self.pieces = likeness.pieces(self.old, self.new)[:PIECES_MAX]
        data = look.data(document)
        self._before = data[: self.start] + self.old + data[self.start + len(self.new) :]
        self._language = look.language(document)
        self._code_before: bytes | None = None

    @property
    def code_before(self) -> bytes:
        """The whole text before the edit, without strings and comments."""
        if self._code_before is None:
            self._code_before = masks.code_of(self._language, self._before)
        return self._code_before

    def is_line(self) -> bool:
        return len(self.hunk.old) == 1 == self.hunk.end - self.hunk.start

    def was_code(self, piece: Piece) -> bool:
        at = self.start + piece.old_at
        return self.code_before[at : at + len(piece.old)] == piece.old


def follow(look: Look, document: Document, edits: Edits) -> Iterator[list[Echo]]:
    """What follows from edits, newest first: by name, by signature, by likeness."""
    until = time.perf_counter() + LOOK_S
    made = [Made(look, where, hunk) for where, hunk in edits if look.open(look.path(where))]
    names: Words = set()
    for each in made:
        yield from _by_name(look, each, names, until)
        yield from _by_signature(look, each, until)
    for at, each in enumerate(made):
        yield from _by_likeness(look, document, each, made[at + 1 :], names)


def _by_name(look: Look, made: Made, names: Words, until: float) -> Iterator[list[Echo]]:
    language = look.language(made.document)
    for piece in made.pieces:
        record = look.record(made.document) if _is_renaming(language, piece) else None
        if record is None or (piece.new, piece.old) in names:
            continue
        path, data, code = (
            look.path(made.document),
            look.data(made.document),
            look.code(made.document),
        )
        it = Renamed(path, data, code, record, made.start + piece.at, piece.old, piece.new)
        bound = it.binding()
        if bound is None:
            continue
        names.add((piece.old, piece.new))
        yield echoes(it, bound)
        if look.snapshot is not None and look.path(made.document) in look.snapshot.overlays:
            yield list(echoes_elsewhere.renamed(look.snapshot, it, bound, until))


def _is_renaming(language: str, piece: Piece) -> bool:
    return masks.is_word(language, piece.old) and masks.is_word(language, piece.new)


def _by_signature(look: Look, made: Made, until: float) -> Iterator[list[Echo]]:
    record = look.record(made.document) if made.pieces else None
    if record is None or look.snapshot is None:
        return
    code = look.code(made.document)
    it = Edited(look.path(made.document), made.code_before, code, record, made.start)
    places = {made.start + piece.at for piece in made.pieces}
    found = (changed_signature(it, at) for at in sorted(places))
    signature = next((each for each in found if each is not None), None)
    if signature is not None:
        yield list(echoes_elsewhere.calls(look.snapshot, signature, until))


def _by_likeness(
    look: Look, document: Document, made: Made, older: Sequence[Made], names: Words
) -> Iterator[list[Echo]]:
    rule = likeness.block_rule(made.old, made.new) if made.is_line() else None
    if rule is not None:
        yield list(_block(look, made, rule))
    for other in older:
        pieces = [p for p in made.pieces if (p.old, p.new) not in names]
        piece = likeness.common_piece(pieces, other.pieces)
        if piece is not None and (piece.new, piece.old) not in names:
            names.add((piece.old, piece.new))
            is_code = made.was_code(piece)
            for where in _asked_first(look, document):
                yield list(_again(look, where, piece, is_code=is_code))
        elif piece is None and made.is_line() and other.is_line() and pieces:
            rule = likeness.common_rule(made.old, made.new, other.old, other.new)
            if rule is not None:
                for where in _asked_first(look, document):
                    yield list(_alike(look, where, rule))


def _asked_first(look: Look, document: Document) -> list[Document]:
    """The document that is asked from, then other open ones in the same language."""
    language = look.language(document)
    others = [d for d in look.documents() if d.uri != document.uri and look.language(d) == language]
    return [document, *others]


def _again(look: Look, document: Document, piece: Piece, *, is_code: bool) -> Iterator[Echo]:
    data, code = look.data(document), look.code(document)
    for start in likeness.places_of(piece, data):
        end = start + len(piece.old)
        if (code[start:end] == piece.old) == is_code:
            yield Echo(look.path(document), start, end, piece.old, piece.new, AGAIN)


def _alike(look: Look, document: Document, rule: Rule) -> Iterator[Echo]:
    data, code = look.data(document), look.code(document)
    for start, old, new in likeness.lines_of(rule, data):
        if code[start : start + 1] == data[start : start + 1]:
            yield Echo(look.path(document), start, start + len(old), old, new, ALIKE)


def _block(look: Look, made: Made, rule: Rule) -> Iterator[Echo]:
    lines = [line.encode() for line in made.document.lines]
    for number in likeness.block_around(rule, lines, made.hunk.start):
        line = made.document.lines[number]
        start = look.offset(made.document, Place(number, len(line) - len(line.lstrip())))
        old = lines[number].strip()
        new = rule.apply(old)
        assert new is not None
        yield Echo(look.path(made.document), start, start + len(old), old, new, ALIKE)
