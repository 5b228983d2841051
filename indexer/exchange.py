# SPDX-License-Identifier: Apache-2.0
"""An index as one file that can be handed on: written whole, read with suspicion.

In: an `Archive` of plain rows and bytes. Out: the same, or `BadArchive` with one line.
Layout: magic, SHA-256 of the manifest, its length, the manifest, the sections in its order. The
manifest has the size and the SHA-256 of every section, so no byte can change unnoticed, and the
SHA-256 of the manifest names the whole. Sections are msgpack behind zlib: nothing in them can be
run, no file is opened as a database, and no name in them becomes a path.
It knows no repository and no store. Nothing here is trusted for what it says: see `exchange_in`.
"""

from __future__ import annotations

import hashlib
import sys
import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgpack

from indexer.types import RECORD_VERSION

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MAGIC = b"GWINDEX1"
DIGEST_BYTES = 32
LENGTH_BYTES = 4
MANIFEST_MAX_BYTES = 65_536  # some lines; a larger one is something else
# 50,000 files take 150 MB of records; ten times that is no repository that a person opens.
SECTION_MAX_BYTES = 1_500_000_000
SECTIONS = ("blobs", "files", "derived", "search")
COMPRESSION = 6
THREADS = 2  # the two large sections
LIBRARIES = ("msgpack", "tantivy", "tree-sitter", "tree-sitter-language-pack")


class BadArchive(Exception):
    """What is wrong with an archive, in one line."""


@dataclass(frozen=True, slots=True)
class Archive:
    """blobs: (id, key, counts, names, record); files: (path, id, bytes, -, searched id);
    search: file name -> bytes of the search index; derived: name -> bytes.
    """

    blobs: Sequence[Any]
    files: Sequence[Any]
    derived: Mapping[str, bytes]
    search: Mapping[str, bytes]
    commit: str = ""  # "" where there is no git
    left_out: Mapping[str, int] = field(default_factory=dict)  # reason -> files


@cache
def maker() -> str:
    """A name for what works out an index: our rules and the libraries that they lean on.

    What another maker worked out may differ in places, so it is refused: see `read`.
    """
    digest = hashlib.blake2b(f"{RECORD_VERSION} {sys.byteorder}".encode(), digest_size=16)
    for name in LIBRARIES:
        digest.update(f"{name} {metadata.version(name)}\n".encode())
    folder = Path(__file__).parent
    for pattern in ("*.py", "*.toml", "*.txt", "queries/*"):
        for path in sorted(folder.glob(pattern)):
            digest.update(path.name.encode() + path.read_bytes().replace(b"\r\n", b"\n"))
    return digest.hexdigest()


def write(file: Path, archive: Archive) -> str:
    """Write it, whole or not at all. Returns its name: 64 hexadecimal digits. Raises OSError."""
    sections, table = [], []
    for section in SECTIONS:
        raw = msgpack.packb(getattr(archive, section))
        packed = zlib.compress(raw, COMPRESSION)
        table.append((section, len(raw), len(packed), hashlib.sha256(packed).digest()))
        sections.append(packed)
    manifest = msgpack.packb((maker(), archive.commit, dict(archive.left_out), table))
    name = hashlib.sha256(manifest)
    part = file.with_name(f"{file.name}.part")
    try:
        with part.open("wb") as out:
            out.write(MAGIC + name.digest() + len(manifest).to_bytes(LENGTH_BYTES, "big"))
            out.writelines((manifest, *sections))
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)
    return name.hexdigest()


def read(file: Path, expected: str = "") -> tuple[str, Archive]:
    """The name of an archive and what is in it, every byte checked.

    expected: the name that it must have. Raises BadArchive, OSError.
    """
    with file.open("rb") as source:
        head = source.read(len(MAGIC) + DIGEST_BYTES + LENGTH_BYTES)
        if not head.startswith(MAGIC) or len(head) < len(MAGIC) + DIGEST_BYTES + LENGTH_BYTES:
            raise BadArchive("this is no index archive")
        name = head[len(MAGIC) : len(MAGIC) + DIGEST_BYTES]
        length = int.from_bytes(head[-LENGTH_BYTES:], "big")
        if length > MANIFEST_MAX_BYTES:
            raise BadArchive("the archive's manifest is too long")
        manifest = source.read(length)
        if hashlib.sha256(manifest).digest() != name:
            raise BadArchive("the archive is damaged or was changed: its manifest")
        if expected and name.hex() != expected.lower():
            raise BadArchive(f"this is another archive than the one asked for: {name.hex()}")
        commit, left_out, table = _manifest(manifest)
        pieces = [(row, source.read(row[2])) for row in table]
        if source.read(1):
            raise BadArchive("the archive is damaged or was changed: its end")
    with ThreadPoolExecutor(THREADS, "index-archive") as threads:
        found = dict(threads.map(_section, pieces))
    return name.hex(), _archive(found, commit, left_out)


