# SPDX-License-Identifier: Apache-2.0
"""A fake engine that reads in slices as the real one does, and sessions on it with a repository."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from engine.fake import FakeEngine
from engine.load import Choice
from engine.types import Slot, Usage
from lsp_server.session import Session
from lsp_server.settings import Settings

SLICE = 16  # tokens
QUICK = Settings(debounceMs=0, contextTokens=1500)


class Slices(FakeEngine):
    """Reads `slice_s` a slice; a cancel is seen between slices, and what was read stays."""

    def __init__(self, answer=("value + 1",), slice_s=0.0, context_tokens=8192, token_s=0.0):
        super().__init__(lambda _: answer, context_tokens=context_tokens, token_s=token_s)
        self.slice_s = slice_s
        self.warmed = []  # (slot, text) of each reading that was begun
        self.forgotten = []

    def warm(self, prompt, cancel, slot=Slot.KEYSTROKE):
        self.warmed.append((slot, self._text(prompt)))
        total = len(prompt.token_ids)
        cached = end = self._residency.common(slot, prompt.token_ids)
        while True:
            end = min(end + SLICE, total)
            time.sleep(self.slice_s)
            self._residency.set(slot, prompt.token_ids[:end])
            if end == total or cancel.is_set():
                return Usage(total, cached, end - cached)

    def complete(self, prompt, sampling, cancel, listener, slot=Slot.KEYSTROKE):
        """Reads by slices too, but is not counted as a warm-up."""
        done = super().complete(prompt, sampling, cancel, listener, slot)
        self.warmed.pop()
        return done

    def forget(self, slot):
        self.forgotten.append(slot)
        super().forget(slot)

    def text(self, slot=Slot.KEYSTROKE):
        """What is resident, as text."""
        return bytes(token for token in self.resident(slot) if token < 256).decode()


class Listener:
    """Waits for an index."""

    def __init__(self):
        self.reports = []

    def progress(self, root, done, total): ...

    def finished(self, root, report):
        self.reports.append(report)


@asynccontextmanager
async def session_on(engine, root=None, settings=QUICK, cache=None, model=None):
    """A session as the server has it: with an index if there is a `cache`, states if a `model`."""
    session = Session(settings, [root] if root else [])

    def load():
        session.residence.folder()
        if model is not None:
            session.residence.restore(engine, Choice("fake", Path(model), "qwen"))
        return engine

    if cache is not None:
        listener, loop = Listener(), asyncio.get_running_loop()
        on_rules = partial(loop.call_soon_threadsafe, session.rules_changed)
        session.indexing.start(cache, listener, on_rules)
        await until(lambda: listener.reports and listener.reports[-1].complete, 30)
    session.start(load)
    session.worker.ready.result(5)
    session.loaded()
    try:
        yield session
    finally:
        session.warming.stop()
        await asyncio.get_running_loop().run_in_executor(None, session.close)


async def until(condition, timeout_s=10.0):
    """Wait for a condition; the test fails where it does not come true."""
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, "it did not come true in time"
        await asyncio.sleep(0.01)


def opened(session, path, text=None):
    """Open a file of the disk, or a text in its place, as `didOpen` does."""
    content = path.read_text() if text is None else text
    document = session.documents.open(path.as_uri(), "python", 1, content)
    session.indexing.opened(document)
    session.warming.opened(document)
    return document
