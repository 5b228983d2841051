# SPDX-License-Identifier: Apache-2.0
"""A second process that has loaded the model, too, and takes over when the host dies.

In: what the host was told. Out: a host within a moment instead of after a load, which for the 0.5B
is 1.6 of the 1.9 s until the first window is answered again. Weights are the same pages of memory
for both; of the rest, what is still zero is given back to the system until it is used. Where that
cannot be done (a GPU, repacked weights, no Linux) or memory is short, nobody stands by.
"""

from __future__ import annotations

import contextlib
import ctypes
import logging
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from engine.shared import spawn

if TYPE_CHECKING:
    import subprocess

    from engine.shared.spawn import Told
    from engine.types import Engine

SHARE = 4  # a load may take, for a moment, this part of the memory that is free
KEPT_BYTES_MAX = 256 << 20  # of its own; the 0.5B: 100 MB, two thirds of it the vocabulary
LARGE_BYTES = 16 << 20  # of a mapping: a cache of keys and values, weights
CHUNK_BYTES, PAGE_BYTES = 64 << 10, 4 << 10
DONT_NEED = 4  # MADV_DONTNEED
DISMISSED = b"end\n"

_log = logging.getLogger(__name__)


class Standby:
    """The host's end: none, or one process that reads our last word from its stdin."""

    def __init__(self, told: Told) -> None:
        self._told = told
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, engine: Engine) -> None:
        """Have one, if it is worth what it takes. Returns at once."""
        if not _may_load_again(self._told.spec.gpu_layers):
            return
        what = replace(self._told, stands_by_for=engine.info.context_tokens)
        try:
            self._process = spawn.spawn(what)
        except OSError as error:
            _log.warning("no process stands by: %s", error)

    def dismiss(self) -> None:
        """The host ends as it should. Without this word its end is a death."""
        if self._process is None or self._process.stdin is None:
            return
        with contextlib.suppress(OSError):
            self._process.stdin.write(DISMISSED)
        with contextlib.suppress(OSError):
            self._process.stdin.close()


def is_needed() -> bool:
    """Blocks until the host has ended: True where it died."""
    return not sys.stdin.buffer.readline()


def _may_load_again(gpu_layers: int) -> bool:
    from engine.llama import gpu_free_bytes  # noqa: PLC0415  a host is to listen first

    if sys.platform != "linux" or (gpu_layers and gpu_free_bytes()):
        return False
    return _own_bytes() * SHARE <= psutil.virtual_memory().available


def _own_bytes() -> int:
    """Memory that this process shares with no file."""
    found = psutil.Process().memory_info()
    return int(found.rss - found.shared)


def give_back() -> bool:
    """Return memory that is zero, or a file's, to the system; it comes back when it is used.

    False where too much stays. Only while nothing computes: what was compared must not be written.
    """
    # Not `CDLL`, which lets other threads run in between.
    libc = ctypes.PyDLL(None, use_errno=True)
    libc.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    libc.memcmp.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t]
    zeros = bytes(CHUNK_BYTES)

    def give_zeros(start: int, end: int, *sizes: int) -> None:
        """Look at pieces of the first size, and in those that are not zero at smaller ones."""
        if not sizes:
            return
        for at in range(start, end, sizes[0]):
            size = min(sizes[0], end - at)
            if libc.memcmp(at, zeros, size) == 0:
                libc.madvise(at, size, DONT_NEED)
            else:
                give_zeros(at, at + size, *sizes[1:])

    for start, end, is_file in _large_mappings():
        if is_file:
            libc.madvise(start, end - start, DONT_NEED)
        else:
            give_zeros(start, end, CHUNK_BYTES, PAGE_BYTES)
    if hasattr(libc, "malloc_trim"):  # glibc: what reading the file has left behind
        libc.malloc_trim(0)
    return _own_bytes() <= KEPT_BYTES_MAX


def _large_mappings() -> list[tuple[int, int, bool]]:
    """(start, end, whether it is a file's that nobody writes here)"""
    found = []
    for line in Path("/proc/self/maps").read_text(encoding="utf-8").splitlines():
        span, rights, _, _, inode, *_ = line.split(None, 5)
        start, end = (int(address, 16) for address in span.split("-"))
        is_file = inode != "0"
        is_ours = rights == "rw-p" and not is_file
        if end - start >= LARGE_BYTES and (is_ours or (is_file and "w" not in rights)):
            found.append((start, end, is_file))
    return found
