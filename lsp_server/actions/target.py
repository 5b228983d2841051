# SPDX-License-Identifier: Apache-2.0
"""What is at a selection: from a request to a `Target`, and looks that all actions share.

In: a document, places in it, the session's index. Out: a frozen `Target`; symbols around it, text
of it. Syntax and index only. It knows no model and no protocol.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from indexer import languages
from indexer.parse import extract
from indexer.window import cut
from indexer.window import unit as unit_of
from lsp_server.actions.types import Refused, Target

if TYPE_CHECKING:
    from indexer.snapshot import Snapshot
    from indexer.types import FileRecord, Symbol
    from lsp_server.actions.types import Request
    from lsp_server.documents import Document
    from lsp_server.session import Session

MAX_BYTES = 1_048_576  # of the file; the index reads no larger ones
PARSED_HERE_BYTES = 65_536  # in 20 ms
WAIT_S = 2.0  # for the index, which reads a text once the user pauses
LOOK_AGAIN_S = 0.02
FUNCTIONS = ("function", "method", "constructor")
SEEN_CHARS = 4000  # of a file, to see how it is indented


def target(request: Request, session: Session) -> Target:
    """Look at a request; not for the event loop. Raises Refused."""
    document = request.document
    data = document.text.encode()
    if len(data) > MAX_BYTES:
        raise Refused(f"the file has {len(data):,} bytes, and {MAX_BYTES:,} are the most")
    path = session.shown_path(document)
    language = languages.detect(path) if document.path else document.language_id
    snapshot, record = _indexed(document, path, data, session)
    start, end = sorted((request.start, request.end))
    return Target(
        document,
        path,
        language,
        data,
        _bytes_before(document.text, document.offset(start)),
        _bytes_before(document.text, document.offset(end)),
        record or extract(language, data),
        session.root(document.path) if document.path else None,
        snapshot,
        _open(session, snapshot),
        request.instruction,
        request.diagnostics,
    )


def _indexed(
    document: Document, path: str, data: bytes, session: Session
) -> tuple[Snapshot | None, FileRecord | None]:
    """The repository as it is known now, and the record of just this text if it has one.

    To parse a long text here would hold the interpreter: the index's workers are waited for.
    """
    indexed = session.indexing.of(document.path) if document.path is not None else None
    if indexed is None:
        return None, None
    until = time.monotonic() + (WAIT_S if len(data) > PARSED_HERE_BYTES else 0.0)
    while True:
        snapshot = indexed.snapshot()
        if snapshot is not None and snapshot.known_text(path) == data:
            return snapshot, snapshot.record(path)
        if document.has_bom or time.monotonic() >= until:
            return snapshot, None
        time.sleep(LOOK_AGAIN_S)


def function_at(it: Target) -> Symbol | None:
    """The innermost function around the selection, or whose header it touches."""
    return _innermost(it, FUNCTIONS)


def symbol_at(it: Target) -> Symbol | None:
    """The innermost definition around the selection, of any kind."""
    return _innermost(it, ())


def text_of(it: Target, symbol: Symbol) -> str:
    """A definition's text, from its line's indentation on."""
    return it.data[line_start(it, symbol.start) : symbol.end].decode()


def line_start(it: Target, offset: int) -> int:
    """The first byte of the line that holds `offset`."""
    return it.data.rfind(b"\n", 0, offset) + 1


def indent_at(it: Target, offset: int) -> str:
    """The white space at the start of the line that holds `offset`."""
    start = line_start(it, offset)
    line = it.data[start:].partition(b"\n")[0].decode()
    return line[: len(line) - len(line.lstrip())]


def indent_unit(it: Target) -> str:
    """One step of indentation as this file has it."""
    return unit_of(cut(it.language, it.data.decode()[:SEEN_CHARS], ""), it.language)


def newline(it: Target) -> str:
    """The line end of the file: that of its first line."""
    return "\r\n" if it.document.lines[0].endswith("\r\n") else "\n"


def replaced(it: Target, start: int, end: int, text: str) -> str:
    """The whole text with bytes `start` to `end` replaced; `text` gets the file's line ends."""
    if newline(it) == "\r\n":
        text = text.replace("\r\n", "\n").replace("\n", "\r\n")
    return (it.data[:start] + text.encode() + it.data[end:]).decode()


def _innermost(it: Target, kinds: tuple[str, ...]) -> Symbol | None:
    around = [
        symbol
        for symbol in it.record.symbols
        if line_start(it, symbol.start) <= it.start
        and it.end <= symbol.end
        and (not kinds or symbol.kind in kinds)
    ]
    return max(around, key=lambda symbol: (symbol.start, -symbol.end), default=None)


def _bytes_before(text: str, offset: int) -> int:
    return len(text[:offset].encode())


def _open(session: Session, snapshot: Snapshot | None) -> dict[str, Document]:
    if snapshot is None:
        return {}
    root = Path(snapshot.root)
    found = {}
    for document in session.documents:
        path = document.path.resolve() if document.path else None
        if path is not None and path.is_relative_to(root) and session.may_read(path):
            found[path.relative_to(root).as_posix()] = document
    return found
