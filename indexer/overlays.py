# SPDX-License-Identifier: Apache-2.0
"""What the editor holds instead of the disk: unsaved texts with their records.

In: texts as they are typed. Out: a frozen view of all of them. A key in a long file is answered for
by a patch of the record before; the whole text is read again once the user pauses, and what that
gives counts. Of a very long file the text before is shown until then. A text that was superseded is
not read. Blocks its callers, never those that ask for the view. It knows no policy, no disk and no
resolver: it says which path has another record.
"""

from __future__ import annotations

import dataclasses
import threading
import time
from collections import OrderedDict
from concurrent.futures import CancelledError
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from indexer.snapshot import NO_OVERLAYS, Overlay
from indexer.types import FileRecord
from indexer.workers import PoolClosed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from indexer.parse import Around
    from indexer.patch import Known
    from indexer.workers import Result

    Extract = Callable[[str, bytes, Around | None], Result]

# Longer than between two keys of somebody who types, shorter than a look at what was typed.
QUIET_S = 0.8
# Reading all of it takes as long as reading a part of it twice.
SMALL_BYTES = 8 * 1024
# A patch takes 30 ms a MiB from everything else in this process, at every key: 12 ms of this.
PATCHED_MAX_BYTES = 400 * 1024
# The part around the cursor as it was and as it is; the next key asks for one of them again.
PARTS_KEPT = 4
CLOSE_S = 5.0


@dataclass(frozen=True, slots=True)
class _Text:
    """One text: what is shown, the last state that is surely known, whether that is the text."""

    language: str
    data: bytes  # the newest; `shown` is of an earlier one while a very long text is typed
    shown: Overlay
    base: Known | None  # None where reading the whole has failed
    settled: bool


class Overlays:
    """See the module. The thread that settles starts with the first patch."""

    def __init__(self, extract: Extract, changed: Callable[[str], None]) -> None:
        """`extract` blocks until a worker has read a text; `changed` is called without a lock."""
        self._extract, self._changed = extract, changed
        self._state = threading.Condition()
        self._texts: dict[str, _Text] = {}
        self._view: Mapping[str, Overlay] = NO_OVERLAYS
        self._due: dict[str, float] = {}  # when to settle, by the monotonic clock
        self._busy = False
        self._parts: OrderedDict[tuple[str, bytes, Around], FileRecord | None] = OrderedDict()
        self._thread: threading.Thread | None = None
        self._closed = False

    @property
    def view(self) -> Mapping[str, Overlay]:
        """All texts by path. It does not change: the next edit makes another one."""
        return self._view

    def put(self, path: str, data: bytes) -> bool:
        """Show this text. Not for two threads at once with the same path. Raises PoolClosed.

        False where it is shown later, and `changed` called then.
        """
        # Nothing that knows grammars is imported before there is a text: a warm start is short.
        from indexer.languages import detect  # noqa: PLC0415

        text = self._read(detect(path, data), data, self._texts.get(path))
        with self._state:
            self._show(path, text)
        return text.shown.data is text.data

    def drop(self, paths: Iterable[str]) -> None:
        """These are as on the disk from here on."""
        with self._state:
            for path in paths:
                self._texts.pop(path, None)
                self._due.pop(path, None)
            self._publish()

    def wait(self, timeout_s: float) -> bool:
        """Settle everything now. False where that took too long."""
        with self._state:
            self._due = dict.fromkeys(self._due, 0.0)
            self._state.notify_all()
            return self._state.wait_for(
                lambda: self._closed or not (self._due or self._busy), timeout_s
            )

    def close(self) -> None:
        """End the thread. What it waits for must have been ended before."""
        with self._state:
            self._closed = True
            self._state.notify_all()
        if self._thread is not None:
            self._thread.join(CLOSE_S)

    # --- reading ---

    def _read(self, language: str, data: bytes, known: _Text | None) -> _Text:
        if known is None or known.language != language or len(data) <= SMALL_BYTES:
            return self._whole(language, data)
        if known.base is None:  # what no worker could read is not tried again at every key
            shown = dataclasses.replace(known.shown, data=data)
            return dataclasses.replace(known, data=data, shown=shown, settled=False)
        if max(len(data), len(known.base.data)) > PATCHED_MAX_BYTES:
            return dataclasses.replace(known, data=data, settled=False)
        from indexer.patch import patched  # noqa: PLC0415  as above

        patch = patched(known.base, data, lambda *part: self._part(language, *part))
        if patch is None:
            return self._whole(language, data)
        shown = Overlay(data, patch.known.record)
        base = patch.known if patch.sure else known.base
        return _Text(language, data, shown, base, settled=False)

    def _whole(self, language: str, data: bytes) -> _Text:
        from indexer import patch  # noqa: PLC0415  as above

        result = self._extract(language, data, None)
        if result.record is None:
            shown = Overlay(data, FileRecord(language, "D", problems=(result.reason,)))
            return _Text(language, data, shown, None, settled=True)
        shown = Overlay(data, FileRecord.from_bytes(result.record))
        if len(data) > PATCHED_MAX_BYTES:
            # It is never patched: what that needs would take 0.1 s a MiB.
            return _Text(language, data, shown, patch.Known(data, shown.record), settled=True)
        return _Text(language, data, shown, patch.known(data, shown.record), settled=True)

    def _part(self, language: str, data: bytes, around: Around) -> FileRecord | None:
        key = (language, data, around)
        with self._state:
            if key in self._parts:
                self._parts.move_to_end(key)
                return self._parts[key]
        blob = self._extract(language, data, around).record
        record = FileRecord.from_bytes(blob) if blob is not None else None
        with self._state:
            self._parts[key] = record
            while len(self._parts) > PARTS_KEPT:
                self._parts.popitem(last=False)
        return record

    # --- showing ---

    def _show(self, path: str, text: _Text) -> None:
        self._texts[path] = text
        self._due.pop(path, None)
        if not text.settled and not self._closed:
            self._due[path] = time.monotonic() + QUIET_S
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._run, name="index-overlays", daemon=True
                )
                self._thread.start()
            if len(self._due) == 1:  # else it wakes up for another one before
                self._state.notify_all()
        self._publish()

    def _publish(self) -> None:
        self._view = MappingProxyType({path: text.shown for path, text in self._texts.items()})

    # --- settling ---

    def _run(self) -> None:
        while (task := self._take()) is not None:
            path, text = task
            try:
                whole = self._whole(text.language, text.data)
            except (PoolClosed, CancelledError):
                continue  # we are closing, or no worker starts: the patch stays
            with self._state:
                current = self._texts.get(path) is text
                if current:
                    self._show(path, whole)
            if current and whole.shown.record != text.shown.record:
                self._changed(path)

    def _take(self) -> tuple[str, _Text] | None:
        """The next text that was quiet for long enough."""
        with self._state:
            self._busy = False
            self._state.notify_all()
            while not self._closed:
                path = min(self._due, key=self._due.__getitem__, default=None)
                left = self._due[path] - time.monotonic() if path is not None else None
                if path is not None and left is not None and left <= 0:
                    del self._due[path]
                    self._busy = True
                    return path, self._texts[path]
                self._state.wait(left)
        return None
