# SPDX-License-Identifier: Apache-2.0
"""An engine that is in another process, shared with the user's other windows.

In: what any engine is asked. Out: what the host's engine answers. Where the host goes, a request
under way is asked again of the next one, and what was saved is put back first. Knows no editor and
no llama.cpp.
"""

from __future__ import annotations

import itertools
import logging
import threading
import time
from dataclasses import astuple, dataclass, replace
from typing import TYPE_CHECKING, Any

from engine.shared import doors, joining, wire
from engine.shared.joining import HUNG_S
from engine.shared.places import Unshared
from engine.state import Residency
from engine.types import Completion, EngineError, Piece, RequestRejected, Slot, Usage
from engine.worker import Priority

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from engine.shared.doors import Door
    from engine.shared.joining import Way
    from engine.types import EngineInfo, Prompt, Sampling, StoppedBy

CANCEL_S = 0.01  # how soon a cancel is seen while nothing comes
ATTEMPTS = 2  # at one request; it may be what ends the host
FAILURES_MAX = 3  # of requests in a row that ended hosts
MEASURED_TOKENS = 256  # read at once by a host tell its speed
REST_S = 60.0  # then we leave it for a while
STOPPED: dict[str, StoppedBy] = {
    "end": "end",
    "length": "length",
    "listener": "listener",
    "cancelled": "cancelled",
}

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Saved:
    """A state on disk that the slot can begin with at another host."""

    path: Path
    token_ids: tuple[int, ...]
    seal: tuple[int, int, int]  # of the file: it was checked, and is the same


class _Heard:
    """What came of a completion. After a change of hosts what was heard is not heard again."""

    def __init__(self, listener: Callable[[Piece], bool]) -> None:
        self._listener = listener
        self.pieces: list[Piece] = []
        self.first: float | None = None
        self.enough = False
        self._again = ""  # heard before, and to come again

    def take(self, message: wire.Written) -> bool:
        """One piece more; False when no more is needed."""
        if self.enough:
            return False
        piece = Piece(message.text, message.logprob)
        if self._again:
            known = self._again[: len(piece)]
            if not piece.startswith(known):
                raise RequestRejected("the model's process has changed, and so has the answer")
            self._again = self._again[len(known) :]
            piece = Piece(piece[len(known) :], message.logprob)
            if not piece:
                return True
        self.first = self.first or time.perf_counter()
        self.pieces.append(piece)
        self.enough = not self._listener(piece)
        return not self.enough

    def begin_again(self) -> None:
        self._again = "".join(self.pieces)


