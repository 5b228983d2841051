# SPDX-License-Identifier: Apache-2.0
"""The deep slot: what refactors and questions will ask about, read while the user is away.

In: the repository as it is known. Out: a long resident beginning of prompts, outlines of the files
that matter most first, then these files whole. What it is made of is a function of the snapshot
alone; once begun it is frozen, so that all of it can be used again, and made anew only when much
has changed. It grows in small steps that give way to everything, and rests where the machine has
better to do. Knows no protocol.
"""

from __future__ import annotations

import asyncio
from array import array
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import msgpack
import psutil

from engine import prompt as prompts
from engine.state import common_prefix
from engine.types import Part, Prompt, Segment, Slot
from engine.worker import Priority
from indexer import wide
from indexer.selection import CHARS_PER_TOKEN
from lsp_server.redacting import redacted
from lsp_server.surroundings import digests_of

if TYPE_CHECKING:
    import threading
    from collections.abc import Mapping

    from engine.types import Engine
    from indexer.snapshot import Snapshot
    from lsp_server.documents import Document
    from lsp_server.session import Session

STEP_TOKENS = 256  # in one job: a few seconds of reading, some milliseconds of tokenising
SHARE = 0.75  # of the slot; the rest is for what is asked, for texts that changed, for the answer
LARGEST_FILE_TOKENS = 4096  # larger ones say more by their outline
SAVE_EVERY_TOKENS = 4096
CHANGED_SHARE = 0.25  # of the text: from here on a frozen choice is worth less than its reading
REST_S = 30.0
# One busy process a core is what we are ourselves; more is somebody else's work.
BUSY_LOAD = 1.5  # processes that want to run, for each core, in the last minute
LEAST_FREE_SHARE = 0.05  # of memory: with less, the system begins to swap


@dataclass(frozen=True, slots=True)
class Prefix:
    """What is resident: whole parts, and the ids that a prompt must begin with to use them."""

    repository: str
    parts: tuple[Part, ...]
    token_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """What shall be read, frozen, and what tells whether that is still so."""

    root: str
    repository: str
    parts: tuple[Part, ...]
    digests: Mapping[str, bytes]  # path -> digest of the file's text


@dataclass(slots=True)
class _Growth:
    """How far a plan is laid out in tokens. On the engine's thread only."""

    plan: Plan
    ids: array[int] = field(default_factory=lambda: array("i"))
    laid: list[tuple[Part, int]] = field(default_factory=list)  # with the end of each in `ids`
    next_part: int = 0


