# SPDX-License-Identifier: Apache-2.0
"""One engine for all windows: what it costs, what it saves, and how soon it is back.

    python -m tests.bench.engine.bench_shared [--quick] [MODEL.gguf]

Windows are threads of this process with a real host beside it, but for the memory, where they are
real servers. `--quick` takes a tiny model of random weights; by default it is the starter model.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import ExitStack, closing
from pathlib import Path

import psutil

from engine import fetch, load
from engine.catalogue import find
from engine.load import Choice
from engine.shared import joining, places
from engine.shared.load import load as shared
from engine.types import Prompt, Sampling, Slot
from engine.worker import Priority
from tests.bench.report import Figure, say, spread

TOKEN_AIM_MS = 0.2
AGAIN_AIM_S = 2.0
SERVER_AIM_MB = 120
FAIR_AIM = 1.5
WINDOWS = 5
READY_S = 5.0  # a process that stands by has loaded, and has given back what is zero
NEVER = threading.Event()


def opened(path: Path, stack: ExitStack, cache: Path):
    engine = shared(
        Choice(path.name, path, "qwen"),
        urgency=lambda: Priority.COMPLETION,
        gpu_layers=0,
        kv_type="f16",
        state_folder=cache / "states",
        most_tokens=2048,
    )
    return stack.enter_context(closing(engine))


def text_of(n: int, lines: int = 40) -> str:
    return "".join(f"def function_{n}_{i}(a, b):\n    return a + {i}\n" for i in range(lines))


def prompt(engine, n: int, tokens: int) -> Prompt:
    ids = tuple(engine.tokenize(text_of(n, tokens // 8)))
    return Prompt(ids[:tokens], ())


def per_token(path: Path, cache: Path) -> None:
    """The same tokens by way of the host and in this process, in turn."""
    with ExitStack() as stack:
        far = opened(path, stack, cache)
        choice = Choice(path.name, path, "qwen")
        near = load.load(choice, gpu_layers=0, kv_type="f16", most_tokens=2048)
        stack.enter_context(closing(near))
        asked = prompt(near, 1, 64)
        spent: dict[str, list[float]] = {"far": [], "near": []}
        for _ in range(15):
            for name, engine in (("far", far), ("near", near)):
                began = time.perf_counter()
                done = engine.complete(asked, Sampling(64), NEVER, lambda _: True)
                spent[name].append((time.perf_counter() - began) * 1000)
                assert done.usage.decoded_tokens == 64
        extra = [
            (there - here) / 64 for there, here in zip(spent["far"], spent["near"], strict=True)
        ]
        say(
            Figure(
                "a token by way of the host costs more than in the process",
                path.name,
                statistics.median(extra),
                "ms",
                TOKEN_AIM_MS,
                note=f"median of 15 pairs of 64 tokens; in the process {spread(spent['near'])}",
            )
        )


def change_of_window(path: Path, cache: Path) -> None:
    """Two windows in turn: what a key in the other one waits for more than in the same one."""
    with ExitStack() as stack:
        first, second = (opened(path, stack, cache) for _ in range(2))
        for tokens in (500, 1900):
            asked = [prompt(engine, n, tokens) for n, engine in enumerate((first, second))]
            for engine, one in zip((first, second), asked, strict=True):
                engine.warm(one, NEVER)
            stays, changes, evaluated = [], [], []
            for n in range(8):
                engine, one = (first, second)[n % 2], asked[n % 2]
                for into in (changes, stays):
                    began = time.perf_counter()
                    done = engine.complete(one, Sampling(1), NEVER, lambda _: True)
                    into.append((time.perf_counter() - began) * 1000)
                evaluated.append(done.usage.evaluated_tokens)
            say(
                Figure(
                    "to change the window costs",
                    f"{path.name}, {tokens} tokens resident in each of two",
                    statistics.median(changes) - statistics.median(stays),
                    "ms",
                    note=f"median of 8; {max(evaluated)} token evaluated; stays {spread(stays)}",
                )
            )


def kills(path: Path, cache: Path, times: int) -> None:
    """Kill the host while it writes; all windows ask. Meanwhile the next host gets ready."""
    with ExitStack() as stack:
        windows = [opened(path, stack, cache) for _ in range(WINDOWS)]
        asked = [prompt(engine, n, 64) for n, engine in enumerate(windows)]
        for n, engine in enumerate(windows):
            engine.warm(asked[n], NEVER)
            engine.save(Slot.KEYSTROKE, cache / "states" / f"{n}-{time.time_ns()}.state")
        expected = [
            e.complete(p, Sampling(4), NEVER, lambda _: True).text
            for e, p in zip(windows, asked, strict=True)
        ]
        waits, same = [], 0
        for _ in range(times):
            time.sleep(READY_S)
            host = joining.look(windows[0]._way.place)
            killed = threading.Event()
            found: dict[int, tuple[str, float]] = {}

            def listener(_, host=host, killed=killed):
                if not killed.is_set():
                    os.kill(host.pid, signal.SIGKILL)
                    killed.set()
                return True

            def first(found=found, listener=listener, killed=killed):
                done = windows[0].complete(asked[0], Sampling(4), NEVER, listener)
                found[0] = done.text, time.perf_counter()

            def other(n, found=found, killed=killed):
                killed.wait(30)
                done = windows[n].complete(asked[n], Sampling(4), NEVER, lambda _: True)
                found[n] = done.text, time.perf_counter()

            threads = [threading.Thread(target=first)]
            threads += [threading.Thread(target=other, args=(n,)) for n in range(1, WINDOWS)]
            for thread in threads:
                thread.start()
            killed.wait(30)
            began = time.perf_counter()
            for thread in threads:
                thread.join(120)
            waits.append(max(at for _, at in found.values()) - began)
            same += [found[n][0] for n in range(WINDOWS)] == expected
        say(
            Figure(
                "after the host was killed, the last of five windows has answered within",
                f"{path.name}, {times} kills while it writes",
                max(waits),
                "s",
                AGAIN_AIM_S,
                note=f"median {statistics.median(waits):.2f} s, "
                f"{sum(wait <= AGAIN_AIM_S for wait in waits)} of {times} within the aim; "
                f"same texts in {same}; "
                f"load average {os.getloadavg()[0]:.1f}",
            )
        )


def fairness(path: Path, cache: Path, seconds: float) -> None:
    """Five windows that ask for the same all the time."""
    with ExitStack() as stack:
        windows = [opened(path, stack, cache) for _ in range(WINDOWS)]
        served: Counter[int] = Counter()
        end = time.monotonic() + seconds

        def ask(n: int) -> None:
            asked = prompt(windows[n], n, 48)
            while time.monotonic() < end:
                windows[n].complete(asked, Sampling(4), NEVER, lambda _: True)
                served[n] += 1

        threads = [threading.Thread(target=ask, args=(n,)) for n in range(WINDOWS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        say(
            Figure(
                "fairness: most answers of a window over fewest",
                f"{path.name}, five windows, {seconds:.0f} s",
                max(served.values()) / min(served.values()),
                "",
                FAIR_AIM,
                note=f"answers {sorted(served.values())}",
            )
        )


async def memory(path: Path, file: Path) -> None:
    """Five real servers on one repository: what all take beside the host."""
    from tests.e2e.editor import Editor  # noqa: PLC0415  not into what is measured before

    options = {"modelPath": str(path), "contextTokens": 128, "idleWarm": False}
    editors = [Editor(file.parents[1]) for _ in range(WINDOWS)]
    try:
        for editor in editors:
            await editor.start(options)
            await editor.settled()
            await editor.suggest(editor.open(file), 0, 0, manual=True)
        (place,) = (one for one in places.places() if joining.look(one))
        await asyncio.sleep(READY_S)
        host = psutil.Process(joining.look(place).pid)
        servers = [psutil.Process(editor.client._server.pid) for editor in editors]
        family = {one for each in servers for one in (each, *each.children(recursive=True))}
        family |= {*host.children()}
        standby = sum(map(_pss_mb, host.children()))
        small = sum(map(_pss_mb, family - {host}))
        note = f"PSS; of it {standby:.0f} MB stand by; the host has {_pss_mb(host):.0f} MB"
        data = f"{path.name}, five servers on the sample"
        say(
            Figure(
                "all but the host, for each of five windows",
                data,
                small / WINDOWS,
                "MB",
                SERVER_AIM_MB,
                note=note,
            )
        )
    finally:
        for editor in editors:
            with contextlib.suppress(OSError, TimeoutError):
                await editor.stop()


def _pss_mb(process: psutil.Process) -> float:
    return process.memory_full_info().pss / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description="one engine for all windows")
    parser.add_argument("model", nargs="?", type=Path)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", default="")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        cache = Path(scratch)
        (cache / "states").mkdir()
        path = given.model or (None if given.quick else fetch.locate(find("qwen2.5-coder-0.5b")))
        if path is None:
            sys.path.insert(0, str(Path(__file__).parents[3]))
            from tests.tiny_models import write_tiny  # noqa: PLC0415  it needs `gguf`

            path = write_tiny(cache / "tiny.gguf", "qwen2")
        os.environ["GHOSTWRIGHT_CACHE"] = str(cache)
        file = Path(__file__).parents[2] / "sample" / "ledger" / "report.py"
        parts = {
            "token": lambda: per_token(path, cache),
            "change": lambda: change_of_window(path, cache),
            "kills": lambda: kills(path, cache, 3 if given.quick else 20),
            "fair": lambda: fairness(path, cache, 3 if given.quick else 30),
            "memory": lambda: asyncio.run(memory(path, file)),
        }
        for name, measure in parts.items():
            if given.only in {"", name}:
                measure()
        time.sleep(2)  # the hosts end, and remove what they have parked


if __name__ == "__main__":
    main()
