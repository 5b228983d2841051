# SPDX-License-Identifier: Apache-2.0
"""What is known of a repository's files, kept on the disk between runs.

In: rows about files, records as blobs under the hash of their content. Out: the same, or a miss:
a record that is damaged is deleted and missing. Two branches share what is equal in them; two
servers share one file. It knows neither how records are made nor which files there should be.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from indexer.database import Damaged, Database, StoreError, Unwritable
from indexer.rows import Columns, FileRow, Rows
from indexer.types import RECORD_VERSION

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Mapping, Sequence

__all__ = ["Damaged", "Entry", "FileRow", "Store", "StoreError", "Unwritable"]

SCHEMA_VERSION = 2
CHECK_BYTES = 8
# Records of 50,000 files take 150 MB; this is room for many branches of that.
BUDGET_BYTES = 1_000_000_000
# Collecting garbage frees this much more than is needed, so that it is not done every day.
COLLECT_TO = 0.8
VALUES_A_STATEMENT = 999  # more are not allowed in older builds of SQLite
KEYS_A_QUERY = 500

SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS blobs (
  id INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT UNIQUE NOT NULL, used INTEGER NOT NULL,
  language TEXT NOT NULL, symbols INTEGER, refs INTEGER, imports INTEGER, chunks INTEGER,
  record BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS files (
  path TEXT PRIMARY KEY, blob INTEGER NOT NULL, reason TEXT NOT NULL, size INTEGER NOT NULL,
  stamp INTEGER NOT NULL, searched INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS files_by_blob ON files (blob);
CREATE INDEX IF NOT EXISTS files_gone ON files (searched) WHERE stamp=-1;
CREATE TABLE IF NOT EXISTS derived (name TEXT PRIMARY KEY, data BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS names (name TEXT, blob INTEGER, PRIMARY KEY (name, blob)) WITHOUT ROWID
"""


class Counts(NamedTuple):
    """What a record holds, for reports."""

    language: str
    symbols: int
    references: int
    imports: int
    chunks: int


