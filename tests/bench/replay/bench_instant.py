# SPDX-License-Identifier: Apache-2.0
"""The instant tier on traces of real commits: how often it is right, how much it foresees.

    python -m tests.bench.replay.bench_instant TRACE... [--keys N] [--missed N]

No model and no server. Each trace is typed key by key into buffers over the tree as it was before
its commit, so that nothing of what is typed can be in it; files typed before are open buffers. At
each key the tier is asked. A text counts once while it stays, and is right when all of it is what
was typed next. Traces come from `ghostwright trace REPO REV`. Figures go to stdout as in every
bench; `--missed` prints some texts that were wrong to stderr.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING

from indexer.index import Index
from lsp_server.replaying import scratch, screen
from lsp_server.replaying.trace import load, played, shared_start
from lsp_server.suggestions.instant import Instant, Spot
from tests.bench.report import Figure, percentile, say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lsp_server.replaying.trace import Buffer, Trace

LEAST_PRECISION = 0.60
MOST_MS = 10.0
KEYS = 2_000  # of a trace: a long one must not outweigh the others


@dataclass(slots=True)
class Score:
    """What came of some keys. `foreseen`: characters that were shown before they were typed."""

    keys: int = 0
    shown: int = 0
    right: int = 0
    shown_chars: int = 0
    right_chars: int = 0
    typed: int = 0
    foreseen: int = 0
    times_ms: list[float] = field(default_factory=list)
    cpu_ms: list[float] = field(default_factory=list)  # of the thread: what others do is not in it
    missed: list[str] = field(default_factory=list)

    def add(self, other: Score) -> None:
        for each in fields(self):
            setattr(self, each.name, getattr(self, each.name) + getattr(other, each.name))


def measure(trace: Trace) -> Score:
    """Type a trace and ask at every key."""
    score = Score()
    with (
        scratch.before(trace) as root,
        tempfile.TemporaryDirectory() as cache,
        Index(root, Path(cache)) as index,
    ):
        index.refresh()
        index.settle()
        instant = Instant()
        buffers: dict[str, Buffer] = {}
        here, last = "", ("", -1)
        for (key, buffer, cursor), after in zip(played(trace), screen.upcoming(trace), strict=True):
            if last[0] != key.path:
                for path, left in buffers.items():
                    index.overlay(str(root / path), left.text)
                buffers[key.path] = buffer
                instant.settle(Spot(key.path, buffer.lines, *cursor), index.snapshot())
            score.keys += 1
            score.typed += len(key.text)
            if last != (key.path, key.hunk) or key.removed or not here.startswith(key.text):
                here = ""
            elif here:
                score.foreseen += len(key.text)
                here = here[len(key.text) :]
            last = (key.path, key.hunk)
            started, cpu = time.perf_counter(), time.thread_time()
            found = instant.find(Spot(key.path, buffer.lines, *cursor), index.snapshot())
            score.cpu_ms.append((time.thread_time() - cpu) * 1000)
            score.times_ms.append((time.perf_counter() - started) * 1000)
            if found is not None and found.text != here:
                here = found.text
                if after:  # where nothing more is typed, nobody can tell what is right
                    _judge(score, found.text, after, buffer.lines[cursor[0]][: cursor[1]])
        instant.close()
    return score


def _judge(score: Score, text: str, after: str, line: str) -> None:
    right = after.startswith(text)
    score.shown += 1
    score.right += right
    score.shown_chars += len(text)
    score.right_chars += shared_start(text, after)
    if not right:
        score.missed.append(f"{line.strip()[-40:]!r} -> {text!r}, typed {after[: len(text)]!r}")


def say_all(name: str, score: Score) -> None:
    """The figures of a trace, or of all."""
    on = f"{name}, {score.keys:,} keys"

    def tell(what: str, value: float, unit: str = "", **more: float | bool | str) -> None:
        say(Figure(f"instant: {what}", on, round(value, 3), unit, **more))  # type: ignore[arg-type]

    tell(
        "texts wholly right", score.right / max(1, score.shown),
        aim=LEAST_PRECISION, at_least=True, note=f"of {score.shown:,}",
    )  # fmt: skip
    tell("characters right, of those shown", score.right_chars / max(1, score.shown_chars))
    tell("characters foreseen, of those typed", score.foreseen / max(1, score.typed))
    tell("processor time of a key, median", percentile(score.cpu_ms, 0.5), "ms")
    tell("processor time of a key, p95", percentile(score.cpu_ms, 0.95), "ms")
    tell("time of a key, median", percentile(score.times_ms, 0.5), "ms")
    tell("time of a key, p95", percentile(score.times_ms, 0.95), "ms", aim=MOST_MS)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("traces", nargs="+", type=Path, metavar="TRACE")
    parser.add_argument("--missed", type=int, default=0, metavar="N", help="print so many")
    parser.add_argument("--keys", type=int, default=KEYS, metavar="N", help="first of each trace")
    args = parser.parse_args(arguments)
    total = Score()
    for path in args.traces:
        score = measure(load(path, args.keys))
        say_all(path.stem, score)
        total.add(score)
    if len(args.traces) > 1:
        say_all(f"{len(args.traces)} traces", total)
    step = max(1, len(total.missed) // max(1, args.missed))
    for line in total.missed[::step][: args.missed]:
        print(line, file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
