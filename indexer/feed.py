# SPDX-License-Identifier: Apache-2.0
"""Keeps the resolver told of what the index knows, behind everything that somebody waits for.

In: paths whose record has changed; what is asked for first is told first. Out: calls of `update`
and `configure`, from one thread of its own. It knows neither store nor disk.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from indexer.graph import Resolver, Source

CLOSE_S = 5.0


class Feed:
    """A resolver and the thread that feeds it. The thread starts with the first path."""

    def __init__(self, source: Source, project: Callable[[str], bytes | None]) -> None:
        """`project` reads a project file such as go.mod; None where it is gone."""
        self._source = source
        self._resolver: Resolver | None = None
        self._project = project
        self._changed = threading.Condition()
        self._urgent: dict[str, None] = {}
        self._waiting: dict[str, None] = {}
        self._held = 0
        self._busy = False
        self._closed = False
        self._thread: threading.Thread | None = None

    @property
    def resolver(self) -> Resolver:
        """The resolver, which may not have been told everything yet."""
        with self._changed:
            if self._resolver is None:
                # Not imported for an answer that needs no resolution: a warm start is short.
                from indexer.graph import Resolver  # noqa: PLC0415

                self._resolver = Resolver(self._source)
            return self._resolver

    def tell(self, paths: Iterable[str], *, urgent: bool = False) -> None:
        """These have another record now, or none."""
        with self._changed:
            (self._urgent if urgent else self._waiting).update(dict.fromkeys(paths))
            if self._thread is None and not self._closed and (self._urgent or self._waiting):
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
            self._changed.notify_all()

    def wait(self, timeout_s: float) -> bool:
        """Until everything was told. False where that took too long."""
        with self._changed:
            return self._changed.wait_for(
                lambda: self._closed or not (self._urgent or self._waiting or self._busy), timeout_s
            )

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(CLOSE_S)

    def _run(self) -> None:
        resolver = self.resolver
        while (path := self._take()) is not None:
            if resolver.is_project_file(path):
                resolver.configure(path, self._project(path))
            resolver.update(path, self._source.record(path))

    def _take(self) -> str | None:
        with self._changed:
            self._busy = False
            self._changed.notify_all()
            self._changed.wait_for(
                lambda: self._closed or self._urgent or (self._waiting and not self._held)
            )
            if self._closed:
                return None
            self._busy = True
            queue = self._urgent or self._waiting
            path = next(iter(queue))
            self._urgent.pop(path, None)
            self._waiting.pop(path, None)
            return path
