# SPDX-License-Identifier: Apache-2.0
"""The indexes of a workspace's roots, kept true in the background while the user works.

In: roots, open documents as they change, files that the editor or the disk reports. Out: answers
about symbols and references, and progress. Each root has two threads of its own, one for looking at
everything and one for single files; the event loop only hands things over. Knows no protocol.
"""

from __future__ import annotations

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Protocol

from indexer import ahead
from indexer.index import Index
from indexer.policy import IGNORE_FILE
from indexer.watch import Watch
from lsp_server import positions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from indexer.snapshot import Found, Report, Snapshot
    from indexer.workers import Pool
    from lsp_server.documents import Document
    from lsp_server.positions import Encoding

WATCH_READY_S = 30.0  # 0.3 s for 5,000 folders on a warm disk
FOLDER = "index"  # below the cache folder
SKIPPED_FOLDERS = frozenset({".git", ".hg", ".svn", "node_modules", "__pycache__", ".venv"})

_log = logging.getLogger(__name__)


class Listener(Protocol):
    """Who is told how far an index is. Called from the indexes' threads."""

    def progress(self, root: Path, done: int, total: int) -> None: ...

    def finished(self, root: Path, report: Report | None) -> None:
        """`report` is None where it failed; the log says why."""


class Indexed:
    """One root: its index, the watch on its folder, and the thread that keeps it true."""

    def __init__(
        self,
        root: Path,
        cache: Path,
        excludes: Sequence[str],
        listener: Listener,
        pool: Pool | None = None,
        *,
        on_rules: Callable[[], object] = lambda: None,
    ) -> None:
        """`pool`: workers that were started ahead; they end with this root.

        on_rules: called, from a thread, when the rules of what may be read may have changed.
        """
        self.root = root
        self._pool = pool
        self._cache, self._excludes = cache, tuple(excludes)
        self._listener = listener
        self._on_rules = on_rules
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"index-{root.name}")
        # What must not wait for a refresh, which takes a minute in a large repository.
        self._quick = ThreadPoolExecutor(1, thread_name_prefix=f"edits-{root.name}")
        self._stop = threading.Event()
        self._opened = threading.Event()  # the index, or the attempt has failed
        self._index: Index | None = None
        self._first: tuple[str, ...] = ()  # what the user looks at
        self.done = (0, 0)  # files of all, in the refresh under way or the last one
        self.languages: Mapping[str, int] = {}  # files by language, as of the last refresh
        self._watching = False
        self._watch = Watch(str(root), self._changed, self._ignored)
        # The newest state of each document that is waiting to be taken in; None: closed.
        self._edits: dict[str, Document | None] = {}
        self._edits_lock = threading.Lock()

    def start(self) -> None:
        """Open and refresh in the background."""
        self._thread.submit(self._logged, self._open)

    def snapshot(self) -> Snapshot | None:
        """What is known now; None before anything is."""
        return self._index.snapshot() if self._index is not None else None

    def edit(self, path: str, document: Document | None) -> None:
        """Take an open document's text in place of the disk's; None when it was closed."""
        with self._edits_lock:
            waiting = path in self._edits
            self._edits[path] = document
        if not waiting:
            self._quick.submit(self._logged, self._take_edit, path)

    def prefer(self, path: str) -> None:
        """The user has moved: this file, what it imports and its folder come first."""
        self._first = (path,)
        self._quick.submit(self._logged, self._take_move, path)

    def exclude(self, excludes: Sequence[str]) -> None:
        """Other rules: gone from every answer at once, then from what is stored."""
        self._quick.submit(self._logged, self._take_rules, tuple(excludes))

    def feed(self, paths: Iterable[str]) -> None:
        """Files that the editor says have changed."""
        self._watch.feed(paths)

    def rebuild(self) -> None:
        """Look at everything again."""
        self._thread.submit(self._logged, self._refresh)

    def close(self) -> None:
        """Stop; what is being read is given up."""
        self._stop.set()
        self._opened.set()
        self._watch.close()
        self._thread.submit(self._logged, self._close)
        self._quick.shutdown(wait=False, cancel_futures=True)
        self._thread.shutdown(wait=True)

    def _open(self) -> None:
        try:
            self._index = Index(self.root, self._cache, self._excludes, pool=self._pool)
        finally:
            self._opened.set()
        self._refresh()
        if self._watching and self._watch.wait_ready(WATCH_READY_S):
            self._refresh()  # for what changed between the first listing and the first event

    def _refresh(self) -> Report | None:
        if self._index is None or self._stop.is_set():
            return None
        report = None
        try:
            report = self._index.refresh(self._tell, self._first, self._stop)
            self.done, self.languages = (report.files, report.files), report.languages
        finally:
            self._listener.finished(self.root, report)
        return report

    def _tell(self, done: int, total: int) -> None:
        if not self._watching and not self._stop.is_set():
            # Not sooner: to watch 5,000 folders takes the interpreter from the first answers.
            self._watching = True
            self._watch.start()
        self.done = (done, total)
        self._listener.progress(self.root, done, total)

    def _ready(self) -> Index | None:
        """The index, waited for: what the user opened first is not lost. None once we stop."""
        self._opened.wait()
        return None if self._stop.is_set() else self._index

    def _take_move(self, path: str) -> None:
        if (path,) == self._first and (index := self._ready()) is not None:
            index.prefer(self._first)

    def _take_rules(self, excludes: tuple[str, ...]) -> None:
        if (index := self._ready()) is not None:
            index.exclude(excludes)
            self.rebuild()

    def _take_edit(self, path: str) -> None:
        index = self._ready()
        with self._edits_lock:
            document = self._edits.pop(path, None)
        if index is not None:
            index.overlay(path, None if document is None else document.text)

    def _changed(self, paths: frozenset[str] | None) -> None:
        if paths is None or str(self.root / IGNORE_FILE) in paths:
            self._on_rules()
        if paths is None:
            self.rebuild()
        else:
            self._quick.submit(self._logged, self._update, paths)

    def _update(self, paths: frozenset[str]) -> None:
        if (index := self._ready()) is not None:
            index.update(sorted(paths))

    def _ignored(self, path: str) -> bool:
        return not SKIPPED_FOLDERS.isdisjoint(PurePath(path).parts)

    def _close(self) -> None:
        if self._index is not None:
            self._index.close()

    def _logged(self, work: Callable[..., object], *args: object) -> None:
        """Nobody waits for these futures: an error that no one hears would be lost."""
        try:
            work(*args)
        except Exception:  # noqa: BLE001  whatever it was, the thread goes on
            _log.exception("the index of %s failed", self.root.name)


