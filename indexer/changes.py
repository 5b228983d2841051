# SPDX-License-Identifier: Apache-2.0
"""What has changed: many reports become few sets of paths, two looks at a tree become a difference.

In: paths with the time they were reported; `stat` results. Out: `Changes`, due at a known time.
It knows no threads and nothing of how a system tells of changes. What gathers (`Coalescer`,
`Reported`) is pure, its clock handed in. What looks at the disk reads names and stats, never what
a file says. `Source` is what `watch.py` needs of any way to learn of changes; `Poll` is one.
"""

from __future__ import annotations

import errno
import os
import stat
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

QUIET_S = 0.050  # editors and git write a file in several steps; they are over by then
LATEST_S = 0.500  # under a stream that never pauses
MAX_PATHS = 10_000  # more at once is another tree: listing it again costs less than naming each
COARSE_CLOCK_NS = 20_000_000  # systems stamp files by a tick of 1-16 ms
POLL_MIN_S = 2.0  # a user notices more; above LATEST_S, so that two looks make two calls
POLL_MAX_S = 60.0
POLL_SHARE = 0.04  # of one core, for looking at everything again
WHOLE_SECONDS_NS = 2_000_000_000  # the stamps of FAT and of old archives


# Of handles, watches, memory. They pass; what could not be looked at is neither gone nor changed.
SHORTAGES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOSPC, errno.ENOMEM})


@dataclass(frozen=True, slots=True)
class Changes:
    """What one burst came to. With `rescan`, `paths` is empty: anything may have changed."""

    paths: frozenset[str]
    rescan: bool = False
    branch: bool = False


@dataclass(slots=True)
class Coalescer:
    """Gathers a burst of reports. Not thread-safe; times are seconds of one steady clock."""

    _paths: set[str] = field(default_factory=set)
    _rescan: bool = False
    _branch: bool = False
    _first: float | None = None
    _last: float = 0.0

    def add(self, path: str, now: float) -> None:
        """This path has changed. Nothing more is kept once a rescan is due anyway."""
        self._stamp(now)
        if self._rescan:
            return
        self._paths.add(path)
        if len(self._paths) > MAX_PATHS:
            self.rescan(now)

    def rescan(self, now: float) -> None:
        """Something was lost: which paths changed is not known."""
        self._stamp(now)
        self._rescan = True
        self._paths.clear()

    def branch(self, now: float) -> None:
        """Another branch or commit was checked out."""
        self._stamp(now)
        self._branch = True

    def covers(self, path: str) -> bool:
        """Whether reporting this path again would add nothing but time."""
        return self._rescan or path in self._paths

    def due(self) -> float | None:
        """When to take what was gathered; None while there is nothing."""
        if self._first is None:
            return None
        return min(self._last + QUIET_S, self._first + LATEST_S)

    def take(self) -> Changes:
        """All that was gathered, and start again."""
        changes = Changes(frozenset(self._paths), self._rescan, self._branch)
        self._paths.clear()
        self._rescan = self._branch = False
        self._first = None
        return changes

    def _stamp(self, now: float) -> None:
        if self._first is None:
            self._first = now
        self._last = now


@dataclass(slots=True)
class Reported:
    """The last state of each path that was reported: the editor may report it once more, later."""

    _stamps: dict[str, int] = field(default_factory=dict)  # oldest first

    def is_news(self, path: str, found: os.stat_result | None, now_ns: int) -> bool:
        """Whether this state differs from the last one reported. `found` is None for no file.

        A stamp so young that a second write could share it proves nothing: that is always news.
        """
        before = self._stamps.pop(path, None)
        if found is not None and not is_settled(found, now_ns):
            return True
        stamp = stamp_of(found)
        self._stamps[path] = stamp
        if len(self._stamps) > MAX_PATHS:
            del self._stamps[next(iter(self._stamps))]
        return stamp != before

    def clear(self) -> None:
        self._stamps.clear()


def stamp_of(found: os.stat_result | None) -> int:
    """A file's state as one number. ctime tells a rewrite whose mtime was put back."""
    if found is None:
        return 0
    return hash((found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino, found.st_mode))


