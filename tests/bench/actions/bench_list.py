# SPDX-License-Identifier: Apache-2.0
"""How long the list of code actions takes in a large repository: asked at every cursor move.

    python -m tests.bench.actions.bench_list [FOLDER] [--files 50000] [--quick]

FOLDER holds the synthetic repository and its index, and is made where it is missing. A real server
process without a model is asked for the list at MOVES places of FILES_OPEN files: first in each
newly opened file, then as the cursor moves, then after a key was typed. Milliseconds from the
request to its answer, as an editor has them.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from lsprotocol import types

from tests.bench.index import synthetic
from tests.bench.index.warm_server import READY_S, until_indexed
from tests.bench.report import Figure, percentile, say, spread
from tests.e2e.editor import Editor

if TYPE_CHECKING:
    from collections.abc import Sequence

FILES = 50_000
QUICK_FILES = 5_000
FILES_OPEN = 20
MOVES = 20  # in each of them
PAUSE_S = 0.1  # between them: editors wait longer before they ask
AIM_P95_MS = 50.0
KINDS = types.CodeActionClientCapabilities(
    code_action_literal_support=types.ClientCodeActionLiteralOptions(
        types.ClientCodeActionKindOptions([])
    ),
    disabled_support=True,
    data_support=True,
    resolve_support=types.ClientCodeActionResolveOptions(["edit"]),
)
TOLD = types.ClientCapabilities(
    text_document=types.TextDocumentClientCapabilities(code_action=KINDS)
)


async def listed(it: Editor, uri: str, line: int) -> tuple[float, int]:
    """Milliseconds, and how many actions there were."""
    here = types.Position(line, 4)
    context = types.CodeActionContext([], trigger_kind=types.CodeActionTriggerKind.Automatic)
    target = types.TextDocumentIdentifier(uri)
    started = time.perf_counter()
    answer = await it.client.text_document_code_action_async(
        types.CodeActionParams(target, types.Range(here, here), context)
    )
    return (time.perf_counter() - started) * 1000, len(answer or ())


async def measure(root: Path, cache: Path, files: int) -> dict[str, list[float]]:
    """Times of each kind of look. Raises RuntimeError where nothing was offered at all."""
    it, chance = Editor(root), random.Random(1)
    times: dict[str, list[float]] = {"opened": [], "moved": [], "typed": []}
    offered = 0
    await it.start(capabilities=TOLD, environment={"GHOSTWRIGHT_CACHE": str(cache)})
    try:
        await asyncio.wait_for(until_indexed(it, files), READY_S)
        for number in chance.sample(range(files), FILES_OPEN):
            path = root / synthetic.module_path(number)
            uri, lines = it.open(path), len(path.read_text("utf-8").splitlines())
            for move in range(MOVES):
                if move > MOVES // 2:
                    it.type(uri, 0, 0, "#")
                kind = "opened" if not move else "typed" if move > MOVES // 2 else "moved"
                await asyncio.sleep(PAUSE_S)
                took, count = await listed(it, uri, chance.randrange(lines))
                times[kind].append(took)
                offered += count
    finally:
        await it.stop()
    if not offered:
        raise RuntimeError("no action was offered anywhere")
    return times


def report(times: dict[str, Sequence[float]], files: int) -> None:
    every = [took for kind in times.values() for took in kind]
    for kind, took in (("all", every), *times.items()):
        data = f"{files:,} files, {kind}"
        note = f"p95 of {len(took)}: {spread(took)}"
        say(
            Figure(
                "list of code actions", data, percentile(took, 0.95), "ms", AIM_P95_MS, note=note
            )
        )


def main() -> None:
    parser = argparse.ArgumentParser(description="the list of code actions in a large repository")
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--files", type=int, default=FILES)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_FILES} files")
    given = parser.parse_args()
    files = QUICK_FILES if given.quick else given.files
    with tempfile.TemporaryDirectory() as scratch:
        root = (given.folder or Path(scratch) / "repository").resolve()
        root.mkdir(parents=True, exist_ok=True)
        synthetic.make(root, files)
        cache = root.parent / f"{root.name}-cache"
        report(asyncio.run(measure(root, cache, files)), files)


if __name__ == "__main__":
    main()