def _section(piece: tuple[tuple[str, int, int, bytes], bytes]) -> tuple[str, Any]:
    """A section's name and content. Other threads run while it is unpacked."""
    (name, raw_bytes, packed_bytes, digest), packed = piece
    if len(packed) != packed_bytes or hashlib.sha256(packed).digest() != digest:
        raise BadArchive(f"the archive is damaged or was changed: its {name}")
    return name, _unpack(_inflate(packed, raw_bytes))


def _manifest(data: bytes) -> tuple[str, dict[str, int], list[tuple[str, int, int, bytes]]]:
    with _well_formed():
        made_by, commit, left_out, table = _unpack(data)
        if made_by != maker():
            raise BadArchive("the archive was made by another version: make it anew with this one")
        if [row[0] for row in table] != list(SECTIONS):
            raise BadArchive("the archive is not well formed: sections")
        for _, raw, packed, digest in table:
            _require(type(raw) is int and 0 <= raw <= SECTION_MAX_BYTES, "a section is too large")
            _require(type(packed) is int and 0 <= packed <= SECTION_MAX_BYTES, "a section's size")
            _require(type(digest) is bytes, "a section's checksum")
        counts = {str(reason): int(count) for reason, count in left_out.items()}
        return str(commit), counts, list(table)


def _inflate(packed: bytes, size: int) -> bytes:
    """At most as much as was announced: a small file cannot fill the memory."""
    try:
        unpacker = zlib.decompressobj()
        raw = unpacker.decompress(packed, size + 1)
    except zlib.error as error:
        raise BadArchive(f"the archive is not well formed: {error}") from error
    if len(raw) != size or not unpacker.eof or unpacker.unused_data:
        raise BadArchive("the archive is not well formed: a section's size")
    return raw


def _unpack(raw: bytes) -> Any:
    try:
        return msgpack.unpackb(raw, use_list=False)
    except (ValueError, TypeError, RecursionError, msgpack.UnpackException) as error:
        raise BadArchive(f"the archive is not well formed: {type(error).__name__}") from error


def _archive(found: Mapping[str, Any], commit: str, left_out: Mapping[str, int]) -> Archive:
    with _well_formed():
        blobs, files, derived, search = (found[name] for name in SECTIONS)
        ids = _check_blobs(blobs)
        paths: set[str] = set()
        for path, blob, size, _, searched in files:
            _require(type(path) is str and path not in paths, "a path")
            _require(blob in ids and searched in (0, blob), "a file without its record")
            _require(type(size) is int and size >= 0, "a size")
            paths.add(path)
        for table in (derived, search):
            for name, data in table.items():
                _require(type(name) is str and type(data) is bytes, "a named part")
        return Archive(blobs, files, derived, search, commit, left_out)


def _check_blobs(blobs: Sequence[Any]) -> set[int]:
    ids: set[int] = set()
    keys: set[str] = set()
    for blob, key, counts, names, record in blobs:
        _require(type(blob) is int and 0 < blob < 1 << 40 and blob not in ids, "a record's number")
        _require(type(key) is str and key not in keys, "a record's key")
        _require(type(record) is bytes, "a record")
        language, *numbers = counts
        _require(type(language) is str and len(numbers) == len(("s", "r", "i", "c")), "counts")
        _require(all(type(number) is int for number in numbers), "counts")
        _require(len(set(names)) == len(names), "names")
        _require(all(type(name) is str for name in names), "names")
        ids.add(blob)
        keys.add(key)
    return ids


def _require(so: object, what: str) -> None:
    if not so:
        raise BadArchive(f"the archive is not well formed: {what}")


class _well_formed:  # noqa: N801  reads as what it is: `with _well_formed():`
    """What Python says of rows in another shape, as ours."""

    def __enter__(self) -> None: ...

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, (ValueError, TypeError, KeyError, AttributeError, IndexError)):
            raise BadArchive("the archive is not well formed: its rows") from error
