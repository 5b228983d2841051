# SPDX-License-Identifier: Apache-2.0
"""How sure the model was of what it wrote: told with each piece, aligned with the text."""

from __future__ import annotations

import math
import threading

import pytest

from engine.fake import FakeEngine
from engine.request import Run, request
from engine.types import Piece, Prompt, Sampling, Slot

PROMPT = Prompt((1, 2, 3), ())


def event(text, *logprobs):
    content = [{"id": 7, "logprob": value} for value in logprobs]
    return {"choices": [{"text": text, "logprobs": {"content": content}}]}


@pytest.mark.parametrize(
    ("told", "known"),
    [
        (event("a", -0.5), -0.5),
        (event("é", -0.5, -1.5), -2.0),  # both tokens of one character
        (event("a", None), None),  # what JSON makes of minus infinity
        (event("a", -0.5, None), None),
        (event("a"), None),
        ({"choices": [{"text": "a", "logprobs": None}]}, None),
        ({"choices": [{"text": "a"}]}, None),
    ],
    ids=["one", "two", "infinite", "half", "empty", "null", "missing"],
)
def test_E9_what_the_server_tells_of_a_token_may_be_incomplete(told, known):
    run = Run(threading.Event(), lambda _: True)
    run.on_event(told)
    assert [piece.logprob for piece in run.pieces] == [known]


def test_a_token_without_text_is_no_piece():
    run = Run(threading.Event(), lambda _: True)
    run.on_event(event("", -0.5))
    assert run.pieces == []


def test_probabilities_are_asked_for_before_sampling():
    """What a greedy choice leaves has a probability of 1, which says nothing."""
    asked = request((1,), Sampling(), Slot.KEYSTROKE)
    assert asked["n_probs"] == 1
    assert asked["post_sampling_probs"] is False


def test_the_fake_engine_tells_what_it_is_told():
    heard = []
    fake = FakeEngine(lambda _: [Piece("a", -0.1), "b"])
    done = fake.complete(PROMPT, Sampling(), threading.Event(), lambda p: not heard.append(p))
    assert [piece.logprob for piece in done.pieces] == [-0.1, None]
    assert heard == list(done.pieces)
    assert done.text == "ab"


def test_a_piece_is_text_like_any_other():
    assert Piece("a", -1.0) == "a"
    assert {Piece("a"): 1}["a"] == 1
    assert type("x" + Piece("a", -1.0)) is str


@pytest.mark.model
def test_the_model_is_surer_of_what_must_follow(llama):
    def write(before, after):
        fim = [llama.special(f"<|fim_{name}|>") for name in ("prefix", "suffix", "middle")]
        ids = (fim[0], *llama.tokenize(before), fim[1], *llama.tokenize(after), fim[2])
        heard = []
        done = llama.complete(
            Prompt(ids, ()), Sampling(8), threading.Event(), lambda piece: not heard.append(piece)
        )
        assert done.text == "".join(done.pieces) == "".join(heard)
        assert all(piece.logprob is not None and piece.logprob <= 0 for piece in done.pieces)
        return done.pieces

    sure = write("def add(first, second):\n    return first +", "\n")
    unsure = write("", "\n")
    assert math.exp(sure[0].logprob) > 0.8, "a real probability, not what sampling leaves: 1"
    assert unsure[0].logprob < sure[0].logprob
