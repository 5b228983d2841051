# SPDX-License-Identifier: Apache-2.0
"""How each kind of server is spoken to: a prompt as its JSON, its events as those of `request.Run`.

In: what a server says of itself, token ids, a sampling; then its events. Out: a path and a body;
then events in one form. Knows no network and no layout.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from engine.remote_tokens import ByteVocabulary
from engine.request import request
from engine.types import RequestRejected, Sampling, Slot

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from engine.remote_tokens import Vocabulary

Kind = Literal["llama-server", "vLLM", "SGLang", "OpenAI-compatible"]
NO_SLOT = -1  # llama-server takes the one whose state begins most like the prompt
NO_ID = -1  # of a token that a server does not name
ANSWER_ROLES = ("system", "user", "assistant")
TURN, END = "<|im_start|>", "<|im_end|>"


@dataclass(frozen=True, slots=True)
class Server:
    """What a server has said of itself."""

    kind: Kind
    model: str  # as it calls it
    context_tokens: int  # 0: it does not say
    slots: int = 0  # of llama-server
    own: bool = False  # on this machine: nobody else's prompts are in its slots
    raw: bool = True  # it takes prompts as they are, not conversations only


class Speech:
    """One request to a server, as it is written and as it is heard."""

    def __init__(self, server: Server, vocabulary: Vocabulary) -> None:
        self._server = server
        self._vocabulary = vocabulary

    @property
    def path(self) -> str:
        if self._server.kind == "llama-server":
            return "/completion"
        return "/v1/completions" if self._server.raw else "/v1/chat/completions"

    def body(self, token_ids: Sequence[int], sampling: Sampling, slot: Slot) -> dict[str, Any]:
        """What is sent. A server other than llama-server cannot write nothing: one token then."""
        if self._server.kind == "llama-server":
            pinned = self._server.own and self._server.slots >= len(Slot)
            plain = request(tuple(token_ids), sampling, slot)
            return {**plain, "id_slot": int(slot) if pinned else NO_SLOT}
        body: dict[str, Any] = {
            "model": self._server.model,
            "max_tokens": max(1, sampling.max_tokens),
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "presence_penalty": sampling.presence_penalty,
            "seed": sampling.seed,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        if self._server.raw:
            body["prompt"] = self._vocabulary.wire(token_ids)
            body["logprobs"] = 1
        else:
            body["messages"] = list(_messages(self._vocabulary, token_ids))
        if self._server.kind in {"vLLM", "SGLang"}:
            body["top_k"] = sampling.top_k
            body["repetition_penalty"] = sampling.repeat_penalty
            if not self._server.raw and body["messages"][-1]["role"] == "assistant":
                body |= {"add_generation_prompt": False, "continue_final_message": True}
        if self._server.kind == "vLLM" and self._server.raw:
            body["return_token_ids"] = True
            body["stream_options"]["continuous_usage_stats"] = True
        return body

    def heard(self, token_count: int) -> Hearing:
        """What takes the events of one request, whose prompt has so many ids."""
        return Hearing(self._server, token_count, self._vocabulary.scale)


class Hearing:
    """Events of one request to those of `request.Run`, in which a piece of text is one event."""

    def __init__(self, server: Server, prompt_tokens: int, scale: int) -> None:
        self._server = server
        self._prompt = prompt_tokens
        self._scale = scale
        self._decoded = 0
        self._half = ""  # of a character that JSON wrote in two
        self.finished = False
        self.told_cached = False

    def events(self, event: Any) -> Iterator[dict[str, Any]]:
        """Raises RequestRejected for what is no event of such a server."""
        try:
            if "error" in event or event.get("object") == "error":
                yield {"error": {"message": _message(event)}}
            elif self._server.kind == "llama-server":
                yield from self._native(event)
            else:
                yield from self._open(event)
        except (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError):
            raise RequestRejected("the server sent an event that cannot be read") from None

    def _native(self, event: dict[str, Any]) -> Iterator[dict[str, Any]]:
        timings = event.get("timings") or {}
        self.told_cached = True
        if progress := event.get("prompt_progress"):
            yield {"prompt_progress": {name: int(progress[name]) for name in _PROGRESS}}
            return
        self._decoded = int(event.get("tokens_predicted", timings.get("predicted_n", 0)))
        told = {"predicted_n": self._decoded, **{k: timings[k] for k in _SPEEDS if k in timings}}
        text = self._whole(event.get("content", ""))
        tokens = [
            {"id": int(each["id"]), "logprob": _number(each.get("logprob"))}
            for each in event.get("completion_probabilities") or ()
        ]
        if text or not event.get("stop"):
            yield {"choices": [{"text": text, "logprobs": {"content": tokens}}], "timings": told}
        if event.get("stop"):
            self.finished = True
            why = "length" if event.get("stop_type") == "limit" else "stop"
            yield {"choices": [{"finish_reason": why}], "timings": told}

    def _open(self, event: dict[str, Any]) -> Iterator[dict[str, Any]]:
        usage: dict[str, Any] = event.get("usage") or {}
        told_read = "prompt_tokens" in usage
        if told_read:
            self._decoded = max(self._decoded, int(usage.get("completion_tokens") or 0))
        for choice in event.get("choices") or ():
            text = self._whole(_text(choice))
            tokens = _tokens(choice)
            if text or tokens:
                self._decoded += 0 if told_read else max(1, len(tokens))
                said = {"text": text, "logprobs": {"content": tokens}}
                yield {"choices": [said], "timings": {"predicted_n": self._decoded}}
            if choice.get("finish_reason"):
                self.finished = True
                why = str(choice["finish_reason"])
                done = {"finish_reason": why}
                yield {"choices": [done], "timings": {"predicted_n": max(1, self._decoded)}}
        if told_read and not event.get("choices"):
            yield self._read(usage)
            yield {
                "choices": [{"finish_reason": ""}],
                "timings": {"predicted_n": max(1, self._decoded)},
            }

    def _read(self, usage: dict[str, Any]) -> dict[str, Any]:
        """What was read and what was cached. Raises RequestRejected where it read another prompt.

        Some put a token of their own before what they are given.
        """
        read = int(usage["prompt_tokens"])
        if self._scale == 1 and read < self._prompt:
            raise RequestRejected(f"the server read {read} of {self._prompt} tokens")
        details = usage.get("prompt_tokens_details") or {}
        cached = details.get("cached_tokens")
        self.told_cached = cached is not None
        share = min(max(int(cached or 0), 0) / max(read, 1), 1.0)
        cached_ids = int(share * self._prompt) if self._scale > 1 else int(cached or 0)
        cached_ids = min(max(cached_ids, 0), self._prompt)
        names = dict(zip(_PROGRESS, (self._prompt, cached_ids, self._prompt), strict=True))
        return {"prompt_progress": names}

    def _whole(self, text: Any) -> str:
        """Valid Unicode. A character beyond the first plane may come in two halves."""
        if text is None:
            return ""
        if not isinstance(text, str):
            raise TypeError
        whole: str = self._half + text
        self._half = ""
        if whole and "\ud800" <= whole[-1] <= "\udbff":
            whole, self._half = whole[:-1], whole[-1]
        return whole.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


_PROGRESS = ("total", "cache", "processed")
_SPEEDS = ("prompt_n", "cache_n", "prompt_per_second", "predicted_per_second")


def _text(choice: dict[str, Any]) -> Any:
    if "text" in choice:
        return choice["text"]
    return (choice.get("delta") or {}).get("content")


def _tokens(choice: dict[str, Any]) -> list[dict[str, Any]]:
    """What is told of the tokens of a piece of text; ids are of vLLM only."""
    logprobs = (choice.get("logprobs") or {}).get("token_logprobs") or []
    ids = choice.get("token_ids") or []
    count = max(len(logprobs), len(ids))
    known = ids if len(ids) == count else [NO_ID] * count
    sure = logprobs if len(logprobs) == count else [None] * count
    pairs = zip(known, sure, strict=True)
    return [{"id": int(token), "logprob": _number(logprob)} for token, logprob in pairs]


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def _message(event: dict[str, Any]) -> object:
    error = event.get("error", event)
    return error.get("message", error) if isinstance(error, dict) else error


def _messages(vocabulary: Vocabulary, token_ids: Sequence[int]) -> Iterator[dict[str, str]]:
    """The turns of a prompt that was laid out in turns. What is behind the last is the answer's."""
    assert isinstance(vocabulary, ByteVocabulary)
    begun = False
    for is_special, text in vocabulary.runs(token_ids):
        if is_special:
            begun = text == TURN
        elif begun:
            role, _, said = text.partition("\n")
            if said or role != "assistant":
                yield {"role": role if role in ANSWER_ROLES else "user", "content": said}
