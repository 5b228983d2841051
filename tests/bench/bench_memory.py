# SPDX-License-Identifier: Apache-2.0
"""What we say a model takes in memory, against what a process takes that has loaded it.

    python -m tests.bench.bench_memory [--quick] [FILE ...]

Each file is loaded in a process of its own, by way of the product, at two contexts, and reads a
prompt. The figure is how far the estimate is off, in percent of the resident memory. Without files:
the starter models that are on this machine, and the mixture of experts that the tests make of the
0.5B (a minute, 0.6 GB).
"""

from __future__ import annotations

import argparse
import tempfile
import threading
from pathlib import Path
from typing import NamedTuple

import psutil

from engine import catalogue, fetch, load, memory
from engine.gguf import read_header
from engine.shape import of_header
from engine.types import Prompt
from tests.bench.isolated import isolated
from tests.bench.report import Figure, say

AIM_PERCENT = 10.0
CONTEXTS = (8_192, 32_768)
READ_TOKENS = 128  # some of the context; the rest of it is resident all the same, as zeros
PLAIN_TOKEN = 100  # an ordinary one in every vocabulary


class Taken(NamedTuple):
    """Bytes of one process."""

    estimate: int
    rss: int

    @property
    def percent(self) -> float:
        return 100 * (self.estimate - self.rss) / self.rss


def measure(path: Path, context_tokens: int, kv_type: str = memory.F16) -> Taken:
    """Load a model in this process, read a prompt, and look. Call it in a fresh process."""
    choice = load.Choice(path.name, path, "qwen")
    engine = load.load(
        choice,
        room_tokens=context_tokens,
        most_tokens=context_tokens,
        gpu_layers=0,
        kv_type=kv_type,
    )
    engine.warm(Prompt((PLAIN_TOKEN,) * READ_TOKENS, ()), threading.Event())
    rss = psutil.Process().memory_info().rss
    deep = engine.info.context_tokens
    engine.close()
    shape = of_header(read_header(path))
    running = load.running_of(shape, kv_type)
    return Taken(memory.estimate(shape, running.total_tokens(deep), running).total, rss)


def figure(path: Path, context_tokens: int) -> Figure:
    taken = isolated(measure, path, context_tokens)
    return Figure(
        "estimate of memory, off by",
        f"{path.name}, {context_tokens:,} tokens",
        abs(taken.percent),
        "%",
        AIM_PERCENT,
        note=f"{taken.estimate / 1e6:.0f} MB said, {taken.rss / 1e6:.0f} MB resident",
    )


def _mixture(dense: Path, path: Path) -> Path:
    from tests.upcycled_model import write_upcycled_moe  # noqa: PLC0415  not into what is measured

    return write_upcycled_moe(dense, path)


def main() -> None:
    parser = argparse.ArgumentParser(description="estimates of memory against processes")
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE")
    parser.add_argument("--quick", action="store_true", help="the 0.5B only")
    given = parser.parse_args()
    found = [fetch.locate(catalogue.find(model)) for model in load.STARTERS]
    files = given.files or [path for path in found if path]
    with tempfile.TemporaryDirectory() as folder:
        if given.quick:
            files = files[:1]
        elif files and not given.files:
            files.append(_mixture(files[0], Path(folder) / "upcycled-moe.gguf"))
        for path in files:
            for context in CONTEXTS:
                say(figure(path, context))
    if not files:
        say(Figure("estimate of memory, off by", "no model here", None, note="run make demo"))


if __name__ == "__main__":
    main()
