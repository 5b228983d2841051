# SPDX-License-Identifier: Apache-2.0
"""What a server tells a dashboard: its state and its last answers, only while one is open.

In: a session, the record of each answer. Out: one file of this process in the dashboard's folder,
written whole twice a second and removed with the dashboard. A key pays for one test of a flag, and
while a dashboard is open for one append: the rest is done by a thread. Knows no HTTP.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import secrets
import threading
import time
from collections import Counter, deque
from typing import TYPE_CHECKING, Any

from engine import atomic
from lsp_server.dashboard import pulse
from lsp_server.suggestions.last import Last

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lsp_server.session import Session

VERSION = 1
IDLE_S = 1.0  # between two looks whether a dashboard is open
SAVE_S = 5.0  # between two times that counts go to the disk while one is
RING = 64  # answers; at 20 keys a second those of three seconds, and six times what is needed
MOST_TEXT_CHARS = 4000
MOST_SEGMENTS = 100  # of a prompt; the smallest others are added up by their role

_log = logging.getLogger(__name__)


class Feed(Last):
    """The record of the last answer, and of the last few while somebody watches."""

    def __init__(self, folder: Path, session: Session, save_counts: Callable[[], None]) -> None:
        """`save_counts` writes what became of suggestions; called from a thread."""
        super().__init__(folder)
        self._session, self._save_counts = session, save_counts
        self._saved = 0.0
        self._watched = False
        self._fresh: deque[tuple[float, dict[str, Any]]] = deque(maxlen=RING)
        self._ring: deque[str] = deque(maxlen=RING)  # encoded, oldest first
        self._counted = 0
        self._forgotten = 0
        self._told = b""
        self._file: Path | None = None
        self._telling = threading.Lock()
        self._end = threading.Event()

    def begin(self) -> None:
        """Look for a dashboard from now on, in a thread."""
        threading.Thread(target=self._run, name="feed", daemon=True).start()

    def set(self, record: dict[str, Any]) -> None:
        """Keep a record; a dashboard shows it, too."""
        super().set(record)
        if self._watched:
            self._fresh.append((time.time(), record))

    def forget(self) -> None:
        """Drop every text, here and in the dashboard: one may be of a file that is excluded now."""
        super().forget()
        with self._telling:
            self._forgotten += 1
            self._drop()

    def close(self) -> None:
        """Leave nothing behind for a dashboard."""
        super().close()
        self._end.set()
        with self._telling:
            self._drop()

    def _run(self) -> None:
        try:
            place = pulse.folder()
            pulse.sweep(place)
        except OSError as error:
            _log.warning("no dashboard can be served: %s", error)
            return
        marker = pulse.Pulse(place / pulse.MARKER)
        self._file = place / f"{os.getpid()}-{secrets.token_hex(8)}{pulse.SUFFIX}"
        while not self._end.wait(pulse.BEAT_S if self._watched else IDLE_S):
            with contextlib.suppress(OSError):  # a full disk, say: the next beat tries again
                self._beat(watched=marker.beats())

    def _beat(self, *, watched: bool) -> None:
        with self._telling:
            if self._end.is_set():
                return
            if watched:
                self._tell()
            elif self._watched:
                self._drop()
            self._watched = watched
        if watched and time.monotonic() - self._saved >= SAVE_S:
            self._saved = time.monotonic()
            self._save_counts()

    def _tell(self) -> None:
        """Write what has changed, else only say that we live. Raises OSError."""
        while self._fresh:
            self._counted += 1
            self._ring.append(json.dumps(_answer(self._counted, *self._fresh.popleft())))
        data = f'{{"head":{json.dumps(self._head())},"answers":[{",".join(self._ring)}]}}'.encode()
        assert self._file is not None
        if data == self._told:
            os.utime(self._file)
            return
        self._told = b""  # nobody knows what is there if it fails
        atomic.write(pulse.made(self._file.parent) / self._file.name, data)
        self._told = data

    def _drop(self) -> None:
        self._fresh.clear()
        self._ring.clear()
        self._told = b""
        if self._file is not None:
            with contextlib.suppress(OSError):  # a dashboard that closes removes it, too
                self._file.unlink(missing_ok=True)

    def _head(self) -> dict[str, Any]:
        session = self._session
        status = session.status
        return {
            "version": VERSION,
            "pid": os.getpid(),
            "roots": [str(root) for root in session.roots],
            "state": status.state,
            "message": status.message,
            "model": status.model,
            "resident_tokens": session.resident_tokens(),
            "index": session.indexing.progress(),
            "forgotten": self._forgotten,
        }


def _answer(number: int, moment: float, record: dict[str, Any]) -> dict[str, Any]:
    """A record as the dashboard gets it, of a bounded size. `moment`: seconds since 1970."""
    segments = list(record.get("segments", ()))
    text = str(record.get("text", ""))[:MOST_TEXT_CHARS]
    return {**record, "n": number, "at": moment, "text": text, "segments": _bounded(segments)}


def _bounded(segments: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """At most MOST_SEGMENTS and one a role, in their order, with the same sum of tokens."""
    if len(segments) <= MOST_SEGMENTS:
        return segments
    smallest = sorted(each["tokens"] for each in segments)[-MOST_SEGMENTS]
    kept: list[dict[str, Any]] = []
    rest: Counter[str] = Counter()
    number: Counter[str] = Counter()
    for each in segments:
        if each["tokens"] > smallest and len(kept) < MOST_SEGMENTS:
            kept.append(each)
        else:
            rest[each["role"]] += each["tokens"]
            number[each["role"]] += 1
    others = [
        {"role": role, "path": "", "tokens": tokens, "why": f"{number[role]} smaller pieces"}
        for role, tokens in rest.items()
    ]
    order = {each["role"]: at for at, each in reversed(list(enumerate(segments)))}
    return sorted([*kept, *others], key=lambda each: order[each["role"]])
