# SPDX-License-Identifier: Apache-2.0
"""Reads ahead while nobody types, so that a key pays for its own tail.

In: where the user is, told at each request, at each edit and when a file is opened. Out: nothing
but a resident prompt, and after a while a saved one. First what the next key would have to read
anyway; after a longer pause a better choice of other files; then, saved, the deep slot. Any key
ends it; what was read stays.
Runs on the event loop; the reading is a job of the engine's thread.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from engine.types import EngineError
from engine.worker import Priority
from lsp_server import deep, prompting
from lsp_server.documents import Place, behind
from lsp_server.schedule import NoText

if TYPE_CHECKING:
    import threading
    from collections.abc import Sequence

    from engine.types import Engine, Usage
    from lsp_server.documents import Change, Document
    from lsp_server.positions import Encoding
    from lsp_server.prompting import Reading
    from lsp_server.session import Session

OPENED_S = 0.2  # several files are opened at once when an editor starts: the last one is seen
PAUSE_S = 1.0  # between keys longer than this, the user has stopped typing
# A new choice of pieces is read for up to as long as a whole prompt takes, and who comes back
# meanwhile waits for the rest. A pause that has lasted long will probably last: we begin after this
# share of that time.
PATIENCE = 0.25
SAVE_S = 5.0
QUICK_BYTES = 64 << 20  # of a state: written in a twentieth of a second
INDEX_WAIT_S = 5.0  # a prompt without its pieces would take the place of one that was restored
INDEX_LOOK_S = 0.05
CHARS_PER_TOKEN = 2.5  # low, so that an opened file's beginning is sure to fit

_log = logging.getLogger(__name__)


class Warming:
    """At most one warm-up at a time, for the place where the user was last."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._task: asyncio.Task[None] | None = None
        self._last: tuple[str, Place | None] | None = None  # where the user was last

    def touched(self, document: Document, place: Place) -> None:
        """The user is typing here: read ahead when that stops."""
        self._begin(document, place, PAUSE_S)

    def opened(self, document: Document) -> None:
        """A file was opened: read as much of it from its beginning as a prompt may have."""
        self._begin(document, None, OPENED_S)

    def edited(self, document: Document, changes: Sequence[Change], encoding: Encoding) -> None:
        """Text has changed; not every client asks for a suggestion then."""
        place = None
        if changes and (start := changes[-1].start) is not None:
            place = behind(document, document.place(*start, encoding), changes[-1].text)
        self._begin(document, place, PAUSE_S)

    def again(self) -> None:
        """Settings or rules have changed: begin anew where the user was last."""
        self.stop()
        if self._last is None:
            return
        uri, place = self._last
        if (document := self._session.documents.get(uri)) is not None:
            self._begin(document, place, PAUSE_S)

    def stop(self) -> None:
        """End what is under way."""
        if self._task is not None:
            self._task.cancel()
            self._task = None

    def _begin(self, document: Document, place: Place | None, wait_s: float) -> None:
        self.stop()
        self._last = document.uri, place
        if self._session.settings.idleWarm:
            self._task = asyncio.create_task(self._idle(document, place, wait_s))

    async def _idle(self, document: Document, place: Place | None, wait_s: float) -> None:
        """What is done in a pause, the most useful first. Cancelled by the next key."""
        try:
            await asyncio.sleep(wait_s)
            await self._session.model_known.wait()
            await self._wait_for_index(document)
            # A process that ends costs what is not saved. Where that is quick, nobody waits for it.
            await self._session.residence.save(most_bytes=QUICK_BYTES)
            await self._read(document, place, anew=False)
            await self._session.residence.save(most_bytes=QUICK_BYTES)
            await asyncio.sleep(self._patience_s())
            if not deep.on_battery():
                await self._read(document, place, anew=True)
                await self._session.residence.save(most_bytes=QUICK_BYTES)
            await asyncio.sleep(SAVE_S)
            await self._session.residence.save()
            await self._session.deep.grow(document)
        except (NoText, EngineError) as reason:
            _log.debug("nothing is read ahead: %s", reason)
        except Exception:  # noqa: BLE001  nobody waits for this task: it would be lost
            _log.exception("reading ahead failed")

    async def _wait_for_index(self, document: Document) -> None:
        indexed = self._session.indexing.of(document.path) if document.path else None
        waited_s = 0.0
        while indexed and indexed.snapshot() is None and waited_s < INDEX_WAIT_S:
            await asyncio.sleep(INDEX_LOOK_S)
            waited_s += INDEX_LOOK_S

    async def _read(self, document: Document, place: Place | None, *, anew: bool) -> None:
        session = self._session
        while True:
            # Each time anew: while this gave way, text, rules or settings may have changed.
            if session.documents.get(document.uri) is not document:
                raise NoText("the document has changed since or is closed")
            session.check(document, manual=True)
            wanted = prompting.reading(document, place or self._first_part(document), session)

            def work(engine: Engine, cancel: threading.Event, wanted: Reading = wanted) -> Usage:
                return engine.warm(prompting.build(wanted, session, engine, anew=anew), cancel)

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
        speed = max(1.0, engine.prefill_per_s)
        whole_s = prompting.budget_tokens(engine, self._session.settings) / speed
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
