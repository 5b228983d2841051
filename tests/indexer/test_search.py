# SPDX-License-Identifier: Apache-2.0
"""Terms and the search index alone."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer import search as search_module
from indexer.parse import extract_bytes
from indexer.search import Busy, Search, SearchError
from indexer.terms import Expansions, Piece, digest, terms, words

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("identifier", "wanted"),
    [
        ("get", []),  # the text field has it as it is
        ("Cart", []),
        ("getPrice", ["getprice", "get", "price"]),
        ("HTTPServer2", ["httpserver2", "http", "server"]),
        ("parseHTTPHeader", ["parsehttpheader", "parse", "http", "header"]),
        ("snake_case", ["snake_case"]),  # the text field has its words
        ("MAX_SIZE", ["max_size", "max", "size"]),
        ("_private", ["_private"]),
        ("Größe", ["größe"]),
        ("x" * 100 + "_", ["x" * 64]),
    ],
)
def test_terms_of_an_identifier(identifier: str, wanted: list[str]) -> None:
    assert terms(identifier) == wanted


@given(st.from_regex(r"[A-Za-z_][A-Za-z0-9_]*", fullmatch=True))
def test_words_lose_no_letter(identifier: str) -> None:
    assert "".join(words(identifier)) == identifier.replace("_", "").lower()


@pytest.fixture(params=["disk", "memory"])
def search(request, tmp_path: Path) -> Search:
    return Search(tmp_path / "search" if request.param == "disk" else None)


def put(search: Search, path: str, text: str, blob: int = 1, names: str = "") -> None:
    writing = search.begin()
    lines = text.count("\n") + 1
    writing.update(
        path, blob, text.encode(), [Piece(0, len(text.encode()), 1, lines, names)] if text else ()
    )
    writing.commit()


def found(search: Search, word: str) -> list[str]:
    return sorted(hit.path for hit in search.query([(word, 1.0)], 10))


def test_update_replaces_and_an_empty_update_removes(search: Search) -> None:
    put(search, "a", "red green")
    put(search, "b", "green blue", blob=7)
    assert found(search, "green") == ["a", "b"]
    put(search, "a", "yellow")
    assert found(search, "red") == [] and found(search, "yellow") == ["a"]
    put(search, "b", "")
    assert found(search, "green") == found(search, "blue") == []
    (hit,) = search.query([("yellow", 1.0)], 10)
    assert (hit.path, hit.start_line, hit.end_line, hit.blob) == ("a", 1, 1, 1)


def test_nothing_is_kept_of_what_was_abandoned(search: Search) -> None:
    writing = search.begin()
    writing.update("a", 1, b"red", [Piece(0, 3, 1, 1, "")])
    writing.abandon()
    writing.abandon()
    assert found(search, "red") == []
    put(search, "b", "red")
    assert found(search, "red") == ["b"]


def test_the_rarer_word_and_the_shorter_window_win(search: Search) -> None:
    for n in range(8):
        put(search, f"common{n}", "alpha " * 3 + "filler " * 40)
    put(search, "rare", "beta " + "filler " * 40)
    put(search, "short", "beta")
    hits = [hit.path for hit in search.query([("alpha", 1.0), ("beta", 1.0)], 3)]
    assert hits[:2] == ["short", "rare"]


def test_using_finds_every_window_with_a_reference() -> None:
    """Danger: references are looked for in windows; a window not found is a use not found."""
    text = b"def load_it(): pass\n\n\nclass Cart:\n    x = self.getPrice(a_b.cD).plain()\n"
    search, record = Search(None), extract_bytes("python", text)
    writing = search.begin()
    writing.update("a.py", 1, text, digest(record, text, Expansions()).pieces)
    writing.commit()
    for name in ("load_it", "Cart", "getPrice", "cD", "plain"):
        assert [hit.path for hit in search.using(name, 9)] == ["a.py"], name
    assert search.using("get", 9) == [] == search.using("+", 9)


@pytest.mark.parametrize("blob", [b"", b"\xc1", b"\x93\x01\x02\x03", b"\x9b" + b"\x63" * 11])
def test_I9_what_is_no_record_is_a_value_error(blob: bytes) -> None:
    with pytest.raises(ValueError):
        digest(blob, b"", Expansions())


def test_I9_a_folder_that_holds_something_else_is_told(tmp_path: Path) -> None:
    (tmp_path / "meta.json").write_text("{}")
    with pytest.raises(SearchError):
        Search(tmp_path)


def test_I12_a_second_writer_waits_and_then_gives_up(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(search_module, "LOCK_WAIT_S", 0.2)
    one, other = Search(tmp_path), Search(tmp_path)
    writing = one.begin()
    with pytest.raises(Busy):
        other.begin()
    with pytest.raises(Busy):
        one.begin()  # in this process, by another thread, too
    threading.Timer(0.05, writing.abandon).start()
    other.begin().abandon()


def test_I12_what_another_server_has_committed_is_seen(tmp_path: Path) -> None:
    one, other = Search(tmp_path), Search(tmp_path)
    put(one, "a", "red")
    assert found(other, "red") == ["a"]
    put(other, "a", "blue")
    assert found(one, "red") == [] and found(one, "blue") == ["a"]


def test_I12_the_lock_of_a_killed_writer_is_free(tmp_path: Path) -> None:
    code = """
        import sys, time
        from pathlib import Path
        from indexer.search import Search
        writing = Search(Path(sys.argv[1])).begin()
        print("locked", flush=True)
        time.sleep(60)
    """
    command = [sys.executable, "-c", textwrap.dedent(code), str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT) as process:
        assert process.stdout is not None and process.stdout.readline() == b"locked\n"
        process.kill()
    put(Search(tmp_path), "a", "red")