class Entry(NamedTuple):
    """One file to write. `key` names its content and language; "" where it has no record.

    `record` is None where the store already has a record under that key.
    """

    path: str
    key: str
    reason: str
    size: int
    stamp: int
    record: bytes | None = None
    names: frozenset[str] = frozenset()  # that it defines
    counts: Counts = Counts("", 0, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Stock:
    """A store's content as plain rows.

    blobs: (id, key, counts, names it defines, record); files: (path, blob, bytes, stamp, searched).
    """

    blobs: Sequence[tuple[int, str, Counts, Sequence[str], bytes]]
    files: Callable[[], Sequence[tuple[str, int, int, int, int]]]  # asked for last
    derived: Mapping[str, bytes]
    notes: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums over all files that have a record."""

    files: int
    symbols: int
    references: int
    imports: int
    chunks: int
    languages: dict[str, int]
    skipped: dict[str, int]


class Store:
    """One database a repository. Every method may raise Damaged or Unwritable; any thread."""

    def __init__(self, path: Path | None) -> None:
        """Open or make it; None is one in memory. Raises Damaged, Unwritable."""
        if path is not None:
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise Unwritable(f"no folder for the index: {error}") from error
        self.path = path
        self._database = Database(path, SCHEMA)

    @classmethod
    def open(cls, folder: str | os.PathLike[str], root: str | os.PathLike[str]) -> Store:
        """The store of the repository at `root`; anew if it is damaged, in memory if it must be."""
        path = Path(folder) / store_name(root)
        try:
            return cls(path)
        except Damaged:
            discard(path)
        except Unwritable:
            return cls(None)
        try:
            return cls(path)
        except StoreError:
            return cls(None)

    def close(self) -> None:
        self._database.fold()
        self._database.close()

    # --- what was said of files ---

    def files(self) -> Rows:
        """Every path that is known, the skipped ones included."""
        with self._database.reading() as db:
            found = db.execute(
                "SELECT path, blob, size, stamp FROM files WHERE stamp >= 0 ORDER BY path"
            ).fetchall()
            reasons = _reasons(db)
        if not found:
            return Rows()
        paths, blobs, sizes, stamps = zip(*found, strict=True)
        return Rows(Columns(paths, blobs, sizes, stamps, reasons))

    def blobs(self) -> Rows:
        """The same without sizes and stamps, in half the time: for the first question of a start.

        50,000 rows one by one cost 80 ms; joined by SQLite they cost 40.
        """
        with self._database.reading() as db:
            db.execute("BEGIN")  # both columns and the reasons are of one moment
            try:
                paths, blobs = db.execute(
                    "SELECT group_concat(path, char(0)), group_concat(blob) FROM"
                    " (SELECT path, blob FROM files WHERE stamp >= 0 ORDER BY path)"
                ).fetchone()
                reasons = _reasons(db)
            finally:
                db.execute("COMMIT")
        if paths is None:
            return Rows()
        return Rows(Columns(paths.split("\0"), map(int, blobs.split(",")), reasons=reasons))

    def known(self, keys: Iterable[str]) -> dict[str, int]:
        """The ids of the records that are there, by key."""
        with self._database.reading() as db:
            return _known(db, list(keys))

    def write(self, entries: Sequence[Entry], gone: Iterable[str] = ()) -> dict[str, FileRow]:
        """All of this, or nothing of it. Returns the rows of the entries' paths."""
        with self._database.writing() as db:
            ids = _add_blobs(db, entries)
            rows = {e.path: FileRow(ids.get(e.key, 0), e.reason, e.size, e.stamp) for e in entries}
            now = int(time.time())
            touched = [*rows, *(gone := list(gone))]
            _stamp_unused(db, touched, now)
            db.executemany(
                "INSERT INTO files VALUES (?, ?, ?, ?, ?, 0) ON CONFLICT (path) DO UPDATE SET"
                " blob=excluded.blob, reason=excluded.reason, size=excluded.size,"
                " stamp=excluded.stamp",
                [(path, *row) for path, row in rows.items()],
            )
            # What is gone stays as a mark until the search index has forgotten it too.
            db.executemany(
                "UPDATE files SET blob=0, stamp=-1, reason='' WHERE path=?", [(p,) for p in gone]
            )
            db.execute("DELETE FROM files WHERE stamp=-1 AND searched=0")
        return rows

    def adopt(self, stock: Stock) -> bool:
        """Begin with what another machine worked out, all or nothing; False if there is something.

        Its ids stay as they are: the search index and what was derived speak of them.
        """
        now = int(time.time())
        with self._database.writing() as db:
            if db.execute("SELECT 1 FROM files UNION SELECT 1 FROM blobs LIMIT 1").fetchone():
                return False
            rows = ((i, k, now, *counts, _check(r) + r) for i, k, counts, _, r in stock.blobs)
            _insert(db, "blobs", rows)
            _insert(db, "names", sorted((name, row[0]) for row in stock.blobs for name in row[3]))
            for name, data in stock.derived.items():
                db.execute("INSERT INTO derived VALUES (?, ?)", (name, _check(data) + data))
            _insert(db, "files", ((path, blob, "", *rest) for path, blob, *rest in stock.files()))
            db.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", stock.notes.items())
        return True

    def stock(self) -> Stock:
        """All of it, for `adopt`: records that files have, and what was derived from them."""
        with self._database.reading() as db:
            names: dict[int, list[str]] = {}
            for name, blob in db.execute("SELECT name, blob FROM names"):
                names.setdefault(blob, []).append(name)
            blobs = []
            for blob, key, *counts, data in db.execute(
                "SELECT id, key, language, symbols, refs, imports, chunks, record FROM blobs"
                " WHERE id IN (SELECT blob FROM files) ORDER BY id"
            ):
                record = _checked(data)
                if record is None:
                    raise Damaged("the index holds a damaged record")
                blobs.append((blob, key, Counts(*counts), names.get(blob, []), record))
            files = db.execute(
                "SELECT path, blob, size, 0, searched FROM files WHERE blob != 0 ORDER BY path"
            ).fetchall()
            derived = {}
            for name, data in db.execute("SELECT name, data FROM derived ORDER BY name"):
                if (whole := _checked(data)) is not None:
                    derived[name] = whole
        return Stock(blobs, lambda: files, derived, {})

    def record(self, blob: int) -> bytes | None:
        """A record's blob; None where there is none, or only a damaged one, which is deleted."""
        with self._database.reading() as db:
            row = db.execute("SELECT record FROM blobs WHERE id=?", (blob,)).fetchone()
        if row is None:
            return None
        data = _checked(row[0])
        if data is None:
            with self._database.writing() as db:
                db.execute("DELETE FROM blobs WHERE id=?", (blob,))
        return data

    # --- names ---

    def defining(self, name: str, limit: int) -> list[tuple[str, int]]:
        """(path, id of its record) of files that define exactly this name, in order of paths."""
        with self._database.reading() as db:
            return db.execute(
                "SELECT files.path, names.blob FROM names CROSS JOIN files"
                " ON files.blob = names.blob WHERE names.name = ? ORDER BY files.path LIMIT ?",
                (name, limit),
            ).fetchall()

    def names_from(self, prefix: str, limit: int) -> list[str]:
        """Names that begin so, letter case included, in order."""
        with self._database.reading() as db:
            rows = db.execute(
                "SELECT DISTINCT name FROM names WHERE name >= ? AND name < ? LIMIT ?",
                (prefix, prefix + "\U0010ffff", limit),
            )
            return [name for (name,) in rows]

    def names(self, after: int = 0) -> list[str]:
        """All names that records with a higher id define, each once."""
        with self._database.reading() as db:
            rows = db.execute("SELECT DISTINCT name FROM names WHERE blob > ?", (after,))
            return [name for (name,) in rows]

    def last_blob(self) -> int:
        """The id of the last record that was written."""
        with self._database.reading() as db:
            row = db.execute("SELECT seq FROM sqlite_sequence WHERE name='blobs'").fetchone()
        return row[0] if row else 0

    # --- what the search index has ---

    def unsearched(self) -> dict[str, int]:
        """Path and record of every file whose present state the search index does not have."""
        with self._database.reading() as db:
            rows = db.execute("SELECT path, blob FROM files WHERE searched != blob")
            return dict(rows.fetchall())

    def mark_searched(self, done: Mapping[str, int]) -> None:
        """The search index now has these records under these paths."""
        with self._database.writing() as db:
            db.executemany(
                "UPDATE files SET searched=? WHERE path=?", [(b, p) for p, b in done.items()]
            )
            db.execute("DELETE FROM files WHERE stamp=-1 AND searched=0")

    def forget_searched(self) -> None:
        """The search index is empty."""
        with self._database.writing() as db:
            db.execute("UPDATE files SET searched=0")
            db.execute("DELETE FROM files WHERE stamp=-1")

    # --- what was worked out from the records ---

    def derived(self, name: str) -> bytes | None:
        """What was kept under this name; None where there is nothing, or it is damaged."""
        with self._database.reading() as db:
            row = db.execute("SELECT data FROM derived WHERE name=?", (name,)).fetchone()
        return _checked(row[0]) if row is not None else None

    def set_derived(self, name: str, data: bytes) -> None:
        with self._database.writing() as db:
            db.execute("INSERT OR REPLACE INTO derived VALUES (?, ?)", (name, _check(data) + data))

    def purge(self) -> None:
        """Delete the records that no file has, down to the bytes. The search index is to be filled
        anew after this.
        """
        with self._database.writing() as db:
            db.execute("DELETE FROM blobs WHERE id NOT IN (SELECT blob FROM files)")
            db.execute("DELETE FROM names WHERE blob NOT IN (SELECT id FROM blobs)")
            db.execute("DELETE FROM derived")
            db.execute("UPDATE files SET searched=0")
            db.execute("DELETE FROM files WHERE stamp=-1")
        self._database.fold()

    # --- the store as a whole ---

    def note(self, name: str) -> str:
        """A remark kept with the store, "" where there is none."""
        with self._database.reading() as db:
            row = db.execute("SELECT value FROM meta WHERE name=?", (name,)).fetchone()
        return row[0] if row else ""

    def set_note(self, name: str, value: str) -> None:
        with self._database.writing() as db:
            db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, value))

    def totals(self) -> Totals:
        with self._database.reading() as db:
            sums = db.execute(
                "SELECT language, count(*), sum(symbols), sum(refs), sum(imports), sum(chunks)"
                " FROM files JOIN blobs ON blobs.id = files.blob GROUP BY language"
                " ORDER BY count(*) DESC, language"
            ).fetchall()
            skipped = db.execute(
                "SELECT reason, count(*) FROM files WHERE blob=0 AND stamp>=0 GROUP BY reason"
            ).fetchall()
        files, symbols, references, imports, chunks = (
            sum(row[at] for row in sums) for at in range(1, 6)
        )
        languages = {row[0]: row[1] for row in sums}
        return Totals(files, symbols, references, imports, chunks, languages, dict(skipped))

    def size_bytes(self) -> int:
        return self._database.size_bytes()

    def collect(self, budget_bytes: int = BUDGET_BYTES) -> int:
        """Delete records that no file has, the longest unused first, down to the budget.

        Returns how many. The file does not shrink, but its pages are used again.
        """
        with self._database.reading() as db:
            (used,) = db.execute("SELECT coalesce(sum(length(record)), 0) FROM blobs").fetchone()
        excess = used - budget_bytes * COLLECT_TO
        if used <= budget_bytes:
            return 0
        doomed = []
        with self._database.writing() as db:
            for blob, size in db.execute(
                "SELECT id, length(record) FROM blobs WHERE id NOT IN (SELECT blob FROM files)"
                " ORDER BY used, id"
            ):
                if excess <= 0:
                    break
                doomed.append((blob,))
                excess -= size
            db.executemany("DELETE FROM blobs WHERE id=?", doomed)
            db.execute("DELETE FROM names WHERE blob NOT IN (SELECT id FROM blobs)")
        return len(doomed)


