# SPDX-License-Identifier: Apache-2.0
"""Rows and tables of numbers, against the dictionaries that they stand for."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from indexer import rows as rows_module
from indexer import table as table_module
from indexer.rows import NO_ROWS, FileRow
from indexer.table import Table

PATHS = st.sampled_from("abcdef")
ROWS = st.builds(
    FileRow, st.integers(0, 9), st.sampled_from(["", "binary"]), st.just(7), st.just(8)
)


@given(
    st.lists(st.tuples(st.dictionaries(PATHS, ROWS), st.sets(PATHS), st.booleans())),
    st.sampled_from([0, 3, 1000]),
)
def test_rows_are_what_a_dictionary_would_be_and_never_change(changes, many) -> None:
    """Danger: a file that is gone shines through, or a snapshot changes under who asks it."""
    found, model, before = NO_ROWS, {}, []
    rows_module.CHANGES_MIN = many
    for some, dropped, pack in changes:
        gone = dropped - some.keys()
        before.append((found, dict(model)))
        found = found.changed(some, gone)
        found = found.packed() if pack else found
        model = {p: row for p, row in {**model, **some}.items() if p not in gone}
        assert found == model and len(found) == len(model) and sorted(found) == sorted(model)
        for path in "abcdefg":
            assert found.get(path) == model.get(path) and (path in found) == (path in model)
            assert found.blob(path) == (model[path].blob if path in model else 0)
        assert found.blobs() == {path: row.blob for path, row in model.items() if row.blob}
        assert found.only(NO_ROWS) == {}
    assert all(old == what for old, what in before)
    rows_module.CHANGES_MIN = 1_000


NUMBERS = st.integers(0, 6)


@given(
    st.lists(
        st.tuples(st.sampled_from(["set", "append", "discard", "pack", "keep"]), NUMBERS, NUMBERS)
    ),
    st.sampled_from([0, 1000]),
)
def test_a_table_is_what_lists_would_be(changes, many) -> None:
    """Danger: an edge that is lost, or stays, when rows are packed or kept."""
    table, model = Table("I"), {n: [] for n in range(7)}
    table_module.PACK_MIN = many
    for what, number, value in changes:
        if what == "set":
            table[number] = model[number] = [value, value + 1]
            model[number] = [value, value + 1]
        elif what == "append":
            table.append(number, value)
            model[number].append(value)
        elif what == "discard" and value in model[number]:
            table.discard(number, value)
            model[number].remove(value)
        elif what == "pack":
            table.pack()
        elif what == "keep":
            table = Table("I", *table.to_bytes())
        assert {n: [*table[n]] for n in range(7)} == model
        assert {n: [*row] for n, row in table.filled()} == {n: r for n, r in model.items() if r}
    table_module.PACK_MIN = 2_000
