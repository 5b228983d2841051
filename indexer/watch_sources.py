# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: PTH118, PTH120  strings: Path objects take ten times as long
"""How the system tells of changes in a folder.

In: a `Task`: what to watch, what is ignored. Out: calls of it with absolute paths, from threads of
watchdog. It gathers nothing and decides nothing: that is `watch.py`.

Linux is watched folder by folder, so that ignored ones cost nothing and a limit is seen:
watchdog's recursive observer watches all, and passes over a limit or an overflow in silence.
Elsewhere that observer is the native way. Where neither works, `watch.py` polls.
"""

from __future__ import annotations

import errno
import itertools
import os
import sys
import threading
from typing import TYPE_CHECKING, cast

from watchdog import events

from indexer.changes import SHORTAGES, folder_identity, list_folder

if TYPE_CHECKING:
    from watchdog.observers.api import BaseObserver
    from watchdog.observers.inotify_c import (
        CallbackId,
        InotifyEvent,
        InotifyFD,
        Mask,
        WatchDescriptor,
    )

    from indexer.changes import Source, Task

CHECK_S = 10.0  # is the root still the same folder? Renaming a parent of it makes no event

# Without a filter, reading a file is an event too: the index would wake itself for ever.
EVENTS: list[type[events.FileSystemEvent]] = [
    events.DirCreatedEvent, events.DirDeletedEvent, events.DirMovedEvent,
    events.FileClosedEvent, events.FileCreatedEvent, events.FileDeletedEvent,
    events.FileModifiedEvent, events.FileMovedEvent,
]  # fmt: skip


def native(task: Task) -> Source:
    """The system's own way, not yet open."""
    return Inotify(task) if has_inotify() else Observed(task)


def has_inotify() -> bool:
    """On Linux, with watchdog 7: watchdog 6, the last for Python 3.10, has another inside."""
    if sys.platform == "linux":
        from watchdog.observers import inotify_c  # noqa: PLC0415  loads on Linux only

        return hasattr(inotify_c, "InotifyFD")
    else:  # noqa: RET505  mypy follows the branches, not the returns
        return False


