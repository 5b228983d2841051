# SPDX-License-Identifier: Apache-2.0
"""One thread that owns the model: jobs in, futures out, the most urgent first.

Knows the seam, not what is behind it, and nothing of what a job is for. A running job that gives
way (a warm-up) is cancelled when a more urgent one arrives; what it has read stays in the engine.
Its future tells (`Usage.cut_short`; cancelled if it had not begun), and whoever still wants it asks
again: by then the user may have moved on, and something else is worth reading.
"""

from __future__ import annotations

import enum
import heapq
import itertools
import threading
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from engine.types import EngineError

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.types import Engine

T = TypeVar("T")


class Priority(enum.IntEnum):
    """Smaller runs first."""

    COMPLETION = 0
    ACTION = 1
    AHEAD = 2  # what the user may want next
    WARM_UP = 3


@dataclass(order=True)
class Job(Generic[T]):
    """A piece of work. A set `cancel` ends it at its next token; `future` resolves all the same."""

    priority: Priority
    number: int
    work: Callable[[Engine, threading.Event], T] = field(compare=False)
    cancel: threading.Event = field(compare=False, default_factory=threading.Event)
    future: Future[T] = field(compare=False, default_factory=Future)


class Worker:
    """Loads an engine in the background and runs one job at a time on it."""

    def __init__(self, load: Callable[[], Engine]) -> None:
        self._load = load
        self._ready: Future[Engine] = Future()
        self._jobs: list[Job[Any]] = []
        self._running: Job[Any] | None = None
        self._numbers = itertools.count()
        self._wake = threading.Condition()
        self._closing = False
        # A daemon: a native call that never returns must not keep the process alive.
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)
        self._thread.start()

    @property
    def ready(self) -> Future[Engine]:
        """Resolves when the model is loaded, or fails with the EngineError that says why not."""
        return self._ready

    @property
    def urgency(self) -> Priority:
        """Of the job that runs now; asked from within it."""
        running = self._running
        return running.priority if running is not None else Priority.COMPLETION

    def submit(self, priority: Priority, work: Callable[[Engine, threading.Event], T]) -> Job[T]:
        """Queue `work(engine, cancel)`. What nobody asked for gives way to anything more urgent."""
        with self._wake:
            job = Job(priority, next(self._numbers), work)
            heapq.heappush(self._jobs, job)
            running = self._running
            if running and running.priority >= Priority.AHEAD and priority < running.priority:
                running.cancel.set()
            self._wake.notify()
        return job

    def close(self, grace_s: float = 1.0) -> bool:
        """Cancel everything and free the model. False if native code did not come back in time."""
        with self._wake:
            self._closing = True
            for job in (*self._jobs, *([self._running] if self._running else [])):
                job.cancel.set()
            self._wake.notify()
        self._thread.join(grace_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            engine = self._load()
        except EngineError as error:
            self._ready.set_exception(error)
            self._drain(error)
            return
        except BaseException as error:  # noqa: BLE001  the thread must end with a reason, whatever it was
            reason = EngineError(f"the model could not be loaded: {type(error).__name__}: {error}")
            self._ready.set_exception(reason)
            self._drain(reason)
            return
        self._ready.set_result(engine)
        while (job := self._next()) is not None:
            self._do(job, engine)
        engine.close()

    def _next(self) -> Job[Any] | None:
        with self._wake:
            self._running = None
            while not self._jobs and not self._closing:
                self._wake.wait()
            if self._closing:
                for job in self._jobs:
                    job.future.cancel()
                return None
            self._running = heapq.heappop(self._jobs)
            return self._running

    def _do(self, job: Job[Any], engine: Engine) -> None:
        if job.cancel.is_set() or not job.future.set_running_or_notify_cancel():
            job.future.cancel()
            return
        try:
            job.future.set_result(job.work(engine, job.cancel))
        except BaseException as error:  # noqa: BLE001  it belongs to whoever waits
            job.future.set_exception(error)

    def _drain(self, error: EngineError) -> None:
        """Without an engine every job, also a later one, fails with the reason."""
        while True:
            with self._wake:
                while not self._jobs and not self._closing:
                    self._wake.wait()
                if self._closing:
                    return
                jobs, self._jobs = self._jobs, []
            for job in jobs:
                if job.future.set_running_or_notify_cancel():
                    job.future.set_exception(error)
