# SPDX-License-Identifier: Apache-2.0
"""The text of the files nearest to one: of the same kind, open, imported, beside it.

In: a snapshot and a path. Out: one flat text of bounded size, and of which files it is, so that
who keeps it can tell whether they may still be read. It knows no cursor. Reads files: takes some
tens of milliseconds, and belongs on a thread.
"""

from __future__ import annotations

from dataclasses import dataclass
from posixpath import dirname, splitext
from typing import TYPE_CHECKING

from indexer.continuation import flat
from indexer.tree import ancestors

if TYPE_CHECKING:
    from collections.abc import Iterator

    from indexer.snapshot import Snapshot

# Measured on four commits: 200 KB foresee as many characters at the same precision as 1 MB and as
# 4 MB do, and a key takes up to ten times as long with those.
ROOM_BYTES = 256 * 1024
FILE_MAX_BYTES = 128 * 1024
FILES_MAX = 200  # small ones are opened one by one
BETWEEN = "\0\n"  # no place goes on from one file into the next


@dataclass(frozen=True, slots=True)
class Near:
    """See the module. `versions`: of each file, 0 for an unsaved buffer."""

    path: str
    text: str
    versions: tuple[tuple[str, int], ...]
    open: frozenset[str]  # unsaved buffers of that kind, whether they fit in or not
    complete: bool  # whether all files were known

    def may_stay(self, snapshot: Snapshot) -> bool:
        """Whether all of its files may still be read and are there."""
        overlays = snapshot.overlays
        return all(snapshot.version(path) or path in overlays for path, _ in self.versions)

    def is_new(self, snapshot: Snapshot) -> bool:
        """Whether gathering anew would give the same, but for what is typed in other buffers."""
        if self.complete != snapshot.report.complete or self.open != _open(snapshot, self.path):
            return False
        return all(snapshot.version(path) == version for path, version in self.versions)


def near(snapshot: Snapshot, path: str) -> Near:
    """Gather what is near to a file; its own text is not in it."""
    room, texts, versions = ROOM_BYTES, [], []
    for other in _by_distance(snapshot, path):
        version, data = snapshot.version(other), snapshot.known_text(other)
        if data and len(data) <= min(room, FILE_MAX_BYTES):
            room -= len(data)
            texts.append(flat(data.decode("utf-8", "replace").split("\n")))
            versions.append((other, version))
        if len(versions) == FILES_MAX or room < ROOM_BYTES // 16:
            break
    opened, complete = _open(snapshot, path), snapshot.report.complete
    return Near(path, BETWEEN.join(texts), tuple(versions), opened, complete)


def _by_distance(snapshot: Snapshot, path: str) -> Iterator[str]:
    """Files of the same kind: open ones, imported ones, the folder's, then those further off."""
    seen = {path}
    first = [*snapshot.overlays, *snapshot.resolver.imported(path)]
    for other in first:
        if other not in seen and _alike(other, path):
            seen.add(other)
            yield other
    paths = [other for other in snapshot.files.blobs() if _alike(other, path)]
    for folder in ancestors(dirname(path)):
        inside = [other for other in paths if not folder or other.startswith(folder + "/")]
        for other in sorted(inside, key=lambda name: (name.count("/"), name)):
            if other not in seen:
                seen.add(other)
                yield other


def _open(snapshot: Snapshot, path: str) -> frozenset[str]:
    return frozenset([name for name in snapshot.overlays if name != path and _alike(name, path)])


def _alike(path: str, other: str) -> bool:
    return splitext(path)[1] == splitext(other)[1]
