# SPDX-License-Identifier: Apache-2.0
"""Store and search index as one: what a bulk writes ahead of its end is neither lost nor kept."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from indexer.library import Item, Library
from indexer.parse import extract_bytes
from indexer.search import SearchError, Writing

if TYPE_CHECKING:
    from pathlib import Path

    from indexer.library import Session

LIMIT_S = 20.0


@pytest.fixture
def library(tmp_path: Path):
    library = Library(tmp_path, "/root")
    yield library
    library.close()


def item(path: str, text: str) -> Item:
    data = text.encode()
    return Item(path, len(data), 1, "", path, data, extract_bytes("python", data))


def found(library: Library, word: str) -> list[str]:
    return sorted(hit.path for hit in library.search.query([(word, 1.0)], 10))


def write_ahead(session: Session, end: BaseException | None = None) -> None:
    session.write([item("a.py", "red = 1\n")])
    session.write_ahead()
    if end is not None:
        raise end


@pytest.fixture
def gate(monkeypatch):
    """While it is shut, the search index does not come to an end of writing ahead."""
    gate, keep = threading.Event(), Writing.keep

    def slow(writing: Writing) -> None:
        assert gate.wait(LIMIT_S)
        keep(writing)

    monkeypatch.setattr(Writing, "keep", slow)
    yield gate
    gate.set()


def test_I5_what_comes_while_the_search_index_writes_is_found_too(library: Library, gate) -> None:
    with library.session(bulk=True) as session:
        session.write([item("a.py", "red = green\n"), item("b.py", "red = blue\n")])
        session.write_ahead()
        session.write([item("c.py", "red = 1\n"), item("b.py", "yellow = 2\n")])
        session.write([], ["a.py"])
        gate.set()
        session.write_ahead()  # of no effect the second time
        session.write([item("d.py", "red = 3\n")])
    assert found(library, "red") == ["c.py", "d.py"]
    assert found(library, "yellow") == ["b.py"]
    assert not library.store.unsearched()


def test_I9_a_kill_after_writing_ahead_leaves_it_to_be_done_again(library: Library) -> None:
    with pytest.raises(KeyboardInterrupt), library.session(bulk=True) as session:
        write_ahead(session, KeyboardInterrupt())
    assert list(library.store.unsearched()) == ["a.py"]
    with library.session() as session:  # the lock is free
        session.write([item("a.py", "red = 2\n")])
    assert found(library, "red") == ["a.py"]


def test_I9_a_failure_to_write_ahead_is_told(library: Library, monkeypatch) -> None:
    def fail(_: Writing) -> None:
        raise SearchError("no space left")

    monkeypatch.setattr(Writing, "keep", fail)
    with pytest.raises(SearchError, match="no space"), library.session(bulk=True) as session:
        write_ahead(session)
    assert list(library.store.unsearched()) == ["a.py"]
    assert library.search.gate.acquire(blocking=False)
    library.search.gate.release()


def test_an_edit_writes_nothing_ahead(library: Library, gate) -> None:
    with library.session() as session:
        session.write([item("a.py", "red = 1\n")])
        session.write_ahead()  # would wait for the gate
        session.write([item("b.py", "red = 2\n")])
        session.commit()
        assert found(library, "red") == ["a.py", "b.py"]
    assert not gate.is_set()
