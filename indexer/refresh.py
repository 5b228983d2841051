# SPDX-License-Identifier: Apache-2.0
"""One pass over files: look, read what has changed, have it extracted, write it down.

In: paths in the order of demand, the rows known before. Out: rows, published as they are written;
what was gone; counts. It may be cancelled between any two files, and keeps what it has.
It knows no listing and no snapshot.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from concurrent.futures import FIRST_COMPLETED, wait
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Protocol

from indexer.changes import is_settled, stamp_of
from indexer.files import HEAD_BYTES, Skipped, Source, read_decided, read_source
from indexer.languages import detect
from indexer.library import Item
from indexer.types import FileRecord
from indexer.workers import LEISURE, Job

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from concurrent.futures import Future

    from indexer.demand import Demand
    from indexer.library import Library, Session
    from indexer.policy import Decision, Policy
    from indexer.rows import FileRow
    from indexer.workers import Pool, Result

BATCH_BYTES = 128_000  # 30 ms of a worker's time: what somebody waits for comes next after that
BATCH_FILES = 32
BATCHES_A_WORKER = 3  # enough to keep it busy while we write; more would be memory
FLUSH_FILES = 256
FLUSH_S = 0.5
LAST_SHARE = 5  # what comes in the last fifth is enough for the search index to catch up with
COMMIT_S = 30.0  # the search index of a large repository is of use before it is complete
STAMP_BITS = (1 << 62) - 1  # the store keeps marks of its own below zero
GONE_REASONS = frozenset({"vanished"})


class Stop(Protocol):
    """A `threading.Event`, or what combines some."""

    def is_set(self) -> bool: ...


class Either:
    """Set when either of two is."""

    def __init__(self, one: Stop | None, other: Stop) -> None:
        self._one, self._other = one, other

    def is_set(self) -> bool:
        return self._other.is_set() or (self._one is not None and self._one.is_set())


class _Pending(NamedTuple):
    """A file that was read and waits for its record."""

    item: Item
    language: str
    urgent: bool
    turn: int  # the how-manieth look at this path


@dataclass(slots=True)
class Outcome:
    """What one pass came to."""

    seen: set[str] = field(default_factory=set)  # paths that have a row now
    gone: set[str] = field(default_factory=set)
    skipped: Counter[str] = field(default_factory=Counter)  # by policy: these have no rows
    extracted: int = 0
    complete: bool = False


class Run:
    """A pass. Runs in the thread that calls `go`; `demand` may be fed from others."""

    def __init__(
        self,
        *,
        root: str,
        policy: Policy,
        library: Library,
        pool: Pool,
        workers: int,
        rows: Mapping[str, FileRow],
        demand: Demand,
        publish: Callable[[dict[str, FileRow], list[str]], None],
    ) -> None:
        self._root = root
        self._policy = policy
        self._library = library
        self._pool = pool
        self._window = workers * BATCHES_A_WORKER
        self._rows = rows
        self._demand = demand
        self._publish = publish
        self._waiting: dict[Future[list[Result]], list[_Pending]] = {}
        self._batch: list[_Pending] = []
        self._turns: Counter[str] = Counter()
        self._ready: list[Item] = []
        self._dropped: list[str] = []
        self._hurry = False
        self._current = ("", False)
        self.outcome = Outcome()

    def go(
        self,
        session: Session,
        cancel: Stop | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> Outcome:
        """Until nothing is left. Raises StoreError, SearchError, PoolClosed, OSError."""
        decisions = self._policy.decide_all(self._stream())
        flushed = committed = time.monotonic()
        more = True
        while more or self._waiting:
            if cancel is not None and cancel.is_set():
                self._give_up()
                break
            more = self._fill(decisions)
            self._collect(wait_for_one=not more or len(self._waiting) >= self._window)
            if not more and self._demand.left():  # what was read has led to more
                decisions, more = self._policy.decide_all(self._stream()), True
            now = time.monotonic()
            if self._hurry or len(self._ready) >= FLUSH_FILES or now > flushed + FLUSH_S:
                self._flush(session)
                flushed = now
                if self._demand.left() * LAST_SHARE < self._demand.total:
                    session.write_ahead()
                if progress is not None:
                    progress(self._demand.total - self._demand.left(), self._demand.total)
            if now > committed + COMMIT_S:
                session.commit()
                committed = now
        else:
            self.outcome.complete = True
        self._flush(session)
        return self.outcome

    # --- looking ---

    def _stream(self) -> Iterator[str]:
        """Absolute paths, each taken when it is asked for."""
        while (taken := self._demand.take()) is not None:
            self._current = taken
            yield os.path.join(self._root, taken[0])  # noqa: PTH118  strings: 50,000 of them

    def _fill(self, decisions: Iterator[Decision]) -> bool:
        """Look at files until the workers have enough to do, or there is news. False at the end."""
        until = time.monotonic() + FLUSH_S
        while len(self._waiting) < self._window and time.monotonic() < until:
            decision = next(decisions, None)
            if decision is None:
                self._submit()
                return False
            pending = self._look(decision)
            if pending is not None:
                self._batch.append(pending)
                size = sum(one.item.size for one in self._batch)
                if pending.urgent or size >= BATCH_BYTES or len(self._batch) >= BATCH_FILES:
                    self._submit()
        return True

    def _look(self, decision: Decision) -> _Pending | None:
        """Read the file if it is not as it was; None where there is nothing to extract."""
        path, urgent = self._current
        self._turns[path] += 1
        if not decision.allowed or decision.via_link:
            self.outcome.skipped[decision.reason or "symlink"] += 1
            self._drop(path)
            return None
        try:
            status = os.lstat(f"{decision.root}/{path}")
        except OSError:
            self._drop(path)
            return None
        # Of a file this young a second write could share the stamp: it is read again next time.
        stamp = stamp_of(status) & STAMP_BITS if is_settled(status, time.time_ns()) else 0
        row = self._rows.get(path)
        if row and row.stamp == stamp and stamp and (row.blob or row.reason):
            self.outcome.seen.add(path)
            return None
        return self._read(decision, stamp, urgent)

    def _read(self, decision: Decision, stamp: int, urgent: bool) -> _Pending | None:
        source = read_decided(decision)
        path = decision.relative
        if isinstance(source, Skipped):
            if source.reason in GONE_REASONS:
                self._drop(path)
            else:
                self._keep(Item(path, 0, stamp, source.reason))
            return None
        language = detect(path, source.data[:HEAD_BYTES])
        item = Item(path, source.size, stamp, "", _key(source, language), source.data)
        return _Pending(item, language, urgent, self._turns[path])

    def _drop(self, path: str) -> None:
        self.outcome.seen.discard(path)
        if path in self._rows or self._turns[path] > 1:
            self._dropped.append(path)

    def _keep(self, item: Item) -> None:
        self.outcome.seen.add(item.path)
        self._ready.append(item)

    # --- extracting ---

    def _submit(self) -> None:
        """Hand over a batch, without what the store has from another branch or another path."""
        batch, self._batch = self._batch, []
        if not batch:
            return
        if self._rows:
            batch = [one for one in batch if not self._is_known(one)]
        if batch:
            jobs = [Job(one.item.path, one.language, one.item.data) for one in batch]
            urgent = any(one.urgent for one in batch)
            self._waiting[self._pool.submit(jobs, 0.0 if urgent else LEISURE)] = batch

    def _is_known(self, one: _Pending) -> bool:
        blob = self._library.store.known([one.item.key]).get(one.item.key, 0)
        record = self._library.store.record(blob) if blob else None
        if record is None:
            return False
        self._keep(one.item._replace(record=record))
        if one.urgent:
            self._hurry = True
            self._demand.read(one.item.path, FileRecord.from_bytes(record))
        return True

    def _collect(self, *, wait_for_one: bool) -> None:
        if not self._waiting:
            return
        done, _ = wait(self._waiting, FLUSH_S if wait_for_one else 0, FIRST_COMPLETED)
        for future in done:
            for one, result in zip(self._waiting.pop(future), future.result(), strict=True):
                self._take(one, result)

    def _take(self, one: _Pending, result: Result) -> None:
        if one.turn != self._turns[one.item.path]:
            return  # it was looked at again meanwhile
        self.outcome.extracted += 1
        if result.record is None:
            self._keep(one.item._replace(reason=result.reason, key="", data=b""))
            return
        self._keep(one.item._replace(record=result.record, found=result.found))
        if one.urgent:
            self._hurry = True
            self._demand.read(one.item.path, FileRecord.from_bytes(result.record))

    def _give_up(self) -> None:
        for future in self._waiting:
            future.cancel()
        self._waiting.clear()

    # --- writing ---

    def make_searchable(self, session: Session, cancel: Stop | None = None) -> None:
        """Catch up with what the search index lacks since a kill, or another server's writes."""
        for path, blob in self._library.store.unsearched().items():
            if cancel is not None and cancel.is_set():
                return  # the rest at the next pass
            if path in session.done:
                continue
            if not blob:
                session.put(path, 0, None)
                continue
            source = read_source(self._policy, os.path.join(self._root, path))  # noqa: PTH118
            record = self._library.store.record(blob)
            if isinstance(source, Source) and record is not None:
                key = _key(source, detect(path, source.data[:HEAD_BYTES]))
                if self._library.store.known([key]).get(key) == blob:
                    session.put(path, blob, Item(path, 0, 0, "", key, source.data, record))

    def _flush(self, session: Session) -> None:
        """Write what is ready, and tell."""
        self._hurry = False
        latest = {item.path: item for item in self._ready}
        gone = [path for path in dict.fromkeys(self._dropped) if path not in latest]
        self._ready, self._dropped = [], []
        self.outcome.gone.update(gone)
        if latest or gone:
            self._publish(session.write(list(latest.values()), gone), gone)


def _key(source: Source, language: str) -> str:
    """What a record is stored under: the same text in another language gives another record."""
    return f"{source.content_hash}.{language}"
