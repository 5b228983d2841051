# SPDX-License-Identifier: Apache-2.0
"""Writes small GGUF files for tests: random weights of a real shape, and the upcycled MoE.

In: a path (and for upcycling a dense model). Out: a file that llama.cpp loads. The random files
have a real byte-level vocabulary with Qwen's special tokens, so that prompts, fill-in-the-middle
ids and cancels go the way of a real model; what they say is noise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import gguf
import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

LAYERS = 2
WIDTH = 64
HEADS, KV_HEADS, HEAD_WIDTH = 4, 2, 16
FFN_WIDTH = 96
EXPERT_WIDTH = 32
CONTEXT_TOKENS = 2048
WEIGHT_SPREAD = 0.2  # wide enough that greedy output depends on the prompt

SPECIAL_TOKENS = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|fim_prefix|>",
    "<|fim_middle|>",
    "<|fim_suffix|>",
    "<|fim_pad|>",
    "<|repo_name|>",
    "<|file_sep|>",
)
TOOL_TOKENS = ("<tool_call>", "</tool_call>")  # user-defined in the real vocabulary
MERGES = ("i n", "Ġ Ġ", "ĠĠ ĠĠ", "r e", "e r", "d e", "de f", "re t", "s e", "se l", "sel f")


def write_tiny(
    path: Path, arch: str = "qwen3moe", *, experts: int = 8, experts_used: int = 2, seed: int = 1
) -> Path:
    """A random model of two layers in some 600 KB. `arch` is qwen3moe or qwen2 (dense)."""
    writer = gguf.GGUFWriter(path, arch)
    _add_shape(writer)
    if arch == "qwen3moe":
        writer.add_expert_count(experts)
        writer.add_expert_used_count(experts_used)
        writer.add_expert_feed_forward_length(EXPERT_WIDTH)
    vocabulary = _add_vocabulary(writer)
    weights = _Weights(writer, seed)
    weights.add("token_embd.weight", vocabulary, WIDTH)
    weights.add_norm("output_norm.weight", WIDTH)
    weights.add("output.weight", vocabulary, WIDTH)
    for layer in range(LAYERS):
        if arch == "qwen3moe":
            weights.add_moe_layer(f"blk.{layer}", experts)
        else:
            weights.add_dense_layer(f"blk.{layer}")
    _write_out(writer)
    return path


class _Weights:
    """Adds random tensors; shapes are (rows, columns) as numpy has them."""

    def __init__(self, writer: gguf.GGUFWriter, seed: int) -> None:
        self._writer = writer
        self._random = np.random.default_rng(seed)

    def add(self, name: str, *shape: int) -> None:
        values = self._random.normal(0.0, WEIGHT_SPREAD, shape)
        self._writer.add_tensor(name, values.astype(np.float32))

    def add_norm(self, name: str, width: int) -> None:
        self._writer.add_tensor(name, np.ones(width, dtype=np.float32))

    def add_moe_layer(self, block: str, experts: int) -> None:
        self._add_attention(block)
        self.add_norm(f"{block}.attn_q_norm.weight", HEAD_WIDTH)
        self.add_norm(f"{block}.attn_k_norm.weight", HEAD_WIDTH)
        self.add(f"{block}.ffn_gate_inp.weight", experts, WIDTH)
        self.add(f"{block}.ffn_gate_exps.weight", experts, EXPERT_WIDTH, WIDTH)
        self.add(f"{block}.ffn_up_exps.weight", experts, EXPERT_WIDTH, WIDTH)
        self.add(f"{block}.ffn_down_exps.weight", experts, WIDTH, EXPERT_WIDTH)

    def add_dense_layer(self, block: str) -> None:
        self._add_attention(block)
        for name, rows in (("q", HEADS), ("k", KV_HEADS), ("v", KV_HEADS)):
            self.add(f"{block}.attn_{name}.bias", rows * HEAD_WIDTH)
        self.add(f"{block}.ffn_gate.weight", FFN_WIDTH, WIDTH)
        self.add(f"{block}.ffn_up.weight", FFN_WIDTH, WIDTH)
        self.add(f"{block}.ffn_down.weight", WIDTH, FFN_WIDTH)

    def _add_attention(self, block: str) -> None:
        self.add_norm(f"{block}.attn_norm.weight", WIDTH)
        self.add(f"{block}.attn_q.weight", HEADS * HEAD_WIDTH, WIDTH)
        self.add(f"{block}.attn_k.weight", KV_HEADS * HEAD_WIDTH, WIDTH)
        self.add(f"{block}.attn_v.weight", KV_HEADS * HEAD_WIDTH, WIDTH)
        self.add(f"{block}.attn_output.weight", WIDTH, HEADS * HEAD_WIDTH)
        self.add_norm(f"{block}.ffn_norm.weight", WIDTH)


def _add_shape(writer: gguf.GGUFWriter) -> None:
    writer.add_name("tiny random model")
    writer.add_context_length(CONTEXT_TOKENS)
    writer.add_block_count(LAYERS)
    writer.add_embedding_length(WIDTH)
    writer.add_feed_forward_length(FFN_WIDTH)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_key_length(HEAD_WIDTH)
    writer.add_value_length(HEAD_WIDTH)
    writer.add_rope_freq_base(1_000_000.0)
    writer.add_layer_norm_rms_eps(1e-6)


def _add_vocabulary(writer: gguf.GGUFWriter) -> int:
    """Bytes, a few merges, special tokens. Returns how many tokens there are."""
    plain = [*_byte_tokens(), *(merge.replace(" ", "") for merge in MERGES)]
    tokens = [*plain, *SPECIAL_TOKENS, *TOOL_TOKENS]
    kinds = [
        *[gguf.TokenType.NORMAL] * len(plain),
        *[gguf.TokenType.CONTROL] * len(SPECIAL_TOKENS),
        *[gguf.TokenType.USER_DEFINED] * len(TOOL_TOKENS),
    ]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    writer.add_token_merges(list(MERGES))
    writer.add_eos_token_id(tokens.index("<|im_end|>"))
    writer.add_bos_token_id(tokens.index("<|endoftext|>"))
    writer.add_pad_token_id(tokens.index("<|endoftext|>"))
    writer.add_add_bos_token(False)
    return len(tokens)


def _byte_tokens() -> list[str]:
    """GPT-2's printable stand-in for each byte: itself where printable, else the next free one."""
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    stand_ins = iter(range(0x100, 0x200))
    return [chr(byte if byte in printable else next(stand_ins)) for byte in range(0x100)]


def _write_out(writer: gguf.GGUFWriter) -> None:
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


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
