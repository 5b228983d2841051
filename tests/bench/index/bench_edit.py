# SPDX-License-Identifier: Apache-2.0
"""A key in a file of 5,000 lines: when does the index answer for it, and what does it cost?

    python -m tests.bench.index.bench_edit [--quick] [--edits N] [--burst N]

For Python and TypeScript, in a generated file. `edit`: single-line edits at random places, each
adding a definition, from `Indexed.edit` until `snapshot()` has the new symbol. `burst`: keys typed
into one line, 20 a second; `behind` is how long the last one took, `cpu_share` what the keys cost
of one core, workers included, `gap` how late a thread beside it (the loop) wakes up that sleeps
for 5 ms. `whole`: the same edits without patches. Prints figures.
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from indexer import overlays
from indexer.usage_of_process import cpu_seconds
from lsp_server.documents import Document
from lsp_server.indexing import Indexed
from tests.bench.report import Figure, number, say, spread

if TYPE_CHECKING:
    from typing_extensions import Self

LINES = 5_000
KEY_S = 0.05
WAIT_S = 5.0
QUICK_EDITS, QUICK_KEYS = 30, 40
AIM_EDIT_MS = 15.0
AIM_GAP_P99_MS = 50.0
PYTHON = """class Order{n}(Base):
    \"\"\"Orders of kind {n}.\"\"\"

    rate: int = {n}

    def total_{n}(self, cart: Cart, count=0):
        # every line counts
        value = self.store.price(cart.items[{n}], count)
        if value > self.limit and not cart.empty():
            return helper_{n}(value, count=count)
        return f"{{value}} of {n}"


def helper_{n}(value, count):
    found = [each.size for each in value.parts() if each]
    return sum(found) + count

"""
TYPESCRIPT = """export class Order{n} extends Base<{n}> {{
  private rate: number = {n};

  /** The total of a cart. */
  total{n}(cart: Cart, count = 0): string {{
    const value = this.store.price(cart.items[{n}], count);
    if (value > this.limit && !cart.empty()) {{
      return helper{n}(value, {{ count }});
    }}
    return `${{value}} of {n}`;
  }}
}}

export function helper{n}(value: Value, count: number): number {{
  const found = value.parts().map((each) => each.size);
  return found.reduce((a, b) => a + b, 0) + count;
}}

