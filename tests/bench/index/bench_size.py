# SPDX-License-Identifier: Apache-2.0
"""How the index grows with the repository: time, memory and answers at several sizes.

    python -m tests.bench.index.bench_size [--quick] [--sizes N ...] [--scratch DIR] [--svg FILE]

In: synthetic repositories of so many files, made in the scratch folder unless they are there. Each
measurement has a process of its own, so that memory is its own. `warm start` is from the start of a
new process to its first answer. Out: figures, those with aims for the largest size, and a plot.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import statistics
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from indexer.index import Index
from indexer.usage_of_process import cpu_seconds, peak_rss_mb
from lsp_server.indexing import FOLDER
from tests.bench.data import bench_dir
from tests.bench.index import synthetic, warm_server
from tests.bench.isolated import isolated
from tests.bench.plot import Panel, chart
from tests.bench.report import Figure, percentile, say, spread

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from indexer.snapshot import Snapshot
    from tests.bench.index.warm_server import Server

T = TypeVar("T")

SIZES = (1_000, 5_000, 10_000, 50_000)
QUICK_SIZES = (1_000, 5_000)
WORKERS = 2
WARM_STARTS = 7
LOOKUPS = 300
SCANS = 50  # prefix and letters look through all names
SAVES = 30
SETTLE_S = 300.0
RESOLVED_AT_ONCE = 200  # files
COMMON_WORDS = ("cache", "getOrder", "value", "count")

AIM_WARM_START_MS = 300.0
AIM_SYMBOL_MS = 1.0
AIM_SCAN_MS = 10.0  # at each key in the editor's list of symbols
AIM_BM25_P95_MS = 5.0
AIM_SERVER_MB = 200.0
AIM_IDLE_SHARE = 0.01  # of a core: what the clock can tell from nothing

FIRST_ANSWER = """
import sys, time
started = time.perf_counter()
from indexer.index import Index
imported = time.perf_counter()
index = Index(sys.argv[1], sys.argv[2])
found = index.snapshot().symbols(sys.argv[3], 5)
print(len(found), (imported - started) * 1000, flush=True)
import os; os._exit(0)
"""


class Cold(NamedTuple):
    """The first index of a repository."""

    wall_s: float
    cpu_s: float
    db_mb: float
    peak_mb: float


class Warm(NamedTuple):
    """One process that opens what is known: times of answers in milliseconds, memory in MB."""

    refresh_s: float
    settle_s: float
    settle_cpu_s: float
    answers: Answers
    save_ms: list[float]
    opened_mb: float
    settled_mb: float
    end_mb: float


class Answers(NamedTuple):
    """Milliseconds of each question to a snapshot."""

    exact_ms: list[float]
    prefix_ms: list[float]
    letters_ms: list[float]
    references_ms: list[float]
    bm25_ms: list[float]


class Row(NamedTuple):
    """All that was measured at one size."""

    files: int
    cold: Cold
    start_ms: list[float]
    imports_ms: float
    warm: Warm
    server: Server


def measure(files: int, scratch: Path) -> Row:
    root = scratch / f"synthetic-{files}"
    synthetic.make(root, files)
    with TemporaryDirectory(dir=scratch) as folder:
        cache = Path(folder, FOLDER)
        cold = isolated(index_cold, str(root), str(cache))
        starts, imports = warm_starts(root, cache, synthetic.class_of(files // 2))
        warm = isolated(ask_warm, str(root), str(cache), files)
        server = asyncio.run(warm_server.measure(root, Path(folder), files))
    return Row(files, cold, starts, imports, warm, server)


def index_cold(root: str, cache: str) -> Cold:
    wall, cpu = time.perf_counter(), cpu_seconds()
    with Index(root, cache, workers=WORKERS) as index:
        report = index.refresh()
        wall, cpu = time.perf_counter() - wall, cpu_seconds() - cpu
    return Cold(wall, cpu, report.db_bytes / 1e6, report.peak_rss_mb)


def warm_starts(root: Path, cache: Path, name: str) -> tuple[list[float], float]:
    """Milliseconds from the start of a process to its answer; the median of its imports'."""
    whole, imports = [], []
    for _ in range(WARM_STARTS):
        started = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-c", FIRST_ANSWER, str(root), str(cache), name],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        )
        whole.append((time.perf_counter() - started) * 1000)
        found, imported = done.stdout.split()
        assert int(found) > 0, f"{name} is not found"
        imports.append(float(imported))
    return whole, statistics.median(imports)


