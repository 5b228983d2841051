# SPDX-License-Identifier: Apache-2.0
"""Which files are held out: some folders whole, and what was written last.

In: paths, when each was last committed. Out: the reason for which a path is held out, "" for
training. A folder is on one side by its hash, so that a held-out file has no siblings in training;
the newest files are held out as well, for a model meets tomorrow's code. It reads no file.
"""

from __future__ import annotations

import hashlib
from posixpath import dirname
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

STEPS = 10_000


def held_out(paths: Iterable[str], times: Mapping[str, int], share: float) -> dict[str, str]:
    """Path -> "directory" or "time" for what is held out: half of `share` each, about.

    Where no times are known the folders make up the whole share.
    """
    paths = sorted(paths)
    known = sorted((path for path in paths if path in times), key=lambda p: (times[p], p))
    by_time = round(len(paths) * share / 2) if known else 0
    found = dict.fromkeys(known[len(known) - by_time :], "time")
    folders = share if not by_time else share / 2
    for path in paths:
        if _place(dirname(path)) < folders * STEPS:
            found[path] = "directory"
    return found


def _place(folder: str) -> int:
    return int.from_bytes(hashlib.sha256(folder.encode()).digest()[:8], "big") % STEPS
