# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: PTH118  strings: some hundred places are looked at while somebody waits
"""Which files an import leads to, by looking at the disk: before anybody has listed it.

In: a root, a `Policy`; a file's path, language and imports. Out: relative paths of files that are
there and may be read. The rules of resolution are those of `modules.py`; here they ask the disk
instead of a list, so that what would need a search of the whole tree is tried in the folders around
the file only. It reads project files such as go.mod, and knows no record and no store.
"""

from __future__ import annotations

import os
import stat
from posixpath import basename, dirname, splitext
from typing import TYPE_CHECKING

from indexer.modules import resolve
from indexer.policy import Refused
from indexer.projects import NAMES, PROJECT_MAX_BYTES, Project, Projects
from indexer.tree import FOLDER_STEMS, Tree, ancestors, join

if TYPE_CHECKING:
    from collections.abc import Iterable

    from indexer.policy import Policy
    from indexer.types import Import

FILES_MAX = 200  # that one file's imports may lead to first; more would be the whole repository
FOLDER_MAX = 1_000  # names of one folder that are looked at
# Where the packages of a repository with many are, by custom; "" is the root itself.
PACKAGE_FOLDERS = ("", "packages", "libs", "crates", "apps", "modules")


def find(
    root: str, policy: Policy, path: str, language: str, imports: Iterable[Import]
) -> list[str]:
    """Files that these imports of the file at `path` may mean, in the order of the imports.

    Takes 2-6 ms for a file of 30-90 imports. Never raises.
    """
    disk = _Disk(root, policy, path)
    projects = _Projects(disk)
    found: dict[str, None] = {}
    for imported in imports:
        # The names that one line takes from a module are imports of their own.
        places = resolve(disk, projects, path, language, imported)
        found.update((place.path, None) for place in places)
        if len(found) >= FILES_MAX:
            break
    return [place for place in found if place != path][:FILES_MAX]


class _Disk(Tree):
    """The tree of paths as the disk has it, for as long as one look takes."""

    def __init__(self, root: str, policy: Policy, path: str) -> None:
        """`path` is the file that imports."""
        super().__init__(lambda _: ())
        self.around = list(ancestors(dirname(path)))
        self._suffix = splitext(path)[1]
        self._root, self._policy = root, policy
        # For as long as one look takes: the mode of what is at a path, and whether it may be read.
        self._kinds: dict[str, int] = {}
        self._allowed: dict[str, bool] = {}

    def __contains__(self, path: object) -> bool:
        return isinstance(path, str) and stat.S_ISREG(self._kind(path)) and self.may_read(path)

    def first(self, stem_path: str, candidates: Iterable[str]) -> str | None:  # noqa: ARG002  a hint
        return next((path for path in candidates if path in self), None)

    def is_folder(self, folder: str) -> bool:
        return stat.S_ISDIR(self._kind(folder))

    def inside(self, folder: str, ending: str) -> list[str]:
        if not self.is_folder(folder):
            return []
        try:
            names = sorted(os.listdir(self._place(folder)))[:FOLDER_MAX]  # noqa: PTH208  as above
        except OSError:
            return []
        paths = [join(folder, name) for name in names if name.endswith(ending)]
        return [path for path in paths if path in self]

    def ending(self, tail: str) -> list[str]:
        """Of a search by the end of a path: what is there below a folder around the file."""
        return [
            path
            for folder in self.around
            for name in (tail, *(f"{tail}/{stem}" for stem in sorted(FOLDER_STEMS)))
            if (path := join(folder, name + self._suffix)) in self
        ]

    def may_read(self, path: str) -> bool:
        allowed = self._allowed.get(path)
        if allowed is None:
            decision = self._policy.decide(self._place(path))
            allowed = self._allowed[path] = decision.allowed and not decision.via_link
        return allowed

    def read(self, path: str) -> bytes | None:
        """A project file's bytes; None where there is none to read."""
        if path not in self:
            return None
        try:
            return self._policy.read_checked(self._place(path), PROJECT_MAX_BYTES)
        except (Refused, OSError):
            return None

    def _kind(self, path: str) -> int:
        """The mode of what is there, links unfollowed; 0 for nothing, and outside of the root."""
        mode = self._kinds.get(path)
        if mode is None:
            mode = self._kinds[path] = self._look(path)
        return mode

    def _look(self, path: str) -> int:
        if path == ".." or path.startswith(("../", "/")):
            return 0
        try:
            return os.lstat(self._place(path)).st_mode
        except (OSError, ValueError):  # ValueError: a NUL in what an import says
            return 0

    def _place(self, path: str) -> str:
        return os.path.join(self._root, path) if path else self._root


class _Projects(Projects):
    """Project files, read where they are looked for."""

    def __init__(self, disk: _Disk) -> None:
        super().__init__()
        self._disk = disk
        self._read: set[str] = set()
        for folder in disk.around:
            for name in sorted(NAMES):
                self._take(join(folder, name))

    def named(self, kind: str, name: str) -> Project | None:
        """A package of the repository: by the customary places of a folder of its name."""
        for folder in PACKAGE_FOLDERS:
            for spelled in dict.fromkeys((name, basename(name), name.replace("_", "-"))):
                self._take(join(folder, spelled, kind))
        return super().named(kind, name)

    def _take(self, path: str) -> None:
        if path not in self._read:
            self._read.add(path)
            if (data := self._disk.read(path)) is not None:
                self.update(path, data)
