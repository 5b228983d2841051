# SPDX-License-Identifier: Apache-2.0
"""One request of a window, done on the engine.

In: a checked request, a window's place among the slots. Out: the message that answers it. What the
engine refuses is an answer, too. Knows no connection.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from engine.shared import wire
from engine.state import common_prefix
from engine.types import EngineError, Piece, Prompt, RequestRejected, Usage

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from engine.shared.seats import Seats
    from engine.types import Engine, Sampling, Slot

Request = wire.Complete | wire.Warm | wire.Save | wire.Restore | wire.Forget

NAME = re.compile(r"[\w-]+(\.[\w-]+)*", re.ASCII)  # of a file of states: no way to another folder


class Desk(NamedTuple):
    """Where a window's request is done."""

    engine: Engine
    seats: Seats
    window: int
    slot: Slot

    def answer(
        self,
        request: Request,
        ids: tuple[int, ...],
        sampling: Sampling | None,
        cancel: threading.Event,
        say: Callable[[wire.Message], None],
    ) -> wire.Message:
        """Do it. `say` gets the text as it is written."""
        base: Sequence[int] = ids or self.seats.resident(self.window, self.slot)
        try:
            if isinstance(request, (wire.Complete, wire.Warm)):
                stopped_by, usage = self._read(request, ids, sampling, cancel, say)
            else:
                stopped_by, usage = "end", Usage()
                self._keep(request, ids)
        except EngineError as error:
            return self._failed(request, error)
        except OSError as error:  # a full disk, a state that is gone
            return self._failed(request, RequestRejected(f"a state: {error.strerror or error}"))
        holds = self.seats.resident(self.window, self.slot)
        common = common_prefix(holds, base)
        more = wire.packed(holds[common:])
        plain = (
            *(usage.prompt_tokens, usage.cached_tokens, usage.evaluated_tokens),
            *(usage.decoded_tokens, float(usage.ttft_ms), float(usage.total_ms)),
        )
        info = wire.info_fields(self.engine.info)
        return wire.Done(request.number, stopped_by, plain, common, more, info)

    def _failed(self, request: Request, error: EngineError) -> wire.Failed:
        return wire.failed(request.number, error, self.seats.resident(self.window, self.slot))

    def _read(
        self,
        request: wire.Complete | wire.Warm,
        ids: tuple[int, ...],
        sampling: Sampling | None,
        cancel: threading.Event,
        say: Callable[[wire.Message], None],
    ) -> tuple[str, Usage]:
        if not ids:
            raise RequestRejected("an empty prompt")
        if cancel.is_set():  # before its turn came
            return "cancelled", Usage(prompt_tokens=len(ids))
        self.seats.sit(self.window, self.slot)
        prompt = Prompt(ids, ())

        def listener(piece: Piece) -> bool:
            say(wire.Written(request.number, piece, piece.logprob))
            return True

        if sampling is None:
            stopped_by, usage = "end", self.engine.warm(prompt, cancel, self.slot)
        else:
            done = self.engine.complete(prompt, sampling, cancel, listener, self.slot)
            stopped_by, usage = done.stopped_by, done.usage
        if usage.cached_tokens + usage.evaluated_tokens:
            self.seats.used(self.slot)
        return stopped_by, usage

    def _keep(self, request: wire.Save | wire.Restore | wire.Forget, ids: tuple[int, ...]) -> None:
        if isinstance(request, wire.Forget):
            self.seats.forget(self.window, self.slot)
            return
        folder = self.seats.folder
        if folder is None or not NAME.fullmatch(request.name):
            raise RequestRejected("there is no such place for a state")
        path: Path = folder / request.name
        if isinstance(request, wire.Save):
            self.seats.save(self.window, self.slot, path)
            return
        self.seats.sit(self.window, self.slot)
        try:
            self.engine.restore(self.slot, path, ids)
        finally:
            self.seats.used(self.slot)


def looked_up(request: wire.Tokenize | wire.Special, engine: Engine) -> wire.Message:
    """Ids of a text or of a special token: no turn is needed for that."""
    try:
        if isinstance(request, wire.Tokenize):
            return wire.Found(request.number, wire.packed(engine.tokenize(request.text)))
        found = engine.special(request.name)
        return wire.Found(request.number, wire.packed(() if found is None else (found,)))
    except EngineError as error:
        return wire.failed(request.number, error)
