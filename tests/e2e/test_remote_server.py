# SPDX-License-Identifier: Apache-2.0
"""The full way of a key to a model in another process: llama.cpp's own server (E7, E9, S9)."""

from __future__ import annotations

import asyncio
import json
import sysconfig
import threading
import time
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from e2e.llama_server import LlamaServer
from remote_server import RemoteServer

from engine.fake import FakeEngine
from engine.layout import layouts
from engine.remote import Away, RemoteEngine, Where
from engine.types import Prompt, Sampling, Slot
from lsp_server import suggest
from lsp_server.documents import Place
from lsp_server.session import Session
from lsp_server.settings import resolve
from lsp_server.suggest import Ask

LIBRARY = Path(sysconfig.get_paths()["stdlib"])
SOURCES = ("textwrap", "bisect", "shlex", "fnmatch", "json/decoder", "heapq", "colorsys", "cmd")
KEY = "a-key-of-the-test"
OPTIONS = {"contextTokens": 160, "maxSuggestionTokens": 16, "idleWarm": False, "shared": False}
BACK_S = 60.0  # a model of 0.5 GB is loaded again on a busy machine
TYPED = "    def indent_of(self, line):\n        return len(line) - len("


@pytest.fixture(scope="module")
def server(starter_model):
    with LlamaServer(starter_model, KEY) as running:
        yield running


@pytest.fixture(autouse=True)
def patient(monkeypatch):
    """Whole answers are compared: a deadline of a keystroke would cut them on a busy machine."""
    monkeypatch.setattr(suggest, "DEADLINE_S", 300.0)
    monkeypatch.setenv("SERVER_KEY", KEY)


@asynccontextmanager
async def session(tmp_path, load=None, **options):
    settings, problems = resolve(OPTIONS, options)
    assert not problems
    said = []
    it = Session(settings, [tmp_path], on_status=said.append)
    it.said = said
    it.start(load)
    ready = asyncio.wrap_future(it.worker.ready)
    await asyncio.wait([ready])
    ready.exception()  # heard; `loaded` says it
    it.loaded()
    try:
        yield it
    finally:
        await asyncio.get_running_loop().run_in_executor(None, it.close)


def remote(url):
    return {"remote": {"url": url, "apiKeyEnv": "SERVER_KEY"}}


async def ask(it, text, tail="", name="a.py"):
    """One suggestion behind `text`, in a document of its own."""
    path = it.roots[0] / name
    document = it.documents.open(path.as_uri(), "python", 1, text + tail)
    place = Place(text.count("\n"), len(text.rpartition("\n")[2]))
    try:
        return await suggest.suggest(Ask(document, place, manual=True), it)
    finally:
        it.documents.close(path.as_uri())


def cases(count):
    """Places in the standard library: (text before, text behind), every other one at an end."""
    found = []
    for number in range(count):
        text = (LIBRARY / f"{SOURCES[number % len(SOURCES)]}.py").read_text("utf-8")
        lines = [at for at, line in enumerate(text.split("\n")) if len(line) > 24 and "(" in line]
        line = lines[(number * 7 + 11) % len(lines)]
        before = "\n".join(text.split("\n")[:line])
        whole = text.split("\n")[line]
        cut = len(before) + 1 + whole.index("(") + 1
        found.append((text[:cut], text[cut:] if number % 2 else ""))
    return found


async def check_same(server, llama, tmp_path, count):
    """The same suggestions as of the same model in this process; returns how many had text."""
    kept = Kept(llama)
    shown = 0
    async with (
        session(tmp_path, lambda: kept) as here,
        session(tmp_path, **remote(server.url)) as there,
    ):
        assert there.status.state == "ready", there.status
        assert f"at 127.0.0.1:{server.port}" in there.status.message
        for number, (before, behind) in enumerate(cases(count)):
            mine = await ask(here, before, behind)
            theirs = await ask(there, before, behind)
            assert (theirs.text, theirs.rules, theirs.reason) == (
                mine.text,
                mine.rules,
                mine.reason,
            ), number
            assert theirs.usage.prompt_tokens == mine.usage.prompt_tokens
            shown += bool(mine.text)
    return shown


class Kept:
    """An engine that outlives its session."""

    def __init__(self, engine):
        self._engine = engine

    def __getattr__(self, name):
        return getattr(self._engine, name)

    def close(self):
        pass


@pytest.mark.model
async def test_suggestions_are_those_of_the_same_model_in_this_process(server, llama, tmp_path):
    assert await check_same(server, llama, tmp_path, 3)


@pytest.mark.model
@pytest.mark.slow
@pytest.mark.timeout(1800)
async def test_50_suggestions_are_those_of_the_same_model_in_this_process(server, llama, tmp_path):
    shown = await check_same(server, llama, tmp_path, 50)
    print(f"\n50 of 50 are the same, {shown} with text")
    assert shown >= 5


