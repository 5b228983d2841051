# SPDX-License-Identifier: Apache-2.0
"""The record of the last answer, for whoever asks why: the editor, or the command line beside it.

In: records as plain JSON. Out: the newest, from memory, and from a file that is the user's alone.
The file is a second behind: a key must not wait for a disk.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from typing import TYPE_CHECKING, Any

from lsp_server.suggestions import kept

if TYPE_CHECKING:
    from pathlib import Path

FILE = "last.json"
WRITE_S = 1.0

_log = logging.getLogger(__name__)


class Last:
    """The last answer of a session. Used from the event loop, `close` from any thread."""

    def __init__(self, folder: Path) -> None:
        self.record: dict[str, Any] = {}
        self._path = folder / FILE
        self._writing: asyncio.TimerHandle | None = None
        self._lock = threading.Lock()

    def set(self, record: dict[str, Any]) -> None:
        """Keep a record in place of the one before."""
        self.record = record
        if self._writing is None:
            self._writing = asyncio.get_running_loop().call_later(WRITE_S, self._write_behind)

    def forget(self) -> None:
        """Drop what was written: a file whose text may be in it is excluded now."""
        with self._lock:
            self.record = {}
            try:
                self._path.unlink(missing_ok=True)
            except OSError as error:
                _log.warning("the last answer's record is not removed: %s", error)

    def close(self) -> None:
        """Write what is not written yet."""
        if self._writing is not None:
            self._write()

    def _write_behind(self) -> None:
        if self._writing is not None:  # else it was written at the end
            asyncio.get_running_loop().run_in_executor(None, self._write)

    def _write(self) -> None:
        with self._lock:  # what is forgotten meanwhile must not be written afterwards
            self._writing = None
            try:
                if self.record:
                    kept.write(self._path, self.record)
            except OSError as error:
                _log.warning("the last answer's record is not kept: %s", error)


def read(folder: Path) -> dict[str, Any]:
    """The record of the last answer of any session; empty where there is none."""
    found = kept.read(folder / FILE)
    return found if isinstance(found, dict) else {}
