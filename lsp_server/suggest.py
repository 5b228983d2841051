# SPDX-License-Identifier: Apache-2.0
"""THE STORY: from a keystroke to a suggestion.

In: an `Ask` (a document at a version, a place in it). Out: a `Suggestion`, or one without text that
says why. Knows neither the protocol nor llama.cpp; composes index, prompt, engine and rules.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

from engine.trim import Gap, trim
from engine.types import Completion, EngineError, Sampling, Usage
from engine.worker import Priority
from lsp_server import prompting, schedule
from lsp_server.budget import suggestion_tokens
from lsp_server.documents import Change, apply, behind
from lsp_server.schedule import Diverged, NoText, Outcome

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from engine.types import Engine, Segment
    from lsp_server.documents import Document, Place
    from lsp_server.prompting import Reading
    from lsp_server.session import Session

AUTO_DEADLINE_S = 30.0  # a late answer still serves a user who has stopped to think
MANUAL_DEADLINE_S = 60.0
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
    segments: tuple[Segment, ...] = ()
    wait_ms: float = 0.0  # debounce
    overhead_ms: float = 0.0  # ours, from the request to the engine's start
    answer_ms: float = 0.0  # from the request to this answer


async def suggest(ask: Ask, session: Session) -> Suggestion:
    """Answer one request. It may end without text, with the reason why, but not with an error."""
    try:
        return await _suggest(ask, session)
    except (NoText, EngineError) as reason:
        return Suggestion("", reason=str(reason), answer_ms=_since(ask.arrived))


async def _suggest(ask: Ask, session: Session) -> Suggestion:
    """The way of a keystroke, for `suggest`. Raises NoText or EngineError."""
    session.check(ask.document, manual=ask.manual)
    wanted, wish, gap = needed(ask.settled, session)
    session.warming.touched(ask.document, ask.place)
    pace_s = session.scheduler.arrive(wish)
    at_once = ask.manual or session.scheduler.find(wish) is not None
    wait_s = 0.0 if at_once else pace_s
    await session.scheduler.settle(wish, wait_s)
    raw, decode, source = await _text(ask, wanted, wish, gap, session)
    text, rules = trim(raw, gap)
    if session.documents.get(ask.document.uri) is not ask.document:
        raise NoText("stale")
    suggestion = Suggestion(
        in_newlines_of(ask.document, text),
        reason="" if text else "nothing worth showing",
        source=source,
        model=session.engine_info().model,
        rules=rules,
        wait_ms=round(wait_s * 1000, 1),
    )
    return _with_costs(suggestion, ask, decode)


async def _text(
    ask: Ask, wanted: Reading, wish: schedule.Place, gap: Gap, session: Session
) -> tuple[str, schedule.Decode, str]:
    """Raw text from a decode that fits, else from a new one, and where it came from."""
    deadline_s = MANUAL_DEADLINE_S if ask.manual else AUTO_DEADLINE_S
    look = not ask.manual

    def worth(raw: str) -> bool:
        return bool(trim(raw, gap)[0])

    for _ in range(RESTARTS):
        found = session.scheduler.find(wish) if look else None
        decode, source = found or (_start(wanted, wish, gap, session), "model")
        try:
            raw = await session.scheduler.follow(decode, wish, deadline_s, worth)
        except Diverged:
            continue
        if found is None or worth(raw):
            return raw, decode, source
        look = False  # what is left of it is not worth showing: have the model go on
    raise Diverged(schedule.DIVERGED)


def begin(ask: Ask, session: Session) -> None:
    """Have text written for an ask that may come, unless there is some or the engine is busy.

    Raises NoText where there may be none.
    """
    session.check(ask.document, manual=ask.manual)
    wanted, wish, gap = needed(ask, session)
    if session.scheduler.find(wish) is None and not session.scheduler.busy:
        _start(wanted, wish, gap, session, Priority.AHEAD)


def needed(ask: Ask, session: Session) -> tuple[Reading, schedule.Place, Gap]:
    """What the model reads for an ask, what its text is remembered by, and what is to be filled.

    Raises NoText while there is no model.
    """
    wanted = prompting.reading(ask.document, ask.place, session)
    wish = schedule.Place(ask.document.uri, wanted.hole.prefix, wanted.hole.suffix)
    return wanted, wish, _gap(ask, multiline=session.settings.multiline)


def _start(
    wanted: Reading,
    wish: schedule.Place,
    gap: Gap,
    session: Session,
    priority: Priority = Priority.COMPLETION,
) -> schedule.Decode:
    """Have the engine's thread lay out the prompt and write."""
    sampling = Sampling(max_tokens=suggestion_tokens(session.engine_info(), session.settings))

    def work(engine: Engine, cancel: threading.Event, hear: Callable[[str], bool]) -> Outcome:
        started = time.perf_counter()
        prompt = prompting.build(wanted, session, engine)
        prepare_ms = (time.perf_counter() - started) * 1000
        if priority is Priority.AHEAD and engine.warm(prompt, cancel).cut_short:
            return Outcome(prompt, Completion("", "cancelled"), prepare_ms)
        return Outcome(prompt, engine.complete(prompt, sampling, cancel, hear), prepare_ms)

    return session.scheduler.start(wish, gap, session.running_worker(), work, priority)


def _gap(ask: Ask, *, multiline: bool) -> Gap:
    lines, place = ask.document.lines, ask.place
    line = lines[place.line]
    return Gap(
        before=line[: place.index],
        after=line[place.index :].rstrip("\r\n"),
        above=_next_text(lines[max(0, place.line - 50) : place.line][::-1]),
        below=_next_text(lines[place.line + 1 : place.line + 50]),
        multiline=multiline,
    )


def _next_text(lines: tuple[str, ...]) -> str:
    return next((line.rstrip("\r\n") for line in lines if line.strip()), "")


def in_newlines_of(document: Document, text: str) -> str:
    """Text with the line breaks that a document has."""
    return text.replace("\n", "\r\n") if document.lines[0].endswith("\r\n") else text


def _with_costs(suggestion: Suggestion, ask: Ask, decode: schedule.Decode) -> Suggestion:
    """The same suggestion with what the decode behind it has cost."""
    suggestion = replace(suggestion, answer_ms=_since(ask.arrived))
    if not decode.outcome.done():
        reason = suggestion.reason and "the model was not ready in time"
        return replace(suggestion, stopped_by="running", reason=reason)
    outcome = decode.outcome.result()
    if suggestion.source == "cache":
        read = outcome.completion.usage.prompt_tokens
        return replace(suggestion, usage=Usage(read, read), segments=outcome.prompt.segments)
    before_ms = max(0.0, (decode.created - ask.arrived) * 1000 - suggestion.wait_ms)
    return replace(
        suggestion,
        usage=outcome.completion.usage,
        stopped_by=outcome.completion.stopped_by,
        segments=outcome.prompt.segments,
        overhead_ms=round(before_ms + outcome.prepare_ms, 2),
    )


def _since(moment: float) -> float:
    return round((time.perf_counter() - moment) * 1000, 1)
