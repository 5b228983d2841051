# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: PTH117, PTH118  paths are strings here, as in files.py
"""The index of one repository: opened warm, brought up to date, asked through snapshots.

In: a root, a cache folder; paths that changed, buffers not yet saved. Out: `Snapshot`s, `Report`s.
Everything here blocks and may be called from any thread; asking never waits for writing.
It knows no LSP, no model and no loop.
"""

from __future__ import annotations

import os
import threading
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from indexer import ahead
from indexer import usage_of_process as usage
from indexer.demand import Demand
from indexer.feed import Feed
from indexer.library import Library, wipe
from indexer.overlays import Overlays
from indexer.policy import IGNORE_FILE, Policy, rules_digest
from indexer.refresh import Either, Outcome, Run
from indexer.reports import measured
from indexer.rows import NO_ROWS
from indexer.search import SearchError
from indexer.snapshot import Report, Snapshot
from indexer.store import Damaged, StoreError, store_name
from indexer.survey import Survey, touched
from indexer.workers import Job, Pool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from typing_extensions import Self

    from indexer.demand import Find
    from indexer.library import Session
    from indexer.parse import Around
    from indexer.rows import FileRow, Rows
    from indexer.types import FileRecord
    from indexer.workers import Result

PROBLEMS_MAX = 20
LOOK_S = 0.2  # how long a request to stop may wait for a listing
TYPING_S = 1.0  # after a key: a pause in typing is longer
URGENT_MAX = 50  # files written at once that somebody may be waiting for; more is a bulk
POLICY_NOTE = "policy"  # under which rules the store was filled
_PURGE_NOTE = "purge"
_RULE_FILES = frozenset({".gitignore", IGNORE_FILE})


