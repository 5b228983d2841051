# SPDX-License-Identifier: Apache-2.0
"""Functions moved out of functions: a selection between two `$0`, the whole text after it.

Each row is one hard case. A row whose text after is one line is the reason for a refusal.
"""

from textwrap import dedent

import pytest
from extraction_cases import REFUSED, TAKEN
from fixture import CURSOR

from indexer.extraction import plan
from indexer.extraction_shape import CannotExtract
from indexer.window import parse


def planned(language, before):
    text = dedent(before).removeprefix("\n")
    start, end = text.index(CURSOR), text.rindex(CURSOR) - len(CURSOR)
    data = text.replace(CURSOR, "").encode()
    at = [len(text[:start].encode()), len(text.replace(CURSOR, "")[:end].encode())]
    return plan(language, data, *at)


@pytest.mark.parametrize(("language", "case"), TAKEN)
def test_it_is_moved_out(language, case):
    before, expected = TAKEN[language, case]
    after = planned(language, before).apply("part").decode()
    assert after == dedent(expected).removeprefix("\n")
    assert parse(language, after.encode(), float("inf"))[1] == 0


@pytest.mark.parametrize(("language", "case"), REFUSED)
def test_it_is_refused_with_the_reason(language, case):
    before, reason = REFUSED[language, case]
    with pytest.raises(CannotExtract) as error:
        planned(language, before)
    assert str(error.value) == reason
    assert "\n" not in reason


def test_line_ends_tabs_and_the_inside_of_strings_are_kept_byte_for_byte():
    """I3, and: an indentation inside of a string is text, not layout."""
    data = (
        b"\xef\xbb\xbfdef f(a):\r\n\tif a:\r\n\t\tb = '''x\r\n\t\ty\r\n  z'''\r\n"
        b"\t\t# \xc3\xa9\r\n\r\n\t\tc = b\r\n\t\tprint(c)\r\n"
    )
    start, end = data.index(b"b ="), data.index(b"\r\n\t\tprint")
    assert plan("python", data, start, end).apply("part", "Says.") == (
        b"\xef\xbb\xbfdef part():\r\n\t\"\"\"Says.\"\"\"\r\n\tb = '''x\r\n\t\ty\r\n  z'''\r\n"
        b"\t# \xc3\xa9\r\n\r\n\tc = b\r\n\treturn c\r\n\r\n\r\n"
        b"def f(a):\r\n\tif a:\r\n\t\tc = part()\r\n\t\tprint(c)\r\n"
    )


SNAPS = {
    "white space around": "def f(a):\n$0    b = a\n    print(b)\n$0",
    "inside of simple statements": "def f(a):\n    b = $0a\n    prin$0t(b)\n",
    "with a comment above": "def f(a):\n    $0# why\n    b = a\n    print(b)$0\n",
    "with a comment below": "def f(a):\n    $0b = a\n    print(b)\n    # why$0\n",
}


@pytest.mark.parametrize("case", SNAPS)
def test_a_selection_snaps_to_whole_statements(case):
    after = planned("python", SNAPS[case]).apply("part").decode()
    assert "    b = a\n    print(b)\n" in after.partition("def f")[0]
    assert "b = a" not in after.partition("def f")[2]


NO_NAMES = ["", "f", "a", "if", "match", "x y", "__x__", "é", "_", "x" * 61, "1a", "a-b"]


@pytest.mark.parametrize("name", NO_NAMES)
def test_a_name_that_is_taken_or_none_is_not_used(name):
    found = planned("python", "def f(a):\n    $0b = a\n    print(b)$0\n")
    assert not found.may_be_named(name)
    assert found.may_be_named("part") and found.may_be_named(found.default_name)


def test_a_default_name_is_free():
    text = "def f(a):\n    $0b = a$0\n    return b, compute_b, compute_b_2\n"
    assert planned("python", text).default_name == "compute_b_3"
