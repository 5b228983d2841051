# SPDX-License-Identifier: Apache-2.0
"""What the index costs, measured in one run; prints one JSON line a measurement.

    python -m tests.bench.index.bench_index cold SOURCE
        a cold index beside the bare parse of the same files
    python -m tests.bench.index.bench_index large FOLDER FILES
        warm start, memory, lookups in a synthetic repository

`cold` indexes only files that have a grammar: both sides read the same bytes. The floor is one
process that only parses; on a machine that others use too, compare the processor's seconds.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import tree_sitter

from indexer.index import Index
from indexer.languages import detect, grammar
from indexer.usage_of_process import peak_rss_mb
from tests.bench.index import synthetic

LOOKUPS = 300
EDITS = 60
EDITED_LINES = 5_000
WARM_STARTS = 7


def say(**figures: Any) -> None:
    rounded = {k: round(v, 3) if isinstance(v, float) else v for k, v in figures.items()}
    print(json.dumps(rounded), flush=True)


def milliseconds(times: list[float]) -> dict[str, float]:
    ordered = sorted(times)
    return {
        "p50_ms": 1000 * statistics.median(ordered),
        "p95_ms": 1000 * ordered[int(len(ordered) * 0.95)],
        "max_ms": 1000 * ordered[-1],
    }


def floor(root: Path) -> tuple[int, float, float]:
    """Files, wall and processor seconds of the bare C parse, after every grammar is loaded."""
    files = [(detect(str(p)), p.read_bytes()) for p in sorted(root.rglob("*")) if p.is_file()]
    parsers = {
        name: tree_sitter.Parser(found.native) for name, _ in files if (found := grammar(name))
    }
    wall, cpu = time.perf_counter(), time.process_time()
    for name, data in files:
        if name in parsers:
            parsers[name].parse(data)
    return len(files), time.perf_counter() - wall, time.process_time() - cpu


def copy_parsed(source: Path, target: Path) -> None:
    """The files of a tree that are in a language of the first tier."""
    for path in source.rglob("*"):
        found = grammar(detect(path.name)) if path.is_file() else None
        if found is not None and found.language.tier == "A" and path.stat().st_size:
            place = target / path.relative_to(source)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, place)


def cold(source: Path, rounds: int = 3) -> None:
    """The floor and the cold index in turn: noise hits both."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder, "repository")
        copy_parsed(source, root)
        for _ in range(rounds):
            files, floor_s, floor_cpu_s = floor(root)
            cache = Path(folder, "cache")
            shutil.rmtree(cache, ignore_errors=True)
            with Index(root, cache, workers=2) as index:
                report = index.refresh()
                settled = time.perf_counter()
                index.settle()
                settled = time.perf_counter() - settled
            say(
                what="cold",
                files=files,
                indexed=report.files,
                floor_s=floor_s,
                floor_cpu_s=floor_cpu_s,
                index_s=report.seconds,
                index_cpu_s=report.cpu_seconds,
                wall_ratio=report.seconds / floor_s,
                cpu_ratio_on_2_cores=report.cpu_seconds / 2 / floor_cpu_s,
                symbols=report.symbols,
                references=report.references,
                chunks=report.chunks,
                db_mb=report.db_bytes / 1e6,
                peak_rss_mb=report.peak_rss_mb,
                resolver_s=settled,
            )


FIRST_ANSWER = """
import sys, time
started = time.perf_counter()
from indexer.index import Index
imported = time.perf_counter()
index = Index(sys.argv[1], sys.argv[2])
found = index.snapshot().symbols(sys.argv[3], 5)
print(len(found), imported - started, time.perf_counter() - imported)
import os; os._exit(0)
"""


def warm_starts(root: Path, cache: Path, name: str) -> None:
    """From the start of a new process to its first answer."""
    whole, imports, opens = [], [], []
    for _ in range(WARM_STARTS):
        started = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-c", FIRST_ANSWER, str(root), str(cache), name],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        )
        whole.append(time.perf_counter() - started)
        found, imported, opened = done.stdout.split()
        assert int(found) > 0
        imports.append(float(imported))
        opens.append(float(opened))
    say(what="warm start: process to first answer", **milliseconds(whole))
    say(what="warm start: of it, imports", **milliseconds(imports))
    say(what="warm start: of it, open and answer", **milliseconds(opens))


