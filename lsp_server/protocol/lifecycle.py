# SPDX-License-Identifier: Apache-2.0
"""The process: when it must end, that it does end, and whether it may try again.

In: the id of the process that started us, and the folder for what must outlive us. Out: calls
when that process is gone, exits that nothing can hold up, and a verdict on how to start after
crashes. It knows no protocol, no model and no settings beyond an opaque name for them.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import sys
import threading
import time
from typing import TYPE_CHECKING, Final, Literal, NoReturn

import psutil

from engine import atomic

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

GRACE_S: Final = (
    1.5  # with the time to notice, below the 2 s within which an editor expects the end
)
PARENT_POLL_S: Final = 1.0
CRASH_WINDOW_S: Final = 180.0  # editors count restarts over about this time

Verdict = Literal["normal", "smaller", "no-model"]

_log = logging.getLogger(__name__)


def watch_parent(
    pid: int, on_gone: Callable[[], None], poll_s: float = PARENT_POLL_S
) -> threading.Event:
    """Call `on_gone` once, from a thread, when that process has ended. Set the event to stop.

    A process that we cannot see at all (the editor is outside our container) is not watched.
    """
    stop = threading.Event()
    try:
        parent = psutil.Process(pid)  # remembers the start time: a recycled id is another process
    except (psutil.Error, ValueError, OverflowError):
        _log.info("process %d of the client cannot be seen and is not watched", pid)
        return stop

    def watch() -> None:
        while not stop.wait(poll_s):
            if not _is_alive(parent):
                _log.info("process %d of the client is gone", pid)
                on_gone()
                return

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()
    return stop


def _is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
    except psutil.Error:  # it is there, but hidden from us
        return True


def end_at_the_latest(code: Callable[[], int], grace_s: float = GRACE_S) -> None:
    """From now on the process has `grace_s` left, whatever its threads are stuck in."""
    timer = threading.Timer(grace_s, lambda: os._exit(code()))
    timer.daemon = True
    timer.start()


def exit_now(code: int, grace_s: float = GRACE_S) -> NoReturn:
    """Flush what is buffered, for at most `grace_s`, and end without waiting for any thread."""
    end_at_the_latest(lambda: code, grace_s)
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(
            OSError, ValueError, AttributeError
        ):  # closed, or None (no console)
            stream.flush()
    os._exit(code)


class CrashRecord:
    """Counts the starts of the engine that took the whole process down.

    `start()` leaves a small file in the folder, `end()` removes it. A file whose process is gone
    is a crash. One file a process: servers beside us neither count as crashes nor race with us.
    Only crashes of the last three minutes with the same settings count, so that a changed setting
    or a pause is a fresh try. A folder that cannot be used means no crashes.
    """

    def __init__(self, folder: Path, settings: str) -> None:
        """`settings`: any text that changes when the user changes what could have crashed."""
        self._folder = folder
        self._settings = hashlib.sha256(settings.encode("utf-8", "replace")).hexdigest()[:16]
        # The time keeps a recycled process id from overwriting the trace of a crash.
        self._file = folder / f"running-{os.getpid()}-{time.time_ns()}.json"

    def verdict(self) -> Verdict:
        """How to start now: after two crashes smaller, after three without a model."""
        crashes = sum(self._is_our_crash(path) for path in self._others())
        if crashes >= 3:  # noqa: PLR2004  the two numbers are the rule
            return "no-model"
        return "smaller" if crashes == 2 else "normal"  # noqa: PLR2004

    def start(self) -> None:
        """Call just before the engine loads."""
        now = time.time()
        for path in self._others():
            if _age_s(path, now) > CRASH_WINDOW_S and not _writer_is_alive(_read(path)):
                with contextlib.suppress(OSError):
                    path.unlink(missing_ok=True)
        entry = {"settings": self._settings, "pid": os.getpid(), "born": _born(os.getpid())}
        with contextlib.suppress(OSError):
            self._file.parent.mkdir(parents=True, exist_ok=True)
            atomic.write(self._file, json.dumps(entry).encode())

    def end(self) -> None:
        """Call when the engine is closed or the process ends in order; more often does no harm."""
        with contextlib.suppress(OSError):
            self._file.unlink(missing_ok=True)

    def _others(self) -> list[Path]:
        return list(self._folder.glob("running-*.json"))

    def _is_our_crash(self, path: Path) -> bool:
        entry = _read(path)
        return (
            _age_s(path, time.time()) <= CRASH_WINDOW_S
            and entry.get("settings") == self._settings
            and not _writer_is_alive(entry)
        )


def _read(path: Path) -> dict[str, object]:
    try:
        entry = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return entry if isinstance(entry, dict) else {}


def _age_s(path: Path, now: float) -> float:
    try:
        return now - path.stat().st_mtime
    except OSError:
        return float("inf")


def _born(pid: int) -> float | None:
    try:
        return psutil.Process(pid).create_time()
    except (psutil.Error, ValueError, OverflowError):
        return None


def _writer_is_alive(entry: dict[str, object]) -> bool:
    pid, born = entry.get("pid"), entry.get("born")
    if not isinstance(pid, int) or not isinstance(born, float):
        return False
    now_born = _born(pid)
    return now_born is not None and abs(now_born - born) < 1.0
