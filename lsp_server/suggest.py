# SPDX-License-Identifier: Apache-2.0
"""THE STORY: from a keystroke to a suggestion.

In: an `Ask` (a document at a version, a place in it). Out: a `Suggestion`, or one without text that
says why. Knows neither the protocol nor llama.cpp; composes index, prompt, engine and rules.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from engine import prompt as prompts
from engine.trim import Gap, trim
from engine.types import EngineError, Sampling, Usage
from lsp_server import schedule
from lsp_server.schedule import Diverged, NoText, Outcome
from lsp_server.surroundings import Spot

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from engine.types import Engine, EngineInfo, Part, Segment
    from indexer.snapshot import Snapshot
    from lsp_server.documents import Document, Place
    from lsp_server.session import Session
    from lsp_server.settings import Settings

# Measured with the 1.5B model on 45 holes: three lines, 160 characters, cost no quality that shows
# against 500, and the suffix is what is read anew at every key.
SUFFIX_LINES = 3
SUFFIX_CHARS = 160
AUTO_DEADLINE_S = 30.0  # a late answer still serves a user who has stopped to think
MANUAL_DEADLINE_S = 60.0
READ_AHEAD_S = 20.0  # without a setting, a prompt is as long as this machine reads in this time
MIN_BUDGET_TOKENS = 512
WINDOW_CHARS_PER_TOKEN = 12  # more than any text has, so that the budget decides what is read
# Of a prompt, at most. More would help and be read anew at each change of function, while the user
# waits: nothing is read ahead yet.
OTHER_FILES_SHARE = 0.25
RESTARTS = 3  # a decode that is proved wrong is replaced this often for one request


@dataclass(frozen=True, slots=True)
class Ask:
    """A wish for text at a place of a document."""

    document: Document
    place: Place
    manual: bool = False
    arrived: float = field(default_factory=time.perf_counter)


@dataclass(frozen=True, slots=True)
class Suggestion:
    """Text to insert at the place of the ask. Without text, `reason` says why."""

    text: str
    reason: str = ""
    source: str = "model"
    model: str = ""
    usage: Usage = field(default_factory=Usage)
    stopped_by: str = ""
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
    engine = session.engine_info()
    budget = budget_tokens(engine, session.settings)
    wish, gap = (
        _wish(ask, budget * WINDOW_CHARS_PER_TOKEN),
        _gap(ask, multiline=session.settings.multiline),
    )
    wait_s = session.scheduler.arrive(wish) * (not ask.manual)
    await session.scheduler.settle(wish, wait_s)
    raw, decode, source = await _text(ask, wish, gap, budget, session)
    text, rules = trim(raw, gap)
    if session.documents.get(ask.document.uri) is not ask.document:
        raise NoText("stale")
    suggestion = Suggestion(
        _in_newlines_of(ask.document, text),
        reason="" if text else "nothing worth showing",
        source=source,
        model=engine.model,
        rules=rules,
        wait_ms=round(wait_s * 1000, 1),
    )
    return _with_costs(suggestion, ask, decode)


async def _text(
    ask: Ask, wish: schedule.Place, gap: Gap, budget: int, session: Session
) -> tuple[str, schedule.Decode, str]:
    """Raw text from a decode that fits, else from a new one, and where it came from."""
    deadline_s = MANUAL_DEADLINE_S if ask.manual else AUTO_DEADLINE_S
    for _ in range(RESTARTS):
        found = None if ask.manual else session.scheduler.find(wish)
        decode, source = found or (_start(ask, wish, gap, budget, session), "model")
        try:
            raw = await session.scheduler.follow(decode, wish, deadline_s)
        except Diverged:
            continue
        if source == "model" or trim(raw, gap)[0]:
            return raw, decode, source
    raise Diverged(schedule.DIVERGED)


def _start(
    ask: Ask, wish: schedule.Place, gap: Gap, budget: int, session: Session
) -> schedule.Decode:
    """Have the engine's thread lay out the prompt and write."""
    hole = prompts.Hole(
        session.shown_path(ask.document), wish.prefix, wish.suffix, ask.place.line + 1
    )
    repository = session.repository(ask.document)
    layout, tokens = session.layout, session.tokens
    sampling = Sampling(max_tokens=session.settings.maxSuggestionTokens)
    around = _around(ask, session)

    def work(engine: Engine, cancel: threading.Event, hear: Callable[[str], bool]) -> Outcome:
        started = time.perf_counter()
        counter = tokens(engine)
        parts: tuple[Part, ...] = ()
        if around is not None:
            share = int(budget * OTHER_FILES_SHARE)
            parts = session.surroundings.parts(*around, share, counter.count)
        prompt = prompts.build(
            repository, parts, hole, layout=layout, tokens=counter, budget=budget
        )
        prepare_ms = (time.perf_counter() - started) * 1000
        return Outcome(prompt, engine.complete(prompt, sampling, cancel, hear), prepare_ms)

    return session.scheduler.start(wish, gap, session.running_worker(), work)


def _around(ask: Ask, session: Session) -> tuple[Snapshot, Spot] | None:
    """The repository as it is known now, and the place in it; None outside of any index."""
    document, place = ask.document, ask.place
    indexed = session.indexing.of(document.path) if document.path is not None else None
    snapshot = indexed.snapshot() if indexed is not None else None
    if snapshot is None:
        return None
    path = session.shown_path(document)
    return snapshot, Spot(path, document.lines, place.line + 1, place.index + 1)


def budget_tokens(engine: EngineInfo, settings: Settings) -> int:
    """Tokens a prompt may have: as set, else what this machine reads in READ_AHEAD_S."""
    measured = max(MIN_BUDGET_TOKENS, int(engine.prefill_per_s * READ_AHEAD_S))
    room = engine.context_tokens - settings.maxSuggestionTokens
    return min(room, settings.contextTokens or measured)


def _wish(ask: Ask, window_chars: int) -> schedule.Place:
    """The place as the model will see it: line breaks are LF, as in its training."""
    document, place = ask.document, ask.place
    start = _window_start(document, place, window_chars)
    before = (*document.lines[start : place.line], document.lines[place.line][: place.index])
    suffix = document.suffix(place, max_lines=SUFFIX_LINES, max_chars=SUFFIX_CHARS)
    return schedule.Place(document.uri, _lf("".join(before)), _lf(suffix))


def _window_start(document: Document, place: Place, window_chars: int) -> int:
    """The first line to look at: a window back, then down to a line number that is round.

    Round numbers make the start move in steps of a quarter to half a window, not with each line.
    """
    start, size = place.line, 0
    while start and size < window_chars:
        start -= 1
        size += len(document.lines[start])
    step = 1 << max(0, ((place.line - start) // 2).bit_length() - 1)
    return -(-start // step) * step


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


def _lf(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _in_newlines_of(document: Document, text: str) -> str:
    return text.replace("\n", "\r\n") if document.lines[0].endswith("\r\n") else text


def _with_costs(suggestion: Suggestion, ask: Ask, decode: schedule.Decode) -> Suggestion:
    """The same suggestion with what the decode behind it has cost."""
    suggestion = replace(suggestion, answer_ms=_since(ask.arrived))
    if not decode.outcome.done():
        reason = suggestion.reason and "the model was not ready in time"
        return replace(suggestion, stopped_by="deadline", reason=reason)
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