class Deep:
    """The deep slot of one session. `grow` runs on the event loop."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._growth: _Growth | None = None
        self._recalled_for: object = None  # the worker for which saved states were looked at

    async def grow(self, document: Document) -> None:
        """Read on until all is read; cancelled by the next key. Raises NoText or EngineError."""
        session = self._session
        indexed = session.indexing.of(document.path) if document.path is not None else None
        snapshot = indexed.snapshot() if indexed is not None else None
        if snapshot is None or not snapshot.report.complete:
            return
        await _rest()
        await self._decide(snapshot)
        unsaved = 0
        while (read := await self._step()) is not None:
            await _rest()
            unsaved += read
            if unsaved >= SAVE_EVERY_TOKENS:
                await session.residence.save(Slot.DEEP)
                unsaved = 0
        await session.residence.save(Slot.DEEP)

    def prefix(self, engine: Engine) -> Prefix | None:
        """The parts that are resident whole, in their order; None where nothing is.

        On the engine's thread. Text of files that have changed since is as it was: say what is new
        behind it.
        """
        growth = self._growth
        if growth is None:
            return None
        known = common_prefix(engine.resident(Slot.DEEP), growth.ids)
        whole = [(part, end) for part, end in growth.laid if end <= known]
        if not whole:
            return None
        parts = tuple(part for part, _ in whole)
        return Prefix(growth.plan.repository, parts, tuple(growth.ids[: whole[-1][1]]))

    def forget(self) -> None:
        """Begin anew: something in it may be read no more."""
        self._growth = None

    def note(self) -> tuple[bytes, frozenset[str]]:
        """The plan, for a later session, with the absolute paths of what is in it."""
        if self._growth is None:
            return b"", frozenset()
        plan = self._growth.plan
        rows = [(p.role, p.path, p.text, p.start_line, p.end_line, p.score) for p in plan.parts]
        packed: bytes = msgpack.packb((plan.root, plan.repository, rows, dict(plan.digests)))
        return packed, frozenset(f"{plan.root}/{part.path}" for part in plan.parts)

    def recall(self, note: bytes) -> None:
        """Go on with the plan of an earlier session; one that cannot be read is none."""
        try:
            root, repository, rows, digests = msgpack.unpackb(note)
            parts = tuple(Part(*row) for row in rows)
        except (msgpack.UnpackException, TypeError, ValueError):
            return
        self._growth = _Growth(Plan(root, repository, parts, digests))

    async def _decide(self, snapshot: Snapshot) -> None:
        """Keep to what was begun, here or in an earlier session, unless much has changed."""
        session = self._session
        worker = session.running_worker()
        if self._recalled_for is not worker:
            self._recalled_for, self._growth = worker, None
            await session.residence.recall_deep()
        growth, loop = self._growth, asyncio.get_running_loop()
        if growth is not None:
            changed = await loop.run_in_executor(None, changed_share, growth.plan, snapshot)
            if changed < CHANGED_SHARE:
                return
        room = int(session.engine_info().context_tokens * SHARE)
        plan = await loop.run_in_executor(None, planned, snapshot, room)
        # The snapshot may be older than the rules.
        readable = (p for p in plan.parts if session.may_read(Path(plan.root) / p.path))
        self._growth = _Growth(replace(plan, parts=tuple(readable)))

    async def _step(self) -> int | None:
        """Read a little more; how many tokens, None where there is no more to read."""
        growth = self._growth
        if growth is None:
            return None

        def work(engine: Engine, cancel: threading.Event) -> int | None:
            return self._read(growth, engine, cancel)

        job = self._session.running_worker().submit(Priority.WARM_UP, work)
        try:
            return await asyncio.wrap_future(job.future)
        finally:
            job.cancel.set()

    def _read(self, growth: _Growth, engine: Engine, cancel: threading.Event) -> int | None:
        if self._growth is not growth:
            return None  # forgotten, or decided anew
        known = common_prefix(engine.resident(Slot.DEEP), growth.ids)
        if known == len(growth.ids) and not self._lay(growth, engine):
            return None
        # What is laid out may be resident already, from an earlier session, with more behind it.
        known = common_prefix(engine.resident(Slot.DEEP), growth.ids)
        if known == len(growth.ids):
            return 0
        end = min(len(growth.ids), known + STEP_TOKENS)
        paths = [part.path for part, _ in growth.laid]
        self._session.residence.reads(engine, Slot.DEEP, Path(growth.plan.root), paths)
        segments = tuple(_segment(part) for part, _ in growth.laid)
        usage = engine.warm(Prompt(tuple(growth.ids[:end]), segments), cancel, Slot.DEEP)
        return usage.evaluated_tokens

    def _lay(self, growth: _Growth, engine: Engine) -> bool:
        """Append the next part that may be read and fits. False when there is none."""
        session, plan = self._session, growth.plan
        layout, tokens = session.layout, session.tokens(engine)
        if not growth.ids:
            growth.ids.extend(prompts.opening(plan.repository, layout=layout, tokens=tokens))
        room = int(engine.info.context_tokens * SHARE)
        while growth.next_part < len(plan.parts):
            part = plan.parts[growth.next_part]
            growth.next_part += 1
            if not session.may_read(Path(plan.root) / part.path):
                continue
            ids = prompts.piece_ids(part, layout, tokens)
            if len(growth.ids) + len(ids) <= room:
                growth.ids.extend(ids)
                growth.laid.append((part, len(growth.ids)))
                return True
        return False


def planned(snapshot: Snapshot, budget: int) -> Plan:
    """What a deep prompt of about so many tokens begins with. Tokens are estimated: to count them
    all would take the engine's thread for too long.
    """
    pieces = wide.repository(snapshot, budget, LARGEST_FILE_TOKENS, _estimate)
    parts = tuple(
        Part(p.role, p.path, redacted(p.text), p.start_line, p.end_line, p.score, p.why)
        for p in pieces
    )
    digests = digests_of(snapshot, {part.path for part in parts})
    return Plan(snapshot.root, Path(snapshot.root).name, parts, digests)


def changed_share(plan: Plan, snapshot: Snapshot) -> float:
    """How much of a plan's text is of files that have changed since, from 0 to 1."""
    if plan.root != snapshot.root:
        return 1.0
    now = digests_of(snapshot, {part.path for part in plan.parts})
    total = sum(len(part.text) for part in plan.parts)
    same = sum(len(p.text) for p in plan.parts if plan.digests.get(p.path) == now[p.path])
    return 1.0 - same / total if total else 1.0


def on_battery() -> bool:
    """Whether this machine says that it runs on its battery."""
    battery = psutil.sensors_battery() if hasattr(psutil, "sensors_battery") else None
    return battery is not None and battery.power_plugged is False


def strained() -> bool:
    """Whether this machine has better to do than to read ahead far, as far as it tells."""
    if on_battery():
        return True
    if hasattr(psutil, "getloadavg"):
        load = psutil.getloadavg()[0] / (psutil.cpu_count() or 1)
        if load > BUSY_LOAD:
            return True
    memory = psutil.virtual_memory()
    return memory.available < LEAST_FREE_SHARE * memory.total


async def _rest() -> None:
    """Wait until the machine has nothing better to do."""
    while strained():  # noqa: ASYNC110  the system sets no event
        await asyncio.sleep(REST_S)


def _estimate(text: str) -> int:
    return int(len(text) / CHARS_PER_TOKEN) + 1


def _segment(part: Part) -> Segment:
    return Segment(part.role, part.path, part.start_line, part.end_line, 0, part.score, part.why)
