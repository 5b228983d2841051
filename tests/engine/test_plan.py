# SPDX-License-Identifier: Apache-2.0
"""What fits where: the ladder, keys and values of 8 bits, and experts between CPU and GPU (E3)."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import catalogue, memory, plan
from engine.memory import Running
from engine.plan import Machine

GB = 10**9
RUN = Running(64)
MODELS = {row.id: row.shape for row in catalogue.load().values()}

# model, RAM and VRAM in GB, tokens wanted -> tokens, KV, where the experts are
PLANS = [
    ("qwen2.5-coder-0.5b", 8, 0, 8_192, (8_192, "f16", "no experts")),
    ("qwen2.5-coder-0.5b", 1, 0, 32_768, (32_768, "q8_0", "no experts")),
    ("qwen2.5-coder-7b", 2, 8, 8_192, (8_192, "f16", "no experts")),
    ("qwen3-coder-30b-a3b", 64, 0, 262_144, (262_144, "f16", "cpu")),
    ("qwen3-coder-30b-a3b", 24, 0, 32_768, (32_768, "f16", "cpu")),
    ("qwen3-coder-30b-a3b", 24, 0, 65_536, (65_536, "q8_0", "cpu")),
    ("qwen3-coder-30b-a3b", 24, 0, 262_144, (65_536, "q8_0", "cpu")),
    ("qwen3-coder-30b-a3b", 19, 4, 8_192, (8_192, "f16", "cpu and gpu")),
    ("qwen3-coder-30b-a3b", 8, 24, 32_768, (32_768, "f16", "gpu")),
    ("qwen3-coder-30b-a3b", 20, 8, 32_768, (32_768, "f16", "cpu and gpu")),
    ("qwen3-coder-30b-a3b", 16, 0, 8_192, None),
    ("qwen3-coder-480b-a35b", 290, 16, 8_192, (8_192, "f16", "cpu and gpu")),
    ("qwen3-coder-480b-a35b", 64, 24, 8_192, None),
    ("qwen3-coder-next-80b-a3b", 64, 0, 262_144, (262_144, "f16", "cpu")),
    ("kimi-k2", 640, 0, 131_072, (131_072, "f16", "cpu")),
    ("kimi-k2", 64, 0, 8_192, None),
]


@pytest.mark.parametrize(("model", "ram", "vram", "wanted", "expected"), PLANS)
def test_what_fits(model, ram, vram, wanted, expected):
    found = plan.choose(MODELS[model], wanted, RUN, Machine(ram * GB, vram * GB))
    if expected is None:
        assert found is None
        return
    assert found is not None
    got = (found.context_tokens, found.running.kv_type, found.placement.experts)
    assert got == expected


@given(
    st.sampled_from(sorted(MODELS)),
    st.integers(0, 1000),
    st.integers(0, 200),
    st.sampled_from(plan.LADDER_TOKENS),
)
def test_a_plan_never_takes_more_than_there_is(model, ram, vram, wanted):
    machine = Machine(ram * GB, vram * GB)
    found = plan.choose(MODELS[model], wanted, RUN, machine)
    if found is None:
        return
    assert found.placement.ram_bytes <= machine.ram_bytes
    assert found.placement.vram_bytes <= machine.vram_bytes
    assert found.context_tokens <= wanted
    # Nothing is forgotten and little counted twice: only the graph's buffers may be on both sides.
    both = found.placement.ram_bytes + found.placement.vram_bytes
    slack = MODELS[model].layers  # rounding
    assert found.need.total - slack <= both <= found.need.total + found.need.compute + slack


@given(st.sampled_from(sorted(MODELS)), st.integers(1, 1000), st.integers(1, 100))
def test_more_memory_never_brings_a_smaller_context(model, ram, more):
    shape = MODELS[model]
    less = plan.choose(shape, 262_144, RUN, Machine(ram * GB))
    found = plan.choose(shape, 262_144, RUN, Machine((ram + more) * GB))
    if less:
        assert found is not None
        assert found.context_tokens >= less.context_tokens


@pytest.mark.parametrize(
    ("spare", "repacked"), [(2.1, True), (1.9, False)], ids=["ample", "not ample"]
)
def test_weights_get_a_second_form_only_where_memory_is_ample(spare, repacked):
    shape = MODELS["qwen2.5-coder-7b"]
    wanted = replace(RUN, repacked=True)
    need = memory.estimate(shape, wanted.total_tokens(8192), wanted).total
    found = plan.choose(shape, 8192, wanted, Machine(int(need * spare)))
    assert found is not None
    assert found.context_tokens == 8192
    assert found.running.repacked is repacked


def test_E3_the_ladder_takes_the_largest_context_that_fits():
    shape = replace(MODELS["qwen2.5-coder-7b"], key_width=63)  # no q8_0
    for rung in plan.LADDER_TOKENS:
        need = memory.estimate(shape, rung, RUN).total
        found = plan.choose(shape, plan.LADDER_TOKENS[0], RUN, Machine(need))
        assert found is not None
        assert found.context_tokens == rung
    assert plan.choose(shape, 8192, RUN, Machine(need - 1)) is None


def test_heads_that_cannot_be_quantised_are_not():
    """llama.cpp refuses q8_0 where a head is no multiple of 32: a plan of it would never load."""
    shape = replace(MODELS["qwen3-coder-30b-a3b"], key_width=80, value_width=80)
    assert not memory.may_quantise(shape)
    found = plan.choose(shape, 262_144, RUN, Machine(30 * GB))
    assert found is not None
    assert found.running.kv_type == "f16"


def test_whoever_asks_for_eight_bits_gets_them():
    found = plan.choose(
        MODELS["qwen2.5-coder-7b"], 8192, replace(RUN, kv_type="q8_0"), Machine(GB * 20)
    )
    assert found is not None
    assert found.running.kv_type == "q8_0"


@pytest.mark.parametrize("vram", [3, 6, 12])
def test_the_rule_names_the_layers_whose_experts_stay_behind(vram):
    shape = MODELS["qwen3-coder-30b-a3b"]
    found = plan.choose(shape, 8192, RUN, Machine(64 * GB, vram * GB))
    assert found is not None
    pattern, _, buffer = found.placement.overrides.rpartition("=")
    assert buffer == "CPU"
    kept = [n for n in range(48) if re.search(pattern, f"blk.{n}.ffn_gate_exps.weight")]
    assert kept == list(range(len(kept)))
    assert 0 < len(kept) <= 48
    assert found.placement.ram_bytes == pytest.approx(
        found.need.process + len(kept) * shape.expert_bytes / 48, rel=1e-6
    )
    for name in ("blk.0.attn_q.weight", "blk.1.ffn_gate_inp.weight", "blk.2.ffn_up_shexp.weight"):
        assert not re.search(pattern, name)


def test_a_gpu_that_works_in_ram_is_not_counted_twice():
    shape = MODELS["qwen3-coder-30b-a3b"]
    assert plan.choose(shape, 8192, RUN, Machine(16 * GB, 12 * GB, unified=True)) is None
    found = plan.choose(shape, 8192, RUN, Machine(32 * GB, 24 * GB, unified=True))
    assert found is not None
    assert (found.placement.experts, found.placement.overrides) == ("gpu", "")


@pytest.mark.parametrize("model", ["qwen3-coder-480b-a35b", "kimi-k2"])
def test_what_is_too_large_says_what_it_needs(model):
    shape = MODELS[model]
    ways = plan.needs(shape, RUN)
    assert [how for how, _, _ in ways] == [
        "all in RAM",
        "experts in RAM, the rest on a GPU",
        "all on GPUs",
    ]
    for _, ram, vram in ways:
        assert plan.choose(shape, plan.NEEDED_TOKENS, RUN, Machine(ram, vram))
    error = plan.too_little(model, shape, RUN, Machine(16 * GB))
    assert re.search(r"needs \d{3}\.\d GB .* 16.0 GB are free; choose a smaller model", str(error))


@pytest.mark.parametrize(
    ("native", "context", "factor"),
    [(32_768, 32_768, 1), (32_768, 40_960, 2), (32_768, 131_072, 4), (262_144, 1_048_576, 4)],
)
def test_the_factor_of_yarn_is_that_of_the_model_cards(native, context, factor):
    assert memory.yarn_factor(native, context) == factor
    assert native * factor >= context
