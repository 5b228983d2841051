# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: RUF001  special tokens of DeepSeek have wide bars in their names
"""Prompts fit, keep their order and keep the text at the cursor (E4)."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.fake import FakeEngine
from engine.layout import PREFIX_ONLY
from engine.prompt import Hole, build, cost, layouts
from engine.tokens import Tokens, chunks
from engine.types import Part, RequestRejected

QWEN = layouts()["qwen"]
FAKES = {name: FakeEngine(lambda _: (), layout=layout) for name, layout in layouts().items()}
LINES = st.lists(
    st.sampled_from(["a = 1\n", "\n", "    b()\n", "\r\n", "x" * 90 + "\n", "é😀\n"]), max_size=300
)
# Empty files, one huge line, line breaks of other systems, characters of many bytes, tails.
TEXTS = st.one_of(
    LINES.map("".join),
    st.integers(0, 400_000).map("x".__mul__),
    st.integers(0, 3_000).map("\n".__mul__),
    st.text(max_size=200),
    st.integers(0, 3000).map("日本語😀 = '\u2028'\r\n".__mul__),
)


def text_of(prompt, layout=QWEN):
    return FAKES[layout.name]._text(prompt)


def build_at(prefix="", suffix="", parts=(), budget=2000, path="src/a.py", layout=QWEN):
    hole = Hole(path, prefix, suffix, prefix.count("\n") + 1)
    tokens = Tokens(FAKES[layout.name])
    return build("repo", parts, hole, layout=layout, tokens=tokens, budget=budget)


def piece(role="definition", text="class A: ...\n", path="b.py", score=1.0):
    return Part(role, path, text, 1, text.count("\n"), score, "because")


GAP = "in one code block, in the style of the file, and with nothing else."
ASKED = (
    "File b.py:\n```\nclass A: ...\n```\n\n"
    "The gap is in src/a.py. After the gap comes:\n```\n\nb = 2\n\n```\n"
    "Before the gap stands:\n```\nimport os\n```\n"
    "Go on from there up to what comes after the gap."
)
BEGUN = "this_line_and_the_next_are_the_ones_to_go_on_from()\na = "
EXPECTED = {
    "prefix": f"# b.py\nclass A: ...\n# src/a.py\nimport os\n{BEGUN}",
    "qwen": (
        "<|repo_name|>repo\n<|file_sep|>b.py\nclass A: ...\n<|file_sep|>src/a.py\n"
        f"<|fim_prefix|>import os\n{BEGUN}<|fim_suffix|>\nb = 2\n<|fim_middle|>"
    ),
    "starcoder2": (
        "<repo_name>repo<file_sep>b.py\nclass A: ...\n<file_sep><fim_prefix>src/a.py\n"
        f"import os\n{BEGUN}<fim_suffix>\nb = 2\n<fim_middle>"
    ),
    "deepseek-coder": (
        "<｜begin▁of▁sentence｜><｜fim▁begin｜>#b.py\nclass A: ...\n#src/a.py\n"
        f"import os\n{BEGUN}<｜fim▁hole｜>\nb = 2\n<｜fim▁end｜>"
    ),
    "granite": (
        "<fim_prefix># b.py\nclass A: ...\n# src/a.py\n"
        f"import os\n{BEGUN}<fim_suffix>\nb = 2\n<fim_middle>"
    ),
    "codestral": (
        "<s>[SUFFIX]\nb = 2\n[PREFIX]+++++ b.py\nclass A: ...\n\n+++++ src/a.py\n"
        f"import os\n{BEGUN}"
    ),
    "codellama": (
        f"<s>▁<PRE># b.py\nclass A: ...\n# src/a.py\nimport os\n{BEGUN}▁<SUF>\nb = 2\n▁<MID>"
    ),
    "kimi": (
        "<|im_system|>system<|im_middle|>You fill a gap in a source file. Answer with the code of "
        f"the gap {GAP}<|im_end|><|im_user|>user<|im_middle|>{ASKED}<|im_end|>"
        f"<|im_assistant|>assistant<|im_middle|>```\n{BEGUN}"
    ),
    "chatml": (
        "<|im_start|>system\nYou fill a gap in a source file. Answer with the code of the gap "
        f"{GAP}<|im_end|>\n<|im_start|>user\n{ASKED}<|im_end|>\n<|im_start|>assistant\n```\n{BEGUN}"
    ),
}


@pytest.mark.parametrize("layout", layouts().values(), ids=lambda layout: layout.name)
def test_every_layout_to_the_letter(layout):
    prompt = build_at(f"import os\n{BEGUN}", "\nb = 2\n", [piece()], layout=layout)
    assert text_of(prompt, layout) == EXPECTED[layout.name]
    assert sum(s.tokens for s in prompt.segments) == len(prompt.token_ids)
    roles = [s.role for s in prompt.segments]
    behind = [] if layout.name == PREFIX_ONLY else ["suffix"]
    assert sorted(roles) == ["definition", "header", "prefix", *behind]
    assert roles[0] == "header"
    assert roles.index("definition") < roles.index("prefix")


@pytest.mark.parametrize("layout", layouts().values(), ids=lambda layout: layout.name)
def test_a_piece_costs_what_its_segment_says(layout):
    part = piece(text="no line break at its end")
    prompt = build_at("x", "", [part], layout=layout)
    tokens = next(s.tokens for s in prompt.segments if s.role == "definition")
    assert cost(part, layout=layout, tokens=Tokens(FAKES[layout.name])) == tokens


def test_strata_stand_in_their_order_and_within_one_that_of_the_caller():
    """A caller that keeps its order keeps the prefix: scores may change at each key."""
    parts = [
        piece("analogy", path="z", score=0.9),
        piece("definition", path="y", score=0.1),
        piece("journal", path="x", score=0.2),
        piece("definition", path="w", score=0.8),
        piece("definition", path="v", score=0.5),
        piece("header", path="u", score=0.3),
    ]
    shown = [s.path for s in build_at("a", "", parts).segments[1:-2]]
    assert shown == ["u", "y", "w", "v", "x", "z"]


def test_pieces_that_do_not_fit_are_dropped_whole_and_the_best_stay():
    parts = [
        piece(text=f"{name} = {'x' * 200}\n", path=name, score=n) for n, name in enumerate("abc")
    ]
    text = text_of(build_at("here", "", parts, budget=350))
    assert "c = " + "x" * 200 in text
    assert "a = " not in text
    assert "b = " not in text


def test_a_smaller_piece_takes_the_room_that_a_better_one_cannot():
    parts = [
        piece(text="x" * 200, path="best", score=3),
        piece(text="x" * 250, path="large", score=2),
        piece(text="x" * 30, path="small", score=1),
    ]
    shown = [s.path for s in build_at("here", "", parts, budget=350).segments[1:-2]]
    assert shown == ["best", "small"]


@given(
    before=TEXTS,
    after=TEXTS,
    texts=st.lists(TEXTS, max_size=3),
    budget=st.one_of(st.integers(1, 300), st.integers(1, 300_000)),
    name=st.sampled_from(list(layouts())),
)
def test_E4_any_budget_gives_a_prompt_that_fits(before, after, texts, budget, name):
    """Never too long, never without the end of the line, every token accounted for."""
    layout = layouts()[name]
    parts = [piece("journal", text, f"{n}.py", n) for n, text in enumerate(texts)]
    prefix = before + "cursor_"
    try:
        prompt = build_at(prefix, after, parts, budget, layout=layout)
    except RequestRejected:
        bare = build_at("", "", (), 100_000, "", layout)
        assert budget <= len(bare.token_ids)
        return
    assert len(prompt.token_ids) <= budget
    assert sum(s.tokens for s in prompt.segments) == len(prompt.token_ids)
    window = next(s for s in prompt.segments if s.role == "prefix")
    assert prefix.count("\n") + 1 == window.end_line
    shown = [s for s in prompt.segments if s.role == "journal"]
    ids = bytes(token for token in prompt.token_ids if token < 256)
    for segment in shown:
        whole = texts[int(segment.path[0])].encode("utf-8", errors="replace")
        assert whole in ids, "a piece was cut"


@given(LINES, LINES, st.integers(60, 4000))
def test_E4_the_text_at_the_cursor_stays(before, after, budget):
    prefix = "".join(before) + "cursor_"
    prompt = build_at(prefix, "".join(after), [piece()], budget)
    assert len(prompt.token_ids) <= budget
    inside = text_of(prompt).split("<|fim_prefix|>")[1].split("<|fim_suffix|>")[0]
    assert prefix.endswith(inside)
    assert inside.endswith("_")
    window = next(s for s in prompt.segments if s.role == "prefix")
    assert window.end_line - window.start_line == inside.count("\n")


def test_E4_the_rest_of_a_huge_line_is_shown_in_part():
    text = text_of(build_at("a = [", "1, " * 100_000, budget=400))
    assert "a = [<|fim_suffix|>1, 1, " in text


@pytest.mark.parametrize("budget", [0, 5, 7])
def test_a_budget_without_room_for_the_line_is_refused(budget):
    with pytest.raises(RequestRejected, match="budget") as refused:
        build_at("x = 1", "", budget=budget)
    assert "\n" not in str(refused.value)


def test_names_give_way_to_the_line_in_a_small_budget():
    path = "a/very/long/way/to/" * 20 + "file.py"
    assert "file.py" in text_of(build_at("x = 1", "", budget=60, path=path))
    assert "x = 1<|fim_suffix|>" in text_of(build_at("x = 1", "", budget=14, path=path))


def starts(prompts):
    return [next(s.start_line for s in p.segments if s.role == "prefix") for p in prompts]


LONG = "".join(f"value_{n} = compute({n})\n" for n in range(800))


@pytest.mark.parametrize(("budget", "most"), [(3000, 4), (8000, 1)])
def test_the_window_stands_still_while_typing(budget, most):
    """1,000 keys in a window that holds more: its start moves by a large part of it, seldom."""
    lengths = range(len(LONG) - 1000, len(LONG))
    seen = starts(build_at(LONG[:length], "\n", budget=budget) for length in lengths)
    assert sum(a != b for a, b in pairwise(seen)) <= most


def test_the_window_stands_still_while_the_suffix_gets_a_word_longer():
    for length in range(len(LONG) - 4000, len(LONG), 40):
        seen = starts(build_at(LONG[:length], "x" * n, budget=3000) for n in (10, 100))
        assert seen[0] == seen[1]


def test_the_window_uses_the_room_there_is():
    prefix = "".join(f"value_{n} = compute({n})\n" for n in range(400))
    for budget in (200, 400, 1000, 3000, 6000):
        prompt = build_at(prefix, "", budget=budget)
        assert len(prompt.token_ids) > 0.5 * budget, budget


def test_a_chat_answer_begins_at_a_line_and_none_of_the_prefix_is_lost():
    prefix = "a = 1\n" * 30 + "\n\n    "
    shown = text_of(build_at(prefix, "", layout=layouts()["chatml"]), layouts()["chatml"])
    asked, begun = shown.split("assistant\n```\n")
    lines = asked.split("Before the gap stands:\n```\n")[1].split("```")[0]
    assert lines + begun == prefix
    assert len(begun) >= 50


def test_a_model_without_the_layouts_tokens_is_refused_by_name():
    class Bare(FakeEngine):
        def special(self, name):
            return None

    hole = Hole("a", "b", "", 1)
    with pytest.raises(RequestRejected, match=r"no token <\|repo_name\|>"):
        build("r", (), hole, layout=QWEN, tokens=Tokens(Bare(lambda _: ())), budget=99)


@given(LINES, st.sampled_from([80, 600]))
def test_chunks_are_the_text_and_typing_changes_the_last_only(lines, size):
    text = "".join(lines)
    cut = list(chunks(text, size))
    assert "".join(cut) == text
    assert list(chunks(text + "more", size))[: max(0, len(cut) - 1)] == cut[:-1]
