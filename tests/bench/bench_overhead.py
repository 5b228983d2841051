# SPDX-License-Identifier: Apache-2.0
"""What the server adds to a keystroke: from the arrival of a request to the start of the engine.

    python -m tests.bench.bench_overhead [--quick]

A real server process on the real starter model types KEYS characters and asks after each, with one
token to write, in a file of 2 KB and in one of 1 MiB. `ours` leaves out the debounce (a wait by
choice) and includes tokenising what changed, by the engine's own tokeniser. Cached is the median
share of the prompt that was not read again. Without the model there is no figure.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
from pathlib import Path

from tests.bench.report import Figure, number, percentile, say, spread
from tests.e2e.editor import editor

SAMPLE = Path(__file__).parents[1] / "sample" / "ledger" / "report.py"
KEYS = 40
AIM_P95_MS = 10.0
WHAT = "our share of a key, request to engine start"
TYPED = "total = sum(entry.amount.cents for entry in journal.entries if entry)"


def texts() -> dict[str, str]:
    """The files to type at the end of."""
    small = SAMPLE.read_text(encoding="utf-8")
    return {"2 KB": small + "\n\n", "1 MiB": small * ((1 << 20) // len(small)) + "\n\n"}


async def measure(root: Path, name: str, text: str) -> Figure:
    """Type and ask, key by key."""
    ours, cached = [], []
    options = {"maxSuggestionTokens": 1, "contextTokens": 512}
    async with editor(root, options) as it:
        if it.statuses[-1]["state"] != "ready":
            return Figure(WHAT, name, None, note=f"no model: {it.statuses[-1]['message']}")
        uri = it.open(root / "report.py", text)
        line = text.count("\n")
        await it.suggest(uri, line, 0, manual=True)
        for column, key in enumerate(TYPED[:KEYS]):
            it.type(uri, line, column, key)
            await it.suggest(uri, line, column + 1, manual=True)
            facts = await it.explain()
            ours.append(facts["overhead_ms"])
            cached.append(facts["cached_tokens"] / max(1, facts["prompt_tokens"]))
    note = f"p95 of {KEYS} keys: {spread(ours)}; {number(100 * statistics.median(cached))} % cached"
    return Figure(WHAT, f"{name} file", percentile(ours, 0.95), "ms", AIM_P95_MS, note=note)


def main() -> None:
    parser = argparse.ArgumentParser(description="what the server adds to a key")
    parser.add_argument("--quick", action="store_true", help="the small file only")
    quick = parser.parse_args().quick
    for name, text in list(texts().items())[: 1 if quick else None]:
        with tempfile.TemporaryDirectory() as folder:
            say(asyncio.run(measure(Path(folder).resolve(), name, text)))


if __name__ == "__main__":
    main()
