# SPDX-License-Identifier: Apache-2.0
"""What takes time before the first file can be read, begun before it is needed.

In: nothing but the machine's size. Out: a pool of workers, some of them already starting. It knows
no root and reads no file.
"""

from __future__ import annotations

import os
import threading

from indexer.workers import Job, Pool

MAX_WORKERS = 4  # more would take the cores that the model needs


def pool(awake: int) -> Pool:
    """Workers for an index to come, so many of them started now: that takes 0.3 s.

    What this process needs for its first file is loaded meanwhile, in a thread.
    """
    made = Pool(worker_count())
    wake(made, awake)
    threading.Thread(target=_load, name="index-load", daemon=True).start()
    return made


def worker_count() -> int:
    return min(os.cpu_count() or 1, MAX_WORKERS)


def wake(made: Pool, workers: int) -> None:
    """Have so many processes started: with the first job that there is."""
    for _ in range(workers):
        made.submit([Job("", "text", b"\n")])


def _load() -> None:
    """The table of languages, 20 ms, and what reads a file."""
    # Not above: the answer of a warm start needs neither.
    from indexer import languages, refresh  # noqa: F401, PLC0415

    languages.detect("a.py", b"")
