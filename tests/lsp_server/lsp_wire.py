# SPDX-License-Identifier: Apache-2.0
"""The client's end of the wire, as raw as tests need it: any bytes out, framed replies in.

In: the command of a server. Out: its messages, each with a deadline. It knows no LSP types, so
that a mistake in a library cannot hide the same mistake in the server.
"""

from __future__ import annotations

import contextlib
import json
import queue
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from typing_extensions import Self

ECHO_SERVER = Path(__file__).with_name("echo_server.py")
DEADLINE_S = 20.0  # generous: the machines that run tests are slow; aims are asserted separately


def frame(value: Any) -> bytes:
    """A message as a correct client sends it."""
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    return b"Content-Length: %d\r\n\r\n%b" % (len(body), body)


def request(msg_id: Any, method: str, params: Any = None) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": msg_id, "method": method, "params": params}


def notification(method: str, params: Any = None) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "method": method, "params": params}


INITIALIZE = request("init", "initialize", {"processId": None, "rootUri": None, "capabilities": {}})


class Wire:
    """A server process and the messages that it has sent. Use as a context manager."""

    def __init__(self, command: list[str], **options: Any) -> None:
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            **options,
        )
        self._messages: queue.Queue[Any] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self._stderr = bytearray()
        self._errors = threading.Thread(target=self._read_errors, daemon=True)
        self._errors.start()

    @classmethod
    def echo(cls, log_folder: Path) -> Wire:
        return cls([sys.executable, str(ECHO_SERVER), str(log_folder)])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.process.kill()
        self.process.wait()
        self._reader.join(DEADLINE_S)
        self._errors.join(DEADLINE_S)
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            with contextlib.suppress(OSError):  # unsent bytes to a process that is gone
                stream.close()

    def _read(self) -> None:
        stdout = self.process.stdout
        try:
            while header := stdout.readline():
                length = int(header.removeprefix(b"Content-Length: "))
                assert stdout.readline() == b"\r\n"
                self._messages.put(json.loads(stdout.read(length)))
        except Exception as error:  # noqa: BLE001  handed to the test, which fails on it
            self._messages.put(error)
        self._messages.put(None)

    def _read_errors(self) -> None:
        for line in self.process.stderr:
            self._stderr.extend(line)

    def send(self, *messages: Any) -> None:
        """Bytes go as they are, values are framed; all in one write."""
        self.process.stdin.write(
            b"".join(m if isinstance(m, bytes) else frame(m) for m in messages)
        )
        self.process.stdin.flush()

    def receive(self, deadline_s: float = DEADLINE_S) -> Any:
        """The next message, None at the end of the stream. Raises queue.Empty at the deadline."""
        message = self._messages.get(timeout=deadline_s)
        if isinstance(message, Exception):
            pytest.fail(f"not a framed message: {message!r}")
        return message

    def reply(self, msg_id: Any, deadline_s: float = DEADLINE_S) -> Any:
        """The next message with that id; others before it are dropped."""
        end = time.monotonic() + deadline_s
        while (message := self.receive(max(0.01, end - time.monotonic()))) is not None:
            if message.get("id") == msg_id and "method" not in message:
                return message
        raise AssertionError(f"the server closed its end before it answered {msg_id!r}")

    def ask(self, msg_id: Any, method: str, params: Any = None) -> Any:
        self.send(request(msg_id, method, params))
        return self.reply(msg_id)

    def initialize(self) -> Any:
        self.send(INITIALIZE)
        answer = self.reply("init")
        self.send(notification("initialized", {}))
        return answer

    def wait(self, deadline_s: float = DEADLINE_S) -> int:
        """The exit code. Raises subprocess.TimeoutExpired."""
        return self.process.wait(deadline_s)

    def stderr(self) -> str:
        """All of stderr, once the process has ended."""
        self._errors.join(DEADLINE_S)
        return self._stderr.decode()
