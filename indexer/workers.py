# SPDX-License-Identifier: Apache-2.0
"""Worker processes that extract files within limits of time and memory.

In: batches of jobs, with priorities. Out: a `Future` a batch, of one `Result` a job.
A file that explodes the parser costs its worker, never its batch or the parent: the worker dies
and is replaced, the file is reported, the others go on. Nothing here runs on a caller's loop;
`asyncio.wrap_future` fits. This module knows no store, no policy and no record.
"""

from __future__ import annotations

import contextlib
import heapq
import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import Future
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from indexer.frames import read_frame, write_frame
from indexer.terms import Digest

if TYPE_CHECKING:
    from collections.abc import Sequence

# Processor time. Ordinary source takes milliseconds; what takes longer is not worth its record.
FILE_LIMIT_S = 2.0
# A plain parse of broken JavaScript took 1 GB; two workers must fit beside a model.
MEMORY_LIMIT_BYTES = 512 * 1024 * 1024
# Time on the clock, for what sleeps or is starved: far more on a busy machine.
CLOCK_FACTOR = 1 if sys.platform == "win32" else 5
WATCH_PERIOD_S = 0.1
START_LIMIT_S = 60.0
CLOSE_LIMIT_S = 2.0
LEISURE = 1.0  # the priority of what nobody waits for
# The system limits memory and processor time by itself, except where it cannot.
_LIMITED_BY_SYSTEM = sys.platform == "linux"


class PoolClosed(RuntimeError):
    """The pool was closed before this batch was done, or cannot start a worker."""


class Job(NamedTuple):
    """One file. Without `data` the worker reads `path`; without `language` it detects one.

    `around` are the fields of a `parse.Around`, where `data` is a part of a file.
    """

    path: str
    language: str = ""
    data: bytes | None = None
    around: tuple[Any, ...] = ()


class Result(NamedTuple):
    """What became of a job: `record` is a FileRecord's blob, or None with a reason.

    `digest` is the SHA-256 of what the worker read, "" where the job brought its bytes.
    A caller should not submit a file with a reason again before its content changes.
    """

    path: str
    language: str
    digest: str
    size: int
    record: bytes | None
    reason: str
    found: Digest | None = None  # what store and search want of the record


class _Batch(NamedTuple):
    jobs: tuple[Job, ...]
    future: Future[list[Result]]


class Pool:
    """Some workers and a queue. Threads: one a worker, one that watches all of them.

    `reader` is "module:factory"; each worker calls `factory(settings)` once and gets a function
    from a path to (bytes, "") or (None, reason).
    """

    def __init__(
        self,
        workers: int,
        reader: str = "",
        settings: Any = None,
        limit_s: float = FILE_LIMIT_S,
        memory_bytes: int = MEMORY_LIMIT_BYTES,
    ) -> None:
        self._setup = {
            "reader": reader,
            "settings": settings,
            "limit_s": limit_s,
            "memory_bytes": memory_bytes,
        }
        self._queue: list[tuple[float, int, _Batch]] = []
        self._numbers = itertools.count()
        self._changed = threading.Condition()
        self._closed = threading.Event()
        self._calm_until = 0.0
        self._workers = [_Worker(self._setup) for _ in range(workers)]
        self._threads = [
            threading.Thread(target=self._serve, args=(worker,), name="index-worker", daemon=True)
            for worker in self._workers
        ]
        self._threads.append(threading.Thread(target=self._watch, name="index-watch", daemon=True))
        for thread in self._threads:
            thread.start()

    def submit(self, jobs: Sequence[Job], priority: float = 0.0) -> Future[list[Result]]:
        """Queue a batch; a lower priority is sooner. Cancelling the future takes it out again."""
        future: Future[list[Result]] = Future()
        with self._changed:
            if self._closed.is_set():
                raise PoolClosed("the pool is closed")
            heapq.heappush(
                self._queue, (priority, next(self._numbers), _Batch(tuple(jobs), future))
            )
            self._changed.notify_all()  # the one that is woken might be one that keeps calm
        return future

    def calm(self, seconds: float) -> None:
        """The user types: for so long only one worker does what nobody waits for.

        With two cores and two workers the screen came late: 41 frames of over 100 ms while 50,000
        files were indexed.
        """
        self._calm_until = time.monotonic() + seconds

    def waiting(self) -> int:
        """Batches that no worker has taken yet."""
        return len(self._queue)

    def close(self) -> None:
        """End the workers and fail what is not done. May be called twice."""
        with self._changed:
            self._closed.set()
            queue, self._queue = self._queue, []
            self._changed.notify_all()
        for _, _, batch in queue:
            batch.future.cancel()
        for worker in self._workers:
            worker.kill()
        for thread in self._threads:
            thread.join(CLOSE_LIMIT_S)

    def __enter__(self) -> Pool:  # noqa: PYI034  Self is of Python 3.11
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _serve(self, worker: _Worker) -> None:
        """One thread's life: have a process, take the most urgent batch, have it done, answer."""
        while self._has_work(worker):
            problem = worker.get_ready()  # first: another may do the batch while this one starts
            batch = self._take()
            if batch is None:
                continue
            if problem:
                batch.future.set_exception(PoolClosed(problem))
                continue
            try:
                results = worker.run(batch.jobs, self._closed)
            except (PoolClosed, OSError) as error:
                batch.future.set_exception(PoolClosed(str(error)))
            else:
                batch.future.set_result(results)
        worker.close()

    def _has_work(self, worker: _Worker) -> bool:
        """Wait until there is some for this worker. False once we are closed."""
        with self._changed:
            while not self._closed.is_set():
                is_first = worker is self._workers[0]
                calm_s = 0.0 if is_first else self._calm_until - time.monotonic()
                if self._queue and (calm_s <= 0 or self._queue[0][0] < LEISURE):
                    return True
                self._changed.wait(calm_s if self._queue else None)
        return False

    def _take(self) -> _Batch | None:
        """The most urgent batch; None where another worker was quicker."""
        with self._changed:
            while self._queue:
                batch = heapq.heappop(self._queue)[2]
                if batch.future.set_running_or_notify_cancel():
                    return batch
        return None

    def _watch(self) -> None:
        while not self._closed.wait(WATCH_PERIOD_S):
            for worker in self._workers:
                worker.check()


