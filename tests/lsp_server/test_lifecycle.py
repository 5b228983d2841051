# SPDX-License-Identifier: Apache-2.0
"""P8, P9, E5: the process ends when it must, whatever it is doing, and learns from crashes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import psutil
import pytest
from lsp_wire import DEADLINE_S, ECHO_SERVER, INITIALIZE, Wire, frame, notification, request

from lsp_server.protocol import lifecycle
from lsp_server.protocol.lifecycle import CrashRecord, watch_parent

if TYPE_CHECKING:
    from pathlib import Path

SLOW_MACHINE_S = 1.0  # added to aims in seconds: the processes under test share their cores
# The two extremes always; what lies between them in the long suite.
WORK = ["idle", "stuckLoop", *(pytest.param(w, marks=pytest.mark.slow) for w in ("slow", "stuck"))]
ROOT = str(ECHO_SERVER.parents[2])


@pytest.fixture
def ready(tmp_path):
    with Wire.echo(tmp_path / "log") as wire:
        wire.initialize()
        yield wire


def occupy(wire, work) -> None:
    """Bring the server into a state and wait until it is in it."""
    if work == "idle":
        return
    wire.send(request("busy", f"test/{work}", {"seconds": 60}))
    if work == "stuckLoop":
        time.sleep(0.2)
    else:
        wire.ask("probe", "test/echo")


# -- P8: orphans ------------------------------------------------------------------------------


@pytest.mark.parametrize("work", WORK)
def test_p8_end_of_stdin_ends_the_process(ready, work):
    occupy(ready, work)
    start = time.monotonic()
    ready.process.stdin.close()
    assert ready.wait() == 1
    assert time.monotonic() - start < 2 + SLOW_MACHINE_S


@pytest.fixture
def unread(tmp_path):
    """A server whose output nobody reads unless the test does."""
    command = [sys.executable, str(ECHO_SERVER), str(tmp_path / "log")]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe) as process:
        process.stdin.write(frame(INITIALIZE))
        process.stdin.flush()
        yield process
        process.kill()


def flood(process, messages) -> None:
    params = {"messages": messages, "characters": 1_000_000}
    process.stdin.write(frame(request(1, "test/flood", params)))
    process.stdin.flush()


def test_p8_a_closed_stdout_ends_the_process(unread):
    """EPIPE: stdin is still open, only our stdout has nobody at its other end."""
    assert unread.stdout.readline().startswith(b"Content-Length")
    unread.stdout.close()
    start = time.monotonic()
    flood(unread, 1)
    assert unread.wait(DEADLINE_S) == 1
    assert time.monotonic() - start < 2 + SLOW_MACHINE_S
    [line] = unread.stderr.read().splitlines()
    assert b"the client's end is closed" in line


def test_p8_a_client_that_stops_reading_has_a_limit(unread):
    """The pipe stays open and full: the loop goes on, but memory must not."""
    flood(unread, 80)
    assert unread.wait(DEADLINE_S) == 1
    [line] = unread.stderr.read().splitlines()
    assert b"does not read" in line


def test_p8_a_slow_reader_does_not_hold_the_loop(unread, tmp_path):
    """Nothing is read while 20 MB are waiting, yet the end of stdin is noticed in time."""
    flood(unread, 20)
    time.sleep(1)
    start = time.monotonic()
    unread.stdin.close()
    assert unread.wait(DEADLINE_S) == 1
    assert time.monotonic() - start < 2 + SLOW_MACHINE_S
    [file] = (tmp_path / "log").iterdir()
    assert "the client closed the connection" in file.read_text()


_PARENT = """
import subprocess, sys, time
reader, writer = int(sys.argv[1]), int(sys.argv[2])
server = subprocess.Popen(sys.argv[3:], stdin=reader, stdout=writer)
print(server.pid, flush=True)
time.sleep(600)
"""


@pytest.mark.skipif(os.name == "nt", reason="hands pipes to a grandchild by number")
@pytest.mark.parametrize("work", WORK)
def test_p8_killing_the_parent_ends_the_process_though_the_pipe_stays_open(tmp_path, work):
    """We hold the pipes ourselves, so that only the watch can notice."""
    to_server, our_end = os.pipe()
    their_end, from_server = os.pipe()
    server_command = [sys.executable, str(ECHO_SERVER), str(tmp_path / "log")]
    command = [sys.executable, "-c", _PARENT, str(to_server), str(from_server), *server_command]
    with (
        os.fdopen(our_end, "wb") as stdin,
        os.fdopen(their_end, "rb") as stdout,
        subprocess.Popen(
            command, stdout=subprocess.PIPE, pass_fds=(to_server, from_server)
        ) as parent,
    ):
        os.close(to_server)
        os.close(from_server)
        server = psutil.Process(int(parent.stdout.readline()))
        params = {"processId": parent.pid, "capabilities": {}}
        stdin.write(frame(request(1, "initialize", params)))
        stdin.flush()
        assert stdout.readline().startswith(b"Content-Length")
        stdin.write(frame(request(2, f"test/{work}", {"seconds": 60})))
        stdin.flush()
        time.sleep(0.2)
        parent.send_signal(signal.SIGKILL)
        start = time.monotonic()
        assert gone(server, DEADLINE_S)
        assert time.monotonic() - start < 5
    left = [p.info for p in psutil.process_iter(["cmdline"]) if str(tmp_path) in str(p.info)]
    assert left == []


def gone(process: psutil.Process, deadline_s: float) -> bool:
    end = time.monotonic() + deadline_s
    while time.monotonic() < end:
        try:
            if process.status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.02)
    return False


@pytest.mark.skipif(os.name == "nt", reason="Windows ends a process without asking it")
def test_a_polite_signal_is_an_orderly_end(ready, tmp_path):
    ready.process.send_signal(signal.SIGTERM)
    assert ready.wait() == 1
    [file] = (tmp_path / "log").iterdir()
    assert "signal SIGTERM" in file.read_text()


def test_a_parent_that_cannot_be_seen_is_not_watched(tmp_path):
    """An editor outside our container has a process id that means nothing here."""
    with Wire.echo(tmp_path) as wire:
        params = {"processId": 2**31 - 2, "capabilities": {}}
        wire.ask(1, "initialize", params)
        time.sleep(lifecycle.PARENT_POLL_S * 1.5)
        assert wire.ask(2, "test/echo", 5)["result"] == 5


def test_watch_parent_calls_once_and_can_be_stopped():
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        called, other = [], []
        heard = threading.Event()
        watch_parent(child.pid, lambda: (called.append(1), heard.set()), poll_s=0.02)
        watch_parent(child.pid, lambda: other.append(1), poll_s=0.02).set()
        time.sleep(0.1)
        assert called == []
        child.kill()  # and not waited for: a zombie is gone as well
        assert heard.wait(DEADLINE_S)
        time.sleep(0.1)
        assert (called, other) == ([1], [])


def test_a_recycled_process_id_is_another_process(monkeypatch):
    """Only the start time tells them apart."""
    heard = threading.Event()
    watch_parent(os.getpid(), heard.set, poll_s=0.02)
    assert not heard.wait(0.1)
    monkeypatch.setattr(psutil.Process, "is_running", lambda self: False)
    assert heard.wait(DEADLINE_S)


# -- P9: hangs --------------------------------------------------------------------------------


def test_p9_stuck_handlers_leave_the_loop_responsive_and_the_end_in_time(ready):
    """More of them than a pool has threads: reading must not depend on the pool."""
    for number in range(40):
        ready.send(request(number, "test/stuck"))
    times = []
    for number in range(100, 120):
        start = time.monotonic()
        assert ready.ask(number, "test/echo", number)["result"] == number
        times.append(time.monotonic() - start)
    assert sorted(times)[len(times) // 2] < 0.1
    for number in range(40):
        ready.send(notification("$/cancelRequest", {"id": number}))
        assert ready.reply(number)["error"]["code"] == -32800
    start = time.monotonic()
    assert ready.ask("bye", "shutdown")["result"] is None
    ready.send(notification("exit"))
    assert ready.wait() == 0
    assert time.monotonic() - start < 2 + SLOW_MACHINE_S


@pytest.mark.parametrize("code", [0, 3])
def test_exit_now_waits_for_no_thread_and_loses_no_output(code):
    script = (
        "import sys, threading\n"
        "sys.path.insert(0, sys.argv[1])\n"
        "from lsp_server.protocol.lifecycle import exit_now\n"
        "threading.Thread(target=threading.Event().wait).start()\n"
        "sys.stdout.write('flushed')\n"
        f"exit_now({code})\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, ROOT], capture_output=True, timeout=DEADLINE_S, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (code, b"flushed", b"")


def test_exit_now_gives_up_flushing_after_the_grace():
    """A stderr or stdout that nobody empties must not hold the process."""
    script = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from lsp_server.protocol.lifecycle import exit_now\n"
        "sys.stdout = open(1, 'w', buffering=10_000_000, closefd=False)\n"
        "sys.stdout.write('x' * 5_000_000)\n"
        "exit_now(4, grace_s=0.3)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script, ROOT], stdout=subprocess.PIPE) as process:
        assert process.wait(DEADLINE_S) == 4


# -- E5: crashes ------------------------------------------------------------------------------

_CRASHER = """
import os, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from lsp_server.protocol.lifecycle import CrashRecord
record = CrashRecord(Path(sys.argv[2]), sys.argv[3])
print(record.verdict())
if record.verdict() != "no-model":
    record.start()
    if sys.argv[4] == "abort":
        sys.stdout.flush()
        os.abort()