class Inotify:
    """Linux: one inotify instance, one watch for each folder that is not ignored."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._head_folder = os.path.dirname(task.head)
        self._fd: InotifyFD | None = None
        self._mask = 0
        self._numbers = itertools.count()  # watchdog warns if one id is used twice on a watch
        self._folders: dict[WatchDescriptor, tuple[str, CallbackId]] = {}
        self._lock = threading.Lock()  # guards _folders, and keeps events from outrunning it

    def open(self) -> None:
        # Here, because it loads on Linux only, and the C library with it.
        from watchdog.observers.inotify_c import InotifyConstants as Flags  # noqa: PLC0415
        from watchdog.observers.inotify_c import InotifyFD  # noqa: PLC0415

        self._mask = (
            Flags.IN_CREATE | Flags.IN_DELETE | Flags.IN_MOVE | Flags.IN_MODIFY
            | Flags.IN_CLOSE_WRITE | Flags.IN_ATTRIB | Flags.IN_DELETE_SELF | Flags.IN_MOVE_SELF
            | Flags.IN_ONLYDIR | Flags.IN_DONT_FOLLOW
        )  # fmt: skip
        self._fd = InotifyFD()
        self._fd.start()
        with self._lock:
            # The root may be a link, and the head may be elsewhere.
            if not self._watch(self._task.root, os.path.realpath(self._task.root)):
                raise PermissionError(errno.EACCES, "the folder cannot be read")
            self._watch(self._head_folder, self._head_folder)
            self._watch_below(self._task.root)

    def beat(self) -> float:
        if self._fd is None or not self._fd.is_alive():
            self._task.broken(OSError("the reader of inotify has ended"))
        return CHECK_S

    def close(self) -> None:
        with self._lock:
            self._folders.clear()  # so that its end is not taken for the root's
        if self._fd is not None:
            self._fd.stop()
            self._fd.join()

    # -- called by watchdog's reader thread

    def on_event(self, event: InotifyEvent) -> None:
        with self._lock:
            folder, _ = self._folders.get(event.wd, ("", None))
            if not folder:
                return
            if not event.name:
                if folder == self._task.root and (event.is_delete_self or event.is_move_self):
                    self._task.broken(None)
                return
            path = os.path.join(folder, os.fsdecode(event.name))
            if folder == self._head_folder and path != self._task.head:
                return
            try:
                if event.is_directory:
                    self._follow_folder(event, path)
            except OSError as error:
                self._task.broken(error)
        self._task.changed(path)

    def on_watch_deleted(self, wd: WatchDescriptor) -> None:
        with self._lock:
            folder, _ = self._folders.pop(wd, ("", None))
        if folder == self._task.root:
            self._task.broken(None)

    def on_queue_overflow(self) -> None:
        """Folders may have come unseen: watch them first, so that the listing misses nothing."""
        try:
            with self._lock:
                self._watch_below(self._task.root)
        except OSError as error:
            self._task.broken(error)
        self._task.lost()

    # -- with the lock held

    def _follow_folder(self, event: InotifyEvent, path: str) -> None:
        if event.is_moved_from:
            self._forget_below(path)
        elif path == self._head_folder:
            self._watch(path, path)
            self._task.changed(self._task.head)
        elif not event.is_delete and not self._task.ignored(path):
            self._watch_below(path)  # new, or opened to us by chmod

    def _watch_below(self, path: str) -> None:
        waiting = [path]
        while waiting:
            folder = waiting.pop()
            if folder == self._task.root or self._watch(folder, folder):
                waiting += list_folder(folder, self._task.ignored)[1]

    def _watch(self, path: str, place: str) -> bool:
        """False where no folder is any more, or one closed to us. Raises OSError at a shortage."""
        assert self._fd is not None
        number = cast("CallbackId", next(self._numbers))
        try:
            wd = self._fd.add_callback(os.fsencode(place), cast("Mask", self._mask), self, number)
        except OSError as error:
            if error.errno in SHORTAGES:
                raise
            return False
        if wd < 0:  # permission denied, which watchdog takes for a watch
            self._fd.remove_callbacks([(wd, number)])
            return False
        if wd in self._folders:
            self._fd.remove_callbacks([(wd, self._folders[wd][1])])
        self._folders[wd] = (path, number)
        return True

    def _forget_below(self, path: str) -> None:
        """A folder that was moved keeps its watches, under a name that is no longer its own."""
        assert self._fd is not None
        prefix = os.path.join(path, "")
        moved = [
            (wd, number)
            for wd, (folder, number) in self._folders.items()
            if folder == path or folder.startswith(prefix)
        ]
        for wd, _ in moved:
            del self._folders[wd]
        self._fd.remove_callbacks(moved)


class Observed(events.FileSystemEventHandler):
    """Elsewhere: the system's own recursive watching, through watchdog."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._real = os.path.realpath(task.root)
        self._observer: BaseObserver | None = None

    def open(self) -> None:
        from watchdog.observers import Observer  # noqa: PLC0415  opens the system's library

        self._observer = Observer()
        self._observer.schedule(self, self._real, recursive=True, event_filter=EVENTS)
        head_folder = os.path.dirname(self._task.head)
        inside = head_folder.startswith(os.path.join(self._task.root, ""))
        if not inside and folder_identity(head_folder) is not None:
            self._observer.schedule(self, head_folder, event_filter=EVENTS)
        self._observer.start()

    def beat(self) -> float:
        emitters = self._observer.emitters if self._observer is not None else ()
        if not all(emitter.is_alive() for emitter in emitters):
            self._task.broken(OSError("the watching has ended"))
        return CHECK_S

    def close(self) -> None:
        if self._observer is None:
            return
        self._observer.stop()
        if self._observer.is_alive():
            self._observer.join()

    def on_any_event(self, event: events.FileSystemEvent) -> None:
        if event.src_path == self._real:
            if event.event_type in {events.EVENT_TYPE_DELETED, events.EVENT_TYPE_MOVED}:
                self._task.broken(None)
            return
        for path in (event.src_path, event.dest_path):
            if path:
                self._task.changed(self._spelled(os.fsdecode(path)))

    def _spelled(self, path: str) -> str:
        """A Mac names files by the root's real path; we do by the one that we were given."""
        if path.startswith(os.path.join(self._real, "")):
            return self._task.root + path[len(self._real) :]
        return path
