# SPDX-License-Identifier: Apache-2.0
"""What a context costs in memory, from a model file's header alone, and what fits.

In: a `Header`, tokens, bytes that are free. Out: bytes, or the context that fits. Loads nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.types import OutOfMemory

if TYPE_CHECKING:
    from engine.gguf import Header

LADDER_TOKENS = (
    *(1_048_576, 524_288),  # with YaRN only, for models of 262,144
    *(262_144, 131_072, 65_536, 32_768, 16_384, 8_192, 4_096, 2_048),
)
KV_BYTES = {"f16": 2.0, "q8_0": 34 / 32}  # an element; q8_0 is 32 bytes and a scale of two
RUNTIME_BYTES = 150 << 20  # the library, its graph and the vocabulary; measured with the 0.5B
SCORE_BYTES = 4  # attention scores are f32: heads x context x batch, without flash attention


@dataclass(frozen=True, slots=True)
class Estimate:
    """Bytes that a model takes at one context. `weights` are mapped from the file."""

    context_tokens: int
    weights: int
    kv: int
    buffers: int

    @property
    def total(self) -> int:
        return self.weights + self.kv + self.buffers


def estimate(header: Header, context_tokens: int, kv_type: str, batch_tokens: int) -> Estimate:
    """What the model of `header` takes with a context of so many tokens."""
    kv_token = kv_bytes_per_token(header, kv_type)
    scores = header.head_count * context_tokens * batch_tokens * SCORE_BYTES
    logits = header.vocabulary_tokens * batch_tokens * SCORE_BYTES
    buffers = RUNTIME_BYTES + logits + (scores if kv_type == "f16" else 0)
    return Estimate(context_tokens, header.file_bytes, int(kv_token * context_tokens), buffers)


def kv_bytes_per_token(header: Header, kv_type: str) -> float:
    """Bytes of keys and values a token; in a hybrid only the full-attention layers have them."""
    layers = -(-header.block_count // header.full_attention_interval)
    width = header.head_count_kv * (header.key_length + header.value_length)
    return layers * width * KV_BYTES[kv_type]


def yarn_factor(header: Header, context_tokens: int) -> int:
    """By how much YaRN has to stretch the model's positions for a context, 1 for not at all.

    A power of two, as model cards have it and as floats hold it exactly. Stretching costs quality
    in short prompts, so it is the smallest that will do, and none within the native window.
    """
    factor = 1
    while header.context_length * factor < context_tokens:
        factor *= 2
    return factor


def largest_context(
    header: Header, wanted_tokens: int, kv_type: str, batch_tokens: int, free_bytes: int
) -> Estimate:
    """The wanted context if it fits, else the highest rung of the ladder that does.

    Raises OutOfMemory when not even the lowest rung fits.
    """
    rungs = [wanted_tokens, *(rung for rung in LADDER_TOKENS if rung < wanted_tokens)]
    for rung in rungs:
        need = estimate(header, rung, kv_type, batch_tokens)
        if need.total <= free_bytes:
            return need
    raise OutOfMemory(
        f"{header.path.name} needs {need.total / 1e9:.1f} GB at a context of {rung:,} tokens and "
        f"{free_bytes / 1e9:.1f} GB are free; choose a smaller model: ghostwright models list"
    )
