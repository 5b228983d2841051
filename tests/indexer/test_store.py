# SPDX-License-Identifier: Apache-2.0
"""The store alone: what is written comes back, or is missing; never something else."""

from __future__ import annotations

import itertools
import random
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexer import store as store_module
from indexer.database import StoreError, Unwritable
from indexer.store import Counts, Entry, Store, store_name
from indexer.types import pack_record

RECORD = pack_record("python", "A", 1)
ROOT = Path(__file__).resolve().parents[2]


def entry(path: str, key: str, *names: str, record: bytes | None = RECORD) -> Entry:
    return Entry(path, key, "", 1, 1, record, frozenset(names), Counts("python", 1, 2, 3, 4))


@pytest.fixture
def store(tmp_path: Path):
    made = Store(tmp_path / "index.sqlite3")
    yield made
    made.close()


def test_rows_records_and_names_come_back(store: Store) -> None:
    rows = store.write([entry("a.py", "k1", "Cart"), entry("b.py", "k1", "Cart"), entry("c", "k2")])
    assert store.files() == rows and rows["a.py"].blob == rows["b.py"].blob != rows["c"].blob
    assert store.record(rows["a.py"].blob) == RECORD and store.record(99) is None
    assert store.defining("Cart", 9) == [("a.py", 1), ("b.py", 1)]
    totals = store.totals()
    assert (totals.files, totals.symbols, totals.chunks, totals.languages) == (
        3,
        3,
        12,
        {"python": 3},
    )
    store.write([Entry("d", "", "binary", 5, 6)], gone=["a.py", "never.py"])
    assert sorted(store.files()) == ["b.py", "c", "d"] and store.totals().skipped == {"binary": 1}


def test_a_record_is_stored_once_however_many_files_have_it(store: Store) -> None:
    store.write([entry("a.py", "k1", "x")])
    row = store.write([entry("b.py", "k1", record=None)])["b.py"]
    assert store.record(row.blob) == RECORD and store.known(["k1", "k2"]) == {"k1": row.blob}


def test_names_are_found_by_their_beginning(store: Store) -> None:
    store.write([entry("a.py", "k", "getPrice", "grip", "gettext")])
    assert store.names_from("get", 9) == ["getPrice", "gettext"]
    assert store.names() == ["getPrice", "gettext", "grip"]


@settings(max_examples=50)
@given(st.binary(max_size=40), st.integers(0, 47))
def test_I9_what_was_derived_is_missing_where_it_is_damaged(data: bytes, at: int) -> None:
    """Danger: an answer from bytes that decayed."""
    store = Store(None)
    assert store.derived("x") is None
    store.set_derived("x", b"before")
    store.set_derived("x", data)
    assert store.derived("x") == data
    with store._database.writing() as db:
        kept = bytearray(db.execute("SELECT data FROM derived").fetchone()[0])
        kept[at % len(kept)] ^= 1
        db.execute("UPDATE derived SET data=?", (bytes(kept),))
    assert store.derived("x") is None
    store.close()


ENTRIES = st.lists(
    st.tuples(st.sampled_from("abcde"), st.sampled_from(["", "k1", "k2", "k3"])), max_size=8
)


@settings(max_examples=50)
@given(st.lists(st.tuples(ENTRIES, st.sets(st.sampled_from("abcde"))), max_size=8))
def test_any_sequence_of_writes_leaves_what_a_dictionary_would_hold(writes) -> None:
    """Danger: marks for the search index shine through as files."""
    store, model = Store(None), {}
    for entries, gone in writes:
        latest = dict(entries)
        store.write([entry(path, key, key) for path, key in latest.items()], gone - latest.keys())
        model = {p: k for p, k in {**model, **latest}.items() if p in latest or p not in gone}
        assert store.files().keys() == model.keys()
        for key in ("k1", "k2", "k3"):
            holders = sorted(path for path, held in model.items() if held == key)
            assert [path for path, _ in store.defining(key, 99)] == holders
        if random.random() < 0.5:
            store.mark_searched(store.unsearched())
            assert store.unsearched() == {}
    store.close()


def test_another_place_or_version_is_another_file(tmp_path: Path, monkeypatch) -> None:
    """I9: records of another version are a miss."""
    names = {store_name(tmp_path), store_name(tmp_path / "x")}
    (tmp_path / "link").symlink_to(tmp_path)
    assert store_name(tmp_path / "link") in names
    monkeypatch.setattr(store_module, "RECORD_VERSION", 999)
    assert len(names | {store_name(tmp_path)}) == 3


# --- garbage ---


def test_the_longest_unused_records_are_collected_first(store: Store, monkeypatch) -> None:
    """Danger: a cache that grows to 50 GB. What a file has is never collected."""
    clock = itertools.count(1000, 1000)
    monkeypatch.setattr(time, "time", lambda: next(clock))
    big = pack_record("x" * 1000, "A", 1)
    for n in range(5):  # five branches, one after the other
        store.write([entry("a.py", f"k{n}", f"n{n}", record=big)])
    assert store.collect(budget_bytes=10_000) == 0
    assert store.collect(budget_bytes=4_000) == 2
    assert sorted(store.known([f"k{n}" for n in range(5)])) == ["k2", "k3", "k4"]
    assert store.collect(budget_bytes=1) == 2 and list(store.known(["k4"])) == ["k4"]
    assert store.names_from("n", 9) == ["n4"]


# --- damage ---


