# SPDX-License-Identifier: Apache-2.0
"""A small file written whole or not at all, for its owner only.

In: a path in a folder that exists, bytes. Out: the file as it was or as it is to be, never a part.
What a crash leaves is beside it and ends in NEW_SUFFIX. Knows not what the bytes mean.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

NEW_SUFFIX = ".new"
OWNER_ONLY = 0o600  # what is kept may hold source code
_BINARY: int = getattr(os, "O_BINARY", 0)  # Windows alone tells text from bytes


def write(path: Path, data: bytes) -> None:
    """Replace the file in one step. Raises OSError, and leaves the old one as it was."""
    beside = path.with_name(f"{path.stem}-{secrets.token_hex(8)}{NEW_SUFFIX}")
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _BINARY, OWNER_ONLY)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        beside.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):  # the first error is the one to tell
            beside.unlink(missing_ok=True)
        raise
