# SPDX-License-Identifier: Apache-2.0
"""An engine on another machine, or in another process: vLLM, SGLang, llama-server and their like.

In: prompts as token ids. Out: streamed text and what it cost, as its server tells it. Knows nothing
of files, layouts or editors, and not what becomes of a prompt once it is sent.

The strata of a prompt come in the same order and with the same ids each time, so that the server's
own prefix cache has them. States are not saved through this seam: they would lie on the server's
disk, with text of files in them, where nobody could remove them when such a file becomes excluded.
"""

from __future__ import annotations

import os
import secrets
import threading
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from engine import remote_detect
from engine.layout import detect
from engine.remote_http import Away, Http, KeyRefused, Timeouts
from engine.remote_speech import Speech
from engine.request import Run, together
from engine.speed import Speed, decode_per_s, prefill_per_s, prior
from engine.state import Residency
from engine.types import (
    Completion,
    EngineInfo,
    ModelRejected,
    Piece,
    Prompt,
    RequestRejected,
    Sampling,
    Slot,
    Usage,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from pathlib import Path

    from engine.remote_speech import Hearing

__all__ = ["Away", "KeyRefused", "RemoteEngine", "Where"]

# A window that is deep enough for refactors and no burden for others on the same server: what is
# read ahead while the user is idle grows towards it. `contextTokens` may ask for more.
CONTEXT_TOKENS = 32_768
UNSAID_CONTEXT_TOKENS = 8192  # of a server that does not say
PROBE_TOKENS = 64  # read once, with a beginning that no cache has
PROBE_DECODED = 4
KEY_PATIENCE_S = 1.5  # for a server that says it is busy: later the next key is there
DEEP_PATIENCE_S = 60.0
OVERLONG = 64  # events more than tokens were asked for: the server takes no notice of it
FORGETTING = (0,)
# llama-server looks at a closed connection only between its batches, of 2,048 tokens by default: so
# what it has to read is sent in slices, each read in about this time. vLLM and SGLang stop at once.
SLICE_S = 0.25
LEAST_SLICE_TOKENS = 16


@dataclass(frozen=True, slots=True)
class Where:
    """What the settings say. `key_variable` names the environment variable that has the key."""

    url: str
    model: str = ""
    key_variable: str = ""
    timeouts: Timeouts = Timeouts()  # noqa: RUF009  frozen

    def key(self) -> str:
        """Raises KeyRefused where the variable is not set."""
        if not self.key_variable:
            return ""
        key = os.environ.get(self.key_variable, "").strip()
        if not key or not key.isascii() or not key.isprintable():
            raise KeyRefused(f"{self.key_variable}, which remote.apiKeyEnv names, holds no key")
        return key

    def http(self) -> Http:
        return Http(remote_detect.base_of(self.url), self.key(), self.timeouts)


class RemoteEngine:
    """An `engine.types.Engine` on a server. Making one asks the server what it is: seconds."""

    def __init__(
        self,
        where: Where,
        *,
        room_tokens: int = 0,
        on_away: Callable[[str], None] = lambda _: None,
    ) -> None:
        """`on_away` hears, from the engine's thread, when the server is gone. Raises EngineError:
        Away and KeyRefused among them.
        """
        self._http = where.http()
        self._on_away = on_away
        self._residency = Residency()
        self._closed = False
        try:
            self._found = found = remote_detect.find(self._http, where.url, where.model)
            self.server = found.server
            self._vocabulary = found.vocabulary
            self._speech = Speech(found.server, found.vocabulary)
            self._context = self._window(room_tokens)
            speed = self._measure_speed()
            layout = found.layout or self._detect()
        except BaseException:
            self._http.close()
            raise
        slices = self.server.kind == "llama-server"
        wanted = int(speed[0] * SLICE_S) if slices else self._context
        self._slice_tokens = min(max(LEAST_SLICE_TOKENS, wanted), self._context)
        self._speed = Speed(prior(*speed, slice_tokens=self._slice_tokens))
        name = found.row.id if found.row else remote_detect.shown(found.server.model)
        self._info = EngineInfo(name, self._context, *speed, layout)

    @property
    def info(self) -> EngineInfo:
        costs = self._speed.costs
        return replace(
            self._info,
            prefill_per_s=prefill_per_s(costs),
            decode_per_s=decode_per_s(costs),
            costs=costs,
        )

    @property
    def host(self) -> str:
        """Where prompts are sent."""
        return self._http.host

    def tokenize(self, text: str) -> Sequence[int]:
        """Ids of plain text, see `engine.remote_tokens`."""
        with self._watched():
            return self._vocabulary.tokenize(text)

    def special(self, name: str) -> int | None:
        with self._watched():
            return self._vocabulary.special(name)

    def complete(
        self,
        prompt: Prompt,
        sampling: Sampling,
        cancel: threading.Event,
        listener: Callable[[Piece], bool],
        slot: Slot = Slot.KEYSTROKE,
    ) -> Completion:
        """Write after `prompt`, see `engine.types.Engine.complete`. Also raises Away."""
        before = self._approach(prompt.token_ids, cancel, slot)
        run = Run(cancel, listener)
        if cancel.is_set() and before:
            usage = replace(together(before), prompt_tokens=len(prompt.token_ids))
            return Completion("", "cancelled", usage)
        usage = self._run(prompt.token_ids, sampling, run, slot)
        pieces = tuple(run.pieces)
        return Completion("".join(pieces), run.stopped_by, together([*before, usage]), pieces)

    def warm(self, prompt: Prompt, cancel: threading.Event, slot: Slot = Slot.KEYSTROKE) -> Usage:
        """Read a prompt; a token that some servers must write for that is not looked at."""
        spent = self._approach(prompt.token_ids, cancel, slot)
        if not cancel.is_set() or not spent:
            spent.append(self._read(prompt.token_ids, cancel, slot))
        return replace(together(spent), prompt_tokens=len(prompt.token_ids))

    def resident(self, slot: Slot = Slot.KEYSTROKE) -> tuple[int, ...]:
        """What the server has read for a slot last; its cache may hold more, or have lost it."""
        return self._residency.tokens(slot)

    def save(self, slot: Slot, path: Path) -> tuple[int, ...]:
        raise RequestRejected(f"states of {self.host} are not saved: {slot.name}, {path.name}")

    def restore(self, slot: Slot, path: Path, token_ids: Sequence[int]) -> None:
        self._residency.set(slot, ())
        raise RequestRejected(
            f"{len(token_ids)} tokens of {path.name} are not for {self.host}: it keeps its own"
        )

    def forget(self, slot: Slot) -> None:
        """Begin no prompt with what a slot held. What was sent is the server's: see its cache."""
        self._residency.set(slot, ())
        if self.server.own and self.server.slots >= len(Slot):
            self._read(FORGETTING, threading.Event(), slot)

    def close(self) -> None:
        self._closed = True
        self._http.close()

    def _approach(
        self, token_ids: tuple[int, ...], cancel: threading.Event, slot: Slot
    ) -> list[Usage]:
        """llama-server only: read in slices until what is left is one."""
        self._check(token_ids)
        if self.server.kind != "llama-server":
            return []
        spent: list[Usage] = []
        end = self._residency.common(slot, token_ids) + self._slice_tokens
        while end < len(token_ids) and not cancel.is_set():
            spent.append(self._read(token_ids[:end], cancel, slot))
            end += self._slice_tokens
        return spent

    def _read(self, token_ids: tuple[int, ...], cancel: threading.Event, slot: Slot) -> Usage:
        run = Run(cancel, lambda _: True)
        usage = self._run(token_ids, Sampling(max_tokens=0), run, slot)
        return replace(usage, decoded_tokens=0)

    def _run(self, token_ids: tuple[int, ...], sampling: Sampling, run: Run, slot: Slot) -> Usage:
        """One request to its end. Raises RequestRejected, Away."""
        known = self._residency.common(slot, token_ids)
        run.prompt_tokens = len(token_ids)
        try:
            told_cached = self._exchange(token_ids, sampling, run, slot)
        except BaseException:
            self._residency.set(slot, ())
            raise
        held = run.resident(token_ids)
        self._residency.set(slot, held if len(held) >= known else token_ids[:known])
        usage = run.usage()
        if told_cached:
            self._speed.add(usage)
        return usage

    def _exchange(
        self, token_ids: tuple[int, ...], sampling: Sampling, run: Run, slot: Slot
    ) -> bool:
        """Send, listen to the end; whether the server told how much it had cached."""
        body = self._speech.body(token_ids, sampling, slot)
        hearing = self._speech.heard(len(token_ids))
        patience_s = KEY_PATIENCE_S if slot is Slot.KEYSTROKE else DEEP_PATIENCE_S
        with self._watched():
            events = self._http.stream(self._speech.path, body, run.cancel, patience_s)
            self._listen(events, hearing, run, sampling.max_tokens + OVERLONG)
        if run.error:
            raise RequestRejected(self._http.line(f"{self.host}: {run.error}"))
        if run.stopped_by == "end" and not hearing.finished:
            if not run.cancel.is_set():
                raise RequestRejected(f"{self.host} broke off in the middle of its answer")
            run.stopped_by = "cancelled"
        return hearing.told_cached

    def _listen(
        self, events: Generator[object, None, None], hearing: Hearing, run: Run, most_events: int
    ) -> None:
        """Tell `run` what comes, until it has enough, which closes the connection."""
        written = 0
        try:
            for event in events:
                for said in hearing.events(event):
                    written += "choices" in said
                    if run.on_event(said):
                        return
                    if written > most_events:
                        run.stopped_by = "length"
                        return
        finally:
            events.close()

    def _check(self, token_ids: Sequence[int]) -> None:
        if self._closed:
            raise RequestRejected("the engine is closed")
        if not token_ids:
            raise RequestRejected("the prompt is empty")
        if len(token_ids) > self._context:
            raise RequestRejected(
                f"a prompt of {len(token_ids)} tokens exceeds the context of {self._context}"
            )

    def _watched(self) -> _Watched:
        return _Watched(self._on_away, self._forget_all)

    def _forget_all(self) -> None:
        for slot in Slot:
            self._residency.set(slot, ())

    def _window(self, room_tokens: int) -> int:
        """The context, in ids. A server that does not say is taken to have a small one."""
        has = self.server.context_tokens or UNSAID_CONTEXT_TOKENS
        return min(has, max(room_tokens, CONTEXT_TOKENS)) * self._vocabulary.scale

    def _detect(self) -> str:
        found = detect(self.special)
        if found is None:
            raise ModelRejected(
                f"{self.host}: {self.server.model} has neither fill-in-the-middle tokens nor turns "
                "that are known here"
            )
        return found

    def _measure_speed(self) -> tuple[float, float]:
        """Read and write a few tokens, the way there included: (prefill, decode) a second."""
        self._speed = Speed(prior(1.0, 1.0))  # heard by nobody
        text = f"# {secrets.token_hex(16)}\n" + "the quick brown fox jumps over the lazy dog\n" * 16
        ids = tuple(self.tokenize(text)[: PROBE_TOKENS * self._vocabulary.scale])
        run = Run(threading.Event(), lambda _: True)
        usage = self._run(ids, Sampling(max_tokens=PROBE_DECODED), run, Slot.KEYSTROKE)
        self._forget_all()
        write_ms = (usage.total_ms - usage.ttft_ms) / max(1, usage.decoded_tokens - 1)
        read_per_s = len(ids) * 1000 / max(usage.ttft_ms, 0.1)
        return round(read_per_s, 1), round(1000 / max(write_ms, 0.1), 1)


class _Watched:
    """Says so when the server turns out to be gone, and what was resident with it."""

    def __init__(self, on_away: Callable[[str], None], forget: Callable[[], None]) -> None:
        self._on_away = on_away
        self._forget = forget

    def __enter__(self) -> None:
        pass

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, (Away, KeyRefused)):
            self._forget()
            self._on_away(str(error))
