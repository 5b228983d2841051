# SPDX-License-Identifier: Apache-2.0
"""The real server without a model, started warm in a repository: first answer, memory, rest.

In: a root, a cache folder that has its index and no model. Out: one `Server`. It speaks to the
server as an editor does and knows nothing of what goes on inside.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, NamedTuple

import psutil
from lsprotocol import types

from tests.bench.index import synthetic
from tests.e2e.editor import Editor

if TYPE_CHECKING:
    from pathlib import Path

QUESTIONS = 50
KEYS = 20
POLL_S = 0.1
READY_S = 300.0
QUIET_SHARE = 0.02  # of a core: below it the server is taken to have nothing more to do
QUIET_AFTER_S = 60.0  # if it has not come to rest by then, the figure says so
IDLE_S = 10.0
MB = 1e6


class Server(NamedTuple):
    """Milliseconds from the process's start, memory, share of one core."""

    first_answer_ms: float
    rss_mb: float
    children_mb: float
    quiet_s: float  # from the first answer until it came to rest
    idle_share: float


async def measure(root: Path, cache: Path, files: int) -> Server:
    it = Editor(root)
    started = time.monotonic()
    await it.start(environment={"GHOSTWRIGHT_CACHE": str(cache)})
    await until_found(it, synthetic.class_of(files // 2))
    answered = time.monotonic()
    await asyncio.wait_for(until_indexed(it, files), READY_S)
    for number in range(QUESTIONS):
        await symbols(it, synthetic.class_of(number * files // QUESTIONS))
    await work(it, root)
    assert it.client._server is not None
    process = psutil.Process(it.client._server.pid)
    await until_quiet(process, answered + QUIET_AFTER_S)
    quiet_s = time.monotonic() - answered
    idle_share = await share(process, IDLE_S)
    children = sum(child.memory_info().rss for child in process.children(recursive=True))
    rss = process.memory_info().rss
    await it.stop()
    return Server((answered - started) * 1000, rss / MB, children / MB, quiet_s, idle_share)


async def work(it: Editor, root: Path) -> None:
    """Keys typed into an open file, and a file saved from elsewhere: memory of writing counts."""
    uri = it.open(root / synthetic.module_path(0))
    for column in range(KEYS):
        it.type(uri, 0, column, "x")
        await it.explain()
    saved = root / "saved_elsewhere.py"
    try:
        saved.write_text("def saved_elsewhere():\n    pass\n", "utf-8")
        await asyncio.wait_for(until_found(it, "saved_elsewhere"), READY_S)
    finally:
        saved.unlink(missing_ok=True)


async def symbols(it: Editor, name: str) -> list[str]:
    answer = await it.client.workspace_symbol_async(types.WorkspaceSymbolParams(name))
    return [symbol.name for symbol in answer or ()]


async def until_found(it: Editor, name: str) -> None:
    while name not in await symbols(it, name):
        await asyncio.sleep(POLL_S / 10)


async def until_indexed(it: Editor, files: int) -> None:
    """Until the whole repository has been looked at."""
    while True:
        index = (await it.command("ghostwright.status"))["index"]
        if index["files"] == index["done"] >= files:
            return
        await asyncio.sleep(POLL_S)


async def until_quiet(process: psutil.Process, deadline: float) -> None:
    while time.monotonic() < deadline and await share(process, 1.0) > QUIET_SHARE:
        pass


async def share(process: psutil.Process, seconds: float) -> float:
    """How much of a core the process and its children used in that time."""
    before = used_s(process)
    await asyncio.sleep(seconds)
    return (used_s(process) - before) / seconds


def used_s(process: psutil.Process) -> float:
    total = 0.0
    for one in (process, *process.children(recursive=True)):
        times = one.cpu_times()
        total += times.user + times.system
    return total
