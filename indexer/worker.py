# SPDX-License-Identifier: Apache-2.0
"""The life of one worker process: read jobs from stdin, extract, write results to stdout.

In and out: frames of four bytes of length and a msgpack body. The first frame says how to read
files and what the limits are. The process lowers its own priority, limits its own memory and
processor time, and ends when its parent does: end of input, or the timer where a native loop
never returns to look. It knows no queue and no other worker.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from indexer.frames import read_frame, write_frame
from indexer.languages import detect
from indexer.parse import Around, read_parts
from indexer.terms import Digest, Expansions, digest_parts
from indexer.types import pack_record

if TYPE_CHECKING:
    from collections.abc import Callable

if sys.platform != "win32":
    import resource

# Behind whatever the user does: typing must not feel the index being built.
NICENESS = 10


def main() -> None:
    """Serve until the input ends."""
    jobs, results = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    # Whatever a library prints must not end up between two frames.
    os.dup2(2, 1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    setup = read_frame(jobs)
    if setup is None:
        return
    limit_s, memory_bytes = setup["limit_s"], setup["memory_bytes"]
    read = _reader(setup["reader"], setup["settings"])
    expansions = Expansions()
    gc.disable()  # records hold no cycles, and looking for some costs a tenth of the time
    _lower_priority()
    _limit_memory(memory_bytes)
    with suppress(BrokenPipeError):
        write_frame(results, "ready")
        while (batch := read_frame(jobs)) is not None:
            for path, language, data, around in batch:
                _arm(limit_s)
                answer = _extract(read, expansions, path, language, data, Around(*around))
                _arm(0.0)
                write_frame(results, answer)


def _reader(spec: str, settings: Any) -> Callable[[str], tuple[bytes | None, str]]:
    if not spec:
        return _no_reader
    import importlib  # noqa: PLC0415  not every pool reads, and each start counts

    module, _, function = spec.partition(":")
    read: Callable[[str], tuple[bytes | None, str]]
    read = getattr(importlib.import_module(module), function)(settings)
    return read


def _no_reader(_path: str) -> tuple[bytes | None, str]:
    return None, "this pool reads no files"


def _extract(  # noqa: PLR0917  a job and what is kept for all of them
    read: Callable[[str], tuple[bytes | None, str]],
    expansions: Expansions,
    path: str,
    language: str,
    data: bytes | None,
    around: Around,
) -> tuple[str, str, int, bytes | None, str, Digest | None]:
    """Language, digest, size, record, reason, what is found in the record.

    Whatever goes wrong with a file is its reason.
    """
    digest = reason = ""
    try:
        if data is None:
            data, reason = read(path)
            if data is None:
                return language, "", 0, None, reason, None
            digest = _sha256(data)
        language = language or detect(path, data)
    except (OSError, ValueError, MemoryError) as error:
        return language, "", 0, None, _one_line(error), None
    try:
        parts = read_parts(language, data, around)
        found = digest_parts(parts, data, expansions)
        return language, digest, len(data), pack_record(*parts), "", found
    except Exception as error:  # noqa: BLE001  a grammar's or our mistake costs this file only
        return language, digest, len(data), None, _one_line(error), None


def _sha256(data: bytes) -> str:
    import hashlib  # noqa: PLC0415  4 ms of a start; who sends the bytes knows their hash

    return hashlib.sha256(data).hexdigest()


def _one_line(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:200]


def _arm(seconds: float) -> None:
    """Let the system end this process after so much processor time; 0 disarms.

    The signal's default action needs no interpreter: it ends a native loop that never returns.
    """
    if sys.platform != "win32":
        signal.setitimer(signal.ITIMER_PROF, seconds)


def _lower_priority() -> None:
    if sys.platform != "win32":  # there the parent starts us below normal
        with suppress(OSError):
            os.nice(NICENESS)


def _limit_memory(limit_bytes: int) -> None:
    """Where the system can; elsewhere the parent watches."""
    if sys.platform != "win32":
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            kind = resource.RLIMIT_AS if sys.platform == "linux" else resource.RLIMIT_DATA
            resource.setrlimit(kind, (limit_bytes, limit_bytes))


if __name__ == "__main__":
    main()
