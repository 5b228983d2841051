# SPDX-License-Identifier: Apache-2.0
"""What holds of every suggestion, whatever the model writes and wherever the cursor stands."""

from __future__ import annotations

import unicodedata

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.rules.form import SPECIAL
from engine.rules.gap import says_something
from engine.trim import LONGEST_LINE_CHARS, MAX_LINES, Gap, enough, trim

WORDS = (
    *("a = 1", "foo(bar)", "x", "if a:", "if (a) {", "} else {", "return x", "end", "self.a, "),
    *("    ", "  ", "\t", "\n", "\n", "\n    ", "\n\t", "\r\n", " "),
    *("(", ")", "[", "]", "{", "}", "'", '"', "`", ";", ",", "#", "//", " * ", "é", "😀"),
    *(
        "<|",
        "im_end",
        "|>",
        "<|im_end|>",
        "<fim_",
        "prefix>",
        "</s>",
        "```",
        "```py\n",
        "Here is\n",
    ),
    *("\u202e", "\x1b[31m", "\x00", "\ud800", "\u200b", "\u2028", "\ufffd"),
)
LINE = st.sampled_from(
    (
        "",
        "    ",
        "\t",
        "a = 1",
        "    a = 1",
        "    }",
        "}",
        ")",
        "if a:",
        "    foo(bar)",
        "end",
        " *",
    )
)
RAW = st.lists(st.sampled_from(WORDS), max_size=25).map("".join) | st.lists(
    LINE, min_size=1, max_size=8
).map("\n".join)
HALF = st.sampled_from(
    ("", "    ", "\t", "x = ", "    foo(", "if (a) {", 'print("', ")", '")', "};")
)


@st.composite
def gaps(draw):
    above, below = (draw(st.lists(LINE, max_size=4)) for _ in range(2))
    return Gap(
        before=draw(HALF),
        after=draw(HALF),
        above=next((line for line in reversed(above) if line.strip()), ""),
        below=next((line for line in below if line.strip()), ""),
        multiline=draw(st.booleans()),
        above_lines=tuple(above),
        below_lines=tuple(below),
        lines=draw(st.sampled_from(("auto", "one", "many"))),
        unit=draw(st.sampled_from(("", "\t", "  ", "    "))),
        code=draw(st.booleans()),
    )


@given(RAW, gaps())
@settings(max_examples=120)
def test_S7_nothing_unseen_and_no_special_token_is_ever_shown(raw, gap):
    shown, _ = trim(raw, gap)
    assert SPECIAL.search(shown) is None
    assert "```" not in shown
    assert not [
        c for c in shown if c not in "\n\t" and unicodedata.category(c) in ("Cc", "Cf", "Cs")
    ]
    assert shown.count("\n") < MAX_LINES
    assert max(map(len, shown.split("\n"))) <= LONGEST_LINE_CHARS


@given(RAW, gaps())
@settings(max_examples=120)
def test_what_is_shown_is_settled(raw, gap):
    """Trimmed again, it stays."""
    shown, _ = trim(raw, gap)
    assert trim(shown, gap)[0] == shown


@given(RAW, gaps())
@settings(max_examples=120)
def test_the_line_below_is_never_written_a_second_time(raw, gap):
    shown, _ = trim(raw, gap)
    lines = (gap.before + shown + gap.after).split("\n")
    if shown and says_something(gap.below):
        assert gap.below.strip() not in [line.strip() for line in lines]


@given(RAW, RAW, gaps())
@settings(max_examples=120)
def test_a_stream_that_was_enough_shows_what_the_whole_shows(raw, more, gap):
    """Up to what only more text can tell: a repetition, a token that goes on, a unit of indent."""
    if enough(raw, gap) and not gap.unit:
        shown, _ = trim(raw, gap)
        later, fired = trim(raw + more, gap)
        only_later = {"repetition", "half_token", "dangling", "too_short"} & set(fired)
        assert only_later or later in {shown, ""} or shown.startswith(later)


@given(st.text(max_size=300), gaps())
def test_any_text_is_borne(raw, gap):
    trim(raw, gap)
    enough(raw, gap)