class Index:
    """See the module. Close it, so that the next start can trust what it finds."""

    def __init__(
        self,
        root: str | os.PathLike[str],
        cache: str | os.PathLike[str],
        excludes: Iterable[str] = (),
        workers: int | None = None,
        pool: Pool | None = None,
    ) -> None:
        """Open what is known of `root`; nothing of the repository is read but its ignore file.

        pool: workers that were started ahead (`ahead.pool`); they end with this index.
        """
        self.root = os.path.realpath(root)
        self._cache = Path(cache)
        self._excludes = tuple(excludes)
        self._workers = workers or ahead.worker_count()
        self._state = threading.Lock()
        self._turn = threading.Lock()  # of the one that writes
        self._late: set[str] = set()
        self._demand: Demand | None = None
        self._wanted: list[str] = []  # what the user looks at
        self._news = threading.Event()  # the user has moved, or there is a listing
        self._outdated = threading.Event()  # the rules have changed since the pass under way began
        self._pool = pool
        self._closed = False
        self._policy = Policy.load([self.root], self._excludes)
        self._library, problem = Library.open(self._cache, self.root)
        self._problems = [problem] if problem else []
        self._files = self._trusted_rows()
        self._report = Report(warm=bool(self._files), problems=tuple(self._problems))
        self._feed = Feed(self.snapshot, lambda: self._library)
        self._overlays = Overlays(self._extract, self._tell_edited)

    def _trusted_rows(self) -> Rows:
        """What was known at the last end; nothing, if other files may be read now than then."""
        try:
            if self._library.store.note(POLICY_NOTE) == self._policy_digest():
                return self._library.store.blobs()
        except StoreError:
            self._make_anew("the index could not be read")
        return NO_ROWS

    def _policy_digest(self) -> str:
        return rules_digest(self.root, self._excludes)

    # --- asking ---

    def snapshot(self) -> Snapshot:
        """What is known now. Costs nothing."""
        with self._state:
            return Snapshot(
                self.root,
                self._files,
                self._overlays.view,
                self._report,
                self._feed,
                self._library,
                self._policy,
                self._decode,
            )

    def _decode(self, library: Library, path: str, blob: int) -> FileRecord | None:
        """A record; one that turns out to be damaged is made again, if nobody else is writing."""
        try:
            record = library.record(blob)
        except (StoreError, ValueError):
            return None
        if record is not None or library is not self._library:
            return record
        self.update([path])
        with self._state:
            row = self._files.get(path)
        return library.record(row.blob) if row is not None and row.blob != blob else None

    # --- bringing up to date ---

    def refresh(
        self,
        progress: Callable[[int, int], None] | None = None,
        first: Iterable[str] = (),
        cancel: threading.Event | None = None,
    ) -> Report:
        """Bring the index to what is on the disk. Waits for a refresh under way to end.

        `progress` hears of 0 of 0 when the listing begins: what is `first` is known then.
        Raises PoolClosed where no worker can be started.
        """
        with self._turn:
            started, cpu = time.perf_counter(), usage.cpu_seconds()
            warm = bool(self._files)
            outcome = self._mended(lambda: self._refresh(first, cancel, progress))
            seconds, cpu = time.perf_counter() - started, usage.cpu_seconds() - cpu
            problems = (*self._policy.problems, *self._problems)
            report = measured(self._library, outcome, seconds, cpu, warm, problems)
            with self._state:
                self._report = report
        self._catch_up()
        return report

    def _refresh(
        self,
        first: Iterable[str],
        cancel: threading.Event | None,
        progress: Callable[[int, int], None] | None,
    ) -> Outcome:
        if not self._library.sound():
            raise Damaged("the index is not what was written")
        self._outdated.clear()
        self._policy = Policy.load([self.root], self._excludes)
        rows = self._library.store.files()
        self._show_only(rows)
        self._want([self._relative(path) for path in first])
        self._feed.compare()
        survey = self._look_around(rows, cancel, progress)
        if survey is None:
            return Outcome()
        demand = Demand(survey.paths(), (), self._finder())
        survey.tell_recent(demand.soon)
        outcome = self._run(demand, rows, cancel, progress, bulk=not rows)
        if outcome.complete:
            self._library.store.set_note(POLICY_NOTE, self._policy_digest())
            self._library.store.collect()
        return outcome

    def _forget(self, session: Session, *, gone: bool) -> None:
        """S1: what rules of today refuse is not kept either, not even until it is overwritten."""
        store = self._library.store
        rules = store.note(POLICY_NOTE)
        if gone and rules and rules != self._policy_digest():
            store.set_note(_PURGE_NOTE, "due")  # a kill in the midst does not forget it
        if store.note(_PURGE_NOTE) == "due" and session.purge():
            store.set_note(_PURGE_NOTE, "")

    def _look_around(
        self,
        rows: Rows,
        cancel: threading.Event | None,
        progress: Callable[[int, int], None] | None,
    ) -> Survey | None:
        """Until the root is listed: what the user looks at and what that imports, as they move.

        None where we are told to stop.
        """
        survey: Survey | None = None
        done: list[str] = []
        while not (self._closed or (cancel is not None and cancel.is_set())):
            self._news.clear()
            listed = survey is not None and survey.is_listed()
            with self._state:
                wanted = self._wanted
            if wanted != done:
                done = wanted
                near = Demand(None, wanted, self._finder())
                self._run(near, rows, cancel, whole=False, tell=False)
            if survey is None:  # not before: it would take the interpreter from what is waited for
                if progress is not None:
                    progress(0, 0)
                if not rows:
                    ahead.wake(self._workers_pool(), self._workers)
                survey = Survey(self.root, self._news.set, recent=not rows)
            elif listed:
                return survey
            self._news.wait(LOOK_S)
        return None

    def _finder(self) -> Find:
        # Not imported for a first answer, which needs no resolution: a warm start is short.
        from indexer.nearby import find  # noqa: PLC0415

        return partial(find, self.root, self._policy)

    def _run(
        self,
        demand: Demand,
        rows: Mapping[str, FileRow],
        cancel: threading.Event | None = None,
        progress: Callable[[int, int], None] | None = None,
        *,
        bulk: bool = False,
        whole: bool = True,
        tell: bool = True,
    ) -> Outcome:
        """One pass. With `whole`, rows that it does not come across are dropped.

        tell: the resolver hears at once of the files that somebody waits for; else afterwards.
        """
        library = self._library
        run = Run(
            root=self.root,
            policy=self._policy,
            library=library,
            pool=self._workers_pool(),
            workers=self._workers,
            rows=rows,
            demand=demand,
            publish=partial(self._publish, tell=tell),
        )
        with self._state:
            self._demand, wanted = demand, self._wanted
        demand.prefer(wanted)
        self._feed.hold()
        try:
            with library.session(bulk=bulk) as session:
                stop = Either(cancel, self._outdated)
                outcome = run.go(session, stop, progress)
                if whole and outcome.complete:
                    # What was found before there was a list may be what git ignores.
                    gone = list({*rows, *self._files} - outcome.seen - outcome.gone)
                    # What was known under other rules, or came from another server.
                    found = outcome.seen - self._files.keys()
                    known = {path: rows[path] for path in found if path in rows}
                    if gone:
                        session.write([], gone)
                    if gone or known:
                        self._publish(known, gone)
                    self._forget(session, gone=bool(gone or outcome.gone))
                    run.make_searchable(session, stop)
        finally:
            self._feed.release()
            self._demand = None
        return outcome

    def _mended(self, work: Callable[[], Outcome]) -> Outcome:
        """Do it; if what is stored is damaged, once more with a new store; else in memory."""
        try:
            return work()
        except Damaged as error:
            self._make_anew(str(error))
        except (StoreError, SearchError, OSError) as error:
            self._use_memory(str(error))
        try:
            return work()
        except (StoreError, SearchError, OSError) as error:
            self._use_memory(str(error))
        return work()

    def _make_anew(self, problem: str) -> None:
        self._library.close(clean=False)
        try:
            wipe(self._cache / store_name(self.root))
        except OSError as error:
            problem = f"{problem}; {error}"
        library, more = Library.open(self._cache, self.root)
        self._replace(library, f"{problem}; {more}" if more else problem)

    def _use_memory(self, problem: str) -> None:
        self._library.close(clean=False)
        self._replace(Library(None, self.root), f"{problem}; the index is kept in memory")

    def _replace(self, library: Library, problem: str) -> None:
        self._problems = [*self._problems, problem][-PROBLEMS_MAX:]
        with self._state:
            self._library, before, self._files = library, self._files, NO_ROWS
        self._feed.tell(before)

    def prefer(self, paths: Iterable[str]) -> None:
        """The user has moved: these, what they import and their folders come next. Reads records.

        Of no effect on a pass under way but its order; before one, on what it begins with.
        """
        chosen = [self._relative(path) for path in paths]
        self._want(chosen)
        self._news.set()
        with self._state:
            demand = self._demand
        if demand is None:
            return
        demand.prefer(chosen)
        known = self.snapshot()
        for path in chosen:
            record = known.record(path)
            if record is not None:
                demand.read(path, record)

    def exclude(self, excludes: Iterable[str]) -> None:
        """Other rules of the user: what they refuse is in no answer from here on.

        A pass under way gives up; `refresh` takes what is refused out of what is stored.
        """
        self._excludes = tuple(excludes)
        self._obey()

    def _obey(self) -> None:
        """Take the rules as they are now. S4: within a second, in the midst of a long pass too."""
        policy = Policy.load([self.root], self._excludes)
        with self._state:
            self._policy = policy
            self._outdated.set()
            known = [*self._files, *self._overlays.view]
        places = [os.path.join(self.root, path) for path in known]
        decisions = zip(known, policy.decide_all(places), strict=True)
        refused = {path for path, decision in decisions if not decision.allowed}
        with self._state:
            self._files = self._files.changed({}, refused)
        self._overlays.drop(refused)
        self._feed.tell(refused, urgent=True)

    def _want(self, chosen: list[str]) -> None:
        if chosen:
            with self._state:
                self._wanted = chosen
            self._feed.tell([path for path in chosen if path in self._files], urgent=True)

    def update(self, paths: Iterable[str]) -> None:
        """These files or folders have changed, or are new, or gone.

        While a refresh is under way it is told, and this returns at once.
        """
        changed = {self._relative(path) for path in paths}
        if IGNORE_FILE in changed:
            self._obey()
        with self._state:
            self._late |= changed
            demand = self._demand
            known = [path for path in changed if path in self._files]
        if demand is not None:
            for path in known:
                demand.again(path)
        self._catch_up()

    def _catch_up(self) -> None:
        """Do what was asked for while somebody was writing. Who holds the turn will come here."""
        while self._late and not self._closed and self._turn.acquire(blocking=False):
            try:
                with self._state:
                    changed, self._late = self._late, set()
                self._mended(lambda changed=changed: self._update(changed))  # type: ignore[misc]
            finally:
                self._turn.release()

    def _update(self, changed: set[str]) -> Outcome:
        if any(path.rpartition("/")[2] in _RULE_FILES for path in changed):
            return self._refresh((), None, None)
        rows = self._library.store.files() if not self._files else self._files
        chosen = touched(self.root, changed, rows)
        return self._run(Demand(chosen, chosen), rows, whole=False)

    # --- unsaved buffers ---

    def overlay(self, path: str, text: str | None) -> bool:
        """What the editor holds instead of what is on the disk; None: it is as on the disk.

        False where the policy does not let this file be read: then nothing is kept of it.
        """
        if self._pool is not None:
            self._pool.calm(TYPING_S)
        relative = self._relative(path)
        place = os.path.join(self.root, relative)
        allowed, shown = text is not None and self._policy.decide(place).allowed, True
        if text is not None and allowed:
            shown = self._overlays.put(relative, text.encode("utf-8", "replace"))
            allowed = self._policy.decide(place).allowed  # the rules may have changed meanwhile
        if not allowed:
            self._overlays.drop([relative])
        if shown or not allowed:
            self._tell_edited(relative)
        return text is None or allowed

    def _tell_edited(self, path: str) -> None:
        """At every key, though the edges seldom change: the resolver keeps offsets of the text.

        It works out nothing then but whether names and imports are the same (0.4 ms for 5,000
        lines, behind everything else); keys that come meanwhile are one to it.
        """
        self._feed.tell([path], urgent=True)

    def _extract(self, language: str, data: bytes, around: Around | None) -> Result:
        job = Job("", language, data, tuple(around or ()))
        (result,) = self._workers_pool().submit([job], -1.0).result()
        return result

    # --- the rest ---

    def close(self) -> None:
        """End the workers, close the store. May be called twice."""
        self._closed = True
        self._feed.close()
        if self._pool is not None:
            self._pool.close()
        self._overlays.close()
        with self._turn:
            self._library.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _publish(
        self, rows: Mapping[str, FileRow], gone: Iterable[str], *, tell: bool = True
    ) -> None:
        """New rows, for snapshots from now on; the ones that are out keep theirs."""
        gone = list(gone)
        with self._state:
            if self._outdated.is_set():  # read by rules of before: what is refused is out already
                rows = {path: row for path, row in rows.items() if path in self._files}
            self._files = self._files.changed(rows, gone)
        self._feed.tell([*rows, *gone], urgent=tell and len(rows) <= URGENT_MAX)

    def _show_only(self, rows: Rows) -> None:
        """Another server may have written since we opened."""
        with self._state:
            self._files = rows.only(self._files)

    def _workers_pool(self) -> Pool:
        with self._state:
            if self._pool is None:
                self._pool = Pool(self._workers)
            return self._pool

    def settle(self, timeout_s: float = 60.0) -> bool:
        """Wait until the resolver knows all that the index knows. False where it does not yet."""
        self._feed.compare()
        return self._overlays.wait(timeout_s) and self._feed.wait(timeout_s)

    def _relative(self, path: str) -> str:
        """As listed: relative to the root, with forward slashes."""
        if os.path.isabs(path):
            path = os.path.relpath(path, self.root)
        return path.replace(os.sep, "/")
