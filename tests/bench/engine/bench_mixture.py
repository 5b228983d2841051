# SPDX-License-Identifier: Apache-2.0
"""What a model of the shape of Qwen3-Coder-30B-A3B costs on this machine, without its weights.

    python -m tests.bench.engine.bench_mixture [--quick] [--layers N] [--folder DIR] [--context N]

A file of random weights (17 GB; 1.1 GB with --quick) is written, loaded by the product's own engine
in a process of its own, measured and deleted, also when interrupted. It reads a prompt,
then the tail of a keystroke, and writes an answer. The figures go to stderr as a table too.
"""

from __future__ import annotations

import argparse
import contextlib
import shutil
import signal
import sys
import threading
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple

import psutil

from engine import load
from engine.types import Prompt, Sampling
from tests.bench.data import bench_dir
from tests.bench.engine import random_model
from tests.bench.isolated import isolated
from tests.bench.report import HEAD, Figure, number, row, say

if TYPE_CHECKING:
    from types import FrameType

QUICK_LAYERS = 2
CONTEXT_TOKENS = 8192
PROMPT_TOKENS = 256
TAIL_TOKENS = 48  # what a key costs once its prefix is kept
ANSWER_TOKENS = 32
SPARE_BYTES = 1 << 30  # of the disk, for everyone else
PLAIN_TOKENS = 200  # the first ones of the vocabulary are bytes


class Cost(NamedTuple):
    """Seconds and bytes of one process; `shared` is of `rss`, 0 where the system does not say."""

    load_s: float
    prompt_s: float
    tail_s: float
    decode_per_s: float
    rss: int
    shared: int


def measure(path: Path, context_tokens: int) -> Cost:
    """Load, read and write once, in this process."""
    started = time.perf_counter()
    choice = load.Choice(path.stem, path, load.BY_VOCABULARY)
    engine = load.load(choice, room_tokens=context_tokens, gpu_layers=0, kv_type="f16")
    load_s = time.perf_counter() - started
    never = threading.Event()
    ids = tuple(n * 37 % PLAIN_TOKENS for n in range(PROMPT_TOKENS + TAIL_TOKENS))
    read = engine.warm(Prompt(ids[:PROMPT_TOKENS], ()), never)
    done = engine.complete(Prompt(ids, ()), Sampling(ANSWER_TOKENS), never, lambda _: True)
    assert done.stopped_by == "length", "random weights end by themselves"
    decode_s = (done.usage.total_ms - done.usage.ttft_ms) / 1000
    memory = psutil.Process().memory_info()
    engine.close()
    return Cost(
        load_s,
        read.total_ms / 1000,
        done.usage.ttft_ms / 1000,
        (ANSWER_TOKENS - 1) / decode_s,
        memory.rss,
        getattr(memory, "shared", 0),
    )


def figures(cost: Cost, layers: int, size: int) -> list[Figure]:
    on = f"{layers} layers, {size / 1e9:.1f} GB"
    mapped = f"{number(cost.shared / 1e9)} GB of it are pages of files" if cost.shared else ""
    rows = (
        ("load", cost.load_s, "s", "the file was just written"),
        ("prefill", PROMPT_TOKENS / cost.prompt_s, "tokens/s", f"{PROMPT_TOKENS} tokens"),
        ("first token", cost.tail_s, "s", f"{TAIL_TOKENS} new tokens behind them"),
        ("decode", cost.decode_per_s, "tokens/s", f"{ANSWER_TOKENS} tokens"),
        ("memory", cost.rss / 1e9, "GB", mapped),
    )
    return [
        Figure(f"mixture: {what}", on, value, unit, note=note) for what, value, unit, note in rows
    ]


def run(folder: Path, layers: int, context_tokens: int) -> list[Figure]:
    """Write, measure, delete. What the disk has no room for is not begun."""
    size, free = random_model.file_bytes(layers), shutil.disk_usage(folder).free
    if size + SPARE_BYTES > free:
        note = f"{size / 1e9:.1f} GB and 1 GB to spare are needed, {free / 1e9:.1f} GB are free"
        return [Figure("mixture: load", f"{layers} layers", None, note=f"{note} in {folder}")]
    with TemporaryDirectory(dir=folder) as scratch:
        started = time.perf_counter()
        path = random_model.write(Path(scratch) / "mixture.gguf", layers)
        took, size = time.perf_counter() - started, path.stat().st_size
        print(f"{size / 1e9:.1f} GB written in {took:.0f} s", file=sys.stderr, flush=True)
        return figures(isolated(measure, path, context_tokens), layers, size)


def _end(signum: int, _frame: FrameType | None) -> None:
    """Unwind, so that the file goes; native code in the other process would be waited for."""
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):  # it ended by itself meanwhile
            child.kill()
    sys.exit(128 + signum)


def main() -> None:
    parser = argparse.ArgumentParser(description="a model of 30B-A3B's shape on this machine")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_LAYERS} layers")
    parser.add_argument("--layers", type=int, default=0, help=f"of {random_model.LAYERS}")
    parser.add_argument("--folder", type=Path, help="where the file goes; default: the cache")
    parser.add_argument("--context", type=int, default=CONTEXT_TOKENS, help="tokens")
    given = parser.parse_args()
    layers = given.layers or (QUICK_LAYERS if given.quick else random_model.LAYERS)
    if not 0 < layers <= random_model.LAYERS:
        parser.error(f"the model has 1 to {random_model.LAYERS} layers")
    for interrupt in (signal.SIGINT, signal.SIGTERM):
        signal.signal(interrupt, _end)
    found = run(given.folder or bench_dir(), layers, given.context)
    print("\n".join([HEAD, *map(row, found)]), file=sys.stderr, flush=True)
    for figure in found:
        say(figure)


if __name__ == "__main__":
    main()
