# SPDX-License-Identifier: Apache-2.0
"""Edits in many files as whole texts, before and after: all of them or none.

In: a target with its snapshot, replacements by file and byte. Out: `FileChange`s. The texts must be
the ones that the index has read: where one is not, nothing is changed. Line ends, byte order marks
and every byte beside the replacements stay. It knows no action.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from indexer.files import Source
from indexer.parse import extract
from lsp_server.actions.types import FileChange, Refused

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from indexer.snapshot import Snapshot
    from lsp_server.actions.types import Target

BOM = "\ufeff".encode()
FILES_MAX = 500  # more is no edit that anybody looks through


class Edit(NamedTuple):
    """The bytes from `start` to `end` of a file, as the index knows it, become `text`."""

    start: int
    end: int
    text: bytes


def indexed(it: Target) -> Snapshot:
    """The snapshot, where it has read the target's file as it is now. Raises Refused."""
    if it.snapshot is None or it.snapshot.record(it.path) is None:
        raise Refused("this needs the index, and the file is in none")
    if not it.snapshot.report.complete:
        raise Refused("the index is still being built: uses of a name may be missing; ask again")
    _current(it, it.snapshot, it.path)
    return it.snapshot


def shift(it: Target, snapshot: Snapshot) -> int:
    """How much farther bytes of the buffer are than those of the index: a byte order mark."""
    return len(it.data) - len(snapshot.known_text(it.path))


def changes(it: Target, edits: Mapping[str, Iterable[Edit]]) -> tuple[FileChange, ...]:
    """All replacements as whole texts; the target's file first. Raises Refused."""
    snapshot = indexed(it)
    if len(edits) > FILES_MAX:
        raise Refused(f"{len(edits)} files would change, and {FILES_MAX} are the most")
    found = []
    for path in sorted(edits, key=lambda path: (path != it.path, path)):
        before, version = _current(it, snapshot, path)
        offset = len(before) - len(snapshot.known_text(path))
        after = edited(before, edits[path], offset)
        if after != before:
            found.append(FileChange(path, before.decode(), after.decode(), version))
    return tuple(found)


def edited(data: bytes, edits: Iterable[Edit], offset: int = 0) -> bytes:
    """Bytes with replacements that do not overlap. Raises Refused where they do."""
    parts, at = [], 0
    for edit in sorted(set(edits)):
        if edit.start + offset < at:
            raise Refused("two changes meet in one place")
        parts += [data[at : edit.start + offset], edit.text]
        at = edit.end + offset
    return b"".join([*parts, data[at:]])


def _current(it: Target, snapshot: Snapshot, path: str) -> tuple[bytes, int | None]:
    """A file's text as it is, with its version where it is open. Raises Refused if it is newer."""
    known = snapshot.known_text(path)
    version: int | None = None
    if path == it.path:
        data, version = it.data, it.document.version
    elif (document := it.open.get(path)) is not None:
        data, version = document.text.encode(), document.version
    else:
        saved = snapshot.saved(path)
        if not isinstance(saved, Source):
            raise Refused(f"{path} cannot be read: {saved.reason}")
        data = BOM + saved.data if saved.bom else saved.data
    newer = data.removeprefix(BOM) != known.removeprefix(BOM)
    if newer or (version is None and not _is_read(snapshot, path, known)):
        raise Refused(f"{path} was changed a moment ago and is not read yet; ask again")
    return data, version


def _is_read(snapshot: Snapshot, path: str, data: bytes) -> bool:
    """Whether the record is of this text: a file may have been saved since it was read."""
    record = snapshot.record(path)
    return record is not None and extract(record.language, data) == record


def where(snapshot: Snapshot, path: str, at: int) -> str:
    """`path:line` for messages."""
    line = snapshot.known_text(path).count(b"\n", 0, at) + 1
    return f"{path}:{line}"
