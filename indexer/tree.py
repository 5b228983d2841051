# SPDX-License-Identifier: Apache-2.0
"""The paths of a repository as resolution sees them: which exist, which end how.

In: paths, slashes between their parts, relative to the root; packages that files declare. Out:
answers to "is there such a file", and for each question the key under which its answer may change.
It reads no file and knows no language.
"""

from __future__ import annotations

import zlib
from collections import Counter
from posixpath import basename, dirname
from typing import TYPE_CHECKING, Any

from indexer.table import Table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

# For endings and for questions: with a million questions in 2**16 buckets a change of one file
# re-resolves some tens of files needlessly, for a table of a few MB.
BUCKETS = 1 << 16
# Files that stand for their folder: who asks for `a/b` may get `a/b/__init__.py`.
FOLDER_STEMS = frozenset(("__init__", "index", "mod", "init", "package"))


def stem(path: str) -> str:
    """A file's name up to its first dot: `shop.d.ts` is `shop`, `.env` is `.env`."""
    name = basename(path)
    return name[: name.find(".", 1)] if "." in name[1:] else name


def join(folder: str, *parts: str) -> str:
    """`folder/a/b`; the root is "". `.` and `..` are worked out; above the root is "..":..."""
    words = folder.split("/") if folder else []
    for part in "/".join(parts).split("/"):
        if part == ".." and words and words[-1] != "..":
            words.pop()
        elif part not in ("", "."):
            words.append(part)
    return "/".join(words)


def ancestors(folder: str) -> Iterator[str]:
    """The folder itself, the one around it, ... the root."""
    while folder:
        yield folder
        folder = dirname(folder)
    yield ""


class Tree:
    """Paths by name and by ending, kept up as files come and go.

    A path has a number for as long as the process lives, and the next one if the tree is kept.
    """

    def __init__(self, defining: Callable[[str], Iterable[str]]) -> None:
        self.defining = defining
        self.folders: Counter[str] = Counter()  # files and folders directly inside
        self.names: list[str] = []  # every path that ever was, by number
        self.numbers: dict[str, int] = {}
        self._there = bytearray()
        self._by_tail = Table("I")  # numbers of paths, by a hash of their endings
        self._declared = _Groups()
        self._packages: dict[str, tuple[str, ...]] = {}
        self._asked: set[str] | None = None
        # What was worked out since `watch`: while one file is resolved, nothing changes.
        self.memo: dict[str, list[str]] = {}

    def to_state(self) -> tuple[Any, ...]:
        """Everything, for msgpack."""
        names = "\0".join(self.names).encode("utf-8", "surrogateescape")
        packages = {self.numbers[path]: row for path, row in self._packages.items()}
        folders = (list(self.folders), list(self.folders.values()))
        return names, bytes(self._there), folders, packages, self._by_tail.to_bytes()

    def restore(self, state: tuple[Any, ...]) -> None:
        """Be what a tree was. Raises ValueError, TypeError where this is no such state."""
        names, there, folders, packages, tails = state
        self.names = names.decode("utf-8", "surrogateescape").split("\0") if there else []
        self.numbers = {path: number for number, path in enumerate(self.names)}
        self._there = bytearray(there)
        self.folders = Counter(dict(zip(*folders, strict=True)))
        self._by_tail = Table("I", *tails)
        for number, row in packages.items():
            self.declare(self.names[number], tuple(row))

    def pack(self) -> None:
        """Give back memory after many changes."""
        self._by_tail.pack()

    def number(self, path: str) -> int:
        """A path's own number, whether there is such a file or not."""
        number = self.numbers.get(path)
        if number is None:
            number = self.numbers[path] = len(self.names)
            self.names.append(path)
            self._there.append(0)
        return number

    def __contains__(self, path: str) -> bool:
        self._ask(path)
        return self.has(path)

    def has(self, path: str) -> bool:
        """Is it there? Without a note."""
        number = self.numbers.get(path)
        return number is not None and self._there[number] == 1

    def first(self, stem_path: str, candidates: Iterable[str]) -> str | None:
        """The first of these that is there: one question for all files of one stem.

        `stem_path`: their path up to the first dot, or the folder of an `__init__` or `index`.
        """
        self._ask("=" + stem_path)
        for path in candidates:
            if self.has(path):
                return path
        return None

    def __len__(self) -> int:
        return self._there.count(1)

    def paths(self) -> list[str]:
        return sorted(path for path in self.names if self.has(path))

    def add(self, path: str) -> set[str]:
        """Returns the keys of questions that this may answer otherwise."""
        if self.has(path):
            return set()
        number = self.number(path)
        self._there[number] = 1
        for tail in {*map(bucket, _tails(path))}:
            self._by_tail.append(tail, number)
        keys = _keys(path)
        for folder in ancestors(dirname(path)):
            self.folders[folder] += 1
            keys.add(folder + "/")
            if self.folders[folder] > 1:
                break
        return keys

    def remove(self, path: str) -> set[str]:
        """Returns the keys of questions that this may answer otherwise."""
        if not self.has(path):
            return set()
        number = self.numbers[path]
        self._there[number] = 0
        for tail in {*map(bucket, _tails(path))}:
            self._by_tail.discard(tail, number)
        keys = _keys(path) | self.declare(path, ())
        for folder in ancestors(dirname(path)):
            self.folders[folder] -= 1
            keys.add(folder + "/")
            if self.folders[folder]:
                break
            del self.folders[folder]
        return keys

    def declare(self, path: str, packages: tuple[str, ...]) -> set[str]:
        """Packages, namespaces or modules that a file says it is in. Returns keys like `add`."""
        before = self._packages.pop(path, ())
        if packages:
            self._packages[path] = packages
        for package in before:
            self._declared.remove(package, path)
        for package in packages:
            self._declared.add(package, path)
        return {"package " + name for name in {*before} ^ {*packages}}

    def declared(self, package: str) -> list[str]:
        """Files that say they are in this package."""
        self._ask("package " + package)
        return sorted(self._declared.get(package))

    def packages(self, path: str) -> tuple[str, ...]:
        return self._packages.get(path, ())

    def is_folder(self, folder: str) -> bool:
        self._ask(folder + "/")
        return folder in self.folders

    def inside(self, folder: str, ending: str) -> list[str]:
        """Files directly in a folder whose names end so."""
        self._ask(folder + "/")
        found = self._ending(f"{basename(folder)}/")
        return sorted(p for p in found if dirname(p) == folder and p.endswith(ending))

    def ending(self, tail: str) -> list[str]:
        """Files whose path without suffixes ends with `a/b`, or `a/b/__init__` and the like."""
        self._ask("*" + stem(tail))
        short = "/".join(tail.split("/")[-2:])
        return sorted(path for path in self._ending(short) if _ends(path, tail))

    def _ending(self, tail: str) -> list[str]:
        """Paths that may have this ending: others share its hash."""
        return [self.names[number] for number in self._by_tail[bucket(tail)]]

    def watch(self) -> set[str]:
        """From here on, note the keys of what is asked; the set fills as questions come."""
        self._asked = set()
        self.memo.clear()
        return self._asked

    def unwatch(self) -> None:
        self._asked = None
        self.memo.clear()

    def _ask(self, question: str) -> None:
        if self._asked is not None:
            self._asked.add(question)


