# SPDX-License-Identifier: Apache-2.0
"""Whose turn it is at the model: the most urgent first, then the window served longest ago.

In: turns of many windows. Out: one after the other, on the thread that asks. A running turn that
may give way (a warm-up) is cancelled when a more urgent one arrives, of whatever window. Knows no
engine and no connection.
"""

from __future__ import annotations

import itertools
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from engine.worker import Priority

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.types import Slot


@dataclass(eq=False, slots=True)
class Turn:
    """What a window wants done. A set `cancel` ends it at its next token, if it has begun."""

    window: int
    priority: Priority
    slot: Slot
    work: Callable[[threading.Event], None]
    moves: bool = True  # whether it may take the slot from another window
    cancel: threading.Event = field(default_factory=threading.Event)
    number: int = 0


class Turns:
    """The queue in front of the model. Any thread may add; one takes."""

    def __init__(self, not_before: Callable[[Turn], float] = lambda _: 0.0) -> None:
        """`not_before`: when a turn may begin, on the monotonic clock; asked again each time."""
        self._not_before = not_before
        self._waiting: list[Turn] = []
        self._running: Turn | None = None
        self._served: dict[int, int] = {}  # window -> when its last turn began, by the same numbers
        self._numbers = itertools.count(1)
        self._changed = threading.Condition()

    def add(self, turn: Turn) -> None:
        """Queue a turn."""
        with self._changed:
            turn.number = next(self._numbers)
            self._waiting.append(turn)
            if self._running and turn.priority < self._running.priority:
                self._give_way()
            self._changed.notify_all()

    def cancel(self, turn: Turn) -> None:
        """End a turn: at its next token, or at once if it has not begun. It is still taken.

        Its window waits for that with something more urgent: not behind what another reads ahead.
        """
        with self._changed:
            turn.cancel.set()
            if turn in self._waiting:
                self._give_way()
            self._changed.notify_all()

    def leave(self, window: int) -> None:
        """A window is gone: what it waits for is dropped, what runs for it ends."""
        with self._changed:
            self._waiting = [turn for turn in self._waiting if turn.window != window]
            self._served.pop(window, None)
            if self._running and self._running.window == window:
                self._running.cancel.set()

    def wake(self) -> None:
        """Let whoever waits in `take` look around."""
        with self._changed:
            self._changed.notify_all()

    def take(self, timeout_s: float) -> Turn | None:
        """The next turn; None after a while without one. The one before it has ended."""
        end = time.monotonic() + timeout_s
        with self._changed:
            self._running = None
            while True:
                now = time.monotonic()
                if (turn := self._next(now)) is not None:
                    self._waiting.remove(turn)
                    self._served[turn.window] = next(self._numbers)
                    self._running = turn
                    return turn
                if now >= end:
                    return None
                self._changed.wait(min(end, self._soonest(end)) - now)

    def _give_way(self) -> None:
        """Have what runs end at its next token, if it is a warm-up."""
        if self._running and self._running.priority >= Priority.AHEAD:
            self._running.cancel.set()

    def _next(self, now: float) -> Turn | None:
        may = [turn for turn in self._waiting if turn.cancel.is_set() or self._at(turn) <= now]
        return min(may, key=self._rank, default=None)

    def _rank(self, turn: Turn) -> tuple[int, int, int]:
        # Who gave up is answered at once: that takes no time.
        urgency = -1 if turn.cancel.is_set() else int(turn.priority)
        return urgency, self._served.get(turn.window, 0), turn.number

    def _soonest(self, end: float) -> float:
        return min(map(self._at, self._waiting), default=end)

    def _at(self, turn: Turn) -> float:
        return self._not_before(turn)