"""
ROWS = {
    "python": ("long.py", PYTHON, "def added_{n}(x): return x.size\n"),
    "typescript": ("long.ts", TYPESCRIPT, "function added_{n}(x: Row) {{ return x.size; }}\n"),
}


class Silent:
    """A listener that waits for the first look at the repository."""

    def __init__(self) -> None:
        self.done = threading.Event()

    def progress(self, *_: object) -> None: ...

    def finished(self, *_: object) -> None:
        self.done.set()


class Typist:
    """A document in an index, edited line by line."""

    def __init__(self, indexed: Indexed, path: Path, text: str) -> None:
        self.indexed, self.path = indexed, path
        self.lines = [*text.splitlines(keepends=True), ""]
        self.version = 0

    def edit(self) -> None:
        self.version += 1
        uri = self.path.as_uri()
        document = Document(uri, self.path, "", self.version, tuple(self.lines))
        self.indexed.edit(str(self.path), document)

    def until_shown(self, started: float) -> float:
        """Milliseconds from `started` until a snapshot has the text as it is now."""
        wanted = "".join(self.lines).encode()
        while time.perf_counter() - started < WAIT_S:
            snapshot = self.indexed.snapshot()
            overlay = snapshot.overlays.get(self.path.name) if snapshot else None
            if overlay is not None and overlay.data == wanted:
                return (time.perf_counter() - started) * 1000
            time.sleep(0.0005)
        raise TimeoutError(f"the edit is not in the index after {WAIT_S:g} s")

    def has(self, name: str) -> bool:
        """Whether the index knows the definition."""
        snapshot = self.indexed.snapshot()
        record = snapshot.record(self.path.name) if snapshot else None
        return record is not None and any(symbol.name == name for symbol in record.symbols)


class Gaps:
    """How late a thread wakes up: what an event loop in this process would feel."""

    def __init__(self) -> None:
        self.late_ms: list[float] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        while not self._stop.is_set():
            started = time.perf_counter()
            time.sleep(0.005)
            self.late_ms.append((time.perf_counter() - started - 0.005) * 1000)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


def tell_edits(what: str, language: str, times: list[float], cpu_ms: float) -> None:
    whole = what == "whole"
    say(
        Figure(
            "an edit in a long file is in the index" + (", without patches" if whole else ""),
            f"{LINES:,} lines of {language}, {len(times)} lines added by chance",
            statistics.median(times),
            "ms",
            None if whole else AIM_EDIT_MS,
            note=f"median: {spread(times)}; {number(cpu_ms)} ms of processor each",
        )
    )


def tell_burst(language: str, keys: int, row: dict[str, float]) -> None:
    say(
        Figure(
            "the same, keys in one line: how late the loop wakes up, p99",
            f"{LINES:,} lines of {language}, {keys} keys, {1 / KEY_S:.0f} a second",
            row["gap_p99_ms"],
            "ms",
            AIM_GAP_P99_MS,
            note=f"largest {number(row['gap_max_ms'])} ms; {100 * row['cpu_share']:.0f} % of a "
            f"core, the index {number(row['behind_ms'])} ms behind the last key",
        )
    )


def places(typist: Typist, added: str) -> list[int]:
    """Lines between definitions, where one more may stand."""
    first = "class " if "def " in added else "export class "
    return [at for at, line in enumerate(typist.lines) if line.startswith(first)]


def random_edits(typist: Typist, added: str, count: int, chance: random.Random) -> list[float]:
    times = []
    for _ in range(count):
        at = chance.choice(places(typist, added))
        typist.lines.insert(at, added.format(n=typist.version))
        started = time.perf_counter()
        typist.edit()
        times.append(typist.until_shown(started))
        assert typist.has(f"added_{typist.version - 1}"), "shown without its definition"
    return times


def burst(typist: Typist, count: int) -> dict[str, float]:
    at = next(n for n, line in enumerate(typist.lines[LINES // 2 :], LINES // 2) if "if " in line)
    indent = typist.lines[at][: -len(typist.lines[at].lstrip())]
    typist.lines.insert(at, indent + "\n")
    cpu, started = cpu_seconds(), time.perf_counter()
    with Gaps() as gaps:
        for key in range(count):
            typist.lines[at] = f"{indent}x = {'value.call(self, [' * 9}"[: len(indent) + key] + "\n"
            typist.edit()
            time.sleep(max(0.0, started + (key + 1) * KEY_S - time.perf_counter()))
        behind = typist.until_shown(time.perf_counter())
    late = sorted(gaps.late_ms)
    return {
        "behind_ms": behind,
        "cpu_share": (cpu_seconds() - cpu) / (time.perf_counter() - started),
        "gap_p99_ms": late[int(len(late) * 0.99)],
        "gap_max_ms": late[-1],
    }


def measure(language: str, edits: int, keys: int) -> None:
    name, body, added = ROWS[language]
    text = "".join(body.format(n=n) for n in range(LINES // body.count("\n")))
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder).resolve() / "root"
        root.mkdir()
        listener = Silent()
        indexed = Indexed(root, Path(folder) / "cache", (), listener)
        indexed.start()
        listener.done.wait()
        try:
            typist = Typist(indexed, root / name, text)
            typist.edit()
            typist.until_shown(time.perf_counter())
            for what, small in (("edit", overlays.SMALL_BYTES), ("whole", 1 << 30)):
                overlays.SMALL_BYTES, usual = small, overlays.SMALL_BYTES
                cpu = cpu_seconds()
                times = random_edits(typist, added, edits, random.Random(7))
                cpu = (cpu_seconds() - cpu) * 1000 / edits
                tell_edits(what, language, times, cpu)
                overlays.SMALL_BYTES = usual
            tell_burst(language, keys, burst(typist, keys))
        finally:
            indexed.close()


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--quick", action="store_true", help="fewer edits and keys")
    arguments.add_argument("--edits", type=int, default=200)
    arguments.add_argument("--burst", type=int, default=100)
    options = arguments.parse_args()
    edits, keys = options.edits, options.burst
    if options.quick:
        edits, keys = QUICK_EDITS, QUICK_KEYS
    for language in ROWS:
        measure(language, edits, keys)


if __name__ == "__main__":
    main()
