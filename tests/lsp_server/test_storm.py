# SPDX-License-Identifier: Apache-2.0
"""P1: keys faster than answers, each request cancelled by the next, over the real process."""

from __future__ import annotations

import asyncio
import random
import sys
import time
from itertools import pairwise
from pathlib import Path

import pytest
from e2e.editor import Editor
from lsprotocol import types

SERVER = Path(__file__).with_name("fake_server.py")
LETTERS = "abcdefghijklmnopqrstuvwxyz"
KEYS_PER_S = 20
WRONG_SHARE = 0.2  # of keys that are not what the engine would have written


class Storm:
    """One burst of typing and all that came back."""

    def __init__(self, editor: Editor) -> None:
        self.editor = editor
        self.answers: dict[int, list[dict]] = {}
        self.expected: dict[int, str] = {}
        self.wanted = 0
        self.complete = asyncio.Event()

    async def type(self, keys: int) -> None:
        uri = self.editor.open(self.editor.root / "a.py", "x = a")
        last, column, previous = "a", 5, None
        choose = random.Random(5)
        for key in range(1, keys + 1):
            started = time.monotonic()
            wrong = choose.random() < WRONG_SHARE
            last = choose.choice(LETTERS) if wrong else LETTERS[(LETTERS.index(last) + 1) % 26]
            if previous is not None:
                self.editor.client.protocol.notify("$/cancelRequest", types.CancelParams(previous))
            self.editor.type(uri, 0, column, last)
            column += 1
            self.expected[key] = LETTERS[(LETTERS.index(last) + 1) % 26]
            self._ask(key, uri, column)
            previous = key
            await asyncio.sleep(max(0, 1 / KEYS_PER_S - (time.monotonic() - started)))
        self.wanted = keys
        self._look()
        await asyncio.wait_for(self.complete.wait(), 10)

    def _ask(self, key: int, uri: str, column: int) -> None:
        params = types.InlineCompletionParams(
            types.InlineCompletionContext(types.InlineCompletionTriggerKind.Automatic),
            types.TextDocumentIdentifier(uri),
            types.Position(0, column),
        )
        future = self.editor.client.protocol.send_request(
            types.TEXT_DOCUMENT_INLINE_COMPLETION, params, msg_id=key
        )
        future.add_done_callback(lambda done: self._hear(key, done))

    def _hear(self, key: int, done) -> None:
        self.answers.setdefault(key, []).append(_outcome(done))
        self._look()

    def _look(self) -> None:
        if len(self.answers) == self.wanted:
            self.complete.set()


def _outcome(done) -> dict:
    if done.cancelled() or done.exception() is not None:
        return {"error": str(done.exception())}
    items = done.result().items
    return {"text": str(items[0].insert_text) if items else ""}


async def check_storm(tmp_path: Path, monkeypatch, keys: int) -> None:
    log = tmp_path / "decodes"
    monkeypatch.setattr("e2e.editor.SERVER", (sys.executable, str(SERVER), str(log), "50", "800"))
    editor = Editor(tmp_path)
    await editor.start()
    await editor.settled()
    storm = Storm(editor)
    await storm.type(keys)
    assert await editor.stop() == 0
    assert sorted(storm.answers) == list(range(1, keys + 1))
    assert all(len(answers) == 1 for answers in storm.answers.values()), "answered twice"
    texts = {key: a[0].get("text", "") for key, a in storm.answers.items()}
    stale = [key for key, text in texts.items() if text and text[0] != storm.expected[key]]
    assert stale == []
    assert texts[keys], "the last key has nothing after it: it gets its answer"
    check_decodes(log)


def check_decodes(log: Path) -> None:
    decodes = sorted(tuple(map(float, line.split())) for line in log.read_text().splitlines())
    for before, after in pairwise(decodes):
        assert before[2] <= after[0], "two decodes in flight"
    late = [ended - cancelled for _, cancelled, ended in decodes if cancelled]
    assert not late or max(late) < 0.1


async def test_P1_a_storm_of_keys(tmp_path, monkeypatch):
    await check_storm(tmp_path, monkeypatch, 80)


@pytest.mark.slow
async def test_P1_20_keys_a_second_for_a_minute(tmp_path, monkeypatch):
    await check_storm(tmp_path, monkeypatch, 1200)
