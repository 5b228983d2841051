# SPDX-License-Identifier: Apache-2.0
"""Questions about the repository, answered with citations that are checked before they are shown.

In: a question, maybe a place, maybe a stack trace. Out: an `Answer`, and its text piece by piece
for whoever listens. The model says what it thinks; which places exist is for the index to say, and
of a trace, which functions can be at fault. Nothing is changed. Knows no protocol.
"""

from __future__ import annotations

import asyncio
import re
import time
import unicodedata
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.rules.form import UNSEEN, UNSEEN_CATEGORIES
from engine.types import Segment
from indexer import traces
from lsp_server.actions import frames, model, question
from lsp_server.actions.citations import Checked, Citation
from lsp_server.actions.known import KnownHere
from lsp_server.actions.types import Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from indexer.selection import Excerpt
    from indexer.snapshot import Snapshot
    from lsp_server.actions.frames import Spot
    from lsp_server.actions.question import Asked
    from lsp_server.documents import Document
    from lsp_server.session import Session

READ_S = 60.0  # that reading the pieces may take; on a fast machine the context decides
CHARS_PER_TOKEN = 3  # of code, at least
LEAST_CHARS = 6_000  # with less, an answer is a guess
QUESTION_MAX_CHARS = 8_000  # of what is asked; a trace may be longer, and is shortened
MOST_TOKENS = 700  # of an answer: some paragraphs, or a repaired function
SETTLED_FRAMES = 2  # with so many, a text without a known error is a trace, too


@dataclass(frozen=True, slots=True)
class Answer:
    """What may be shown. Every citation in it exists."""

    answer: str
    citations: tuple[Citation, ...]
    segments: tuple[Segment, ...]  # what was read, as the prompt had it
    model: str
    total_ms: float
    struck: int = 0  # citations that were struck out before anybody saw them
    faulty: Citation | None = None  # of a trace: the function at fault
    finished: bool = True  # else it was cut at its longest

    def record(self) -> dict[str, Any]:
        """The contract's JSON."""
        return {
            "answer": self.answer,
            "citations": [each.record() for each in self.citations],
            "segments": [asdict(segment) for segment in self.segments],
            "model": self.model,
            "total_ms": self.total_ms,
            "struck": self.struck,
            "faulty": self.faulty.record() if self.faulty else None,
            "finished": self.finished,
        }


async def ask(
    text: str,
    session: Session,
    *,
    document: Document | None = None,
    line: int | None = None,
    trace: str = "",
    hear: Callable[[str], None] = lambda _: None,
) -> Answer:
    """Answer a question; `line` from 1 is a place in `document`.

    `hear` gets the text as it may be shown, on the engine's thread. Cancelling the task stops the
    model. Raises Refused where there is nothing to ask or to read, NoText without a model,
    EngineError where it cannot.
    """
    started = time.perf_counter()
    wanted = _asked(text, trace)
    if document is not None:
        session.check(document, manual=True)
        if line is not None:
            wanted = replace(wanted, path=session.shown_path(document), line=line)
    snapshot = _snapshot(session, document)
    room = room_chars(session)
    loop = asyncio.get_running_loop()
    asked = await loop.run_in_executor(None, _looked_up, wanted, snapshot, session)
    root = Path(snapshot.root)
    may_read = partial(_may_read, session, root)
    read = partial(question.gather, asked, snapshot, room, may_read)
    pieces = await loop.run_in_executor(None, read)
    shown = Shown(asked, snapshot, pieces, hear)
    sources = model.Sources(root, frozenset(piece.path for piece in pieces))
    turns = question.turns(asked, pieces, root.name)
    said = await model.answer(turns, session, sources, most_tokens=MOST_TOKENS, hear=shown.take)
    shown.close()
    return Answer(
        "".join(shown.parts),
        tuple(shown.citations),
        tuple(map(_segment, pieces)),
        session.engine_info().model,
        round((time.perf_counter() - started) * 1000, 1),
        shown.checked.struck,
        shown.faulty,
        said.finished,
    )


def _asked(text: str, trace: str) -> Asked:
    """The question, with a long text that holds a trace as one. Raises Refused."""
    if not text.strip() and not trace.strip():
        raise Refused("there is no question")
    if len(text) > QUESTION_MAX_CHARS and not trace and _trace_in(text):
        text, trace = "", text
    if len(text) > QUESTION_MAX_CHARS:
        raise Refused(f"the question has {len(text):,} characters; {QUESTION_MAX_CHARS:,} at most")
    return question.Asked(text, pasted=trace if trace.strip() else "")


def room_chars(session: Session) -> int:
    """How many characters of pieces are read: what fits, and what does not take too long."""
    quick = int(session.engine_info().prefill_per_s * READ_S) * CHARS_PER_TOKEN
    taken = len(question.SYSTEM) + question.TRACE_CHARS
    return max(0, min(model.room_chars(session) - taken, max(quick, LEAST_CHARS)))


