# SPDX-License-Identifier: Apache-2.0
"""An editor's end of the protocol: the server in a process of its own, spoken to over its pipes.

In: the command of a server, requests and notifications. Out: replies, each with the moment at
which it came. It knows JSON-RPC and no library of the protocol: what is sent is what stands here.
"""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Any

import psutil

from lsp_server.protocol.framing import Desynchronised, Writer, encode, read_messages

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Self

SERVER = (sys.executable, "-m", "lsp_server", "serve", "--stdio")
STOP_S = 10.0  # the server itself promises to end within two
WHY_CHARS = 200


class ServerFailed(Exception):
    """The server ended, or said nothing for too long. One line."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What came for one request: a result or an error, and when (perf_counter seconds)."""

    at: float
    result: Any = None
    error: Any = None


class Client:
    """A running server. Use as a context manager."""

    def __init__(self, command: Sequence[str] = SERVER) -> None:
        self._errors = TemporaryFile()  # noqa: SIM115  closed with the client
        self._process = subprocess.Popen(
            list(command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors
        )
        assert self._process.stdin is not None
        self._writer = Writer(self._process.stdin, lambda _: None)
        self._changed = threading.Condition()
        self._replies: dict[int, Reply] = {}
        self._forgotten: set[int] = set()
        self._gone = False
        self._last_id = 0
        self.status: dict[str, Any] = {}
        self._reader = threading.Thread(target=self._read, name="replay-reader", daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Shut the server down in order; one that does not end is killed."""
        if not self._gone:
            self.ask("shutdown")
            self.notify("exit")
        self._writer.close(STOP_S)
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join(STOP_S)
        for stream in (self._process.stdin, self._process.stdout, self._errors):
            assert stream is not None
            stream.close()

    def notify(self, method: str, params: object = None) -> None:
        """Say something that has no answer."""
        self._send({"method": method, "params": params})

    def ask(self, method: str, params: object = None) -> int:
        """Send a request; returns the number to wait for."""
        self._last_id += 1
        self._send({"id": self._last_id, "method": method, "params": params})
        return self._last_id

    def cancel(self, number: int) -> None:
        """As an editor does: say that it is no longer wanted, and do not listen any more."""
        self.notify("$/cancelRequest", {"id": number})
        with self._changed:
            self._forgotten.add(number)

    def wait(self, number: int, until: float) -> Reply | None:
        """The reply to a request, None when it has not come by `until`. Raises ServerFailed."""
        with self._changed:
            while number not in self._replies:
                left = until - time.perf_counter()
                if left <= 0:
                    return None
                if self._gone:
                    raise ServerFailed(f"the server ended: {self._last_words()}")
                self._changed.wait(left)
            return self._replies.pop(number)

    def call(self, method: str, params: object, seconds: float) -> Any:
        """A request and its result. Raises ServerFailed for an error or no reply in time."""
        reply = self.wait(self.ask(method, params), time.perf_counter() + seconds)
        if reply is None:
            raise ServerFailed(f"the server did not answer {method} in {seconds:.0f} s")
        if reply.error is not None:
            raise ServerFailed(f"the server refused {method}: {str(reply.error)[:WHY_CHARS]}")
        return reply.result

    def cpu_s(self) -> float:
        """CPU seconds that the server and its children have used; 0 where nobody can tell."""
        try:
            top = psutil.Process(self._process.pid)
            times = [one.cpu_times() for one in (top, *top.children(recursive=True))]
        except psutil.Error:
            return 0.0
        return float(sum(each.user + each.system for each in times))

    def _send(self, message: dict[str, object]) -> None:
        self._writer.put(encode({"jsonrpc": "2.0", **message}))

    def _read(self) -> None:
        assert self._process.stdout is not None
        try:
            for message in read_messages(self._process.stdout):
                if isinstance(message, dict):
                    self._take(message, time.perf_counter())
        except (Desynchronised, OSError, ValueError):
            pass  # the stream is over for us; whoever waits is told below
        with self._changed:
            self._gone = True
            self._changed.notify_all()

    def _take(self, message: dict[str, Any], now: float) -> None:
        number = message.get("id")
        if "method" in message:
            if message["method"] == "ghostwright/status":
                self.status = message.get("params") or {}
            if number is not None:  # a request to us; we can nothing that could be asked for
                self._send({"id": number, "result": None})
            return
        with self._changed:
            if number in self._forgotten:
                self._forgotten.discard(number)
            elif isinstance(number, int):
                self._replies[number] = Reply(now, message.get("result"), message.get("error"))
                self._changed.notify_all()

    def _last_words(self) -> str:
        self._errors.seek(0)
        lines = self._errors.read().decode("utf-8", "replace").strip().splitlines()
        return lines[-1][:WHY_CHARS] if lines else "without a word"
