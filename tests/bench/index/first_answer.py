# SPDX-License-Identifier: Apache-2.0
"""Cold start in a large repository, through the wire: when does the open file's world answer?

    python -m tests.bench.index.first_answer [FOLDER] [--files N] [--rounds N] [--whole] [--git]

A real server process (its model a fake) opens a synthetic repository of N files, made in FOLDER
unless it is there, with an empty cache. A file is opened right after `initialized`, and 20 keys a
second are typed into it. `definitions_ms`: from `initialized` until `workspace/symbol` finds every
name that the file imports. `lag`: from a key to the answer of a request sent behind it. `--whole`
types on until the whole repository is indexed, else for SECONDS. Prints a JSON line a round,
then the figures, which are medians.
"""

from __future__ import annotations

import argparse
import ast
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from lsprotocol import types

import tests.e2e.editor as editors
from tests.bench.index.synthetic import make, module_path
from tests.bench.report import Figure, percentile, say

AIM_DEFINITIONS_MS = 500.0
AIM_LAG_P99_MS = 50.0
SECONDS = 8.0  # of typing, where the end of the index is not waited for
SETTLE_S = 1.0  # between rounds: the last server's children end
KEY_S = 0.05
FAKE = Path(__file__).parents[2] / "lsp_server" / "fake_server.py"


async def measure(root: Path, opened: str, files: int, *, whole: bool) -> dict[str, float]:
    """One cold start. Milliseconds, except `indexed_s`."""
    it = editors.Editor(root)
    await it.start()
    begun = time.monotonic()
    uri = it.open(root / opened)
    found = asyncio.ensure_future(until_found(it, imported_names(root / opened), begun))
    lags, early = await type_on(it, uri, found, begun, files if whole else 0)
    figures = {
        "definitions_ms": round(await found, 0),
        "keys": len(lags),
        "lag_p50_ms": round(statistics.median(lags), 1),
        "lag_p99_ms": round(percentile(lags, 0.99), 1),
        "lag_max_ms": round(max(lags), 1),
        "lag_max_before_definitions_ms": round(max(early), 1),
    }
    if whole:
        figures["indexed_s"] = round(time.monotonic() - begun, 1)
    await it.stop()
    return figures


async def type_on(
    it: editors.Editor, uri: str, found: asyncio.Future[float], begun: float, files: int
) -> tuple[list[float], list[float]]:
    """The lag of every key, and of those before the definitions were known."""
    lags: list[float] = []
    early: list[float] = []
    while not found.done() or not await over(it, begun, files):
        asked = time.monotonic()
        it.type(uri, 0, len(lags), "x")
        await it.command("ghostwright.explain")
        lags.append((time.monotonic() - asked) * 1000)
        if not found.done():
            early.append(lags[-1])
        await asyncio.sleep(max(0.0, KEY_S - (time.monotonic() - asked)))
    return lags, early or lags[:1]


async def over(it: editors.Editor, begun: float, files: int) -> bool:
    """Whether so many files are in the index; for 0, whether the time is over."""
    if not files:
        return time.monotonic() > begun + SECONDS
    index = (await it.command("ghostwright.status"))["index"]
    return bool(index["files"] == index["done"] >= files)


def imported_names(path: Path) -> set[str]:
    """The names in the file's `from ... import` lines."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    return {alias.name for node in imports for alias in node.names}


async def until_found(it: editors.Editor, names: set[str], begun: float) -> float:
    """Milliseconds until every name is known."""
    left = set(names)
    while left:
        name = min(left)
        answer = await it.client.workspace_symbol_async(types.WorkspaceSymbolParams(name))
        if any(symbol.name == name for symbol in answer or ()):
            left.discard(name)
        else:
            await asyncio.sleep(0.02)
    return (time.monotonic() - begun) * 1000


def run(root: Path, files: int, rounds: int, *, whole: bool) -> list[dict[str, float]]:
    editors.SERVER = (sys.executable, str(FAKE), os.devnull, "5", "20")
    figures = []
    for number in range(rounds):
        # Another file each time: the disk's cache is warm, but nothing is known of this one.
        opened = module_path(files * (number + 1) // (rounds + 1))
        with tempfile.TemporaryDirectory() as cache:
            os.environ["GHOSTWRIGHT_CACHE"] = cache
            figures.append(asyncio.run(measure(root, opened, files, whole=whole)))
        print(json.dumps({"bench": "first answer", "files": files, **figures[-1]}), flush=True)
        time.sleep(SETTLE_S)
    return figures


def summary(files: int, figures: list[dict[str, float]], *, git: bool) -> list[Figure]:
    """Medians of the rounds, against the aims."""
    on = f"{files:,} synthetic files{' in git' if git else ''}, the real server, an empty cache"
    how = f"median of {len(figures)} starts, 20 keys a second meanwhile"
    first = [row["definitions_ms"] for row in figures]
    lags = [row["lag_p99_ms"] for row in figures]
    worst_ms = max(row["lag_max_ms"] for row in figures)
    return [
        Figure(
            "cold start: definitions of what the open file imports are answered",
            on,
            statistics.median(first),
            "ms after initialized",
            AIM_DEFINITIONS_MS,
            note=f"{how}; {min(first):.0f}-{max(first):.0f} ms",
        ),
        Figure(
            "cold start: lag of a key, p99",
            on,
            statistics.median(lags),
            "ms",
            AIM_LAG_P99_MS,
            note=f"{how}; p99 {min(lags):.0f}-{max(lags):.0f} ms, largest lag {worst_ms:.0f} ms",
        ),
    ]


def with_git(root: Path) -> None:
    """Commit everything, once: then git lists the files."""
    if not (root / ".git").exists():
        who = ("-c", "user.name=bench", "-c", "user.email=bench@localhost")
        for words in (("init", "-q"), ("add", "-A"), (*who, "commit", "-q", "-m", "all")):
            subprocess.run(["git", "-C", str(root), *words], check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="cold start: the first answers")
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--files", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--whole", action="store_true", help="type until all is indexed")
    parser.add_argument("--git", action="store_true", help="in a git work tree")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = (given.folder or Path(folder) / "big").resolve()
        make(root, given.files)
        if given.git:
            with_git(root)
        figures = run(root, given.files, given.rounds, whole=given.whole)
    for figure in summary(given.files, figures, git=given.git):
        say(figure)


if __name__ == "__main__":
    main()
