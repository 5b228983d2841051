# SPDX-License-Identifier: Apache-2.0
"""One thread owns the model: order, cancels, failures."""

from __future__ import annotations

import threading
import time

import pytest

from engine.fake import FakeEngine
from engine.types import EngineError, ModelNotFound, Prompt, Sampling, Slot
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


def check_giving_way(llama, times, allowed_slices):
    """A completion begins when the slice that is being read has ended; the rest is read later."""
    worker = Worker(lambda: llama)
    text = "".join(f"value_{n} = {n * n}\n" for n in range(30))
    deep = Prompt(tuple(llama.tokenize(text)), ())
    key = Prompt(tuple(llama.tokenize("def add(a, b):\n    return")), ())

    def warm(engine, cancel):
        return engine.warm(deep, cancel, Slot.DEEP)

    def begin(engine, cancel):
        began = time.perf_counter()
        engine.complete(key, Sampling(1), cancel, lambda _: True)
        return began

    waits_s, slices_s = [], []
    for _ in range(times):
        llama.forget(Slot.DEEP)
        slow = worker.submit(Priority.WARM_UP, warm)
        time.sleep(0.4)
        asked = time.perf_counter()
        waits_s.append(worker.submit(Priority.COMPLETION, begin).future.result(60) - asked)
        cut = slow.future.result(60)
        assert cut.cut_short and cut.evaluated_tokens > 0
        slices_s.append(cut.total_ms / 1000 * llama._slice_tokens / cut.evaluated_tokens)
        assert len(llama.resident(Slot.DEEP)) == cut.cached_tokens + cut.evaluated_tokens
    again = worker.submit(Priority.WARM_UP, warm).future.result(120)
    assert again.cached_tokens == cut.cached_tokens + cut.evaluated_tokens
    assert not again.cut_short
    waits_s.sort()
    assert waits_s[int(len(waits_s) * 0.95)] <= allowed_slices * max(slices_s), waits_s


@pytest.mark.model
def test_a_warm_up_gives_way_within_a_slice_and_goes_on_where_it_was(llama):
    check_giving_way(llama, 2, allowed_slices=3)  # a noisy machine may double any slice


@pytest.mark.slow
@pytest.mark.model
def test_30_warm_ups_give_way_within_a_slice(llama):
    check_giving_way(llama, 30, allowed_slices=2)
