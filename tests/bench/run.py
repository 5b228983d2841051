# SPDX-License-Identifier: Apache-2.0
"""Run the benches one after the other and print all their figures as one Markdown table.

    python -m tests.bench.run [--quick] [--only index|server] [--svg FILE]

Each figure goes to stderr as it comes; the table goes to stdout at the end, and with the machine's
description into `results.md` below the cache, where the plot of sizes is too, unless `--svg` puts
it elsewhere. Data come first, outside of the time limit. A bench that fails or takes too long is
ended with all its children and has a row that says so; then the exit code is 1. A missed aim is a
result, not a failure.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import platform
import subprocess
import sys
import threading
import time
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import TYPE_CHECKING, NamedTuple

import psutil

from tests.bench.data import Unavailable, bench_dir
from tests.bench.index.trees import TREES
from tests.bench.report import HEAD, Figure, heard, row

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = "tests.bench."
LIMIT_S = 15 * 60.0  # of all benches together; on two quiet cores they need about half
QUICK_LIMIT_S = 5 * 60.0
SIZES_NAME = "size.svg"
REASON_LINES = 1  # of a bench that failed: its last line says why


class Bench(NamedTuple):
    """A module of `tests.bench` and its arguments; `{scratch}` is a folder that all share."""

    group: str
    module: str
    arguments: tuple[str, ...] = ()
    quick: tuple[str, ...] | None = ("--quick",)  # instead of `arguments`; None: not at all


BENCHES = (
    Bench("server", "bench_documents"),
    Bench("server", "bench_overhead"),
    Bench("index", "index.bench_cold"),
    Bench("index", "index.bench_resolution"),
    Bench(
        "index",
        "index.bench_size",
        ("--scratch", "{scratch}", "--svg", "{svg}"),
        ("--quick", "--svg", "{svg}"),
    ),
    Bench("index", "index.bench_edit"),
    Bench(
        "index",
        "index.first_answer",
        ("{scratch}/synthetic-50000", "--rounds", "5"),
        ("--files", "5000", "--rounds", "1"),
    ),
    Bench("index", "index.bench_watch"),
)


def run(bench: Bench, words: list[str], seconds: float) -> Iterator[Figure]:
    """The figures of a bench as they come; a last one without a value where it did not end well."""
    command = [sys.executable, "-m", PACKAGE + bench.module, *words]
    with (
        TemporaryFile() as errors,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True) as process,
    ):
        ended = threading.Timer(max(0.0, seconds), end_all, (process.pid,))
        ended.start()
        try:
            assert process.stdout is not None
            yield from filter(None, map(heard, process.stdout))
            code = process.wait()
        finally:
            late = not ended.is_alive()
            ended.cancel()
            end_all(process.pid)
        if code:
            errors.seek(0)
            lines = errors.read().decode("utf-8", "replace").strip().splitlines()
            why = "the time was over" if late else "".join(lines[-REASON_LINES:])
            yield Figure(bench.module, "", None, note=f"ended with {code}: {why}")


def end_all(pid: int) -> None:
    """End a process and everything below it, if it still runs."""
    try:
        top = psutil.Process(pid)
        family = [*top.children(recursive=True), top]
    except psutil.NoSuchProcess:
        return
    for process in family:
        with contextlib.suppress(psutil.NoSuchProcess):  # it ended by itself meanwhile
            process.kill()


def machine() -> str:
    """One line on what the figures were measured on."""
    cores = psutil.cpu_count(logical=False) or os.cpu_count() or 0
    memory_gb = psutil.virtual_memory().total / 1e9
    load = psutil.getloadavg()[0]
    return (
        f"{cores} cores, {memory_gb:.0f} GB, {platform.system()} {platform.machine()}, "
        f"Python {platform.python_version()}; load before the benches {load:.1f}"
    )


def fetch() -> None:
    """Bring the trees that are measured on. One that cannot be had is left to its bench to say."""
    for tree in TREES:
        with contextlib.suppress(Unavailable):
            tree.sources()


def measure(chosen: list[Bench], svg: Path, *, quick: bool) -> list[Figure]:
    """All figures of the chosen benches, in order."""
    deadline = time.monotonic() + (QUICK_LIMIT_S if quick else LIMIT_S)
    figures = []
    with TemporaryDirectory(dir=bench_dir()) as scratch:
        places = {"scratch": scratch, "svg": str(svg)}
        for bench in chosen:
            words = bench.quick if quick else bench.arguments
            if words is None:
                continue
            filled = [word.format(**places) for word in words]
            for figure in run(bench, filled, deadline - time.monotonic()):
                print(row(figure), file=sys.stderr, flush=True)
                figures.append(figure)
    return figures


def table(figures: list[Figure], about: str) -> str:
    missed = sum(figure.verdict == "MISS" for figure in figures)
    aimed = sum(bool(figure.verdict) for figure in figures)
    summary = f"{aimed - missed} of {aimed} aims reached. {about}."
    return "\n".join([HEAD, *map(row, figures), "", summary, ""])


def main() -> int:
    parser = argparse.ArgumentParser(description="all benches, one table")
    parser.add_argument("--quick", action="store_true", help="small data, few rounds")
    parser.add_argument("--only", choices=sorted({bench.group for bench in BENCHES}))
    parser.add_argument("--svg", type=Path, help="where the plot of sizes goes")
    given = parser.parse_args()
    about = machine()
    chosen = [bench for bench in BENCHES if given.only in {None, bench.group}]
    if any(bench.group == "index" for bench in chosen):
        fetch()
    figures = measure(chosen, given.svg or bench_dir() / SIZES_NAME, quick=given.quick)
    text = table(figures, about)
    print(text)
    fresh = bench_dir() / "results.md.new"
    fresh.write_text(text, "utf-8")
    fresh.replace(bench_dir() / "results.md")
    return int(any(figure.note.startswith("ended with") for figure in figures))


if __name__ == "__main__":
    sys.exit(main())
