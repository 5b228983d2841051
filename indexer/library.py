# SPDX-License-Identifier: Apache-2.0
"""Store and search index as one thing: opened together, written in an order that survives a kill.

In: files with their records and texts. Out: rows, records, hits. A file's row is written first,
with the search index behind; then the search index is committed; then the row says so. A kill in
between costs the middle step again, which changes nothing. It knows no disk but its own cache.
"""

from __future__ import annotations

import secrets
import shutil
import threading
from collections import OrderedDict
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, NamedTuple

from indexer import seal
from indexer.letters import Letters
from indexer.search import Busy, Search, SearchError
from indexer.store import Counts, Damaged, Entry, Store, StoreError, discard, store_name
from indexer.terms import Expansions, digest
from indexer.texts import Texts
from indexer.types import FileRecord

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from indexer.rows import FileRow
    from indexer.search import Writing
    from indexer.terms import Digest, Piece

FOLLOWED_MAX = 100  # records that came since are read one by one; of more, only names are
# A question waits for the names of so many records, 20 ms; more are taken in behind the questions.
AWAITED_MAX = 2_000
NAMES_A_STEP = 2_000  # 8 ms in which no question about letters is answered
_LETTERS = "letters"
RECORDS_MAX = 256  # read records kept; a large one takes some 100 KB
_TIE = "tie"  # a random word, in the database and in the search folder that belongs to it


class Item(NamedTuple):
    """One file to write: with a record and its text, or with a reason why there is none."""

    path: str
    size: int
    stamp: int
    reason: str = ""
    key: str = ""
    data: bytes = b""
    record: bytes | None = None
    found: Digest | None = None  # what is to be known of the record, where it was just made


