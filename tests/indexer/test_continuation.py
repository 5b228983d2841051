# SPDX-License-Identifier: Apache-2.0
"""Pieces of a line that texts at hand make certain: found by tokens, never invented, quick."""

import time
from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexer.continuation import PIECES_MAX, flat, pieces

IDIOM = "conn = pool.acquire()\ntry:\n    run(conn)\nfinally:\n    pool.release(conn)\n"


def going_on(before, below="", near=""):
    texts = (flat_before(before), flat(below.split("\n")), flat(near.split("\n")))
    return list(pieces(texts[0], texts))


def flat_before(before):
    *lines, last = before.split("\n")
    return flat(lines) + last.lstrip()


def joined(found):
    return "".join(piece.text for piece in found)


# what stands in other files | typed before the cursor | what may come next
TABLE = [
    ("the rest of a line", IDIOM, "conn = po", "ol.acquire()"),
    ("another indentation", IDIOM, "if x:\n        run(", "conn)"),
    ("after a line that is shared", IDIOM, "    finally:\n        ", "pool.release(conn)"),
    ("words that only contain it", "reset()\nunset()\n", "x = se", ""),
    ("a word, whatever is before it", "total_amount = 1\n", "x.total_am", "ount = 1"),
    ("one letter is not enough", "total_amount = 1\n", "x.t", ""),
    ("the longest match counts", "a.get(key)\na.get(key)\nb.get(name)\n", "b.get(", "name)"),
    ("not over the end of the line", "one()\ntwo()\n", "one()", ""),
    ("not from one file into the next", "one(\n\0\ntwo()\n", "one(", ""),
    ("nothing like it", IDIOM, "zebra", ""),
    ("nothing at all", "", "", ""),
]


@pytest.mark.parametrize(("near", "before", "expected"), [row[1:] for row in TABLE],
                         ids=[row[0] for row in TABLE])  # fmt: skip
def test_what_comes_next(near, before, expected):
    assert joined(going_on(before, near=near)) == expected


def test_the_cursors_own_place_is_no_evidence():
    assert not going_on("alpha beta")
    assert joined(going_on("alpha beta gamma\nalpha be")) == "ta gamma"
    assert joined(going_on("alpha be", below="alpha beta gamma")) == "ta gamma"


def test_evidence_says_how_many_agree():
    two = going_on("run(", near="run(one)\nrun(two)\nrun(one)\n")[0]
    assert two.text == "one" and two.evidence.share == pytest.approx(2 / 3)
    assert two.evidence.places == 2 and not two.evidence.own
    assert going_on("run(one)\nrun(")[0].evidence.own


def test_more_evidence_is_more_certain():
    """Precision comes first: what is doubtful must not look like what is sure."""
    sure = going_on("x = 1\ny = load(", near="x = 1\ny = load(path)\n")[0].evidence
    less = going_on("z\nload(", near="x = 1\ny = load(path)\n")[0].evidence
    doubtful = going_on("z\nload(", near="x = load(path)\ny = load(name)\nz = load(root)\n")[0]
    assert sure.certainty > less.certainty > doubtful.evidence.certainty
    assert doubtful.evidence.certainty < 0.5


@settings(max_examples=50)
@given(
    st.lists(st.text(st.sampled_from("ab_.( )\n\té\0"), max_size=40), min_size=3, max_size=3),
    st.text(st.sampled_from("ab_.( \n"), max_size=30),
)
def test_pieces_stand_in_a_text_behind_the_last_token(texts, before):
    """Never invented: what is said stands behind the same character somewhere."""
    flats = (flat_before(before), *(flat(text.split("\n")) for text in texts[1:]))
    text = joined(pieces(flats[0], flats))
    assert "\n" not in text
    if text:
        assert any(flats[0][-1] + text in each for each in flats)


@settings(max_examples=50)
@given(st.text(max_size=60), st.text(max_size=60))
def test_any_text_is_taken(before, other):
    assert len(list(pieces(before, (before, "", other)))) <= PIECES_MAX


@pytest.mark.parametrize("unit", ["a", "ab ", "(", "ab\n", "é", "self.x = x\n", " "])
@pytest.mark.parametrize("tail", ["", "a", "ab", "ab (", "zz"])
def test_R_endless_repetition_takes_no_time(unit, tail):
    """The event loop waits for it: minified code and data must not stop it."""
    text = unit * (128 * 1024 // len(unit))
    before = text + tail
    started = time.process_time()
    list(islice(pieces(before, (before, text, text)), PIECES_MAX))
    assert time.process_time() - started < 0.2
