# SPDX-License-Identifier: Apache-2.0
"""Reading what models write: code out of fences and talk, in the indentation of the file."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lsp_server.actions import wording

CODE = "def f():\n    return 1"
PIECES = st.lists(st.sampled_from(["x", "if x:", "y = 1", ""]), min_size=1, max_size=6)


@pytest.mark.parametrize(
    "answer",
    [
        CODE,
        f"```python\n{CODE}\n```",
        f"```\n{CODE}\n```\n",
        f"~~~py\n{CODE}\n~~~",
        f"Sure! Here is it:\n\n```python\n{CODE}\n```\n\nThis returns 1.",
        f"Here's the code:\n\n{CODE}\n\nThis function returns 1.",
        f"```python\n{CODE}",
        f"<think>\n```python\ndef wrong(): pass\n```\n</think>\n```python\n{CODE}\n```",
        f"```python\r\n{CODE}\r\n```".replace("\n    ", "\r\n    "),
        f"  ```python\n{CODE}\n  ```",
        f"Install it:\n```sh\npip install x\n```\nthen\n```python\n{CODE}\n```",
    ],
)
def test_the_code_is_found_in_what_stands_around_it(answer):
    assert wording.code_of(answer, lambda block: "f()" in block).strip("\n") == CODE


@pytest.mark.parametrize(
    ("answer", "prose"),
    [
        (f"It is so.\n```python\n{CODE}\n```\nAnd so.", "It is so. And so."),
        (f"```python\n{CODE}\n```", ""),
        ("Cause: a\nb", "Cause: a b"),
    ],
)
def test_the_prose_is_what_stands_outside_of_fences(answer, prose):
    assert wording.prose_of(answer) == prose


def test_code_with_fences_in_it_is_fenced_by_longer_ones():
    code = 'x = """\n```python\n```\n"""'
    shown = wording.fenced(code, "python")
    assert wording.code_of(shown) == code


@pytest.mark.parametrize(
    ("code", "base", "unit", "expected"),
    [
        ("def f():\n    if x:\n        y()", "", "\t", "def f():\n\tif x:\n\t\ty()"),
        (
            "def f():\n  if x:\n    y()",
            "    ",
            "    ",
            "    def f():\n        if x:\n            y()",
        ),
        ("    def f():\n        x()", "\t", "\t", "\tdef f():\n\t\tx()"),
        ("def f():\n\tx()", "  ", "  ", "  def f():\n    x()"),
        ("f(a,\n  b)", "    ", "    ", "    f(a,\n        b)"),
        ("if x {\n\ty\n}", "\t", "\t", "\tif x {\n\t\ty\n\t}"),
        ("x\n\n\ny", "  ", "  ", "  x\n\n\n  y"),
    ],
)
def test_indentation_becomes_that_of_the_file(code, base, unit, expected):
    assert wording.fitted(code, base=base, unit=unit, inside=frozenset()) == expected


def test_lines_of_a_string_that_were_shown_stay_as_they_were():
    kept = '\tx = """\n  two\n\t\tsix\n"""'
    shown = wording.dedented(kept, "\t")
    fitted = wording.fitted(shown, base="\t", unit="\t", kept=kept, inside=frozenset((1, 2, 3)))
    assert fitted == kept


@given(PIECES, st.sampled_from(["", "  ", "    ", "\t"]), st.integers(0, 3))
def test_what_is_shown_and_given_back_is_what_was_there(words, unit, depth):
    """S6: an answer that repeats the code changes nothing."""
    base = unit * depth
    lines = [
        f"{base}{unit * (n % 2)}{word}".rstrip() if word else "" for n, word in enumerate(words)
    ]
    text = "\n".join([f"{base}head", *lines, f"{base}end"])
    shown = wording.dedented(text, base)
    answer = wording.code_of(f"Here is it:\n{wording.fenced(shown, 'python')}\n")
    assert wording.fitted(answer, base=base, unit=unit, kept=text, inside=frozenset()) == text


@given(st.text(max_size=200))
def test_no_answer_makes_reading_fail(answer):
    code = wording.code_of(answer)
    wording.prose_of(answer)
    wording.fitted(code or "x", base="  ", unit="  ", inside=frozenset())
