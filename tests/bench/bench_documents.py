# SPDX-License-Identifier: Apache-2.0
"""What one key costs in a big file: 1,000 one-character edits in a document of 1 MiB.

    python -m tests.bench.bench_documents [--quick]

In: nothing. Out: a figure for a document in ASCII and one with a character outside of the BMP in
each line, where UTF-16 columns are no byte offsets.
"""

from __future__ import annotations

import argparse
import random
import statistics
import time

from lsp_server.documents import Change, apply, from_text
from tests.bench.report import Figure, say, spread

LINES = 30_000
LINE = "    value = other(first, second)  "  # 35 characters with its terminator: 1 MiB in all
EDITS = 1_000
QUICK_EDITS = 200
AIM_MEDIAN_MS = 1.0


def measure(line: str, edits: int) -> list[float]:
    """Milliseconds of edits at random places, as an editor sends them: one notification each."""
    document = from_text("file:///big.py", f"{line}\n" * LINES)
    dice = random.Random(1)
    times_ms = []
    for version in range(1, edits + 1):
        place = (dice.randrange(LINES), dice.randrange(len(line)))
        change = Change("x", place, place)
        start = time.perf_counter()
        document = apply(document, [change], version, "utf-16")
        times_ms.append((time.perf_counter() - start) * 1000)
    assert len(document.text) == LINES * (len(line) + 1) + edits
    return times_ms


def main() -> None:
    parser = argparse.ArgumentParser(description="one-character edits in a big document")
    parser.add_argument("--quick", action="store_true", help="fewer edits")
    edits = QUICK_EDITS if parser.parse_args().quick else EDITS
    for name, line in (("ASCII", LINE), ("an emoji a line", "👍" + LINE[1:])):
        times_ms = measure(line, edits)
        say(
            Figure(
                "one-character edit of a document",
                f"{LINES * (len(LINE) + 1) / (1 << 20):.1f} MiB, {LINES:,} lines, {name}",
                statistics.median(times_ms),
                "ms",
                AIM_MEDIAN_MS,
                note=f"median of {edits:,}: {spread(times_ms)}",
            )
        )


if __name__ == "__main__":
    main()
