# SPDX-License-Identifier: Apache-2.0
"""The real server process with the real model: what a user gets, and what it costs."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import psutil
import pytest
from e2e.editor import Editor, editor

pytestmark = [pytest.mark.model]
SAMPLE = Path(__file__).parents[1] / "sample"
REPORT = "ledger/report.py"
BEGUN = "\n\ndef richest(journal: Journal) -> str:\n    return max(journal.accounts(), key="


async def indexed(it: Editor) -> None:
    """Wait for the index: what it brings changes the prompt."""
    for _ in range(200):
        index = (await it.command("ghostwright.status"))["index"]
        if index["files"] and index["files"] == index["done"]:
            return
        await asyncio.sleep(0.05)
    pytest.fail("the index is not ready")


@pytest.fixture
def sample(tmp_path):
    return Path(shutil.copytree(SAMPLE, tmp_path / "ledger"))


def begin(it: Editor, root: Path) -> tuple[str, int, int]:
    text = (root / REPORT).read_text(encoding="utf-8").rstrip("\n") + BEGUN
    return it.open(root / REPORT, text), text.count("\n"), len(BEGUN.rsplit("\n", 1)[1])


async def test_a_suggestion_and_the_next_one_for_a_tail(starter_cache, sample):
    # A fixed length: one by measured speed may change between two requests, and the prompt with it.
    async with editor(sample, {"contextTokens": 768}) as it:
        uri, line, column = begin(it, sample)
        await indexed(it)
        assert await it.suggest(uri, line, column, manual=True)
        first = await it.explain()
        it.type(uri, line, column, "lambd")
        await it.suggest(uri, line, column + 5, manual=True)
        second = await it.explain()
        status = await it.command("ghostwright.status")
        server = psutil.Process(it.client._server.pid)  # the model is in a child of it
        programs = [server, *server.children(recursive=True)]
        sockets = [one for each in programs for one in each.net_connections("inet")]
    assert first["evaluated_tokens"] == first["prompt_tokens"] > 300
    # S9: one listener of the engine and of who stands by for it, on the loopback interface, and
    # our own connection to it.
    listening = [one for one in sockets if one.status == psutil.CONN_LISTEN]
    assert len(listening) in {1, 2}
    assert {one.laddr.ip for one in listening} == {"127.0.0.1"}
    assert {one.raddr.ip for one in sockets if one.raddr} <= {"127.0.0.1"}
    assert second["cached_tokens"] / second["prompt_tokens"] >= 0.9
    assert sum(s["tokens"] for s in second["segments"]) == second["prompt_tokens"]
    assert status["state"] == "ready"
    assert Path(status["log"]).parent == starter_cache / "log"
    # What is written ahead, or other candidates, may be on their way.
    assert status["resident_tokens"] >= 0.9 * second["prompt_tokens"]
    assert status["speed"]["prefill_per_s"] > 0
    assert status["speed"]["prompt_tokens"] >= second["prompt_tokens"]


@pytest.mark.parametrize(
    ("options", "state", "words"),
    [
        ({"model": "qwen9"}, "no-model", "no model 'qwen9' in the catalogue"),
        ({"model": "qwen2.5-coder-7b"}, "no-model", "run: ghostwright models pull"),
        ({"modelPath": "{tmp}/none.gguf"}, "no-model", "no such file"),
        ({"modelPath": "{tmp}/page.gguf"}, "error", "is a web page, not a model"),
        ({"modelPath": "{tmp}/cut.gguf"}, "error", "truncated"),
        ({"modelPath": "{tmp}"}, "error", "is a directory"),
    ],
    ids=lambda value: str(value)[:30],
)
async def test_E1_a_bad_model_is_said_once_and_everything_else_works(
    starter_cache, starter_model, sample, tmp_path, options, state, words
):
    (tmp_path / "page.gguf").write_text("<!doctype html><title>Sign in</title>")
    with starter_model.open("rb") as whole:
        (tmp_path / "cut.gguf").write_bytes(whole.read(20_000_000))
    options = {key: value.replace("{tmp}", str(tmp_path)) for key, value in options.items()}
    it = Editor(sample)
    await it.start(options)
    status = await it.settled()
    uri, line, column = begin(it, sample)
    assert await it.suggest(uri, line, column) == ""
    reason = (await it.explain())["reason"]
    assert await it.stop() == 0
    assert status["state"] == state
    assert words in status["message"]
    assert reason == status["message"]
    assert [words in message for message in it.messages] == [True]
    assert "\n" not in status["message"]
