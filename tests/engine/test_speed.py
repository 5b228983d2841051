# SPDX-License-Identifier: Apache-2.0
"""What a key costs is predicted within a quarter, and odd moments do not spoil it.

The tables are measurements: a mixture of 128 experts (8 used) cut to 20 layers, and the 0.5B at
several depths, on two cores.
"""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import speed
from engine.speed import Speed, prior
from engine.types import Costs, Usage

WITHIN = 0.25
MIXTURE = {1: 135, 2: 170, 4: 290, 10: 600, 24: 980, 48: 1480, 128: 3100, 256: 5640}
# Milliseconds a token of a tail of 48, by depth.
BY_DEPTH = {
    "plain": {64: 19, 1000: 29, 2000: 23, 4000: 26, 6000: 36},
    "flash attention": {64: 20, 1000: 26, 2000: 30, 4000: 51, 6000: 61},
    "flash attention, q8_0": {64: 15, 1000: 26, 2000: 33, 4000: 60},
}

figures = st.floats(0.0, 50.0)
some_costs = st.builds(
    Costs,
    request_ms=figures,
    expert_ms=figures,
    token_ms=st.floats(0.01, 200.0),
    token_depth_ms=st.floats(0.0, 0.1),
    write_ms=st.floats(0.1, 500.0),
    write_depth_ms=st.floats(0.0, 0.1),
    experts=st.just(128),
    experts_used=st.sampled_from([1, 8, 128]),
    batch_tokens=st.sampled_from([8, 16, 64]),
    slice_tokens=st.sampled_from([8, 16, 64, 256]),
)
depths = st.integers(0, 200_000)
lengths = st.integers(1, 2000)


def read(depth: int, tokens: int, ms: float, decoded: int = 0, token_ms: float = 0.0) -> Usage:
    total_ms = ms + token_ms * max(0, decoded - 1)
    return Usage(depth + tokens, depth, tokens, decoded, ms, total_ms)


def typing(learner: Speed, rounds: int, slower: float = 1.0, seed: int = 1) -> None:
    """A user types: slices at many depths, tails, answers; 25 ms a token and a tenth of noise."""
    choose = random.Random(seed)
    for _ in range(rounds):
        depth, tokens = choose.randrange(3000), choose.choice((16, 16, 16, 40))
        ms = (60 + tokens * (25 + depth * 0.003)) * choose.uniform(0.9, 1.1) * slower
        learner.add(read(depth, tokens, ms, 12, 100 * slower))


def expected_key_ms(depth: int) -> float:
    return 60 + speed.KEY_TAIL_TOKENS * (25 + depth * 0.003) + speed.FIRST_LINE_TOKENS * 100


@pytest.mark.parametrize("batch_tokens", [64, 512])
def test_the_tail_of_a_mixture_is_predicted(batch_tokens):
    start = prior(33, 9.5, experts=128, experts_used=8, batch_tokens=batch_tokens)
    learner = Speed(start)
    for _ in range(7):
        for tokens, ms in MIXTURE.items():
            learner.add(read(256, tokens, ms))
    found = {tokens: speed.tail_ms(learner.measured, 256, tokens) for tokens in MIXTURE}
    assert found == pytest.approx(MIXTURE, rel=WITHIN)


def test_the_speed_at_load_alone_tells_the_tail_of_a_mixture():
    """Before anything else is measured: a step of one token, and 32 at once."""
    start = prior(32 / 1.18, 1 / 0.135, experts=128, experts_used=8, batch_tokens=512)
    found = {tokens: speed.tail_ms(start, 0, tokens) for tokens in MIXTURE}
    assert found == pytest.approx(MIXTURE, rel=WITHIN)


@pytest.mark.parametrize("way", BY_DEPTH)
def test_a_tail_at_any_depth_is_predicted(way):
    learner = Speed(prior(50, 9.2))
    for _ in range(7):
        for depth, token_ms in BY_DEPTH[way].items():
            learner.add(read(depth, 48, 48 * token_ms))
    table = {depth: 48 * token_ms for depth, token_ms in BY_DEPTH[way].items()}
    found = {depth: speed.tail_ms(learner.measured, depth, 48) for depth in table}
    assert found == pytest.approx(table, rel=WITHIN)


def test_a_machine_that_is_slower_with_depth_gets_shorter_prompts():
    """The order of the measured ways is that of the depths chosen for them."""
    found = {}
    for way, table in BY_DEPTH.items():
        learner = Speed(prior(50, 9.2))
        for _ in range(7):
            for depth, token_ms in table.items():
                learner.add(read(depth, 48, 48 * token_ms))
        found[way] = speed.depth_for(learner.measured, 3500)
    assert found["plain"] > found["flash attention"] > found["flash attention, q8_0"] > 512


@given(costs=some_costs, depth=depths, more=depths, tokens=lengths, longer=lengths)
def test_more_costs_more(costs, depth, more, tokens, longer):
    assert speed.tail_ms(costs, depth, tokens) <= speed.tail_ms(costs, depth + more, tokens)
    assert speed.tail_ms(costs, depth, tokens) < speed.tail_ms(costs, depth, tokens + longer)
    assert speed.decode_ms(costs, depth, tokens) <= speed.decode_ms(costs, depth + more, tokens)
    assert speed.read_s(costs, 0, depth) <= speed.read_s(costs, 0, depth + more)
    assert speed.depth_for(costs, tokens) <= speed.depth_for(costs, tokens + longer)