class SharedEngine:
    """An `engine.types.Engine` at the host. Used by one thread but for `info` and `resident`."""

    def __init__(
        self, way: Way, urgency: Callable[[], Priority], say: Callable[[str], None]
    ) -> None:
        """Join, which loads the model where nobody has. Raises EngineError or Unshared.

        `urgency` tells how urgent the job is that runs now.
        """
        self._way, self._urgency = way, urgency
        self._numbers = itertools.count(1)
        self._residency = Residency()
        self._saved: dict[Slot, _Saved] = {}
        self._failures = 0
        self._rest_until = 0.0
        self._busy = False
        self._closed = threading.Event()
        self._door: Door | None
        self._door, ready = _joined(way)
        self.info: EngineInfo = wire.info_of(ready.info)
        self._before: EngineInfo | None = None  # of the host before, which had measured more
        for line in ready.said:
            say(str(line))

    def tokenize(self, text: str) -> Sequence[int]:
        return self._look_up(lambda number: wire.Tokenize(number, text))

    def special(self, name: str) -> int | None:
        found = self._look_up(lambda number: wire.Special(number, name))
        return found[0] if found else None

    def complete(
        self,
        prompt: Prompt,
        sampling: Sampling,
        cancel: threading.Event,
        listener: Callable[[Piece], bool],
        slot: Slot = Slot.KEYSTROKE,
    ) -> Completion:
        """Write after `prompt`, see `engine.types.Engine.complete`."""
        began = time.perf_counter()
        ids, how, heard = wire.packed(prompt.token_ids), astuple(sampling), _Heard(listener)
        priority = int(self._urgency())
        done = self._ask(
            lambda number: wire.Complete(number, priority, int(slot), ids, how),
            cancel,
            heard,
        )
        self._hold(slot, prompt.token_ids, done)
        stopped_by = "listener" if heard.enough else STOPPED.get(done.stopped_by, "end")
        now = time.perf_counter()
        usage = replace(
            wire.usage_of(done.usage),
            ttft_ms=round(((heard.first or now) - began) * 1000, 1),
            total_ms=round((now - began) * 1000, 1),
        )
        return Completion("".join(heard.pieces), stopped_by, usage, tuple(heard.pieces))

    def warm(self, prompt: Prompt, cancel: threading.Event, slot: Slot = Slot.KEYSTROKE) -> Usage:
        """Read `prompt` ahead, see `engine.types.Engine.warm`."""
        ids, priority = wire.packed(prompt.token_ids), int(self._urgency())
        done = self._ask(lambda number: wire.Warm(number, priority, int(slot), ids), cancel)
        self._hold(slot, prompt.token_ids, done)
        return wire.usage_of(done.usage)

    def resident(self, slot: Slot = Slot.KEYSTROKE) -> tuple[int, ...]:
        """What the host keeps for this window; where it has gone, what the next one begins with.

        A prompt is laid out along it: in another order it would be read anew.
        """
        if self._door is None or (not self._busy and self._door.waits()):
            saved = self._saved.get(slot)
            return saved.token_ids if saved is not None else ()
        return self._residency.tokens(slot)

    def save(self, slot: Slot, path: Path) -> tuple[int, ...]:
        """Have the host write a slot's state, see `engine.types.Engine.save`."""
        self._check_folder(path)
        priority = int(self._urgency())
        if path.exists():
            raise RequestRejected(f"{path.name} is there already")
        try:
            done = self._ask(
                lambda number: wire.Save(number, priority, int(slot), path.name), attempts=1
            )
        except EngineError:  # the host may have gone in the middle of it
            path.unlink(missing_ok=True)
            raise
        self._hold(slot, self._residency.tokens(slot), done)
        self._note(slot, path, self._residency.tokens(slot))
        return self._residency.tokens(slot)

    def restore(self, slot: Slot, path: Path, token_ids: Sequence[int]) -> None:
        """Have the host take a saved state, see `engine.types.Engine.restore`."""
        self._check_folder(path)
        self._saved.pop(slot, None)
        ids, priority = wire.packed(token_ids), int(self._urgency())
        self._residency.set(slot, ())
        done = self._ask(lambda number: wire.Restore(number, priority, int(slot), path.name, ids))
        self._hold(slot, token_ids, done)
        self._note(slot, path, tuple(token_ids))

    def forget(self, slot: Slot) -> None:
        """Have the host drop a slot's state; what was saved of it is not used again."""
        self._saved.pop(slot, None)
        self._residency.set(slot, ())
        priority = int(self._urgency())
        self._ask(lambda number: wire.Forget(number, priority, int(slot)))

    def close(self) -> None:
        """Leave the host. The last window that goes ends it."""
        self._closed.set()
        self._drop()

    def _look_up(self, form: Callable[[int], wire.Request]) -> tuple[int, ...]:
        answer = self._answer(form, None, None)
        if not isinstance(answer, wire.Found):
            raise self._out_of_step(answer)
        return wire.unpacked(answer.ids)

    def _ask(
        self,
        form: Callable[[int], wire.Request],
        cancel: threading.Event | None = None,
        heard: _Heard | None = None,
        attempts: int = ATTEMPTS,
    ) -> wire.Done:
        answer = self._answer(form, cancel, heard, attempts)
        if not isinstance(answer, wire.Done):
            raise self._out_of_step(answer)
        self._learn(answer.info, wire.usage_of(answer.usage).evaluated_tokens)
        return answer

    def _answer(
        self,
        form: Callable[[int], wire.Request],
        cancel: threading.Event | None,
        heard: _Heard | None,
        attempts: int = ATTEMPTS,
    ) -> wire.Message:
        """Ask, and ask the next host where this one goes. Raises EngineError."""
        self._busy = True
        try:
            for _ in range(attempts):
                door = self._connected()
                try:
                    answer = self._exchange(door, form(next(self._numbers)), cancel, heard)
                except doors.Gone as reason:
                    _log.warning("the model's process is gone: %s", reason)
                    self._drop()
                    if heard is not None:
                        heard.begin_again()
                    continue
                except wire.Malformed as error:
                    self._drop()
                    raise EngineError(f"the model's process speaks otherwise: {error}") from error
                self._failures = 0
                return answer
        finally:
            self._busy = False
        self._failures += 1
        if self._failures >= FAILURES_MAX:
            self._rest_until = time.monotonic() + REST_S
        times = "once" if attempts == 1 else "twice"
        raise RequestRejected(f"the model's process ended {times} over this request")

    def _exchange(
        self,
        door: Door,
        request: wire.Request,
        cancel: threading.Event | None,
        heard: _Heard | None,
    ) -> wire.Message:
        """One request to its end. Raises Gone, Malformed, or the error that the host met."""
        door.send(request)
        number = request.number
        alive, stopping = time.monotonic(), False
        while True:
            if door.waits(CANCEL_S if cancel is not None and not stopping else HUNG_S):
                message, alive = door.receive(), time.monotonic()
                if isinstance(message, wire.Written) and heard is not None:
                    if message.number == number and not heard.take(message) and not stopping:
                        stopping = True
                        door.send(wire.Cancel(number))
                elif isinstance(message, (wire.Done, wire.Found, wire.Failed)):
                    return self._checked(message, number, request)
                else:
                    self._hear(message)
            elif time.monotonic() - alive >= HUNG_S:
                self._drop()
                raise joining.hung(self._way.place)
            if cancel is not None and cancel.is_set() and not stopping:
                stopping = True
                door.send(wire.Cancel(number))

    def _checked(
        self, message: wire.Done | wire.Found | wire.Failed, number: int, request: wire.Request
    ) -> wire.Message:
        if message.number != number:
            raise wire.Malformed("an answer to another request")
        if isinstance(message, wire.Failed):
            slot = getattr(request, "slot", None)
            if slot is not None:
                self._residency.set(Slot(slot), wire.unpacked(message.holds))
            raise wire.error_of(message)
        return message

    def _hear(self, message: wire.Message) -> None:
        """What a host says unasked."""
        if isinstance(message, wire.Bye):
            raise doors.Gone(message.reason)
        if isinstance(message, wire.Lost):
            self._residency.set(Slot(message.slot), ())

    def _hold(self, slot: Slot, base: Sequence[int], done: wire.Done) -> None:
        self._residency.set(slot, (*base[: done.common], *wire.unpacked(done.more)))

    def _connected(self) -> Door:
        """The door to the host, another one where it has gone. Raises EngineError."""
        if self._closed.is_set():
            raise RequestRejected("the engine is closed")
        door = self._door
        try:
            while door is not None and door.waits():
                self._hear(door.receive())
        except (doors.Gone, wire.Malformed) as reason:
            _log.info("the model's process has gone: %s", reason)
            self._drop()
            door = None
        if door is not None:
            return door
        if time.monotonic() < self._rest_until:
            raise EngineError("the model's process ended again and again; it is left for a minute")
        return self._rejoin()

    def _rejoin(self) -> Door:
        try:
            door, ready = _joined(self._way)
        except Unshared as reason:
            raise EngineError(f"the model cannot be loaded again: {reason}") from reason
        self._door, self._before = door, self.info
        self._learn(ready.info)
        for slot, saved in list(self._saved.items()):
            self._put_back(door, slot, saved)
        return door

    def _learn(self, fields: tuple[Any, ...], evaluated_tokens: int = 0) -> None:
        """What the host says of its engine. How fast that is, it knows once it has read a prompt:
        until then it may be far off, and another speed is another prompt.
        """
        self.info = wire.info_of(fields)
        if evaluated_tokens >= MEASURED_TOKENS:
            self._before = None
        if (known := self._before) is not None:
            self.info = replace(
                self.info,
                prefill_per_s=known.prefill_per_s,
                decode_per_s=known.decode_per_s,
                costs=known.costs,
            )

    def _put_back(self, door: Door, slot: Slot, saved: _Saved) -> None:
        """Begin with what was saved last, if it is there as it was.

        It takes no time, and a key may wait for it: not behind what other windows read ahead.
        """
        if _seal(saved.path) != saved.seal:
            del self._saved[slot]
            return
        ids, priority = wire.packed(saved.token_ids), int(Priority.COMPLETION)
        request = wire.Restore(next(self._numbers), priority, int(slot), saved.path.name, ids)
        try:
            answer = self._exchange(door, request, None, None)
        except EngineError as error:
            _log.warning("a saved state is not used: %s", error)
            del self._saved[slot]
            return
        if isinstance(answer, wire.Done):
            self._hold(slot, saved.token_ids, answer)

    def _note(self, slot: Slot, path: Path, token_ids: tuple[int, ...]) -> None:
        seal = _seal(path)
        if seal is not None:
            self._saved[slot] = _Saved(path, token_ids, seal)

    def _check_folder(self, path: Path) -> None:
        folder = self._way.spec.state_folder
        if not folder or str(path.parent) != folder:
            raise RequestRejected(f"states of this engine are not kept in {path.parent}")

    def _out_of_step(self, answer: wire.Message) -> EngineError:
        self._drop()
        return EngineError(f"the model's process answered with {type(answer).__name__}")

    def _drop(self) -> None:
        """The host is gone for us, and with it what was resident."""
        door, self._door = self._door, None
        if door is not None:
            door.hang_up()
        for slot in Slot:
            self._residency.set(slot, ())


def _joined(way: Way) -> tuple[Door, wire.Ready]:
    """Join; a host that ends while it loads is tried once more. Raises EngineError, Unshared."""
    for _ in range(ATTEMPTS):
        try:
            return joining.join(way)
        except doors.Gone as reason:  # noqa: PERF203  it is tried once more
            _log.warning("a host ended while it loaded the model: %s", reason)
        except wire.Malformed as error:
            raise EngineError(f"the model's process speaks otherwise: {error}") from error
    raise EndedLoading(
        f"the model's process ended {ATTEMPTS} times while it loaded {way.spec.path}; "
        f"see {way.place.log}"
    )


class EndedLoading(EngineError):
    """Native code took the host down while it loaded: too little memory, or a bad file."""


def _seal(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
