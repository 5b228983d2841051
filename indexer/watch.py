# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: PTH100, PTH118  strings: Path objects take ten times as long
"""Watch a folder: events of the system, of the editor, or of a poll become few calls.

In: a root, a rule for what is ignored, and `feed` with what the editor reports. Out: calls with
sets of absolute paths, or with None for "list it again". It does not know what a file is for,
nor git beyond the name of its HEAD file. How reports are gathered is in `changes.py`, how the
system tells of changes in `watch_sources.py`.

A path that is reported is a file, or is none (a folder, or gone): then nothing that was known
below it counts, and what is there now is in the same set. Take a set in sorted order.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from typing import TYPE_CHECKING

from indexer import watch_sources
from indexer.changes import (
    MAX_PATHS,
    Coalescer,
    Poll,
    Reported,
    Task,
    files_below,
    folder_identity,
    is_folder,
    state_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from indexer.changes import Source

ROOT_POLL_S = 2.0  # while the root is gone
RESTART_S = 0.1  # a way of watching that ends at once must not keep us busy
CLOSE_S = 5.0  # a callback that takes longer ends by itself, in a daemon thread

_log = logging.getLogger(__name__)


class Watch:
    """Watches from `start()` to `close()`, in threads of its own.

    on_change: gets changed paths, or None: list the root again (events were lost, more than
      10,000 paths at once, the root is gone or back, another way of watching begins).
    ignored: for a file or folder, by its absolute path: whether it, or a folder that it is in,
      is of no interest. Asked often, from several threads: no I/O, no exceptions.
    on_branch: another commit was checked out (HEAD was written). The files that differ come to
      `on_change`, before or after. head: that file; by default `.git/HEAD` below the root, in
      a linked work tree what `git rev-parse --git-path HEAD` says.

    Calls are never made at the same time; what changes during one is gathered for the next.
    """

    def __init__(
        self,
        root: str,
        on_change: Callable[[frozenset[str] | None], None],
        ignored: Callable[[str], bool],
        *,
        on_branch: Callable[[], None] | None = None,
        head: str | None = None,
    ) -> None:
        self._root = os.path.abspath(root)
        self._prefix = os.path.join(self._root, "")
        self._head = os.path.abspath(head or os.path.join(self._root, ".git", "HEAD"))
        self._on_change = on_change
        self._on_branch = on_branch
        self._ignored = ignored
        self._pending = Coalescer()
        self._fed: set[str] = set()  # those pending of which only the editor has told us
        self._reported = Reported()
        self._lock = threading.Condition()  # guards _pending; notified when something is due
        self._closed = threading.Event()
        self._ready = threading.Event()
        self._wake = threading.Event()  # the supervisor has to look
        self._limit: OSError | None = None  # why the system's events cannot be had
        self._ended = False  # the source has
        self._polling = self._warned = False
        self._threads = [
            threading.Thread(target=self._supervise, name="watch", daemon=True),
            threading.Thread(target=self._deliver, name="watch-deliver", daemon=True),
        ]

    def start(self) -> None:
        """Begin, and return at once."""
        for thread in self._threads:
            thread.start()

    def wait_ready(self, timeout_s: float) -> bool:
        """Wait until no change is missed. A listing made after that is complete."""
        return self._ready.wait(timeout_s)

    @property
    def polling(self) -> bool:
        """Whether the system's events cannot be had (for a status line)."""
        return self._polling

    def feed(self, paths: Iterable[str]) -> None:
        """Paths that the editor says have changed. Never blocks; those outside are passed over."""
        for path in paths:
            self._changed(self._spelled(os.path.abspath(path)), fed=True)

    def close(self) -> None:
        """End. No call begins after this returns (one that takes over 5 s may still be running)."""
        self._closed.set()
        self._wake.set()
        with self._lock:
            self._lock.notify_all()
        for thread in self._threads:
            if thread.is_alive() and thread is not threading.current_thread():
                thread.join(CLOSE_S)

    # -- what sources call, from their threads

    def _changed(self, path: str, *, fed: bool = False) -> None:
        if path == self._head:
            self._note(Coalescer.branch)
            return
        if not path.startswith(self._prefix):
            return
        with self._lock:
            known = self._pending.covers(path)
            if not fed:
                self._fed.discard(path)
            elif not known:
                self._fed.add(path)
        if known or not self._ignored(path):
            self._note(Coalescer.add, path)

    def _rescan(self) -> None:
        self._note(Coalescer.rescan)

    def _broken(self, error: OSError | None) -> None:
        self._limit = error or self._limit
        self._ended = True
        self._wake.set()

    def _note(self, add: Callable[..., None], *path: str) -> None:
        with self._lock:
            idle = self._pending.due() is None
            add(self._pending, *path, time.monotonic())
            if idle:
                self._lock.notify_all()

    def _spelled(self, path: str) -> str:
        """The root as we were given it: editors and Windows differ in the case of a drive."""
        given = path[: len(self._prefix)]
        if given != self._prefix and os.path.normcase(given) == os.path.normcase(self._prefix):
            return self._prefix + path[len(self._prefix) :]
        return path

    # -- one thread keeps a source going

    def _supervise(self) -> None:
        fresh = True  # nobody has listed the root yet, so there is nothing to list again
        gone = False
        while not self._closed.is_set():
            identity = folder_identity(self._root)
            if identity is None:
                if not gone:
                    self._rescan()
                gone, fresh, self._limit = True, False, None
                self._wake.wait(ROOT_POLL_S)
                self._wake.clear()
                continue
            gone = False
            source = self._open_source()
            if source is None:
                continue
            if not fresh:
                self._rescan()
            fresh = False
            self._ready.set()
            self._attend(source, identity)
            source.close()
            self._closed.wait(RESTART_S)

    def _open_source(self) -> Source | None:
        """The best that works; None where the root has gone meanwhile."""
        task = Task(
            self._root, self._head, self._ignored, self._changed, self._rescan, self._broken
        )
        self._ended = False
        source = self._open_native(task) if self._limit is None else None
        self._polling = self._limit is not None
        if self._limit is None:
            return source
        if not self._warned:
            _log.warning("no file events (%s): looking for changes at intervals", self._limit)
        self._warned = True
        poll = Poll(task)
        poll.open()
        return poll

    def _open_native(self, task: Task) -> Source | None:
        source = watch_sources.native(task)
        try:
            source.open()
        except OSError as error:
            source.close()
            if folder_identity(self._root) is not None:
                self._limit = error
            return None
        return source

    def _attend(self, source: Source, identity: tuple[int, int]) -> None:
        """Until the source or the root is no longer what it was, or we are closed."""
        delay = source.beat()
        while True:
            self._wake.wait(delay)
            self._wake.clear()
            if self._closed.is_set() or self._ended or folder_identity(self._root) != identity:
                return
            delay = source.beat()

    # -- the other one makes the calls

    def _deliver(self) -> None:
        while self._wait_until_due():
            with self._lock:
                changes = self._pending.take()
                fed, self._fed = self._fed, set()
            if changes.branch and self._on_branch is not None:
                self._call(self._on_branch)
            paths = None if changes.rescan else self._news(changes.paths, fed)
            if paths is None:
                self._reported.clear()
            if paths is None or paths:
                self._call(self._on_change, paths)

    def _wait_until_due(self) -> bool:
        with self._lock:
            while not self._closed.is_set():
                due = self._pending.due()
                wait_s = None if due is None else due - time.monotonic()
                if wait_s is not None and wait_s <= 0:
                    return True
                self._lock.wait(wait_s)
        return False

    def _news(self, paths: frozenset[str], fed: set[str]) -> frozenset[str] | None:
        """With the files of folders, less what the editor tells us after the system did.

        None: too many, or unreadable. Only the editor's reports are ever passed over: a file that
        went and came back unchanged while it was being read must be reported once more.
        """
        news: set[str] = set()
        try:
            for path in paths:
                found = state_of(path)
                new = self._reported.is_news(path, found, time.time_ns())
                if is_folder(found):
                    self._add_below(path, news)
                if new or path not in fed or self._polling or is_folder(found):
                    news.add(path)
                if len(news) > MAX_PATHS:
                    return None
        except OSError:
            return None
        return frozenset(news)

    def _add_below(self, folder: str, news: set[str]) -> None:
        for entry in files_below(folder, self._ignored):
            self._reported.is_news(entry.path, state_of(entry.path), time.time_ns())
            news.add(entry.path)
            if len(news) > MAX_PATHS:
                return

    def _call(self, callback: Callable[..., None], *args: frozenset[str] | None) -> None:
        if self._closed.is_set():
            return
        try:
            callback(*args)
        except Exception:  # noqa: BLE001  the watching outlives what its listeners do
            _log.exception("a change of files could not be handled")
            self._reported.clear()  # so that it may be reported again
