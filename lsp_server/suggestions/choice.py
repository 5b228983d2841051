# SPDX-License-Identifier: Apache-2.0
"""More than one text for a place, when the user asks by hand: then there is time to choose.

In: an ask and its first suggestion. Out: the same with others beside it, each different. They are
sampled, the first was not; none is remembered. Knows no protocol.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING

from engine.trim import enough
from engine.types import EngineError, Sampling
from engine.worker import Priority
from lsp_server import prompting, suggest
from lsp_server.budget import suggestion_tokens
from lsp_server.schedule import NoText
from lsp_server.suggestions.shaping import shape

if TYPE_CHECKING:
    import threading

    from engine.types import Completion, Engine
    from lsp_server.session import Session
    from lsp_server.suggest import Ask, Suggestion

OTHERS = 2  # more are not looked at
OTHERS_S = 4.0  # all of them; the first is shown no sooner than the last
TEMPERATURE = 0.8


async def with_others(ask: Ask, first: Suggestion, session: Session) -> Suggestion:
    """The suggestion with up to OTHERS further texts."""
    if not first.text:
        return first
    texts = [first.text]
    with contextlib.suppress(asyncio.TimeoutError, NoText, EngineError):  # what is there is enough
        await asyncio.wait_for(_collect(ask.settled, texts, session), OTHERS_S)
    return replace(first, others=tuple(texts[1:]))


async def _collect(ask: Ask, texts: list[str], session: Session) -> None:
    for seed in range(1, OTHERS + 1):
        text = await _sampled(ask, seed, session)
        if text and text not in texts:
            texts.append(text)


async def _sampled(ask: Ask, seed: int, session: Session) -> str:
    """One more text; the engine stops where whoever waits for it does."""
    wanted, _ = suggest.needed(ask, session)
    gap = suggest.gap_at(ask, session)
    most = suggestion_tokens(session.engine_info(), session.settings)
    sampling = Sampling(max_tokens=most, temperature=TEMPERATURE, seed=seed)

    def work(engine: Engine, cancel: threading.Event) -> Completion:
        raw: list[str] = []

        def hear(piece: str) -> bool:
            raw.append(piece)
            return not enough("".join(raw), gap())

        return engine.complete(prompting.build(wanted, session, engine), sampling, cancel, hear)

    # Behind what is asked for next: not every client cancels what it no longer wants.
    job = session.running_worker().submit(Priority.AHEAD, work)
    try:
        completion = await asyncio.wrap_future(job.future)
    finally:
        job.cancel.set()
    if completion.stopped_by == "cancelled":
        raise NoText("it has given way")
    text, _ = shape(completion.text, gap(), ask, whole=True)
    return suggest.in_newlines_of(ask.document, text)
