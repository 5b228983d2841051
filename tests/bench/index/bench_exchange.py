# SPDX-License-Identifier: Apache-2.0
"""An index taken over from an archive beside the same one built, and whether both say the same.

    python -m tests.bench.index.bench_exchange [--quick] [--rounds N]

A round builds django's index with an empty cache, and then takes it over from an archive, each in a
process of its own, one after the other; both clocks run until everything can be asked, with what
imports lead to. The archive is of the index that was just built. Then 1,000 questions (names,
uses, the context at a place), drawn by hashes, go to both; the answers must be the same bytes.
"""

from __future__ import annotations

import argparse
import hashlib
import statistics
import time
from math import ceil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple

from indexer import exchange, exchange_in, exchange_out
from indexer.context import Cursor, gather
from indexer.index import Index
from indexer.store import store_name
from indexer.usage_of_process import cpu_seconds
from tests.bench.data import Unavailable, bench_dir
from tests.bench.index.trees import DJANGO
from tests.bench.isolated import isolated
from tests.bench.report import Figure, say

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from indexer.snapshot import Snapshot

WORKERS = 2
ROUNDS = 3
AIM_TIMES = 10
NAMES, USES, PLACES = 400, 300, 300
BUDGET = 2_000
SETTLE_S = 120.0


class Cost(NamedTuple):
    wall_s: float
    cpu_s: float
    parsed: int
    archive_mb: float = 0.0


def build(root: str, cache: str) -> Cost:
    wall, cpu = time.perf_counter(), cpu_seconds()
    with Index(root, cache, workers=WORKERS) as index:
        report = index.refresh()
        index.settle(SETTLE_S)
        wall, cpu = time.perf_counter() - wall, cpu_seconds() - cpu
    return Cost(wall, cpu, report.extracted)


def take_over(root: str, cache: str, file: str) -> Cost:
    """From the archive until it can be asked, as with what is known at a warm start."""
    wall, cpu = time.perf_counter(), cpu_seconds()
    _, archive = exchange.read(Path(file))
    exchange_in.adopt(archive, root, Path(cache))
    with Index(root, cache, workers=WORKERS) as index:
        index.snapshot().symbols("a")
        wall, cpu = time.perf_counter() - wall, cpu_seconds() - cpu
        parsed = index.refresh().extracted
    return Cost(wall, cpu, parsed, Path(file).stat().st_size / 1e6)


def export(root: str, cache: str, file: str) -> None:
    """An archive of what was just built, whole: `collect` builds the same of what may be shown."""
    exchange.write(Path(file), exchange_out.taken(Path(cache) / store_name(root)))


def answers(root: str, cache: str) -> list[str]:
    """A hash of the answer to each question."""
    with Index(root, cache, workers=WORKERS) as index:
        index.refresh()
        index.settle(SETTLE_S)
        return [hashlib.sha256(repr(a).encode()).hexdigest() for a in _answers(index.snapshot())]


def _answers(known: Snapshot) -> Iterator[object]:
    paths = [path for path in _drawn(known.paths()) if path.endswith(".py")]
    records = filter(None, map(known.record, paths))
    names = {symbol.name for record in records for symbol in record.symbols}
    drawn = _drawn(names)
    yield from (known.symbols(name) for name in drawn[:NAMES])
    yield from (known.references(name) for name in drawn[NAMES : NAMES + USES])
    for path in paths[:PLACES]:
        text = known.text(path).decode("utf-8", "replace")
        line = int(hashlib.sha256(path.encode()).hexdigest(), 16) % (text.count("\n") + 1) + 1
        yield gather(known, Cursor(path, line, 1, text), BUDGET, _count).pieces


def _count(text: str) -> int:
    return ceil(len(text) / 3)


def _drawn(of: Iterable[str]) -> list[str]:
    return sorted(of, key=lambda text: hashlib.sha256(text.encode()).digest())


def measure(rounds: int) -> None:
    root = str(DJANGO.sources())
    with TemporaryDirectory(dir=bench_dir()) as folder:
        file = f"{folder}/django.gwi"
        built, taken = [], []
        for number in range(rounds):
            built.append(isolated(build, root, f"{folder}/built{number}"))
            export(root, f"{folder}/built{number}", file)
            taken.append(isolated(take_over, root, f"{folder}/taken{number}", file))
        say_times(built, taken)
        last = rounds - 1
        one, two = (
            isolated(answers, root, f"{folder}/{name}{last}") for name in ("built", "taken")
        )
        same = sum(a == b for a, b in zip(one, two, strict=True))
        say(Figure("same bytes", DJANGO.name, same, "answers", len(one), True))


def say_times(built: list[Cost], taken: list[Cost]) -> None:
    for what, at in (("on the clock", 0), ("of the processor", 1)):
        ratios = [b[at] / t[at] for b, t in zip(built, taken, strict=True)]
        one, two = (statistics.median(cost[at] for cost in costs) for costs in (built, taken))
        note = f"built {one:.2f} s, taken over {two:.2f} s; {taken[-1].parsed} files parsed"
        note += f"; archive {taken[-1].archive_mb:.1f} MB"
        times = statistics.median(ratios)
        say(Figure(f"import, {what}", DJANGO.name, times, "x quicker", AIM_TIMES, True, note=note))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    args = parser.parse_args()
    try:
        measure(1 if args.quick else args.rounds)
    except Unavailable as error:
        say(Figure("import", DJANGO.name, None, note=str(error)))


if __name__ == "__main__":
    main()
