# SPDX-License-Identifier: Apache-2.0
"""The host's end of one connection: requests in, answers out, in their order.

In: messages of a window, checked one by one. Out: turns at the model, and what they bring. One
thread reads and one writes, so that a window which does not read holds up nobody else. Whoever
sends what is no request of ours is hung up.
"""

from __future__ import annotations

import logging
import queue
import threading
from typing import TYPE_CHECKING

from engine.shared import doors, wire
from engine.shared.desk import Desk, looked_up
from engine.shared.turns import Turn
from engine.types import EngineError, Slot
from engine.worker import Priority

if TYPE_CHECKING:
    from engine.shared.desk import Request
    from engine.shared.host import Host

BEAT_S = 1.0
UNSENT_MAX = 4096  # messages that a window has not read: it is stopped

_log = logging.getLogger(__name__)


class Window:
    """One connection."""

    def __init__(self, number: int, door: doors.Door, host: Host) -> None:
        self.number = number
        self.flushed = threading.Event()  # the last word is out
        self._door, self._host = door, host
        self._unsent: queue.Queue[wire.Message] = queue.Queue(UNSENT_MAX)
        self._turn: tuple[int, Turn] | None = None  # what it waits for, one at a time
        self._looking = False
        self._greeted = threading.Lock()
        self._over = False
        threading.Thread(target=self._write, name=f"window-{number}", daemon=True).start()

    def say(self, message: wire.Message) -> None:
        """Send soon. Never blocks: a window that does not read is hung up."""
        try:
            self._unsent.put_nowait(message)
        except queue.Full:
            _log.warning("window %d does not read and is left", self.number)
            self._door.hang_up()

    def greet(self) -> None:
        """Say that the model is loaded, once, as soon as it is."""
        ready = self._host.ready()
        if ready is not None and self._greeted.acquire(blocking=False):
            self.say(ready)

    def read(self) -> None:
        """Take what comes until the other end is gone or talks nonsense."""
        try:
            while True:
                self._take(self._door.receive())
        except doors.Gone:
            pass
        except (wire.Malformed, EngineError) as error:
            _log.warning("window %d is left: %s", self.number, error)
        finally:
            self._over = True
            self._door.hang_up()
            self._host.leave(self)

    def _take(self, message: wire.Message) -> None:
        if self._host.engine is None or not isinstance(message, wire.REQUESTS):
            raise wire.Malformed(f"{type(message).__name__} is not asked for here")
        if isinstance(message, wire.Cancel):
            waits_for = self._turn  # the engine's thread may end it at any moment
            if waits_for is not None and waits_for[0] == message.number:
                self._host.turns.cancel(waits_for[1])
        elif isinstance(message, (wire.Tokenize, wire.Special)):
            self._looking = True
            answer = looked_up(message, self._host.engine)
            self._looking = False
            self.say(answer)
        else:
            self._queue(message)

    def _queue(self, request: Request) -> None:
        """Give a request its turn. It is checked whole first."""
        if self._turn is not None:
            raise wire.Malformed("a request before the last one was answered")
        try:
            slot, priority = Slot(request.slot), Priority(request.priority)
        except ValueError as error:
            raise wire.Malformed(str(error)) from error
        ids = wire.unpacked(getattr(request, "ids", b""))
        sampling = (
            wire.sampling_of(request.sampling) if isinstance(request, wire.Complete) else None
        )

        def work(cancel: threading.Event) -> None:
            assert self._host.engine is not None
            assert self._host.seats is not None
            desk = Desk(self._host.engine, self._host.seats, self.number, slot)
            answer: wire.Message
            try:
                answer = desk.answer(request, ids, sampling, cancel, self.say)
            except Exception as error:  # noqa: BLE001  whoever waits must hear of it
                _log.exception("a request failed")
                answer = wire.failed(request.number, error)
            self._turn = None
            self.say(answer)

        turn = Turn(self.number, priority, slot, work, moves=not isinstance(request, wire.Save))
        self._turn = (request.number, turn)
        self._host.turns.add(turn)

    @property
    def _rests(self) -> bool:
        """Whether the window waits for nothing. Else it hears that we are alive."""
        return self._turn is None and not self._looking and self._host.engine is not None

    def _write(self) -> None:
        try:
            while not self._over:
                try:
                    message = self._unsent.get(timeout=BEAT_S)
                except queue.Empty:
                    if self._rests:
                        continue
                    message = wire.Beat()
                self._door.send(message)
                if isinstance(message, wire.Bye) or (
                    isinstance(message, wire.Failed) and not message.number
                ):
                    self.flushed.set()
        except (doors.Gone, EngineError):
            self.flushed.set()
            self._door.hang_up()
