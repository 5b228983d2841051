# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: PTH118  strings: a repository has 50,000 files
"""An index that somebody else made, taken over as far as the files here are the ones it is about.

In: an archive whose bytes are as they were made; a root. Out: a store and a search index that the
next start finds warm. Every record stands under the hash of a text, and is used for a file only
whose bytes here, read now, have that hash and whose language is found to be the same; the policy
of this machine decides about every path. Some files are read anew and must give the very records.
What does not fit is worked out here as if there were no archive.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import time
import uuid
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from indexer.changes import is_settled, stamp_of
from indexer.exchange import Archive, BadArchive
from indexer.exchange_out import SEARCH_META
from indexer.files import HEAD_BYTES, MAX_FILE_BYTES
from indexer.index import POLICY_NOTE
from indexer.languages import detect
from indexer.library import Library, search_folder
from indexer.parse import read_parts
from indexer.policy import Policy, Refused, Way, open_decided, read_up_to, rules_digest
from indexer.refresh import STAMP_BITS
from indexer.search import Busy, SearchError
from indexer.store import Counts, Stock
from indexer.types import pack_record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from indexer.policy import Decision

AUDITED = 16  # files read anew: of an archive that lies about every fifth, 1 in 35 gets through
AUDIT_MAX_BYTES = 65_536  # no parser takes long for so little; a worker would take 0.3 s to start
GONE = -1  # the mark of a row whose windows are to leave the search index
_KINDS = ("idx", "pos", "term", "store", "fast", "fieldnorm")


@dataclass(frozen=True, slots=True)
class Imported:
    """files: here and as in the archive; others: in the archive, but not here or not as there."""

    files: int
    others: int
    audited: int
    seconds: float


def adopt(
    archive: Archive,
    root: str | os.PathLike[str],
    cache: Path,
    excludes: Iterable[str] = (),
    audited: int = AUDITED,
) -> Imported | None:
    """Fill the empty index of `root`; None where it has something already, which stays.

    Raises BadArchive; StoreError, SearchError, OSError, Busy where nothing can be written.
    """
    started = time.perf_counter()
    place, excludes = os.path.realpath(root), tuple(excludes)
    library = Library(cache, place)
    try:
        if library.store.last_blob() or library.store.files():
            return None
        with ThreadPoolExecutor(1, "index-import") as threads:
            checked = Future[list[Any]]()
            filled = threads.submit(
                _fill, library, archive, checked.result, rules_digest(place, excludes)
            )
            try:
                rows, texts = _matched(archive, place, excludes, audited)
                count = _audit(archive, rows, texts)
                checked.set_result(rows)
            except BaseException as error:
                checked.set_exception(error)  # takes the writing back
                raise
            done = filled.result()
    finally:
        library.close(clean=False)
    matched = sum(row[3] != GONE for row in rows)
    seconds = time.perf_counter() - started
    return Imported(matched, len(rows) - matched, count, seconds) if done else None


def _fill(library: Library, archive: Archive, rows: Callable[[], list[Any]], rules: str) -> bool:
    """The records are written while the files are still looked at; the rest once that is done.

    The search index comes before the rows, which say that it has them: a kill may come between.
    """

    def placed() -> list[Any]:
        found = rows()
        assert library.path is not None
        _place_search(search_folder(library.path), archive.search)
        return found

    writing = library.search.begin()  # nobody else writes meanwhile
    try:
        blobs = [(i, key, Counts(*counts), names, r) for i, key, counts, names, r in archive.blobs]
        return library.store.adopt(Stock(blobs, placed, archive.derived, {POLICY_NOTE: rules}))
    finally:
        writing.abandon()


# --- which files are the ones ---


def _matched(
    archive: Archive, root: str, excludes: tuple[str, ...], audited: int
) -> tuple[list[Any], dict[str, bytes]]:
    """Rows for the store, and the texts of some files, chosen by chance.

    A row of a file that is not here, or is another, is a mark: it has windows to be removed.
    """
    keys = {blob: key for blob, key, *_ in archive.blobs}
    small = [row[0] for row in archive.files if row[2] <= AUDIT_MAX_BYTES]
    chosen = set(secrets.SystemRandom().sample(small, min(audited, len(small))))
    policy = Policy.load([root], excludes)
    decisions = policy.decide_all(os.path.join(root, row[0]) for row in archive.files)
    rows, texts = [], {}
    with closing(Way()) as way:
        for (path, blob, _, _, searched), decision in zip(archive.files, decisions, strict=True):
            data, stamp = _read(decision, way) if decision.relative == path else (None, 0)
            if data is not None and _key(path, data) == keys[blob]:
                rows.append((path, blob, len(data), stamp, searched))
                if path in chosen:
                    texts[path] = data
            else:
                rows.append((path, 0, 0, GONE, searched))
    return rows, texts


def _read(decision: Decision, way: Way) -> tuple[bytes | None, int]:
    """A file's bytes and its stamp; None where it may not be read, or cannot."""
    if not decision.allowed or decision.via_link:
        return None, 0
    try:
        with open_decided(decision, way) as opened:
            status = opened.stat
            if status.st_size > MAX_FILE_BYTES:
                return None, 0
            data = read_up_to(opened.file, status.st_size)  # more by now is another file
    except (OSError, Refused):
        return None, 0
    settled = is_settled(status, time.time_ns())
    return data, stamp_of(status) & STAMP_BITS if settled else 0