class Shown:
    """The answer on its way to the user: the verdict first where there is one, then checked text.

    `take` and `close` are called one after the other, from whatever thread.
    """

    def __init__(
        self,
        asked: Asked,
        snapshot: Snapshot,
        pieces: Sequence[Excerpt],
        hear: Callable[[str], None],
    ) -> None:
        said = f"{asked.text}\n{asked.pasted}"
        self.parts: list[str] = []
        self.checked = Checked(KnownHere(snapshot, pieces, said))
        self.faulty: Citation | None = None
        self._suspects = asked.suspects
        self._first: str | None = "" if asked.suspects else None  # line, until it is complete
        self._hear = hear

    @property
    def citations(self) -> list[Citation]:
        """Those of the verdict and of the text."""
        mine = [self.faulty] if self.faulty else []
        return [*mine, *(each for each in self.checked.citations if each not in mine)]

    def take(self, text: str) -> None:
        text = visible(text)
        if self._first is not None:
            self._first = (self._first + text).lstrip()
            if "\n" not in self._first:
                return
            text = self._with_verdict()
        self._show(self.checked.feed(text))

    def close(self) -> None:
        if self._first is not None:
            self._show(self.checked.feed(self._with_verdict()))
        self._show(self.checked.close())

    def _with_verdict(self) -> str:
        """Show the verdict in its own form; the text that goes on behind it."""
        first, end, rest = (self._first or "").partition("\n")
        self._first = None
        chosen, is_verdict = verdict(first, self._suspects)
        name = chosen.function.name if chosen.function else ""
        self.faulty = Citation(chosen.path, chosen.line, name)
        self._show(f"{question.VERDICT} {chosen.name} ({chosen.path}:{chosen.line})\n\n")
        return rest.lstrip("\n") if is_verdict else first + end + rest

    def _show(self, text: str) -> None:
        if text:
            self.parts.append(text)
            self._hear(text)


def visible(text: str) -> str:
    """Text without characters that are not seen or turn its direction (S7)."""
    return "".join(
        char
        for char in text
        if char in "\n\t"
        or (char not in UNSEEN and unicodedata.category(char) not in UNSEEN_CATEGORIES)
    )


def verdict(line: str, suspects: Sequence[Spot]) -> tuple[Spot, bool]:
    """Which function a line means, the likeliest where it names none; and whether it says so."""
    is_verdict = question.VERDICT.rstrip(":").lower() in line.lower()
    named = [spot for spot in suspects if re.search(rf"(?<!\w){re.escape(spot.name)}(?!\w)", line)]
    placed = [spot for spot in named if f"{spot.path}:{spot.line}" in line]
    placed = placed or [spot for spot in suspects if f"{spot.path}:{spot.line}" in line]
    found = placed if placed and not named else [spot for spot in placed if spot in named] or named
    return (found or list(suspects))[0], is_verdict


def _snapshot(session: Session, document: Document | None) -> Snapshot:
    """The index of the document's repository, else of the first. Raises Refused."""
    if document is not None and document.path is not None:
        places = [document.path]
    else:
        places = list(session.roots)
    for place in places:
        indexed = session.indexing.of(place)
        snapshot = indexed.snapshot() if indexed is not None else None
        if snapshot is not None:
            return snapshot
    raise Refused("there is no index to answer from: open a folder, or wait until it is read")


def _looked_up(asked: Asked, snapshot: Snapshot, session: Session) -> Asked:
    """The question with the frames of its trace. Raises Refused."""
    text, trace = asked.text, asked.pasted
    found = traces.read(trace) if trace else _trace_in(text)
    if trace and not found:
        raise Refused("no stack trace was found in the text given as one")
    if not found:
        return asked
    spots = tuple(s for s in frames.resolve(found, snapshot) if _readable(s, session, snapshot))
    suspects = frames.suspects(found, spots, snapshot)
    pasted, text = (trace, text) if trace else (text, "")
    return replace(asked, text=text, pasted=pasted, traces=found, spots=spots, suspects=suspects)


def _trace_in(text: str) -> tuple[traces.Trace, ...]:
    """A trace within a question; a place in a sentence is none."""
    found = traces.read(text)
    count = sum(len(trace.frames) for trace in found)
    return found if count >= SETTLED_FRAMES or any(trace.error for trace in found) else ()


def _readable(spot: Spot, session: Session, snapshot: Snapshot) -> bool:
    return not spot.inside or _may_read(session, Path(snapshot.root), spot.path)


def _may_read(session: Session, root: Path, path: str) -> bool:
    return session.may_read(root / path)


def _segment(piece: Excerpt) -> Segment:
    lines = (piece.start_line, piece.end_line)
    return Segment(piece.role, piece.path, *lines, piece.tokens, piece.score, piece.why)
