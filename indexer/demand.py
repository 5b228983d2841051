# SPDX-License-Identifier: Apache-2.0
"""In which order to index: what the user needs first comes first.

In: a listing; the files in use; the imports found in them. Out: one path after the other: the
files in use, what they import, their folders, what was changed lately, the rest. May be told more
at any time, from any thread. It knows no file's content. Where an import leads it asks `find`, and
where that has no answer it guesses by the names of the listed files.
"""

from __future__ import annotations

import re
import threading
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from indexer.types import FileRecord, Import

    # From a file's path, its language and some of its imports to the files that they mean.
    Find = Callable[[str, str, Sequence[Import]], list[str]]

GUESSES_MAX = 4  # files an import may mean; a common name means many, none of them surely
_FOLDER_STEMS = frozenset(("__init__", "index", "mod", "lib", "init"))
_SEPARATORS = re.compile(r"[./\\:@\s\"'<>]+")


class Demand:
    """The paths that are still to be looked at."""

    def __init__(
        self,
        paths: Sequence[str] | None,
        first: Iterable[str] = (),
        find: Find = lambda _path, _language, _imports: [],
    ) -> None:
        """`paths` is what was listed; None: nothing yet, and whatever is asked for is taken."""
        self._lock = threading.Lock()
        self._listed = paths is not None
        self._paths = paths or ()
        self._waiting = dict.fromkeys(self._paths)
        self._rest = iter(self._paths)
        self._urgent: deque[str] = deque()
        self._soon: deque[str] = deque()
        self._stems: dict[str, list[str]] | None = None
        self._find = find
        self._asked: set[str] = set()  # the files in use
        self._seen: set[str] = set()  # that somebody was said to wait for
        self._names: set[str] = set()  # that the files in use import
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
            self._asked.update(chosen)
            self._hurry(chosen)
            folders = {path.rpartition("/")[0] for path in chosen}
            if folders:
                self._soon.extend(p for p in self._waiting if p.rpartition("/")[0] in folders)

    def soon(self, paths: Iterable[str]) -> None:
        """These are worth more than the rest, and less than what was asked for before."""
        with self._lock:
            self._soon.extend(path for path in paths if path in self._waiting)

    def again(self, path: str) -> None:
        """It has changed since it was listed: look at it, or look once more."""
        with self._lock:
            self._waiting[path] = None
            self._urgent.append(path)

    def read(self, path: str, record: FileRecord) -> None:
        """What a file says of which somebody waits: what it imports is waited for too.

        Of a file that is not in use itself, only what it hands on: `from .cart import Cart` in a
        package, where a file in use imports `Cart` from that package.
        """
        imports: Sequence[Import] = record.imports
        if path in self._asked:
            self._names.update(one.name or one.module for one in imports)
        else:
            imports = [one for one in imports if one.name == "*" or one.alias in self._names]
        found = self._find(path, record.language, imports) if imports else []
        guesses = [] if found else [p for one in imports for p in self._guess(one)]
        with self._lock:
            self._hurry([*found, *guesses])

    def _hurry(self, paths: Iterable[str]) -> None:
        for path in paths:
            if not self._listed and path not in self._seen:
                self._waiting[path] = None
            self._seen.add(path)
            if path in self._waiting:
                self._urgent.append(path)

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
