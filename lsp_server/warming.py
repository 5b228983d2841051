# SPDX-License-Identifier: Apache-2.0
"""Reads ahead while nobody types, so that a key pays for its own tail.

In: where the user is, told at each request and when a file is opened. Out: nothing but a resident
prompt, and after a while a saved one. First what the next key would have to read anyway; after a
longer pause a better choice of other files. Any key ends it; what was read stays.
Runs on the event loop; the reading is a job of the engine's thread.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

import psutil

from engine.types import EngineError
from engine.worker import Priority
from lsp_server import prompting
from lsp_server.documents import Place
from lsp_server.schedule import NoText

if TYPE_CHECKING:
    import threading

    from engine.types import Engine, Usage
    from lsp_server.documents import Document
    from lsp_server.session import Session

OPENED_S = 0.2  # several files are opened at once when an editor starts: the last one is seen
PAUSE_S = 1.0  # between keys longer than this, the user has stopped typing
# A new choice of pieces is read for up to as long as a whole prompt takes, and who comes back
# meanwhile waits for the rest. A pause that has lasted long will probably last: we begin after this
# share of that time.
PATIENCE = 0.25
SAVE_S = 5.0
CHARS_PER_TOKEN = 2.5  # low, so that an opened file's beginning is sure to fit

_log = logging.getLogger(__name__)


class Warming:
    """At most one warm-up at a time, for the place where the user was last."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._task: asyncio.Task[None] | None = None

    def touched(self, document: Document, place: Place) -> None:
        """The user is typing here: read ahead when that stops."""
        self._begin(document, place, PAUSE_S)

    def opened(self, document: Document) -> None:
        """A file was opened: read as much of it from its beginning as a prompt may have."""
        self._begin(document, None, OPENED_S)

    def stop(self) -> None:
        """End what is under way."""
        if self._task is not None:
            self._task.cancel()
            self._task = None

    def _begin(self, document: Document, place: Place | None, wait_s: float) -> None:
        self.stop()
        if self._session.settings.idleWarm:
            self._task = asyncio.create_task(self._idle(document, place, wait_s))

    async def _idle(self, document: Document, place: Place | None, wait_s: float) -> None:
        """What is done in a pause, the most useful first. Cancelled by the next key."""
        try:
            await asyncio.sleep(wait_s)
            await self._session.model_known.wait()
            await self._read(document, place, anew=False)
            await asyncio.sleep(self._patience_s())
            if not on_battery():
                await self._read(document, place, anew=True)
            await asyncio.sleep(SAVE_S)
            await self._session.residence.save()
        except (NoText, EngineError) as reason:
            _log.debug("nothing is read ahead: %s", reason)

    async def _read(self, document: Document, place: Place | None, *, anew: bool) -> None:
        session = self._session
        if session.documents.get(document.uri) is not document:
            return  # changed since: the request for that change comes
        session.check(document, manual=True)
        wanted = prompting.reading(document, place or self._first_part(document), session)

        def work(engine: Engine, cancel: threading.Event) -> Usage:
            return engine.warm(prompting.build(wanted, session, engine, anew=anew), cancel)

        while True:
            job = session.running_worker().submit(Priority.WARM_UP, work)
            try:
                usage = await asyncio.wrap_future(job.future)
            finally:
                job.cancel.set()
            if not usage.cut_short:
                return
            await asyncio.sleep(PAUSE_S)  # it has given way to something

    def _patience_s(self) -> float:
        """How long a pause must last before a new choice is read."""
        engine = self._session.engine_info()
        whole_s = prompting.budget_tokens(engine, self._session.settings) / engine.prefill_per_s
        return max(0.0, PATIENCE * whole_s - PAUSE_S)

    def _first_part(self, document: Document) -> Place:
        """Behind as many lines as fit: wherever in them the cursor is, all before it is read."""
        budget = prompting.budget_tokens(self._session.engine_info(), self._session.settings)
        room = budget * (1 - prompting.OTHER_FILES_SHARE) * CHARS_PER_TOKEN
        last = len(document.lines) - 1
        for at, line in enumerate(document.lines):
            room -= len(line)
            if room < 0 or at == last:
                return Place(at, 0 if room < 0 else len(line))
        return Place(0, 0)


def on_battery() -> bool:
    """Whether this machine says that it runs on its battery."""
    battery = psutil.sensors_battery() if hasattr(psutil, "sensors_battery") else None
    return battery is not None and battery.power_plugged is False
