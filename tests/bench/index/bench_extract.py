# SPDX-License-Identifier: Apache-2.0
"""What extraction costs beside the bare parse, language by language, in one process.

    python -m tests.bench.index.bench_extract FOLDER [FOLDER ...]

In: folders of sources. Out: a figure a language of full support: processor seconds of all that the
index takes from a file, beside those of the C parse alone.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

import tree_sitter

from indexer.languages import detect, grammar
from indexer.parse import extract_bytes
from indexer.types import FileRecord
from tests.bench.report import Figure, number, say

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_FILE_BYTES = 1 << 20
RUNS = 2  # the better one counts: the machine is not ours alone


def texts_by_language(folders: list[Path]) -> dict[str, list[bytes]]:
    found = defaultdict(list)
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and not path.is_symlink() and path.stat().st_size <= MAX_FILE_BYTES:
                known = grammar(detect(path.name))
                if known is not None and known.language.tier == "A":
                    found[known.language.name].append(path.read_bytes())
    return dict(sorted(found.items()))


def best_s(work: Callable[[], object]) -> float:
    """Processor seconds of the better run."""
    times = []
    for _ in range(RUNS):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times)


def measure(language: str, texts: list[bytes]) -> Figure:
    known = grammar(language)
    assert known is not None
    parser = tree_sitter.Parser(known.native)
    parse_s = best_s(lambda: [parser.parse(text) for text in texts])
    extract_s = best_s(lambda: [extract_bytes(language, text) for text in texts])
    records = [FileRecord.from_bytes(extract_bytes(language, text)) for text in texts]
    symbols = sum(len(record.symbols) for record in records)
    references = sum(len(record.references) for record in records)
    return Figure(
        "extraction",
        f"{language}: {len(texts):,} files, {sum(map(len, texts)) / 1e6:.1f} MB",
        extract_s / parse_s,
        "x the bare parse, of the processor",
        note=f"better of {RUNS}: {number(extract_s)} s, the parse {number(parse_s)} s; "
        f"{symbols:,} definitions, {references:,} references",
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="extraction beside the bare parse")
    parser.add_argument("folders", nargs="+", type=Path)
    for language, texts in texts_by_language(parser.parse_args().folders).items():
        say(measure(language, texts))


if __name__ == "__main__":
    main()
