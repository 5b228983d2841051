# SPDX-License-Identifier: Apache-2.0
"""Many windows on the slots of one engine: who sits where, and what becomes of the others' states.

In: a window and a slot that it is going to use. Out: an engine whose slot holds that window's
state. What another window had there is parked in a file first and put back when its turn comes:
that is milliseconds where to read it again is seconds to minutes. Runs on the engine's thread, but
for `not_before`. Knows no connection.
"""

from __future__ import annotations

import contextlib
import logging
import secrets
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.types import EngineError, RequestRejected, Slot
from engine.worker import Priority

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from engine.shared.turns import Turn
    from engine.types import Engine

# Windows that read ahead at the same time would change places at each step. So a warm-up waits
# until whoever sits there has rested for a while, or has sat there for long.
REST_S = 2.0
SITTING_S = 30.0
PARKED_SUFFIX = (
    ".parked"  # not that of saved states, whose folder it is: they are swept and counted
)
LEFT_S = 24 * 3600.0  # a parked file as old as this is of a host that was killed
PARKED_BYTES = 4 << 30  # of all that are parked: beyond it a state is dropped instead

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Seat:
    """One slot of the engine."""

    window: int | None = None  # whose state it holds
    since: float = 0.0
    used: float = 0.0
    is_foreign: bool = False  # it may still hold text of a window that sits there no more


@dataclass(frozen=True, slots=True)
class _Parked:
    path: Path
    token_ids: tuple[int, ...]
    size: int


class Seats:
    """The slots of one engine, shared by windows."""

    def __init__(
        self,
        engine: Engine,
        folder: Path | None,
        key: str = "",
        lost: Callable[[int, Slot], None] = lambda *_: None,
    ) -> None:
        """`folder` is the engine's for states; without one a change of window is read again.

        `key` is the host's, which no other has. `lost` hears of states that could not be kept.
        """
        self._engine = engine
        self.folder = folder
        self._key = key
        self._lost = lost
        self._seats = {slot: _Seat() for slot in Slot}
        self._parked: dict[tuple[int, Slot], _Parked] = {}
        if folder is not None:
            _sweep(folder, key)

    def not_before(self, turn: Turn) -> float:
        """When a turn may begin: a warm-up leaves whoever is at work in the slot alone."""
        seat = self._seats[turn.slot]
        if not turn.moves or turn.priority < Priority.WARM_UP or seat.window in {None, turn.window}:
            return 0.0
        return min(seat.used + REST_S, seat.since + SITTING_S)

    def sit(self, window: int, slot: Slot) -> None:
        """Let a window have a slot, with its own state in it where that was kept."""
        seat = self._seats[slot]
        if seat.window != window:
            self._park(slot)
            seat.window, seat.since = window, time.monotonic()
            seat.is_foreign = bool(self._engine.resident(slot))
            self._put_back(window, slot)

    def save(self, window: int, slot: Slot, path: Path) -> None:
        """Write a window's state to a new file. What is parked is one already: nobody moves for it.

        Raises OSError, EngineError.
        """
        if (parked := self._parked.get((window, slot))) is not None:
            with contextlib.suppress(OSError):  # no second name on this file system
                path.hardlink_to(parked.path)
                return
        self.sit(window, slot)
        if self._seats[slot].is_foreign:
            raise RequestRejected("there is nothing to save")
        self._engine.save(slot, path)

    def used(self, slot: Slot) -> None:
        """A prompt was read into a slot: what it does not begin with is gone from there."""
        seat = self._seats[slot]
        seat.used, seat.is_foreign = time.monotonic(), False

    def resident(self, window: int, slot: Slot) -> tuple[int, ...]:
        """What is kept of a window's slot, in the engine or beside it."""
        seat = self._seats[slot]
        if seat.window == window:
            return () if seat.is_foreign else tuple(self._engine.resident(slot))
        parked = self._parked.get((window, slot))
        return parked.token_ids if parked else ()

    def forget(self, window: int, slot: Slot) -> None:
        """Drop a window's state, wherever it is: a file whose text is in it is excluded now."""
        self._drop(window, slot)
        seat = self._seats[slot]
        if seat.window == window or seat.is_foreign:
            self._engine.forget(slot)
            seat.is_foreign = False

    def leave(self, window: int) -> None:
        """A window is gone, and so is what it had read."""
        for slot, seat in self._seats.items():
            had = seat.window == window
            self.forget(window, slot)
            if had:
                seat.window = None

    def close(self) -> None:
        """Remove what is parked."""
        for window, slot in list(self._parked):
            self._drop(window, slot)

    def _park(self, slot: Slot) -> None:
        seat, ids = self._seats[slot], tuple(self._engine.resident(slot))
        if seat.window is None or seat.is_foreign or not ids:
            return
        if self.folder is None:
            self._lost(seat.window, slot)
            return
        path = self.folder / f"{self._key}-{secrets.token_hex(8)}{PARKED_SUFFIX}"
        try:
            kept = tuple(self._engine.save(slot, path))
            size = path.stat().st_size
            if size + sum(parked.size for parked in self._parked.values()) > PARKED_BYTES:
                path.unlink()
                raise OSError(f"no room for {size} bytes more")  # noqa: TRY301  one way out
        except (OSError, EngineError) as error:
            _log.warning("the state of a window is read again later: %s", error)
            self._lost(seat.window, slot)
            return
        self._parked[seat.window, slot] = _Parked(path, kept, size)

    def _put_back(self, window: int, slot: Slot) -> None:
        parked = self._parked.get((window, slot))
        if parked is None:
            return
        try:
            self._engine.restore(slot, parked.path, parked.token_ids)
        except (OSError, EngineError) as error:
            _log.warning("the state of a window is read again: %s", error)
        self._seats[slot].is_foreign = False  # restored, or emptied
        self._drop(window, slot)

    def _drop(self, window: int, slot: Slot) -> None:
        parked = self._parked.pop((window, slot), None)
        if parked is not None:
            parked.path.unlink(missing_ok=True)


def _sweep(folder: Path, key: str) -> None:
    """Remove what a host has left that was killed: the one before this, or any long ago."""
    for path in folder.glob(f"*{PARKED_SUFFIX}"):
        try:
            if path.name.startswith(f"{key}-") or time.time() - path.stat().st_mtime > LEFT_S:
                path.unlink(missing_ok=True)
        except OSError as error:  # noqa: PERF203  each by itself
            _log.warning("%s is left: %s", path.name, error)
