# SPDX-License-Identifier: Apache-2.0
"""One check a feature: text in, expected text out."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from fixture import Marked, marked

from engine.fake import FakeEngine
from engine.trim import Gap, trim
from lsp_server.documents import Place
from lsp_server.session import Session
from lsp_server.settings import Settings
from lsp_server.suggest import Ask, Suggestion, suggest

if TYPE_CHECKING:
    from pathlib import Path


def gap_at(place: Marked, *, multiline: bool = True) -> Gap:
    """The gap at a mark, computed here by other means than the product's."""
    above = [line for line in place.before.split("\n")[:-1] if line.strip()]
    below = [line for line in place.after.split("\n")[1:] if line.strip()]
    return Gap(
        before=place.before.split("\n")[-1],
        after=place.after.split("\n")[0],
        above=above[-1] if above else "",
        below=below[0] if below else "",
        multiline=multiline,
    )


def check_trim(text: str, raw: str, expected: str, *rules: str) -> None:
    """What is shown at `$0` when the model writes `raw`, and which rules fired."""
    shown, fired = trim(raw, gap_at(marked(text)))
    assert shown == expected
    assert [rule for rule in rules if rule not in fired] == []


def fake_session(answer, settings: Settings | None = None, root: Path | None = None, **pace):
    """A session on a fake engine that writes `answer` (pieces, or a function of the prompt)."""
    function = answer if callable(answer) else lambda _prompt: answer
    session = Session(settings or Settings(debounceMs=0), [root] if root else [])
    session.start(lambda: FakeEngine(function, **pace))
    session.worker.ready.result(5)
    session.loaded()
    return session


async def ask_at(session: Session, text: str, *, manual: bool = False) -> Suggestion:
    """Open `text` in an unnamed buffer and ask at its mark."""
    place = marked(text)
    document = session.documents.open("untitled:1", "python", 1, place.text)
    return await suggest(Ask(document, Place(place.line, place.index), manual), session)


def check_suggest(text: str, answer: list[str], expected: str, **settings) -> None:
    """What `suggest` shows at `$0` when the model writes `answer`."""
    session = fake_session(answer, Settings(debounceMs=0, **settings))
    try:
        assert asyncio.run(ask_at(session, text)).text == expected
    finally:
        session.close()