def name_position(snapshot: Snapshot, found: Found, encoding: Encoding) -> tuple[int, int]:
    """Line and column, from 0, of a symbol's name."""
    data = snapshot.text(found.path)
    start = data.rfind(b"\n", 0, found.symbol.name_start) + 1
    before = data[start : found.symbol.name_start].decode("utf-8", errors="replace")
    # A column is clamped to its line, which goes on behind the name.
    column = positions.to_column(before + " ", len(before), encoding)
    return found.symbol.name_line - 1, column


class Indexing:
    """All roots of a workspace. Nothing is read before `start`; without roots nothing ever is."""

    def __init__(self, roots: Sequence[Path], excludes: Sequence[str]) -> None:
        self._wanted, self._excludes = tuple(roots), tuple(excludes)
        self._roots: dict[Path, Indexed] = {}
        self._begin: Callable[[Path], Indexed] | None = None
        self._pool: Pool | None = None

    def wake(self) -> None:
        """Start a worker for the first root: who opens a file next needs no time to wait for it.

        One is enough for a file and what it imports, and half as much in the way as two.
        """
        if self._wanted and self._pool is None:
            self._pool = ahead.pool(awake=1)

    def start(
        self, cache: Path, listener: Listener, on_rules: Callable[[], object] = lambda: None
    ) -> None:
        """Begin with every root, in the background; see `Indexed` for `on_rules`."""

        def begin(root: Path) -> Indexed:
            pool, self._pool = self._pool, None
            where = cache / FOLDER
            return Indexed(root, where, self._excludes, listener, pool, on_rules=on_rules)

        self._begin = begin
        for root in self._wanted:
            self.open(root)

    def open(self, root: Path) -> None:
        """Begin with a root, once."""
        if self._begin is not None and root not in self._roots:
            self._roots[root] = self._begin(root)
            self._roots[root].start()

    def exclude(self, excludes: Sequence[str]) -> None:
        """Rules that the user has changed, for every root, at once."""
        if tuple(excludes) != self._excludes:
            self._excludes = tuple(excludes)
            for indexed in self._roots.values():
                indexed.exclude(self._excludes)

    def close_root(self, root: Path) -> None:
        """Let go of a root that left the workspace."""
        if (indexed := self._roots.pop(root, None)) is not None:
            indexed.close()

    def opened(self, document: Document) -> None:
        """The user looks at this document now: what it needs comes first."""
        if document.path is not None and (indexed := self.of(document.path)) is not None:
            indexed.prefer(str(document.path))
            indexed.edit(str(document.path), document)

    def edited(self, document: Document) -> None:
        """Follow an open document."""
        if document.path is not None and (indexed := self.of(document.path)) is not None:
            indexed.edit(str(document.path), document)

    def closed(self, document: Document) -> None:
        """From here on the file is what the disk says."""
        if document.path is not None and (indexed := self.of(document.path)) is not None:
            indexed.edit(str(document.path), None)

    def of(self, path: Path) -> Indexed | None:
        """The deepest root around a path."""
        around = [root for root in self._roots if path.is_relative_to(root)]
        return self._roots[max(around, key=lambda root: len(root.parts))] if around else None

    def feed(self, paths: Iterable[Path]) -> None:
        """Files that the editor reports as changed on disk."""
        for path in paths:
            if (indexed := self.of(path)) is not None:
                indexed.feed([str(path)])

    def rebuild(self) -> None:
        """Look at everything again."""
        for indexed in self._roots.values():
            indexed.rebuild()

    def progress(self) -> list[dict[str, Any]]:
        """How far each root is, and its files by language. From any thread."""
        return [
            {"root": str(root), "done": of.done[0], "files": of.done[1]}
            | {"languages": dict(of.languages)}
            for root, of in list(self._roots.items())
        ]

    def symbols(
        self, query: str, limit: int, encoding: Encoding
    ) -> list[tuple[Path, Found, tuple[int, int]]]:
        """Definitions whose name fits a query, best first a root, with line and column from 0."""
        found = []
        for root, indexed in list(self._roots.items()):
            if (snapshot := indexed.snapshot()) is not None:
                found += [
                    (root, each, name_position(snapshot, each, encoding))
                    for each in snapshot.symbols(query, limit)
                ]
        return found[:limit]

    def close(self) -> None:
        """Stop all."""
        if self._pool is not None:
            self._pool.close()
        for root in list(self._roots):
            self.close_root(root)
