# SPDX-License-Identifier: Apache-2.0
"""What this process and its workers have used, processor time and memory, and giving it back.

It knows nothing of what they did.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

if sys.platform != "win32":
    import resource


def cpu_seconds() -> float:
    """Of this process and of its children that are alive."""
    import psutil  # noqa: PLC0415  10 ms that a first answer has no use for

    total = time.process_time()
    for child in psutil.Process().children():
        try:
            times = child.cpu_times()
        except psutil.Error:
            continue
        total += times.user + times.system
    return total


def give_back() -> None:
    """Hand memory that was freed back to the system, where the C library keeps it otherwise.

    glibc keeps some 30 MB of an index that was read; the call takes 10 ms, without the interpreter.
    """
    if sys.platform == "linux":
        import ctypes  # noqa: PLC0415  as above

        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # musl has none, and keeps less
        if trim is not None:
            trim(0)


def peak_rss_mb() -> float:
    """The most memory that this process has had, in 10**6 bytes."""
    if sys.platform == "win32":
        import psutil  # noqa: PLC0415  as above

        return float(psutil.Process().memory_info().peak_wset) / 1e6
    if sys.platform == "linux":  # getrusage counts what the parent had before it started us
        for line in Path("/proc/self/status").read_text("ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024 / 1e6
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6
