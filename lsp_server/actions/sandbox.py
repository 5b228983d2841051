# SPDX-License-Identifier: Apache-2.0
"""Runs a command that is not trusted much: the user's tests over code that a model has written.

In: a command in words, a folder. Out: a `Ran`. The command has no shell, no input, no network
where the system can take it away, few variables and limits on time, memory, processes and output;
it writes only below its folder where Linux has Landlock. When it ends, is too slow or the caller
is cancelled, nothing that it has started lives on. It knows no test and no tool.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import shutil
import signal
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterable, Mapping, Sequence

OUTPUT_MAX_BYTES = 1_000_000  # kept; the rest is read and dropped, so that nobody waits for us
MEMORY_MAX_BYTES = 4 * 1024**3  # of all processes together, and of the data of each one
FILE_MAX_BYTES = 1024**3
PROCESSES_MAX = 512
LOOK_S = 0.25  # between two looks at memory and processes
FIRST_LOOK_S = 0.02  # most commands end soon
REAP_S = 5.0  # for what was killed to be gone
PROBE_S = 5.0
MARK = "GHOSTWRIGHT_RUN"  # a variable by which a process that has left its group is known
# Variables that a tool needs to be found and to find its own; none of them holds a secret.
KEPT = (
    *("PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TERM"),
    *("SYSTEMROOT", "SYSTEMDRIVE", "WINDIR", "PATHEXT", "COMSPEC", "NUMBER_OF_PROCESSORS"),
    *("JAVA_HOME", "GOROOT", "NVM_DIR", "VIRTUAL_ENV", "CONDA_PREFIX", "PYENV_ROOT"),
)
# Where tools keep what they have installed, below a home that the command does not get.
HOMES = {
    "CARGO_HOME": ".cargo",
    "RUSTUP_HOME": ".rustup",
    "GOPATH": "go",
    "PYENV_ROOT": ".pyenv",
    "NVM_DIR": ".nvm",
}
# The strongest first: with its own processes, all die with the first one; then without network.
_WALLS = (
    ("--user", "--map-root-user", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"),
    ("--user", "--map-root-user", "--net", "--pid", "--fork", "--kill-child"),
    ("--user", "--map-root-user", "--net"),
)
_LAUNCHER = Path(__file__).with_name("confined.py")


@dataclass(frozen=True, slots=True)
class Walls:
    """What stands between a command and the machine. `prefix` starts it behind them."""

    prefix: tuple[str, ...] = ()

    @property
    def no_network(self) -> bool:
        return "--net" in self.prefix

    @property
    def own_processes(self) -> bool:
        return "--pid" in self.prefix


@dataclass(frozen=True, slots=True)
class Ran:
    """What became of a command. `code` is negative for a signal; `stopped` says why we ended it."""

    code: int
    output: str  # both streams, the last of it
    seconds: float
    stopped: str = ""  # timeout, memory, processes
    walls: Walls = field(default_factory=Walls)


async def walls() -> Walls:
    """The strongest that work here. Tried, as many systems know these words and refuse them."""
    program = shutil.which("unshare") if sys.platform == "linux" else None
    for words in _WALLS if program else ():
        process = await asyncio.create_subprocess_exec(
            str(program),
            *words,
            "true",
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            if await asyncio.wait_for(process.wait(), PROBE_S) == 0:
                return Walls((str(program), *words))
        except asyncio.TimeoutError:
            continue
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
    return Walls()


async def run(
    command: Sequence[str],
    folder: Path,
    *,
    timeout_s: float,
    home: Path,
    behind: Walls,
    stdin: bytes | None = None,
    variables: Mapping[str, str] | None = None,
    memory_bytes: int = MEMORY_MAX_BYTES,
    processes: int = PROCESSES_MAX,
) -> Ran:
    """Run to the end, or stop it. `home` is a folder of the command's own, for all it writes.

    Cancelling the task stops it too, and waits until it is gone. Raises OSError where the
    interpreter cannot be started; a command that does not exist gives code 127.
    """
    mark = secrets.token_hex(8)
    limits = {
        "memory_bytes": memory_bytes,
        "cpu_s": max(1, int(timeout_s) * (os.cpu_count() or 1) + 1),
        "file_bytes": FILE_MAX_BYTES,
        "processes": await asyncio.to_thread(_user_processes) + processes,
        "core_bytes": 0,
        "writable": [str(folder), str(home)],
    }
    launcher = [sys.executable, "-I", "-S", str(_LAUNCHER), json.dumps(limits)]
    started = time.monotonic()
    starting = asyncio.ensure_future(
        asyncio.create_subprocess_exec(
            *behind.prefix,
            *launcher,
            *command,
            cwd=folder,
            env=_environment(home, mark, variables or {}),
            stdin=asyncio.subprocess.PIPE if stdin is not None else asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
    )
    # Left alone until there is a process to kill: asyncio would kill the first one only.
    cancelled = await _whole(starting)
    process = starting.result()
    kept = bytearray()
    reader = asyncio.ensure_future(_drain(process, stdin, kept))
    try:
        if cancelled:
            raise asyncio.CancelledError
        stopped = await _watch(process, reader, timeout_s, memory_bytes, processes)
    finally:
        await _settled(_end(process, reader, mark, behind))
    code = process.returncode if process.returncode is not None else -signal.SIGTERM
    text = bytes(kept).decode("utf-8", "replace")
    return Ran(code, text, time.monotonic() - started, stopped, behind)


async def _drain(process: asyncio.subprocess.Process, stdin: bytes | None, kept: bytearray) -> None:
    """Feed the input, keep the end of the output, until the command has closed both."""
    writing = asyncio.ensure_future(_feed(process, stdin))
    assert process.stdout is not None
    try:
        while piece := await process.stdout.read(65_536):
            kept += piece
            if len(kept) > 2 * OUTPUT_MAX_BYTES:
                del kept[:-OUTPUT_MAX_BYTES]
    finally:
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
        del kept[:-OUTPUT_MAX_BYTES]


async def _feed(process: asyncio.subprocess.Process, stdin: bytes | None) -> None:
    if stdin is None or process.stdin is None:
        return
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        process.stdin.write(stdin)
        await process.stdin.drain()
    process.stdin.close()


async def _watch(
    process: asyncio.subprocess.Process,
    reader: asyncio.Future[None],
    timeout_s: float,
    memory_bytes: int,
    processes: int,
) -> str:
    """Wait for the end; "" or why it must not be waited for any longer."""
    deadline = time.monotonic() + timeout_s
    ended = asyncio.ensure_future(process.wait())  # of the pipes as well, which others may hold
    pause = FIRST_LOOK_S
    try:
        while process.returncode is None:
            rest = deadline - time.monotonic()
            if rest <= 0:
                return "timeout"
            await asyncio.wait([ended], timeout=min(pause, rest))
            pause = min(LOOK_S, pause * 2)
            count, size = await asyncio.to_thread(_usage, process.pid)
            if size > memory_bytes:
                return "memory"
            if count > processes:
                return "processes"
        await asyncio.wait([reader], timeout=LOOK_S)  # what is left in the pipe
    finally:
        ended.cancel()
    return ""


def _usage(pid: int) -> tuple[int, int]:
    """How many processes there are below one, and the memory that they hold."""
    count = size = 0
    for process in _tree(pid):
        with contextlib.suppress(psutil.Error):
            size += process.memory_info().rss
            count += 1
    return count, size


def _tree(pid: int) -> list[psutil.Process]:
    try:
        top = psutil.Process(pid)
        return [top, *top.children(recursive=True)]
    except psutil.Error:
        return []


async def _end(
    process: asyncio.subprocess.Process, reader: asyncio.Future[None], mark: str, behind: Walls
) -> None:
    """Kill whatever is left of a command, and wait for it."""
    await asyncio.to_thread(_kill, process.pid, mark, behind)
    if process.returncode is None:
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(process.wait(), REAP_S)
    reader.cancel()
    await asyncio.gather(reader, return_exceptions=True)
    transport = getattr(process, "_transport", None)  # else a pipe that a grandchild holds stays
    if transport is not None:
        transport.close()


def _kill(pid: int, mark: str, behind: Walls) -> None:
    """The group, all below it and, without walls, what has left both. Twice: they may fork."""
    for _ in range(2):
        found = {process.pid: process for process in _tree(pid)}
        with contextlib.suppress(OSError):
            if hasattr(os, "killpg"):
                os.killpg(pid, signal.SIGKILL)
        if not behind.own_processes:
            found.update((process.pid, process) for process in _marked(mark))
        for process in found.values():
            with contextlib.suppress(psutil.Error):
                process.kill()
        others = [process for number, process in found.items() if number != pid]
        psutil.wait_procs(others, timeout=REAP_S)


def _marked(mark: str) -> Iterable[psutil.Process]:
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.environ().get(MARK) == mark:
                yield process


async def _settled(work: Awaitable[None]) -> None:
    """Do the work to its end, however often this task is cancelled meanwhile."""
    task = asyncio.ensure_future(work)
    cancelled = await _whole(task)
    task.result()
    if cancelled:
        raise asyncio.CancelledError


async def _whole(task: asyncio.Future[Any]) -> bool:
    """Wait for the end of another task; whether this one was cancelled meanwhile."""
    cancelled = False
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError:  # noqa: PERF203  it may come again
            cancelled = True
    return cancelled


def _user_processes() -> int:
    """How many processes and threads the user has: the limit of the system counts them all."""
    if sys.platform == "win32":
        return 0
    user = os.getuid()
    return sum(_threads(process, user) for process in psutil.process_iter())


def _threads(process: psutil.Process, user: int) -> int:
    try:
        return int(process.num_threads()) if process.uids().real == user else 0
    except psutil.Error:
        return 0


def _environment(home: Path, mark: str, variables: Mapping[str, str]) -> dict[str, str]:
    found = {name: os.environ[name] for name in KEPT if name in os.environ}
    for name, folder in HOMES.items():
        known = os.environ.get(name) or str(Path.home() / folder)
        if Path(known).is_dir():
            found[name] = known
    temporary = home / "tmp"
    temporary.mkdir(parents=True, exist_ok=True)
    here = {name: str(home) for name in ("HOME", "USERPROFILE", "XDG_CACHE_HOME")}
    here |= {name: str(temporary) for name in ("TMPDIR", "TEMP", "TMP")}
    return {**found, **here, "CI": "1", MARK: mark, **variables}
