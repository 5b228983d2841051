# SPDX-License-Identifier: Apache-2.0
"""Where dashboards and servers meet: a folder of the user's alone, and signs of life in it.

In: the cache folder. Out: paths, and whether somebody still touches a file. A dashboard touches
the marker while it is open; a server writes a file of its own while the marker is touched. Knows
not what is written.
"""

from __future__ import annotations

import contextlib
import os
import time
from typing import TYPE_CHECKING

from engine import atomic
from engine.places import cache_dir
from lsp_server.suggestions.kept import OWNER_ONLY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

MARKER = "open"
SUFFIX = ".json"
BEAT_S = 0.5  # between two touches; what is forgotten is off the page within a second
ALIVE_S = 4.0  # a process that is stopped for longer comes back by itself
ABANDONED_S = 60.0  # by the clock of the disk, which may differ from ours


def folder() -> Path:
    """Where they meet; made by whoever writes first. Raises OSError."""
    return cache_dir() / "dashboard"


def made(place: Path) -> Path:
    """The same folder, made if missing. Raises OSError."""
    place.mkdir(mode=OWNER_ONLY, exist_ok=True)
    return place


def touch(marker: Path) -> None:
    """Say that a dashboard is open. Raises OSError."""
    made(marker.parent)
    marker.touch(mode=atomic.OWNER_ONLY)
    os.utime(marker)


def written(place: Path) -> Iterator[Path]:
    """What servers have written, halves of it that a crash has left included."""
    with contextlib.suppress(OSError):
        yield from (p for p in place.iterdir() if p.suffix in {SUFFIX, atomic.NEW_SUFFIX})


def sweep(place: Path) -> None:
    """Drop what servers left that were killed, unless a dashboard may be looking at it."""
    with contextlib.suppress(OSError):
        if time.time() - (place / MARKER).stat().st_mtime < ABANDONED_S:
            return
    for path in written(place):
        with contextlib.suppress(OSError):  # another server sweeps, too
            path.unlink()


class Pulse:
    """Whether a file is still touched. A change is seen, not dated: clocks of disks differ."""

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._path, self._clock = path, clock
        self._stamp: int | None = None  # not looked yet; 0: there was no file
        self._at = float("-inf")

    def beats(self) -> bool:
        """Look; costs one stat. A file that was there before the first look may be left over."""
        try:
            stamp = self._path.stat().st_mtime_ns
        except OSError:
            self._stamp, self._at = 0, float("-inf")
            return False
        if self._stamp is not None and stamp != self._stamp:
            self._at = self._clock()
        self._stamp = stamp
        return self._clock() - self._at < ALIVE_S
