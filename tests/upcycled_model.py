# SPDX-License-Identifier: Apache-2.0
"""Turns a dense qwen2 file into a mixture of experts of real weights that says the same.

In: the path of a dense model. Out: a qwen2moe file whose experts are slices of the dense layers.
This module knows nothing of prompts and makes no random weights but those of a gate.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import gguf
import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

SLICES = 8  # experts that one dense feed-forward layer is cut into; all of them are active
SHARED_WIDTH = 32  # of the shared expert, which qwen2moe requires and which adds nothing here
ROUTED_TYPE = gguf.GGMLQuantizationType.Q8_0


def write_upcycled_moe(dense_path: Path, out_path: Path) -> Path:
    """Turn a dense qwen2 file into a qwen2moe that computes the same, in about a minute.

    Each feed-forward layer becomes `SLICES` experts, all active. With a router of zeros each gets
    the weight 1 / SLICES, so `ffn_down` is multiplied by SLICES. Weights are written as Q8_0.
    """
    reader = gguf.GGUFReader(dense_path)
    writer = gguf.GGUFWriter(out_path, "qwen2moe")
    _copy_metadata(reader, writer)
    writer.add_expert_count(SLICES)
    writer.add_expert_used_count(SLICES)
    writer.add_expert_feed_forward_length(_ffn_width(reader) // SLICES)
    writer.add_expert_shared_feed_forward_length(SHARED_WIDTH)
    planned = [_Planned(tensor) for tensor in reader.tensors]
    layers = sum(1 for tensor in reader.tensors if tensor.name.endswith(".ffn_gate.weight"))
    extra = _router_tensors(layers, int(reader.tensors[0].shape[0]))
    for plan in planned:
        plan.announce(writer)
    for name, values in extra.items():
        writer.add_tensor_info(name, values.shape, values.dtype, values.nbytes)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    for plan in planned:  # one tensor at a time: the whole model never lies in memory
        writer.write_tensor_data(plan.values())
    for values in extra.values():
        writer.write_tensor_data(values)
    writer.close()
    return out_path


class _Planned:
    """One tensor of the dense file, and how it is written to the new one."""

    def __init__(self, tensor: gguf.ReaderTensor) -> None:
        self._tensor = tensor
        self._kind = next((k for k in ("gate", "up", "down") if f".ffn_{k}." in tensor.name), "")
        self._keep = tensor.tensor_type == gguf.GGMLQuantizationType.F32

    def announce(self, writer: gguf.GGUFWriter) -> None:
        """Shape, type and size; the values follow later in the same order."""
        name = self._tensor.name.replace(".weight", "_exps.weight") if self._kind else None
        shape = self._shape()
        kind = gguf.GGMLQuantizationType.F32 if self._keep else ROUTED_TYPE
        block, size = gguf.GGML_QUANT_SIZES[kind]
        writer.add_tensor_info(
            name or self._tensor.name,
            gguf.quant_shape_to_byte_shape(shape, kind) if not self._keep else shape,
            np.dtype(np.float32) if self._keep else np.dtype(np.uint8),
            int(np.prod(shape)) // block * size,
            raw_dtype=None if self._keep else kind,
        )

    def values(self) -> NDArray[np.generic]:
        """The weights, sliced where they are an expert's, and quantised."""
        full = gguf.dequantize(self._tensor.data, self._tensor.tensor_type)
        if self._kind == "down":
            width, ffn = full.shape
            full = full.reshape(width, SLICES, ffn // SLICES).transpose(1, 0, 2) * SLICES
        elif self._kind:
            full = full.reshape(self._shape())
        full = np.ascontiguousarray(full, dtype=np.float32)
        return full if self._keep else gguf.quantize(full, ROUTED_TYPE)

    def _shape(self) -> tuple[int, ...]:
        shape = tuple(int(n) for n in reversed(self._tensor.shape))
        if not self._kind:
            return shape
        rows, columns = shape
        if self._kind == "down":
            return (SLICES, rows, columns // SLICES)
        return (SLICES, rows // SLICES, columns)


def _router_tensors(layers: int, width: int) -> dict[str, NDArray[np.float32]]:
    """Routers of zeros, and shared experts that add nothing.

    The gate of the shared expert is small and random: all zeros gives NaN in llama.cpp.
    """
    random = np.random.default_rng(1)
    extra: dict[str, NDArray[np.float32]] = {}
    for layer in range(layers):
        block = f"blk.{layer}"
        gate = random.normal(0, 1e-3, (width,)).astype(np.float32)
        extra[f"{block}.ffn_gate_inp.weight"] = np.zeros((SLICES, width), np.float32)
        extra[f"{block}.ffn_gate_inp_shexp.weight"] = gate
        extra[f"{block}.ffn_gate_shexp.weight"] = np.zeros((SHARED_WIDTH, width), np.float32)
        extra[f"{block}.ffn_up_shexp.weight"] = np.zeros((SHARED_WIDTH, width), np.float32)
        extra[f"{block}.ffn_down_shexp.weight"] = np.zeros((width, SHARED_WIDTH), np.float32)
    return extra


def _copy_metadata(reader: gguf.GGUFReader, writer: gguf.GGUFWriter) -> None:
    for key, kept in reader.fields.items():
        if key.startswith("GGUF.") or key in {"general.architecture", "general.file_type"}:
            continue
        new_key = key.replace("qwen2.", "qwen2moe.", 1) if key.startswith("qwen2.") else key
        inner = kept.types[1] if len(kept.types) > 1 else None
        writer.add_key_value(new_key, kept.contents(), kept.types[0], sub_type=inner)


def _ffn_width(reader: gguf.GGUFReader) -> int:
    return int(reader.fields["qwen2.feed_forward_length"].contents())
