# SPDX-License-Identifier: Apache-2.0
"""One request in the words of llama.cpp's server, and what its events tell.

In: token ids and how to write after them; then events, one by one. Out: text, what it cost, which
tokens are resident afterwards. Knows no server: `llama.py` sends it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from engine.listener import one_line
from engine.types import Piece, Sampling, Slot, StoppedBy, Usage

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable


@dataclass(slots=True)
class Run:
    """One request as its events come in, on the thread that made the call."""

    cancel: threading.Event
    listener: Callable[[Piece], bool]
    pieces: list[Piece] = field(default_factory=list)
    written: list[int] = field(default_factory=list)  # token ids, up to the first that is missing
    stopped_by: StoppedBy = "end"
    error: str = ""
    timings: dict[str, Any] = field(default_factory=dict)
    prompt_tokens: int = 0
    cached_tokens: int = 0
    processed_tokens: int = 0
    started: float = field(default_factory=time.perf_counter)
    first_token: float | None = None

    def on_event(self, event: dict[str, Any]) -> bool:
        """Take one event; True tells llama.cpp to stop."""
        if "error" in event:
            self.error = one_line(event["error"].get("message", event["error"]))
            return True
        progress = event.get("prompt_progress")
        if progress:
            self.prompt_tokens = int(progress["total"])
            self.cached_tokens = int(progress["cache"])
            self.processed_tokens = int(progress["processed"])
        elif self._take_text(event):
            return True
        if self.cancel.is_set():
            self.stopped_by = "cancelled"
            return True
        return False

    def _take_text(self, event: dict[str, Any]) -> bool:
        """Take a piece of text or the closing event; True when the listener has enough."""
        choice = event["choices"][0]
        if event.get("timings"):
            self.timings = event["timings"]
        if choice.get("finish_reason"):
            self.stopped_by = "length" if choice["finish_reason"] == "length" else "end"
            return False
        if self.first_token is None:
            self.first_token = time.perf_counter()
        self.processed_tokens = self.prompt_tokens
        self._take_token(choice)
        piece = Piece(choice.get("text") or "", _logprob(choice))
        if not piece:
            return False
        self.pieces.append(piece)
        if not self.listener(piece):
            self.stopped_by = "listener"
            return True
        return False

    def _take_token(self, choice: dict[str, Any]) -> None:
        """Note the id of the token that came, if those of all tokens before it are known.

        A character split over several tokens comes with the last one's id only.
        """
        ids = [int(token["id"]) for token in _tokens(choice)]
        if len(self.written) + len(ids) == self.decoded_tokens:
            self.written += ids

    @property
    def decoded_tokens(self) -> int:
        """How many tokens were written, those of split characters too."""
        return int(self.timings.get("predicted_n", 0))

    def resident(self, token_ids: tuple[int, ...]) -> tuple[int, ...]:
        """What the slot holds now, at least: the last token written has not been evaluated."""
        if not self.timings:
            return token_ids[: self.processed_tokens]
        return token_ids + tuple(self.written[: max(0, self.decoded_tokens - 1)])

    def usage(self) -> Usage:
        now = time.perf_counter()
        read = self.prompt_tokens if self.timings else self.processed_tokens
        return Usage(
            prompt_tokens=self.prompt_tokens,
            cached_tokens=self.cached_tokens,
            evaluated_tokens=max(0, read - self.cached_tokens),
            decoded_tokens=self.decoded_tokens,
            ttft_ms=round(((self.first_token or now) - self.started) * 1000, 1),
            total_ms=round((now - self.started) * 1000, 1),
        )


def _tokens(choice: dict[str, Any]) -> list[dict[str, Any]]:
    """What is told of the tokens of one event."""
    return (choice.get("logprobs") or {}).get("content") or []


def _logprob(choice: dict[str, Any]) -> float | None:
    """How probable the text of one event was. JSON has no number for what is impossible."""
    values = [token.get("logprob") for token in _tokens(choice)]
    known = [float(value) for value in values if value is not None]
    return sum(known) if known and len(known) == len(values) else None


def together(spent: list[Usage]) -> Usage:
    """What several requests cost that read one prompt, each a piece further than the last."""
    last = spent[-1]
    evaluated = sum(usage.evaluated_tokens for usage in spent)
    read = last.cached_tokens + last.evaluated_tokens
    before_ms = sum(usage.total_ms for usage in spent[:-1])
    return replace(
        last,
        cached_tokens=max(0, read - evaluated),
        evaluated_tokens=evaluated,
        ttft_ms=round(before_ms + last.ttft_ms, 1),
        total_ms=round(before_ms + last.total_ms, 1),
    )


def request(token_ids: tuple[int, ...], sampling: Sampling, slot: Slot) -> dict[str, Any]:
    return {
        "prompt": list(token_ids),
        "n_predict": sampling.max_tokens,
        "temperature": sampling.temperature,
        "top_k": sampling.top_k,
        "top_p": sampling.top_p,
        "repeat_penalty": sampling.repeat_penalty,
        "presence_penalty": sampling.presence_penalty,
        "seed": sampling.seed,
        "stream": True,
        "return_progress": True,
        "cache_prompt": True,
        "id_slot": int(slot),
        # The ids of what is written, for the state, and how sure the model was of each. What is
        # left after a greedy choice has a probability of 1, so that of the whole vocabulary is
        # asked for: with 151,936 tokens it cost less than could be measured (0.5B: 88.0 CPU-ms a
        # token against 88.9 without, the median of 14 in turn on a busy machine).
        "n_probs": 1,
        "post_sampling_probs": False,
        "timings_per_token": True,  # with how many tokens there are: some come without an id
    }
