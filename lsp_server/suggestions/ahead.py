# SPDX-License-Identifier: Apache-2.0
"""The next suggestion, written while the user looks at this one: as if it had been accepted.

In: a suggestion on the screen. Out: a decode that the scheduler knows, so that whoever accepts
finds it. It gives way to everything that the user asks for. Knows no protocol.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from engine.types import EngineError
from lsp_server import suggest
from lsp_server.documents import Change, apply, behind
from lsp_server.schedule import NoText

if TYPE_CHECKING:
    from lsp_server.session import Session
    from lsp_server.suggest import Ask, Suggestion

# Who types on does not look: a key that comes so soon after the answer was not stopped by it.
LOOK_S = 0.15

_log = logging.getLogger(__name__)


class Ahead:
    """What is written ahead for the one suggestion that is on the screen."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._task: asyncio.Task[None] | None = None

    def shown(self, ask: Ask, suggestion: Suggestion) -> None:
        """A suggestion has gone to the user. One that is still being written goes on by itself."""
        self.stop()
        whole = suggestion.text and suggestion.stopped_by != "running"
        if whole and self._session.settings.idleWarm:
            self._task = asyncio.create_task(self._go_on(ask, suggestion))

    def stop(self) -> None:
        """Begin nothing more."""
        if self._task is not None:
            self._task.cancel()
            self._task = None

    async def _go_on(self, ask: Ask, suggestion: Suggestion) -> None:
        try:
            await asyncio.sleep(LOOK_S)
            if self._session.documents.get(ask.document.uri) is ask.document:
                suggest.begin(following(ask, suggestion), self._session)
        except (NoText, EngineError) as reason:
            _log.debug("nothing is written ahead: %s", reason)
        except Exception:  # noqa: BLE001  nobody waits for this task: it would be lost
            _log.exception("writing ahead failed")


def following(ask: Ask, suggestion: Suggestion) -> Ask:
    """What is likely to be asked next. Of an instant text the model has not said what it thinks."""
    return ask if suggestion.source == "instant" else accepted(ask, suggestion.text)


def accepted(ask: Ask, text: str) -> Ask:
    """The ask that follows when `text` has been accepted, with what was selected before it."""
    at = ask.settled
    where = at.document.position(at.place, "utf-32")
    document = apply(at.document, [Change(text, where, where)], at.document.version, "utf-32")
    return replace(at, document=document, place=behind(document, at.place, text), manual=False)
