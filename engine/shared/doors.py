# SPDX-License-Identifier: Apache-2.0
"""Connections between windows and a host: who may speak, messages whole, ends that are noticed.

In: an address and the user's secret. Out: a `Door` that both ends have proved to know the secret
through. `multiprocessing.connection` has sockets and named pipes; its pickling is not used.

The proof comes with the build: ends that are not of one build part before the first message.
"""

from __future__ import annotations

import contextlib
import hmac
import os
import secrets
import socket
import struct
import threading
from multiprocessing.connection import Client, Listener
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.shared import wire
from engine.shared.places import IS_WINDOWS, OWNER_FILE, Unshared

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.shared.places import Place

GREETING_S = 5.0  # for each step of the proof; who takes longer is stopped or not one of us
BACKLOG = 64
NONCE_BYTES = 32
PROOF_BYTES = 32
GREETING_BYTES = 512
MARK = b"ghostwright-engine "


class Gone(Exception):
    """The other end is gone, or has to be: nothing more will come."""


class Door:
    """One end of a proved connection. One thread reads; any may send."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._sending = threading.Lock()

    def send(self, message: wire.Message) -> None:
        """Send one message; blocks while the other end does not read. Raises Gone."""
        data = wire.encode(message)
        try:
            with self._sending:
                self._connection.send_bytes(data)
        except (OSError, ValueError) as error:
            raise Gone(str(error)) from error

    def waits(self, timeout_s: float = 0.0) -> bool:
        """Whether something can be received, be it the news that the other end is gone."""
        try:
            return bool(self._connection.poll(timeout_s))
        except (OSError, ValueError):
            return True

    def receive(self) -> wire.Message:
        """The next message; blocks. Raises Gone; Malformed where it is none of ours."""
        return wire.decode(_receive(self._connection, wire.MAX_MESSAGE_BYTES))

    def hang_up(self) -> None:
        """End it, also for a thread of ours that is blocked in it."""
        if not IS_WINDOWS:
            with (
                contextlib.suppress(OSError, ValueError),
                socket.socket(fileno=os.dup(self._connection.fileno())) as it,
            ):
                it.shutdown(socket.SHUT_RDWR)
        # Whoever sends fails by now, but first: the next connection may get this one's number.
        still = contextlib.nullcontext() if IS_WINDOWS else self._sending
        with still, contextlib.suppress(OSError):
            self._connection.close()


def listen(place: Place) -> Listener:
    """Listen at a place; the caller holds its lock, so what is there is of a host that is gone.

    Raises OSError.
    """
    if not IS_WINDOWS:
        Path(place.address).unlink(missing_ok=True)
    listener = Listener(place.address, "AF_PIPE" if IS_WINDOWS else "AF_UNIX", BACKLOG)
    if not IS_WINDOWS:
        Path(place.address).chmod(OWNER_FILE)
    return listener


def admit(connection: Any, secret: bytes, build: str) -> Door:
    """The host's side of the proof. Raises Gone where it fails."""
    line = MARK + build.encode()
    nonce = secrets.token_bytes(NONCE_BYTES)
    _send(connection, nonce + line)
    answer = _receive_soon(connection, NONCE_BYTES + PROOF_BYTES)
    theirs, proof = answer[:NONCE_BYTES], answer[NONCE_BYTES:]
    if not hmac.compare_digest(proof, _proof(secret, b"window", nonce + theirs + line)):
        raise Gone("the secret is another")
    _send(connection, _proof(secret, b"host", nonce + theirs + line))
    return Door(connection)


class Silent(Gone):
    """Whoever listens does not say a word."""


def knock(place: Place, secret: bytes, build: str) -> Door | None:
    """The window's side. None where nobody listens. Waits while a model is being loaded.

    Raises Silent where whoever listens hangs, Gone where it knows another secret, Unshared where
    it is of another build.
    """
    try:
        connection = Client(place.address, "AF_PIPE" if IS_WINDOWS else "AF_UNIX")
    except (FileNotFoundError, ConnectionError):
        return None
    except OSError as error:
        raise Gone(str(error)) from error
    try:
        _limit_sending(connection)
        _prove(connection, secret, MARK + build.encode(), lambda: place.is_loading)
    except BaseException:
        connection.close()
        raise
    return Door(connection)


def _prove(
    connection: Any, secret: bytes, line: bytes, may_wait: Callable[[], bool] = lambda: False
) -> None:
    greeting = _receive_soon(connection, GREETING_BYTES, may_wait)
    nonce, found = greeting[:NONCE_BYTES], greeting[NONCE_BYTES:]
    if found != line:
        words = found.removeprefix(MARK).decode("ascii", "replace")
        ours = line.removeprefix(MARK).decode()
        raise Unshared(f"the model's host is of another version ({words}; this is {ours})")
    mine = secrets.token_bytes(NONCE_BYTES)
    _send(connection, mine + _proof(secret, b"window", nonce + mine + line))
    proof = _receive_soon(connection, PROOF_BYTES, may_wait)
    if not hmac.compare_digest(proof, _proof(secret, b"host", nonce + mine + line)):
        raise Gone("whoever listens does not know the secret")


def _limit_sending(connection: Any) -> None:
    """A long prompt does not fit into the socket: who stops reading must not hold us up."""
    if not IS_WINDOWS:
        with socket.socket(fileno=os.dup(connection.fileno())) as it:
            it.setsockopt(
                socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", int(GREETING_S), 0)
            )


def _proof(secret: bytes, who: bytes, what: bytes) -> bytes:
    return hmac.new(secret, who + b"\0" + what, "sha256").digest()


def _send(connection: Any, data: bytes) -> None:
    try:
        connection.send_bytes(data)
    except (OSError, ValueError) as error:
        raise Gone(str(error)) from error


def _receive_soon(
    connection: Any, most: int, may_wait: Callable[[], bool] = lambda: False
) -> bytes:
    try:
        while not connection.poll(GREETING_S):
            if not may_wait():
                raise Silent(f"no word within {GREETING_S:.0f} s")
    except OSError as error:
        raise Gone(str(error)) from error
    return _receive(connection, most)


def _receive(connection: Any, most: int) -> bytes:
    try:
        data: bytes = connection.recv_bytes(most)
    except (EOFError, OSError, ValueError, TypeError) as error:
        raise Gone(str(error) or "closed") from error
    return data
