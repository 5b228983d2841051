# SPDX-License-Identifier: Apache-2.0
"""How sure the model was of what is shown, and a threshold that follows the user."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.types import Piece
from lsp_server.suggestions import confidence
from lsp_server.suggestions.confidence import HIDDEN_RUN, HIGHEST, LOWEST, START, Threshold, score

MODEL = "some-model"


def pieces(text):
    """`return:-0.5| x:-1|` as pieces; without a number it is not known."""
    made = []
    for each in text.split("|"):
        piece, _, value = each.partition(":")
        made.append(Piece(piece.replace("/", "\n"), float(value) if value else None))
    return made


@pytest.mark.parametrize(
    ("written", "typed", "shown", "expected"),
    [
        pytest.param("a:-1| b:-2", 0, "a b", -3, id="all of it"),
        pytest.param("a:-1| b:-2|/:-4|c:-8", 0, "a b\nc", -3, id="the first line counts"),
        pytest.param("/  :-4|a:-1|/:-4|c:-8", 0, "\n  a\n  c", -1, id="the first with text"),
        pytest.param("a:-1| b:-2| c:-4", 0, "a b", -3, id="what was cut off does not count"),
        pytest.param("Sure/```/:-9|a:-1", 0, "a", -1, id="nor what was cut off before"),
        pytest.param("a:-1| b:-2", 1, " b", -2, id="nor what is typed already"),
        pytest.param("a:-1| a:-2", 1, " a", -2, id="the same word twice"),
        pytest.param("abcd:-4| e:-1", 1, "bcd e", -4, id="a piece counts by its share"),
        pytest.param("if x:-1|/\t:-9|y:-2", 0, "if x\n    y", -1, id="another unit of indent"),
        pytest.param("\t\ta:-1|/\t\tb:-2", 0, "    a\n    b", -1, id="white space is not compared"),
        pytest.param("a:-1|bcd:-2", 0, "axxx", -3, id="changed inside: all up to its length"),
        pytest.param("a:-1| b", 0, "a b", None, id="not known of one"),
        pytest.param("a:-1| b", 0, "a", -1, id="not known of one that is not shown"),
        pytest.param("a:-1", 0, "", None, id="nothing shown"),
        pytest.param("a:-1", 5, "b", None, id="nothing left"),
        pytest.param("", 0, "a", None, id="nothing written"),
    ],
)
def test_the_score_is_of_what_is_shown(written, typed, shown, expected):
    assert score(pieces(written), typed, shown) == (expected and pytest.approx(expected))


@given(
    st.lists(st.tuples(st.text(), st.floats(-50, 0) | st.none())),
    st.integers(0, 20),
    st.text(),
)
def test_E9_any_text_has_a_score_or_none(written, typed, shown):
    value = score([Piece(text, logprob) for text, logprob in written], typed, shown)
    assert value is None or value <= 0


@given(
    st.lists(
        st.tuples(st.text("ab \n", min_size=1), st.floats(-50, 0)).map(lambda p: Piece(*p)),
        min_size=1,
    ),
    st.data(),
)
def test_typing_on_as_suggested_makes_it_no_less_sure(written, data):
    text = "".join(written)
    typed = data.draw(st.integers(0, len(text) - 1))
    on_the_line = text[typed:].split("\n")[0]
    before, after = score(written, 0, text), score(written, typed, on_the_line)
    if text.lstrip() and "\n" not in text.strip() and after is not None:
        assert after >= before - 1e-6


def test_accepts_lower_the_level_and_rejections_raise_it(tmp_path):
    threshold = Threshold(tmp_path)
    assert threshold.level(MODEL) == START
    threshold.learn(MODEL, accepted=True)
    lower = threshold.level(MODEL)
    assert lower < START
    threshold.learn(MODEL, accepted=False)
    assert lower < threshold.level(MODEL) < START, "an accept says more than a rejection"
    assert threshold.level("another model") == START


@settings(max_examples=30)
@given(st.lists(st.sampled_from(["accept", "reject", "ask"]), max_size=400), st.floats(-20, 0))
def test_the_level_stays_within_its_bounds_and_the_surest_are_always_shown(tmp_path_factory, s, v):
    threshold = Threshold(tmp_path_factory.mktemp("record"))
    for step in s:
        if step == "ask":
            threshold.passes(MODEL, v)
        else:
            threshold.learn(MODEL, step == "accept")
        assert LOWEST <= threshold.level(MODEL) <= HIGHEST
        assert threshold.passes(MODEL, HIGHEST)
        assert threshold.passes(MODEL, None), "what is not known is no reason to hide"


def test_whoever_rejects_everything_is_shown_something_again(tmp_path):
    threshold = Threshold(tmp_path)
    for _ in range(1000):
        threshold.learn(MODEL, accepted=False)
    assert not threshold.passes(MODEL, START)
    keys = 0
    while not threshold.passes(MODEL, START):
        keys += 1
        assert keys < HIDDEN_RUN * 20
    assert keys >= HIDDEN_RUN


def test_what_was_learned_outlives_the_session(tmp_path):
    first = Threshold(tmp_path / "record")
    first.learn(MODEL, accepted=True)
    first.save()
    assert Threshold(tmp_path / "record").level(MODEL) == first.level(MODEL)
    assert confidence.read(tmp_path / "record") == {MODEL: first.level(MODEL)}


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe",
        b'{"levels": 3}',
        b'{"levels": {"some-model": "x"}}',
        b'{"levels": {"some-model": NaN}}',
        b"[" * 100_000,
        b" " * ((8 << 20) + 1),
    ],
    ids=range(10),
)
def test_I9_a_damaged_file_begins_afresh(tmp_path, damage):
    (tmp_path / confidence.FILE).write_bytes(damage)
    threshold = Threshold(tmp_path)
    assert threshold.level(MODEL) == START
    threshold.learn(MODEL, accepted=True)
    threshold.save()
    assert Threshold(tmp_path).level(MODEL) < START


def test_a_level_from_elsewhere_is_brought_within_bounds(tmp_path):
    (tmp_path / confidence.FILE).write_text(json.dumps({"levels": {MODEL: 1e9, "other": -1e9}}))
    threshold = Threshold(tmp_path)
    assert (threshold.level(MODEL), threshold.level("other")) == (HIGHEST, LOWEST)


def test_models_are_forgotten_in_the_order_of_their_use(tmp_path):
    threshold = Threshold(tmp_path)
    for number in range(40):
        threshold.learn(str(number), accepted=True)
        threshold.learn("kept", accepted=True)
    threshold.save()
    assert len(confidence.read(tmp_path)) == confidence.MOST_MODELS
    assert threshold.level("kept") == LOWEST or threshold.level("kept") < threshold.level("39")
    assert threshold.level("0") == START


def test_a_running_server_does_not_bring_back_what_was_reset(tmp_path):
    threshold = Threshold(tmp_path)
    threshold.learn(MODEL, accepted=True)
    threshold.save()
    confidence.reset(tmp_path)
    threshold.learn(MODEL, accepted=True)
    threshold.save()
    assert Threshold(tmp_path).level(MODEL) == START


def test_I10_a_folder_that_cannot_be_written_loses_nothing_else(tmp_path, caplog):
    (tmp_path / "record").write_text("a file is in the way")
    threshold = Threshold(tmp_path / "record")
    threshold.learn(MODEL, accepted=True)
    threshold.save()
    assert threshold.level(MODEL) < START
    assert [r.getMessage().split(":")[0] for r in caplog.records][-1:] == [
        "what was learned of suggestions is not kept"
    ]