def store_name(root: str | os.PathLike[str]) -> str:
    """The file name of a repository's store: another version, or another place, is another file."""
    place = os.path.realpath(root)
    digest = hashlib.blake2b(os.fsencode(place), digest_size=10).hexdigest()
    return f"index-{SCHEMA_VERSION}.{RECORD_VERSION}-{digest}.sqlite3"


def discard(path: Path) -> None:
    """Delete a database with what SQLite keeps beside it. Raises OSError."""
    for suffix in ("-wal", "-shm", ""):
        Path(f"{path}{suffix}").unlink(missing_ok=True)


def _insert(db: sqlite3.Connection, table: str, rows: Iterable[tuple[Any, ...]]) -> None:
    """Many rows a statement: the lock of the interpreter changes hands at each statement."""
    left = iter(rows)
    first = next(left, ())
    left = itertools.chain([first] if first else [], left)
    row = f"({', '.join('?' * len(first))})"
    while many := list(itertools.islice(left, VALUES_A_STATEMENT // max(1, len(first)))):
        values = [value for each in many for value in each]
        db.execute(f"INSERT INTO {table} VALUES {', '.join([row] * len(many))}", values)  # noqa: S608


def _check(body: bytes) -> bytes:
    return hashlib.blake2b(body, digest_size=CHECK_BYTES).digest()


def _checked(data: object) -> bytes | None:
    """What was written after its checksum; None where that is not so any more."""
    if isinstance(data, bytes) and _check(data[CHECK_BYTES:]) == data[:CHECK_BYTES]:
        return data[CHECK_BYTES:]
    return None


def _known(db: sqlite3.Connection, keys: list[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for at in range(0, len(keys), KEYS_A_QUERY):
        some = keys[at : at + KEYS_A_QUERY]
        marks = ",".join("?" * len(some))
        rows = db.execute(f"SELECT key, id FROM blobs WHERE key IN ({marks})", some)  # noqa: S608  marks only
        found.update(rows.fetchall())
    return found


def _add_blobs(db: sqlite3.Connection, entries: Sequence[Entry]) -> dict[str, int]:
    """Ids of all the entries' records, new ones added with their names."""
    ids = _known(db, list({entry.key for entry in entries if entry.key}))
    row = db.execute("SELECT seq FROM sqlite_sequence WHERE name='blobs'").fetchone()
    last = row[0] if row else 0
    now = int(time.time())
    blobs, names = [], []
    for entry in entries:
        if not entry.key or entry.key in ids or entry.record is None:
            continue
        last += 1
        ids[entry.key] = last
        blobs.append((last, entry.key, now, *entry.counts, _check(entry.record) + entry.record))
        names += [(name, last) for name in entry.names]
    db.executemany("INSERT INTO blobs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", blobs)
    names.sort()
    db.executemany("INSERT OR IGNORE INTO names VALUES (?, ?)", names)
    return ids


def _reasons(db: sqlite3.Connection) -> dict[str, str]:
    return dict(
        db.execute("SELECT path, reason FROM files WHERE blob=0 AND stamp>=0 AND reason != ''")
    )


def _stamp_unused(db: sqlite3.Connection, paths: list[str], now: int) -> None:
    """When a file loses its record to another one, that was the record's last use."""
    db.executemany(
        "UPDATE blobs SET used=? WHERE id = (SELECT blob FROM files WHERE path=?)",
        [(now, path) for path in paths],
    )
