# SPDX-License-Identifier: Apache-2.0
"""What became of suggestions: shown, accepted, typed out by hand, rejected, still there later.

In: suggestions as they are shown, documents as they change, what clients tell. Out: counts in a
`Ledger`, one outcome for each suggestion. Not every client tells what it accepts (partly accepted
text is told by none but Copilot's), so that is seen in the document: text of the suggestion that
comes in one step was accepted, character by character it was typed. Knows no protocol; text never
leaves this module. Used from the event loop only.
"""

from __future__ import annotations

import re
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

from lsp_server.documents import Place, behind
from lsp_server.suggestions.distance import stands
from lsp_server.suggestions.ledger import Key, Ledger

if TYPE_CHECKING:
    from collections.abc import Callable

    from lsp_server.documents import Document
    from lsp_server.suggest import Suggestion

Outcome = Literal["whole", "line", "word", "typed", "rejected", "ignored"]
ACCEPTED: Final = ("whole", "line", "word")

KEPT_S = 30.0
KEPT_EDITS = 0.10  # of its characters, white space aside: a name corrected, not a line replaced
KEPT_LINES = 40  # around its place: what was written above it meanwhile moved it
KEPT_CHARS = 500  # of what was accepted; more is not compared
KEPT_WINDOW_CHARS = 8000
MOST_WAITING = 64  # suggestions in documents, and accepted ones to look at again
AFTER_CHARS = 200  # what stood behind the cursor is known again by so much
# Editors close what is opened: one character typed, two come.
PAIRS = frozenset(("()", "[]", "{}", "<>", '""', "''", "``"))
OPENER = re.compile(r"[(\[{<\"'`]")
CLOSERS = re.compile(r"[)\]}>\"'`]{1,2}")


@dataclass(slots=True)
class _Shown:
    """A suggestion where it stands, and how much of it has become text."""

    id: str
    uri: str
    key: Key
    text: str
    line: int
    index: int
    before: str  # of the line
    after: str  # from there on, AFTER_CHARS and the terminator
    learn: bool
    others: tuple[str, ...] = ()  # further texts that may be taken in its place
    counted: bool = True  # as shown
    reached: int = 0  # characters of it that stand now
    accepted: int = 0  # characters of it that the last accept reached
    accepted_at: float = 0.0

    @property
    def outcome(self) -> Outcome:
        """What became of it, if nothing more comes."""
        if self.accepted >= len(self.text):
            return "whole"
        if self.accepted:
            ends = self.text[self.accepted - 1 : self.accepted + 1]
            return "line" if "\n" in ends or "\r" in ends else "word"
        return "typed" if self.reached >= len(self.text) else "rejected"


@dataclass(slots=True)
class _Accepted:
    """Accepted text to look at again."""

    key: Key
    text: str  # without white space
    line: int
    lines: int
    due: float


@dataclass(slots=True)
class _Open:
    """What is waited for in one document, as it stood last."""

    document: Document
    shown: _Shown | None = None
    accepted: deque[_Accepted] = field(default_factory=lambda: deque(maxlen=MOST_WAITING))


