# SPDX-License-Identifier: Apache-2.0
"""Types a trace into the protocol of llama.vim and notes what it would have shown.

In: a trace, the tree it is typed in, a model file. Out: for each key what was on the screen, and
the requests that were made. The session before the trace is part of it: buffers that were visited,
whose chunks are in the ring and have been read by the server.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import random
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from lsp_server.replaying.screen import Shown
from lsp_server.replaying.trace import Buffer
from tests.bench.replay.llama_vim import RING_N_CHUNKS, LlamaVim, Request

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lsp_server.replaying.trace import Trace

TOP = Path(__file__).resolve().parents[3]
ANSWER_S = 900.0  # a cold prompt of 8,192 tokens on a busy machine
LEAST_LINES = 64  # of a file worth a visit


class Listener(NamedTuple):
    host: str
    port: int
    key: str


class Seen(NamedTuple):
    """What the screen showed for each key, and what was asked for."""

    shown: list[tuple[Shown, ...]]
    requests: list[Request]
    read_s: float  # until the ring had been read, before the first key


@contextmanager
def engine(model: Path, context_tokens: int) -> Iterator[Listener]:
    """llama.cpp's listener in a child process, ended at the end."""
    command = [sys.executable, "-m", "tests.bench.replay.engine_child", str(model)]
    with subprocess.Popen(
        [*command, str(context_tokens)],
        cwd=TOP,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as child:
        try:
            assert child.stdout is not None
            said = json.loads(child.stdout.readline())
            host, _, port = said["address"].removeprefix("http://").rpartition(":")
            yield Listener(host, int(port), said["key"])
        finally:
            child.kill()


def play(trace: Trace, root: Path, listener: Listener, settle_s: float) -> Seen:
    """Type the trace, which is of one file, at its own speed."""
    return asyncio.run(_play(trace, root, listener, settle_s))


async def _play(trace: Trace, root: Path, listener: Listener, settle_s: float) -> Seen:
    path = trace.keys[0].path
    screen = _Screen()

    async def infill(body: dict[str, Any]) -> dict[str, Any]:
        return await asyncio.to_thread(_post, listener, body)

    vim = LlamaVim(infill, path, screen.show)
    visit(vim, root, path)
    started = time.perf_counter()
    await vim.rest()
    read_s = time.perf_counter() - started
    await asyncio.sleep(max(0.0, settle_s - read_s))
    timer = asyncio.ensure_future(vim.run())
    buffer = Buffer(trace.files[path] or "")
    begun = time.perf_counter()
    for number, key in enumerate(trace.keys):
        await _until(begun + key.at_s)
        row, column = buffer.press(key)
        screen.key()
        vim.moved([line.rstrip("\r\n") for line in buffer.lines], row, column)
        last = number + 1 == len(trace.keys)
        await _until(begun + key.at_s if last else begun + trace.keys[number + 1].at_s)
    vim.stop()
    timer.cancel()
    return Seen(screen.keys, vim.requests, read_s)


def visit(vim: LlamaVim, root: Path, path: str) -> None:
    """Look at the files nearest to `path`, as whoever works on it has done before."""
    files = sorted(
        (file.relative_to(root).as_posix() for file in root.rglob("*" + Path(path).suffix)),
        key=lambda name: (-len(_shared(name, path)), name),
    )
    rng = random.Random(7)
    visited = 0
    for name in files:
        lines = (root / name).read_text("utf-8", "replace").split("\n")
        if name != path and len(lines) >= LEAST_LINES and visited < RING_N_CHUNKS:
            vim.entered(name, lines, rng.randrange(len(lines)))
            visited += 1


class _Screen:
    """What stands behind the cursor, key by key."""

    def __init__(self) -> None:
        self.keys: list[tuple[Shown, ...]] = []
        self._before = ""
        self._text = ""
        self._pressed = 0.0

    def key(self) -> None:
        self._before, self._pressed = self._text, time.perf_counter()
        self.keys.append(())

    def show(self, text: str) -> None:
        self._text = text
        if text and self.keys:
            after_ms = (time.perf_counter() - self._pressed) * 1000
            last = self.keys[-1][-1].text if self.keys[-1] else self._before
            new = not last.endswith(text)
            self.keys[-1] = (*self.keys[-1], Shown(text, round(after_ms, 1), new))


def _post(listener: Listener, body: dict[str, Any]) -> dict[str, Any]:
    connection = http.client.HTTPConnection(listener.host, listener.port, timeout=ANSWER_S)
    headers = {"Authorization": f"Bearer {listener.key}", "Content-Type": "application/json"}
    try:
        connection.request("POST", "/infill", json.dumps(body).encode(), headers)
        answer: dict[str, Any] = json.loads(connection.getresponse().read())
    finally:
        connection.close()
    return answer


def _shared(name: str, path: str) -> list[str]:
    folders, others = name.split("/")[:-1], path.split("/")[:-1]
    pairs = enumerate(zip(folders, others, strict=False))
    end = next((n for n, (a, b) in pairs if a != b), min(len(folders), len(others)))
    return folders[:end]


async def _until(moment: float) -> None:
    await asyncio.sleep(max(0.0, moment - time.perf_counter()))
