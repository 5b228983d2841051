# SPDX-License-Identifier: Apache-2.0
"""How a window comes to a host: it knocks, and where nobody answers it starts one.

In: what to load and how. Out: a connection to the one host of that, which may still be loading.
Of many windows that come at once, one starts the host; kernel locks decide which, so that nothing
is left behind by who is killed. Knows no request.
"""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from engine.shared import doors, places, spawn, wire
from engine.shared.places import Unshared
from engine.shared.spawn import Told
from engine.types import EngineError

if TYPE_CHECKING:
    import subprocess

    from engine.shared.doors import Door
    from engine.shared.places import Place, Spec

START_S = 30.0  # until a host listens: Python's start on a very busy machine
KNOCK_S = 0.02
STANDBY_S = 1.5  # for the process that stands by to listen; then a host is started as if it hung
TAKEN = 3  # of the exit codes of `__main__`: there is a host already
DEATHS_MAX = 3  # of hosts that we started, before they listened
REFUSALS_MAX = 4  # each took a second: there is a host, and it does not want us
HUNG_S = 5.0  # without a sign of life from a host that has one every second


class Hung(EngineError):
    """The host is there and does not answer."""


@dataclass(frozen=True, slots=True)
class Way:
    """All that is needed to come to a host, again and again."""

    spec: Spec
    place: Place
    secret: bytes
    build: str
    idle_s: float


def way(spec: Spec, idle_s: float) -> Way:
    """Raises Unshared where a model cannot be shared."""
    place = places.place(spec)
    return Way(spec, place, places.secret(place.folder), places.build(), idle_s)


def join(to: Way) -> tuple[Door, wire.Ready]:
    """A connection to a host whose model is loaded. Blocks for as long as that takes.

    Raises Unshared where there can be no host, Hung, `doors.Gone` where it ended while it loaded,
    or the EngineError that says why the model cannot be loaded.
    """
    door = _come_in(to)
    try:
        return door, _until_ready(door, to.place)
    except BaseException:
        door.hang_up()
        raise


def look(place: Place) -> wire.Welcome | None:
    """Who hosts at a place, and for how many windows, this look included; None for nobody.

    Raises Unshared.
    """
    try:
        door = doors.knock(place, places.secret(place.folder), places.build())
        if door is None:
            return None
        try:
            found = door.receive() if door.waits(HUNG_S) else None
        finally:
            door.hang_up()
    except (doors.Gone, wire.Malformed):
        return None
    return found if isinstance(found, wire.Welcome) else None


def _come_in(to: Way) -> Door:
    began = time.monotonic()
    end = began + START_S
    starting = FileLock(to.place.start_lock, mode=places.OWNER_FILE)
    process: subprocess.Popen[bytes] | None = None
    deaths = 0
    try:
        while time.monotonic() < end:
            door = _knock(to)
            if door is not None:
                return door
            waits = time.monotonic() - began < STANDBY_S and to.place.has_standby
            if process is None and not waits and _acquired(starting):
                process = _start(to)
            elif process is not None and (code := process.poll()) is not None:
                process, deaths = None, deaths + 1
                if code not in {0, TAKEN} and (code > 0 or deaths >= DEATHS_MAX):
                    raise Unshared(f"a host ended {_in_words(code)}, see {to.place.log}")
            if deaths > REFUSALS_MAX:
                raise Unshared(f"there is a host that does not let us in, see {to.place.log}")
            time.sleep(KNOCK_S)
    finally:
        starting.release()
        if process is not None:  # it is to be waited for by somebody when it ends
            threading.Thread(target=process.wait, name="host-ends", daemon=True).start()
    raise Unshared(f"no host within {START_S:.0f} s, see {to.place.log}")


def _knock(to: Way) -> Door | None:
    try:
        return doors.knock(to.place, to.secret, to.build)
    except doors.Silent as reason:
        raise hung(to.place) from reason
    except doors.Gone:
        return None  # it ended just now


def hung(place: Place) -> Hung:
    """The line for the user."""
    return Hung(
        f"the process that holds the model for all windows does not answer; {place.log} names it: "
        "end it, and another takes over"
    )


def _until_ready(door: Door, place: Place) -> wire.Ready:
    while door.waits(HUNG_S) or place.is_loading:
        if not door.waits():
            continue
        message = door.receive()
        if isinstance(message, wire.Ready):
            return message
        if isinstance(message, wire.Failed):
            raise wire.error_of(message)
        if isinstance(message, wire.Bye):
            raise doors.Gone(message.reason)
    raise hung(place)


def _acquired(lock: FileLock) -> bool:
    if lock.is_locked:
        return True
    try:
        lock.acquire(blocking=False)
    except Timeout:
        return False
    return True


def _start(to: Way) -> subprocess.Popen[bytes]:
    """A host in a process of its own, which outlives this window."""
    process = spawn.spawn(Told(to.spec, to.place, to.idle_s))
    assert process.stdin is not None
    with contextlib.suppress(OSError):
        process.stdin.close()
    return process


def _in_words(code: int) -> str:
    return f"by signal {signal.Signals(-code).name}" if code < 0 else f"with code {code}"
