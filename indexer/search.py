# SPDX-License-Identifier: Apache-2.0
"""Which windows of the repository's files speak of some words: BM25, kept in tantivy's files.

In: pieces of files with their text; terms with weights. Out: hits, best first. Each hit says of
which record it is, so that who asks can drop what is no longer so: the index may be behind, and
two servers may share it, each writing in turn under tantivy's own lock of a file.
It knows no database, and no text once it is added.
"""

from __future__ import annotations

import os
import shutil
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, NamedTuple

import tantivy
from tantivy import Filter, Occur, Query, TextAnalyzerBuilder, Tokenizer

from indexer.terms import TERM_MAX_CHARS, identifiers, terms, words

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from indexer.terms import Piece

# tantivy wants 15 MB a thread; more makes fewer, larger segments of a cold index.
BULK_HEAP_BYTES = 50_000_000
EDIT_HEAP_BYTES = 15_000_000
LOCK_WAIT_S = 5.0  # the other server's edit takes milliseconds; its cold index we need not await
LOCK_RETRY_S = 0.02
PART_WEIGHT = 0.3  # of a word inside of an identifier, against the whole identifier
# A word inside of identifiers that is in every eighth window tells next to nothing (it scores a
# tenth of what a rare identifier does), and reading where it is costs most of a query.
COMMON_SHARE = 8
COMMON_MIN = 1_000  # windows; in less than that nothing is common, and everything is quick
# More hits are asked for than are wanted, where some may be of excluded files; if they were too
# few, the query itself excludes: that is slower, for tantivy can skip nothing then.
SPARE_HITS = 16
MAX_EXCLUDED = 64  # paths excluded by the query itself; more are dropped afterwards


PANIC = "PanicException"


class SearchError(Exception):
    """The index cannot be read or written: make it anew."""


class Busy(SearchError):
    """Another process is writing; ask again later."""


class Hit(NamedTuple):
    """A window of a file. `blob` is the id of the record it was cut by."""

    path: str
    start_line: int
    end_line: int
    score: float
    blob: int


class Writing:
    """An open transaction of the search index, under its lock: to be committed or abandoned."""

    def __init__(self, search: Search, writer: tantivy.IndexWriter) -> None:
        self._search = search
        self._writer: tantivy.IndexWriter | None = writer

    def update(self, path: str, blob: int, data: bytes, pieces: Iterable[Piece]) -> None:
        """Replace what there is of a path; without pieces, remove it. Raises SearchError."""
        assert self._writer is not None
        with _told("written"):
            self._writer.delete_documents_by_term("path", path)
            for start, end, first, last, names in pieces:
                document = tantivy.Document()
                document.add_text("path", path)
                document.add_text("text", data[start:end].decode("utf-8", "replace"))
                if names:
                    document.add_text("names", names)
                document.add_unsigned("blob", blob)
                document.add_unsigned("first", first)
                document.add_unsigned("last", last)
                self._writer.add_document(document)

    def keep(self) -> None:
        """Write down what there is, in the thread that calls; the transaction goes on.

        Nothing else may be asked of it meanwhile. Raises SearchError.
        """
        assert self._writer is not None
        with _told("written"):
            self._writer.commit()  # other threads run meanwhile

    def clear(self) -> None:
        """Remove everything. Raises SearchError."""
        assert self._writer is not None
        with _told("written"):
            self._writer.delete_all_documents()

    def commit(self) -> None:
        """Keep all of it. Raises SearchError: then nothing of it is kept."""
        assert self._writer is not None
        try:
            with _told("written"):
                self._writer.commit()
                self._writer.wait_merging_threads()  # lets go of the lock
        finally:
            self.abandon()
        self._search.reload()

    def abandon(self) -> None:
        """Keep nothing that is not committed. May be called twice."""
        if self._writer is not None:
            self._writer = None  # the last reference: its threads end, its lock is free
            self._search.gate.release()


