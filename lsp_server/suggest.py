# SPDX-License-Identifier: Apache-2.0
"""THE STORY: from a keystroke to a suggestion.

In: an `Ask` (a document at a version, a place in it). Out: a `Suggestion`, or one without text that
says why. Knows neither the protocol nor llama.cpp; composes index, prompt, engine and rules.
"""

from __future__ import annotations

import contextlib
import functools
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

from engine.trim import trim
from engine.types import Completion, EngineError, Sampling, Usage
from engine.worker import Priority
from lsp_server import prompting, schedule
from lsp_server.budget import suggestion_tokens
from lsp_server.documents import Change, apply, behind
from lsp_server.schedule import Diverged, NoText, Outcome
from lsp_server.suggestions import confidence
from lsp_server.suggestions.healing import healed
from lsp_server.suggestions.instant import Spot
from lsp_server.suggestions.shaping import gap_of, shape

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from engine.trim import Gap
    from engine.types import Engine, Segment
    from lsp_server.documents import Document, Place
    from lsp_server.prompting import Reading
    from lsp_server.session import Session

DEADLINE_S = 60.0  # a late answer still serves a user who has stopped to think
LATE = "the model was not ready in time"
RESTARTS = 3  # a decode that is proved wrong is replaced this often for one request


class Selected(NamedTuple):
    """What the editor's own list would put in place of the text between two places."""

    text: str
    start: Place
    end: Place


@dataclass(frozen=True, slots=True)
class Ask:
    """A wish for text at a place of a document, or behind what is `selected` in a list there."""

    document: Document
    place: Place
    manual: bool = False
    selected: Selected | None = None
    arrived: float = field(default_factory=time.perf_counter)

    @property
    def settled(self) -> Ask:
        """The same wish in the text as it is once what is selected has been taken."""
        if self.selected is None:
            return self
        text, start, end = self.selected
        ends = (start.line, start.index), (end.line, end.index)
        document = apply(self.document, [Change(text, *ends)], self.document.version, "utf-32")
        return replace(self, document=document, place=behind(document, start, text), selected=None)


@dataclass(frozen=True, slots=True)
class Suggestion:
    """Text to insert at the place of the ask. Without text, `reason` says why."""

    text: str
    reason: str = ""
    source: str = "model"
    model: str = ""
    usage: Usage = field(default_factory=Usage)
    stopped_by: str = ""
    others: tuple[str, ...] = ()  # further texts for the same place
    rules: tuple[str, ...] = ()
    confidence: float | None = None  # log-probability of the first line; None where it is unknown
    segments: tuple[Segment, ...] = ()
    wait_ms: float = 0.0  # debounce
    overhead_ms: float = 0.0  # ours, from the request to the engine's start
    answer_ms: float = 0.0  # from the request to this answer


class Start(NamedTuple):
    """Where a decode begins: what the model reads, its name for the scheduler, what is wanted."""

    wanted: Reading
    wish: schedule.Place
    gap: Callable[[], Gap]


async def suggest(ask: Ask, session: Session) -> Suggestion:
    """Answer one request. It may end without text, with the reason why, but not with an error."""
    try:
        return await _suggest(ask, session)
    except (NoText, EngineError) as reason:
        return Suggestion("", reason=str(reason), answer_ms=_since(ask.arrived))


async def _suggest(ask: Ask, session: Session) -> Suggestion:
    """The way of a keystroke, for `suggest`. Raises NoText or EngineError."""
    session.check(ask.document, manual=ask.manual)
    session.warming.touched(ask.document, ask.place)
    gap = gap_at(ask.settled, session)
    if (known := _instant(ask, gap, session)) is not None:
        return known
    wanted, wish = needed(ask.settled, session)
    pace_s = session.scheduler.arrive(wish)
    at_once = ask.manual or session.scheduler.find(wish) is not None
    wait_s = 0.0 if at_once else pace_s
    await session.scheduler.settle(wish, wait_s)
    raw, decode, source = await _text(ask, Start(wanted, wish, gap), session)
    done = decode.outcome.done()
    text, rules = shape(raw, gap(), ask.settled, whole=done or raw.endswith("\n"))
    if session.documents.get(ask.document.uri) is not ask.document:
        raise NoText("stale")
    sure = confidence.score(tuple(decode.pieces), len(decode.typed(wish) or ""), text)
    suggestion = Suggestion(
        in_newlines_of(ask.document, text),
        reason="" if text else "nothing worth showing" if done else LATE,
        source=source,
        model=session.engine_info().model,
        rules=rules,
        confidence=sure,
        wait_ms=round(wait_s * 1000, 1),
    )
    return _with_costs(_if_sure(suggestion, ask, session), ask, decode)