class Library:
    """What is kept of one repository. Reading: any thread. Writing: one session at a time."""

    def __init__(self, folder: Path | None, root: str) -> None:
        """Open what is in a folder; None is in memory. Raises StoreError, SearchError, OSError."""
        self.path = None if folder is None else folder / store_name(root)
        self._expansions = Expansions()
        self._records: OrderedDict[int, FileRecord] = OrderedDict()
        self._records_lock = threading.Lock()
        self.texts = Texts()
        self._letters: Letters | None = None
        self._letters_lock = threading.Lock()
        self._letters_kept = 0  # up to which record they are on the disk
        self.store = Store(self.path)
        try:
            self.search = self._open_search()
        except BaseException:
            self.store.close()
            raise

    @classmethod
    def open(cls, folder: Path, root: str) -> tuple[Library, str]:
        """On the disk, anew where it is damaged; in memory where it must be, and then why."""
        try:
            try:
                return cls(folder, root), ""
            except Damaged:
                wipe(folder / store_name(root))
                return cls(folder, root), ""
        except (StoreError, SearchError, OSError) as error:
            return cls(None, root), str(error)

    def _open_search(self) -> Search:
        if self.path is None:
            return Search(None)
        folder = search_folder(self.path)
        self._tie(folder)
        try:
            return Search(folder)
        except SearchError:
            shutil.rmtree(folder, ignore_errors=True)
        self._tie(folder)
        return Search(folder)

    def _tie(self, folder: Path) -> None:
        """A search folder that was made for another database is no use, and the reverse."""
        mark, tie = folder / _TIE, self.store.note(_TIE)
        if not tie or not mark.is_file() or mark.read_bytes() != tie.encode():
            shutil.rmtree(folder, ignore_errors=True)
            self.store.forget_searched()
            folder.mkdir(parents=True)
            tie = secrets.token_hex(16)
            mark.write_text(tie, "utf-8")
            self.store.set_note(_TIE, tie)

    def sound(self) -> bool:
        """Whether the files are as the last clean end left them; True where none is known."""
        return self.path is None or seal.verify(self.path)

    def close(self, *, clean: bool = True) -> None:
        """Close; with `clean`, note the state of the files, to know it again."""
        if clean:
            with suppress(StoreError, OSError):
                self.follow_names()
                self.keep_letters()
        self.store.close()
        if self.path is not None and clean:
            seal.write(self.path, search_folder(self.path))

    def record(self, blob: int) -> FileRecord | None:
        """A record by its id; None where it is missing or damaged. Raises StoreError."""
        with self._records_lock:
            record = self._records.get(blob)
            if record is not None:
                self._records.move_to_end(blob)
                return record
        data = self.store.record(blob) if blob else None
        if data is None:
            return None
        record = FileRecord.from_bytes(data)
        with self._records_lock:
            self._records[blob] = record
            if len(self._records) > RECORDS_MAX:
                self._records.popitem(last=False)
        return record

    def names_like(self, letters: str, limit: int) -> list[str]:
        """Names that hold these letters in this order, whatever their case. Raises StoreError.

        Some are missing while a great many are new, until `follow_names` has taken them in.
        """
        with self._letters_lock:
            known = self._present_letters()
            last = self.store.last_blob()
            if last - known.upto <= FOLLOWED_MAX:
                for blob in range(known.upto + 1, last + 1):
                    record = self.record(blob)
                    known.add([symbol.name for symbol in record.symbols] if record else ())
                known.upto = last
            elif last - known.upto <= AWAITED_MAX:
                known.add(self.store.names(known.upto))
                known.upto = last
            return known.like(letters, limit)

    def follow_names(self) -> None:
        """Take in all names that came since, whoever wrote them, in steps. Raises StoreError."""
        with self._letters_lock:
            known, last = self._present_letters(), self.store.last_blob()
        if last == known.upto:
            return
        names = self.store.names(known.upto)
        for at in range(0, len(names), NAMES_A_STEP):
            with self._letters_lock:
                known.add(names[at : at + NAMES_A_STEP])
        with self._letters_lock:
            known.upto = max(known.upto, last)
        if last - self._letters_kept > AWAITED_MAX:
            self.keep_letters()

    def _present_letters(self) -> Letters:
        if self._letters is None:
            self._letters = self._kept_letters()
        return self._letters

    def _kept_letters(self) -> Letters:
        data = self.store.derived(_LETTERS)
        with suppress(ValueError):
            found = Letters.from_bytes(data or b"")
            self._letters_kept = found.upto
            return found
        return Letters()

    def keep_letters(self) -> None:
        """Write down what the next start wants for its first question. Raises StoreError."""
        with self._letters_lock:
            letters = self._letters
            if letters is not None and letters.upto > self._letters_kept:
                self._letters_kept = letters.upto
                self.keep(_LETTERS, letters.to_bytes())

    def keep(self, name: str, data: bytes) -> None:
        """Write down what was worked out from the records. Raises StoreError, OSError."""
        if self.path is not None:
            seal.remove(self.path)
            self.store.set_derived(name, data)

    def purge(self) -> None:
        """Forget what no file has any more, here and on the disk. Raises StoreError."""
        with self._letters_lock, self._records_lock:
            self.store.purge()
            self._letters, self._letters_kept = None, 0
            self._records.clear()
            self.texts.clear()

    def size_bytes(self) -> int:
        return self.store.size_bytes() + self.search.size_bytes()

    @contextmanager
    def session(self, *, bulk: bool = False) -> Iterator[Session]:
        """Write through it; what it has written is searchable when it ends."""
        if self.path is not None:
            seal.remove(self.path)
        session = Session(self, bulk=bulk)
        try:
            yield session
            session.commit()
        finally:
            session.abandon()

    def read(self, item: Item) -> tuple[Entry, Iterable[Piece]]:
        """The entry of an item for the store, and its pieces for the search index."""
        assert item.record is not None
        found = item.found or digest(item.record, item.data, self._expansions)
        counts = Counts(
            found.language, found.symbols, found.references, found.imports, found.chunks
        )
        names = frozenset(found.defined)
        entry = Entry(item.path, item.key, "", item.size, item.stamp, item.record, names, counts)
        return entry, found.pieces


