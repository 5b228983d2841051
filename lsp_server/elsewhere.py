# SPDX-License-Identifier: Apache-2.0
"""A model on another machine that may be away: said at once, asked for again, stood in for.

In: the session's settings. Out: the engine of `remote.url`, and while that does not answer the
local model of `remote.standIn`, if one is set. Knows no protocol.

A change between the two is a change of the model: prompts are laid out anew for the layout and the
vocabulary of the other. The server is asked what it is each time that it comes back: it may be
another one.
"""

from __future__ import annotations

import asyncio
import logging
import random
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from engine.types import EngineError

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.types import Engine
    from lsp_server.session import Session

FIRST_TRY_S = 0.5  # a server that was only restarted, or a network that blinked
LAST_TRY_S = 15.0
GROWTH = 1.6

_log = logging.getLogger(__name__)


class Elsewhere:
    """The engine elsewhere of one session. On the event loop, but for `load`."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._loop: asyncio.AbstractEventLoop | None = None
        self._coming: asyncio.Task[None] | None = None
        self._stands_in = False

    @property
    def wanted(self) -> bool:
        """Whether the settings name a server."""
        return bool(self._session.settings.remote.url)

    def place(self) -> str:
        """Where the model in use is, as it stands behind its name; nothing for this machine."""
        if not self.wanted:
            return ""
        host = urlsplit(self._session.settings.remote.url).netloc
        return f" stands in for {host}" if self._stands_in else f" at {host}"

    def begin(self) -> None:
        """Call when the model is loaded: what happens later is told to this loop."""
        if self.wanted:
            self._loop = asyncio.get_running_loop()

    def load(self) -> Engine:
        """The engine of the server; blocks. Raises EngineError, Away among them."""
        # httpx2 takes 0.4 s to import: only where there is a server
        from engine.remote import RemoteEngine, Where  # noqa: PLC0415

        settings, remote = self._session.settings, self._session.settings.remote
        self._session.residence.folder()  # nothing of it is kept here
        room = settings.contextTokens + settings.maxSuggestionTokens
        where = Where(remote.url, remote.model, remote.apiKeyEnv)
        engine = RemoteEngine(where, room_tokens=room, on_away=self._lost)
        self._stands_in = False
        return engine

    def failed(self, error: BaseException) -> None:
        """The server could not be had at the start: it is asked for again."""
        if self.wanted and not self._stands_in:
            self._gone(str(error))

    def stop(self) -> None:
        """Ask for it no more. From any thread."""
        coming, self._coming = self._coming, None
        if coming is not None and self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(coming.cancel)

    def _lost(self, reason: str) -> None:
        """From the engine's thread: a request has found the server gone."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._gone, reason)

    def _gone(self, reason: str) -> None:
        if not self.wanted or self._stands_in:
            return  # of an engine that was let go of
        if self._session.status.state != "paused":
            self._session.give_up(reason)
        if self._coming is None or self._coming.done():
            self._coming = asyncio.get_running_loop().create_task(self._until_it_is_back())

    async def _until_it_is_back(self) -> None:
        session, wait_s = self._session, FIRST_TRY_S
        remote = session.settings.remote
        await self._stand_in(remote.standIn)
        while True:
            await asyncio.sleep(wait_s * random.uniform(0.75, 1.25))  # noqa: S311  spreads load
            wait_s = min(wait_s * GROWTH, LAST_TRY_S)
            engine = await self._found()
            if session.settings.remote != remote:  # the settings have gone elsewhere
                if engine is not None:
                    engine.close()
                return
            if engine is not None:
                await self._change(partial(_given, engine))
                return

    async def _found(self) -> Engine | None:
        """The server's engine, if it can be had again."""
        try:
            return await asyncio.get_running_loop().run_in_executor(None, self.load)
        except EngineError as error:
            if not self._stands_in and self._session.status.state == "error":
                self._session.give_up(str(error))
            return None

    async def _stand_in(self, name: str) -> None:
        """A local model instead, if one is set and can be loaded."""
        reason = self._session.status.message
        if not name:
            return
        self._stands_in = True
        if not await self._change(lambda: self._session.load_local(name, "")):
            self._stands_in = False
            self._session.give_up(f"{reason}; nor can {name} stand in")

    async def _change(self, load: Callable[[], Engine]) -> bool:
        """Another engine for the one in use; False where it cannot be had."""
        session = self._session
        await session.unload()
        session.start(load)
        assert session.worker is not None
        ready = asyncio.wrap_future(session.worker.ready)
        await asyncio.wait([ready])
        if ready.cancelled() or (error := ready.exception()) is not None:
            _log.warning("no model: %s", "cancelled" if ready.cancelled() else error)
            return False
        session.loaded()
        session.warming.again()
        return True


def _given(engine: Engine) -> Engine:
    return engine
