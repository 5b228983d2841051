# SPDX-License-Identifier: Apache-2.0
"""Writes a file of the size and shape of Qwen3-Coder-30B-A3B, with random weights.

In: a path and how many layers. Out: a file that llama.cpp loads and that costs what the real one
costs; what it says is noise. One tensor at a time: the model never lies in memory. This module
measures nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import gguf
import numpy as np

from tests import tiny_models

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

LAYERS = 48
WIDTH, VOCABULARY = 2048, 151_936
HEADS, KV_HEADS, HEAD_WIDTH = 32, 4, 128
EXPERTS, EXPERTS_USED, EXPERT_WIDTH = 128, 8, 768
FFN_WIDTH = 6144  # said by the file, used by no layer
CONTEXT_TOKENS = 262_144
ROPE_BASE = 10_000_000.0

F32, Q4, Q6 = (gguf.GGMLQuantizationType[name] for name in ("F32", "Q4_K", "Q6_K"))
POOL_BLOCKS = 1 << 15  # of random blocks, which tensors repeat: making 17 GB of them takes minutes
ROUTER_SPREAD = 0.02
# Scales that give weights around zero with a spread of 0.02, so that no sum overflows.
Q4_SCALE, Q4_OFFSET = 1.4e-4, 1.05e-3
Q6_SCALE = 1.5e-5
HALF = 2  # bytes of such a scale


class Weight(NamedTuple):
    """A tensor to write; rows first, as numpy has it."""

    name: str
    shape: tuple[int, ...]
    kind: gguf.GGMLQuantizationType

    @property
    def bytes(self) -> int:
        block, size = gguf.GGML_QUANT_SIZES[self.kind]
        return int(np.prod(self.shape)) // block * size


def weights(layers: int) -> Iterator[Weight]:
    """All tensors in the order of the file."""
    yield Weight("token_embd.weight", (VOCABULARY, WIDTH), Q4)
    yield Weight("output_norm.weight", (WIDTH,), F32)
    yield Weight("output.weight", (VOCABULARY, WIDTH), Q6)
    for layer in range(layers):
        for name, shape, kind in _LAYER:
            yield Weight(f"blk.{layer}.{name}.weight", shape, kind)


_LAYER = (
    Weight("attn_norm", (WIDTH,), F32),
    Weight("attn_q", (HEADS * HEAD_WIDTH, WIDTH), Q4),
    Weight("attn_k", (KV_HEADS * HEAD_WIDTH, WIDTH), Q4),
    Weight("attn_v", (KV_HEADS * HEAD_WIDTH, WIDTH), Q6),
    Weight("attn_q_norm", (HEAD_WIDTH,), F32),
    Weight("attn_k_norm", (HEAD_WIDTH,), F32),
    Weight("attn_output", (WIDTH, HEADS * HEAD_WIDTH), Q4),
    Weight("ffn_norm", (WIDTH,), F32),
    Weight("ffn_gate_inp", (EXPERTS, WIDTH), F32),
    Weight("ffn_gate_exps", (EXPERTS, EXPERT_WIDTH, WIDTH), Q4),
    Weight("ffn_up_exps", (EXPERTS, EXPERT_WIDTH, WIDTH), Q4),
    Weight("ffn_down_exps", (EXPERTS, WIDTH, EXPERT_WIDTH), Q4),
)


def file_bytes(layers: int) -> int:
    """What the weights of a file take, which is all but some megabytes of it."""
    return sum(weight.bytes for weight in weights(layers))


def write(path: Path, layers: int = LAYERS) -> Path:
    """Write the file. Some 100 MB a second."""
    writer = gguf.GGUFWriter(path, "qwen3moe")
    _add_shape(writer, layers)
    planned = list(weights(layers))
    for weight in planned:
        _announce(writer, weight)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    pools = _Pools()
    for weight in planned:
        writer.write_tensor_data(pools.values(weight))
    writer.close()
    return path


def _add_shape(writer: gguf.GGUFWriter, layers: int) -> None:
    writer.add_name(f"random weights, {layers} layers of Qwen3-Coder-30B-A3B")
    writer.add_context_length(CONTEXT_TOKENS)
    writer.add_block_count(layers)
    writer.add_embedding_length(WIDTH)
    writer.add_feed_forward_length(FFN_WIDTH)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_key_length(HEAD_WIDTH)
    writer.add_value_length(HEAD_WIDTH)
    writer.add_rope_freq_base(ROPE_BASE)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_expert_count(EXPERTS)
    writer.add_expert_used_count(EXPERTS_USED)
    writer.add_expert_feed_forward_length(EXPERT_WIDTH)
    tiny_models._add_vocabulary(writer, VOCABULARY)


def _announce(writer: gguf.GGUFWriter, weight: Weight) -> None:
    if weight.kind == F32:
        writer.add_tensor_info(weight.name, weight.shape, np.dtype(np.float32), weight.bytes)
        return
    shape = gguf.quant_shape_to_byte_shape(weight.shape, weight.kind)
    kind = np.dtype(np.uint8)
    writer.add_tensor_info(weight.name, shape, kind, weight.bytes, raw_dtype=weight.kind)


class _Pools:
    """Random blocks of each kind, made once."""

    def __init__(self) -> None:
        self._random = np.random.default_rng(1)
        self._blocks = {kind: self._quantised(kind) for kind in (Q4, Q6)}

    def values(self, weight: Weight) -> NDArray[np.generic]:
        if weight.kind != F32:
            return np.resize(self._blocks[weight.kind], weight.bytes)
        if len(weight.shape) == 1:
            return np.ones(weight.shape, dtype=np.float32)
        return self._random.normal(0, ROUTER_SPREAD, weight.shape).astype(np.float32)

    def _quantised(self, kind: gguf.GGMLQuantizationType) -> NDArray[np.uint8]:
        """Random numbers and scales of parts, with the scales of whole blocks set."""
        size = gguf.GGML_QUANT_SIZES[kind][1]
        blocks = self._random.integers(0, 256, (POOL_BLOCKS, size), dtype=np.uint8)
        if kind == Q4:
            blocks[:, :HALF] = _half(Q4_SCALE)
            blocks[:, HALF : 2 * HALF] = _half(Q4_OFFSET)
        else:
            blocks[:, -HALF:] = _half(Q6_SCALE)
        return blocks.reshape(-1)


def _half(value: float) -> NDArray[np.uint8]:
    return np.array([value], dtype="<f2").view(np.uint8)