def _instant(ask: Ask, gap: Callable[[], Gap], session: Session) -> Suggestion | None:
    """What the repository makes near certain, with or without a model.

    What the model has written for this place already is better: it was shown, or goes on farther.
    Whoever rests here and asks once more wants what the model says.
    """
    if ask.manual:
        return None
    at = ask.settled
    path = at.document.path
    indexed = session.indexing.of(path) if path is not None else None
    snapshot = indexed.snapshot() if indexed is not None else None
    spot = Spot(session.shown_path(at.document), at.document.lines, at.place.line, at.place.index)
    found = session.instant.find(spot, snapshot)
    if found is None:
        return None
    text, rules = shape(found.text, gap(), at, whole=False)
    if not text:
        return None
    with contextlib.suppress(NoText):  # without a model nothing else is under way
        _, wish = needed(at, session)
        written = session.scheduler.find(wish)
        if session.scheduler.rests(wish) or (written is not None and written[1] == "cache"):
            return None
        session.scheduler.arrive(wish)
        session.scheduler.keep(wish)
    return Suggestion(text, source="instant", rules=rules, answer_ms=_since(ask.arrived))


def _if_sure(suggestion: Suggestion, ask: Ask, session: Session) -> Suggestion:
    """Without its text where the model was less sure of it than this user wants it to be."""
    if not suggestion.text or ask.manual:
        return suggestion
    if session.threshold.passes(suggestion.model, suggestion.confidence):
        return suggestion
    session.record.hidden(suggestion, ask.document)
    return replace(suggestion, text="", reason="the model was not sure enough")


async def _text(ask: Ask, here: Start, session: Session) -> tuple[str, schedule.Decode, str]:
    """Raw text from a decode that fits, else from a new one, and where it came from."""
    look = not ask.manual
    wish, start = here.wish, here
    if session.layout.is_chat:
        start = _start_at(healed(ask.settled), session)

    def worth(raw: str) -> bool:
        return bool(raw) and bool(trim(raw, here.gap())[0])

    for _ in range(RESTARTS):
        found = session.scheduler.find(wish) if look else None
        decode, source = found or (_decode(start, session), "model")
        try:
            raw = await session.scheduler.follow(decode, wish, DEADLINE_S, worth)
        except Diverged:
            start = here
            continue
        if found is None or worth(raw) or decode.place == wish:
            return raw, decode, source
        look = False  # what is left of it is not worth showing: have the model go on
    raise Diverged(schedule.DIVERGED)


def begin(ask: Ask, session: Session) -> None:
    """Have text written for an ask that may come, unless there is some or the engine is busy.

    Raises NoText where there may be none.
    """
    session.check(ask.document, manual=ask.manual)
    start = _start_at(ask, session)
    if session.scheduler.find(start.wish) is None and not session.scheduler.busy:
        _decode(start, session, Priority.AHEAD)


def gap_at(ask: Ask, session: Session) -> Callable[[], Gap]:
    """What is to be filled; looked at when it is first asked for, from whichever thread."""
    return functools.cache(lambda: gap_of(ask, multiline=session.settings.multiline))


def needed(ask: Ask, session: Session) -> tuple[Reading, schedule.Place]:
    """What the model reads for an ask, and what its text is remembered by.

    Raises NoText while there is no model.
    """
    wanted = prompting.reading(ask.document, ask.place, session)
    wish = schedule.Place(ask.document.uri, wanted.hole.prefix, wanted.hole.suffix)
    return wanted, wish


def _start_at(ask: Ask, session: Session) -> Start:
    """Where a decode for an ask begins. Raises NoText while there is no model."""
    return Start(*needed(ask, session), gap_at(ask, session))


def _decode(
    start: Start, session: Session, priority: Priority = Priority.COMPLETION
) -> schedule.Decode:
    """Have the engine's thread lay out the prompt and write."""
    sampling = Sampling(max_tokens=suggestion_tokens(session.engine_info(), session.settings))

    def work(engine: Engine, cancel: threading.Event, decode: schedule.Decode) -> Outcome:
        started = time.perf_counter()
        prompt = prompting.build(start.wanted, session, engine)
        if priority is Priority.AHEAD and engine.warm(prompt, cancel).cut_short:
            return Outcome(prompt, Completion("", "cancelled"))
        decode.begin(prompt, engine, started)
        return Outcome(prompt, engine.complete(prompt, sampling, cancel, decode.hear))

    worker = session.running_worker()
    return session.scheduler.start(start.wish, start.gap, worker, work, priority)


def in_newlines_of(document: Document, text: str) -> str:
    """Text with the line breaks that a document has."""
    return text.replace("\n", "\r\n") if document.lines[0].endswith("\r\n") else text


def _with_costs(suggestion: Suggestion, ask: Ask, decode: schedule.Decode) -> Suggestion:
    """The same suggestion with what the decode behind it has cost."""
    done, usage, begun = decode.outcome.done(), decode.usage, decode.begun
    suggestion = replace(
        suggestion,
        answer_ms=_since(ask.arrived),
        segments=begun.prompt.segments if begun else (),
        stopped_by=decode.outcome.result().completion.stopped_by if done else "running",
    )
    if suggestion.source == "cache":
        return replace(suggestion, usage=Usage(usage.prompt_tokens, usage.prompt_tokens))
    before_ms = max(0.0, (decode.created - ask.arrived) * 1000 - suggestion.wait_ms)
    prepare_ms = begun.prepare_ms if begun else 0.0
    return replace(suggestion, usage=usage, overhead_ms=round(before_ms + prepare_ms, 2))


def _since(moment: float) -> float:
    return round((time.perf_counter() - moment) * 1000, 1)
