# SPDX-License-Identifier: Apache-2.0
"""The index as a user meets it: three commands, `workspace/symbol`, progress, and staying true."""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
import time
from functools import partial
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
    # Told without being asked: a status bar would say "40 %" for ever.
    while not (found := editor.statuses[-1]["index"])["files"] == found["done"] > 6:
        assert time.monotonic() < ends, editor.statuses
        await asyncio.sleep(0.1)
    while True:  # the watch has begun, and looks at all files once more
        status = await editor.command("ghostwright.status")
        if status["index"]["files"] == status["index"]["done"] > 6:
            break
        assert time.monotonic() < ends, status
        await asyncio.sleep(0.1)


def _kind(value) -> str:
    return value["kind"] if isinstance(value, dict) else value.kind


# --- what the editor is asked for, and what it changes ---


class Asked:
    """An editor that can be asked: what it answers, what was registered with it."""

    def __init__(self, editor: Editor, settings: object) -> None:
        self.settings, self.registered, self.pulls = settings, {}, 0
        # pygls marks the functions that it is given, and methods cannot be marked.
        editor.client.feature(types.WORKSPACE_CONFIGURATION)(partial(self.configuration))
        editor.client.feature(types.CLIENT_REGISTER_CAPABILITY)(partial(self.register))

    def configuration(self, params: types.ConfigurationParams) -> list[object]:
        assert [item.section for item in params.items] == ["ghostwright"]
        self.pulls += 1
        return [self.settings]

    def register(self, params: types.RegistrationParams) -> None:
        self.registered.update({one.method: one for one in params.registrations})


DYNAMIC = types.ClientCapabilities(
    text_document=INLINE,
    workspace=types.WorkspaceClientCapabilities(
        configuration=True,
        did_change_watched_files=types.DidChangeWatchedFilesClientCapabilities(True),
        did_change_configuration=types.DidChangeConfigurationClientCapabilities(True),
    ),
)


@pytest.fixture
async def asked(sample, tmp_path, monkeypatch):
    """A server whose client answers; it excludes `ledger/` from the first moment."""
    command = (sys.executable, str(HERE / "fake_server.py"), str(tmp_path / "log"), "5", "20")
    monkeypatch.setattr("e2e.editor.SERVER", command)
    it = Editor(sample)
    it.asked = Asked(it, {"exclude": ["ledger/"]})
    await it.start(capabilities=DYNAMIC)
    yield it
    assert await it.stop() == 0


def configure(editor: Editor, settings: object) -> None:
    params = types.DidChangeConfigurationParams(settings)
    editor.client.workspace_did_change_configuration(params)


async def test_settings_are_pulled_before_anything_is_read(asked):
    """Danger: what the user's settings exclude is indexed first, and forgotten later."""
    await until(asked, "test_", set())
    while not (await asked.command("ghostwright.status"))["index"]["files"]:
        await asyncio.sleep(0.05)
    assert await names(asked, "largest") == set()
    assert asked.asked.pulls == 1
    asked.asked.settings = {"exclude": []}
    configure(asked, None)  # as clients do that want to be asked
    await until(asked, "largest", {"largest"})
    assert asked.asked.pulls == 2
    asked.asked.settings = {"exclude": ["ledger/report.py"]}
    configure(asked, {"ghostwright": {"exclude": []}})  # what can be asked for counts
    await until(asked, "largest", set())
    assert "Journal" in await names(asked, "Journal")


async def test_the_client_is_asked_to_tell_of_files_and_settings(asked):
    while len(asked.asked.registered) < 2:
        await asyncio.sleep(0.05)
    files = asked.asked.registered["workspace/didChangeWatchedFiles"].register_options
    assert [watcher["globPattern"] for watcher in files["watchers"]] == ["**/*"]
    settings = asked.asked.registered["workspace/didChangeConfiguration"].register_options
    assert settings["section"] == "ghostwright"


async def test_nobody_is_asked_who_cannot_answer(editor):
    """Danger: a client that knows no such request shows an error at every start."""
    asked = Asked(editor, {"exclude": ["ledger/"]})
    configure(editor, {"ghostwright": {"debounceMs": 7}})
    await until(editor, "largest", {"largest"})
    assert (asked.pulls, asked.registered) == (0, {})


async def test_S4_what_becomes_excluded_is_gone_within_a_second(editor, sample):
    """Danger: a setting that takes effect at the next start, for a file that must not be read."""
    await until(editor, "largest", {"largest"})
    uri = editor.open(sample / "ledger" / "report.py")
    editor.type(uri, 0, 0, "def unsaved_of(): ...\n\n")
    await until(editor, "unsaved_of", {"unsaved_of"})
    configure(editor, {"ghostwright": {"exclude": ["report.py"]}})
    await until(editor, "largest", set(), timeout_s=1.0)
    await until(editor, "unsaved_of", set(), timeout_s=1.0)
    editor.type(uri, 0, 0, "def later_of(): ...\n\n")
    await asyncio.sleep(0.3)
    assert await names(editor, "later_of") == set()
    configure(editor, {"ghostwright": {"exclude": []}})
    await until(editor, "largest", {"largest"})
