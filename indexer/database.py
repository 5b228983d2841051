# SPDX-License-Identifier: Apache-2.0
"""One SQLite file: opened, laid out, written in transactions, read without waiting for the writer.

In: a path, or None for a database in memory. Out: connections. What goes wrong is one of two
things: the file lies (`Damaged`: throw it away) or cannot be written (`Unwritable`: use memory).
It knows no record and no repository.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Another server may be writing its whole index in one transaction; that takes seconds, not minutes.
BUSY_S = 30.0
LOCKED_S = 0.02  # until the next try
# A write-ahead log is folded back into the database at this size, so that readers stay quick.
WAL_PAGES = 4_000
PAGE_CACHE_KIB = 8_192  # for each connection; the system caches the file besides

_DAMAGED = ("malformed", "not a database", "corrupt", "no such table", "no such column", "schema")


class StoreError(Exception):
    """What the store could not do.

    StoreError
    |- Damaged      what is on the disk is not what was written: it is to be made anew
    |- Unwritable   read-only, full, locked for too long, an error of the disk
    """


class Damaged(StoreError):
    """The file is not what was written."""


class Unwritable(StoreError):
    """Nothing can be written here; what was there before still is."""


@contextmanager
def told_apart() -> Iterator[None]:
    """SQLite's errors as ours."""
    try:
        yield
    except sqlite3.Error as error:
        text = str(error)
        operational = isinstance(error, sqlite3.OperationalError)
        if not operational or any(word in text for word in _DAMAGED):
            raise Damaged(f"the index database is damaged: {text}") from error
        raise Unwritable(f"the index database cannot be used: {text}") from error


class Database:
    """A connection to write through, and one a thread to read through.

    In memory there is a single connection, and a lock that makes everyone wait in turn.
    """

    def __init__(self, path: Path | None, schema: str) -> None:
        self.path = path
        self._local = threading.local()
        # Each with a lock: to close a connection that another thread is using ends the process.
        self._readers: list[tuple[sqlite3.Connection, threading.RLock]] = []
        self._gate = threading.RLock()  # one writer a process; SQLite's own lock between processes
        self._opening = threading.Lock()  # of the list: a new reader does not wait for a writer
        self._closed = False
        with told_apart():
            self._writer = self._connect()
            try:
                self._lay_out(schema)
            except sqlite3.Error:
                self._writer.close()
                raise

    def _connect(self) -> sqlite3.Connection:
        name = ":memory:" if self.path is None else str(self.path)
        connection = sqlite3.connect(
            name, timeout=BUSY_S, isolation_level=None, check_same_thread=False
        )
        connection.execute(f"PRAGMA cache_size=-{PAGE_CACHE_KIB}")
        return connection

    def _reader(self) -> tuple[sqlite3.Connection, threading.RLock]:
        """This thread's own. Opening one does not wait for the writer."""
        reader = getattr(self._local, "reader", None)
        if reader is None:
            with self._opening:
                if self._closed:
                    raise StoreError("the store is closed")
                reader = self._local.reader = (self._connect(), threading.RLock())
                self._readers.append(reader)
        found: tuple[sqlite3.Connection, threading.RLock] = reader
        return found

    def _begin_log(self) -> None:
        """Write-ahead logging. For this change alone SQLite does not wait for another process."""
        deadline = time.monotonic() + BUSY_S
        while True:
            try:
                self._writer.execute("PRAGMA journal_mode=WAL")
            except sqlite3.OperationalError as error:  # noqa: PERF203  tried again
                if "locked" not in str(error) or time.monotonic() > deadline:
                    raise
                time.sleep(LOCKED_S)
            else:
                return

    def _lay_out(self, schema: str) -> None:
        self._begin_log()
        # A power cut may cost the last transactions, never the file: they can be made again.
        self._writer.execute("PRAGMA synchronous=NORMAL")
        self._writer.execute(f"PRAGMA wal_autocheckpoint={WAL_PAGES}")
        self._writer.execute("PRAGMA secure_delete=ON")  # what is deleted may be a secret
        self._writer.execute("BEGIN IMMEDIATE")  # also shows that it can be written
        for statement in schema.split(";"):
            self._writer.execute(statement)
        self._writer.execute("COMMIT")

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction: all of it or nothing. Raises Damaged, Unwritable."""
        with told_apart(), self._gate:
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield self._writer
                self._writer.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):
                    self._writer.execute("ROLLBACK")
                raise

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A connection of this thread. Raises Damaged, Unwritable."""
        if self.path is None:
            with told_apart(), self._gate:
                yield self._writer
            return
        with told_apart():
            connection, lock = self._reader()
            with lock:
                yield connection

    def fold(self) -> None:
        """Bring the write-ahead log into the file, as far as nobody else is reading it."""
        with suppress(sqlite3.Error), self._gate:
            self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def size_bytes(self) -> int:
        """Of the database itself, without what is not yet folded in."""
        with self.reading() as connection:
            (pages,) = connection.execute("PRAGMA page_count").fetchone()
            (page,) = connection.execute("PRAGMA page_size").fetchone()
        return int(pages) * int(page)

    def close(self) -> None:
        """Close every connection of every thread."""
        with self._opening:
            self._closed = True
            readers, self._readers = self._readers, []
        for connection, lock in [*readers, (self._writer, self._gate)]:
            with lock, suppress(sqlite3.Error):
                connection.close()
