# SPDX-License-Identifier: Apache-2.0
"""Which tensors a layer of each architecture has, by their names and shapes in a GGUF file.

In: a writer. Out: random tensors and the sizes that belong to them. Knows no vocabulary and no
file. Shapes are (rows, columns) as numpy has them: the reverse of what the file says.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import gguf
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

WIDTH = 64
HEADS, KV_HEADS, HEAD_WIDTH = 4, 2, 16
FFN_WIDTH = 96
EXPERT_WIDTH = 32
SHARED_WIDTH = 32
WEIGHT_SPREAD = 0.2  # wide enough that greedy output depends on the prompt

# Gated DeltaNet: three layers with a state instead of keys and values, then one with attention
FULL_ATTENTION_INTERVAL = 4
STATE_WIDTH, STATE_KEY_HEADS, STATE_VALUE_HEADS = 16, 2, 4
KERNEL = 4  # tokens that the convolution before the state sees
STATE_KEYS = STATE_WIDTH * STATE_KEY_HEADS
STATE_VALUES = STATE_WIDTH * STATE_VALUE_HEADS
ROPE_SECTIONS = (3, 3, 2, 0)  # of half a head: one part for each axis of a picture

# Kimi K2: queries and keys go through narrow layers, and one rotated part is shared by all heads
LATENT_QUERY, LATENT_KEY = 24, 32
PLAIN_WIDTH, ROTATED_WIDTH, VALUE_WIDTH = 16, 8, 16
DENSE_LAYERS = 1  # at the start
ROUTED_SCALE = 2.827
OWN_YARN = 4  # it was trained for a quarter of its window and then stretched: the file says so
SIGMOID = gguf.ExpertGatingFuncType.SIGMOID


class Experts(NamedTuple):
    """How many a layer has, and how many of them a token goes through."""

    total: int
    used: int


class Weights:
    """Adds random tensors."""

    def __init__(self, writer: gguf.GGUFWriter, seed: int) -> None:
        self._writer = writer
        self._random = np.random.default_rng(seed)

    def add(self, name: str, *shape: int) -> None:
        self.add_values(name, self._values(shape))

    def add_with_zeros(self, name: str, zeros: int, *shape: int) -> None:
        """The last rows are zeros: of an output, tokens that are never the most likely one."""
        values = self._values(shape)
        values[shape[0] - zeros :] = 0
        self.add_values(name, values)

    def add_norm(self, name: str, width: int) -> None:
        self.add_values(name, np.ones(width, dtype=np.float32))

    def add_values(self, name: str, values: NDArray[np.float32]) -> None:
        self._writer.add_tensor(name, values)

    def _values(self, shape: tuple[int, ...]) -> NDArray[np.float32]:
        return self._random.normal(0.0, WEIGHT_SPREAD, shape).astype(np.float32)


def add_experts_shape(writer: gguf.GGUFWriter, experts: Experts) -> None:
    writer.add_expert_count(experts.total)
    writer.add_expert_used_count(experts.used)
    writer.add_expert_feed_forward_length(EXPERT_WIDTH)


def add_shared_shape(writer: gguf.GGUFWriter) -> None:
    writer.add_expert_shared_feed_forward_length(SHARED_WIDTH)


def _add_delta_net_shape(writer: gguf.GGUFWriter) -> None:
    writer.add_full_attention_interval(FULL_ATTENTION_INTERVAL)
    writer.add_ssm_conv_kernel(KERNEL)
    writer.add_ssm_state_size(STATE_WIDTH)
    writer.add_ssm_group_count(STATE_KEY_HEADS)
    writer.add_ssm_time_step_rank(STATE_VALUE_HEADS)
    writer.add_ssm_inner_size(STATE_VALUES)


def add_qwen3next_shape(writer: gguf.GGUFWriter) -> None:
    _add_delta_net_shape(writer)
    add_shared_shape(writer)


def add_qwen35_shape(writer: gguf.GGUFWriter) -> None:
    _add_delta_net_shape(writer)
    writer.add_rope_dimension_sections(ROPE_SECTIONS)


def add_qwen35moe_shape(writer: gguf.GGUFWriter) -> None:
    add_qwen35_shape(writer)
    add_shared_shape(writer)


def add_deepseek2_shape(writer: gguf.GGUFWriter) -> None:
    writer.add_head_count_kv(1)
    writer.add_key_length(LATENT_KEY + ROTATED_WIDTH)
    writer.add_value_length(LATENT_KEY)
    writer.add_key_length_mla(PLAIN_WIDTH + ROTATED_WIDTH)
    writer.add_value_length_mla(VALUE_WIDTH)
    writer.add_q_lora_rank(LATENT_QUERY)
    writer.add_kv_lora_rank(LATENT_KEY)
    writer.add_rope_dimension_count(ROTATED_WIDTH)
    writer.add_leading_dense_block_count(DENSE_LAYERS)
    writer.add_expert_shared_count(1)
    writer.add_expert_weights_scale(ROUTED_SCALE)
    writer.add_expert_weights_norm(True)
    writer.add_expert_gating_func(SIGMOID)


def add_own_yarn(writer: gguf.GGUFWriter, context_tokens: int) -> None:
    writer.add_rope_scaling_type(gguf.RopeScalingType.YARN)
    writer.add_rope_scaling_factor(OWN_YARN)
    writer.add_rope_scaling_orig_ctx_len(context_tokens // OWN_YARN)


def add_qwen2(weights: Weights, layer: int, _: Experts) -> None:
    _add_biased_attention(weights, f"blk.{layer}")
    _add_dense(weights, f"blk.{layer}")


def add_qwen2moe(weights: Weights, layer: int, experts: Experts) -> None:
    _add_biased_attention(weights, f"blk.{layer}")
    _add_experts(weights, f"blk.{layer}", experts)
    _add_shared_expert(weights, f"blk.{layer}", SHARED_WIDTH, gated=True)


def add_qwen3moe(weights: Weights, layer: int, experts: Experts) -> None:
    block = f"blk.{layer}"
    _add_attention(weights, block)
    _add_head_norms(weights, block)
    weights.add_norm(f"{block}.ffn_norm.weight", WIDTH)
    _add_experts(weights, block, experts)


def add_qwen3next(weights: Weights, layer: int, experts: Experts) -> None:
    block = f"blk.{layer}"
    if not _add_hybrid(weights, layer):
        weights.add(f"{block}.ssm_ba.weight", 2 * STATE_VALUE_HEADS, WIDTH)
    _add_experts(weights, block, experts)
    _add_shared_expert(weights, block, SHARED_WIDTH, gated=True)


def add_qwen35(weights: Weights, layer: int, _: Experts) -> None:
    _add_qwen35_mixer(weights, layer)
    _add_dense(weights, f"blk.{layer}")


def add_qwen35moe(weights: Weights, layer: int, experts: Experts) -> None:
    _add_qwen35_mixer(weights, layer)
    _add_experts(weights, f"blk.{layer}", experts)
    _add_shared_expert(weights, f"blk.{layer}", SHARED_WIDTH, gated=True)


def add_deepseek2(weights: Weights, layer: int, experts: Experts) -> None:
    block = f"blk.{layer}"
    _add_latent_attention(weights, block)
    weights.add_norm(f"{block}.ffn_norm.weight", WIDTH)
    if layer < DENSE_LAYERS:
        _add_dense(weights, block)
        return
    weights.add(f"{block}.exp_probs_b.bias", experts.total)
    _add_experts(weights, block, experts)
    _add_shared_expert(weights, block, EXPERT_WIDTH, gated=False)


def _add_biased_attention(weights: Weights, block: str) -> None:
    _add_attention(weights, block)
    for name, heads in (("q", HEADS), ("k", KV_HEADS), ("v", KV_HEADS)):
        weights.add(f"{block}.attn_{name}.bias", heads * HEAD_WIDTH)
    weights.add_norm(f"{block}.ffn_norm.weight", WIDTH)


def _add_attention(weights: Weights, block: str, query_parts: int = 1) -> None:
    """A query of two parts has a gate on what its head found."""
    weights.add_norm(f"{block}.attn_norm.weight", WIDTH)
    weights.add(f"{block}.attn_q.weight", HEADS * HEAD_WIDTH * query_parts, WIDTH)
    weights.add(f"{block}.attn_k.weight", KV_HEADS * HEAD_WIDTH, WIDTH)
    weights.add(f"{block}.attn_v.weight", KV_HEADS * HEAD_WIDTH, WIDTH)
    weights.add(f"{block}.attn_output.weight", WIDTH, HEADS * HEAD_WIDTH)


def _add_head_norms(weights: Weights, block: str) -> None:
    weights.add_norm(f"{block}.attn_q_norm.weight", HEAD_WIDTH)
    weights.add_norm(f"{block}.attn_k_norm.weight", HEAD_WIDTH)


def _add_hybrid(weights: Weights, layer: int) -> bool:
    """What reads other tokens in a layer of a hybrid; tells whether it is full attention."""
    block = f"blk.{layer}"
    weights.add_norm(f"{block}.post_attention_norm.weight", WIDTH)
    if (layer + 1) % FULL_ATTENTION_INTERVAL == 0:
        _add_attention(weights, block, query_parts=2)
        _add_head_norms(weights, block)
        return True
    mixed = 2 * STATE_KEYS + STATE_VALUES
    weights.add_norm(f"{block}.attn_norm.weight", WIDTH)
    weights.add(f"{block}.attn_qkv.weight", mixed, WIDTH)
    weights.add(f"{block}.attn_gate.weight", STATE_VALUES, WIDTH)
    weights.add(f"{block}.ssm_conv1d.weight", mixed, KERNEL)
    weights.add(f"{block}.ssm_dt.bias", STATE_VALUE_HEADS)
    decay = np.full(STATE_VALUE_HEADS, -0.1, dtype=np.float32)  # below zero: the state fades
    weights.add_values(f"{block}.ssm_a", decay)
    weights.add_norm(f"{block}.ssm_norm.weight", STATE_WIDTH)
    weights.add(f"{block}.ssm_out.weight", WIDTH, STATE_VALUES)
    return False


def _add_qwen35_mixer(weights: Weights, layer: int) -> None:
    if not _add_hybrid(weights, layer):
        weights.add(f"blk.{layer}.ssm_beta.weight", STATE_VALUE_HEADS, WIDTH)
        weights.add(f"blk.{layer}.ssm_alpha.weight", STATE_VALUE_HEADS, WIDTH)


def _add_latent_attention(weights: Weights, block: str) -> None:
    weights.add_norm(f"{block}.attn_norm.weight", WIDTH)
    weights.add_norm(f"{block}.attn_q_a_norm.weight", LATENT_QUERY)
    weights.add_norm(f"{block}.attn_kv_a_norm.weight", LATENT_KEY)
    weights.add(f"{block}.attn_q_a.weight", LATENT_QUERY, WIDTH)
    queries = HEADS * (PLAIN_WIDTH + ROTATED_WIDTH)
    weights.add(f"{block}.attn_q_b.weight", queries, LATENT_QUERY)
    weights.add(f"{block}.attn_kv_a_mqa.weight", LATENT_KEY + ROTATED_WIDTH, WIDTH)
    weights.add(f"{block}.attn_k_b.weight", HEADS, LATENT_KEY, PLAIN_WIDTH)
    weights.add(f"{block}.attn_v_b.weight", HEADS, VALUE_WIDTH, LATENT_KEY)
    weights.add(f"{block}.attn_output.weight", WIDTH, HEADS * VALUE_WIDTH)


def _add_dense(weights: Weights, block: str) -> None:
    weights.add(f"{block}.ffn_gate.weight", FFN_WIDTH, WIDTH)
    weights.add(f"{block}.ffn_up.weight", FFN_WIDTH, WIDTH)
    weights.add(f"{block}.ffn_down.weight", WIDTH, FFN_WIDTH)


def _add_experts(weights: Weights, block: str, experts: Experts) -> None:
    weights.add(f"{block}.ffn_gate_inp.weight", experts.total, WIDTH)
    weights.add(f"{block}.ffn_gate_exps.weight", experts.total, EXPERT_WIDTH, WIDTH)
    weights.add(f"{block}.ffn_up_exps.weight", experts.total, EXPERT_WIDTH, WIDTH)
    weights.add(f"{block}.ffn_down_exps.weight", experts.total, WIDTH, EXPERT_WIDTH)


def _add_shared_expert(weights: Weights, block: str, width: int, *, gated: bool) -> None:
    if gated:
        weights.add(f"{block}.ffn_gate_inp_shexp.weight", WIDTH)
    weights.add(f"{block}.ffn_gate_shexp.weight", width, WIDTH)
    weights.add(f"{block}.ffn_up_shexp.weight", width, WIDTH)
    weights.add(f"{block}.ffn_down_shexp.weight", WIDTH, width)
