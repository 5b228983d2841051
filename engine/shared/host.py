# SPDX-License-Identifier: Apache-2.0
"""The process that holds a model for all windows of a user.

In: a lock that it has, a way to load the engine, connections. Out: answers. Whatever comes in wrong
ends that connection, never the host. It ends by itself: when the last window has gone, when nobody
has asked for long, when the model cannot be loaded. Knows no editor and no repository.

The main thread has the engine; connections have threads of their own (`window.py`).
"""

from __future__ import annotations

import logging
import os
import threading
import time
from typing import TYPE_CHECKING, Final

from engine.shared import doors, wire
from engine.shared.seats import Seats
from engine.shared.turns import Turn, Turns
from engine.shared.window import Window
from engine.types import EngineError, Slot
from engine.worker import Priority

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Listener
    from pathlib import Path
    from typing import Any

    from engine.types import Engine

REST_S = 1.0  # without a request: then there is time for what can wait
BUSY_S = 10.0  # since the model is loaded: who is asked all the time has no rest
LINGER_S = 1.0  # without a window: an editor that reloads is back by then, one that has gone is not
LOOK_S = 0.25  # how often the main thread looks whether it is time to end
WINDOWS_MAX = 64
WRONG_ENOUGH_S: Final = 0.2  # a caller that is refused is not hurried

_log = logging.getLogger(__name__)


class Host:
    """One engine and its windows. `run` blocks until it is over."""

    def __init__(self, listener: Listener, secret: bytes, build: str, *, idle_s: float) -> None:
        self._listener = listener
        self._secret, self._build = secret, build
        self._idle_s = idle_s
        self.windows: dict[int, Window] = {}
        self.engine: Engine | None = None
        self.seats: Seats | None = None
        self.turns = Turns(self._not_before)
        self._said: list[str] = []
        self._next_window = 0
        self._lock = threading.Lock()
        self._alone_since = time.monotonic()
        self._over = False
        threading.Thread(target=self._accept, name="accept", daemon=True).start()

    def run(
        self,
        load: Callable[[Callable[[str], None]], Engine],
        folder: Path | None,
        key: str = "",
        settled: Callable[[Engine], None] = lambda _: None,
    ) -> str:
        """Load, serve, and say why it ended. `settled` is called once, when there is a rest."""
        try:
            engine = load(self._said.append)
        except EngineError as error:
            self._tell(wire.failed(0, error))
            return f"not loaded: {error}"
        self.seats = Seats(engine, folder, key, self._lost)
        self.engine = engine
        for window in self._all():
            window.greet()
        try:
            reason = self._serve(lambda: settled(engine))
        finally:
            self.seats.close()
        self._over = True
        self._tell(wire.Bye(reason))
        return reason

    def ready(self) -> wire.Ready | None:
        """What a window is told once the model is loaded."""
        if self.engine is None:
            return None
        return wire.Ready(wire.info_fields(self.engine.info), tuple(self._said))

    def leave(self, window: Window) -> None:
        """A connection has ended: what its window had is dropped, between two turns."""
        with self._lock:
            if self.windows.pop(window.number, None) is None:
                return
            if not self.windows:
                self._alone_since = time.monotonic()
        self.turns.leave(window.number)
        if self.seats is not None:
            seats, number = self.seats, window.number
            # Its slots are emptied when nothing else is to be done.
            self.turns.add(
                Turn(number, Priority.WARM_UP, Slot.KEYSTROKE, lambda _: seats.leave(number))
            )

    def _serve(self, settled: Callable[[], None]) -> str:
        began = asked = time.monotonic()
        has_settled = False
        while True:
            turn = self.turns.take(LOOK_S)
            now = time.monotonic()
            rests = turn is None and now - asked > REST_S
            if not has_settled and self.windows and (rests or now - began > BUSY_S):
                has_settled = True
                settled()
            if turn is not None:
                self._do(turn)
                asked = time.monotonic()
            elif self._is_alone(now):
                return "no window is left"
            elif now - asked > self._idle_s:
                return f"nobody has asked for {self._idle_s:.0f} s"

    def _do(self, turn: Turn) -> None:
        try:
            turn.work(turn.cancel)
        except Exception:  # noqa: BLE001  other windows go on; what the engine refuses was answered
            _log.exception("a turn failed")

    def _is_alone(self, now: float) -> bool:
        with self._lock:
            return not self.windows and now - self._alone_since > LINGER_S

    def _not_before(self, turn: Turn) -> float:
        return self.seats.not_before(turn) if self.seats is not None else 0.0

    def _lost(self, number: int, slot: Slot) -> None:
        window = self.windows.get(number)
        if window is not None:
            window.say(wire.Lost(int(slot)))

    def _all(self) -> list[Window]:
        with self._lock:
            return list(self.windows.values())

    def _tell(self, message: wire.Message) -> None:
        """The last word to everybody; those who do not listen are left."""
        windows = self._all()
        for window in windows:
            window.say(message)
        for window in windows:
            window.flushed.wait(LOOK_S)

    def _accept(self) -> None:
        while not self._over:
            try:
                connection = self._listener.accept()
            except OSError as error:
                _log.warning("a connection was lost: %s", error)
                time.sleep(WRONG_ENOUGH_S)
                continue
            threading.Thread(target=self._admit, args=(connection,), daemon=True).start()

    def _admit(self, connection: Any) -> None:
        try:
            door = doors.admit(connection, self._secret, self._build)
        except doors.Gone as reason:
            _log.warning("somebody was refused: %s", reason)
            connection.close()
            return
        with self._lock:
            if len(self.windows) >= WINDOWS_MAX:
                _log.warning("more than %d windows", WINDOWS_MAX)
                door.hang_up()
                return
            self._next_window += 1
            window = Window(self._next_window, door, self)
            self.windows[window.number] = window
        window.say(wire.Welcome(os.getpid(), len(self.windows)))
        window.greet()
        window.read()
