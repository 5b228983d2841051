# SPDX-License-Identifier: Apache-2.0
"""How deep a prompt may be follows from speed and deadline, in steps, and can be explained."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import speed
from engine.types import EngineInfo
from lsp_server import budget as budgets
from lsp_server.budget import budget, figures, suggestion_tokens
from lsp_server.settings import Settings

CONTEXT_TOKENS = 8192


def info(prefill: float, decode: float, context_tokens: int = CONTEXT_TOKENS) -> EngineInfo:
    return EngineInfo("m", context_tokens, prefill, decode, "qwen")


@pytest.mark.parametrize(
    ("prefill", "decode", "tokens", "why"),
    [
        (5.5, 2.4, 512, "the least"),  # 30B-A3B on two cores
        (36, 8, 512, "read in 20 s"),  # 1.5B
        (100, 16, 1448, "read in 20 s"),  # 0.5B
        (250, 100, 2896, "read in 20 s"),
        (5000, 200, 8128, "no more room"),  # with a GPU
    ],
)
def test_the_machines_we_know(prefill, decode, tokens, why):
    chosen = budget(info(prefill, decode), Settings())
    assert (chosen.tokens, why in chosen.why) == (tokens, True), chosen


def test_where_depth_is_dear_the_deadline_decides():
    costs = replace(speed.prior(400, 20), token_depth_ms=0.02)
    chosen = budget(replace(info(400, 20), costs=costs), Settings())
    assert "first line" in chosen.why
    deadline_ms = max(budgets.KEY_DEADLINE_MS, budgets.SLOW_KEY * speed.key_ms(costs, 0))
    assert speed.key_ms(costs, chosen.tokens) <= deadline_ms


@given(prefill=st.floats(0, 1e5), decode=st.floats(0, 1e4), room=st.integers(2048, 1 << 20))
def test_a_budget_is_a_step_or_the_room(prefill, decode, room):
    engine = info(prefill, decode, room)
    tokens = budget(engine, Settings()).tokens
    steps = {round(budgets.MIN_BUDGET_TOKENS * budgets.BUDGET_STEP**n) for n in range(24)}
    assert tokens in steps | {room - Settings().maxSuggestionTokens}
    assert 1 <= suggestion_tokens(engine, Settings()) <= Settings().maxSuggestionTokens


@given(prefill=st.floats(1, 1e5), faster=st.floats(1, 10))
def test_a_faster_machine_has_no_smaller_budget(prefill, faster):
    slow, quick = (budget(info(p, 20), Settings()).tokens for p in (prefill, prefill * faster))
    assert slow <= quick


@given(prefill=st.floats(10, 1e4), decode=st.floats(1, 1e3), wobble=st.floats(0.97, 1.03))
def test_a_little_faster_or_slower_is_a_step_at_most(prefill, decode, wobble):
    one, other = (budget(info(prefill * w, decode * w), Settings()).tokens for w in (1.0, wobble))
    assert max(one, other) <= min(one, other) * budgets.BUDGET_STEP * 1.01


def test_a_setting_counts_more_than_any_speed():
    chosen = budget(info(5, 2), replace(Settings(), contextTokens=4000))
    assert (chosen.tokens, chosen.why) == (4000, "set by contextTokens")
    assert budget(info(5, 2), replace(Settings(), contextTokens=100_000)).tokens == 8128


def test_a_slow_writer_writes_less():
    settings = replace(Settings(), maxSuggestionTokens=64)
    assert suggestion_tokens(info(36, 4), settings) < suggestion_tokens(info(100, 16), settings)
    assert suggestion_tokens(info(1, 0.1), settings) == budgets.MIN_SUGGESTION_TOKENS
    assert suggestion_tokens(info(1, 0.1), replace(settings, maxSuggestionTokens=5)) == 5


def test_the_figures_that_the_user_sees():
    shown = figures(info(100, 16), Settings())
    assert shown["prefill_per_s"] == 100
    assert shown["prompt_tokens"] == 1448
    assert shown["why"] == "so much is read in 20 s of a pause"
    assert shown["deep_key_ms"] > shown["key_ms"] > 0
