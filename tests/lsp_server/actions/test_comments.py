# SPDX-License-Identifier: Apache-2.0
"""Comments that come back: all of those whose code stands, none twice, and nothing else changes."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from lsp_server.actions.comments import restored

WORDS = st.text("abc é'\"", min_size=1, max_size=8).map(lambda text: "# " + text.strip())
ROWS = st.lists(
    st.tuples(st.lists(WORDS, max_size=2), st.none() | WORDS, st.booleans()), min_size=1, max_size=8
)


def _text(rows, *, comments, left=()):
    """A function with a line of code for each row, some of which are `left` out."""
    lines = ["def f(x):"]
    for number, (above, behind, _) in enumerate(rows):
        if number in left:
            continue
        unique = [f"{each} {number}.{at}" for at, each in enumerate([*above, behind or ""])]
        lines += [f"    {each}" for each in unique[:-1]] if comments else []
        tail = f"  {unique[-1]}" if behind and comments else ""
        lines.append(
            f"    x = x + {number}  # kept"
            if not behind and number % 2
            else f"    x = {number}{tail}"
        )
    return "\n".join(lines)


@given(ROWS)
@settings(max_examples=60, deadline=None)
def test_what_was_dropped_comes_back_where_its_code_stands(rows):
    whole = _text(rows, comments=True)
    left = {number for number, row in enumerate(rows) if row[2]}
    wanted = _text(rows, comments=True, left=left)
    assert restored("python", whole, _text(rows, comments=False, left=left)) == wanted
    assert restored("python", whole, whole) == whole


def test_a_comment_goes_with_its_code_and_is_not_doubled():
    before = "def f(x):\n    # a\n    y = 1\n    # b\n    return y  # c\n"
    assert restored("python", before, "def f(x):\n    return 1\n") == "def f(x):\n    return 1\n"
    moved = "def f(x):\n    # b\n    y = 1\n    return y  # new\n"
    wanted = "def f(x):\n    # b\n    # a\n    y = 1\n    return y  # new\n"
    assert restored("python", before, moved) == wanted


def test_signs_of_comments_in_strings_are_code():
    before = 'def f():\n    x = "# a"\n    # b\n    return """\n# c\n"""\n'
    after = 'def f():\n    return """\n# c\n"""\n'
    wanted = 'def f():\n    # b\n    return """\n# c\n"""\n'
    assert restored("python", before, after) == wanted