class _Worker:
    """One process at a time, replaced when it dies."""

    def __init__(self, setup: dict[str, Any]) -> None:
        self._setup = setup
        self._process: subprocess.Popen[bytes] | None = None
        self._since = 0.0  # when the current file began, 0 between files
        self._reason = ""  # why we killed it
        self._used = False  # it has done other files: its memory may be theirs

    def get_ready(self) -> str:
        """Have a process; why there is none, where it does not start."""
        try:
            if self._process is None:
                self._start()
        except (PoolClosed, OSError) as error:
            return str(error) or "a worker does not start"
        return ""

    def run(self, jobs: tuple[Job, ...], closed: threading.Event) -> list[Result]:
        """Results in the order of the jobs. Raises PoolClosed when told to stop."""
        results: list[Result] = []
        while len(results) < len(jobs):
            rest = jobs[len(results) :]
            process = self._process or self._start()
            if closed.is_set():
                raise PoolClosed("closed before this batch was done")
            with contextlib.suppress(OSError):  # it died while we wrote: as at an end of its output
                self._ask(process, rest, results)
            if len(results) == len(jobs):
                break
            reason = self._buried(process)
            if closed.is_set():
                raise PoolClosed("closed before this batch was done")
            if self._used and "memory" in reason:
                self._used = False
                continue  # once more, with all the memory to itself
            job = jobs[len(results)]
            results.append(Result(job.path, job.language, "", len(job.data or b""), None, reason))
            self._used = False
        return results

    def _ask(
        self, process: subprocess.Popen[bytes], jobs: tuple[Job, ...], results: list[Result]
    ) -> None:
        """Send jobs, collect answers until all are there or the process ends."""
        assert process.stdin is not None
        assert process.stdout is not None
        self._since = time.monotonic()
        write_frame(process.stdin, jobs)
        for job in jobs:
            self._since = time.monotonic()
            answer = read_frame(process.stdout)
            if answer is None:
                return
            language, digest, size, record, reason, found = answer
            summary = Digest(*found) if found else None
            results.append(Result(job.path, language, digest, size, record, reason, summary))
            self._used = True
        self._since = 0.0

    def _start(self) -> subprocess.Popen[bytes]:
        """A worker that has said it is ready. Raises PoolClosed with the reason."""
        paths = os.pathsep.join(filter(None, sys.path))
        low = getattr(subprocess, "BELOW_NORMAL_PRIORITY_CLASS", 0)
        process = subprocess.Popen(
            # Without `site`, 25 ms of a start: the path that it makes is in PYTHONPATH.
            [sys.executable, "-S", "-m", "indexer.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": paths},
            # `-m` looks for modules in the current folder first. That may be a repository.
            cwd=Path(__file__).parents[1],
            creationflags=low | getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
        assert process.stdin is not None
        assert process.stdout is not None
        self._process, self._reason, self._used = process, "", False
        self._since = time.monotonic() + START_LIMIT_S
        with contextlib.suppress(OSError):
            write_frame(process.stdin, self._setup)
        if read_frame(process.stdout) != "ready":
            raise PoolClosed(f"a worker does not start: {self._buried(process)}")
        return process

    def _buried(self, process: subprocess.Popen[bytes]) -> str:
        """Take a dead process away; say in a few words what it died of."""
        self._process, self._since = None, 0.0
        _end(process)
        if self._reason:
            return self._reason
        limit = self._setup["memory_bytes"] // (1024 * 1024)
        if sys.platform != "win32":
            if process.returncode == -signal.SIGPROF:
                return f"takes longer than {self._setup['limit_s']:g} s to parse"
            if process.returncode == -signal.SIGABRT:
                return f"needs more than {limit} MiB of memory to parse"
        return f"its worker ended with code {process.returncode}"

    def check(self) -> None:
        """Kill a worker that is too slow or too large. Called from the watching thread."""
        process, since = self._process, self._since
        if process is None or not since:
            return
        limit_s = self._setup["limit_s"] * CLOCK_FACTOR
        if time.monotonic() - since > limit_s:
            self._reason = f"takes longer than {limit_s:g} s"
            process.kill()
        elif not _LIMITED_BY_SYSTEM and _rss_bytes(process.pid) > self._setup["memory_bytes"]:
            limit = self._setup["memory_bytes"] // (1024 * 1024)
            self._reason = f"needs more than {limit} MiB of memory to parse"
            process.kill()

    def kill(self) -> None:
        """End the process if there is one; its thread sees the end of its output."""
        process = self._process
        if process is not None:
            process.kill()

    def close(self) -> None:
        """End the process and let go of its pipes. Called from the thread that uses them."""
        process = self._process
        if process is not None:
            process.kill()
            self._buried(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Close the pipes, wait, and insist."""
    for pipe in (process.stdin, process.stdout):
        with contextlib.suppress(OSError):
            _close(pipe)
    try:
        process.wait(CLOSE_LIMIT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _close(pipe: IO[bytes] | None) -> None:
    if pipe is not None:
        pipe.close()


def _rss_bytes(pid: int) -> int:
    import psutil  # noqa: PLC0415  10 ms that a server which parses nothing has no use for

    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return 0