def is_settled(found: os.stat_result, now_ns: int) -> bool:
    """Whether a write from now on is sure to show in the file's times (wall clock)."""
    newest = max(found.st_mtime_ns, found.st_ctime_ns)
    whole_seconds = found.st_mtime_ns % 1_000_000_000 == 0
    return newest + (WHOLE_SECONDS_NS if whole_seconds else COARSE_CLOCK_NS) < now_ns


def list_folder(
    folder: str, ignored: Callable[[str], bool]
) -> tuple[list[os.DirEntry[str]], list[str]]:
    """(entries that are no folders, folders), without the ignored. Links are never followed.

    A folder that is gone, closed to us or broken is empty. Raises OSError at a shortage: taking
    its folders for empty would drop every file.
    """
    files: list[os.DirEntry[str]] = []
    folders: list[str] = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if ignored(entry.path):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
                else:
                    files.append(entry)
    except OSError as error:
        if error.errno in SHORTAGES:
            raise
    return files, folders


def files_below(folder: str, ignored: Callable[[str], bool]) -> Iterator[os.DirEntry[str]]:
    """Every entry below that is no folder. No order. Raises OSError at a shortage."""
    waiting = [folder]
    while waiting:
        files, folders = list_folder(waiting.pop(), ignored)
        yield from files
        waiting += folders


def look(root: str, ignored: Callable[[str], bool]) -> dict[str, int]:
    """The state of every file below the root, to compare with a later look. Raises OSError."""
    seen = {}
    for entry in files_below(root, ignored):
        with suppress(OSError):  # gone since it was listed
            seen[entry.path] = stamp_of(entry.stat(follow_symlinks=False))
    return seen


def differences(before: Mapping[str, int], after: Mapping[str, int]) -> Iterator[str]:
    """The paths that are new, changed or gone."""
    for path, stamp in after.items():
        if before.get(path) != stamp:
            yield path
    yield from (path for path in before if path not in after)


def state_of(path: str) -> os.stat_result | None:
    """What stands at the path itself, a link unfollowed; None where that is nothing."""
    try:
        return os.lstat(path)
    except (OSError, ValueError):  # ValueError: no path of this system, such as one with a NUL
        return None


def is_folder(found: os.stat_result | None) -> bool:
    return found is not None and stat.S_ISDIR(found.st_mode)


def folder_identity(root: str) -> tuple[int, int] | None:
    """Which folder stands at the root, links followed; None if none."""
    try:
        found = os.stat(root)  # noqa: PTH116  as above
    except OSError:
        return None
    return (found.st_dev, found.st_ino) if is_folder(found) else None


@dataclass(frozen=True, slots=True)
class Task:
    """What a source watches and whom it tells. The calls come from threads of the source."""

    root: str
    head: str
    ignored: Callable[[str], bool]
    changed: Callable[[str], None]
    lost: Callable[[], None]
    broken: Callable[[OSError | None], None]  # None: the root is gone, or the source has ended


class Source(Protocol):
    def open(self) -> None:
        """From when this returns, no change is missed. Raises OSError."""

    def beat(self) -> float:
        """Do what is to be done at intervals; seconds until the next time."""

    def close(self) -> None: ...


class Poll:
    """Anywhere: look at everything, seldom enough to cost little.

    What comes and goes between two looks is not seen. A burst that is over by the next is: what
    changed is reported twice, for it may have been read in the midst.
    """

    def __init__(self, task: Task) -> None:
        self._task = task
        self._seen: dict[str, int] = {}
        self._changed: set[str] = set()
        self._cost_s = 0.0

    def open(self) -> None:
        """Where this look fails, the first that does not will find everything new."""
        with suppress(OSError):
            self._seen = self._look()

    def beat(self) -> float:
        try:
            seen = self._look()
        except OSError:
            return POLL_MIN_S  # what cannot be read now has not changed
        if folder_identity(self._task.root) is not None:  # else all would seem to be deleted
            changed = set(differences(self._seen, seen))
            for path in changed | self._changed:
                self._task.changed(path)
            self._seen, self._changed = seen, changed
        return min(max(POLL_MIN_S, self._cost_s / POLL_SHARE), POLL_MAX_S)

    def close(self) -> None:
        """Nothing is open."""

    def _look(self) -> dict[str, int]:
        begin = time.perf_counter()
        seen = look(self._task.root, self._task.ignored)
        seen[self._task.head] = stamp_of(state_of(self._task.head))
        self._cost_s = time.perf_counter() - begin
        return seen
