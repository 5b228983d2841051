# SPDX-License-Identifier: Apache-2.0
"""What a user feels while a big repository is indexed for the first time.

A real server (fake engine) opens a synthetic repository of FILES files with an empty cache. `lag_*`
is the time from a request to its answer, with 20 keys a second typed meanwhile; `definitions_ms` is
the time from `initialized` until every name that the open file imports is found by
`workspace/symbol`. Aims: p99 of the lag at most 50 ms, definitions within 500 ms.
"""

from __future__ import annotations

import ast
import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

from lsprotocol import types

import tests.e2e.editor as editors
from tests.bench.index.synthetic import make, module_path

FILES = int(os.environ.get("FILES", "50000"))
KEY_S = 0.05
HERE = Path(__file__).parent
FAKE = HERE.parents[1] / "lsp_server" / "fake_server.py"


async def measure(root: Path, opened: str, imported: set[str]) -> dict[str, float]:
    """Type into `opened` from the first moment until the index is complete."""
    editors.SERVER = (sys.executable, str(FAKE), os.devnull, "5", "20")
    it = editors.Editor(root)
    started = time.monotonic()
    await it.start()
    begun = time.monotonic()
    uri = it.open(root / opened)
    found = asyncio.ensure_future(until_found(it, imported, begun))
    lags, column = [], 0
    while not found.done() or not await complete(it):
        asked = time.monotonic()
        it.type(uri, 0, column, "x")
        column += 1
        await it.command("ghostwright.explain")
        lags.append((time.monotonic() - asked) * 1000)
        await asyncio.sleep(max(0.0, KEY_S - (time.monotonic() - asked)))
    indexed_s = time.monotonic() - begun
    await it.stop()
    return {
        "keys": len(lags),
        "start_s": round(begun - started, 2),
        "definitions_ms": round(await found, 0),
        "indexed_s": round(indexed_s, 1),
        "lag_p50_ms": round(statistics.median(lags), 1),
        "lag_p99_ms": round(statistics.quantiles(lags, n=100)[-1], 1),
        "lag_max_ms": round(max(lags), 1),
    }


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


async def complete(it: editors.Editor) -> bool:
    """Whether the whole repository is in the index."""
    index = (await it.command("ghostwright.status"))["index"]
    return bool(index["files"]) and index["files"] == index["done"] >= FILES * 0.99


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder).resolve() / "big"
        os.environ["GHOSTWRIGHT_CACHE"] = str(Path(folder) / "cache")
        make(root, FILES)
        opened = module_path(FILES // 2)
        figures = asyncio.run(measure(root, opened, imported_names(root / opened)))
    print(json.dumps({"bench": "lag", "files": FILES, **figures}))


if __name__ == "__main__":
    main()
