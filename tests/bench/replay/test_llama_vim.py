# SPDX-License-Identifier: Apache-2.0
"""The stand-in for llama.vim: a peer that is weaker than the real one would flatter us."""

from __future__ import annotations

import asyncio

from tests.bench.replay.llama_vim import N_PREFIX, N_SUFFIX, RETRY_S, Chunk, LlamaVim


class Server:
    """Answers with what follows in `script`, after a while; keeps what it was asked."""

    def __init__(self, script, seconds=0.0):
        self.script, self.seconds, self.bodies = script, seconds, []

    async def infill(self, body):
        self.bodies.append(body)
        await asyncio.sleep(self.seconds)
        head = body["prompt"]
        text = self.script[len(head) :] if self.script.startswith(head) else ""
        return {"content": text, "timings": {"prompt_n": 3, "cache_n": 4}}


def editor(server, **more):
    shown = []
    vim = LlamaVim(server.infill, "a.py", shown.append, **more)
    return vim, shown


async def test_a_suggestion_is_shown_and_stays_while_it_is_typed():
    server = Server("total = 1")
    vim, shown = editor(server)
    vim.moved(["tot"], 0, 3)
    await asyncio.sleep(0.02)
    assert shown[-1] == "al = 1"
    vim.moved(["tota"], 0, 4)
    assert shown[-1] == "l = 1", "looked up at once"
    vim.moved(["totaX"], 0, 5)
    assert shown[-1] == ""
    vim.stop()


async def test_what_would_follow_an_accepted_suggestion_is_asked_for():
    server = Server("total = 1")
    vim, _ = editor(server)
    vim.moved(["tot"], 0, 3)
    await asyncio.sleep(RETRY_S * 3)
    assert [body["prompt"] for body in server.bodies] == ["tot", "total = 1"]
    assert [body["t_max_predict_ms"] for body in server.bodies] == [250, 1000]
    vim.stop()


async def test_nothing_is_cancelled_and_nothing_asked_while_a_request_runs():
    server = Server("zzz", seconds=0.05)
    vim, _ = editor(server)
    for length in range(1, 5):
        vim.moved(["abcd"[:length]], 0, length)
    assert len(vim.requests) <= 1
    await asyncio.sleep(0.05 + RETRY_S * 3)
    assert [body["prompt"] for body in server.bodies] == ["a", "abcd"]
    vim.stop()


async def test_a_request_has_what_the_settings_say():
    server = Server("x")
    ring = [Chunk("b.py", ("one", "two"))]
    vim, _ = editor(server, ring=ring)
    lines = [f"line {number}" for number in range(1000)]
    vim.moved(lines, 500, 4)
    await asyncio.sleep(0.02)
    (body,) = server.bodies
    assert body["input_prefix"].count("\n") == N_PREFIX
    assert body["input_suffix"].count("\n") == N_SUFFIX + 1
    assert body["prompt"] == "line"
    assert body["input_extra"] == [{"text": "one\ntwo\n", "filename": "b.py"}]
    assert len(vim.queued) == 2, "two chunks far from the cursor wait for the ring"
    vim.stop()


async def test_much_text_behind_the_cursor_is_not_asked_about():
    server = Server("x")
    vim, _ = editor(server)
    vim.moved(["f(12345678)"], 0, 2)
    await asyncio.sleep(0.02)
    assert server.bodies == []
    vim.stop()


async def test_what_stands_below_already_is_not_shown():
    server = Server("same")
    vim, shown = editor(server)
    vim.moved(["sa", "same"], 0, 2)
    await asyncio.sleep(0.02)
    assert [text for text in shown if text] == []
    vim.stop()
