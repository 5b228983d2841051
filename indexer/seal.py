# SPDX-License-Identifier: Apache-2.0
"""A list of checksums beside the index, made at a clean end, to notice damage at the next start.

In: the database's path and the search folder. Out: a small file, or a verdict. While anybody
writes there is no seal; then SQLite's and tantivy's own care is what there is.
It knows nothing of what the files hold.
"""

from __future__ import annotations

import json
import os
import zlib
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

PIECE_BYTES = 1 << 20
_LOCKS = (".lock",)  # of tantivy: they come and go


def write(path: Path, folder: Path) -> None:
    """Seal the files as they are. A seal that cannot be written is none: nothing is lost."""
    with suppress(OSError):
        if _seal(path).exists() or _has_log(path):
            return  # nothing was written, or another server is still at it
        sums = {name: _sum(path.parent / name) for name in _names(path, folder)}
        part = Path(f"{_seal(path)}.part")
        part.write_text(json.dumps(sums), "utf-8")
        part.replace(_seal(path))


def verify(path: Path) -> bool:
    """Whether every sealed file is as it was; True where there is no seal.

    Another server that begins to write takes the seal away first: without one, nothing is known.
    """
    try:
        sums = json.loads(_seal(path).read_text("utf-8"))
        whole = all(_sum(path.parent / name) == known for name, known in sums.items())
    except (OSError, ValueError, AttributeError):
        whole = False
    return whole or not _seal(path).exists()


def remove(path: Path) -> None:
    """To be called before anything is written. Raises OSError."""
    _seal(path).unlink(missing_ok=True)


def _seal(path: Path) -> Path:
    return path.with_suffix(".seal")


def _has_log(path: Path) -> bool:
    log = Path(f"{path}-wal")
    return log.exists() and log.stat().st_size > 0


def _names(path: Path, folder: Path) -> Iterator[str]:
    yield path.name
    for entry in sorted(os.listdir(folder)):  # noqa: PTH208  names are what we want
        if not entry.endswith(_LOCKS):
            yield f"{folder.name}/{entry}"


def _sum(path: Path) -> list[int]:
    """Size and CRC-32: against decay, not against people."""
    crc = size = 0
    with path.open("rb") as file:
        while piece := file.read(PIECE_BYTES):
            crc = zlib.crc32(piece, crc)
            size += len(piece)
    return [size, crc]
