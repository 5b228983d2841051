# SPDX-License-Identifier: Apache-2.0
"""Asking the model in turns, in the deep slot: the keystroke's state is never evicted.

In: turns. Out: the text of the answer, as it grows for whoever listens. Behind the repository's
files that the deep slot holds already, so that they are not read again. Knows no action.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from engine import chat
from engine.types import EngineError, Slot
from engine.worker import Priority

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from engine.chat import Turn
    from engine.types import Completion, Engine
    from lsp_server.session import Session

ANSWER_TOKENS = 1024  # an action writes one function, sometimes a file
CONTEXT_SHARE = 0.75  # of what is left beside the answer is for the first question; later rounds
ANSWER_SHARE = 0.5  # of the context, at most


class Sources(NamedTuple):
    """The files that a question is about, besides those that its turns name.

    Where one of them may be read no more, the engine's state with its text is dropped (S4).
    """

    root: Path | None
    paths: frozenset[str] = frozenset()  # relative to the root


class Answer(NamedTuple):
    """What the model said, and whether it came to an end of its own."""

    text: str
    finished: bool


async def answer(
    turns: Sequence[Turn],
    session: Session,
    sources: Sources,
    *,
    seed: int = 0,
    most_tokens: int = ANSWER_TOKENS,
    hear: Callable[[str], None] = lambda _: None,
) -> Answer:
    """Ask. The first candidate (`seed` 0) is greedy, others are sampled as the makers advise.

    `hear` gets the text piece by piece, on the engine's thread. Cancelling the task stops the
    engine. Raises NoText without a model, EngineError where it cannot.
    """
    info = session.engine_info()
    manner = chat.manner(info.model)
    room = info.context_tokens
    most = min(most_tokens, int(room * ANSWER_SHARE))
    sampling = replace(manner.sampling, max_tokens=most, seed=seed)
    if not seed:
        sampling = replace(sampling, temperature=0.0)

    def work(engine: Engine, cancel: threading.Event) -> Completion:
        deep = session.deep.prefix(engine)
        opening = deep.token_ids if deep is not None else ()
        tokens = session.tokens(engine)
        prompt = chat.build(
            turns, tokens=tokens, budget=room - most, silent=manner.silent, opening=opening
        )
        held = {part.path for part in deep.parts} if deep is not None else set()
        asked = {path for turn in turns for path in turn.paths}
        session.residence.reads(engine, Slot.DEEP, sources.root, held | asked | sources.paths)
        return engine.complete(prompt, sampling, cancel, heard, Slot.DEEP)

    def heard(piece: str) -> bool:
        hear(piece)
        return True

    job = session.running_worker().submit(Priority.ACTION, work)
    try:
        done = await asyncio.wrap_future(job.future)
    finally:
        job.cancel.set()
    if done.stopped_by == "cancelled":
        raise EngineError("cancelled")
    return Answer(done.text, done.stopped_by == "end")


def room_chars(session: Session) -> int:
    """About how many characters of a question fit, so that what is less needed can be left out.

    Raises NoText without a model.
    """
    context = session.engine_info().context_tokens
    left = context - min(ANSWER_TOKENS, int(context * ANSWER_SHARE))
    return int(left * CONTEXT_SHARE) * 3  # code has three to four characters a token