class Session:
    """Some writes. The search index is committed at the end, or when it has waited for long."""

    def __init__(self, library: Library, *, bulk: bool) -> None:
        self._library = library
        self._bulk = bulk
        self._writing: Writing | None = None
        self._busy = False
        self._early: Future[None] | None = None
        self._held: list[tuple[str, int, bytes, Iterable[Piece]]] = []  # until that is done
        self.done: dict[str, int] = {}  # what is to be searchable with the next commit

    def write(self, items: Sequence[Item], gone: Iterable[str] = ()) -> dict[str, FileRow]:
        """Rows of all the items' paths, written in one transaction."""
        gone = list(gone)
        entries, pieces = [], {}
        for item in items:
            if item.record is None:
                entries.append(Entry(item.path, "", item.reason, item.size, item.stamp))
                continue
            entry, pieces[item.path] = self._library.read(item)
            entries.append(entry)
        rows = self._library.store.write(entries, gone)
        texts = {item.path: item.data for item in items}
        for path, row in rows.items():
            self._put(path, row.blob, texts[path], pieces.get(path, ()))
        for path in gone:
            self._put(path, 0, b"", ())
        return rows

    def put(self, path: str, blob: int, item: Item | None) -> None:
        """Bring the search index up to a row that was written before; None: the file is gone."""
        if item is None:
            self._put(path, 0, b"", ())
        else:
            self._put(path, blob, item.data, self._library.read(item)[1])

    def _put(self, path: str, blob: int, data: bytes, pieces: Iterable[Piece]) -> None:
        if self._early is not None and not self._early.done():
            self._held.append((path, blob, data, pieces))
            return
        self._let_go()
        writing = self._begin()
        if writing is not None:
            writing.update(path, blob, data, pieces)
            self.done[path] = blob

    def write_ahead(self) -> None:
        """Have most of a bulk written by the search index while the rest is still extracted.

        It takes 0.3 s at the end of a cold index, with all workers idle. Of no effect the second
        time, nor where it is no bulk.
        """
        if self._bulk and self._writing is not None and self._early is None:
            threads = ThreadPoolExecutor(1, "index-search")
            self._early = threads.submit(self._writing.keep)
            threads.shutdown(wait=False)

    def _let_go(self) -> None:
        """What came while the search index was writing. Raises SearchError, where it could not."""
        if self._early is not None:
            self._early.result()
            held, self._held = self._held, []
            for path, blob, data, pieces in held:
                self._put(path, blob, data, pieces)

    def _begin(self) -> Writing | None:
        if self._writing is None and not self._busy:
            try:
                self._writing = self._library.search.begin(bulk=self._bulk)
            except Busy:
                self._busy = True  # the other server sees the same files; else the next refresh
        return self._writing

    def commit(self) -> None:
        """Make searchable what was written so far. Raises SearchError, Unwritable."""
        if self._writing is None:
            return
        self._let_go()
        writing, self._writing = self._writing, None
        writing.commit()
        self._library.store.mark_searched(self.done)
        self.done = {}

    def purge(self) -> bool:
        """Leave nothing of what no file has any more: the search index is empty after this.

        False where another process is writing: it is to be tried again.
        """
        self.commit()
        writing = self._begin()
        if writing is None:
            return False
        self._library.purge()
        writing.clear()
        self.commit()
        return True

    def abandon(self) -> None:
        """Let go of the search index's lock, and of what it has not committed."""
        if self._early is not None:
            wait([self._early])  # it uses the writer
        if self._writing is not None:
            self._writing.abandon()
            self._writing = None


def search_folder(path: Path) -> Path:
    return path.with_suffix(".search")


def wipe(path: Path) -> None:
    """Delete everything of one repository. Raises OSError."""
    seal.remove(path)
    discard(path)
    shutil.rmtree(search_folder(path), ignore_errors=True)
