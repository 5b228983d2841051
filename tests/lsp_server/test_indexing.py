# SPDX-License-Identifier: Apache-2.0
"""The index as a user meets it: three commands, `workspace/symbol`, progress, and staying true."""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
import time
from pathlib import Path

import pytest
from e2e.editor import INLINE, Editor
from lsprotocol import types

from lsp_server import cli

HERE = Path(__file__).parent
SAMPLE = HERE.parent / "sample"
SECRET = "canary_7f3a"


@pytest.fixture
def sample(tmp_path):
    root = Path(shutil.copytree(SAMPLE, tmp_path / "ledger"))
    (root / ".env").write_text(f"{SECRET} = 1\n")
    (root / "id_rsa").write_text(f"def {SECRET}(): ...\n")
    return root


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("GHOSTWRIGHT_CACHE", str(tmp_path / "cache"))


def run(capsys, *words):
    code = cli.main([str(word) for word in words])
    out, err = capsys.readouterr()
    return code, json.loads(out) if out else None, err


def test_index_says_what_is_in_it_and_is_warm_the_second_time(capsys, sample):
    code, cold, _ = run(capsys, "index", sample, "--json")
    assert code == 0
    assert (cold["warm"], cold["languages"]["python"]) == (False, 6)
    assert cold["skipped"] == {"secret": 2}
    for name in ("symbols", "references", "imports", "chunks", "db_bytes", "peak_rss_mb"):
        assert cold[name] > 0, name
    code, warm, _ = run(capsys, "index", sample, "--json")
    assert (warm["warm"], warm["extracted"], warm["symbols"]) == (True, 0, cold["symbols"])
    code, anew, _ = run(capsys, "index", sample, "--rebuild", "--json")
    assert (anew["warm"], anew["extracted"]) == (False, cold["extracted"])


def test_symbols_and_references_give_places_that_count_characters(capsys, sample):
    (sample / "ledger" / "wide.py").write_text("é = 'ü'; Währung = 1\nprint(Währung)\n", "utf-8")
    code, found, _ = run(capsys, "symbols", "Journal", "--root", sample, "--json")
    assert code == 0
    first = found[0]
    assert (first["kind"], first["path"]) == ("class", "ledger/entries.py")
    line = (sample / first["path"]).read_text().splitlines()[first["line"] - 1]
    assert line[first["col"] - 1 :].startswith("Journal")
    _, found, _ = run(capsys, "symbols", "bal", "--root", sample, "--json")
    assert {"balance", "balances"} <= {row["name"] for row in found}
    _, found, _ = run(capsys, "references", "Money", "--root", sample, "--json")
    places = {(row["path"], row["line"]) for row in found}
    assert ("ledger/entries.py", 44) in places
    for row in found:
        text = (sample / row["path"]).read_text("utf-8").splitlines()[row["line"] - 1]
        assert text[row["col"] - 1 :].startswith(row["signature"].split(".")[0])


@pytest.mark.parametrize("command", ["symbols", "references"])
def test_what_is_not_known_or_secret_is_not_found(capsys, sample, command):
    code, found, err = run(capsys, command, SECRET, "--root", sample, "--json")
    assert (code, found) == (1, [])
    assert err.splitlines()[-1] == f"ghostwright: nothing named {SECRET} is known here"


async def names(editor: Editor, query: str) -> set[str]:
    answer = await editor.client.workspace_symbol_async(types.WorkspaceSymbolParams(query))
    return {symbol.name for symbol in answer or ()}


async def until(editor: Editor, query: str, wanted: set[str], timeout_s: float = 20.0) -> None:
    ends = time.monotonic() + timeout_s
    while (found := await names(editor, query)) != wanted:
        assert time.monotonic() < ends, (query, found, wanted)
        await asyncio.sleep(0.1)


@pytest.fixture
async def editor(sample, tmp_path, monkeypatch):
    command = (sys.executable, str(HERE / "fake_server.py"), str(tmp_path / "log"), "5", "20")
    monkeypatch.setattr("e2e.editor.SERVER", command)
    it = Editor(sample)
    it.progress = []
    it.client.feature(types.PROGRESS)(lambda params: it.progress.append(params.value))
    window = types.WindowClientCapabilities(work_done_progress=True)
    await it.start(capabilities=types.ClientCapabilities(text_document=INLINE, window=window))
    yield it
    assert await it.stop() == 0


async def test_workspace_symbols_follow_buffers_and_disk(editor, sample):
    await until(editor, "richest_of", set())
    await until(editor, "largest", {"largest"})
    path = sample / "ledger" / "report.py"
    uri = editor.open(path)
    editor.type(uri, 0, 0, "def richest_of(): ...\n\n")
    await until(editor, "richest_of", {"richest_of"})
    target = types.TextDocumentIdentifier(uri)
    editor.client.text_document_did_close(types.DidCloseTextDocumentParams(target))
    await until(editor, "richest_of", set())  # it was never saved
    (sample / "ledger" / "fresh.py").write_text("def brought_by_git(): ...\n")
    await until(editor, "brought_by_git", {"brought_by_git"})
    (sample / "ledger" / "fresh.py").unlink()
    await until(editor, "brought_by_git", set())
    assert await names(editor, SECRET) == set()


async def test_progress_begins_and_ends_and_the_status_counts(editor, sample):
    await until(editor, "largest", {"largest"})
    ends = time.monotonic() + 20
    while not any(_kind(value) == "end" for value in editor.progress):
        assert time.monotonic() < ends, editor.progress
        await asyncio.sleep(0.1)
    assert _kind(editor.progress[0]) == "begin"
    status = await editor.command("ghostwright.status")
    assert status["index"]["files"] == status["index"]["done"] > 6


def _kind(value) -> str:
    return value["kind"] if isinstance(value, dict) else value.kind