record.end()
"""


def run(folder: Path, end: str, setting: str = "model=a") -> str:
    command = [sys.executable, "-c", _CRASHER, ROOT, str(folder), setting, end]
    done = subprocess.run(command, capture_output=True, timeout=DEADLINE_S, check=False, text=True)
    assert (done.returncode == 0) == (end == "orderly" or "no-model" in done.stdout), done.stderr
    return done.stdout.strip()


def test_e5_crashes_lead_to_a_smaller_start_and_then_to_none(tmp_path):
    folder = tmp_path / "cache" / "crashes"
    assert run(folder, "orderly") == "normal"
    assert list(folder.iterdir()) == []
    verdicts = [run(folder, "abort") for _ in range(5)]
    assert verdicts == ["normal", "normal", "smaller", "no-model", "no-model"]
    assert run(folder, "orderly", "model=b") == "normal"  # another setting is a fresh try
    for file in folder.iterdir():
        os.utime(file, (0, time.time() - lifecycle.CRASH_WINDOW_S - 1))
    assert run(folder, "orderly") == "normal"
    assert list(folder.iterdir()) == []  # and what is old is thrown away


def test_e5_a_running_server_is_no_crash(tmp_path):
    for number in range(4):
        CrashRecord(tmp_path, "same").start()
        assert len(list(tmp_path.iterdir())) == number + 1
    assert CrashRecord(tmp_path, "same").verdict() == "normal"


def test_e5_a_recycled_process_id_is_a_crash(tmp_path):
    for _ in range(2):
        CrashRecord(tmp_path, "same").start()
    for file in tmp_path.iterdir():
        entry = json.loads(file.read_text())
        file.write_text(json.dumps({**entry, "born": entry["born"] - 1_000}))
    assert CrashRecord(tmp_path, "same").verdict() == "smaller"


@pytest.mark.parametrize("content", ["", "{", "[]", '{"settings": 3}', "\0" * 100])
def test_e5_damaged_records_are_no_crashes(tmp_path, content):
    for number in range(5):
        (tmp_path / f"running-{number}.json").write_text(content)
    record = CrashRecord(tmp_path, "same")
    assert record.verdict() == "normal"
    record.start()
    record.end()
    record.end()


def test_e5_a_folder_that_cannot_be_used_means_no_crashes(tmp_path):
    (tmp_path / "file").write_text("in the way")
    record = CrashRecord(tmp_path / "file" / "crashes", "same")
    record.start()
    assert record.verdict() == "normal"
    record.end()
    assert (tmp_path / "file").read_text() == "in the way"
