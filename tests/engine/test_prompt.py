# SPDX-License-Identifier: Apache-2.0
"""Prompts fit, stand still while the user types, and say what is in them (E4)."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.fake import FakeEngine
from engine.prompt import Hole, build, layouts
from engine.tokens import Tokens, chunks
from engine.types import Part, RequestRejected

LAYOUT = layouts()["qwen"]
FAKE = FakeEngine(lambda _: ())
LINES = st.lists(
    st.sampled_from(["a = 1\n", "\n", "    b()\n", "\r\n", "x" * 90 + "\n", "é😀\n"]), max_size=300
)


def text_of(prompt):
    return FAKE._text(prompt)


def build_at(prefix="", suffix="", parts=(), budget=2000, path="src/a.py"):
    hole = Hole(path, prefix, suffix, prefix.count("\n") + 1)
    return build("repo", parts, hole, layout=LAYOUT, tokens=Tokens(FAKE), budget=budget)


def piece(role="definition", text="class A: ...\n", path="b.py", score=1.0):
    return Part(role, path, text, 1, text.count("\n"), score, "because")


def test_the_layout_of_qwen():
    prompt = build_at("a = ", "\nb = 2\n", [piece()])
    assert text_of(prompt) == (
        "<|repo_name|>repo\n"
        "<|file_sep|>b.py\nclass A: ...\n"
        "<|file_sep|>src/a.py\n<|fim_prefix|>a = <|fim_suffix|>\nb = 2\n<|fim_middle|>"
    )
    assert [s.role for s in prompt.segments] == ["header", "definition", "prefix", "suffix"]
    assert sum(s.tokens for s in prompt.segments) == len(prompt.token_ids)


def test_strata_stand_in_their_order_whatever_the_order_of_the_parts():
    parts = [piece("analogy", path="z"), piece("definition", path="y"), piece("journal", path="x")]
    for order in (parts, parts[::-1]):
        roles = [s.role for s in build_at("a", "", order).segments]
        assert roles == ["header", "definition", "journal", "analogy", "prefix", "suffix"]


def test_pieces_that_do_not_fit_are_dropped_whole_and_the_best_stay():
    parts = [
        piece(text=f"{name} = {'x' * 200}\n", path=name, score=n) for n, name in enumerate("abc")
    ]
    text = text_of(build_at("here", "", parts, budget=350))
    assert "c = " + "x" * 200 in text
    assert "a = " not in text
    assert "b = " not in text


@given(LINES, LINES, st.integers(60, 4000))
def test_E4_it_fits_and_the_text_at_the_cursor_stays(before, after, budget):
    prefix = "".join(before) + "cursor_"
    prompt = build_at(prefix, "".join(after), [piece()], budget)
    assert len(prompt.token_ids) <= budget
    inside = text_of(prompt).split("<|fim_prefix|>")[1].split("<|fim_suffix|>")[0]
    assert prefix.endswith(inside)
    assert inside.endswith("_")
    window = next(s for s in prompt.segments if s.role == "prefix")
    assert window.end_line - window.start_line == inside.count("\n")


@pytest.mark.parametrize("budget", [0, 10, 20])
def test_a_budget_without_room_for_the_line_is_refused(budget):
    with pytest.raises(RequestRejected, match="budget"):
        build_at("x = 1", "", budget=budget)


def test_the_window_stands_still_while_typing():
    prefix = "".join(f"value_{n} = compute({n})\n" for n in range(400))
    starts = []
    for length in range(len(prefix) - 2000, len(prefix)):
        prompt = build_at(prefix[:length], "\n", budget=3000)
        starts.append(prompt.segments[1].start_line)
    moves = sum(a != b for a, b in pairwise(starts))
    assert moves <= 4  # 2,000 keys, a window of some 2,700


def test_a_model_without_the_layouts_tokens_is_refused_by_name():
    class Bare(FakeEngine):
        def special(self, name):
            return None

    hole = Hole("a", "b", "", 1)
    with pytest.raises(RequestRejected, match=r"no token <\|repo_name\|>"):
        build("r", (), hole, layout=LAYOUT, tokens=Tokens(Bare(lambda _: ())), budget=99)


@given(LINES)
def test_chunks_are_the_text_and_typing_changes_the_last_only(lines):
    text = "".join(lines)
    cut = list(chunks(text))
    assert "".join(cut) == text
    assert list(chunks(text + "more"))[: max(0, len(cut) - 1)] == cut[:-1]
