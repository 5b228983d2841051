# SPDX-License-Identifier: Apache-2.0
"""The list of actions costs little: one parse a text, no model, the same in any repository.

Milliseconds of a machine are measured by `tests/bench/actions/bench_list.py`; what is asserted
here holds on a slow one too.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
from bench.index import synthetic

from indexer.index import Index
from lsp_server.actions import listing
from lsp_server.actions import target as looking
from lsp_server.actions.registry import MODULES
from lsp_server.actions.types import Diagnostic
from lsp_server.documents import Change, Place
from lsp_server.session import Session
from lsp_server.settings import Settings

FEW, MANY = 20, 400
MOVES = 30
RATIO = 4.0  # of medians, for twenty times as many files
SLOW_MEDIAN_MS = 50.0  # the aim is a p95 on a quiet machine
SAID = (Diagnostic(0, 5, "it is wrong"),)


@contextmanager
def listed(folder, files):
    """A session on an indexed repository, the list of it, and an open document."""
    root = folder / f"repository-{files}"
    root.mkdir()
    synthetic.make(root, files)
    index = Index(root, folder / f"cache-{files}", workers=1)
    index.refresh()
    assert index.settle()
    session = Session(Settings(), [root])
    session.indexing.close()
    session.indexing.of = lambda _path: SimpleNamespace(snapshot=index.snapshot)
    path = root / synthetic.module_path(3)
    document = session.documents.open(path.as_uri(), "python", 1, path.read_text("utf-8"))
    try:
        yield session, listing.Listing(session), document
    finally:
        session.close()
        index.close()


def offers(of: listing.Listing, document, line, **more):
    here = Place(min(line, len(document.lines) - 1), 0)
    return asyncio.run(of.offers(document, (here, here), SAID, tuple(MODULES), **more))


def median_ms(of, document) -> float:
    took = []
    for line in range(MOVES):
        started = time.perf_counter()
        offers(of, document, line)
        took.append((time.perf_counter() - started) * 1000)
    return statistics.median(took)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    listing.warm()
    return tmp_path_factory.mktemp("listed")


def test_a_large_repository_takes_as_long_as_a_small_one(folder):
    with listed(folder, FEW) as (_, few, small), listed(folder, MANY) as (_, many, large):
        assert offers(few, small, 20) and offers(many, large, 20)
        on_few, on_many = median_ms(few, small), median_ms(many, large)
    assert on_many < max(RATIO * on_few, 5.0)
    assert on_many < SLOW_MEDIAN_MS


def test_a_text_is_parsed_once_however_often_the_cursor_moves(tmp_path, monkeypatch):
    looked = []
    real = looking.target

    def counted(request, session):
        looked.append(request.document.version)
        return real(request, session)

    monkeypatch.setattr(looking, "target", counted)
    with listed(tmp_path, FEW) as (session, of, document):
        found = [tuple(offers(of, document, line)) for line in range(MOVES)]
        assert len(set(found)) > 1, "the list follows the cursor"
        changed, _ = session.documents.change(
            document.uri, 2, [Change("# new\n", (0, 0), (0, 0))], "utf-8"
        )
        offers(of, changed, 20)
        offers(of, changed, 21)
    assert looked == [1, 2]


def test_a_large_text_that_the_index_does_not_know_yet_holds_up_nobody(tmp_path, monkeypatch):
    with listed(tmp_path, FEW) as (session, of, document):
        text = document.text * 400
        monkeypatch.setattr(looking, "target", lambda *_: pytest.fail("it was parsed here"))
        large = session.documents.open(document.uri, "python", 2, text)
        started = time.perf_counter()
        assert offers(of, large, 20, asked=False) == []
        assert time.perf_counter() - started < 1.0


def test_one_action_that_fails_does_not_empty_the_list(tmp_path, monkeypatch, caplog):
    def offered(it, kinds):
        if kinds == ["quickfix.ai"]:
            raise RuntimeError("odd code")
        return [(kinds[0], "a title")]

    monkeypatch.setattr(listing.registry, "offered", offered)
    with listed(tmp_path, FEW) as (_, of, document):
        assert len(offers(of, document, 20)) == len(MODULES) - 1
    assert "quickfix.ai" in caplog.text


COMMENTS = {
    "# gw: rename it": "rename it",
    "  // gw: handle None  ": "handle None",
    "/* gw: split this */": "split this",
    "<!-- gw: make a table -->": "make a table",
    "-- gw: join the users": "join the users",
    "# a comment of gw: no": "",
    "x = 'gw: no'": "",
}


@pytest.mark.parametrize(("comment", "expected"), COMMENTS.items())
def test_an_instruction_may_stand_in_a_comment_above(tmp_path, comment, expected):
    session = Session(Settings(), [])
    text = f"x = 1\n{comment}\ny = 2\nz = 3\n"
    document = session.documents.open("untitled:a", "python", 1, text)
    it = looking.target(listing.Request("", document, Place(2, 0), Place(2, 5)), session)
    it = it.__class__(document, "a", "python", text.encode(), *spans(text, "y = 2"), it.record)
    assert listing.instruction_at(it) == expected
    session.close()


def spans(text, piece):
    start = text.encode().index(piece.encode())
    return start, start + len(piece)
