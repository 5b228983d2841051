# SPDX-License-Identifier: Apache-2.0
"""The server on a pipe or a socket: one reader thread, one writer thread, one loop between.

In: a `Server` with its handlers registered. Out: an exit code, once the client has said `exit`,
is gone, or cannot be understood any longer. It knows nothing of what the messages mean.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import threading
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

from pygls.lsp.server import LanguageServer

from lsp_server.protocol import framing, lifecycle
from lsp_server.protocol.rpc import Protocol, lenient_converter

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_WAITING_MESSAGES: Final = 64  # read ahead of the loop; above that the client waits in its pipe
SHUTDOWN_WAIT_S: Final = 1.0  # for a client that sends `exit` without waiting for the answer
FLUSH_WAIT_S: Final = 0.4  # with the one above, within lifecycle.GRACE_S

_log = logging.getLogger(__name__)


class Server(LanguageServer):
    """pygls' server on our protocol. Register handlers as with pygls; run it with `serve_*`."""

    protocol: Protocol

    def __init__(self, name: str, version: str) -> None:
        super().__init__(name, version, protocol_cls=Protocol, converter_factory=lenient_converter)

    def report_server_error(self, error: Exception, source: Any) -> None:
        """Errors are answered and logged where they happen, never shown as messages to the user."""


def serve_stdio(server: Server) -> int:
    """Serve the client on stdin and stdout until the end; returns the exit code.

    From here on nothing else can reach them: prints go to stderr, child processes read nothing.
    Afterwards call `lifecycle.exit_now` with the code: threads may still be stuck.
    """
    try:
        reader, writer = _take_stdio()
    except OSError as error:
        _log.error("stdin or stdout is not open: %s", error.strerror)
        return 1
    return asyncio.run(_serve(server.protocol, reader, writer))


def serve_tcp(
    server: Server, host: str, port: int, listening: Callable[[str, int], None] | None = None
) -> int:
    """Serve the first client that connects, and no other; returns the exit code.

    Port 0 takes a free one: `listening(host, port)` hears which. Raises OSError when the address
    cannot be used.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, port), family=family) as listener:
        if listening is not None:
            listening(*listener.getsockname()[:2])
        connection, _ = listener.accept()
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with connection, connection.makefile("rb") as reader, connection.makefile("wb") as writer:
        return asyncio.run(_serve(server.protocol, reader, writer))


def _take_stdio() -> tuple[IO[bytes], IO[bytes]]:
    """Private copies of stdin and stdout; the well-known ones become empty and stderr."""
    reader, writer = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    with Path(os.devnull).open("rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    try:
        os.dup2(2, 1)
    except OSError:  # started without a stderr
        with Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), 1)
    return reader, writer


async def _serve(protocol: Protocol, reader: IO[bytes], stream: IO[bytes]) -> int:
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()

    def end() -> None:
        lifecycle.end_at_the_latest(lambda: protocol.exit_code)
        _on_loop(loop, ended.set)

    def broken(reason: str) -> None:
        _log.warning("nothing more can be sent: %s", reason)
        lifecycle.end_at_the_latest(lambda: protocol.exit_code)
        _on_loop(loop, protocol.lost, reason)

    writer = framing.Writer(stream, broken)
    protocol.attach(writer.put, end)
    _stop_on_signals(loop, protocol)
    reading = (reader, protocol, loop)
    threading.Thread(target=_read, args=reading, name="lsp-reader", daemon=True).start()
    await ended.wait()
    await protocol.closed(SHUTDOWN_WAIT_S)
    writer.close(FLUSH_WAIT_S)
    return protocol.exit_code


def _read(reader: IO[bytes], protocol: Protocol, loop: asyncio.AbstractEventLoop) -> None:
    """The reader's thread: every message to the loop, then the end, whatever it looks like."""
    room = threading.Semaphore(MAX_WAITING_MESSAGES)

    def receive(message: Any) -> None:
        room.release()
        protocol.receive(message)

    reason = "the client closed the connection"
    try:
        for message in framing.read_messages(reader):
            room.acquire()
            if not _on_loop(loop, receive, message):
                return
    except framing.Desynchronised as error:
        reason = f"the client's messages cannot be told apart: {error}"
        _log.error("%s", reason)
    except (OSError, ValueError):  # reset by the client, or closed in this process
        pass
    # The loop may be stuck in native code: then nobody but this timer ends the process.
    lifecycle.end_at_the_latest(lambda: protocol.exit_code)
    _on_loop(loop, protocol.lost, reason)


def _on_loop(loop: asyncio.AbstractEventLoop, call: Callable[..., None], *args: Any) -> bool:
    try:
        loop.call_soon_threadsafe(call, *args)
    except RuntimeError:  # the loop is closed: the end has come by another way
        return False
    return True


def _stop_on_signals(loop: asyncio.AbstractEventLoop, protocol: Protocol) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        # Windows has no such handlers; there, and in threads of tests, the defaults stay.
        with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
            loop.add_signal_handler(number, protocol.lost, f"signal {number.name}")
