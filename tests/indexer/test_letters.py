# SPDX-License-Identifier: Apache-2.0
"""Names by the letters that somebody types."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer import library
from indexer.letters import Letters
from indexer.library import Library
from indexer.store import Counts, Entry, Store
from indexer.types import pack_record

NAMES = ["getPrice", "grip", "the_xylophone", "100%", "back\\slash", "thé", "GETPRICE", "[a]"]


def in_order(letters: str, name: str) -> bool:
    rest = iter(name.lower())
    return all(letter in rest for letter in letters.lower())


@pytest.mark.parametrize(
    "letters", ["gp", "GP", "getprice", "e_x", "100%", "\\", "", "é", "[", "zz", ".", "ce"]
)
def test_names_are_found_by_their_letters(letters: str) -> None:
    known = Letters()
    known.add(NAMES)
    known.add(NAMES)
    assert sorted(known.like(letters, 99)) == sorted(n for n in NAMES if in_order(letters, n))


TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8)


@given(st.lists(st.lists(TEXT, max_size=6), max_size=6), st.text("abAB_1é", max_size=4))
def test_whatever_was_added_is_found_once_before_and_after_it_was_kept(batches, letters) -> None:
    """Danger: a symbol that exists and is not found, or one that is listed twice."""
    known = Letters()
    for names in batches:
        known.add(names)
    wanted = sorted({n for names in batches for n in names if in_order(letters, n)})
    assert sorted(known.like(letters, 99)) == wanted
    assert sorted(Letters.from_bytes(known.to_bytes()).like(letters, 99)) == wanted


def test_names_with_few_other_letters_come_first() -> None:
    known = Letters()
    known.add(["get_price_of_all_the_boxes", "gp", "group"])
    assert known.like("gp", 2) == ["gp", "group"]


@pytest.mark.parametrize("data", [b"", b"\xc1", b"\x94\x63\x00\x90\x90", b"\x91\x01", b"\x01"])
def test_I9_what_is_no_such_blob_is_a_value_error(data: bytes) -> None:
    with pytest.raises(ValueError):
        Letters.from_bytes(data)


def test_I12_names_of_another_server_are_followed(tmp_path) -> None:
    """Danger: a symbol that another editor's server indexed is found only after a restart."""
    ours, other = Library(tmp_path, "/r"), Store.open(tmp_path, "/r")

    def put(n: int, *names: str) -> None:
        counts = Counts("x", len(names), 0, 0, 0)
        rows = [(name, "class", 0, 1, 1, 1, 0, 1, 0, -1, "", "", "", ()) for name in names]
        record = pack_record("x", "A", n, rows)
        other.write([Entry(f"{n}", f"{n}", "", 1, 1, record, frozenset(names), counts)])

    put(1, "alpha")
    assert ours.names_like("alp", 9) == ["alpha"]
    put(2, "alpine")
    assert sorted(ours.names_like("alp", 9)) == ["alpha", "alpine"]
    other.close()
    ours.close()
    again = Library(tmp_path, "/r")
    assert sorted(again.names_like("alp", 9)) == ["alpha", "alpine"]
    assert again._letters_kept == again.store.last_blob() == 2  # not made anew
    again.close()


def test_P9_what_was_never_asked_for_is_kept_for_the_next_start(tmp_path) -> None:
    """Danger: the first question after a cold index works out all names before it is answered."""
    first = Library(tmp_path, "/r")
    first.store.write([Entry("a", "a", "", 1, 1, pack_record("x", "A", 1), frozenset(["alpha"]))])
    first.close()
    again = Library(tmp_path, "/r")
    assert Letters.from_bytes(again.store.derived("letters") or b"").like("al", 9) == ["alpha"]
    again.close()


def test_P9_a_question_does_not_wait_for_a_great_many_names(tmp_path, monkeypatch) -> None:
    """Danger: a lookup during the first index of a large repository takes a second."""
    monkeypatch.setattr(library, "FOLLOWED_MAX", 1)
    monkeypatch.setattr(library, "AWAITED_MAX", 3)
    monkeypatch.setattr(library, "NAMES_A_STEP", 2)
    ours = Library(None, "/r")

    def put(first: int, last: int) -> None:
        ours.store.write(
            [
                Entry(f"{n}", f"{n}", "", 1, 1, pack_record("x", "A", n), frozenset([f"name{n}"]))
                for n in range(first, last)
            ]
        )

    put(0, 3)
    assert len(ours.names_like("name", 99)) == 3
    put(3, 9)
    assert len(ours.names_like("name", 99)) == 3
    ours.follow_names()
    assert sorted(ours.names_like("name", 99)) == [f"name{n}" for n in range(9)]
    ours.close()
