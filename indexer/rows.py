# SPDX-License-Identifier: Apache-2.0
"""The rows of all files of a repository at one moment, in little memory.

In: columns as they were stored; changes. Out: a mapping from paths to rows that never changes: a
change makes another mapping, which shares the columns with the one before.
It knows no database and no disk.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, filterfalse
from typing import NamedTuple

# Changes are kept beside the columns until they are this many, or this share of them: then new
# columns are made, which takes 1 ms a thousand files.
CHANGES_MIN = 1_000
CHANGES_SHARE = 8


class FileRow(NamedTuple):
    """What is known of one path. `blob` is 0 where there is no record, for `reason`."""

    blob: int
    reason: str
    size: int  # bytes on the disk
    stamp: int  # the state of the file on the disk as one number; 0 matches none


class Columns:
    """One entry a file in each column; a column that was not read is empty, and says 0."""

    __slots__ = ("blobs", "numbers", "reasons", "sizes", "stamps")

    def __init__(
        self,
        paths: Iterable[str] = (),
        blobs: Iterable[int] = (),
        sizes: Iterable[int] = (),
        stamps: Iterable[int] = (),
        reasons: Mapping[str, str] | None = None,
    ) -> None:
        """`reasons` holds the paths that have one."""
        self.numbers = {path: number for number, path in enumerate(paths)}
        self.blobs = array("q", blobs)
        self.sizes = array("q", sizes)
        self.stamps = array("q", stamps)
        self.reasons = dict(reasons or {})

    def row(self, path: str) -> FileRow | None:
        number = self.numbers.get(path)
        if number is None:
            return None
        if not self.stamps:
            return FileRow(self.blobs[number], self.reasons.get(path, ""), 0, 0)
        reason = self.reasons.get(path, "")
        return FileRow(self.blobs[number], reason, self.sizes[number], self.stamps[number])


class Rows(Mapping[str, FileRow]):
    """See the module."""

    __slots__ = ("_changes", "_columns", "_size")

    def __init__(
        self, columns: Columns | None = None, changes: Mapping[str, FileRow | None] | None = None
    ) -> None:
        """`changes` take the place of what the columns say; None: the file is gone."""
        self._columns = columns or Columns()
        self._changes = changes or {}
        known = self._columns.numbers
        self._size = len(known) + sum(
            (row is not None) - (path in known) for path, row in self._changes.items()
        )

    def changed(self, rows: Mapping[str, FileRow], gone: Iterable[str] = ()) -> Rows:
        """These rows with others in place of some, and without the gone ones."""
        changes = {**self._changes, **rows, **dict.fromkeys(gone)}
        found = Rows(self._columns, changes)
        if len(changes) > max(CHANGES_MIN, len(self._columns.numbers) // CHANGES_SHARE):
            return found.packed()
        return found

    def packed(self) -> Rows:
        """The same with all rows in columns."""
        rows = list(self.values())
        reasons = {path: row.reason for path, row in self.items() if row.reason}
        return Rows(
            Columns(
                self,
                [row.blob for row in rows],
                [row.size for row in rows],
                [row.stamp for row in rows],
                reasons,
            )
        )

    def only(self, paths: Mapping[str, FileRow]) -> Rows:
        """These rows as far as they are of some paths."""
        return self.changed({}, [path for path in self if path not in paths])

    def blob(self, path: str) -> int:
        """The id of a file's record; 0 where it has none, or is not there."""
        if path in self._changes:
            row = self._changes[path]
            return row.blob if row is not None else 0
        number = self._columns.numbers.get(path)
        return self._columns.blobs[number] if number is not None else 0

    def blobs(self) -> dict[str, int]:
        """The paths that have a record, with its id."""
        changes = self._changes
        pairs = zip(self._columns.numbers, self._columns.blobs, strict=True)
        found = {path: blob for path, blob in pairs if blob and path not in changes}
        found.update({path: row.blob for path, row in changes.items() if row and row.blob})
        return found

    def __getitem__(self, path: str) -> FileRow:
        row = self.get(path)
        if row is None:
            raise KeyError(path)
        return row

    def get(self, path: str, default: FileRow | None = None) -> FileRow | None:  # type: ignore[override]
        row = self._changes[path] if path in self._changes else self._columns.row(path)
        return default if row is None else row

    def __contains__(self, path: object) -> bool:
        if path in self._changes:
            return self._changes[path] is not None  # type: ignore[index]
        return path in self._columns.numbers

    def __iter__(self) -> Iterator[str]:
        if not self._changes:
            return iter(self._columns.numbers)
        same = filterfalse(self._changes.__contains__, self._columns.numbers)
        return chain(same, [path for path, row in self._changes.items() if row is not None])

    def __len__(self) -> int:
        return self._size


NO_ROWS = Rows()
