# SPDX-License-Identifier: Apache-2.0
"""Changed files to the disk, all or none, in their own encodings and with their own modes.

In: changes with the files they are about, as `actions.ground` has found them. Out: nothing, or an
OSError or `Refused`, and then every file is as it was. What is new and what was is written beside
its place first; only when all of that is there do they take their places, one rename each, so that
going back needs renames alone, and no room on the disk.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from typing import TYPE_CHECKING, NamedTuple

from engine.atomic import NEW_SUFFIX
from indexer.files import encode
from lsp_server.actions.ground import BOM
from lsp_server.actions.types import Refused

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from lsp_server.actions.ground import Held

_BINARY: int = getattr(os, "O_BINARY", 0)  # Windows alone tells text from bytes
NEW_FILE_MODE = 0o666  # less what the user's mask takes from it
WRITABLE = 0o222


class _Ready(NamedTuple):
    """A file that is written beside its place."""

    path: Path
    beside: Path
    before: bytes | None = None  # what is there now; None: nothing
    copy: Path | None = None  # of that


def write_all(files: Sequence[Held]) -> None:
    """Write every file. Raises Refused or OSError; nothing has changed then."""
    made: list[Path] = []
    ready: list[_Ready] = []
    try:
        for file in files:
            _make_folders(file.path.parent, made)
            ready.append(_prepared(file))
        _take_places(ready)
    except BaseException:
        _clean(ready)
        for folder in reversed(made):
            with contextlib.suppress(OSError):  # somebody else uses it by now
                folder.rmdir()
        raise
    _clean(ready)


def encoded(file: Held) -> bytes:
    """The bytes of a changed file, in its own encoding. Raises Refused where that cannot say it."""
    text, source = file.change.after, file.source
    if source is None:
        return text.encode("utf-8")
    try:
        return encode(text.removeprefix(BOM), source.encoding, source.bom)
    except UnicodeEncodeError as error:
        odd = error.object[error.start]
        raise Refused(f"{file.change.path} is {source.encoding}, which has no {odd!r}") from error


def _prepared(file: Held) -> _Ready:
    data, path = encoded(file), file.path
    beside = _named_after(path)
    if file.source is None:
        _write(beside, data, None)
        return _Ready(path, beside)
    before, mode = path.read_bytes(), stat.S_IMODE(path.stat().st_mode)
    if not mode & WRITABLE or not os.access(path, os.W_OK):
        raise Refused(f"{file.change.path} is read-only")
    _unchanged(file, before)
    copy = _named_after(path)
    _write(copy, before, mode)
    try:
        _write(beside, data, mode)
    except BaseException:
        _remove(copy)
        raise
    return _Ready(path, beside, before, copy)


def _named_after(path: Path) -> Path:
    return path.with_name(f"{path.name}-{secrets.token_hex(8)}{NEW_SUFFIX}")


def _unchanged(file: Held, now: bytes) -> None:
    """The bytes that were read come from the text before, and from no other."""
    source = file.source
    assert source is not None
    if now != encode(source.data.decode("utf-8"), source.encoding, source.bom):
        raise Refused(f"{file.change.path} was changed meanwhile; ask again")


def _take_places(ready: Sequence[_Ready]) -> None:
    done: list[_Ready] = []
    try:
        for each in ready:
            _still(each)
            done.append(each)
            each.beside.replace(each.path)
    except BaseException:
        for each in reversed(done):
            _put_back(each)
        raise


def _still(each: _Ready) -> None:
    now = each.path.read_bytes() if each.path.exists() else None
    if now != each.before:
        raise Refused(f"{each.path.name} was changed meanwhile; ask again")


def _put_back(each: _Ready) -> None:
    if each.beside.exists():
        return  # it had not taken its place
    if each.copy is None:
        each.path.unlink()
    else:
        each.copy.replace(each.path)


def _write(path: Path, data: bytes, mode: int | None) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _BINARY, mode or NEW_FILE_MODE)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if mode is not None:
            path.chmod(mode)  # whatever the user's mask takes from new files
    except BaseException:
        _remove(path)
        raise


def _make_folders(folder: Path, made: list[Path]) -> None:
    """Make a folder and those around it; `made` gets what was not there, outermost first."""
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    for each in reversed(missing):
        each.mkdir()
        made.append(each)


def _clean(ready: Sequence[_Ready]) -> None:
    for each in ready:
        _remove(each.beside)
        if each.copy is not None:
            _remove(each.copy)


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):  # the first error is the one to tell
        path.unlink(missing_ok=True)
