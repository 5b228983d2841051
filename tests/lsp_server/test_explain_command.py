# SPDX-License-Identifier: Apache-2.0
"""`ghostwright explain`: the last answer of a session, also for another process; bad files."""

from __future__ import annotations

import asyncio
import json

import pytest
from checks import ask_at, fake_session

from lsp_server import cli
from lsp_server.explain import record
from lsp_server.suggestions import kept, last


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("GHOSTWRIGHT_CACHE", str(tmp_path / "cache"))
    (tmp_path / "cache").mkdir()


def answered(text="def f():\n    return $0\n", answer=("a + b",)):
    """A session that has answered once and is closed; the record of its answer."""
    session = fake_session(answer)

    async def scene():
        session.last.set(record(await ask_at(session, text)))
        return session.last.record

    found = asyncio.run(scene())
    session.close()
    return found


def test_another_process_reads_what_the_session_kept(capsys):
    found = answered()
    assert cli.main(["explain", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(json.dumps(found))


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (("a + b",), ["Shown (model): a + b", "Read ", "prefix"]),
        (("\n",), ["Nothing was shown: nothing worth showing", "single_line"]),
    ],
)
def test_people_read_why(answer, words, capsys):
    answered(answer=answer)
    assert cli.main(["explain", "--last"]) == 0
    out = capsys.readouterr().out
    assert [word for word in words if word not in out] == []


@pytest.mark.parametrize("content", [None, b"", b"[]", b"{", b"{}", b"\xff" * 100])
def test_where_nothing_is_known_it_says_so(content, capsys):
    if content is not None:
        kept.folder().mkdir()
        (kept.folder() / last.FILE).write_bytes(content)
    assert cli.main(["explain"]) == 1
    assert "no suggestion was asked for yet" in capsys.readouterr().err


def test_S4_what_may_not_be_read_any_more_is_forgotten():
    session = fake_session(["secret"])

    async def scene():
        session.last.set(record(await ask_at(session, "a = $0\n")))
        session.last._write()
        session.rules_changed()

    asyncio.run(scene())
    session.close()
    assert last.read(kept.folder()) == {}