class Record:
    """Of one session. `learn(model, accepted)` is told of what the model wrote unasked."""

    def __init__(
        self,
        ledger: Ledger,
        *,
        learn: Callable[[str, bool], None] = lambda _model, _accepted: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._ledger = ledger
        self._learn = learn
        self._clock = clock
        self._open: dict[str, _Open] = {}
        self._ids = 0
        self._client_tells = False  # which suggestions it shows

    def shown(
        self, suggestion: Suggestion, document: Document, place: Place, *, manual: bool = False
    ) -> str:
        """Note what was answered; returns the id that `accepted` takes, none without a text.

        The rest of a suggestion that is typed as suggested is the same suggestion.
        """
        if not suggestion.text:
            return ""
        opened = self._opened(document)
        before = opened.shown
        if before is not None and _goes_on(before, suggestion.text, document, place):
            before.text = before.text[: before.reached] + suggestion.text
            return before.id
        self._resolve(opened, "ignored")
        self._ids += 1
        key = Key.of(self._clock(), document.language_id, suggestion.model, suggestion.source)
        opened.shown = _Shown(
            id=str(self._ids),
            uri=document.uri,
            key=key,
            text=suggestion.text,
            line=place.line,
            index=place.index,
            before=document.lines[place.line][: place.index],
            after=_text_from(document, place.line, place.index, AFTER_CHARS),
            learn=not manual and suggestion.source != "instant",
            others=suggestion.others,
            counted=not self._client_tells,
        )
        if opened.shown.counted:
            self._ledger.add(key, "shown")
        return opened.shown.id

    def hidden(self, suggestion: Suggestion, document: Document) -> None:
        """Note what was held back because the model was not sure of it."""
        now, language = self._clock(), document.language_id
        self._ledger.add(Key.of(now, language, suggestion.model, suggestion.source), "hidden")

    def told_shown(self, identifier: str) -> None:
        """The client shows it. From here on only what it tells of counts as shown."""
        self._client_tells = True
        shown = self._find(identifier)
        if shown is not None and not shown.counted:
            shown.counted = True
            self._ledger.add(shown.key, "shown")

    def accepted(self, identifier: str, length: int | None = None) -> None:
        """The client says that it was accepted: `length` characters of it, or all.

        A further text has an id of its own (`further`). An id that is not known is one whose text
        was seen to come: that is noted already.
        """
        shown = self._find(identifier)
        if shown is None or (length is not None and length <= 0):
            return
        end = len(shown.text) if length is None else min(length, len(shown.text))
        self._accept(shown, max(shown.accepted, end))
        if shown.accepted == len(shown.text):
            self._resolve(self._open[shown.uri])

    def text_of(self, identifier: str) -> str:
        """The suggestion's text while it is waited for, else nothing."""
        shown = self._find(identifier)
        return shown.text if shown is not None else ""

    def changed(self, document: Document) -> None:
        """Call with each new version: what of the suggestion has become text?"""
        opened = self._open.get(document.uri)
        if opened is None:
            return
        self._look_again(opened)  # at what stood until now
        opened.document = document
        shown = opened.shown
        if shown is None:
            return
        reached = _reached(shown, document)
        if reached is None:
            reached = _other(shown, document)
        if reached is None:
            self._resolve(opened)
            return
        step = shown.text[shown.reached : reached]
        shown.reached = reached
        if len(step) > 1 and step not in PAIRS:
            self._accept(shown, reached)
        if reached == len(shown.text):
            self._resolve(opened)

    def closed(self, uri: str) -> None:
        """The document is gone; what was accepted less than KEPT_S ago is never known."""
        opened = self._open.get(uri)
        if opened is not None:
            self._resolve(opened, "ignored")
            self._look_again(opened)
            del self._open[uri]

    def close(self) -> None:
        """The session ends. Blocks while the counts are written."""
        for uri in tuple(self._open):
            self.closed(uri)
        self._ledger.save()

    def _opened(self, document: Document) -> _Open:
        opened = self._open.setdefault(document.uri, _Open(document))
        self._look_again(opened)
        opened.document = document
        while len(self._open) > MOST_WAITING:
            self.closed(next(uri for uri in self._open if uri != document.uri))
        return opened

    def _find(self, identifier: str) -> _Shown | None:
        number, _, other = identifier.partition(".")
        waiting = (opened.shown for opened in self._open.values())
        found = next((shown for shown in waiting if shown and shown.id == number), None)
        if found is not None and other.isdigit() and int(other) < len(found.others):
            _choose(found, found.others[int(other)])
        return found

    def _accept(self, shown: _Shown, end: int) -> None:
        shown.accepted, shown.accepted_at = end, self._clock()

    def _resolve(self, opened: _Open, at_least: Outcome = "rejected") -> None:
        """Count what became of the suggestion; `at_least` where nothing of it was used."""
        shown, opened.shown = opened.shown, None
        if shown is None:
            return
        outcome = at_least if shown.outcome == "rejected" else shown.outcome
        if not shown.counted and outcome in {"rejected", "ignored"}:
            return  # the client never showed it
        if not shown.counted:
            self._ledger.add(shown.key, "shown")
        if outcome != "ignored":
            self._ledger.add(shown.key, outcome)
        if outcome != "ignored" and shown.learn:
            self._learn(shown.key.model, outcome != "rejected")
        if outcome in ACCEPTED:
            opened.accepted.append(_to_look_at(shown))

    def _look_again(self, opened: _Open) -> None:
        """Whether accepted text whose time has come still stands."""
        now = self._clock()
        while opened.accepted and opened.accepted[0].due <= now:
            accepted = opened.accepted.popleft()
            kept = _stands(accepted, opened.document)
            self._ledger.add(accepted.key, "kept" if kept else "lost")


def further(identifier: str, number: int) -> str:
    """The id of a suggestion's further text, from 0."""
    return f"{identifier}.{number}"


def _goes_on(shown: _Shown, text: str, document: Document, place: Place) -> bool:
    """Whether `text` is what is left of a suggestion where this much of it stands already."""
    typed = shown.text[: shown.reached]
    start = Place(shown.line, shown.index)
    if document.uri != shown.uri or place != behind(document, start, typed):
        return False
    left = shown.text[shown.reached :]
    return left.startswith(text) or text.startswith(left)


def _reached(shown: _Shown, document: Document) -> int | None:
    """How many characters of the suggestion stand in its place; None where something else does."""
    lines = document.lines
    if shown.line >= len(lines) or lines[shown.line][: shown.index] != shown.before:
        return None
    most = len(shown.text) + len(shown.after) + 2
    now = _text_from(document, shown.line, shown.index, most)
    common = next(
        (at for at, (is_, was) in enumerate(zip(now, shown.text, strict=False)) if is_ != was),
        min(len(now), len(shown.text)),
    )
    opener = OPENER.search(shown.text)
    opened = opener.end() if opener else common + 1  # from where on an editor may have closed
    whole = len(shown.after) < AFTER_CHARS  # the document ends with it
    for end in range(common, -1, -1):
        closed = CLOSERS.match(now, end) if end >= opened else None
        for rest in range(end, (closed.end() if closed else end) + 1):
            if now[rest:] == shown.after if whole else now.startswith(shown.after, rest):
                return end
    return None


def _other(shown: _Shown, document: Document) -> int | None:
    """The same for the further texts; the one that was taken is the suggestion from here on."""
    before = shown.text
    for text in shown.others:
        shown.text = text
        if (reached := _reached(shown, document)) is not None:
            _choose(shown, text)
            return reached
    shown.text = before
    return None


def _choose(shown: _Shown, text: str) -> None:
    shown.text, shown.others = text, ()


def _text_from(document: Document, line: int, index: int, chars: int) -> str:
    """At most so many characters from a place on."""
    pieces = [document.lines[line][index : index + chars]]
    left = chars - len(pieces[0])
    for number in range(line + 1, len(document.lines)):
        if left <= 0:
            break
        pieces.append(document.lines[number][:left])
        left -= len(pieces[-1])
    return "".join(pieces)


def _to_look_at(shown: _Shown) -> _Accepted:
    text = shown.text[: shown.accepted]
    due = shown.accepted_at + KEPT_S
    return _Accepted(shown.key, _bare(text)[:KEPT_CHARS], shown.line, text.count("\n") + 1, due)


def _stands(accepted: _Accepted, document: Document) -> bool:
    first = max(0, accepted.line - KEPT_LINES)
    near = document.lines[first : accepted.line + accepted.lines + KEPT_LINES]
    half = max(0, accepted.line - first)
    # The lines nearest to its place, if there are too many characters.
    above = _bare("".join(near[:half]))[-KEPT_WINDOW_CHARS // 2 :]
    below = _bare("".join(near[half:]))[: KEPT_WINDOW_CHARS // 2]
    return stands(accepted.text, above + below, int(len(accepted.text) * KEPT_EDITS))


def _bare(text: str) -> str:
    return "".join(text.split())
