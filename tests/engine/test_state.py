# SPDX-License-Identifier: Apache-2.0
"""What we say is resident is what llama.cpp has: the same tokens, on the real model and on hybrids.

Guards against a warm-up that saves nothing and a status that lies. In: prompts that grow, part,
are cancelled; out: `cache_n` of the engine against `Residency`.
"""

from __future__ import annotations

import random
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_models import HYBRIDS, write_tiny

from engine.llama import BATCH_TOKENS, CHECKPOINT_STEP_TOKENS, LlamaEngine, LoadOptions
from engine.state import Residency, common_prefix
from engine.types import Prompt, RequestRejected, Sampling, Slot

TOKENS = st.lists(st.integers(0, 3), max_size=12)


@given(TOKENS, TOKENS)
def test_common_prefix_is_the_longest_one(first, second):
    common = common_prefix(first, second)
    assert first[:common] == second[:common]
    assert common == min(len(first), len(second)) or first[common] != second[common]


def test_a_slot_knows_nothing_of_the_other():
    residency = Residency()
    residency.set(Slot.DEEP, (1, 2, 3))
    assert residency.tokens(Slot.KEYSTROKE) == ()
    assert residency.common(Slot.DEEP, (1, 2, 4)) == 2


def step(engine, choose, vocabulary, slot):
    """Ask for a prompt that shares a random part with what is resident; compare with cache_n."""
    resident = engine.resident(slot)
    keep = choose.randint(0, len(resident))
    more = [choose.randrange(vocabulary) for _ in range(choose.randint(1, 12))]
    prompt = Prompt((*resident[:keep], *more), ())
    expected = min(common_prefix(resident, prompt.token_ids), len(prompt.token_ids) - 1)
    if choose.random() < 0.5:
        usage = engine.warm(prompt, threading.Event(), slot)
    else:
        sampling = Sampling(choose.randint(1, 4))
        usage = engine.complete(prompt, sampling, threading.Event(), lambda _: True, slot).usage
    assert usage.cached_tokens + usage.evaluated_tokens == usage.prompt_tokens
    assert not usage.cut_short
    return usage.cached_tokens, expected


@pytest.mark.model
def test_resident_tokens_are_those_that_llama_cpp_finds(llama):
    """A random walk over both slots, answers included: an answer's tokens are resident too."""
    choose = random.Random(5)
    for turn in range(24):
        found, expected = step(llama, choose, 1000, Slot(turn % 2))
        assert found == expected, turn


@pytest.mark.model
@pytest.mark.parametrize("reads", [True, False], ids=["reading", "writing"])
def test_what_is_said_to_be_resident_after_a_cancel_is_there(llama, reads):
    ids = tuple(random.Random(9).choices(range(1000), k=120 if reads else 8))
    cancel = threading.Event()
    timer = threading.Timer(0.5, cancel.set)
    timer.start()
    llama.complete(Prompt(ids, ()), Sampling(200), cancel, lambda _: True)
    timer.cancel()
    resident = llama.resident()
    assert common_prefix(resident, ids) == min(len(resident), len(ids))
    assert len(resident) < 120 + 200
    after = Prompt((*resident, 7, 8), ())
    assert llama.warm(after, threading.Event()).evaluated_tokens <= 2


@pytest.mark.model
def test_a_refused_prompt_changes_nothing(llama):
    llama.warm(Prompt((1, 2, 3), ()), threading.Event())
    with pytest.raises(RequestRejected):
        llama.warm(Prompt((10**9,), ()), threading.Event())
    assert llama.resident() == (1, 2, 3)
    assert llama.warm(Prompt((1, 2, 3, 4), ()), threading.Event()).cached_tokens == 3


def test_no_token_is_said_to_be_resident_that_is_not(tmp_path):
    """Noise is full of halves of characters, whose ids llama.cpp does not tell."""
    choose, written, gaps = random.Random(4), 40, 0
    path = write_tiny(tmp_path / "noise.gguf", "qwen3moe")
    options = LoadOptions(2048, 2048, is_moe=True, gpu_layers=0, state_folder=tmp_path)
    engine = LlamaEngine(path, "noise", options, "qwen")
    for turn in range(12):
        prompt = Prompt(tuple(choose.choices(range(200), k=20)), ())
        done = engine.complete(prompt, Sampling(written), threading.Event(), lambda _: True)
        assert done.usage.decoded_tokens == written
        claimed = engine.save(Slot.KEYSTROKE, tmp_path / f"{turn}.state")
        assert claimed[:20] == prompt.token_ids
        gaps += len(claimed) < 20 + written - 1
        after = engine.warm(Prompt((*claimed, 7), ()), threading.Event())
        assert after.cached_tokens == len(claimed)
    engine.close()
    assert gaps, "no character was split: the test shows nothing"


