# SPDX-License-Identifier: Apache-2.0
"""What watching costs: starting, standing by, a branch's worth of rewrites, and polling instead.

In: nothing; a tree of its own in a temporary folder. Out: one JSON line a measurement.
`--small` takes a tenth of the tree.
"""

from __future__ import annotations

import argparse
import errno
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from unittest import mock

sys.path.insert(0, str(Path(__file__).parents[3]))

import psutil

from indexer import watch
from indexer.changes import look
from indexer.watch import Watch

FOLDERS, FILES = 5_000, 50_000
REWRITTEN = 10_000
IDLE_S = 5.0
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


def report(name: str, **figures: float) -> None:
    rounded = {key: round(value, 4) for key, value in figures.items()}
    print(json.dumps({"bench": f"watch.{name}", **rounded}), flush=True)


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


def bench_start(root: Path) -> None:
    for name in ("cold", "warm"):
        before, cpu, rss = time.perf_counter(), cpu_seconds(), psutil.Process().memory_info().rss
        watching = Watch(os.fspath(root), Seen(), ignored)
        watching.start()
        returned = time.perf_counter() - before
        assert watching.wait_ready(120)
        ready = time.perf_counter() - before
        report(
            f"start.{name}", returned_ms=returned * 1000, ready_ms=ready * 1000,
            cpu_s=cpu_seconds() - cpu, watches=watches(),
            rss_mb=(psutil.Process().memory_info().rss - rss) / 1e6,
        )  # fmt: skip
        before = time.perf_counter()
        watching.close()
        report(f"close.{name}", close_ms=(time.perf_counter() - before) * 1000)


def bench_idle(root: Path) -> None:
    watching = started(root, Seen())
    before = cpu_seconds()
    time.sleep(IDLE_S)
    report("idle", seconds=IDLE_S, cpu_s=cpu_seconds() - before)
    watching.close()


def bench_rewrites(root: Path, names: list[str]) -> None:
    seen = Seen()
    watching = started(root, seen)
    cpu, before = cpu_seconds(), time.perf_counter()
    subprocess.run([sys.executable, "-c", REWRITE], input="\n".join(names), text=True, check=True)
    written = time.perf_counter()
    while not (seen.paths.issuperset(names) or seen.rescans) and time.perf_counter() < written + 30:
        time.sleep(0.005)
    report(
        "rewrites", files=len(names), seen=len(seen.paths & set(names)), rescans=seen.rescans,
        calls=seen.calls, writing_s=written - before, last_call_s=time.perf_counter() - written,
        cpu_s=cpu_seconds() - cpu,
    )  # fmt: skip
    watching.close()


def bench_latency(root: Path) -> None:
    arrived = threading.Event()
    watching = Watch(os.fspath(root), lambda _: arrived.set(), ignored)
    watching.start()
    assert watching.wait_ready(120)
    took = []
    for number in range(21):
        (root / "latency.py").write_text(str(number), encoding="utf-8")
        before = time.perf_counter()
        assert arrived.wait(5)
        took.append((time.perf_counter() - before) * 1000)
        time.sleep(0.1)
        arrived.clear()
    report("latency", p50_ms=sorted(took)[10], worst_ms=max(took))
    watching.close()


def bench_poll(root: Path) -> None:
    before = time.perf_counter()
    files = len(look(os.fspath(root), ignored))
    report("look", files=files, seconds=time.perf_counter() - before)
    with mock.patch.object(watch, "_Inotify") as native:
        native.return_value.open.side_effect = OSError(errno.ENOSPC, "no watches")
        watching = started(root, Seen())
        stop = threading.Event()
        threading.Timer(20.0, stop.set).start()
        before = cpu_seconds()
        lag = worst_lag_ms(stop)
        report("poll", seconds=20.0, cpu_share=(cpu_seconds() - before) / 20.0, worst_lag_ms=lag)
        watching.close()


def main() -> None:
    parser = argparse.ArgumentParser(description="measure the watching of files")
    parser.add_argument("--small", action="store_true", help="a tenth of the tree")
    share = 10 if parser.parse_args().small else 1
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        names = make_tree(root, FOLDERS // share, FILES // share)
        bench_start(root)
        bench_idle(root)
        bench_latency(root)
        for _ in range(3):
            bench_rewrites(root, names[: REWRITTEN // share])
        bench_poll(root)


if __name__ == "__main__":
    main()
