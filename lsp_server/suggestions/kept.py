# SPDX-License-Identifier: Apache-2.0
"""Small JSON files of the user's record: read with suspicion, written whole or not at all.

In: a path and plain values. Out: the values, or nothing where the file is not as it was written.
Knows not what they mean.
"""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

from engine import atomic
from engine.places import cache_dir

if TYPE_CHECKING:
    from pathlib import Path

MAX_BYTES = 8 << 20  # of a year of busy days it is a tenth; more is damage
OWNER_ONLY = 0o700

_log = logging.getLogger(__name__)


def folder() -> Path:
    """Where the record is kept; made when it is first written to. Raises OSError."""
    return cache_dir() / "record"


def read(path: Path) -> Any:
    """What the file holds; None where there is none, or a damaged one: then it begins afresh."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
        return json.loads(data if len(data) <= MAX_BYTES else b"")
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        _log.warning("%s begins afresh: %s", path.name, error)
        return None


def write(path: Path, value: Any) -> None:
    """Replace the file in one step. Raises OSError, and leaves the old one as it was."""
    path.parent.mkdir(mode=OWNER_ONLY, exist_ok=True)
    atomic.write(path, json.dumps(value, separators=(",", ":")).encode())
