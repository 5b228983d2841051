# SPDX-License-Identifier: Apache-2.0
"""`python -m engine.shared`: hold a model, as told on stdin by the window or host that starts it.

Ends with TAKEN where there is a host already, with UNABLE where it cannot listen here.
"""

from __future__ import annotations

import contextlib
import logging
import logging.handlers
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from filelock import FileLock, Timeout

from engine.shared import doors, places, spawn, standby
from engine.shared.host import Host
from engine.shared.standby import Standby
from engine.types import EngineError

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Listener

    from engine.shared.spawn import Told
    from engine.types import Engine

TAKEN, UNABLE = 3, 4
LOCK_WAIT_S = 1.0  # the host before this one may be about to end
LOCK_LOOK_S = 0.005
LOG_BYTES = 1 << 20
NICENESS = 5  # of all cores' work: what is drawn on the screen comes first

_log = logging.getLogger("engine.shared")


def main() -> int:
    """Serve until it is over."""
    told = spawn.told(sys.stdin.buffer.readline())
    os.umask(places.OTHERS)
    _step_back()
    _log_to(told.place.log)
    try:
        if told.stands_by_for:
            return _stand_by(told)
        with _lock(told.place.host_lock):
            return _serve(told, doors.listen(told.place), _loader(told))
    except Timeout:
        return TAKEN
    except (OSError, EngineError, places.Unshared) as error:
        _log.error("cannot be a host: %s", error)
    except Exception:  # noqa: BLE001
        _log.exception("a fault of ours")  # its stderr is read by nobody
    return UNABLE


def _stand_by(told: Told) -> int:
    """Load, and be the host once there is none."""
    said: list[str] = []
    engine = _load(told, said.append)
    if engine.info.context_tokens != told.stands_by_for or not standby.give_back():
        _log.info("no process stands by: it would have another context, or take much memory")
        return 0

    def load(say: Callable[[str], None]) -> Engine:
        for line in said:
            say(line)
        return engine

    with _lock(told.place.standby_lock) as standing:
        if not standby.is_needed():
            return 0
        with _lock(told.place.host_lock):
            listener = doors.listen(told.place)
            standing.release()  # who comes now is let in
            return _serve(told, listener, load)


def _lock(path: Path) -> FileLock:
    return FileLock(path, LOCK_WAIT_S, places.OWNER_FILE, poll_interval=LOCK_LOOK_S)


def _step_back() -> None:
    """Leave the processor to editors where they want it; a session of its own counts as one."""
    if sys.platform == "win32":
        return
    with contextlib.suppress(OSError):
        os.nice(NICENESS)
    with contextlib.suppress(OSError):  # Linux shares among sessions first, where this is there
        Path("/proc/self/autogroup").write_text(str(NICENESS), encoding="ascii")


def _serve(told: Told, listener: Listener, load: Callable[[Callable[[str], None]], Engine]) -> int:
    place = told.place
    host = Host(listener, places.secret(place.folder), places.build(), idle_s=told.idle_s)
    folder = Path(told.spec.state_folder) if told.spec.state_folder else None
    second = Standby(told)
    _log.info("host of %s, process %d", told.spec.path, os.getpid())
    try:
        reason = host.run(load, folder, place.key, second.start)
        _log.info("%s", reason)
    finally:
        second.dismiss()
        with contextlib.suppress(OSError):
            if not places.IS_WINDOWS:
                Path(place.address).unlink(missing_ok=True)
    return 0


def _loader(told: Told) -> Callable[[Callable[[str], None]], Engine]:
    def load(say: Callable[[str], None]) -> Engine:
        with _lock(told.place.loading_lock):
            return _load(told, say)

    return load


def _load(told: Told, say: Callable[[str], None]) -> Engine:
    # Half a second; windows may come first.
    from engine import load as loading  # noqa: PLC0415
    from engine import tuning  # noqa: PLC0415

    spec = told.spec
    engine = loading.load(
        loading.Choice(spec.model, Path(spec.path), spec.layout, spec.extended_context),
        room_tokens=spec.room_tokens,
        most_tokens=spec.most_tokens,
        threads=spec.threads,
        gpu_layers=spec.gpu_layers,
        kv_type=spec.kv_type,
        state_folder=Path(spec.state_folder) if spec.state_folder else None,
        lora=spec.lora,
        say=say,
    )
    if tuning.find(Path(spec.path)).costs is None:
        # Who takes over need not measure: that is a third of the time until it answers.
        tuning.remember(Path(spec.path), engine.info.costs)
    return engine


def _log_to(path: Path) -> None:
    handler = logging.handlers.RotatingFileHandler(
        path, maxBytes=LOG_BYTES, backupCount=1, encoding="utf-8", errors="backslashreplace"
    )
    logging.basicConfig(
        handlers=[handler],
        level=logging.INFO,
        format="%(asctime)s %(process)d %(levelname)s %(message)s",
    )


def _exit(code: int) -> NoReturn:
    """At once: threads and native code may be in the middle of something."""
    logging.shutdown()
    os._exit(code)


if __name__ == "__main__":
    _exit(main())
