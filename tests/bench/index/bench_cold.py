# SPDX-License-Identifier: Apache-2.0
"""A cold index of real trees beside the bare C parse of the same files on one core.

    python -m tests.bench.index.bench_cold [--quick] [--tree NAME] [--rounds N]

A round is one bare parse and one index with two workers (definitions, references, imports, search),
each in a process of its own, one after the other: noise hits both. The parse has its files in
memory and its grammars loaded before its clock starts; the index starts with an empty cache, and
its clock runs from the opening until everything can be asked. The figure is the median of the
rounds' ratios. Beside it stands universal-ctags, which finds definitions only.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import statistics
import subprocess
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import tree_sitter

from indexer.index import Index
from indexer.languages import detect, grammar
from indexer.usage_of_process import cpu_seconds
from tests.bench.data import Unavailable, bench_dir
from tests.bench.index.trees import DJANGO, TREES, Tree, parsed_files
from tests.bench.isolated import isolated
from tests.bench.report import Figure, number, say

WORKERS = 2
ROUNDS = 3
AIM_RATIO = 0.85  # of django: more than parsing in less time than parsing, thanks to a second core


class Floor(NamedTuple):
    """The bare parse: files, bytes, seconds on the clock and of the processor."""

    files: int
    bytes: int
    wall_s: float
    cpu_s: float


class Cold(NamedTuple):
    """A cold index: seconds, and what came of it."""

    wall_s: float
    cpu_s: float
    files: int
    symbols: int
    references: int
    db_mb: float
    peak_rss_mb: float


def parse(root: str) -> Floor:
    """Parse every file once, in this process."""
    files = [(detect(p.name), p.read_bytes()) for p in sorted(Path(root).rglob("*")) if p.is_file()]
    parsers = {
        name: tree_sitter.Parser(found.native)
        for name in {name for name, _ in files}
        if (found := grammar(name))
    }
    wall, cpu = time.perf_counter(), time.process_time()
    for name, data in files:
        parsers[name].parse(data)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return Floor(len(files), sum(len(data) for _, data in files), wall, cpu)


def index(root: str, cache: str) -> Cold:
    """Index once, with an empty cache."""
    wall, cpu = time.perf_counter(), cpu_seconds()
    with Index(root, cache, workers=WORKERS) as made:
        report = made.refresh()
        wall, cpu = time.perf_counter() - wall, cpu_seconds() - cpu
    return Cold(
        wall,
        cpu,
        report.files,
        report.symbols,
        report.references,
        report.db_bytes / 1e6,
        report.peak_rss_mb,
    )


def measure(tree: Tree, rounds: int) -> None:
    try:
        tree.sources()
    except Unavailable as error:
        say(Figure("cold index", tree.name, None, note=str(error)))
        return
    with parsed_files(tree) as root:
        floors, colds = [], []
        for _ in range(rounds):
            floors.append(isolated(parse, str(root)))
            with TemporaryDirectory(dir=bench_dir()) as cache:
                colds.append(isolated(index, str(root), cache))
        found = floors[0]
        on = f"{tree.name} ({tree.language}): {found.files:,} files, {found.bytes / 1e6:.1f} MB"
        say_ratios(tree, on, floors, colds)
        say_ctags(on, root)


def say_ratios(tree: Tree, on: str, floors: list[Floor], colds: list[Cold]) -> None:
    ratios = [cold.wall_s / floor.wall_s for floor, cold in zip(floors, colds, strict=True)]
    wall_s = statistics.median(cold.wall_s for cold in colds)
    floor_s = statistics.median(floor.wall_s for floor in floors)
    cpu_s = statistics.median(cold.cpu_s for cold in colds)
    floor_cpu_s = statistics.median(floor.cpu_s for floor in floors)
    last = colds[-1]
    say(
        Figure(
            "cold index",
            on,
            statistics.median(ratios),
            "x the bare parse on one core",
            AIM_RATIO if tree is DJANGO else None,
            note=f"median of {len(colds)} ({min(ratios):.2f}-{max(ratios):.2f}): "
            f"{wall_s:.2f} s, the parse {floor_s:.2f} s; {last.symbols:,} definitions, "
            f"{last.references:,} references; {last.db_mb:.0f} MB on disk",
        )
    )
    say(
        Figure(
            "cold index, processor",
            on,
            cpu_s,
            "s",
            note=f"{WORKERS} workers and the parent; the parse {number(floor_cpu_s)} s: "
            f"{cpu_s / WORKERS / floor_cpu_s:.2f} x, if {WORKERS} cores shared it evenly; "
            f"largest memory of the parent {last.peak_rss_mb:.0f} MB",
        )
    )


def say_ctags(on: str, root: Path) -> None:
    what, program = "universal-ctags, definitions only", shutil.which("ctags")
    version = _output([program, "--version"]) if program else ""
    if not version.startswith("Universal Ctags"):
        say(Figure(what, on, None, note="universal-ctags is not installed"))
        return
    before, wall = os.times(), time.perf_counter()
    tags = _output([str(program), "-R", "-f", "-", str(root)]).count("\n")
    wall, after = time.perf_counter() - wall, os.times()
    cpu_s = sum(after[2:4]) - sum(before[2:4])  # of children
    release = re.split(r"[,(]", version)[0].strip()
    say(
        Figure(
            what, on, wall, "s", note=f"once; {cpu_s:.2f} s of processor, {tags:,} tags; {release}"
        )
    )


def _output(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, check=False)
    return done.stdout.decode("utf-8", "replace")


def main() -> None:
    parser = argparse.ArgumentParser(description="a cold index beside the bare parse")
    parser.add_argument("--quick", action="store_true", help="django only, one round")
    parser.add_argument("--tree", choices=[tree.archive.name for tree in TREES])
    parser.add_argument("--rounds", type=int, default=0)
    given = parser.parse_args()
    trees = [t for t in TREES if given.tree in (None, t.archive.name)]
    rounds = given.rounds or (1 if given.quick else ROUNDS)
    for tree in trees[:1] if given.quick else trees:
        measure(tree, rounds)


if __name__ == "__main__":
    main()
