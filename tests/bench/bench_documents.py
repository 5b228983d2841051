# SPDX-License-Identifier: Apache-2.0
"""What one key costs in a big file: 1,000 one-character edits in a document of 1 MiB.

Out: one line of JSON with milliseconds an edit. The aim is a median of at most 1 ms.
"""

from __future__ import annotations

import json
import random
import statistics
import time

from lsp_server.documents import Change, apply, from_text

LINES = 30_000
LINE = "    value = other(first, second)  "  # 35 characters with its terminator: 1 MiB in all
EDITS = 1_000


def measure(line: str) -> dict[str, float]:
    """Times of edits at random places, as an editor sends them: one notification each."""
    document = from_text("file:///big.py", f"{line}\n" * LINES)
    dice = random.Random(1)
    times_ms = []
    for version in range(1, EDITS + 1):
        place = (dice.randrange(LINES), dice.randrange(len(line)))
        change = Change("x", place, place)
        start = time.perf_counter()
        document = apply(document, [change], version, "utf-16")
        times_ms.append((time.perf_counter() - start) * 1000)
    assert len(document.text) == LINES * (len(line) + 1) + EDITS
    return {
        "median_ms": round(statistics.median(times_ms), 4),
        "p95_ms": round(statistics.quantiles(times_ms, n=20)[-1], 4),
    }


def main() -> None:
    print(
        json.dumps(
            {
                "edits": EDITS,
                "bytes": LINES * (len(LINE) + 1),
                "ascii": measure(LINE),
                "emoji": measure("👍" + LINE[1:]),
            }
        )
    )


if __name__ == "__main__":
    main()
