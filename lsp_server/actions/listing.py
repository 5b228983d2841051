# SPDX-License-Identifier: Apache-2.0
"""Which actions make sense where the user is: asked at every move of the cursor.

In: a document, a selection, what tools say about it, kinds. Out: `Offer`s, from syntax and index
alone; no model is asked. A document is parsed once however often the cursor moves in it, and a
large one never: its record comes from the index, whose workers parse it. Knows no protocol.
"""

from __future__ import annotations

import asyncio
import logging
import re
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from lsp_server.actions import registry
from lsp_server.actions.types import Refused, Request
from lsp_server.documents import Place
from lsp_server.positions import to_offset
from lsp_server.schedule import NoText

if TYPE_CHECKING:
    from collections.abc import Sequence

    from indexer.snapshot import Snapshot
    from lsp_server.actions.types import Diagnostic, Target
    from lsp_server.documents import Document
    from lsp_server.session import Session

# Parsing holds the interpreter, and so the keystroke that comes meanwhile: 25 ms for so many bytes.
PARSED_MAX_BYTES = 16_384
LONE_MAX_BYTES = 262_144  # of a file without an index, whose record nobody else makes
LOOK_S = 0.03  # of the 50 ms that a list may take; the rest is for titles and the way
ASKED_LOOK_S = 2.0  # where the user has asked for the list, and would take an empty one for final
AGAIN_S = 0.005  # the index takes an edit in within some milliseconds
INSTRUCTION_MAX_CHARS = 500
# Kinds that say nothing without words of the user -> what the user is asked for.
ASKING = {
    "refactor.rewrite.instruct": "What shall be changed here?",
    "refactor.rewrite.instruct.repository": "What shall be changed in the repository?",
    "refactor.rewrite.translate": "Into which language?",
    "refactor.rewrite.signature": "What shall the parameters be?",
    "refactor.rewrite.rename": "What shall it be called?",
}
DEFAULTED = frozenset({"refactor.rewrite.translate"})  # can do without the user's words
BY_COMMENT = "refactor.rewrite.instruct"  # the instruction may also stand in a comment
# `# gw: handle the empty list`, in the comments of any language
COMMENT = re.compile(r"^\s*(?:#|//|--|/\*+|<!--|;+|%|\"\"\")\s*gw:\s*(\S.*?)\s*(?:\*/|-->)?\s*$")
START = Place(0, 0)

_log = logging.getLogger(__name__)


class Offer(NamedTuple):
    """One line of the list."""

    kind: str
    title: str
    instruction: str = ""
    question: str = ""  # the user must be asked first
    disabled: str = ""  # the reason why it cannot be done now


class Listing:
    """What is remembered between two looks. Its one method may be called as often as one likes."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._kept: Target | None = None
        self._lock = threading.Lock()  # two looks at one text parse it once

    async def offers(
        self,
        document: Document,
        span: tuple[Place, Place],
        diagnostics: Sequence[Diagnostic],
        kinds: Sequence[str],
        *,
        asked: bool = True,
    ) -> list[Offer]:
        """What can be offered, in the order of `kinds`; nothing where no model may read.

        Unless it was `asked` for, the list is for a cursor that has moved, and may be incomplete.
        """
        try:
            self._session.check(document, manual=True)
        except NoText:
            return []
        limit_s = ASKED_LOOK_S if asked else LOOK_S
        it = await self._looked(limit_s, document, *span, tuple(diagnostics))
        if it is None:
            return []
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(None, self._offers, it, kinds, self._missing())

    async def _looked(self, limit_s: float, document: Document, *where: Any) -> Target | None:
        """The target in time or not at all; what takes longer is there for the next move."""
        loop = asyncio.get_running_loop()
        last = loop.time() + limit_s
        while (left := last - loop.time()) > 0:
            look = loop.run_in_executor(None, self._look, document, *where)
            await asyncio.wait([look], timeout=left)
            if not look.done():
                return None
            if (it := look.result()) is not None or self._is_hopeless(document):
                return it
            await asyncio.sleep(AGAIN_S)
        return None

    def _is_hopeless(self, document: Document) -> bool:
        """Whether no index will ever know more of a document than it does now."""
        snapshot = self._snapshot(document)
        return snapshot is None or sum(map(len, document.lines)) <= PARSED_MAX_BYTES

    def _missing(self) -> str:
        """Why there is no model; "" where there is one."""
        try:
            self._session.running_worker()
        except NoText as reason:
            return str(reason)
        return ""

    def _offers(self, it: Target, kinds: Sequence[str], missing: str) -> list[Offer]:
        found = []
        for kind in kinds:
            if kind.startswith("quickfix") and not it.diagnostics:
                continue
            words = instruction_at(it) if kind == BY_COMMENT else ""
            title = _title(kind, replace(it, instruction=words) if words else it)
            if title:
                question = "" if words else ASKING.get(kind, "")
                disabled = "" if kind in registry.WITHOUT_MODEL else missing
                found.append(Offer(kind, title, words, question, disabled))
        return found

    def _look(
        self, document: Document, start: Place, end: Place, diagnostics: tuple[Diagnostic, ...]
    ) -> Target | None:
        """The target of a selection, None where there is nothing to be said in time."""
        with self._lock:
            snapshot = self._snapshot(document)
            kept = self._kept
            indexed = snapshot is not None
            if kept is None or kept.document is not document or indexed != bool(kept.snapshot):
                kept = self._kept = self._parsed(document, snapshot)
            if kept is None:
                return None
        start, end = sorted((start, end))
        return replace(
            kept,
            start=byte_offset(document, start),
            end=byte_offset(document, end),
            snapshot=snapshot,
            diagnostics=diagnostics,
        )

    def _parsed(self, document: Document, snapshot: Snapshot | None) -> Target | None:
        from lsp_server.actions.target import target  # noqa: PLC0415  a parser: not at the start

        data = document.text.encode()
        if len(data) > (LONE_MAX_BYTES if snapshot is None else PARSED_MAX_BYTES):
            path = self._session.shown_path(document)
            if snapshot is None or snapshot.known_text(path) != data:
                return None
        try:
            return target(Request("", document, START, START), self._session)
        except (Refused, LookupError):  # too large, or in no language that has a grammar
            return None

    def _snapshot(self, document: Document) -> Snapshot | None:
        indexed = self._session.indexing.of(document.path) if document.path is not None else None
        return indexed.snapshot() if indexed is not None else None


def warm() -> None:
    """Read the actions' modules, some 0.3 s: not when the first list is asked for."""
    for kind in registry.MODULES:
        registry.find(kind)


def byte_offset(document: Document, place: Place) -> int:
    """Bytes of UTF-8 before a place."""
    above = "".join(document.lines[: place.line])
    return to_offset(above, len(above)) + to_offset(document.lines[place.line], place.index)


def instruction_at(it: Target) -> str:
    """What a comment at the selection, or in the line above it, asks for; "" where none does."""
    first = it.data.rfind(b"\n", 0, it.start) + 1
    above = it.data.rfind(b"\n", 0, max(0, first - 1)) + 1
    last = it.data.find(b"\n", it.end)
    text = it.data[above : last if last >= 0 else None].decode("utf-8", "replace")
    for line in text.splitlines():
        if found := COMMENT.match(line[:INSTRUCTION_MAX_CHARS]):
            return found[1]
    return ""


def _title(kind: str, it: Target) -> str:
    try:
        return next((title for _, title in registry.offered(it, [kind])), "")
    except Exception:  # noqa: BLE001  whatever one action makes of odd code, the others are listed
        _log.exception("the action %s could not be listed", kind)
        return ""