@pytest.fixture(scope="module", params=HYBRIDS)
def hybrid(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("states")
    path = write_tiny(folder / f"{request.param}.gguf", request.param, context_tokens=4096)
    options = LoadOptions(4096, 4096, is_hybrid=True, gpu_layers=0, state_folder=folder)
    engine = LlamaEngine(path, request.param, options, "qwen")
    yield engine, folder
    engine.close()


def test_a_key_costs_its_tail_where_state_cannot_be_cut_back(hybrid):
    """Typing before a suffix: 95 % of each prompt is kept from the second key on."""
    engine, _ = hybrid
    choose = random.Random(1)
    text, suffix = choose.choices(range(200), k=1300), choose.choices(range(200), k=30)
    evaluated, read = 0, 0
    for key in range(30):
        prompt = Prompt((*text[: 1000 + 2 * key], *suffix), ())
        done = engine.complete(prompt, Sampling(4), threading.Event(), lambda _: True)
        usage = done.usage
        if key > 1:
            evaluated, read = evaluated + usage.evaluated_tokens, read + usage.prompt_tokens
    assert evaluated / read < 0.05


def test_a_second_key_is_cheap_where_nothing_was_read_ahead(hybrid):
    """Keys right after the start, or in another file: the first must stop before its suffix."""
    engine, _ = hybrid
    choose = random.Random(6)
    mark = engine.special("<|fim_suffix|>")
    text, suffix = choose.choices(range(200), k=1300), choose.choices(range(200), k=200)
    costs = []
    for key in range(3):
        prompt = Prompt((*text[: 1000 + 2 * key], mark, *suffix), ())
        done = engine.complete(prompt, Sampling(4), threading.Event(), lambda _: True)
        costs.append(done.usage.evaluated_tokens)
        assert done.usage.cached_tokens + costs[-1] == len(prompt.token_ids)
    assert costs[0] > 1000
    assert max(costs[1:]) < len(suffix) + BATCH_TOKENS


def test_ends_of_strata_survive_typing_where_state_cannot_be_cut_back(hybrid):
    """To a slice: what of it is read again is less than two checkpoints are apart."""
    engine, _ = hybrid
    choose = random.Random(2)
    text, suffix = choose.choices(range(200), k=1300), choose.choices(range(200), k=30)
    for end in (300, 600, 1000):
        engine.warm(Prompt(tuple(text[:end]), ()), threading.Event())
    for key in range(30):
        prompt = Prompt((*text[: 1000 + 2 * key], *suffix), ())
        engine.complete(prompt, Sampling(4), threading.Event(), lambda _: True)
    changed = Prompt((*text[:600], *suffix), ())  # the stratum after the second is another now
    assert engine.warm(changed, threading.Event()).evaluated_tokens < CHECKPOINT_STEP_TOKENS


def test_a_restored_state_is_as_good_where_state_cannot_be_cut_back(hybrid):
    engine, folder = hybrid
    choose = random.Random(3)
    text, suffix = choose.choices(range(200), k=700), choose.choices(range(200), k=30)
    prompts = [Prompt((*text[: 600 + 2 * key], *suffix), ()) for key in range(4)]
    for prompt in prompts:
        expected = engine.complete(prompt, Sampling(8), threading.Event(), lambda _: True)
    tokens = engine.save(Slot.KEYSTROKE, folder / "a.state")
    engine.warm(Prompt(tuple(text[300:]), ()), threading.Event())
    engine.restore(Slot.KEYSTROKE, folder / "a.state", tokens)
    again = engine.complete(prompts[-1], Sampling(8), threading.Event(), lambda _: True)
    assert again.text == expected.text
    assert again.usage.evaluated_tokens < 60
