# SPDX-License-Identifier: Apache-2.0
"""What a user of a JetBrains IDE gets: LSP4IJ's ways on the real server and the real model.

Dangers: P10 (editors differ: no command on accept, no word of what was shown, 300 ms of its own),
P3 (UTF-16), E1 (no model), and a server that ends in mid-use.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from e2e.lsp4ij import DEBOUNCE_S, TEMPLATE, Ide, command_line

pytestmark = [pytest.mark.editor, pytest.mark.model]
SAMPLE = Path(__file__).parents[1] / "sample"
BEGUN = "\n\ndef add(a, b):\n    return a + b\n\n\n"
TYPED = "def subtract(a, b):"
MOVED = """

def total(items, rate):
    result = 0
    for item in items:
        result += item * rate
        result -= 1
    return result
"""
# Short prompts: what is shown here does not depend on how much is read.
OPTIONS = {"maxSuggestionTokens": 24, "contextTokens": 256}
ANSWER_S = 60.0


@pytest.fixture
def sample(tmp_path):
    return Path(shutil.copytree(SAMPLE, tmp_path / "ledger"))


def begun(root: Path, text: str = BEGUN) -> Path:
    path = root / "ledger" / "report.py"
    path.write_text(path.read_text("utf-8").rstrip("\n") + text, "utf-8")
    return path


async def ide(root: Path, **more) -> Ide:
    it = Ide(root, begun(root), OPTIONS, **more)
    server = await it.server()
    await server.settled(ANSWER_S)
    return it


async def test_typed_seen_accepted_and_known_though_nobody_tells(starter_cache, sample):
    it = await ide(sample)
    await it.type(TYPED + "\n    ")
    grey = await it.shown(ANSWER_S)
    server = await it.server()
    first = await server.explain()
    asked = len(it.asked)
    await it.key(grey[0])  # typed as suggested: the platform shortens it
    assert it.grey == grey[1:]
    assert len(it.asked) == asked == 1, "23 keys 50 ms apart are one request"
    it.accept()
    await asyncio.sleep(DEBOUNCE_S + 0.1)
    assert len(it.asked) == 1, "nothing is asked after an accept"
    assert it.document.text.endswith(TYPED + "\n    " + grey)
    assert "return" in grey
    assert "${" not in grey
    assert not server.commands
    assert await it.stop() == 0
    counts = stats()
    print(f"grey text {it.answers[0] * 1000:.0f} ms after the key, {first['answer_ms']} of it ours")
    assert first["wait_ms"] == 0, "it has waited itself"
    assert first["text"] == grey
    assert counts["shown"] == 1
    # One character typed, the rest in one step: accepted whole, as is seen in the text.
    assert counts["whole"] == 1


def stats() -> dict[str, int]:
    """`ghostwright stats`; the test has a cache folder of its own."""
    command = [sys.executable, "-m", "lsp_server", "stats", "--json"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ)
    return json.loads(shown.stdout)


@pytest.mark.parametrize("name", ["IntelliJ IDEA 2025.2.4", "PyCharm 2025.2.4", "Android Studio"])
async def test_the_server_does_not_wait_a_second_time(starter_cache, sample, name):
    """Whatever the IDE calls itself: two at its own pace, one by hand."""
    it = await ide(sample, name=name)
    server = await it.server()
    waits = []
    for text in ("def twice(a):", "\n    return "):
        await it.type(text, 0.0)
        await it.shown(ANSWER_S)
        waits.append((await server.explain())["wait_ms"])
    await it.call()
    await it.shown(ANSWER_S)
    waits.append((await server.explain())["wait_ms"])
    assert await it.stop() == 0
    assert waits == [0, 0, 0]
    assert it.asked[-1] < DEBOUNCE_S / 2


async def test_behind_a_face_the_caret_is_where_the_server_thinks(starter_cache, sample):
    """P3: one character here, two units on the wire."""
    it = await ide(sample)
    await it.type('def subtract(a, b):\n    print("\U0001f600"); return a ', 0.0)
    grey = await it.shown(ANSWER_S)
    reason = (await (await it.server()).explain())["reason"]
    assert await it.stop() == 0
    assert grey, reason
    assert it.spans == [(it.caret, it.caret)]


async def test_an_action_from_the_list_through_resolve(starter_cache, sample):
    path = begun(sample, MOVED)
    it = Ide(sample, path, OPTIONS)
    server = await it.server()
    await server.settled(ANSWER_S)
    lines = it.document.text.split("\n")
    first = lines.index("        result += item * rate")
    listed = await it.actions((first, 0), (first + 1, len(lines[first + 1])))
    kinds = {str(one.kind): one for one in listed}
    assert "refactor.extract.function" in kinds
    assert all(one.edit is None and one.command is None for one in listed)
    assert not [one for one in listed if one.disabled], "never declared"
    assert "refactor.rewrite.instruct" not in kinds, "it could not ask for words"
    await it.choose(kinds["refactor.extract.function"])
    assert not server.commands
    assert await it.stop() == 0
    text = it.document.text
    compile(text, "report.py", "exec")
    assert text.count("result += item * rate") == 1
    assert text.index("result += item * rate") < text.index("def total(")


async def test_the_server_is_killed_and_the_next_key_brings_it_back(starter_cache, sample):
    it = await ide(sample)
    await it.type(TYPED + "\n    ")
    assert await it.shown(ANSWER_S)
    server = await it.server()
    killed = server.pid
    os.kill(killed, signal.SIGKILL if os.name == "posix" else signal.SIGTERM)
    while server.is_alive:
        await asyncio.sleep(0.01)
    at = time.perf_counter()
    await it.type("retur")
    await it.shown(ANSWER_S)
    again = await it.server()
    await again.settled(ANSWER_S)
    await it.key("n")
    grey = await it.shown(ANSWER_S)
    print(f"grey text again {time.perf_counter() - at:.1f} s after the server was killed")
    assert grey
    assert it.restarts == 1
    assert again.pid != killed
    assert await it.stop() == 0
    assert it.document.text.endswith(TYPED + "\n    return")


async def test_without_a_model_it_is_said_once_and_typing_goes_on(tmp_path, sample, monkeypatch):
    monkeypatch.setenv("GHOSTWRIGHT_CACHE", str(tmp_path / "empty"))
    it = await ide(sample)
    server = await it.server()
    await it.type(TYPED, 0.01)
    assert await it.shown(ANSWER_S) == ""
    said = [message for message in server.messages if "ghostwright setup" in message]
    assert server.statuses[-1]["state"] == "no-model"
    assert await it.stop() == 0
    assert len(said) == 1
    assert it.document.text.endswith(TYPED)


async def test_a_setting_of_the_configuration_tab_counts(starter_cache, sample):
    """It is told when the server asks, and pushed: the model is chosen by it, too."""
    it = Ide(sample, begun(sample), {"model": "qwen9"})
    server = await it.server()
    status = await server.settled(ANSWER_S)
    assert await it.stop() == 0
    assert status["state"] == "no-model"
    assert "qwen9" in status["message"]


async def test_a_steady_typist_at_400_ms_a_key_sees_what_fits(tmp_path):
    """The decode of a key was ended at the next one, before LSP4IJ had asked again: 0 of 40."""
    path = tmp_path / "notes.txt"
    path.write_text("x = a", "utf-8")
    fake = Path(__file__).parents[1] / "lsp_server" / "fake_server.py"
    command = (sys.executable, str(fake), str(tmp_path / "log"), "200", "200")
    it = Ide(tmp_path, path, command=command)
    await (await it.server()).settled()
    seen = 0
    for letter in "bcdefghijklmnop":
        await it.key(letter)
        await asyncio.sleep(0.4)
        seen += bool(it.grey)
    assert await it.stop() == 0
    assert seen >= 8


def test_the_command_of_the_template_is_cut_as_lsp4ij_cuts_it():
    arguments = json.loads((TEMPLATE / "template.json").read_text("utf-8"))["programArgs"]
    words = command_line(arguments["default"], Path("/home/a b"))
    assert words == ["/home/a b/.local/share/ghostwright/bin/ghostwright", "serve", "--stdio"]
    assert command_line(arguments["windows"], Path("C:/Users/a b"))[0].endswith("ghostwright.exe")
