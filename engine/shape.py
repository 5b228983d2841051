# SPDX-License-Identifier: Apache-2.0
"""The figures of a model that its memory depends on, from a file's header or from the catalogue.

In: a `Header`, or a row's figures. Out: a frozen `Shape`. Knows no machine and no context, and
loads nothing. How llama.cpp lays out keys, values and states was read off its own figures for
files of each architecture; `tests/engine/test_memory.py` compares them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.gguf import model_tensors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.gguf import Header, Tensor

F32_BYTES = 4
# Hybrids: of so many layers, one has keys and values; the others have a state of fixed size.
# Early files of qwen3next do not say the number; llama.cpp then takes this one.
HYBRIDS = ("qwen3next", "qwen35", "qwen35moe")
HYBRID_INTERVAL = 4
# What llama.cpp rearranges for this processor when it is let; the copy comes on top of the file.
REPACKED_TYPES = ("Q4_0", "Q4_K", "Q2_K", "IQ4_NL")
_LAYER = re.compile(r"blk\.(\d+)\.")


@dataclass(frozen=True, slots=True)
class Shape:
    """A model in figures. Widths in elements, weights in bytes of all files together."""

    layers: int
    attention_layers: int  # those that keep keys and values for each token
    width: int
    heads: int
    kv_heads: int
    key_width: int  # a head
    value_width: int  # a head; 0 where values are read out of the keys (latent attention)
    state_bytes: int  # of fixed size, a slot; 0 where every layer has attention
    feed_forward: int  # the most elements that one token goes through at once in a layer
    vocabulary: int
    native_tokens: int
    weights: int
    expert_bytes: int = 0  # of `weights`
    repackable: int = 0  # of `weights`
    dense_layers: int = 0  # at the start, without experts
    experts: int = 1  # a layer; a dense model is a mixture of one
    experts_used: int = 1  # for a token

    @property
    def is_moe(self) -> bool:
        return self.expert_bytes > 0

    @property
    def is_hybrid(self) -> bool:
        return self.state_bytes > 0

    @property
    def expert_layers(self) -> int:
        return max(1, self.layers - self.dense_layers) if self.is_moe else 0


def of_header(header: Header) -> Shape:
    """The shape of the model in a file and in the parts that belong to it."""
    tensors = model_tensors(header)
    experts = [tensor for tensor in tensors if is_expert(tensor.name)]
    # A layer that only drafts tokens is in the file and in memory, but is not run.
    layers = max(1, header.block_count - header.number("nextn_predict_layers"))
    attention = layers // _interval(header)
    return Shape(
        layers=layers,
        attention_layers=attention,
        width=header.embedding_length,
        heads=header.head_count,
        kv_heads=header.head_count_kv,
        key_width=header.key_length,
        value_width=0 if header.number("attention.key_length_mla") else header.value_length,
        state_bytes=(layers - attention) * _state_of_header(header),
        feed_forward=max(
            header.number("feed_forward_length"),
            header.expert_used_count * header.number("expert_feed_forward_length"),
        ),
        vocabulary=header.vocabulary_tokens,
        native_tokens=header.context_length,
        weights=sum(tensor.bytes for tensor in tensors),
        expert_bytes=sum(tensor.bytes for tensor in experts),
        repackable=sum(tensor.bytes for tensor in tensors if _is_repacked(tensor)),
        dense_layers=_first_layer(experts),
        experts=max(1, header.expert_count) if experts else 1,
        experts_used=max(1, min(header.expert_used_count, header.expert_count)) if experts else 1,
    )


def state_bytes(kernel: int, inner: int, groups: int, width: int) -> int:
    """Bytes of one layer's state for one slot: the convolution's last inputs, and the state."""
    convolution = (kernel - 1) * (inner + 2 * groups * width)
    return (convolution + width * inner) * F32_BYTES


def is_expert(name: str) -> bool:
    """Whether a tensor belongs to experts of which a router chooses; shared ones do not."""
    return "_exps." in name


def _interval(header: Header) -> int:
    if header.architecture not in HYBRIDS:
        return 1
    return header.number("full_attention_interval") or HYBRID_INTERVAL


def _state_of_header(header: Header) -> int:
    return state_bytes(
        max(1, header.number("ssm.conv_kernel")),
        header.number("ssm.inner_size"),
        header.number("ssm.group_count"),
        header.number("ssm.state_size"),
    )


def _first_layer(experts: Sequence[Tensor]) -> int:
    found = [_LAYER.match(tensor.name) for tensor in experts]
    return min((int(match.group(1)) for match in found if match), default=0)


def _is_repacked(tensor: Tensor) -> bool:
    return tensor.type in REPACKED_TYPES and not tensor.name.startswith("token_embd")