def timed(ask: Any, questions: list[Any]) -> dict[str, float]:
    times = []
    for question in questions:
        started = time.perf_counter()
        ask(question)
        times.append(time.perf_counter() - started)
    return milliseconds(times)


def lookups(index: Index, files: int) -> None:
    chance = random.Random(5)
    snapshot = index.snapshot()
    numbers = [chance.randrange(files) for _ in range(LOOKUPS)]
    exact = [synthetic.class_of(number) for number in numbers]
    say(what="symbol, exact", **timed(lambda name: snapshot.symbols(name, 1), exact))
    say(what="symbol, prefix", **timed(lambda name: snapshot.symbols(name[:-1], 20), exact[:50]))
    say(
        what="symbol, fuzzy",
        **timed(lambda name: snapshot.symbols(name[::2].lower(), 20), exact[:20]),
    )
    say(what="references", **timed(lambda name: snapshot.references(name, 100), exact))
    common = ("cache", "getOrder", "value", "count")
    queries = [
        [(word, 1.0) for word in (synthetic.name_of(n, n), synthetic.class_of(n + 1), *common)]
        for n in numbers
    ]
    say(what="BM25, 6 terms", **timed(lambda query: snapshot.search(query, 20), queries))


def edits(index: Index, root: Path) -> None:
    """A key pressed in a file of 5,000 lines, as an overlay; and files saved."""
    function = (
        "def step_{n}(value):\n    total = compute(value, {n})\n    return total.result\n\n\n"
    )
    text = "".join(function.format(n=n) for n in range(EDITED_LINES // 5))
    middle = len(text) // 2
    index.overlay("long.py", text)
    states = [text[:middle] + "\n" + "x" * n + "\n" + text[middle:] for n in range(EDITS)]
    say(what="edit, 5,000 lines", **timed(lambda state: index.overlay("long.py", state), states))
    index.overlay("long.py", None)

    def save(number: int) -> None:
        path = root / synthetic.module_path(number)
        path.write_text(path.read_text("utf-8") + "\n# saved\n", "utf-8")
        index.update([str(path)])

    say(what="save, small file", **timed(save, list(range(EDITS))))


def large(folder: Path, files: int) -> None:
    root, cache = folder / f"repository-{files}", folder / f"cache-{files}"
    synthetic.make(root, files)
    shutil.rmtree(cache, ignore_errors=True)
    with Index(root, cache, workers=2) as index:
        report = index.refresh()
        say(
            what="cold",
            files=report.files,
            s=report.seconds,
            cpu_s=report.cpu_seconds,
            db_mb=report.db_bytes / 1e6,
            peak_rss_mb=report.peak_rss_mb,
        )
    warm_starts(root, cache, synthetic.class_of(files // 2))
    measure = (
        "import sys; from tests.bench.index import bench_index as b; b.after_start(*sys.argv[1:])"
    )
    subprocess.run(
        [sys.executable, "-c", measure, str(root), str(cache), str(files)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=True,
    )


def after_start(root: str, cache: str, files: str) -> None:
    """In a process of its own: its memory is that of a server that was started warm."""
    with Index(root, cache, workers=2) as index:
        say(what="memory after opening", rss_mb=peak_rss_mb())
        report = index.refresh()
        say(
            what="warm refresh",
            s=report.seconds,
            extracted=report.extracted,
            peak_rss_mb=peak_rss_mb(),
        )
        started = time.perf_counter()
        index.settle(600)
        say(what="resolver told of all", s=time.perf_counter() - started, peak_rss_mb=peak_rss_mb())
        lookups(index, int(files))
        edits(index, Path(root))
        say(what="memory after lookups and edits", peak_rss_mb=peak_rss_mb())


def main() -> None:
    if sys.argv[1] == "cold":
        cold(Path(sys.argv[2]))
    else:
        large(Path(sys.argv[2]), int(sys.argv[3]))


if __name__ == "__main__":
    main()
