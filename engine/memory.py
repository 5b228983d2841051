# SPDX-License-Identifier: Apache-2.0
"""What a model and its context cost in memory.

In: a `Shape`, tokens, how the context is run. Out: bytes. Loads nothing and knows no machine; what
fits where is decided in `plan.py`. Measured against the memory of real processes:
`python -m tests.bench.bench_memory`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.shape import Shape

F16, Q8_0 = "f16", "q8_0"
KV_BYTES = {F16: 2.0, Q8_0: 34 / 32}  # an element; q8_0 is 32 bytes and a scale of two
Q8_0_BLOCK = 32  # elements that share a scale: a head must be a multiple
F32_BYTES = 4
PROCESS_BYTES = 50 << 20  # Python, our modules, the library and its threads; measured
# A token and its merge in llama.cpp's tables: 62 MiB for Qwen's 151,936, measured
VOCABULARY_BYTES = 430
# A micro-batch passes through a layer as the gate, the other half and their product.
FEED_FORWARD_COPIES = 3


@dataclass(frozen=True, slots=True)
class Running:
    """How a context is run. Its tokens are shared by all slots, or split evenly among them."""

    batch_tokens: int
    kv_type: str = F16
    slots: int = 1
    shared: bool = True
    checkpoints: int = 0  # saved states a slot, in hybrids only
    repacked: bool = False  # weights in a second form for this processor

    def total_tokens(self, deep_tokens: int) -> int:
        """Tokens of the whole context where each slot may be so deep."""
        return deep_tokens if self.shared else deep_tokens * self.slots


@dataclass(frozen=True, slots=True)
class Estimate:
    """Bytes that a model takes at one context. `weights` are mapped from the file."""

    total_tokens: int
    weights: int
    kv: int
    state: int
    compute: int
    process: int

    @property
    def total(self) -> int:
        return self.weights + self.kv + self.state + self.compute + self.process


def estimate(shape: Shape, total_tokens: int, running: Running) -> Estimate:
    """What a model takes with so many tokens of context, in all slots together, when it is full."""
    return Estimate(
        total_tokens=total_tokens,
        weights=shape.weights + (shape.repackable if running.repacked else 0),
        kv=int(kv_bytes_per_token(shape, running.kv_type) * total_tokens),
        state=shape.state_bytes * running.slots * (1 + running.checkpoints),
        compute=_compute(shape, total_tokens, running),
        process=PROCESS_BYTES + shape.vocabulary * VOCABULARY_BYTES,
    )


def kv_bytes_per_token(shape: Shape, kv_type: str) -> float:
    """Bytes of keys and values a token, over all layers that keep them."""
    width = shape.kv_heads * (shape.key_width + shape.value_width)
    return shape.attention_layers * width * KV_BYTES[kv_type]


def may_quantise(shape: Shape) -> bool:
    """Whether keys and values may be q8_0: heads of other widths are refused by llama.cpp."""
    return shape.key_width % Q8_0_BLOCK == 0 and shape.value_width % Q8_0_BLOCK == 0


def yarn_factor(native_tokens: int, context_tokens: int) -> int:
    """By how much YaRN has to stretch the model's positions for a context, 1 for not at all.

    A power of two, as model cards have it and as floats hold it exactly. Stretching costs quality
    in short prompts, so it is the smallest that will do, and none within the native window.
    """
    factor = 1
    while native_tokens * factor < context_tokens:
        factor *= 2
    return factor


def _compute(shape: Shape, total_tokens: int, running: Running) -> int:
    """The graph's buffers: attention scores, their mask, what passes through a layer, logits."""
    seen = total_tokens if running.shared else total_tokens // running.slots
    scored = 0 if running.kv_type == Q8_0 else shape.heads  # flash attention keeps no scores
    attention = (scored + 1) * seen
    passing = 2 * shape.width + FEED_FORWARD_COPIES * shape.feed_forward
    logits = shape.vocabulary * running.slots
    return ((attention + passing) * running.batch_tokens + logits) * F32_BYTES
