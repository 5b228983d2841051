# SPDX-License-Identifier: Apache-2.0
"""Turns as token ids: text never becomes a special token (S5), what does not fit is said (E4)."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import catalogue, chat
from engine.chat import Turn
from engine.fake import FakeEngine
from engine.tokens import Tokens
from engine.types import Prompt, RequestRejected, Sampling

TURNS = (Turn("system", "Be brief."), Turn("user", "Why?"), Turn("assistant", "So."))


def vocabulary(*specials: str) -> FakeEngine:
    """A byte tokeniser that knows these special tokens."""
    engine = FakeEngine(lambda _: [])
    engine._specials = list(specials)
    return engine


CHATML = ("<|im_start|>", "<|im_end|>")
THINKS = (*CHATML, "<think>", "</think>")
KIMI = ("<|im_system|>", "<|im_user|>", "<|im_assistant|>", "<|im_middle|>", "<|im_end|>")


def written(engine: FakeEngine, prompt: Prompt) -> str:
    return engine._text(prompt)


@pytest.mark.parametrize(
    ("specials", "silent", "expected"),
    [
        pytest.param(
            CHATML,
            False,
            "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nWhy?<|im_end|>\n"
            "<|im_start|>assistant\nSo.<|im_end|>\n<|im_start|>assistant\n",
            id="chatml",
        ),
        pytest.param(
            THINKS,
            True,
            "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nWhy?<|im_end|>\n"
            "<|im_start|>assistant\nSo.<|im_end|>\n<|im_start|>assistant\n"
            "<think>\n\n</think>\n\n",
            id="a model that thinks is told not to",
        ),
        pytest.param(
            KIMI,
            False,
            "<|im_system|>system<|im_middle|>Be brief.<|im_end|>"
            "<|im_user|>user<|im_middle|>Why?<|im_end|>"
            "<|im_assistant|>assistant<|im_middle|>So.<|im_end|>"
            "<|im_assistant|>assistant<|im_middle|>",
            id="kimi",
        ),
    ],
)
def test_turns_are_laid_out_as_the_family_wants_them(specials, silent, expected):
    engine = vocabulary(*specials)
    prompt = chat.build(TURNS, tokens=Tokens(engine), budget=1000, silent=silent)
    assert written(engine, prompt) == expected


def test_a_model_without_turns_is_named_as_such():
    with pytest.raises(RequestRejected, match="choose an Instruct model"):
        chat.build(TURNS, tokens=Tokens(vocabulary("<|fim_prefix|>")), budget=1000)


def test_what_does_not_fit_is_said_and_nothing_is_cut():
    tokens = Tokens(vocabulary(*CHATML))
    with pytest.raises(RequestRejected, match="there is room for 50"):
        chat.build((Turn("user", "x" * 100),), tokens=tokens, budget=50)


def test_an_opening_is_used_where_there_is_room_and_left_out_whole_where_not():
    tokens, opening = Tokens(vocabulary(*CHATML)), tuple(range(100))
    alone = chat.build(TURNS, tokens=tokens, budget=1000).token_ids
    there = chat.build(TURNS, tokens=tokens, budget=len(alone) + 100, opening=opening)
    assert there.token_ids == (*opening, *alone)
    tight = chat.build(TURNS, tokens=tokens, budget=len(alone) + 99, opening=opening)
    assert tight.token_ids == alone


def test_a_longer_conversation_begins_with_the_tokens_of_the_shorter():
    """So that a further round reads what is new, and nothing else."""
    tokens = Tokens(vocabulary(*CHATML))
    short = chat.build(TURNS[:2], tokens=tokens, budget=1000).token_ids
    assert chat.build(TURNS, tokens=tokens, budget=1000).token_ids[: len(short)] == short


@given(st.lists(st.sampled_from((*KIMI, *THINKS, "<|endoftext|>", "a", "\n", "é"))).map("".join))
def test_S5_text_of_a_turn_is_never_special(text):
    engine = vocabulary(*KIMI)
    prompt = chat.build((Turn("user", text),), tokens=Tokens(engine), budget=100_000)
    specials = [token for token in prompt.token_ids if token >= 256]
    assert len(specials) == 5  # two of each turn's head, one at the end of the first


@pytest.mark.parametrize("name", catalogue.load())
def test_every_row_of_the_catalogue_says_how_to_talk_to_it(name):
    row = catalogue.load()[name]
    found = chat.manner(name)
    assert (found.sampling, found.silent) == (row.chat_sampling, row.thinking)


def test_a_model_that_is_not_in_the_catalogue_can_say_something_else_when_asked_again():
    found = chat.manner("mine.gguf")
    assert found.sampling.temperature > 0, "asked again, it could only say the same again"
    assert not found.silent


@pytest.mark.model
def test_a_real_model_answers_in_its_turn(llama):
    turns = (Turn("system", "Answer with one word."), Turn("user", "Capital of France?"))
    prompt = chat.build(turns, tokens=Tokens(llama), budget=500)
    answer = llama.complete(prompt, Sampling(8), threading.Event(), lambda _: True)
    assert "Paris" in answer.text
    assert answer.stopped_by == "end"
