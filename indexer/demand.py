# SPDX-License-Identifier: Apache-2.0
"""In which order to index: what the user needs first comes first.

In: a listing; the files in use; the imports found in them. Out: one path after the other: the
files in use, what they import, their folders, what was changed lately, the rest. May be told more
at any time, from any thread. It knows no file's content, and resolves no import: it guesses.
"""

from __future__ import annotations

import re
import threading
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from indexer.types import Import

GUESSES_MAX = 4  # files an import may mean; a common name means many, none of them surely
_FOLDER_STEMS = frozenset(("__init__", "index", "mod", "lib", "init"))
_SEPARATORS = re.compile(r"[./\\:@\s\"'<>]+")


class Demand:
    """The paths that are still to be looked at."""

    def __init__(self, paths: Sequence[str], first: Iterable[str] = ()) -> None:
        self._lock = threading.Lock()
        self._paths = paths
        self._waiting = dict.fromkeys(paths)
        self._rest = iter(paths)
        self._urgent: deque[str] = deque()
        self._soon: deque[str] = deque()
        self._stems: dict[str, list[str]] | None = None
        self.total = len(self._waiting)
        self.prefer(first)

    def take(self) -> tuple[str, bool] | None:
        """The next path, and whether somebody waits for it; None when there is none left."""
        with self._lock:
            for queue, urgent in ((self._urgent, True), (self._soon, False), (self._rest, False)):
                for path in _drain(queue):
                    if path in self._waiting:
                        del self._waiting[path]
                        return path, urgent
        return None

    def left(self) -> int:
        return len(self._waiting)

    def prefer(self, paths: Iterable[str]) -> None:
        """Somebody waits for these; their folders come soon."""
        with self._lock:
            chosen = list(paths)
            self._urgent.extend(path for path in chosen if path in self._waiting)
            folders = {path.rpartition("/")[0] for path in chosen}
            if folders:
                self._soon.extend(p for p in self._waiting if p.rpartition("/")[0] in folders)

    def soon(self, paths: Iterable[str]) -> None:
        with self._lock:
            self._soon.extend(path for path in paths if path in self._waiting)

    def again(self, path: str) -> None:
        """It has changed since it was listed: look at it, or look once more."""
        with self._lock:
            self._waiting[path] = None
            self._urgent.append(path)

    def imported(self, imports: Iterable[Import]) -> None:
        """Somebody waits for what these may mean, too."""
        guesses = [path for one in imports for path in self._guess(one)]
        with self._lock:
            self._urgent.extend(path for path in guesses if path in self._waiting)

    def _guess(self, one: Import) -> list[str]:
        """Files whose path ends as the module's name does, the longest agreement first."""
        parts = [part for part in _SEPARATORS.split(one.module) if part]
        tails = [tail for tail in ([*parts, one.name], parts) if tail and tail[-1]]
        found: dict[str, int] = {}
        for tail in tails:
            for path in self._by_stem().get(tail[-1].lower(), ()):
                found[path] = max(found.get(path, 0), _agreement(path, tail))
        best = max(found.values(), default=0)
        return sorted(path for path, length in found.items() if length == best)[:GUESSES_MAX]

    def _by_stem(self) -> dict[str, list[str]]:
        if self._stems is None:
            self._stems = {}
            for path in self._paths:
                self._stems.setdefault(_words(path)[-1].lower(), []).append(path)
        return self._stems


def _drain(queue: deque[str] | Iterator[str]) -> Iterator[str]:
    if isinstance(queue, deque):
        while queue:
            yield queue.popleft()
    else:
        yield from queue


def _words(path: str) -> list[str]:
    """`shop/cart/__init__.py` is shop, cart; `shop/cart.d.ts` is shop, cart."""
    *folders, name = path.split("/")
    stem = name[: name.find(".", 1)] if "." in name[1:] else name
    return folders if stem in _FOLDER_STEMS and folders else [*folders, stem]


def _agreement(path: str, tail: list[str]) -> int:
    length = 0
    for ours, theirs in zip(reversed(_words(path)), reversed(tail), strict=False):
        if ours.lower() != theirs.lower():
            break
        length += 1
    return length
