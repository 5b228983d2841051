# SPDX-License-Identifier: Apache-2.0
"""What watching costs: starting, standing by, a branch's worth of rewrites, and polling instead.

    python -m tests.bench.index.bench_watch [--quick]

In: nothing; a tree of its own in a temporary folder. Out: figures. `--quick` takes a tenth of the
tree.
"""

from __future__ import annotations

import argparse
import errno
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from unittest import mock

import psutil

from indexer import watch_sources
from indexer.changes import look
from indexer.watch import Watch
from tests.bench.data import bench_dir
from tests.bench.report import Figure, say, spread

FOLDERS, FILES = 5_000, 50_000
REWRITTEN = 10_000
IDLE_S = 5.0
POLL_S = 20.0
PATIENCE_S = 30.0
ROUNDS = 3
SAVES = 21
AIM_IDLE_SHARE = 0.01  # of a core: what the clock can tell from nothing
REWRITE = "import sys\nfor name in sys.stdin.read().split():\n    open(name, 'w').write('2 ' * 9)"


def ignored(path: str) -> bool:
    return "/node_modules" in path or "/.git" in path


class Seen:
    """What the calls brought, and how many they were."""

    def __init__(self) -> None:
        self.paths: set[str] = set()
        self.calls = self.rescans = 0

    def __call__(self, paths: frozenset[str] | None) -> None:
        self.calls += 1
        self.rescans += paths is None
        self.paths |= paths or frozenset()


def make_tree(root: Path, folders: int, files: int) -> list[str]:
    names = []
    for number in range(folders):
        (root / f"{number % 50}" / f"{number}").mkdir(parents=True)
    for number in range(files):
        place = number % folders
        file = root / f"{place % 50}" / f"{place}" / f"{number}.py"
        file.write_text("1 " * 9, encoding="utf-8")
        names.append(os.fspath(file))
    return names


def watches() -> int:
    """inotify watches of this process, as the kernel counts them."""
    if sys.platform != "linux":
        return -1
    infos = Path("/proc/self/fdinfo").iterdir()
    return sum(info.read_text("ascii").count("inotify wd") for info in infos if info.exists())


def cpu_seconds() -> float:
    times = psutil.Process().cpu_times()
    return times.user + times.system


def started(root: Path, seen: Seen) -> Watch:
    watching = Watch(os.fspath(root), seen, ignored)
    watching.start()
    assert watching.wait_ready(120)
    return watching


def worst_lag_ms(stop: threading.Event) -> float:
    """How late a thread that sleeps 5 ms wakes up, at worst: what the server's loop would feel."""
    worst = 0.0
    while not stop.is_set():
        begin = time.perf_counter()
        time.sleep(0.005)
        worst = max(worst, time.perf_counter() - begin - 0.005)
    return worst * 1000


def bench_start(root: Path, on: str) -> None:
    for name in ("first time", "again"):
        before, cpu, rss = time.perf_counter(), cpu_seconds(), psutil.Process().memory_info().rss
        watching = Watch(os.fspath(root), Seen(), ignored)
        watching.start()
        returned_s = time.perf_counter() - before
        assert watching.wait_ready(120)
        ready_s, used_s = time.perf_counter() - before, cpu_seconds() - cpu
        grown_mb = (psutil.Process().memory_info().rss - rss) / 1e6
        count = watches()
        before = time.perf_counter()
        watching.close()
        say(
            Figure(
                f"watching, {name}: until it sees all",
                on,
                ready_s,
                "s",
                note=f"once; the caller waits {1000 * returned_s:.1f} ms; {used_s:.2f} s of "
                f"processor, {count:,} watches, {grown_mb:.0f} MB; "
                f"closed in {1000 * (time.perf_counter() - before):.0f} ms",
            )
        )


def bench_idle(root: Path, on: str) -> None:
    watching = started(root, Seen())
    before = cpu_seconds()
    time.sleep(IDLE_S)
    share = (cpu_seconds() - before) / IDLE_S
    say(
        Figure(
            "watching, idle", on, share, "of a core", AIM_IDLE_SHARE, note=f"over {IDLE_S:.0f} s"
        )
    )
    watching.close()


def bench_rewrites(root: Path, names: list[str]) -> None:
    """All files at once, as a change of branch does it, thrice."""
    fewest, waits, calls, used = len(names), [], 0, []
    for _ in range(ROUNDS):
        seen = Seen()
        watching = started(root, seen)
        cpu = cpu_seconds()
        subprocess.run(
            [sys.executable, "-c", REWRITE], input="\n".join(names), text=True, check=True
        )
        written = time.perf_counter()
        while not (seen.paths.issuperset(names) or seen.rescans) and (
            time.perf_counter() < written + PATIENCE_S
        ):
            time.sleep(0.005)
        waits.append(time.perf_counter() - written)
        used.append(cpu_seconds() - cpu)
        fewest = min(fewest, len(names) if seen.rescans else len(seen.paths & set(names)))
        calls = max(calls, seen.calls)
        watching.close()
    say(
        Figure(
            "watching, files rewritten at once that were seen",
            f"{len(names):,} files",
            fewest,
            f"of {len(names):,}",
            len(names),
            at_least=True,
            note=f"fewest of {ROUNDS}; at most {max(waits):.2f} s after the last was written, "
            f"{calls} calls, {max(used):.2f} s of processor",
        )
    )


def bench_latency(root: Path) -> None:
    arrived = threading.Event()
    watching = Watch(os.fspath(root), lambda _: arrived.set(), ignored)
    watching.start()
    assert watching.wait_ready(120)
    took = []
    for number in range(SAVES):
        (root / "latency.py").write_text(str(number), encoding="utf-8")
        before = time.perf_counter()
        assert arrived.wait(5)
        took.append((time.perf_counter() - before) * 1000)
        time.sleep(0.1)
        arrived.clear()
    watching.close()
    say(
        Figure(
            "watching, from a save to the call",
            f"{SAVES} saves of one file",
            statistics.median(took),
            "ms",
            note=f"median: {spread(took)}; 50 ms of them are waited for more",
        )
    )


def bench_poll(root: Path, on: str) -> None:
    before = time.perf_counter()
    look(os.fspath(root), ignored)
    look_s = time.perf_counter() - before
    with mock.patch.object(watch_sources, "native") as native:
        native.return_value.open.side_effect = OSError(errno.ENOSPC, "no watches")
        watching = started(root, Seen())
        stop = threading.Event()
        threading.Timer(POLL_S, stop.set).start()
        before = cpu_seconds()
        lag_ms = worst_lag_ms(stop)
        share = (cpu_seconds() - before) / POLL_S
        watching.close()
    say(
        Figure(
            "polling, where there are no watches",
            on,
            share,
            "of a core",
            note=f"over {POLL_S:.0f} s; one look {look_s:.2f} s; "
            f"another thread wakes up at most {lag_ms:.0f} ms late",
        )
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="measure the watching of files")
    parser.add_argument("--quick", action="store_true", help="a tenth of the tree")
    share = 10 if parser.parse_args().quick else 1
    folders, files = FOLDERS // share, FILES // share
    on = f"{files:,} files in {folders:,} folders"
    with tempfile.TemporaryDirectory(dir=bench_dir()) as folder:
        root = Path(folder).resolve()
        names = make_tree(root, folders, files)
        bench_start(root, on)
        bench_idle(root, on)
        bench_latency(root)
        bench_rewrites(root, names[: REWRITTEN // share])
        bench_poll(root, on)


if __name__ == "__main__":
    main()
