# SPDX-License-Identifier: Apache-2.0
"""How long it takes to choose the pieces of a prompt, by repository and by budget.

    python -m tests.bench.context.bench_assembly [--files 50000] [--scratch FOLDER]

On a synthetic repository of so many files and on django: cursors at lines chosen by a fixed seed,
each asked once, after ten others that are not counted. Then 256k tokens of django.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from engine.estimate import estimate_tokens
from indexer.context import Cursor, gather
from indexer.index import Index
from tests.bench.data import Unavailable
from tests.bench.index import synthetic
from tests.bench.index.trees import DJANGO
from tests.bench.report import Figure, percentile, say, spread

if TYPE_CHECKING:
    from collections.abc import Iterator

    from indexer.snapshot import Snapshot

CURSORS = 200
UNCOUNTED = 10
BUDGETS = (1_000, 4_000)
LARGE, LARGE_CURSORS = 262_144, 5
AIM_MS, LARGE_AIM_MS = 20.0, 1_000.0
SETTLE_S = 600.0


def cursors(snapshot: Snapshot, count: int) -> Iterator[Cursor]:
    """Ends of lines that are not blank, in files of more than ten lines."""
    chance = random.Random(7)
    paths = snapshot.paths()
    while count:
        path = chance.choice(paths)
        text = snapshot.text(path).decode("utf-8", "replace")
        lines = text.split("\n")
        line = chance.randrange(len(lines)) + 1
        if len(lines) > 10 and lines[line - 1].strip() and snapshot.record(path):
            count -= 1
            yield Cursor(path, line, len(lines[line - 1]) + 1, text)


def measure(name: str, root: Path, cache: Path) -> None:
    """Index a tree, open it again as the next start does, and time the budgets on it."""
    with Index(root, cache) as index:
        index.refresh()
        index.settle(SETTLE_S)
    with Index(root, cache) as index:
        index.refresh()
        index.settle(SETTLE_S)
        snapshot = index.snapshot()
        data = f"{name}, {len(snapshot.paths()):,} files"
        asked = list(cursors(snapshot, CURSORS + UNCOUNTED))
        for budget in BUDGETS:
            times = [gather(snapshot, at, budget, estimate_tokens).build_ms for at in asked]
            times = times[UNCOUNTED:]
            aim = AIM_MS if budget == BUDGETS[0] else None
            note = f"p95; {spread(times)}, {len(times)} cursors"
            what = f"pieces of {budget:,} tokens"
            say(Figure(what, data, round(percentile(times, 0.95), 1), "ms", aim, note=note))
        if name == "django":
            found = [gather(snapshot, at, LARGE, estimate_tokens) for at in asked[:LARGE_CURSORS]]
            worst = max(each.build_ms for each in found)
            note = f"longest of {LARGE_CURSORS}; {found[0].tokens:,} tokens of pieces"
            what = f"pieces of {LARGE:,} tokens"
            say(Figure(what, data, round(worst), "ms", LARGE_AIM_MS, note=note))


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench_assembly", description=__doc__.split("\n")[0])
    parser.add_argument("--files", type=int, default=50_000)
    parser.add_argument("--scratch", type=Path, help="where the synthetic tree is, or will be made")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ghostwright-bench-") as name:
        scratch = Path(name)
        tree = (options.scratch or scratch) / f"synthetic-{options.files}"
        tree.mkdir(parents=True, exist_ok=True)
        synthetic.make(tree, options.files)
        measure("synthetic", tree, scratch / "cache")
        try:
            measure("django", DJANGO.sources(), scratch / "cache")
        except Unavailable as reason:
            print(f"left out: {reason}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
