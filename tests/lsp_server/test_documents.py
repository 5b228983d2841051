# SPDX-License-Identifier: Apache-2.0
"""P3 and P5: edits land where the editor made them, and never on a text that it no longer has."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lsp_server.documents import (
    Change,
    Document,
    Documents,
    Place,
    apply,
    file_name,
    from_text,
    path_of,
)
from lsp_server.positions import ENCODINGS

if TYPE_CHECKING:
    from pathlib import Path

URI = "file:///tmp/a.py"


# -- the reference: no strings, only a list of UTF-16 code units ------------------------------


class Reference:
    """A document as UTF-16 code units; every step is a plain loop over the protocol's text."""

    def __init__(self, text: str) -> None:
        data = text.encode("utf-16-le", "surrogatepass")
        self.units = [int.from_bytes(data[i : i + 2], "little") for i in range(0, len(data), 2)]

    @property
    def text(self) -> str:
        data = b"".join(unit.to_bytes(2, "little") for unit in self.units)
        return data.decode("utf-16-le", "surrogatepass")

    def characters(self):
        """(first unit, number of units, code point) of each character."""
        at = 0
        while at < len(self.units):
            unit = self.units[at]
            if 0xD800 <= unit < 0xDC00:
                low = self.units[at + 1]
                yield at, 2, 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00)
                at += 2
            else:
                yield at, 1, unit
                at += 1

    def unit_of(self, line: int, column: int, encoding: str) -> int:
        """The unit that a position stands before."""
        if line < 0:
            return 0
        start = 0
        for _ in range(line):
            at = start
            while at < len(self.units) and self.units[at] not in {10, 13}:
                at += 1
            if at == len(self.units):
                return at
            start = at + (2 if self.units[at : at + 2] == [13, 10] else 1)
        left = column
        for at, width, code in self.characters():
            if at < start:
                continue
            size = {
                "utf-8": len(chr(code).encode("utf-8", "surrogatepass")),
                "utf-16": width,
                "utf-32": 1,
            }[encoding]
            if code in {10, 13} or left < size:
                return at
            left -= size
        return len(self.units)

    def edit(self, change: Change, encoding: str) -> None:
        fresh = Reference(change.text).units
        if change.start is None or change.end is None:
            self.units = fresh
            return
        ends = [self.unit_of(*change.start, encoding), self.unit_of(*change.end, encoding)]
        self.units[min(ends) : max(ends)] = fresh


def lines_of(text: str) -> tuple[str, ...]:
    lines, line = [], ""
    for at, char in enumerate(text):
        line += char
        if char == "\n" or (char == "\r" and text[at + 1 : at + 2] != "\n"):
            lines.append(line)
            line = ""
    return (*lines, line)


# -- P3 ---------------------------------------------------------------------------------------

_PIECES = ["a", "bc", " ", "\n", "\r", "\r\n", "\x0c", "\x0b", "\x85", "\u2028", "\u2029"]
_PIECES += ["é", "日", "👍", "\U00010000", "e\u0301", "\ufeff", "\x1c", "\x00"]
texts = st.lists(st.sampled_from(_PIECES), max_size=12).map("".join)
# Bigger than any text above now and then, so that ranges lie past the end of line and file.
positions = st.tuples(st.integers(-1, 9), st.one_of(st.integers(-1, 14), st.just(2**31 - 1)))
edits = st.builds(Change, texts, positions, positions)
changes = st.one_of(edits, edits, edits, edits, st.builds(Change, texts))
scripts = st.tuples(texts, st.lists(st.lists(changes, max_size=4), max_size=4))


def check_p3(script, encoding) -> None:
    text, rounds = script
    document, reference = from_text(URI, text), Reference(text)
    for version, batch in enumerate(rounds, start=1):
        document = apply(document, batch, version, encoding)
        for change in batch:
            reference.edit(change, encoding)
        assert document.text == reference.text
        assert document.lines == lines_of(reference.text)
        assert document.version == version
        assert document.has_bom == reference.text.startswith("\ufeff")


@settings(max_examples=1_200, deadline=None, suppress_health_check=list(HealthCheck))
@given(scripts)
def test_p3_edits_equal_the_reference(script):
    for encoding in ENCODINGS:
        check_p3(script, encoding)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@settings(max_examples=100_000, deadline=None, suppress_health_check=list(HealthCheck))
@given(scripts)
def test_p3_edits_equal_the_reference_100_000(script):
    for encoding in ENCODINGS:
        check_p3(script, encoding)


@pytest.mark.parametrize(
    ("text", "start", "end", "insert", "expected"),
    [
        ("a\r\nb", (0, 1), (0, 1), "\r", ("a\r", "\r\n", "b")),
        ("a\n", (0, 1), (0, 1), "\r", ("a\r\n", "")),
        ("a\rb\n", (1, 0), (1, 1), "", ("a\r\n", "")),  # a CR and an LF come together
        ("a\rb", (1, 0), (1, 0), "\n", ("a\r\n", "b")),
        ("a\r\nb", (0, 1), (1, 0), "\r", ("a\r", "b")),
        ("a\x0cb\u2028c\nd", (1, 0), (1, 1), "x", ("a\x0cb\u2028c\n", "x")),
        ("", (5, 5), (9, 9), "x\n", ("x\n", "")),
        ("ab\ncd", (1, 1), (0, 1), "-", ("a-d",)),  # reversed
        ("a👍b", (0, 2), (0, 3), "", ("ab",)),  # from inside the pair
    ],
)
def test_p3_known_traps(text, start, end, insert, expected):
    changed = apply(from_text(URI, text), [Change(insert, start, end)], 2, "utf-16")
    assert changed.lines == expected