def _key(path: str, data: bytes) -> str:
    """As `refresh` names a record: by the bytes on the disk, and the language it finds."""
    digest = hashlib.blake2b(data, digest_size=16).hexdigest()
    return f"{digest}.{detect(path, data[:HEAD_BYTES])}"


def _audit(archive: Archive, rows: list[Any], texts: Mapping[str, bytes]) -> int:
    """Read some files anew: an archive whose records are others is refused. Returns how many."""
    records = {blob: (key, record) for blob, key, _, _, record in archive.blobs}
    blobs = {row[0]: row[1] for row in rows}
    count = 0
    for path, data in texts.items():
        key, record = records[blobs[path]]
        try:
            data.decode("utf-8")
        except UnicodeDecodeError:
            continue  # what the parser saw is not what is on the disk
        if data.startswith(b"\xef\xbb\xbf"):
            continue
        if pack_record(*read_parts(key.rpartition(".")[2], data)) != record:
            raise BadArchive(f"the archive says of {path} what is not so: it is not used")
        count += 1
    return count


# --- the search index ---


def _place_search(folder: Path, files: Mapping[str, bytes]) -> None:
    """Put the segments there under names of our own making, then say that they are there."""
    meta_file = folder / SEARCH_META
    meta = json.loads(meta_file.read_text("utf-8"))
    if meta["segments"]:
        raise SearchError("the search index is not empty")
    theirs = _their_meta(files)
    if theirs.get("schema") != meta["schema"]:
        raise BadArchive("the archive's search index is of another kind")
    names, segments = [], []
    for segment in theirs.get("segments", ()):
        mine, row = _segment(segment, files)
        segments.append(row)
        names += mine
    for name in names:
        (folder / name).write_bytes(files[name])
    _replace(folder / ".managed.json", [*names, SEARCH_META])
    _replace(meta_file, {**meta, "segments": segments, "opstamp": int(theirs["opstamp"])})


def _their_meta(files: Mapping[str, bytes]) -> dict[str, Any]:
    try:
        meta = json.loads(files[SEARCH_META])
        if not isinstance(meta, dict) or not 0 <= int(meta["opstamp"]) < 1 << 40:
            raise BadArchive("the archive's search index is not well formed")
    except (KeyError, ValueError, TypeError, RecursionError) as error:
        raise BadArchive("the archive's search index is not well formed") from error
    return meta


def _segment(segment: Any, files: Mapping[str, bytes]) -> tuple[list[str], dict[str, Any]]:
    """The files of a segment and its row. A name is made from its number: it can be no path."""
    try:
        number = uuid.UUID(segment["segment_id"])
        docs = segment["max_doc"]
        whole = segment["deletes"] is None and type(docs) is int and 0 < docs < 1 << 31
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise BadArchive("the archive's search index is not well formed") from error
    names = [f"{number.hex}.{kind}" for kind in _KINDS]
    if not whole or not all(name in files for name in names):
        raise BadArchive("the archive's search index is not whole")
    return names, {"segment_id": str(number), "max_doc": docs, "deletes": None}


def _replace(file: Path, content: Any) -> None:
    part = file.with_name(f"{file.name}.part")
    part.write_text(json.dumps(content), "utf-8")
    part.replace(file)


__all__ = ["Busy", "Imported", "adopt"]
