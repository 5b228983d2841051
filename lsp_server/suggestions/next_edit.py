# SPDX-License-Identifier: Apache-2.0
"""The next edit: what else has to change after what the user has just changed.

In: documents as they are edited, a place to ask from. Out: one `Proposal`, or none: a span that
still holds the old text, in this file or another, and what should stand there. What follows from a
changed name or signature is `indexer`'s business, what is alike `likeness`'s; here it is decided
which edit is followed, and what comes first: below the cursor, above it, then other files.
`edited` and `question` run on the event loop and cost microseconds; `answer` runs in a thread.
It knows no protocol and asks no model.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from lsp_server.schedule import NoText
from lsp_server.suggestions import hunks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from indexer.echoes import Echo
    from indexer.snapshot import Snapshot
    from lsp_server.documents import Change, Document, Place
    from lsp_server.session import Session
    from lsp_server.suggestions import following
    from lsp_server.suggestions.hunks import Hunk

DOCUMENTS_MAX = 16  # whose edits are remembered
LAPSE_S = 300.0  # an edit that was not followed for so long is not meant to be
DOCUMENT_MAX_LINES = 20_000  # beyond, to look at it takes longer than an answer may


@dataclass(frozen=True, slots=True)
class Proposal:
    """`text` for what stands from `start` to `end` of `document`, which holds `old` there.

    `version` is None for a file that is not open: `document` is then what the disk says.
    """

    document: Document
    version: int | None
    start: Place
    end: Place
    old: str
    text: str
    why: str


@dataclass(frozen=True, slots=True)
class Question:
    """All that an answer is made of, as it was when it was asked for."""

    document: Document
    place: Place
    edits: tuple[tuple[Document, Hunk], ...]  # newest first
    open: tuple[Document, ...]
    snapshot: Snapshot | None


def _ground(question: Question) -> tuple[object, ...]:
    """What an answer depends on besides the cursor: values that are replaced, never changed."""
    known = question.snapshot
    index = (known.files, known.overlays) if known is not None else ()
    hunked = [each for edit in question.edits for each in edit]
    return (question.document, *question.open, *hunked, *index)


class NextEdits:
    """The edits of late of every open document. One thread, but for `answer`."""

    def __init__(self, session: Session, clock: Callable[[], float] = time.monotonic) -> None:
        self._session = session
        self._clock = clock
        self._edits: OrderedDict[str, list[Hunk]] = OrderedDict()
        self._offered: Proposal | None = None
        self._followed_s = -LAPSE_S  # when a proposal was last taken
        self._barren: Question | None = None  # the last one that had no answer

    def edited(self, before: Document, after: Document, changes: Sequence[Change]) -> None:
        """Note what a message of the editor has changed. Microseconds."""
        uri = after.uri
        if not changes:
            return
        done = hunks.steps(changes, len(before.lines))
        grown = sum((s.end - s.start) - (s.old_end - s.old_start) for s in done or ())
        if done is None or len(after.lines) != len(before.lines) + grown:
            self._edits.pop(uri, None)  # another text: nothing follows from that
            return
        followed = self._is_followed(after, changes)
        if followed:
            self._settle()
        known = self._edits.pop(uri, [])
        self._edits[uri] = hunks.noted(known, before, done, self._clock(), followed=followed)
        while len(self._edits) > DOCUMENTS_MAX:
            self._edits.popitem(last=False)

    def closed(self, uri: str) -> None:
        """Forget a document."""
        self._edits.pop(uri, None)

    def propose(self, document: Document, place: Place) -> Proposal | None:
        """Question and answer in one, for who may wait."""
        question = self.question(document, place)
        return None if question is None else self.answer(question)

    def question(self, document: Document, place: Place) -> Question | None:
        """What is to be answered; None where nothing was edited or nothing may be said."""
        if not any(self._edits.values()) or len(document.lines) > DOCUMENT_MAX_LINES:
            return None
        try:
            self._session.check(document, manual=True)
        except NoText:
            return None
        opened = tuple(self._session.documents)
        edits = self._recent({each.uri: each for each in opened})
        if not edits:
            return None
        of = self._session.indexing.of(document.path) if document.path is not None else None
        snapshot = of.snapshot() if of is not None else None
        question = Question(document, place, edits, opened, snapshot)
        return None if self._is_barren(question) else question

    def _is_barren(self, question: Question) -> bool:
        """Whether only the cursor has moved since nothing was found: it changes the order alone."""
        if self._barren is None:
            return False
        mine, other = _ground(question), _ground(self._barren)
        return len(mine) == len(other) and all(a is b for a, b in zip(mine, other, strict=True))

    def _recent(self, opened: dict[str, Document]) -> tuple[tuple[Document, Hunk], ...]:
        earliest = self._clock() - LAPSE_S
        found = [
            (opened[uri], hunk)
            for uri, row in self._edits.items()
            if uri in opened
            for hunk in row
            if self._is_alive(hunk, earliest) and hunk.old != hunk.now(opened[uri])
        ]
        return tuple(sorted(found, key=lambda each: -each[1].touched)[: hunks.HUNKS_MAX])

    def _is_alive(self, hunk: Hunk, earliest: float) -> bool:
        return hunk.touched >= earliest or (hunk.settled and self._followed_s >= earliest)

    def answer(self, question: Question) -> Proposal | None:
        """The first edit that follows and still fits. Reads files; not for the event loop."""
        from lsp_server.suggestions import following  # noqa: PLC0415  a parser: not at the start

        look = following.Look(self._session, question.snapshot, question.open)
        for found in following.follow(look, question.document, question.edits):
            proposal = self._best(look, question, found)
            if proposal is not None:
                self._offered = proposal
                return proposal
        self._barren = question
        return None

    def _best(
        self, look: following.Look, question: Question, found: Iterable[Echo]
    ) -> Proposal | None:
        path = look.path(question.document)
        cursor = look.offset(question.document, question.place)
        here: list[Echo] = []
        elsewhere: list[Echo] = []
        for echo in found:
            (here if echo.path == path else elsewhere).append(echo)
        below = sorted(echo for echo in here if echo.start >= cursor)
        above = sorted((echo for echo in here if echo.start < cursor), reverse=True)
        for echo in (*below, *above, *elsewhere):
            proposal = self._proposal(look, echo)
            if proposal is not None:
                return proposal
        return None

    def _proposal(self, look: following.Look, echo: Echo) -> Proposal | None:
        """None where the text is another by now, or may not be read."""
        document, version = look.open(echo.path), None
        if document is not None:
            version = document.version
        elif (text := look.closed(echo.path)) is not None:
            document = text
        if document is None or look.data(document)[echo.start : echo.end] != echo.old:
            return None
        start, end = look.place(document, echo.start), look.place(document, echo.end)
        old, new = echo.old.decode(), echo.new.decode()
        return Proposal(document, version, start, end, old, new, echo.why)

    # -- what was offered and taken ----------------------------------------------------------

    def _is_followed(self, after: Document, changes: Sequence[Change]) -> bool:
        """Whether the user has just taken what was proposed."""
        offered, change = self._offered, changes[0]
        return (
            offered is not None
            and len(changes) == 1
            and offered.document.uri == after.uri
            and change.text == offered.text
            and change.start is not None
            and change.start[0] == offered.start.line
        )

    def _settle(self) -> None:
        """What is being followed stays for a while, as edits that are complete."""
        self._offered = None
        self._followed_s = self._clock()
        for uri, row in self._edits.items():
            self._edits[uri] = [replace(hunk, settled=True) for hunk in row]
