# SPDX-License-Identifier: Apache-2.0
"""Model files of 2023 by way of ctransformers, the optional extra. The only file that touches it.

In: a file that `legacy_header` has walked, and prompts as token ids. Out: streamed text and what it
cost. Never the default: one state for both slots, no saved states, no GPU, no mixtures of experts.

The library is called below its Python layer: that one keeps a prompt of its own, and gives the
tokeniser room for as many tokens as there are characters, where a character may take three.
"""

from __future__ import annotations

import codecs
import ctypes
import importlib.util
import logging
import platform
import threading
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from engine import legacy_header
from engine.gguf_reader import one_line
from engine.layout import PREFIX_ONLY, detect
from engine.legacy_words import Words
from engine.llama import default_threads
from engine.speed import Speed, decode_per_s, prefill_per_s, prior
from engine.state import Residency
from engine.types import (
    Completion,
    EngineInfo,
    ModelRejected,
    OutOfMemory,
    Piece,
    Prompt,
    RequestRejected,
    Sampling,
    Slot,
    StoppedBy,
    Usage,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from engine.legacy_header import LegacyFile

_log = logging.getLogger(__name__)

EXTRA = "ghostwright[ctransformers]"
BATCH_TOKENS = 8  # its own default: its buffers are fixed, and no larger batch is known to fit
BUFFER_BYTES = 1 << 30  # of the library beside weights and cache: three of 256 MiB, and vocabulary
NATIVE_WORDS = ("llama", "gguf", "replit")  # families with scores: tokenised by the library
REPLIT_CHARS = 128  # its tokeniser's cost grows with the square of what it is given
PENALTY_TOKENS = 64  # the last ones, which a repeat penalty looks at
PROBE_TOKENS, PROBE_DECODED = 32, 4
PROBE_TEXT = "the quick brown fox jumps over the lazy dog\n" * 8
DEFAULT_CONTEXT_TOKENS = 8192  # where the file leaves it open


@dataclass(slots=True)
class _Run:
    """One completion as it is written."""

    cached_tokens: int
    started: float
    pieces: list[Piece] = field(default_factory=list)
    decoded_tokens: int = 0
    first_token: float | None = None


def load(
    path: Path,
    model: str,
    layout: str = "",
    *,
    room_tokens: int = 0,
    most_tokens: int = 1 << 30,
    threads: int = 0,
    say: Callable[[str], None] = _log.warning,
) -> LegacyEngine:
    """Check a file of 2023 and load it. Blocks for seconds. Raises EngineError.

    `say` is told once that this is the legacy engine.
    """
    found = legacy_header.read(path)
    if importlib.util.find_spec("ctransformers") is None:
        raise ModelRejected(
            f"{one_line(str(path))}: is a model file of 2023; install {EXTRA} to run it, or "
            f"{legacy_header.INSTEAD}"
        )
    context = _context(found, room_tokens, most_tokens)
    need = found.file_bytes + context * found.cache_token_bytes + BUFFER_BYTES
    free = psutil.virtual_memory().available
    if need > free:
        raise OutOfMemory(
            f"{path.name} needs {need / 1e9:.1f} GB with its context of {context:,} tokens; "
            f"{free / 1e9:.1f} GB are free"
        )
    # Its threads spin while they wait for each other: on two busy cores a tiny model wrote 32
    # tokens in 7 ms with one thread and in 3,500 ms with two. So half of the cores, unless asked.
    engine = LegacyEngine(found, model, context, layout, threads or max(1, default_threads() // 2))
    say(f"{model}: a {found.family} file of 2023, run by the legacy engine: slow, nothing is saved")
    return engine


class LegacyEngine:
    """An `engine.types.Engine` on a file of 2023. It has one state: slots take it from another."""

    def __init__(
        self, found: LegacyFile, model: str, context: int, layout: str, threads: int
    ) -> None:
        """Load. Raises ModelRejected."""
        self._native = _native(found, context)
        self._family, self._context, self._threads = found.family, context, threads
        self._ids = {token: number for number, token in enumerate(found.vocabulary)}
        self._vocabulary_tokens = len(found.vocabulary)
        self._words = None if found.family in NATIVE_WORDS else Words(found.vocabulary)
        self._residency = Residency()
        self._closed = False
        try:
            speed = self._measure_speed()
        except BaseException:
            self.close()
            raise
        costs = prior(*speed, batch_tokens=BATCH_TOKENS, slice_tokens=BATCH_TOKENS)
        self._speed = Speed(costs)
        name = layout or detect(self.special) or PREFIX_ONLY
        self._info = EngineInfo(model, context, *speed, name)

    @property
    def info(self) -> EngineInfo:
        costs = self._speed.costs
        return replace(
            self._info,
            prefill_per_s=prefill_per_s(costs),
            decode_per_s=decode_per_s(costs),
            costs=costs,
        )

    def tokenize(self, text: str) -> list[int]:
        """Ids of plain text. A zero byte, at which the library would stop, is taken for a space."""
        if self._words is not None:
            return self._words.tokenize(_raw(text))
        step = REPLIT_CHARS if self._family == "replit" else max(1, len(text))
        starts = range(0, len(text), step)
        return [token for at in starts for token in self._tokenized(text[at : at + step])]

    def special(self, name: str) -> int | None:
        return self._ids.get(name.encode())

    def complete(
        self,
        prompt: Prompt,
        sampling: Sampling,
        cancel: threading.Event,
        listener: Callable[[Piece], bool],
        slot: Slot = Slot.KEYSTROKE,
    ) -> Completion:
        """Write after `prompt`, see `engine.types.Engine.complete`."""
        run = _Run(0, time.perf_counter())
        self._check(prompt.token_ids)
        # The last token is read in any case: what comes after it is not kept anywhere.
        known = self._residency.common(slot, prompt.token_ids)
        run.cached_tokens = min(known, len(prompt.token_ids) - 1)
        read = self._read(prompt.token_ids, run.cached_tokens, cancel, slot)
        stopped_by: StoppedBy = "cancelled"
        if read == len(prompt.token_ids):
            stopped_by = self._write(run, sampling, cancel, listener, slot)
        usage = self._usage(run, len(prompt.token_ids), read)
        pieces = tuple(run.pieces)
        return Completion("".join(pieces), stopped_by, usage, pieces)

    def warm(self, prompt: Prompt, cancel: threading.Event, slot: Slot = Slot.KEYSTROKE) -> Usage:
        """Read `prompt`, up to the batch in which a cancel comes; nothing is written."""
        self._check(prompt.token_ids)
        cached = self._residency.common(slot, prompt.token_ids)
        run = _Run(cached, time.perf_counter())
        return self._usage(
            run, len(prompt.token_ids), self._read(prompt.token_ids, cached, cancel, slot)
        )

    def resident(self, slot: Slot = Slot.KEYSTROKE) -> tuple[int, ...]:
        return self._residency.tokens(slot)

    def save(self, slot: Slot, path: Path) -> tuple[int, ...]:
        raise RequestRejected(f"the legacy engine saves no states: {slot.name}, {path.name}")

    def restore(self, slot: Slot, path: Path, token_ids: Sequence[int]) -> None:
        self._residency.set(slot, ())
        raise RequestRejected(
            f"the legacy engine restores no states: {len(token_ids)} tokens of {path.name}"
        )

    def forget(self, slot: Slot) -> None:
        """Begin no prompt with what a slot held: the next one is read over it."""
        self._residency.set(slot, ())

    def close(self) -> None:
        """Free the model."""
        self._closed = True
        self._native = None

    def _read(
        self, token_ids: tuple[int, ...], start: int, cancel: threading.Event, slot: Slot
    ) -> int:
        """Read on from `start`, batch by batch, up to where it was cancelled; says how far."""
        for other in Slot:
            if other is not slot:
                self._residency.set(other, ())
        at = start
        while at < len(token_ids) and not cancel.is_set():
            batch = token_ids[at : at + BATCH_TOKENS]
            self._residency.set(slot, token_ids[:at])
            self._evaluate(batch, at)
            at += len(batch)
            self._residency.set(slot, token_ids[:at])
        return at

    def _write(
        self,
        run: _Run,
        sampling: Sampling,
        cancel: threading.Event,
        listener: Callable[[Piece], bool],
        slot: Slot,
    ) -> StoppedBy:
        """Token by token; a character is told when its last token is there."""
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        while run.decoded_tokens < sampling.max_tokens:
            if cancel.is_set():
                return "cancelled"
            held = self._residency.tokens(slot)
            token = self._sample(held, sampling, run.decoded_tokens)
            run.first_token = run.first_token or time.perf_counter()
            if self._native.ctransformers_llm_is_eos_token(token):
                return "end"
            run.decoded_tokens += 1
            text = decoder.decode(self._native.ctransformers_llm_detokenize(token))
            if text:
                run.pieces.append(Piece(text))
                if not listener(run.pieces[-1]):
                    return "listener"
            if len(held) >= self._context or run.decoded_tokens == sampling.max_tokens:
                break
            self._evaluate((token,), len(held))
            self._residency.set(slot, (*held, token))
        return "length"

    def _evaluate(self, batch: Sequence[int], past: int) -> None:
        ids = (ctypes.c_int * len(batch))(*batch)
        read = self._native.ctransformers_llm_batch_eval(
            ids, len(batch), past, BATCH_TOKENS, self._threads
        )
        if not read:
            self._forget_all()
            raise RequestRejected("the legacy engine could not read this prompt")

    def _sample(self, held: Sequence[int], sampling: Sampling, written: int) -> int:
        """The next token. The library divides by the temperature: greedy is the best one of one."""
        greedy = sampling.temperature <= 0
        last = held[-PENALTY_TOKENS:]
        return int(
            self._native.ctransformers_llm_sample(
                (ctypes.c_int * len(last))(*last),
                len(last),
                1 if greedy else max(1, min(sampling.top_k, self._vocabulary_tokens)),
                sampling.top_p,
                1.0 if greedy else sampling.temperature,
                sampling.repeat_penalty,
                sampling.seed + written,  # it begins anew at each token
            )
        )

    def _tokenized(self, text: str) -> list[int]:
        raw = _raw(text)
        room = (ctypes.c_int * (len(raw) + 2))()
        self._check_open()
        count = self._native.ctransformers_llm_tokenize(raw, False, room)
        return list(room[:count])

    def _usage(self, run: _Run, prompt_tokens: int, read: int) -> Usage:
        now = time.perf_counter()
        usage = Usage(
            prompt_tokens=prompt_tokens,
            cached_tokens=run.cached_tokens,
            evaluated_tokens=read - run.cached_tokens,
            decoded_tokens=run.decoded_tokens,
            ttft_ms=round(((run.first_token or now) - run.started) * 1000, 1),
            total_ms=round((now - run.started) * 1000, 1),
        )
        self._speed.add(usage)
        return usage

    def _check(self, token_ids: Sequence[int]) -> None:
        """The library trusts its caller: an id or a length too large is read outside of memory."""
        self._check_open()
        if not token_ids:
            raise RequestRejected("the prompt is empty")
        if len(token_ids) > self._context:
            raise RequestRejected(
                f"a prompt of {len(token_ids)} tokens exceeds the context of {self._context}"
            )
        if min(token_ids) < 0 or max(token_ids) >= self._vocabulary_tokens:
            raise RequestRejected("the prompt has tokens of another vocabulary")

    def _check_open(self) -> None:
        if self._closed:
            raise RequestRejected("the engine is closed")

    def _forget_all(self) -> None:
        for slot in Slot:
            self._residency.set(slot, ())

    def _measure_speed(self) -> tuple[float, float]:
        """Read and write a few tokens: (prefill, decode) in tokens a second."""
        self._speed = Speed(prior(1.0, 1.0))  # heard by nobody
        ids = tuple(self.tokenize(PROBE_TEXT)[: min(PROBE_TOKENS, self._context - PROBE_DECODED)])
        prompt = Prompt(ids or (0,), ())
        usage = self.complete(
            prompt, Sampling(max_tokens=PROBE_DECODED), threading.Event(), lambda _: True
        )
        self._forget_all()
        write_ms = (usage.usage.total_ms - usage.usage.ttft_ms) / max(
            1, usage.usage.decoded_tokens - 1
        )
        read_per_s = len(prompt.token_ids) * 1000 / max(usage.usage.ttft_ms, 0.1)
        return round(read_per_s, 1), round(1000 / max(write_ms, 0.1), 1)


def _context(found: LegacyFile, room_tokens: int, most_tokens: int) -> int:
    """The window: the file's own where it is part of the weights."""
    if found.fixed_context:
        return found.context_tokens
    wanted = max(room_tokens, DEFAULT_CONTEXT_TOKENS)
    countable = legacy_header.MAX_ELEMENTS * 4 // found.cache_token_bytes  # 2 halves, 2 bytes each
    return max(1, min(found.context_tokens, wanted, most_tokens, countable))


def _native(found: LegacyFile, context: int) -> Any:
    """The library's model. Its Python layer only finds the build for this processor and loads."""
    try:
        import ctransformers  # noqa: PLC0415  half a second, and only for files of 2023

        config = ctransformers.llm.Config(context_length=context)
        return ctransformers.LLM(str(found.path), found.family, config=config, lib=_build())
    except (RuntimeError, ValueError, OSError, ImportError) as error:
        line = one_line(" ".join(str(error).split()))
        raise ModelRejected(
            f"ctransformers could not load {found.path.name}: {line}; {legacy_header.INSTEAD}"
        ) from None


def _build() -> str | None:
    """Which of its builds fits this processor; None: let it look, for which it starts a process.

    That took 1.4 s of each load. Linux tells it in a file.
    """
    about = Path("/proc/cpuinfo")
    if platform.machine() != "x86_64" or not about.is_file():
        return None
    flags = set(about.read_text(encoding="utf-8", errors="replace").split())
    if "avx2" in flags:
        return "avx2"
    return "avx" if {"avx", "f16c"} <= flags else "basic"


def _raw(text: str) -> bytes:
    return text.replace("\0", " ").encode(errors="replace")
