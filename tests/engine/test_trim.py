# SPDX-License-Identifier: Apache-2.0
"""What is shown of what a model writes: a table a rule (E9, S7)."""

from __future__ import annotations

import unicodedata

import pytest
from checks import check_trim, gap_at
from fixture import marked
from hypothesis import given
from hypothesis import strategies as st

from engine.trim import LONGEST_LINE_CHARS, MAX_LINES, enough, trim

BODY = """
def area(self):
    $0

def other(self):
    pass
"""
MID_LINE = """
def area(self):
    return $0
"""

TABLE = {
    # rule: (text, raw, expected)
    "single_line": (MID_LINE, "self.a\n    # and more", "self.a"),
    "invisible": (MID_LINE, "self.a\u202eb", "self.a"),
    "preamble": (BODY, "Here is the body:\n\n```python\nreturn 1\n", "return 1"),
    "fences": (BODY, "```python\nreturn 1\n```\nHere is", "return 1"),
    "odd_indent": (BODY, " return 1", "return 1"),
    "long_lines": (BODY, "a = 1\n    b = " + "x" * LONGEST_LINE_CHARS, "a = 1"),
    "repetition": (BODY, "a = '" + "lol" * 8, "a = 'lol"),
    "repeated_lines": (BODY, "a = 1\n    b()\n    c()\n    b()\n    b()\n", None),
    "line_below": (BODY, "return 1\n\ndef other(self):\n    pass", "return 1"),
    "scope": (BODY, "return 1\n\nclass Next:\n    pass", "return 1"),
    "blank_gap": (BODY, "a = 1\n\n\n    b = 2", "a = 1"),
    "max_lines": (BODY, "\n    ".join(f"a{n} = {n}" for n in range(40)), None),
    "rest_of_line": ("call($0)\n", "a, b)", "a, b"),
    "rewrites_above": ("import os\n$0\n", "import os", ""),
    "trailing_space": (BODY, "return 1\n   \n", "return 1"),
    "too_short": (BODY, "a", ""),
}


@pytest.mark.parametrize("rule", TABLE)
def test_rule(rule):
    text, raw, expected = TABLE[rule]
    if expected is None:
        expected = trim(raw, gap_at(marked(text)))[0]
        assert len(expected) < len(raw)
        assert raw.startswith(expected)
    check_trim(text, raw, expected, rule)


@pytest.mark.parametrize(
    ("text", "raw", "expected"),
    [
        pytest.param("x = [$0]\n", "1, 2, 3]", "1, 2, 3", id="closer of the line is not doubled"),
        pytest.param("if a:\n    $0\nelse:\n    c()\n", "b()\nelse:\n    d()", "b()", id="else"),
        pytest.param(
            "f = {\n    'a': 1,\n    $0\n", "'b': 2,\n}\ng = 1", "'b': 2,\n}", id="closing line"
        ),
        pytest.param("f(\n    a,\n    $0\n)\n", "b,\n)\nc", "b,", id="closing line is there"),
        pytest.param("def f():$0\n", "\n    return 1\n", "\n    return 1", id="behind an opener"),
        pytest.param("a = 1 $0\n", " # one", " # one", id="two spaces before a comment"),
        pytest.param("$0\n", "def f():\n    pass\n\n\ndef g():\n    pass", None, id="top level"),
        pytest.param("a = $0\n", "", "", id="nothing"),
        pytest.param("a = $0\n", " \n\t\n", "", id="only white space"),
    ],
)
def test_place(text, raw, expected):
    check_trim(text, raw, raw if expected is None else expected)


@pytest.mark.parametrize(
    "raw",
    ["x" * 10_000_000, "ab\x00cd", "\x1b[31mred", "a\u200bb", "\ud800"],
    ids=["10 MB without a newline", "NUL", "ANSI", "zero-width", "lone surrogate"],
)
def test_E9_garbage_never_reaches_the_editor(raw):
    shown, _ = trim(raw, gap_at(marked(BODY)))
    assert len(shown) <= LONGEST_LINE_CHARS
    assert not any(unicodedata.category(c) in ("Cc", "Cf", "Cs") for c in shown)


CHAT = {
    "a fence alone": ("```\nself.a\n```", "self.a"),
    "a greeting": ("Sure! The missing code:\n```python\nself.a\n```\nIt returns a.", "self.a"),
    "talk behind the begun answer": ("self.a\n```\n\nThis returns the area.", "self.a"),
    "nothing but a fence": ("```", ""),
    "an empty fence": ("```\n```", ""),
    "prose that begins like a greeting": ("Here is no code\nat all", "Here is no code"),
    "half a greeting": ("Here is", "Here is"),
}


@pytest.mark.parametrize(("raw", "expected"), CHAT.values(), ids=CHAT)
def test_what_chat_models_say_around_code_is_dropped(raw, expected):
    assert trim(raw, gap_at(marked(MID_LINE)))[0] == expected


@pytest.mark.parametrize("text", [MID_LINE, BODY], ids=["mid line", "body"])
@pytest.mark.parametrize(("raw", "expected"), CHAT.values(), ids=CHAT)
def test_a_chat_answer_streams_to_the_same_text(text, raw, expected):
    """`enough` must not stop at the greeting's line break, and has to at the fence's end."""
    gap = gap_at(marked(text))
    stop = next((n for n in range(1, len(raw) + 1) if enough(raw[:n], gap)), len(raw))
    assert trim(raw[:stop], gap)[0] == trim(raw, gap)[0]
    if "```\n\nThis" in raw:
        assert stop <= raw.index("This")


@pytest.mark.parametrize(
    ("text", "raw"),
    [
        (MID_LINE, "self.a\n    b = 1\n"),
        (BODY, "x" * (LONGEST_LINE_CHARS + 1)),
        (BODY, "a\n\ndef other(self):\n"),
    ],
    ids=["one line", "endless line", "line below"],
)
def test_enough_stops_a_stream_that_has_nothing_more_to_give(text, raw):
    assert enough(raw, gap_at(marked(text)))


TEXT = st.lists(
    st.sampled_from(
        ["a = 1", "    b()", "\n", "\n\n", "}", ")", "else:", "\t", "\u202e", "```", "é"]
    ),
    max_size=30,
).map("".join)


@given(raw=TEXT, more=TEXT)
def test_enough_is_right_more_text_changes_nothing(raw, more):
    gap = gap_at(marked(BODY))
    if enough(raw, gap) and "```" not in raw + more:
        shown, later = trim(raw, gap)[0], trim(raw + more, gap)[0]
        # Repetitions show only with more text; nothing is ever added to what was enough.
        assert len(later) <= max(len(shown), len(raw))


@given(raw=TEXT, text=TEXT)
def test_trim_never_raises_and_is_settled(raw, text):
    gap = gap_at(marked(f"{text}$0"))
    shown, _ = trim(raw, gap)
    assert trim(shown, gap)[0] in (shown, "") or shown.startswith(trim(shown, gap)[0])
    assert shown.count("\n") < MAX_LINES
