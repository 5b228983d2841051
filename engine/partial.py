# SPDX-License-Identifier: Apache-2.0
"""A file on its way in: bytes are appended, hashed as they come, and put in place at once or never.

In: chunks. Out: one file under its final name, or `NAME.partial` with `NAME.partial.json` beside
it, which say how far it got; nothing else is left behind. This module does not know where bytes
come from.
"""

from __future__ import annotations

import hashlib
import json
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path
    from typing import BinaryIO

CHUNK_BYTES = 1 << 20


class TooLong(Exception):
    """More bytes came than the file has."""


class Partial:
    """How much is in: `bytes` and `parts`. What was written stays for the next try."""

    def __init__(self, target: Path) -> None:
        self._target = target
        self._path = target.with_name(f"{target.name}.partial")
        self._note = target.with_name(f"{target.name}.partial.json")
        self._file: BinaryIO | None = None
        self._hash = hashlib.sha256()
        self._source = ""
        self.bytes = 0
        self.parts = 0

    def resume(self, source: str, *, by_part: bool) -> None:
        """Go on where an earlier try from the same source ended: at a whole part, or anywhere.

        What came from another source is kept until this one has brought its first byte.
        Raises OSError.
        """
        self._source = source
        self.parts, whole_bytes = self._noted(source, by_part=by_part)
        if whole_bytes:
            self._file = self._path.open("r+b")
            self.bytes = self._hash_up_to(whole_bytes)
            self._file.truncate(self.bytes)

    def append(self, chunk: bytes, limit_bytes: int) -> None:
        """Write and hash. Raises TooLong past the limit, OSError on a full disk."""
        if self.bytes + len(chunk) > limit_bytes:
            raise TooLong
        if self._file is None:
            self._note.unlink(missing_ok=True)
            self._file = self._path.open("wb")
            self._write_note()
        self._file.write(chunk)
        self._hash.update(chunk)
        self.bytes += len(chunk)

    def end_part(self) -> None:
        """Note that a part is in, after its bytes are on the disk."""
        self._sync()
        self.parts += 1
        self._write_note()

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()

    def finish(self) -> None:
        """Put the file in place under its name, whole and at once."""
        self._sync()
        self.close()
        self._path.replace(self._target)
        self._note.unlink(missing_ok=True)

    def discard(self) -> None:
        """Remove what came: it was not the file."""
        self.close()
        self._path.unlink(missing_ok=True)
        self._note.unlink(missing_ok=True)

    def close(self) -> None:
        """Keep what is there and let go of it."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _noted(self, source: str, *, by_part: bool) -> tuple[int, int]:
        """(parts, bytes) of an earlier try from `source`; zeros where there is none to trust."""
        try:
            note = json.loads(self._note.read_text(encoding="utf-8"))
            size = self._path.stat().st_size
            parts, whole = int(note["parts"]), int(note["bytes"])
        except (OSError, ValueError, KeyError, TypeError):
            return 0, 0
        if note.get("source") != source or not 0 <= whole <= size or parts < 0:
            return 0, 0
        return (parts, whole) if by_part else (0, size)

    def _hash_up_to(self, count: int) -> int:
        assert self._file is not None
        self._hash = hashlib.sha256()
        left = count
        while left and (chunk := self._file.read(min(CHUNK_BYTES, left))):
            self._hash.update(chunk)
            left -= len(chunk)
        return count - left

    def _write_note(self) -> None:
        note = {"source": self._source, "parts": self.parts, "bytes": self.bytes}
        fresh = self._note.with_name(f"{self._note.name}.new")
        fresh.write_text(json.dumps(note), encoding="utf-8")
        fresh.replace(self._note)

    def _sync(self) -> None:
        if self._file is not None:
            self._file.flush()
            os.fsync(self._file.fileno())
