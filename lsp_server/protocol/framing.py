# SPDX-License-Identifier: Apache-2.0
"""Bytes on a pipe or socket <-> JSON values, each direction in a thread of its own.

In: a binary stream that blocks. Out: decoded messages, one by one, or what is wrong with them;
and the other way round, values in the order in which they were put. It knows JSON and the
`Content-Length` header, and nothing of what the messages mean.
"""

from __future__ import annotations

import json
import queue
import re
import threading
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, Final, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MAX_MESSAGE_BYTES: Final = 64 * 2**20  # a document of that size is no source file
# A message too long to take is read over, so that the next one is found; but a length beyond
# this is a mistake, not a message, and waiting for its end would look like a hang.
MAX_SKIPPED_BYTES: Final = 2**30
MAX_JSON_DEPTH: Final = 200  # capabilities are the deepest real thing, at about 10
MAX_HEADER_LINE_BYTES: Final = 4096
MAX_GARBAGE_BYTES: Final = 2**20  # what may lie between two messages before we give up
MAX_PENDING_BYTES: Final = MAX_MESSAGE_BYTES  # what a client may leave unread
_CHUNK_BYTES: Final = 2**16

# Anchored at the end only: after a wrong length the next header follows the rest of a body.
_LENGTH: Final = re.compile(rb"content-length[ \t]*:[ \t]*([^\r\n]*?)[ \t]*\r?\n\Z", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Malformed:
    """A message that was read over; the next one can still be read. `code` is of JSON-RPC."""

    code: int
    reason: str


class Desynchronised(Exception):
    """Nobody can tell where the next message starts. The text is one line."""


def read_messages(stream: IO[bytes]) -> Iterator[Any]:
    """Every JSON value of the stream, a `Malformed` for each that is none; ends with the stream.

    Raises Desynchronised; errors of the stream itself (OSError, ValueError when closed) pass.
    """
    while (length := _read_length(stream)) is not None:
        if length > MAX_MESSAGE_BYTES:
            _skip(stream, length)
            yield Malformed(-32600, f"a message of {length} bytes, above {MAX_MESSAGE_BYTES}")
            continue
        body = _read_exactly(stream, length)
        if len(body) < length:
            return
        yield _decode(body)


def _read_length(stream: IO[bytes]) -> int | None:
    """The length in the next header, None at the end. Unknown headers and noise are passed over."""
    length: int | None = None
    garbage_bytes = 0
    while line := stream.readline(MAX_HEADER_LINE_BYTES):
        if line in (b"\r\n", b"\n"):
            if length is not None:
                return length
        elif found := _LENGTH.search(line):
            length = _checked_length(found.group(1))
        else:
            garbage_bytes += len(line)
        if garbage_bytes > MAX_GARBAGE_BYTES:
            raise Desynchronised(f"no header in {MAX_GARBAGE_BYTES} bytes")
    return None


def _checked_length(text: bytes) -> int:
    if not text.isdigit() or len(text) > len(str(MAX_SKIPPED_BYTES)):
        raise Desynchronised("Content-Length is not a number that a message can have")
    if int(text) > MAX_SKIPPED_BYTES:
        raise Desynchronised(f"Content-Length is above {MAX_SKIPPED_BYTES}")
    return int(text)


def _read_exactly(stream: IO[bytes], length: int) -> bytes:
    # In pieces: memory is taken for what comes, not for what a header promises.
    pieces = bytearray()
    while len(pieces) < length and (piece := stream.read(min(_CHUNK_BYTES, length - len(pieces)))):
        pieces += piece
    return bytes(pieces)


def _skip(stream: IO[bytes], length: int) -> None:
    while length > 0 and (piece := stream.read(min(_CHUNK_BYTES, length))):
        length -= len(piece)


def _decode(body: bytes) -> Any:
    try:
        value = json.loads(body.decode("utf-8"), parse_constant=_refuse_constant)
    except ValueError:  # not UTF-8, not JSON, a number of too many digits
        return Malformed(-32700, "not valid JSON")
    except RecursionError:
        return Malformed(-32700, "JSON nested too deeply")
    return Malformed(-32700, "JSON nested too deeply") if _too_deep(value) else value


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)  # NaN and Infinity are Python's, not JSON's


def _too_deep(value: Any) -> bool:
    level = [value]
    for _ in range(MAX_JSON_DEPTH):
        level = [inner for outer in level for inner in _containers_in(outer)]
        if not level:
            return False
    return True


def _containers_in(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [inner for inner in value.values() if isinstance(inner, dict | list)]
    if isinstance(value, list):
        return [inner for inner in value if isinstance(inner, dict | list)]
    return []


def encode(value: Any) -> bytes:
    """A framed message. Lone surrogates become `?`: half a character must not stop an answer.

    Raises ValueError, TypeError or RecursionError for what is no JSON.
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    body = text.encode("utf-8", "replace")
    return b"Content-Length: %d\r\n\r\n%b" % (len(body), body)


class Writer:
    """Sends framed messages in the order of `put`, from any thread, without ever blocking it.

    `on_broken(reason)` is called once, from either thread, when the other side is gone or has
    left more than `MAX_PENDING_BYTES` unread. Afterwards everything is dropped.
    """

    def __init__(self, stream: IO[bytes], on_broken: Callable[[str], None]) -> None:
        self._stream = stream
        self._on_broken = on_broken
        self._queue: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._pending_bytes = 0
        self._lock = threading.Lock()
        self._broken = False
        self._thread = threading.Thread(target=self._run, name="lsp-writer", daemon=True)
        self._thread.start()

    def put(self, message: bytes) -> None:
        with self._lock:
            if self._broken:
                return
            self._pending_bytes += len(message)
            full = self._pending_bytes > MAX_PENDING_BYTES
            self._queue.put(message)
        if full:
            self._break("the client does not read what we write")

    def close(self, timeout_s: float) -> None:
        """Wait until all is written, but not longer than that; the stream stays open."""
        self._queue.put(None)
        self._thread.join(timeout_s)

    def _run(self) -> None:
        while (message := self._queue.get()) is not None:
            try:
                self._stream.write(message)
                self._stream.flush()
            except (OSError, ValueError):  # ValueError: closed in this process
                self._break("the client's end is closed")
                return
            with self._lock:
                self._pending_bytes -= len(message)

    def _break(self, reason: str) -> None:
        with self._lock:
            if self._broken:
                return
            self._broken = True
        self._on_broken(reason)
