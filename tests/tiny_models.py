# SPDX-License-Identifier: Apache-2.0
"""Writes small GGUF files of every architecture of the catalogue: random weights of a real shape.

In: a path and an architecture. Out: a file of some hundred KB that llama.cpp loads. It has a real
byte-level vocabulary with the special tokens of its family, so that prompts, fill-in-the-middle ids
and cancels go the way of a real model. What it says is noise, and never a special token: it ends
where it is told to. Which tensors a layer has is told by `tiny_layers`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import gguf

from tests import tiny_layers
from tests.tiny_layers import (
    FFN_WIDTH,
    HEAD_WIDTH,
    HEADS,
    KV_HEADS,
    WIDTH,
    Experts,
    Weights,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LAYERS = 2
HYBRID_LAYERS = 4  # the fourth has full attention
CONTEXT_TOKENS = 2048

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
THINK_TOKENS = ("<think>", "</think>")  # user-defined too; of Qwen3 and later
KIMI_TOKENS = (
    "[BOS]",
    "[EOS]",
    "<|im_end|>",
    "<|im_user|>",
    "<|im_assistant|>",
    "[EOT]",
    "<|im_system|>",
    "<|tool_calls_section_begin|>",
    "<|tool_calls_section_end|>",
    "<|tool_call_begin|>",
    "<|tool_call_argument_begin|>",
    "<|tool_call_end|>",
    "<|im_middle|>",
    "[UNK]",
    "[PAD]",
)
MERGES = ("i n", "Ġ Ġ", "ĠĠ ĠĠ", "r e", "e r", "d e", "de f", "re t", "s e", "se l", "sel f")


@dataclass(frozen=True, slots=True)
class Family:
    """What is particular to an architecture. `pre`: how text is cut before its bytes are merged."""

    add_layer: Callable[[Weights, int, Experts], None]
    add_shape: Callable[[gguf.GGUFWriter], None] | None = None
    routed: bool = True
    layers: int = LAYERS
    pre: str = "qwen2"


FAMILIES = {
    "qwen2": Family(tiny_layers.add_qwen2, routed=False),
    "qwen2moe": Family(tiny_layers.add_qwen2moe, tiny_layers.add_shared_shape),
    "qwen3moe": Family(tiny_layers.add_qwen3moe),
    "qwen3next": Family(
        tiny_layers.add_qwen3next, tiny_layers.add_qwen3next_shape, layers=HYBRID_LAYERS
    ),
    "qwen35": Family(
        tiny_layers.add_qwen35,
        tiny_layers.add_qwen35_shape,
        routed=False,
        layers=HYBRID_LAYERS,
        pre="qwen35",
    ),
    "qwen35moe": Family(
        tiny_layers.add_qwen35moe,
        tiny_layers.add_qwen35moe_shape,
        layers=HYBRID_LAYERS,
        pre="qwen35",
    ),
    "deepseek2": Family(tiny_layers.add_deepseek2, tiny_layers.add_deepseek2_shape, pre="kimi-k2"),
}
HYBRIDS = tuple(name for name, family in FAMILIES.items() if family.layers == HYBRID_LAYERS)


def write_tiny(
    path: Path,
    arch: str = "qwen3moe",
    *,
    experts: int = 8,
    experts_used: int = 2,
    seed: int = 1,
    context_tokens: int = 0,
) -> Path:
    """A random model of an architecture of FAMILIES, trained for a window of `context_tokens`.

    `deepseek2` is Kimi K2: latent attention, Kimi's tokens. Without a window: CONTEXT_TOKENS.
    """
    family = FAMILIES[arch]
    mixture = Experts(experts, experts_used)
    writer = gguf.GGUFWriter(path, arch)
    _add_shape(writer, family.layers, context_tokens or CONTEXT_TOKENS)
    if family.routed:
        tiny_layers.add_experts_shape(writer, mixture)
    if family.add_shape:
        family.add_shape(writer)
    vocabulary = _add_vocabulary(writer)
    weights = Weights(writer, seed)
    weights.add("token_embd.weight", vocabulary, WIDTH)
    weights.add_norm("output_norm.weight", WIDTH)
    weights.add_with_zeros("output.weight", sum(map(len, marks(arch))), vocabulary, WIDTH)
    for layer in range(family.layers):
        family.add_layer(weights, layer, mixture)
    _write_out(writer)
    return path


def _add_shape(writer: gguf.GGUFWriter, layers: int, context_tokens: int) -> None:
    writer.add_name("tiny random model")
    writer.add_context_length(context_tokens)
    writer.add_block_count(layers)
    writer.add_embedding_length(WIDTH)
    writer.add_feed_forward_length(FFN_WIDTH)
    writer.add_head_count(HEADS)
    writer.add_rope_freq_base(1_000_000.0)
    writer.add_layer_norm_rms_eps(1e-6)
    if writer.arch == "deepseek2":  # its heads share one latent key
        tiny_layers.add_own_yarn(writer, context_tokens)
    else:
        writer.add_head_count_kv(KV_HEADS)
        writer.add_key_length(HEAD_WIDTH)
        writer.add_value_length(HEAD_WIDTH)


def marks(arch: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The special tokens of an architecture's family: control tokens, user-defined ones."""
    if arch == "deepseek2":
        return KIMI_TOKENS, ()
    thinks = arch.startswith("qwen3")
    return SPECIAL_TOKENS, TOOL_TOKENS + (THINK_TOKENS if thinks else ())


def _add_vocabulary(writer: gguf.GGUFWriter, least_tokens: int = 0) -> int:
    """Bytes, a few merges, words of no use up to `least_tokens`, and special tokens.

    Returns how many tokens there are.
    """
    control, defined = marks(writer.arch)
    plain = [*_byte_tokens(), *(merge.replace(" ", "") for merge in MERGES)]
    missing = least_tokens - len(plain) - len(control) - len(defined)
    plain += [f"unused {n}" for n in range(missing)]
    tokens = [*plain, *control, *defined]
    kinds = [
        *[gguf.TokenType.NORMAL] * len(plain),
        *[gguf.TokenType.CONTROL] * len(control),
        *[gguf.TokenType.USER_DEFINED] * len(defined),
    ]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(FAMILIES[writer.arch].pre)
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    writer.add_token_merges(list(MERGES))
    first = control[0]  # <|endoftext|> or [BOS]
    writer.add_eos_token_id(tokens.index("<|im_end|>"))
    writer.add_bos_token_id(tokens.index(first))
    writer.add_pad_token_id(tokens.index("[PAD]" if "[PAD]" in control else first))
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
