# SPDX-License-Identifier: Apache-2.0
"""Worker processes: limits hold, batches survive, order can change, nothing is left running."""

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from indexer.types import FileRecord
from indexer.workers import LEISURE, Job, Pool, PoolClosed

HERE = str(Path(__file__).parent)
POSIX = pytest.mark.skipif(sys.platform == "win32", reason="limits by signals and rlimits")


# Readers for the workers, which import this module by its name.
def read_files(_settings):
    def read(path):
        if "refused" in path:
            return None, "refused by policy"
        return Path(path).read_bytes(), ""

    return read


def read_forever(_settings):
    def read(path):
        while "endless" in path:
            pass
        return b"x = 1\n", ""

    return read


def read_greedy(_settings):
    kept = []

    def read(path):
        kept.append(bytearray(300 << 20) if "large" in path else b"")
        if "abort" in path:
            os.abort()
        return b"x = 1\n", ""

    return read


def read_slow(settings):
    def read(path):
        time.sleep(settings["seconds"])
        return path.encode(), ""

    return read


@pytest.fixture(autouse=True)
def importable(monkeypatch):
    monkeypatch.syspath_prepend(HERE)


def broken_javascript(size):
    """Text on which error recovery has many ways to go on, all of them wrong."""
    rng = random.Random(7)
    parts = [
        "${",
        "`",
        "function(",
        "=>{",
        "([",
        "</a>",
        "/x",
        "class A{",
        "...",
        "?.[",
        "'",
        "async ",
    ]
    text = "".join(rng.choice(parts) for _ in range(size // 3))
    return text[:size].encode()


def check_responsive(future, limit_s):
    """Wait as a server would: short naps. The longest one says how long others had to wait."""
    worst, end = 0.0, time.monotonic() + limit_s
    while not future.done() and time.monotonic() < end:
        before = time.monotonic()
        time.sleep(0.005)
        worst = max(worst, time.monotonic() - before)
    return worst


def test_a_batch_comes_back_in_order(tmp_path):
    for name in ("a.py", "b.js", "refused.py", "c.txt"):
        (tmp_path / name).write_bytes(b"f(1)\n")
    jobs = [
        Job(str(tmp_path / name)) for name in ("a.py", "b.js", "refused.py", "c.txt", "gone.py")
    ]
    with Pool(1, "test_workers:read_files") as pool:
        results = pool.submit(jobs).result(60)
    assert [r.path for r in results] == [job.path for job in jobs]
    assert [r.language for r in results[:2]] == ["python", "javascript"]
    assert FileRecord.from_bytes(results[0].record).references.names() == {"f"}
    assert len(results[0].digest) == 64 and results[0].size == 5
    assert (results[2].record, results[2].reason) == (None, "refused by policy")
    assert results[3].language == "text"
    assert results[4].record is None and "FileNotFoundError" in results[4].reason


def test_bytes_travel_too():
    with Pool(1) as pool:
        (result,) = pool.submit([Job("x.py", data=b"def f(): pass\n")]).result(60)
        (unread,) = pool.submit([Job("x.py")]).result(60)
    assert FileRecord.from_bytes(result.record).symbols[0].name == "f"
    assert unread.reason == "this pool reads no files"


def test_S10_a_repository_lends_no_modules(tmp_path, monkeypatch):
    """Opening a repository whose files are named like our libraries runs none of them."""
    for name in ("msgpack", "json", "tree_sitter", "indexer"):
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend("")
    with Pool(1) as pool:
        (result,) = pool.submit([Job("x.py", data=b"def f(): pass\n")]).result(60)
    assert result.record
    assert not (tmp_path / "ran").exists()


@POSIX
def test_broken_javascript_is_stopped():
    """I2: 1.8 MB on which the parser explodes costs two seconds of one core, and no one waits."""
    jobs = [
        Job("a.js", data=b"f()"),
        Job("bad.js", data=broken_javascript(1_800_000)),
        Job("b.js", data=b"g()"),
    ]
    with Pool(1) as pool:
        pool.submit([Job("warm.js", data=b"1")]).result(60)
        future = pool.submit(jobs)
        worst = check_responsive(future, 30)
        first, bad, last = future.result(1)
    assert first.record and last.record
    assert bad.record is None
    # On a busy machine the clock's limit may come before the processor's.
    assert "longer than" in bad.reason or "512 MiB" in bad.reason
    assert worst < 0.5, "the parent was held up"


@POSIX
def test_an_endless_loop_is_stopped():
    """I2: what never returns is ended by the system, and the rest of the batch is done."""
    with Pool(1, "test_workers:read_forever", limit_s=0.3) as pool:
        results = pool.submit([Job("a.py"), Job("endless.py"), Job("b.py")]).result(60)
    assert [bool(r.record) for r in results] == [True, False, True]
    assert "longer than" in results[1].reason


@POSIX
def test_memory_is_limited():
    """I2: 512 MiB and no more. A file is not blamed for what others before it left behind."""
    with Pool(1, "test_workers:read_greedy") as pool:
        jobs = [Job("large1.py"), Job("large2.py"), Job("small.py"), Job("abort.py"), Job("b.py")]
        results = pool.submit(jobs).result(60)
    assert results[0].record
    assert results[1].record or "Memory" in results[1].reason
    assert results[2].record and results[4].record
    assert "512 MiB" in results[3].reason


def test_random_bytes_are_harmless():
    rng = random.Random(3)
    names = ["a.py", "a.js", "a.cpp", "a.hs", "a.rb", "a.md", "a.sql", "a.sh"]
    with Pool(2) as pool:
        jobs = [Job(name, data=rng.randbytes(20_000)) for name in names]
        results = pool.submit(jobs).result(120)
    assert all(r.record or r.reason for r in results)


def test_urgent_batches_overtake():
    """Demand first: what the user looks at now is done before what was queued before."""
    with Pool(1, "test_workers:read_slow", {"seconds": 0.05}) as pool:
        done = []
        futures = [pool.submit([Job(f"{i}.txt")], priority=10 + i) for i in range(6)]
        futures.append(pool.submit([Job("9.txt")], priority=-100))
        for i, future in enumerate(futures):
            future.add_done_callback(lambda _, i=i: done.append(i))
        for future in futures:
            future.result(60)
    # The first may have been taken before the others were there.
    assert done in ([6, 0, 1, 2, 3, 4, 5], [0, 6, 1, 2, 3, 4, 5])


def test_while_the_user_types_one_worker_does_what_nobody_waits_for():
    with Pool(2, "test_workers:read_slow", {"seconds": 0.3}) as pool:
        for started in [pool.submit([Job("a.txt")]) for _ in range(2)]:
            started.result(60)
        pool.calm(60)
        done = []
        asked = {"a": LEISURE, "b": LEISURE, "urgent": -1.0}
        futures = [pool.submit([Job(f"{name}.txt")], of) for name, of in asked.items()]
        for name, future in zip(asked, futures, strict=True):
            future.add_done_callback(lambda _, name=name: done.append(name))
        for future in futures:
            future.result(60)
    assert done[-1] == "b", done


def test_a_cancelled_batch_is_not_done():
    with Pool(1, "test_workers:read_slow", {"seconds": 0.2}) as pool:
        pool.submit([Job("a.txt")])
        waiting = pool.submit([Job("b.txt")])
        last = pool.submit([Job("c.txt")])
        assert waiting.cancel()
        assert last.result(60)[0].record


def test_close_leaves_nothing_behind():
    """Also in the middle of work: every future ends, no process stays."""
    before = set(psutil.Process().children(recursive=True))
    pool = Pool(2, "test_workers:read_slow", {"seconds": 5})
    futures = [pool.submit([Job("a.txt")]) for _ in range(4)]
    time.sleep(0.5)
    started = time.monotonic()
    pool.close()
    pool.close()
    assert time.monotonic() - started < 5
    assert all(f.cancelled() or isinstance(f.exception(1), PoolClosed) for f in futures)
    assert not [
        p for p in psutil.Process().children(recursive=True) if p not in before and p.is_running()
    ]
    with pytest.raises(PoolClosed):
        pool.submit([Job("a.txt")])


def test_a_reader_that_is_not_there_is_said():
    with Pool(1, "no_such_module:read") as pool:
        error = pool.submit([Job("a.py")]).exception(60)
    assert isinstance(error, PoolClosed) and "does not start" in str(error)


PARENT = """
import sys, threading
from indexer.workers import Job, Pool
if __name__ == "__main__":
    pool = Pool(1, "test_workers:read_forever", limit_s=2.0)
    pool.submit([Job("a.py")]).result(60)
    pool.submit([Job(sys.argv[1])])
    print(pool._workers[0]._process.pid, flush=True)
    threading.Event().wait()
"""


@POSIX
@pytest.mark.parametrize("job", ["a.py", "endless.py"], ids=["idle", "in a native loop"])
def test_no_orphan_when_the_parent_is_killed(job):
    """P8: kill -9 of the parent, and the worker is gone, whatever it was doing."""
    paths = os.pathsep.join([HERE, str(Path(HERE).parents[1])])
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, job],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": paths},
    ) as parent:
        child = psutil.Process(int(parent.stdout.readline()))
        parent.send_signal(signal.SIGKILL)
    _, alive = psutil.wait_procs([child], timeout=60)  # 2 s of processor, of which it gets little
    assert not alive


@POSIX
def test_workers_are_polite():
    """Typing must stay smooth: a worker has a lower priority than its parent."""
    with Pool(1) as pool:
        pool.submit([Job("a.py", data=b"1")]).result(60)
        pid = pool._workers[0]._process.pid
        assert psutil.Process(pid).nice() > psutil.Process().nice()


def test_many_threads_may_submit():
    results = []
    with Pool(2) as pool:

        def submit(number):
            jobs = [Job(f"{number}.py", data=f"f{number}()".encode())]
            results.append(pool.submit(jobs).result(60)[0])

        threads = [threading.Thread(target=submit, args=(i,)) for i in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(json.dumps(r.path) for r in results) == sorted(f'"{i}.py"' for i in range(20))
