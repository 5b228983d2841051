# SPDX-License-Identifier: Apache-2.0
"""What extraction costs beside the bare parse, in processor seconds of one run.

    python tests/bench/index/bench_extract.py FOLDER [FOLDER ...] [--workers N]

Prints a table: each language's files, bytes, the C parse alone, the whole extraction, their ratio,
records; then the time on the clock for all of it through worker processes, and ctags beside it.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3]))

import tree_sitter as ts

from indexer import languages
from indexer.parse import extract_bytes
from indexer.types import FileRecord
from indexer.workers import Job, Pool

MAX_FILE_BYTES = 1 << 20
BATCH_FILES = 32
RUNS = 2  # the better one counts: the machine is not ours alone


def read_files(_settings):
    """The reader that workers import: plain bytes, no policy."""
    return lambda path: (Path(path).read_bytes(), "")


def collect(folders):
    files = defaultdict(list)
    for folder in folders:
        for path in sorted(Path(folder).rglob("*")):
            if path.is_file() and not path.is_symlink() and path.stat().st_size <= MAX_FILE_BYTES:
                language = languages.detect(path.name)
                if language != languages.TEXT and languages.table()[language].tier == "A":
                    files[language].append(path)
    return files


def best(work):
    times = []
    for _ in range(RUNS):
        start = time.process_time()
        result = work()
        times.append(time.process_time() - start)
    return min(times), result


def parse_all(language, texts):
    parser = ts.Parser(languages.grammar(language).native)
    for text in texts:
        parser.parse(text)


def measure(language, paths):
    texts = [path.read_bytes() for path in paths]
    size = sum(map(len, texts))
    parse_s, _ = best(lambda: parse_all(language, texts))
    extract_s, blobs = best(lambda: [extract_bytes(language, text) for text in texts])
    records = [FileRecord.from_bytes(blob) for blob in blobs]
    counts = [
        sum(len(getattr(record, part)) for record in records)
        for part in ("symbols", "references", "imports", "typed_names", "chunks")
    ]
    figures = " ".join(f"{count:>8,}" for count in counts)
    ratio = extract_s / parse_s if parse_s else 0.0
    print(
        f"{language:<12}{len(texts):>6} {size / 1e6:>7.2f} {parse_s:>7.2f} {extract_s:>7.2f}"
        f" {ratio:>6.2f}  {figures}",
        flush=True,
    )
    return parse_s


def through_workers(files, workers):
    jobs = [Job(str(path), language) for language, paths in files.items() for path in paths]
    start, parent = time.perf_counter(), time.process_time()
    with Pool(workers, "bench_extract:read_files") as pool:
        pool.submit([Job(str(jobs[0].path))]).result()
        started = time.perf_counter() - start
        futures = [
            pool.submit(jobs[at : at + BATCH_FILES], at) for at in range(0, len(jobs), BATCH_FILES)
        ]
        results = [result for future in futures for result in future.result()]
        clock = time.perf_counter() - start
    failed = [result for result in results if result.record is None]
    print(
        f"\n{workers} workers: {clock:.2f} s on the clock, the first result after {started:.2f} s,"
    )
    print(f"  {time.process_time() - parent:.2f} s of the parent's processor, {len(failed)} failed")
    for result in failed[:5]:
        print("  ", result.path, result.reason)
    return clock


def ctags(folders):
    if not shutil.which("ctags"):
        return
    before = os.times()
    subprocess.run(["ctags", "-R", "-f", os.devnull, *map(str, folders)], check=True)
    after = os.times()
    used = (
        after.children_user + after.children_system - before.children_user - before.children_system
    )
    print(f"universal-ctags, definitions only: {used:.2f} s of processor")


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("folders", nargs="+", type=Path)
    arguments.add_argument("--workers", type=int, default=2)
    options = arguments.parse_args()
    files = collect(options.folders)
    print(
        "language     files      MB   parse extract  ratio   symbols     refs  imports"
        "    typed   chunks"
    )
    parse_s = sum(measure(language, paths) for language, paths in sorted(files.items()))
    clock = through_workers(files, options.workers)
    print(f"  {clock / parse_s:.2f} x the bare parse on one core ({parse_s:.2f} s)")
    ctags(options.folders)


if __name__ == "__main__":
    main()
