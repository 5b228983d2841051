# SPDX-License-Identifier: Apache-2.0
"""The values and the one seam between a prompt and a completion.

In: `Part`s (whole pieces of text with a role). Out: a `Completion` with what it cost.
This room knows no LSP, no repository and no clock but the engine's own. It imports nothing of ours.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from typing_extensions import Self

Role = Literal["header", "definition", "journal", "analogy", "prefix", "suffix"]
StoppedBy = Literal["end", "length", "listener", "cancelled"]


class Slot(enum.IntEnum):
    """Two states of one model. Neither evicts the other; each may be as deep as the context."""

    KEYSTROKE = 0  # what the next suggestion needs
    DEEP = 1  # refactors and questions: grows while the user is idle


class EngineError(Exception):
    """What an engine could not do. The message is one line that a user can act on.

    EngineError
    |- ModelNotFound     no file at that path, no such catalogue row, not downloaded yet
    |- ModelRejected     the file is not a model we can run (HTML, truncated, unknown architecture)
    |  |- NotLoaded      llama.cpp gave up on it: a bad file, or too little memory
    |- FetchFailed       no network, no disk, wrong hash
    |- OutOfMemory       it does not fit, even at the smallest context
    |- RequestRejected   the engine refused this prompt (too long, invalid)
    """


class ModelNotFound(EngineError):
    """No file at that path, or no such row in the catalogue."""


class ModelRejected(EngineError):
    """A file that is no model, a damaged one, or one of an architecture that we cannot run."""


class NotLoaded(ModelRejected):
    """llama.cpp gave up on a file that looks sound. It does not say whether memory was short."""


class FetchFailed(EngineError):
    """A model could not be fetched: network, disk or hash."""


class OutOfMemory(EngineError):
    """The model or its context does not fit into this machine."""


class RequestRejected(EngineError):
    """The engine refused one request; the next one may well succeed."""


@dataclass(frozen=True, slots=True)
class Part:
    """A whole piece of text for the prompt. Lines are 1-based and inclusive."""

    role: Role
    path: str  # relative, with forward slashes: what the model is shown
    text: str
    start_line: int
    end_line: int
    score: float = 1.0
    why: str = ""


@dataclass(frozen=True, slots=True)
class Segment:
    """What became of a part: the same place, with what it costs in tokens."""

    role: Role
    path: str
    start_line: int
    end_line: int
    tokens: int
    score: float
    why: str


@dataclass(frozen=True, slots=True)
class Prompt:
    """Token ids in the order the engine reads them, and the segments they came from."""

    token_ids: tuple[int, ...]
    segments: tuple[Segment, ...]


@dataclass(frozen=True, slots=True)
class Sampling:
    """How to choose tokens. Temperature 0 is greedy: the same prompt gives the same text."""

    max_tokens: int = 64
    temperature: float = 0.0
    top_k: int = 40
    top_p: float = 0.95
    repeat_penalty: float = 1.0
    presence_penalty: float = 0.0
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Usage:
    """What a request cost. prompt = cached + evaluated, in tokens; times in milliseconds."""

    prompt_tokens: int = 0
    cached_tokens: int = 0
    evaluated_tokens: int = 0
    decoded_tokens: int = 0
    ttft_ms: float = 0.0  # from the call to the first token
    total_ms: float = 0.0

    @property
    def cut_short(self) -> bool:
        """Whether a cancel came before the prompt was read to its end."""
        return self.cached_tokens + self.evaluated_tokens < self.prompt_tokens


class Piece(str):
    """Text that was written in one go, mostly that of one token, and how sure the model was of it.

    `logprob` is the natural logarithm of the probability that the model gave it, whatever the
    sampling; of a character that took several tokens, that of the last. None: not known.
    """

    __slots__ = ("logprob",)
    logprob: float | None

    def __new__(cls, text: str, logprob: float | None = None) -> Self:
        piece = super().__new__(cls, text)
        piece.logprob = logprob
        return piece


@dataclass(frozen=True, slots=True)
class Completion:
    """Text as the model wrote it, untrimmed, with the reason why it ended."""

    text: str
    stopped_by: StoppedBy
    usage: Usage = field(default_factory=Usage)
    pieces: tuple[Piece, ...] = ()  # the same text as the listener got it; () where not told


@dataclass(frozen=True, slots=True)
class Costs:
    """What reading and writing cost, in milliseconds; `engine.speed` reckons with them.

    A mixture uses `experts_used` of `experts` for a token; a dense model is a mixture of one.
    """

    request_ms: float = 0.0
    expert_ms: float = 0.0  # an expert that a batch has to bring in
    token_ms: float = 0.0
    token_depth_ms: float = 0.0  # of a token, for each token before it
    write_ms: float = 0.0
    write_depth_ms: float = 0.0
    experts: int = 1
    experts_used: int = 1
    batch_tokens: int = 16
    slice_tokens: int = 16  # that a warm-up reads at a time


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """What the rest of the program may know of a loaded model, as of now."""

    model: str  # catalogue id, or the file's name
    context_tokens: int  # the window this engine was loaded with, of each slot
    prefill_per_s: float  # as measured so far, tokens a second
    decode_per_s: float
    layout: str  # the name of a layout that its vocabulary has
    state_format: str = ""  # build and settings: a saved state of any other is of no use
    costs: Costs | None = None  # None: nothing is known but the two speeds


class Engine(Protocol):
    """The seam. Calls block and are made from one worker thread, one at a time."""

    @property
    def info(self) -> EngineInfo: ...

    def tokenize(self, text: str) -> Sequence[int]:
        """Ids of plain text. Text that looks like a special token stays text."""

    def special(self, name: str) -> int | None:
        """The id of the special token written `name`, None where the vocabulary has none."""

    def complete(
        self,
        prompt: Prompt,
        sampling: Sampling,
        cancel: threading.Event,
        listener: Callable[[Piece], bool],
        slot: Slot = Slot.KEYSTROKE,
    ) -> Completion:
        """Write after the prompt.

        `listener` gets each new piece of text (valid Unicode, never a half character) and
        returns False to stop. A set `cancel` ends it at the next token while writing, and at
        the next micro-batch while reading. Raises RequestRejected.
        """

    def warm(self, prompt: Prompt, cancel: threading.Event, slot: Slot = Slot.KEYSTROKE) -> Usage:
        """Read a prompt so that it is resident, write nothing. What a cancel cuts short stays.

        `Usage.cut_short` tells; to ask again for the same prompt goes on where it was left.
        """

    def resident(self, slot: Slot = Slot.KEYSTROKE) -> Sequence[int]:
        """The tokens whose state the slot holds, prompt and answer. From any thread."""

    def save(self, slot: Slot, path: Path) -> Sequence[int]:
        """Write a slot's state to `path`, a new file in the state folder; returns its tokens.

        Raises RequestRejected, and leaves no file, where that cannot be done.
        """

    def restore(self, slot: Slot, path: Path, token_ids: Sequence[int]) -> None:
        """Put a saved state into a slot; `token_ids` are what `save` returned for it.

        The file goes to native code: check that it is what was written. Raises RequestRejected,
        with the slot empty, where it is not for this engine.
        """

    def forget(self, slot: Slot) -> None:
        """Drop a slot's state: a file whose text may be in it is excluded now."""

    def close(self) -> None: ...
