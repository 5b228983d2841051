# SPDX-License-Identifier: Apache-2.0
"""A deterministic engine without a model, for tests and for scripts that need known answers.

It tokenises by bytes, keeps its prefix as a real one does, and writes what it is told to write, at
a pace it is told. Knows nothing of models.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from engine.types import Completion, EngineInfo, RequestRejected, StoppedBy, Usage

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Sequence

    from engine.layout import Layout
    from engine.types import Prompt, Sampling

SPECIALS = ("<|repo_name|>", "<|file_sep|>", "<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>")
BYTE_TOKENS = 256


class FakeEngine:
    """Writes `answer(prompt text)` piece by piece, `token_s` seconds each.

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
        self._resident: tuple[int, ...] = ()
        self._specials = sorted(layout.specials) if layout else SPECIALS
        name = layout.name if layout else "qwen"
        self.info = EngineInfo("fake", context_tokens, 1000.0, 1000.0, name)

    def tokenize(self, text: str) -> list[int]:
        return list(text.encode("utf-8", errors="replace"))

    def special(self, name: str) -> int | None:
        return BYTE_TOKENS + self._specials.index(name) if name in self._specials else None

    def complete(
        self,
        prompt: Prompt,
        sampling: Sampling,
        cancel: threading.Event,
        listener: Callable[[str], bool],
    ) -> Completion:
        usage = self.warm(prompt, cancel)
        started = time.perf_counter()
        text, stopped_by, decoded = "", "end", 0
        first = usage.total_ms
        for piece in self._answer(self._text(prompt)):
            if decoded >= sampling.max_tokens:
                stopped_by = "length"
                break
            if cancel.wait(self._token_s) if self._token_s else cancel.is_set():
                stopped_by = "cancelled"
                break
            text, decoded = text + piece, decoded + 1
            if not listener(piece):
                stopped_by = "listener"
                break
        if cancel.is_set():
            stopped_by = "cancelled"
        total = usage.total_ms + (time.perf_counter() - started) * 1000
        spent = Usage(
            usage.prompt_tokens,
            usage.cached_tokens,
            usage.evaluated_tokens,
            decoded,
            first,
            total,
        )
        return Completion(text, _stopped(stopped_by), spent)

    def warm(self, prompt: Prompt, cancel: threading.Event) -> Usage:
        if len(prompt.token_ids) > self.info.context_tokens:
            raise RequestRejected("the prompt exceeds the context")
        started = time.perf_counter()
        cached = 0
        for ours, theirs in zip(self._resident, prompt.token_ids, strict=False):
            if ours != theirs:
                break
            cached += 1
        cancel.wait(self._read_s)
        self._resident = prompt.token_ids
        total = len(prompt.token_ids)
        elapsed = (time.perf_counter() - started) * 1000
        return Usage(total, cached, total - cached, 0, elapsed, elapsed)

    def close(self) -> None:
        self._resident = ()

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