def test_p3_only_touched_lines_are_new_objects():
    before = from_text(URI, "one line\nand two\nand three\n")
    after = apply(before, [Change("x", (1, 0), (1, 0))], 2, "utf-16")
    assert after.lines[0] is before.lines[0]
    assert after.lines[2] is before.lines[2]
    assert before.lines[1] == "and two\n"


def test_half_a_character_becomes_the_replacement_character():
    """A lone surrogate can be written in JSON, but never again encoded."""
    document = from_text(URI, "a\ud83d")
    assert document.text == "a\ufffd"
    changed = apply(document, [Change("\udc4d👍", (0, 0), (0, 0))], 2, "utf-16")
    assert changed.text == "\ufffd👍a\ufffd"
    changed.text.encode()


# -- reading around a place -------------------------------------------------------------------


@given(texts, st.integers(0, 30))
def test_offsets_and_places_agree(text, offset):
    document = from_text(URI, text)
    place = document.offset_position(offset)
    assert document.offset(place) <= offset
    if offset <= len(text) and text[offset - 1 : offset + 1] != "\r\n":
        assert document.offset(place) == offset
    assert document.prefix(place) + document.suffix(place) == text


@given(texts, st.integers(0, 30), st.integers(1, 5), st.integers(0, 20))
def test_bounded_text_is_the_end_of_the_whole(text, offset, max_lines, max_chars):
    document = from_text(URI, text)
    place = document.offset_position(offset)
    before, after = document.prefix(place), document.suffix(place)
    assert document.prefix(place, max_chars=max_chars) == before[max(0, len(before) - max_chars) :]
    assert document.suffix(place, max_chars=max_chars) == after[:max_chars]
    assert document.prefix(place, max_lines=max_lines) == "".join(lines_of(before)[-max_lines:])
    assert (
        document.suffix(place, max_lines=max_lines)
        == "".join(document.lines[place.line : place.line + max_lines])[place.index :]
    )


def test_positions_of_the_editor_become_places():
    document = from_text(URI, "a👍b\r\nc")
    assert document.place(0, 3, "utf-16") == Place(0, 2)
    assert document.place(0, 99, "utf-8") == Place(0, 3)
    assert document.place(7, 0, "utf-8") == Place(1, 1)
    assert document.position(Place(0, 2), "utf-16") == (0, 3)
    assert document.position(Place(0, 2), "utf-8") == (0, 5)


# -- the store --------------------------------------------------------------------------------


def opened() -> Documents:
    store = Documents()
    store.open(URI, "python", 3, "abc")
    return store


def test_a_change_gives_the_next_version():
    store = opened()
    document, problem = store.change(URI, 4, [Change("X", (0, 1), (0, 2))], "utf-16")
    assert problem is None
    assert store.get(URI) is document
    assert (document.text, document.version, document.language_id) == ("aXc", 4, "python")


def test_p5_versions_may_jump_upwards():
    """The protocol says that numbers need not be consecutive."""
    document, problem = opened().change(URI, 9, [Change("", (0, 0), (0, 1))], "utf-16")
    assert (document.text, problem) == ("bc", None)


@pytest.mark.parametrize("version", [3, 2, -1])
def test_p5_a_stale_change_leaves_no_text_that_could_be_wrong(version):
    store = opened()
    document, problem = store.change(URI, version, [Change("X", (0, 0), (0, 0))], "utf-16")
    assert document is None
    assert problem == f"a change to version {version} came after version 3"
    assert store.get(URI) is None
    assert list(store) == []
    _, problem = store.change(URI, 5, [Change("X", (0, 0), (0, 0))], "utf-16")
    assert "not known" in problem
    assert store.get(URI) is None


def test_p5_a_whole_text_or_a_new_open_heals():
    store = opened()
    store.lose(URI)
    assert store.get(URI) is None
    store.change(URI, 4, [Change("whole")], "utf-16")
    assert store.get(URI).text == "whole"
    store.lose(URI)
    store.open(URI, "python", 1, "again")
    assert store.get(URI).text == "again"


def test_unknown_documents_are_a_problem_not_an_error():
    store = Documents()
    assert store.change(URI, 1, [Change("x")], "utf-16") == (
        None,
        "a change to a document that is not open was ignored",
    )
    assert store.close(URI) == "a document that is not open was closed"
    store.lose(URI)
    store.open(URI, "python", 1, "x")
    assert store.close(URI) is None
    assert store.get(URI) is None


# -- URIs -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("uri", "posix", "windows"),
    [
        ("file:///home/a/b.py", "/home/a/b.py", None),
        ("file:///a%20b/%C3%A9.py", "/a b/é.py", None),
        ("FILE:///a", "/a", None),
        ("file:/a/b", "/a/b", None),
        ("file://localhost/a", "/a", None),
        ("file:///a#b?c", "/a#b?c", None),
        ("file:///c%3A/x/y.py", "/c:/x/y.py", "c:\\x\\y.py"),
        ("file:///C:/x", "/C:/x", "C:\\x"),
        ("file://server/share/x.py", None, "\\\\server\\share\\x.py"),
        ("untitled:Untitled-1", None, None),
        ("vscode-notebook-cell:/a/b", None, None),
        ("file:///a%00b", None, None),
        ("file:relative", None, None),
        ("", None, None),
    ],
)
def test_file_uris_of_both_kinds_of_system(uri, posix, windows):
    assert file_name(uri, windows=False) == posix
    assert file_name(uri, windows=True) == windows


def test_a_document_knows_its_path(tmp_path: Path):
    file = tmp_path / "ä b#1.py"
    assert path_of(file.as_uri()) == file
    document: Document = from_text(file.as_uri(), "")
    assert document.path == file
    assert document.lines == ("",)
    assert from_text("untitled:1", "").path is None
