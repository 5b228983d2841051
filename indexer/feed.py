# SPDX-License-Identifier: Apache-2.0
"""Keeps the resolver told of what the index knows, behind everything that somebody waits for.

In: paths whose record has changed; what is asked for first is told first. Out: a resolver, which
begins with what was worked out before the last end, and is told only what has changed since.
One thread of its own does this, in small steps, and then rests. It knows no disk.
"""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from indexer.store import StoreError
from indexer.usage_of_process import give_back

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from indexer.graph import Resolver
    from indexer.library import Library
    from indexer.snapshot import Snapshot
    from indexer.types import FileRecord

CLOSE_S = 5.0
# Files whose imports are resolved under one holding of the resolver's lock.
SETTLE_FILES = 4
# After each step others have a turn: who waits for the interpreter gets it when we sleep, and else
# after 5 ms, three times over for one look into SQLite.
PAUSE_S = 0.0005
# So many changes are written down as soon as there is nothing else to do; fewer, at the end: after
# a kill they are told again, which takes a second.
KEEP_CHANGES = 2_000
_GRAPH = "graph"


class Feed:
    """A resolver and the thread that feeds it. The thread starts with the first path."""

    def __init__(self, snapshot: Callable[[], Snapshot], library: Callable[[], Library]) -> None:
        """Both give the present one."""
        self._live = _Live(snapshot)
        self._snapshot = snapshot
        self._library = library
        self._resolver: Resolver | None = None
        self._making = threading.Lock()
        self._changed = threading.Condition()
        self._urgent: dict[str, None] = {}
        self._waiting: dict[str, None] = {}
        self._compare = False
        self._names = False  # there may be new ones, to be found by their letters
        self._held = 0
        self._busy = False
        self._restless = False  # something was told since everything was settled
        self._wrote = False  # a pass has ended since: it has used memory
        self._closed = False
        self._thread: threading.Thread | None = None

    @property
    def resolver(self) -> Resolver:
        """The resolver, which may not have been told everything yet."""
        with self._making:
            if self._resolver is None:
                self._resolver = self._made()
            return self._resolver

    def _made(self) -> Resolver:
        # Not imported for an answer that needs no resolution: a warm start is short.
        from indexer.graph import Resolver  # noqa: PLC0415

        try:
            data = self._library().store.derived(_GRAPH)
            if data is not None:
                return Resolver.restored(self._live, data, self._snapshot().versions())
        except (StoreError, ValueError):
            pass  # it is worked out again
        return Resolver(self._live)

    def tell(self, paths: Iterable[str], *, urgent: bool = False) -> None:
        """These have another record now, or none."""
        with self._changed:
            (self._urgent if urgent else self._waiting).update(dict.fromkeys(paths))
            if self._urgent or self._waiting:
                self._wake()

    def compare(self) -> None:
        """Tell whatever the resolver does not know as it is now."""
        with self._changed:
            self._compare = True
            self._wake()

    def _wake(self) -> None:
        if self._thread is None and not self._closed:
            self._thread = threading.Thread(target=self._run, name="index-feed", daemon=True)
            self._thread.start()
        self._changed.notify_all()

    def hold(self) -> None:
        """Only what is urgent, until `release`: a cold index needs the processor."""
        with self._changed:
            self._held += 1

    def release(self) -> None:
        with self._changed:
            self._held -= 1
            self._names = self._wrote = True
            self._wake()

    def wait(self, timeout_s: float) -> bool:
        """Until everything was told. False where that took too long."""
        with self._changed:
            return self._changed.wait_for(lambda: self._closed or self._is_done(), timeout_s)

    def _is_done(self) -> bool:
        return not (self._urgent or self._waiting or self._compare or self._names or self._busy)

    def close(self) -> None:
        """End the thread; what was worked out is written down for the next start."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(CLOSE_S)
            if not self._thread.is_alive():
                self._keep(1)

    # --- in the thread ---

    def _run(self) -> None:
        while (path := self._take()) is not None:
            resolver = self.resolver  # not sooner: to load it takes the interpreter from others
            if path:
                self._tell_one(resolver, path)
            elif self._names:
                self._follow_names()
            elif self._compare:
                self._compare_all(resolver)
            elif resolver.settle(SETTLE_FILES):
                time.sleep(PAUSE_S)
            else:
                self._restless = False
                resolver.pack()
                self._keep(KEEP_CHANGES)
                if self._wrote:
                    self._wrote = False
                    give_back()

    def _tell_one(self, resolver: Resolver, path: str) -> None:
        snapshot = self._snapshot()
        version = snapshot.version(path)
        if resolver.knows(path, version):
            return
        if resolver.is_project_file(path):
            resolver.configure(path, snapshot.text(path) or None)
        resolver.update(path, snapshot.record(path), version)
        self._restless = True

    def _follow_names(self) -> None:
        with self._changed:
            self._names = False
        with suppress(StoreError, OSError):  # at the next pass, or the next start
            self._library().follow_names()
        if not self._restless:
            give_back()

    def _compare_all(self, resolver: Resolver) -> None:
        with self._changed:
            self._compare = False
        self.tell(resolver.differing(self._snapshot().versions()))

    def _take(self) -> str | None:
        """The next path; "" where there is none, but other work; None at the end."""
        with self._changed:
            self._busy = False
            self._changed.notify_all()
            self._changed.wait_for(
                lambda: self._closed or self._urgent or (self._has_work() and not self._held)
            )
            if self._closed:
                return None
            all_at_once = self._compare or self._names
            queue = self._urgent or ({} if all_at_once else self._waiting)
            self._busy = bool(queue) or all_at_once
            path = next(iter(queue), "")
            self._urgent.pop(path, None)
            self._waiting.pop(path, None)
            return path

    def _has_work(self) -> bool:
        return bool(self._waiting) or self._compare or self._names or self._restless

    def _keep(self, changes: int) -> None:
        """Write down what was worked out, if there were so many changes."""
        resolver = self._resolver
        if resolver is not None and resolver.changes >= changes:
            with suppress(StoreError, OSError, ValueError):  # it is worked out again
                self._library().keep(_GRAPH, resolver.to_bytes())


class _Live:
    """What the resolver asks: always the present state."""

    def __init__(self, snapshot: Callable[[], Snapshot]) -> None:
        self._snapshot = snapshot

    def record(self, path: str) -> FileRecord | None:
        return self._snapshot().record(path)

    def text(self, path: str) -> bytes | None:
        return self._snapshot().known_text(path) or None

    def defining(self, name: str) -> list[str]:
        return self._snapshot().defining(name)