def ask_warm(root: str, cache: str, files: int) -> Warm:
    with Index(root, cache, workers=WORKERS) as index:
        opened_mb = peak_rss_mb()
        started = time.perf_counter()
        index.refresh()
        refreshed, cpu = time.perf_counter(), cpu_seconds()
        index.settle(SETTLE_S)
        while index.snapshot().resolver.settle(RESOLVED_AT_ONCE):
            pass  # in the background this goes on for a while after a cold index, once
        settled, settle_cpu_s, settled_mb = time.perf_counter(), cpu_seconds() - cpu, peak_rss_mb()
        answers = lookups(index.snapshot(), files)
        saves = timed_ms(lambda number: save(index, Path(root), number), range(SAVES))
        return Warm(
            refreshed - started,
            settled - refreshed,
            settle_cpu_s,
            answers,
            saves,
            opened_mb,
            settled_mb,
            peak_rss_mb(),
        )


def lookups(snapshot: Snapshot, files: int) -> Answers:
    """Names and words by chance, the same ones each time."""
    chance = random.Random(5)
    numbers = [chance.randrange(files) for _ in range(LOOKUPS)]
    exact = [synthetic.class_of(number) for number in numbers]
    queries = [
        [
            (word, 1.0)
            for word in (synthetic.name_of(n, n), synthetic.class_of(n + 1), *COMMON_WORDS)
        ]
        for n in numbers
    ]
    return Answers(
        timed_ms(lambda name: snapshot.symbols(name, 1), exact),
        timed_ms(lambda name: snapshot.symbols(name[:-1], 20), exact[:SCANS]),
        timed_ms(lambda name: snapshot.symbols(name[::2].lower(), 20), exact[:SCANS]),
        timed_ms(lambda name: snapshot.references(name, 100), exact),
        timed_ms(lambda query: snapshot.search(query, 20), queries),
    )


def save(index: Index, root: Path, number: int) -> None:
    """A small file is saved; the answer to it is that the index knows."""
    name = f"saved_as_{number}"
    path = root / "saved.py"
    path.write_text(f"def {name}():\n    return {number}\n", "utf-8")
    index.update([str(path)])
    assert index.snapshot().symbols(name, 1), f"{name} is not in the index"
    path.unlink()
    index.update([str(path)])


def timed_ms(ask: Callable[[T], object], questions: Sequence[T]) -> list[float]:
    times = []
    for question in questions:
        started = time.perf_counter()
        ask(question)
        times.append((time.perf_counter() - started) * 1000)
    return times