@given(costs=some_costs, deadline_ms=st.floats(0, 60_000), tail=st.integers(1, 300))
def test_the_depth_for_a_deadline_is_the_deepest_that_keeps_it(costs, deadline_ms, tail):
    depth = speed.depth_for(costs, deadline_ms, tail)
    assert depth == 0 or speed.key_ms(costs, depth, tail) <= deadline_ms
    if depth < speed.DEEPEST_TOKENS:
        assert speed.key_ms(costs, depth + 1, tail) > deadline_ms


@given(costs=some_costs, deadline_ms=st.floats(0, 60_000), depth=depths)
def test_a_suggestion_as_long_as_the_deadline_allows(costs, deadline_ms, depth):
    tokens = speed.suggestion_tokens(costs, deadline_ms, depth)
    spent = speed.tail_ms(costs, depth, speed.KEY_TAIL_TOKENS)
    assert tokens == 0 or spent + speed.decode_ms(costs, depth, tokens) <= deadline_ms
    assert spent + speed.decode_ms(costs, depth, tokens + 1) > deadline_ms


@settings(max_examples=40)
@given(
    requests=st.lists(
        st.builds(
            read,
            depth=depths,
            tokens=lengths,
            ms=st.floats(0, 1e6),
            decoded=st.integers(0, 64),
            token_ms=st.floats(0, 1e4),
        ),
        max_size=8,
    )
)
def test_whatever_is_measured_the_figures_stay_sane(requests):
    learner = Speed(prior(36, 8))
    for usage in requests * 3:
        learner.add(usage)
    for costs in (learner.costs, learner.measured):
        assert min(costs.request_ms, costs.expert_ms, costs.token_ms, costs.token_depth_ms) >= 0
        assert speed.tail_ms(costs, 0, 1) > 0
        assert 0 < speed.decode_ms(costs, 0, 1) < 1e6


def test_typing_teaches_what_a_key_costs():
    learner = Speed(prior(100, 30))  # far off
    typing(learner, 200)
    for depth in (0, 1000, 2500):
        assert speed.key_ms(learner.measured, depth) == pytest.approx(
            expected_key_ms(depth), rel=WITHIN
        )


def test_a_cold_first_request_is_not_typical():
    """Weights come from the disk at first: a hundred times as slow."""
    learner = Speed(prior(36, 8))
    before = learner.costs
    learner.add(read(0, 40, 100_000, 12, 5_000))
    assert learner.costs == before
    typing(learner, 100)
    assert speed.key_ms(learner.measured, 0) == pytest.approx(expected_key_ms(0), rel=WITHIN)


def test_odd_requests_among_others_do_not_matter():
    learner, spoilt = Speed(prior(36, 8)), Speed(prior(36, 8))
    typing(learner, 150)
    choose = random.Random(2)
    typing(spoilt, 50)
    for _ in range(50):
        typing(spoilt, 4, seed=choose.randrange(1 << 30))
        spoilt.add(read(choose.randrange(3000), 16, 20_000, 12, 3_000))
    for depth in (0, 2000):
        calm, odd = (speed.key_ms(each.measured, depth) for each in (learner, spoilt))
        assert odd == pytest.approx(calm, rel=WITHIN)


def test_a_busy_minute_is_forgotten():
    learner = Speed(prior(36, 8))
    typing(learner, 150)
    typing(learner, 60, slower=5.0)
    assert speed.key_ms(learner.costs, 2000) > 2 * expected_key_ms(2000), "true while it lasts"
    typing(learner, 120)
    assert speed.key_ms(learner.measured, 0) == pytest.approx(expected_key_ms(0), rel=WITHIN)


def test_the_figures_to_plan_by_change_only_when_they_are_clearly_off():
    """Each change of a budget reads a prompt anew: an even machine must cause none."""
    learner = Speed(prior(36, 8))
    typing(learner, 200)
    seen = learner.costs
    for seed in range(20):
        typing(learner, 20, slower=1.1 if seed % 2 else 0.95, seed=seed)
        assert learner.costs is seen
    typing(learner, 300, slower=2.5)
    assert learner.costs is not seen
    assert speed.key_ms(learner.costs, 0) == pytest.approx(2.5 * expected_key_ms(0), rel=0.35)


def test_a_request_that_was_cut_short_tells_nothing():
    learner = Speed(prior(36, 8))
    for _ in range(20):
        learner.add(Usage(1000, 100, 10, 0, 60_000, 60_000))
    assert learner.measured == prior(36, 8)


@given(experts=st.integers(1, 512), share=st.floats(0.0, 1.0), tokens=st.integers(0, 5000))
def test_a_mixture_touches_no_more_experts_than_it_has(experts, share, tokens):
    used = max(1, round(experts * share))
    costs = Costs(experts=experts, experts_used=used, batch_tokens=64)
    found = speed.touched(costs, tokens)
    batches = -(-tokens // 64)
    assert batches * used * 0.999 <= found <= min(tokens * used, batches * experts) * 1.001


def test_an_engine_that_says_two_speeds_only_has_costs_that_follow():
    costs = prior(36.0, 8.0)
    assert speed.decode_per_s(costs) == 8.0
    assert speed.prefill_per_s(costs) == pytest.approx(36.0, rel=WITHIN)
    assert speed.tail_ms(replace(costs, batch_tokens=32), 0, 32) < 1.3 * 32 / 36 * 1000