class Search:
    """One index a repository; None for one in memory. Any thread may ask, one at a time writes."""

    def __init__(self, folder: Path | None) -> None:
        """Open or make it. Raises SearchError where what is there is no index of ours."""
        self._folder = folder
        self.gate = threading.Lock()  # held by the one Writing of this process
        self._schema = _schema()
        self._seen = 0
        with _told("opened"):
            if folder is None:
                self._index = tantivy.Index(self._schema)
            else:
                folder.mkdir(parents=True, exist_ok=True)
                self._index = tantivy.Index(self._schema, str(folder))
            _register(self._index)
            # Without this a thread would look at the folder twice a second.
            self._index.config_reader("manual")
            self.reload()

    def begin(self, *, bulk: bool = False) -> Writing:
        """A transaction; another thread's, or another process', is awaited for a while.

        Raises Busy, SearchError.
        """
        deadline = time.monotonic() + LOCK_WAIT_S
        if not self.gate.acquire(timeout=LOCK_WAIT_S):
            raise Busy("this process is writing the search index")
        try:
            return Writing(self, self._writer(bulk, deadline))
        except BaseException:
            self.gate.release()
            raise

    def _writer(self, bulk: bool, deadline: float) -> tantivy.IndexWriter:
        while True:
            try:
                return self._index.writer(BULK_HEAP_BYTES if bulk else EDIT_HEAP_BYTES, 1)
            except (ValueError, OSError) as error:
                if "Lock" not in str(error):
                    raise SearchError(f"the search index cannot be written: {error}") from error
                if time.monotonic() > deadline:
                    raise Busy("another process is writing the search index") from error
            time.sleep(LOCK_RETRY_S)

    def query(
        self,
        wanted: Sequence[tuple[str, float]],
        limit: int,
        exclude_paths: frozenset[str] = frozenset(),
    ) -> list[Hit]:
        """The best windows for these identifiers and words with their weights."""
        weights = self._weights(wanted)
        if not weights:
            return []
        parts = [(Occur.Should, self._boosted(*term, weight)) for term, weight in weights.items()]
        spare = SPARE_HITS if exclude_paths else 0
        found = self._ask(Query.boolean_query(parts), limit + spare)
        hits = [hit for hit in found if hit.path not in exclude_paths]
        if len(hits) < limit and len(found) == limit + spare:
            some = sorted(exclude_paths)[:MAX_EXCLUDED]
            parts += [(Occur.MustNot, self._term("path", path)) for path in some]
            found = self._ask(Query.boolean_query(parts), limit)
            hits = [hit for hit in found if hit.path not in exclude_paths]
        return hits[:limit]

    def _weights(self, wanted: Sequence[tuple[str, float]]) -> dict[tuple[str, str], float]:
        """Each term, as (field, term), once, with the sum of its weights."""
        whole: dict[tuple[str, str], float] = {}
        parts: dict[tuple[str, str], float] = {}
        for text, weight in wanted:
            for name in identifiers(text):
                own = terms(name)
                term = ("names", own[0]) if own else ("text", name.lower())
                whole[term] = whole.get(term, 0.0) + weight
                for part in dict.fromkeys(words(name)) if own else ():
                    if 1 < len(part) <= TERM_MAX_CHARS:
                        for key in (("text", part), ("names", part)):
                            parts[key] = parts.get(key, 0.0) + weight * PART_WEIGHT
        telling = parts.keys() - whole.keys() - self._common(parts)
        return {
            term: whole.get(term, 0.0) + parts.get(term, 0.0)
            for term in (*whole, *(key for key in parts if key in telling))
        }

    def _common(self, found: Iterable[tuple[str, str]]) -> set[tuple[str, str]]:
        """Those of some terms that tell next to nothing."""
        with _told("read"):
            searcher = self._index.searcher()
            if searcher.num_docs < COMMON_MIN:
                return set()
            many = max(searcher.num_docs // COMMON_SHARE, COMMON_MIN)
            return {term for term in found if searcher.doc_freq(*term) > many}

    def using(self, name: str, limit: int) -> list[Hit]:
        """Windows in which all identifiers of a name stand, comments and strings included."""
        musts = []
        for identifier in identifiers(name):
            whole = terms(identifier)
            field, term = ("names", whole[0]) if whole else ("text", identifier.lower())
            musts.append((Occur.Must, self._term(field, term)))
        return self._ask(Query.boolean_query(musts), limit) if musts else []

    def _term(self, field: str, term: str) -> Query:
        return Query.term_query(self._schema, field, term, "basic" if field == "path" else "freq")

    def _boosted(self, field: str, term: str, weight: float) -> Query:
        return Query.boost_query(self._term(field, term), weight)

    def _ask(self, query: Query, limit: int) -> list[Hit]:
        with _told("read"):
            if self._stamp() != self._seen:  # another server has committed
                with suppress(SearchError):  # and is at it again: ask what we have
                    self.reload()
            searcher = self._index.searcher()
            found = searcher.search(query, max(limit, 1), count=False).hits
            hits = [_hit(searcher.doc(address), score) for score, address in found]
        return sorted(hits, key=_rank)

    def reload(self) -> None:
        """See what was committed. Raises SearchError."""
        with _told("read"):
            stamp = self._stamp()
            self._index.reload()
            self._seen = stamp

    def _stamp(self) -> int:
        if self._folder is None:
            return 0
        return os.stat(self._folder / "meta.json").st_mtime_ns  # noqa: PTH116  on every query

    def size_bytes(self) -> int:
        """Of its files, 0 in memory."""
        if self._folder is None:
            return 0
        total = 0
        for entry in os.scandir(self._folder):
            with suppress(FileNotFoundError):  # another server has merged it into a larger one
                total += entry.stat().st_size
        return total


@contextmanager
def _told(what: str) -> Iterator[None]:
    """What tantivy raises, as ours."""
    try:
        yield
    except (ValueError, OSError) as error:
        raise SearchError(f"the search index cannot be {what}: {error}") from error
    except BaseException as error:
        # A panic inside of tantivy, on files that are damaged: its class has no name to import.
        if type(error).__name__ != PANIC:
            raise
        raise SearchError(f"the search index cannot be {what}: it is damaged") from error


def _hit(document: tantivy.Document, score: float) -> Hit:
    values = document.to_dict()
    return Hit(
        path=values["path"][0],
        start_line=values["first"][0],
        end_line=values["last"][0],
        score=score,
        blob=values["blob"][0],
    )


def _rank(hit: Hit) -> tuple[float, str, int]:
    """Best first; tantivy gives equals in the order in which they were written."""
    return -hit.score, hit.path, hit.start_line


def _schema() -> tantivy.Schema:
    builder = tantivy.SchemaBuilder()
    builder.add_text_field("path", stored=True, tokenizer_name="raw", index_option="basic")
    builder.add_text_field("text", tokenizer_name="plain", index_option="freq")
    # With frequencies, though they are all 1: only then tantivy skips windows that cannot win.
    builder.add_text_field("names", tokenizer_name="blanks", index_option="freq")
    for name in ("blob", "first", "last"):
        builder.add_unsigned_field(name, stored=True)
    return builder.build()


def _register(index: tantivy.Index) -> None:
    plain = TextAnalyzerBuilder(Tokenizer.simple()).filter(Filter.lowercase()).build()
    index.register_tokenizer("plain", plain)
    index.register_tokenizer("blanks", TextAnalyzerBuilder(Tokenizer.whitespace()).build())


def discard(folder: Path) -> None:
    """Delete an index. Raises OSError."""
    if folder.exists():
        shutil.rmtree(folder)