@pytest.mark.model
async def test_what_was_read_for_one_key_is_not_read_for_the_next(server, tmp_path):
    before = cases(1)[0][0] + "\n"
    cached = evaluated = 0
    async with session(tmp_path, **remote(server.url)) as it:
        await ask(it, before)
        for end in range(len(TYPED) - 6, len(TYPED)):
            usage = (await ask(it, before + TYPED[:end])).usage
            cached, evaluated = cached + usage.cached_tokens, evaluated + usage.evaluated_tokens
    assert cached > 4 * evaluated, (cached, evaluated)


@pytest.mark.model
def test_E7_a_cancel_ends_the_work_of_the_real_server(server):
    engine = RemoteEngine(Where(server.url, "", "SERVER_KEY"))
    never, cancel, pieces = threading.Event(), threading.Event(), []

    def listen(piece):
        pieces.append(piece)
        if len(pieces) == 3:
            cancel.set()
        return True

    prompt = Prompt(tuple(engine.tokenize("# A long story of a model\n")), ())
    try:
        assert engine.complete(prompt, Sampling(400), cancel, listen).stopped_by == "cancelled"
        assert len(pieces) <= 4
        began = time.monotonic()
        engine.complete(prompt, Sampling(1), never, lambda _: True)
        slots = engine._http.get("/slots")
        assert not any(slot["is_processing"] for slot in slots)
        assert time.monotonic() - began < 20, "400 tokens were written in vain"
    finally:
        engine.close()


@pytest.mark.slow
@pytest.mark.model
async def test_the_server_is_killed_in_mid_stream_and_comes_back(starter_model, tmp_path):
    before = cases(1)[0][0]
    with LlamaServer(starter_model, KEY) as server:
        async with session(tmp_path, **remote(server.url)) as it:
            first = await ask(it, before)
            assert first.text or first.reason == "nothing worth showing"
            engine = it.worker.ready.result()
            begun = threading.Event()

            def kill(_):
                if not begun.is_set():
                    begun.set()
                    threading.Thread(target=server.kill).start()
                return True

            prompt = Prompt(tuple(engine.tokenize("# Once upon a time\n")), ())
            with pytest.raises(Away) as away:
                await asyncio.get_running_loop().run_in_executor(
                    None,
                    lambda: engine.complete(
                        prompt, Sampling(2000), threading.Event(), kill, Slot.DEEP
                    ),
                )
            assert "\n" not in str(away.value)
            await until(lambda: it.status.state == "error", 5)
            none = await ask(it, before)
            assert (none.text, none.source) == ("", "model")
            assert f"127.0.0.1:{server.port}" in none.reason
            server.start()
            await until(lambda: it.status.state == "ready", BACK_S)
            assert (await ask(it, before)).text == first.text


async def test_a_local_model_stands_in_with_prompts_of_its_own(tmp_path, monkeypatch):
    seen = []

    def local(self, model, path, most_tokens=0):
        assert model == "auto"
        self._tokens = None
        layout = layouts()["chatml"]
        return FakeEngine(lambda prompt: seen.append(prompt) or ["local\n"], layout=layout)

    monkeypatch.setattr(Session, "load_local", local)
    monkeypatch.setenv("SERVER_KEY", KEY)
    with RemoteServer("vLLM", ("far\n",), KEY) as server:
        far = {"url": server.url, "apiKeyEnv": "SERVER_KEY", "standIn": "auto"}
        options = {"remote": far, "contextTokens": 1024}  # the fake engine reads byte by byte
        async with session(tmp_path, **options) as it:
            assert (await ask(it, "value = ")).text == "far"
            server.stop()
            await ask(it, "value = 1 + ")
            await until(lambda: "stands in for" in it.status.message, 10)
            assert it.status.state == "ready"
            await until_text(it, "other = ", "local")
            assert "<|im_start|>" in seen[-1] and "<|fim_middle|>" not in seen[-1]
            server.start()
            await until(lambda: " at 127.0.0.1" in it.status.message, 20)
            await until_text(it, "third = ", "far")
            sent = server.prompts[-1]
            assert all(type(token) is int for token in sent), json.dumps(sent)[:200]


async def test_a_server_that_is_away_at_the_start_is_waited_for(tmp_path, monkeypatch):
    monkeypatch.setenv("SERVER_KEY", KEY)
    server = RemoteServer("SGLang", ("far\n",), KEY)
    server.start()
    server.stop()
    async with session(tmp_path, **remote(server.url)) as it:
        assert it.status.state == "error"
        assert "cannot be reached" in it.status.message
        assert "cannot be reached" in (await ask(it, "value = ")).reason
        server.start()
        try:
            await until(lambda: it.status.state == "ready", 20)
            assert (await ask(it, "value = ")).text == "far"
        finally:
            server.stop()


async def until_text(it, text, wanted, seconds=20):
    """A key may come while the engine is changed: the next one is answered."""
    deadline = time.monotonic() + seconds
    while (found := await ask(it, text)).text != wanted:
        assert time.monotonic() < deadline, found
        await asyncio.sleep(0.1)


async def until(holds, seconds):
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it never came"
        await asyncio.sleep(0.05)