def bucket(text: str) -> int:
    """A small number for a text; two texts may share it."""
    return zlib.crc32(text.encode("utf-8", "surrogateescape")) % BUCKETS


class _Groups:
    """Paths by key. Most keys have one path: that takes no set."""

    def __init__(self) -> None:
        self._rows: dict[str, str | set[str]] = {}

    def add(self, key: str, path: str) -> None:
        row = self._rows.get(key)
        if row is None:
            self._rows[key] = path
        elif isinstance(row, str):
            self._rows[key] = {row, path}
        else:
            row.add(path)

    def remove(self, key: str, path: str) -> None:
        row = self._rows[key]
        if isinstance(row, str) or len(row) == 1:
            del self._rows[key]
        else:
            row.discard(path)

    def get(self, key: str) -> Iterable[str]:
        row = self._rows.get(key, ())
        return (row,) if isinstance(row, str) else row


def _keys(path: str) -> set[str]:
    folder, name = dirname(path), stem(path)
    keys = {path, "*" + name, "*" + basename(folder), folder + "/", f"={stem_path(path)}"}
    return keys | {"=" + folder} if name in FOLDER_STEMS else keys


def stem_path(path: str) -> str:
    """The path up to the first dot of the file's name."""
    folder, name = dirname(path), stem(path)
    return f"{folder}/{name}" if folder else name


def _tails(path: str) -> set[str]:
    """The endings under which a path is found: of one and of two parts, and by its folder."""
    folder, name = dirname(path), stem(path)
    around = basename(folder)
    tails = {name, f"{around}/{name}", f"{around}/"}
    if name in FOLDER_STEMS and folder:
        above = basename(dirname(folder))
        tails |= {around, f"{above}/{around}"}
    return tails


def _ends(path: str, tail: str) -> bool:
    whole = "/" + join(dirname(path), stem(path))
    if whole.endswith("/" + tail):
        return True
    return stem(path) in FOLDER_STEMS and ("/" + dirname(path)).endswith("/" + tail)
