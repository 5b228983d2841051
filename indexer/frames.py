# SPDX-License-Identifier: Apache-2.0
"""Messages between the parent and its workers: four bytes of length, then msgpack.

It knows nothing of what is said.
"""

from __future__ import annotations

from typing import IO, Any

import msgpack

LENGTH_BYTES = 4


def read_frame(stream: IO[bytes]) -> Any:
    """The next message, None at the end of the stream or where a frame is cut short."""
    head = stream.read(LENGTH_BYTES)
    size = int.from_bytes(head, "little")
    body = stream.read(size) if len(head) == LENGTH_BYTES else b""
    if len(head) < LENGTH_BYTES or len(body) < size:
        return None
    return msgpack.unpackb(body)


def write_frame(stream: IO[bytes], message: Any) -> None:
    """Write one message and let it go at once. Raises OSError when nobody reads."""
    body = msgpack.packb(message)
    stream.write(len(body).to_bytes(LENGTH_BYTES, "little") + body)
    stream.flush()
