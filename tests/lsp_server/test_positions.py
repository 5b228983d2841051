# SPDX-License-Identifier: Apache-2.0
"""P4: every place in nasty lines, in three encodings, there and back."""

from __future__ import annotations

import pytest

from lsp_server.positions import (
    ENCODINGS,
    content_length,
    from_offset,
    to_column,
    to_index,
    to_offset,
)

NASTY_LINES = [
    "",
    "\n",
    "\r\n",
    "\r",
    "plain ascii",
    "tab\tand ff\x0c vt\x0b nel\x85 ls\u2028 ps\u2029 end\r\n",
    "\ufeffbom first\n",
    "é",
    "naïve café\n",
    "日本語のコード\r",
    "👍",
    "a👍b👍👍c\r\n",
    "👩‍👩‍👧‍👦 family, joined\n",
    "e\u0301 combining\n",
    "\U0010ffff\ud7ff\ue000\uffff\n",
    "mixed é日👍 x\u0800y\u07ffz\U00010000\r\n",
]


def units(text: str, encoding: str) -> int:
    """Code units, counted from the definition of each encoding, character by character."""
    if encoding == "utf-32":
        return len(text)
    if encoding == "utf-16":
        return sum(2 if ord(char) > 0xFFFF else 1 for char in text)
    return sum(1 + (ord(c) > 0x7F) + (ord(c) > 0x7FF) + (ord(c) > 0xFFFF) for c in text)


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("line", NASTY_LINES)
def test_p4_every_place_goes_there_and_back(line, encoding):
    for index in range(content_length(line) + 1):
        column = to_column(line, index, encoding)
        assert column == units(line[:index], encoding)
        assert to_index(line, column, encoding) == index


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("line", NASTY_LINES)
def test_p4_a_column_inside_a_character_is_its_start(line, encoding):
    for index, char in enumerate(line[: content_length(line)]):
        first = units(line[:index], encoding)
        for inside in range(first, first + units(char, encoding)):
            assert to_index(line, inside, encoding) == index


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("line", NASTY_LINES)
@pytest.mark.parametrize("column", [10**3, 2**31 - 1, 2**40])
def test_p4_past_the_end_is_before_the_terminator(line, encoding, column):
    end = content_length(line)
    assert to_index(line, column, encoding) == end
    assert to_column(line, column, encoding) == units(line[:end], encoding)
    assert line[end:] in {"", "\n", "\r", "\r\n"}


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_p4_a_negative_column_is_the_start(encoding):
    assert to_index("é👍", -1, encoding) == 0
    assert to_column("é👍", -1, encoding) == 0


@pytest.mark.parametrize("line", NASTY_LINES)
def test_p4_utf8_offsets_go_there_and_back_over_terminators_too(line):
    for index in range(len(line) + 1):
        offset = to_offset(line, index)
        assert offset == len(line[:index].encode())
        assert from_offset(line, offset) == index
    assert from_offset(line, to_offset(line, 10**6) + 7) == len(line)
    assert from_offset("a👍b", 3) == 1
    assert (to_offset(line, -3), from_offset(line, -3)) == (0, 0)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_lone_surrogates_do_not_raise(encoding):
    """Documents replace them, but a wrong call must not end a server."""
    assert to_index("a\ud800b", 2, encoding) in {1, 2}
    assert to_column("a\ud800b", 2, encoding) >= 2
