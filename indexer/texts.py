# SPDX-License-Identifier: Apache-2.0
"""Texts that were read a moment ago, for questions that look into the same files again and again.

In: paths with the record they have, a way to read. Out: bytes. It knows no disk and no policy.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

ROOM_BYTES = 8 << 20  # some hundreds of files


class Texts:
    """The latest texts, `ROOM_BYTES` of them at most. Any thread."""

    def __init__(self, room_bytes: int = ROOM_BYTES) -> None:
        self._room = room_bytes
        self._texts: OrderedDict[tuple[str, int], bytes] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, path: str, blob: int, read: Callable[[], bytes]) -> bytes:
        """The text of a path that has this record. `read` is called where it is not at hand."""
        key = (path, blob)
        with self._lock:
            known = self._texts.get(key)
            if known is not None:
                self._texts.move_to_end(key)
                return known
        data = read()
        with self._lock:
            if key not in self._texts:
                self._texts[key] = data
                self._room -= len(data)
            while self._room < 0 and self._texts:
                self._room += len(self._texts.popitem(last=False)[1])
        return data

    def clear(self) -> None:
        """Forget all: some may not be shown any more."""
        with self._lock:
            self._room += sum(map(len, self._texts.values()))
            self._texts.clear()