def test_I9_a_damaged_record_is_missing_and_can_be_written_again(store: Store) -> None:
    blob = store.write([entry("a.py", "k")])["a.py"].blob
    with store._database.writing() as db:
        data = bytearray(db.execute("SELECT record FROM blobs").fetchone()[0])
        data[12] ^= 1
        db.execute("UPDATE blobs SET record=?", (bytes(data),))
    assert store.record(blob) is None and store.known(["k"]) == {}
    again = store.write([entry("a.py", "k")])["a.py"].blob
    assert again != blob and store.record(again) == RECORD


@pytest.mark.parametrize("content", [b"", b"<html>", b"SQLite format 3\0" + b"\xff" * 4096])
def test_I9_a_file_that_is_no_database_is_replaced(tmp_path: Path, content: bytes) -> None:
    (tmp_path / store_name(tmp_path)).write_bytes(content)
    store = Store.open(tmp_path, tmp_path)
    assert store.path is not None and store.files() == {}
    store.write([entry("a.py", "k")])
    store.close()
    assert list(Store.open(tmp_path, tmp_path).files()) == ["a.py"]


# --- where nothing can be written ---


def test_I10_a_folder_that_cannot_be_made_gives_a_store_in_memory(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    store = Store.open(tmp_path / "file", tmp_path)
    assert store.path is None
    rows = store.write([entry("a.py", "k", "x")])
    found = []
    thread = threading.Thread(target=lambda: found.append(store.files()))
    thread.start()
    thread.join()
    assert found == [rows]


def test_I10_a_failing_write_leaves_everything_as_it_was(store: Store) -> None:
    store.write([entry("a.py", "k1", "x")])
    before = store.files()
    store._database._writer.execute("PRAGMA max_page_count=1")
    with pytest.raises(Unwritable):
        store.write([entry(f"f{n}", f"k{n}", f"name{n}") for n in range(5000)], gone=["a.py"])
    assert store.files() == before


def test_closing_waits_for_whoever_is_reading(tmp_path: Path) -> None:
    """Danger: a connection closed under a reader's hands ends the process (it did)."""
    for turn in range(10):
        store = Store(tmp_path / f"{turn}.sqlite3")
        store.write([entry(f"f{n}", f"k{n}", f"n{n}") for n in range(200)])

        def read(store: Store = store) -> None:
            with pytest.raises(StoreError):  # noqa: PT012  it is raised at some turn
                while store.files():
                    pass

        threads = [threading.Thread(target=read) for _ in range(3)]
        for thread in threads:
            thread.start()
        time.sleep(0.01)
        store.close()
        for thread in threads:
            thread.join()


def test_a_closed_store_says_so(store: Store) -> None:
    """Danger: a snapshot that outlives its store crashes who asks it."""
    store.close()
    with pytest.raises(StoreError):
        store.files()


WRITER = """
    import sys
    from indexer.store import Counts, Entry, Store
    from indexer.types import pack_record
    from pathlib import Path

    store = Store(Path(sys.argv[1]))
    print("ready", flush=True)
    for turn in range(10**6):
        record = pack_record(f"turn {turn}", "A", turn)
        entries = [
            Entry(f"f{n}", f"{turn}.{n}", "", turn, turn, record, frozenset([f"turn{turn}"]),
                  Counts("x", 0, 0, 0, 0))
            for n in range(20)
        ]
        store.write(entries)
"""


def kill_while_writing(path: Path, chance: random.Random) -> None:
    command = [sys.executable, "-c", textwrap.dedent(WRITER), str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT) as process:
        assert process.stdout is not None and process.stdout.readline() == b"ready\n"
        time.sleep(chance.random() * 0.05)
        process.send_signal(signal.SIGKILL)
    store = Store(path)
    rows = store.files()
    turns = {row.stamp for row in rows.values()}
    assert len(turns) <= 1 and len(rows) in (0, 20), "half a transaction"
    for turn in turns:
        assert len(store.defining(f"turn{turn}", 99)) == 20
        for row in rows.values():
            assert store.record(row.blob) == pack_record(f"turn {turn}", "A", turn)
    store.close()


def test_I10_a_kill_leaves_all_of_a_write_or_nothing(tmp_path: Path) -> None:
    for seed in range(5):
        kill_while_writing(tmp_path / "index.sqlite3", random.Random(seed))


@pytest.mark.slow
def test_I10_five_hundred_kills(tmp_path: Path) -> None:
    for seed in range(500):
        kill_while_writing(tmp_path / "index.sqlite3", random.Random(seed))


# --- at once ---


def test_I12_readers_are_not_kept_waiting_by_a_writer(store: Store) -> None:
    """Danger: a keystroke waits for the index to be written."""
    store.write([entry("a.py", "k", "x")])
    slowest: list[float] = []

    def read() -> None:
        for _ in range(50):
            started = time.perf_counter()
            assert [path for path, _ in store.defining("x", 9)] == ["a.py"]
            slowest.append(time.perf_counter() - started)

    with store._database.writing() as db:
        db.execute("UPDATE files SET size=2")
        thread = threading.Thread(target=read)
        thread.start()
        thread.join()
    assert len(slowest) == 50 and sorted(slowest)[45] < 0.1


def test_I12_two_processes_write_one_store(tmp_path: Path) -> None:
    path = tmp_path / "index.sqlite3"
    code = (
        textwrap.dedent(WRITER)
        .replace("range(10**6)", "range(30)")
        .replace('f"f{n}"', 'f"{sys.argv[2]}{n}"')
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(path), name], cwd=ROOT, stdout=subprocess.DEVNULL
        )
        for name in "xy"
    ]
    assert [process.wait(60) for process in processes] == [0, 0]
    store = Store(path)
    rows = store.files()
    assert len(rows) == 40 and all(store.record(row.blob) for row in rows.values())
    assert len(store.defining("turn29", 99)) == 40
    store.close()
