# SPDX-License-Identifier: Apache-2.0
"""A deterministic engine without a model, for tests and for scripts that need known answers.

It tokenises by bytes, keeps its prefixes as a real one does, and writes what it is told to write,
at a pace and as surely as it is told. A saved state is a file of its tokens. Knows no models.
"""

from __future__ import annotations

import time
from array import array
from typing import TYPE_CHECKING

from engine.state import Residency
from engine.types import Completion, EngineInfo, Piece, RequestRejected, Slot, StoppedBy, Usage

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from engine.layout import Layout
    from engine.types import Prompt, Sampling

SPECIALS = ("<|repo_name|>", "<|file_sep|>", "<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>")
BYTE_TOKENS = 256


class FakeEngine:
    """Writes `answer(prompt text)` piece by piece, `token_s` seconds each.

    How sure it is of a piece is told where the answer holds `Piece`s.
    Its vocabulary has the special tokens of `layout`, Qwen's by default.
    """

    def __init__(
        self,
        answer: Callable[[str], Sequence[str]],
        *,
        token_s: float = 0.0,
        read_s: float = 0.0,
        context_tokens: int = 8192,
        layout: Layout | None = None,
    ) -> None:
        self._answer = answer
        self._token_s = token_s
        self._read_s = read_s  # before the first token, whatever the prompt
        self._residency = Residency()
        self._specials = sorted(layout.specials) if layout else SPECIALS
        name = layout.name if layout else "qwen"
        self.info = EngineInfo("fake", context_tokens, 1000.0, 1000.0, name, "fake")

    def tokenize(self, text: str) -> list[int]:
        return list(text.encode("utf-8", errors="replace"))

    def special(self, name: str) -> int | None:
        return BYTE_TOKENS + self._specials.index(name) if name in self._specials else None

    def complete(
        self,
        prompt: Prompt,
        sampling: Sampling,
        cancel: threading.Event,
        listener: Callable[[Piece], bool],
        slot: Slot = Slot.KEYSTROKE,
    ) -> Completion:
        usage = self.warm(prompt, cancel, slot)
        started = time.perf_counter()
        pieces: list[Piece] = []
        stopped_by = "end"
        first = usage.total_ms
        for text in self._answer(self._text(prompt)):
            if len(pieces) >= sampling.max_tokens:
                stopped_by = "length"
                break
            if cancel.wait(self._token_s) if self._token_s else cancel.is_set():
                stopped_by = "cancelled"
                break
            pieces.append(text if isinstance(text, Piece) else Piece(text))
            if not listener(pieces[-1]):
                stopped_by = "listener"
                break
        if cancel.is_set():
            stopped_by = "cancelled"
        total = usage.total_ms + (time.perf_counter() - started) * 1000
        spent = Usage(
            usage.prompt_tokens,
            usage.cached_tokens,
            usage.evaluated_tokens,
            len(pieces),
            first,
            total,
        )
        return Completion("".join(pieces), _stopped(stopped_by), spent, tuple(pieces))

    def warm(self, prompt: Prompt, cancel: threading.Event, slot: Slot = Slot.KEYSTROKE) -> Usage:
        if len(prompt.token_ids) > self.info.context_tokens:
            raise RequestRejected("the prompt exceeds the context")
        started = time.perf_counter()
        cached = self._residency.common(slot, prompt.token_ids)
        cancel.wait(self._read_s)
        self._residency.set(slot, prompt.token_ids)
        total = len(prompt.token_ids)
        elapsed = (time.perf_counter() - started) * 1000
        return Usage(total, cached, total - cached, 0, elapsed, elapsed)

    def resident(self, slot: Slot = Slot.KEYSTROKE) -> tuple[int, ...]:
        return self._residency.tokens(slot)

    def save(self, slot: Slot, path: Path) -> tuple[int, ...]:
        tokens = self.resident(slot)
        path.write_bytes(array("i", tokens).tobytes())
        return tokens

    def restore(self, slot: Slot, path: Path, token_ids: Sequence[int]) -> None:
        if path.read_bytes() != array("i", token_ids).tobytes():
            self._residency.set(slot, ())
            raise RequestRejected("these are not the tokens of that state")
        self._residency.set(slot, token_ids)

    def forget(self, slot: Slot) -> None:
        self._residency.set(slot, ())

    def close(self) -> None:
        for slot in Slot:
            self.forget(slot)

    def _text(self, prompt: Prompt) -> str:
        pieces = []
        run = bytearray()
        for token in prompt.token_ids:
            if token < BYTE_TOKENS:
                run.append(token)
            else:
                pieces += [
                    run.decode("utf-8", errors="replace"),
                    self._specials[token - BYTE_TOKENS],
                ]
                run = bytearray()
        return "".join((*pieces, run.decode("utf-8", errors="replace")))


def _stopped(reason: str) -> StoppedBy:
    known: dict[str, StoppedBy] = {
        "end": "end",
        "length": "length",
        "listener": "listener",
        "cancelled": "cancelled",
    }
    return known[reason]