def tell(row: Row, *, largest: bool) -> None:
    """The figures of one size; aims are for the largest one."""
    on = f"{row.files:,} synthetic files"
    cold, warm, server = row.cold, row.warm, row.server
    answers = warm.answers

    def figure(
        what: str, value: float, unit: str, aim: float | None = None, note: str = ""
    ) -> None:
        say(Figure(what, on, value, unit, aim if largest else None, note=note))

    figure(
        "cold index",
        cold.wall_s,
        "s",
        note=f"once; {cold.cpu_s:.1f} s of processor, {cold.db_mb:.0f} MB on disk, "
        f"largest memory {cold.peak_mb:.0f} MB",
    )
    figure(
        "warm start, new process to first answer",
        statistics.median(row.start_ms),
        "ms",
        AIM_WARM_START_MS,
        f"median of {WARM_STARTS}, max {max(row.start_ms):.0f} ms; imports {row.imports_ms:.0f} ms",
    )
    for what, times, share, aim in (
        ("symbol, exact name", answers.exact_ms, 0.5, AIM_SYMBOL_MS),
        ("symbol, prefix", answers.prefix_ms, 0.5, AIM_SCAN_MS),
        ("symbol, some of its letters", answers.letters_ms, 0.5, AIM_SCAN_MS),
        ("references of a name", answers.references_ms, 0.5, None),
        ("BM25, 6 terms", answers.bm25_ms, 0.95, AIM_BM25_P95_MS),
        ("a small file is saved twice, until known", warm.save_ms, 0.5, None),
    ):
        note = f"{'p95' if share > 0.5 else 'median'} of {len(times)}: {spread(times)}"
        figure(what, percentile(times, share), "ms", aim, note)
    figure(
        "warm refresh",
        warm.refresh_s,
        "s",
        note=f"once; all resolved {warm.settle_s:.1f} s later, "
        f"{warm.settle_cpu_s:.1f} s of processor",
    )
    figure(
        "memory of the index in its process",
        warm.end_mb,
        "MB",
        note=f"largest after lookups; {warm.opened_mb:.0f} MB opened, "
        f"{warm.settled_mb:.0f} MB all resolved",
    )
    figure(
        "server, start to first answer",
        server.first_answer_ms,
        "ms",
        note="once; the real server without a model, warm, through the wire",
    )
    figure(
        "server's memory without a model",
        server.rss_mb,
        "MB",
        AIM_SERVER_MB,
        f"once, all indexed, {warm_server.QUESTIONS} questions, {warm_server.KEYS} keys, a save; "
        f"its workers {server.children_mb:.0f} MB",
    )
    figure(
        "server's processor while idle",
        server.idle_share,
        "of a core",
        AIM_IDLE_SHARE,
        f"over {warm_server.IDLE_S:.0f} s, {server.quiet_s:.0f} s after the first answer",
    )


def plot(rows: list[Row]) -> str:
    def panel(
        title: str, unit: str, value: Callable[[Row], float], aim: float | None = None
    ) -> Panel:
        return Panel(title, unit, tuple((row.files, value(row)) for row in rows), aim)

    panels = (
        panel("cold index", "seconds", lambda row: row.cold.wall_s),
        panel(
            "warm start to first answer",
            "ms, median",
            lambda row: statistics.median(row.start_ms),
            AIM_WARM_START_MS,
        ),
        panel(
            "symbol by name",
            "ms, median",
            lambda row: statistics.median(row.warm.answers.exact_ms),
            AIM_SYMBOL_MS,
        ),
        panel(
            "BM25, 6 terms",
            "ms, p95",
            lambda row: percentile(row.warm.answers.bm25_ms, 0.95),
            AIM_BM25_P95_MS,
        ),
        panel("server without a model", "MB", lambda row: row.server.rss_mb, AIM_SERVER_MB),
    )
    return chart(panels, "files of a synthetic repository; 2 workers")


def write_whole(path: Path, text: str) -> None:
    """All of it or none."""
    fresh = path.with_name(path.name + ".new")
    fresh.write_text(text, "utf-8")
    fresh.replace(path)


def main() -> None:
    parser = argparse.ArgumentParser(description="the index at several sizes")
    parser.add_argument("--quick", action="store_true", help="small sizes only")
    parser.add_argument("--sizes", type=int, nargs="+")
    parser.add_argument("--scratch", type=Path, help="where repositories are made and kept")
    parser.add_argument("--svg", type=Path, help="where the plot goes")
    given = parser.parse_args()
    sizes = sorted(given.sizes or (QUICK_SIZES if given.quick else SIZES))
    with ExitStack() as stack:
        scratch = given.scratch or stack.enter_context(TemporaryDirectory(dir=bench_dir()))
        rows = []
        for files in sizes:
            rows.append(measure(files, Path(scratch).resolve()))
            tell(rows[-1], largest=files == SIZES[-1])
    svg = given.svg or bench_dir() / "size.svg"
    write_whole(svg, plot(rows))
    print(f"plot: {svg}", file=sys.stderr)


if __name__ == "__main__":
    main()
