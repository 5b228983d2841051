# SPDX-License-Identifier: Apache-2.0
"""The real server process on the fake engine: what each kind of client is answered (P10)."""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
import time
from pathlib import Path

import pytest
from e2e.editor import Editor, editor
from lsprotocol import converters, types

HERE = Path(__file__).parent
SAMPLE = HERE.parent / "sample"
REPORT = "ledger/report.py"
PROFILES = sorted((HERE / "client_profiles").glob("*.json"))


@pytest.fixture
def fake_server(tmp_path, monkeypatch):
    command = (sys.executable, str(HERE / "fake_server.py"), str(tmp_path / "log"), "5", "20")
    monkeypatch.setattr("e2e.editor.SERVER", command)


@pytest.fixture
def sample(tmp_path):
    return Path(shutil.copytree(SAMPLE, tmp_path / "ledger"))


def begin(it: Editor, root: Path) -> tuple[str, int, int]:
    return it.open(root / REPORT, "a = 1\nname = c"), 1, 8


async def test_the_fallback_for_clients_without_inline_completion(fake_server, sample):
    it = Editor(sample)
    started = await it.start(capabilities=types.ClientCapabilities())
    assert started.capabilities.completion_provider
    await it.settled()
    uri, line, column = begin(it, sample)
    found = await it.client.text_document_completion_async(
        types.CompletionParams(types.TextDocumentIdentifier(uri), types.Position(line, column))
    )
    assert len(found.items) == 1
    edit = found.items[0].text_edit
    # Eglot takes the item for the word at the cursor, and what it replaced it with was lost.
    assert edit.range == types.Range(types.Position(line, column - 1), types.Position(line, column))
    assert edit.new_text.startswith("cdefgh")
    assert edit.new_text.startswith(found.items[0].label)
    assert found.items[0].filter_text == found.items[0].label
    assert await it.stop() == 0


async def test_inline_clients_get_no_fallback(fake_server, sample):
    it = Editor(sample)
    started = await it.start()
    assert started.capabilities.completion_provider is None
    assert started.capabilities.inline_completion_provider
    await it.stop()


async def test_positions_past_the_end_and_unknown_documents_are_answered_empty(fake_server, sample):
    async with editor(sample) as it:
        uri = it.open(sample / REPORT, "a = 1\n")
        await it.suggest(uri, 900, 900)
        assert await it.suggest((sample / "never_opened.py").as_uri(), 0, 0) == ""
        outside = it.open(sample.parent / "outside.py", "a = 1\nb = ")
        assert await it.suggest(outside, 1, 4) == ""
        assert "outside the workspace" in (await it.explain())["reason"]
        secret = it.open(sample / ".env", "KEY=")
        assert await it.suggest(secret, 0, 4) == ""
        assert "secret" in (await it.explain())["reason"]


@pytest.mark.parametrize("path", PROFILES, ids=lambda path: path.stem)
async def test_P10_recorded_clients_get_the_same_text(fake_server, sample, path):
    recorded = json.loads(path.read_text())
    capabilities = converters.get_converter().structure(
        recorded["capabilities"], types.ClientCapabilities
    )
    it = Editor(sample)
    started = await it.start(capabilities=capabilities)
    await it.settled()
    uri, line, column = begin(it, sample)
    if started.capabilities.completion_provider:
        place = (types.TextDocumentIdentifier(uri), types.Position(line, column))
        found = await it.client.text_document_completion_async(types.CompletionParams(*place))
        text = found.items[0].text_edit.new_text.removeprefix("c")
    else:
        text = await it.suggest(uri, line, column)
    assert text == "defghijklmnopqrs"
    assert await it.stop() == 0


async def test_settings_that_are_wrong_are_said_once_and_the_rest_is_taken(fake_server, sample):
    async with editor(sample, {"threads": "many", "manual": True}) as it:
        uri, line, column = begin(it, sample)
        assert await it.suggest(uri, line, column) == ""
        assert await it.suggest(uri, line, column, manual=True)
        assert [m for m in it.messages if "threads" in m] == [
            "Ghostwright: settings: threads must be a whole number; kept 0"
        ]


async def test_P9_a_decode_that_never_returns(fake_server, sample, monkeypatch, tmp_path):
    command = (sys.executable, str(HERE / "fake_server.py"), str(tmp_path / "log"), "0", "0")
    monkeypatch.setattr("e2e.editor.SERVER", command)
    it = Editor(sample)
    await it.start()
    await it.settled()
    uri, line, column = begin(it, sample)
    asked = asyncio.ensure_future(it.suggest(uri, line, column))
    await asyncio.sleep(0.2)
    probed = time.monotonic()
    await it.command("ghostwright.status")
    assert time.monotonic() - probed < 2, "the loop is blocked: it would be for ever"
    assert await asked == ""
    assert (await it.explain())["reason"] == "the model was not ready in time"
    stopped = time.monotonic()
    assert await it.stop() == 0
    assert time.monotonic() - stopped < 2.5  # two seconds, and the test's own start of a task


async def test_E5_after_three_crashes_the_server_goes_on_without_a_model(
    fake_server, sample, monkeypatch, tmp_path
):
    monkeypatch.setenv("GHOSTWRIGHT_CACHE", str(tmp_path / "cache"))
    states = []
    for _ in range(4):
        it = Editor(sample)
        await it.start()
        status = await it.settled()
        states.append(status["state"])
        it.client._server.kill()
        await it.client._server.wait()
    assert states == ["ready", "ready", "ready", "error"]
    assert "three times" in status["message"]


async def test_folders_come_and_go(fake_server, sample):
    other = sample.parent / "other"
    other.mkdir()
    folder = types.WorkspaceFolder(other.as_uri(), "other")
    async with editor(sample) as it:
        uri = it.open(other / "b.py", "x = c")
        assert await it.suggest(uri, 0, 5) == ""
        for added, removed, shown in (([folder], [], True), ([], [folder], False)):
            event = types.WorkspaceFoldersChangeEvent(added, removed)
            params = types.DidChangeWorkspaceFoldersParams(event)
            it.client.workspace_did_change_workspace_folders(params)
            assert bool(await it.suggest(uri, 0, 5)) is shown


async def test_pause_and_go_on(fake_server, sample):
    async with editor(sample) as it:
        uri, line, column = begin(it, sample)
        assert (await it.command("ghostwright.pause"))["state"] == "paused"
        assert await it.suggest(uri, line, column) == ""
        assert (await it.explain())["reason"] == "paused"
        assert (await it.command("ghostwright.pause"))["state"] == "ready"
        assert await it.suggest(uri, line, column)


async def test_an_answer_counts_in_the_clients_units(fake_server, sample):
    utf16 = types.GeneralClientCapabilities(position_encodings=[types.PositionEncodingKind.Utf16])
    capabilities = types.ClientCapabilities(
        general=utf16,
        text_document=types.TextDocumentClientCapabilities(
            inline_completion=types.InlineCompletionClientCapabilities()
        ),
    )
    it = Editor(sample)
    await it.start(capabilities=capabilities)
    await it.settled()
    uri = it.open(sample / REPORT, "x = '\U0001f600' + c")
    assert await it.suggest(uri, 0, 12) == "defghijklmnopqrs"
    it.type(uri, 0, 12, "d")
    assert await it.suggest(uri, 0, 13) == "efghijklmnopqrs"
    assert await it.stop() == 0
