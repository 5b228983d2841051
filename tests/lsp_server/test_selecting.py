# SPDX-License-Identifier: Apache-2.0
"""Another model while the editor runs: by a command, by settings; the real server, real engines."""

from __future__ import annotations

import asyncio
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from e2e.editor import Editor, editor
from lsprotocol import types
from pygls.exceptions import JsonRpcException
from tiny_models import write_tiny

from lsp_server.protocol.selecting import Selection
from lsp_server.settings import Settings, needs_loading

SAMPLE = Path(__file__).parent.parent / "sample"
STARTER = "qwen2.5-coder-0.5b"
WAIT_S = 60


@pytest.fixture
def sample(tmp_path):
    return Path(shutil.copytree(SAMPLE, tmp_path / "ledger"))


async def until_model(it: Editor, model: str) -> None:
    async def seen() -> None:
        while it.statuses[-1]["state"] != "ready" or it.statuses[-1]["model"] != model:
            await asyncio.sleep(0.05)

    await asyncio.wait_for(seen(), WAIT_S)


def configure(it: Editor, **settings: object) -> None:
    params = types.DidChangeConfigurationParams({"ghostwright": settings})
    it.client.workspace_did_change_configuration(params)


async def asked(it: Editor, sample: Path, text: str) -> dict:
    """What the server says of a suggestion at the end of a document that nobody has seen."""
    path = sample / f"new_{len(it.versions)}.py"
    uri = it.open(path, text)
    await it.suggest(uri, 0, len(text), manual=True)
    return await it.explain()


async def test_another_model_by_the_settings_and_by_the_command(sample, tmp_path, starter_cache):
    """What is written in an editor's settings counted at the next start only."""
    first = write_tiny(tmp_path / "first.gguf", "qwen2")
    second = write_tiny(tmp_path / "second.gguf", "qwen3moe")
    async with editor(sample, {"modelPath": str(first)}) as it:
        await until_model(it, "first.gguf")
        assert (await asked(it, sample, "total = "))["model"] == "first.gguf"
        configure(it, modelPath=str(second))
        await until_model(it, "second.gguf")
        assert (await asked(it, sample, "count = "))["model"] == "second.gguf"

        found = await it.command("ghostwright.selectModel", STARTER)
        assert {row["id"]: row["downloaded"] for row in found["models"]}[STARTER]
        assert found["selected"] == STARTER
        await until_model(it, STARTER)
        assert (await asked(it, sample, "result = sum("))["text"]

        loads = sum(status["state"] == "loading" for status in it.statuses)
        configure(it, modelPath=str(second), debounceMs=20)  # not of the model: the choice stays
        found = await it.command("ghostwright.selectModel")
        assert found["selected"] == STARTER
        assert sum(status["state"] == "loading" for status in it.statuses) == loads

        configure(it, modelPath=str(first))
        await until_model(it, "first.gguf")


async def test_a_model_that_is_not_here_is_refused_and_the_one_in_use_stays(sample, tmp_path):
    path = write_tiny(tmp_path / "tiny.gguf", "qwen2")
    async with editor(sample, {"modelPath": str(path)}) as it:
        for wrong in ("qwen3-coder-480b-a35b", "no-such-model", 7, {"id": "x"}, None):
            with pytest.raises(JsonRpcException) as error:
                await it.command("ghostwright.selectModel", wrong)
            assert "\n" not in str(error.value)
        assert (await it.command("ghostwright.status"))["model"] == "tiny.gguf"
        assert (await asked(it, sample, "total = "))["model"] == "tiny.gguf"


async def test_changes_one_after_the_other_end_with_the_last(sample, tmp_path):
    paths = [write_tiny(tmp_path / f"{name}.gguf", "qwen2") for name in "abc"]
    async with editor(sample, {"modelPath": str(paths[0])}) as it:
        for path in (*paths, paths[1]):
            configure(it, modelPath=str(path))
        await until_model(it, "b.gguf")
        assert (await asked(it, sample, "total = "))["model"] == "b.gguf"


async def test_the_statistics_are_those_of_the_command_line(sample, tmp_path):
    path = write_tiny(tmp_path / "tiny.gguf", "qwen2")
    async with editor(sample, {"modelPath": str(path)}) as it:
        found = await it.command("ghostwright.stats")
        assert found["shown"] >= found["accepted"] >= 0
        assert set(found) >= {"days", "by_language", "by_model", "by_day", "levels"}
        json.dumps(found)


def test_a_choice_stands_until_the_settings_name_another_model():
    selection, settings = Selection(), replace(Settings(), modelPath="/models/a.gguf")
    assert selection.above(settings) == settings
    selection.choose("b", settings)
    assert selection.above(settings) == replace(settings, model="b", modelPath="")
    assert selection.above(replace(settings, manual=True)).model == "b"
    assert selection.above(replace(settings, model="b")) == replace(
        settings, model="b", modelPath=""
    )
    changed = replace(settings, modelPath="/models/c.gguf")
    assert selection.above(changed) == changed
    assert selection.above(settings) == settings  # and it does not come back


def test_only_what_the_engine_was_loaded_with_loads_it_anew():
    settings = Settings()
    assert not needs_loading(settings, replace(settings, manual=True, exclude=("*.md",)))
    assert needs_loading(settings, replace(settings, threads=1))
    assert needs_loading(settings, replace(settings, model="qwen2.5-coder-1.5b"))
