# SPDX-License-Identifier: Apache-2.0
"""One thread owns the model: order, cancels, failures."""

from __future__ import annotations

import threading
import time

import pytest

from engine.fake import FakeEngine
from engine.types import EngineError, ModelNotFound
from engine.worker import Priority, Worker


@pytest.fixture
def worker():
    it = Worker(lambda: FakeEngine(lambda _: ()))
    yield it
    it.close()


def test_the_most_urgent_runs_first_and_equals_in_order(worker):
    gate, ran = threading.Event(), []
    first = worker.submit(Priority.COMPLETION, lambda *_: gate.wait(5))
    kinds = [Priority.WARM_UP, Priority.ACTION, Priority.COMPLETION, Priority.COMPLETION]
    jobs = [
        worker.submit(kind, lambda *_, n=n, kind=kind: ran.append((kind, n)))
        for n, kind in enumerate(kinds)
    ]
    gate.set()
    for job in (first, *jobs):
        job.future.result(5)
    assert ran == [
        (Priority.COMPLETION, 2),
        (Priority.COMPLETION, 3),
        (Priority.ACTION, 1),
        (Priority.WARM_UP, 0),
    ]


@pytest.mark.parametrize(
    ("running", "urgent", "gives_way"),
    [
        (Priority.WARM_UP, Priority.COMPLETION, True),
        (Priority.WARM_UP, Priority.ACTION, True),
        (Priority.WARM_UP, Priority.WARM_UP, False),
        (Priority.ACTION, Priority.COMPLETION, False),
    ],
)
def test_only_a_warm_up_gives_way(worker, running, urgent, gives_way):
    began = threading.Event()

    def wait(_engine, cancel):
        began.set()
        return cancel.wait(0.5)

    job = worker.submit(running, wait)
    assert began.wait(5)
    worker.submit(urgent, lambda *_: None)
    assert job.future.result(5) is gives_way


def test_a_failing_job_fails_alone(worker):
    bad = worker.submit(Priority.COMPLETION, lambda *_: 1 / 0)
    good = worker.submit(Priority.COMPLETION, lambda *_: "fine")
    with pytest.raises(ZeroDivisionError):
        bad.future.result(5)
    assert good.future.result(5) == "fine"


@pytest.mark.parametrize(
    ("error", "expected"),
    [(ModelNotFound("no file"), "no file"), (ValueError("odd"), "ValueError: odd")],
)
def test_a_load_that_fails_says_why_to_everyone(error, expected):
    def load():
        raise error

    worker = Worker(load)
    with pytest.raises(EngineError, match=expected):
        worker.ready.result(5)
    with pytest.raises(EngineError, match=expected):
        worker.submit(Priority.COMPLETION, lambda *_: None).future.result(5)
    assert worker.close()


def test_close_does_not_wait_for_native_code_that_never_returns():
    worker = Worker(lambda: FakeEngine(lambda _: ()))
    began, release = threading.Event(), threading.Event()
    worker.submit(Priority.COMPLETION, lambda *_: began.set() or release.wait(30))
    assert began.wait(5)
    queued = worker.submit(Priority.COMPLETION, lambda *_: None)
    started = time.monotonic()
    assert worker.close(grace_s=0.2) is False
    assert time.monotonic() - started < 2
    release.set()
    worker._thread.join(5)
    assert queued.future.cancelled()
