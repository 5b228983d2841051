# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: PTH112, PTH114, PTH117, PTH118  paths are strings here, as in files.py
"""The index of one repository: opened warm, brought up to date, asked through snapshots.

In: a root, a cache folder; paths that changed, buffers not yet saved. Out: `Snapshot`s, `Report`s.
Everything here blocks and may be called from any thread; asking never waits for writing.
It knows no LSP, no model and no loop.
"""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections import Counter
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from indexer import usage_of_process as usage
from indexer.demand import Demand
from indexer.feed import Feed
from indexer.files import list_files
from indexer.languages import detect
from indexer.library import Library, wipe
from indexer.policy import IGNORE_FILE, Policy, read_ignore_lines
from indexer.refresh import Run
from indexer.search import SearchError
from indexer.snapshot import NO_OVERLAYS, Overlay, Report, Snapshot
from indexer.store import Damaged, FileRow, StoreError, store_name
from indexer.types import FileRecord
from indexer.workers import Job, Pool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from typing_extensions import Self

    from indexer.refresh import Outcome

MAX_WORKERS = 4  # more would take the cores that the model needs
PROBLEMS_MAX = 20
URGENT_MAX = 50  # files written at once that somebody may be waiting for; more is a bulk
_POLICY_NOTE = "policy"
_RULE_FILES = frozenset({".gitignore", IGNORE_FILE})


class Index:
    """See the module. Close it, so that the next start can trust what it finds."""

    def __init__(
        self,
        root: str | os.PathLike[str],
        cache: str | os.PathLike[str],
        excludes: Iterable[str] = (),
        workers: int | None = None,
    ) -> None:
        """Open what is known of `root`; nothing of the repository is read but its ignore file."""
        self.root = os.path.realpath(root)
        self._cache = Path(cache)
        self._excludes = tuple(excludes)
        self._workers = workers or min(os.cpu_count() or 1, MAX_WORKERS)
        self._state = threading.Lock()
        self._turn = threading.Lock()  # of the one that writes
        self._late: set[str] = set()
        self._demand: Demand | None = None
        self._wanted: list[str] = []
        self._pool: Pool | None = None
        self._closed = False
        self._policy = Policy.load([self.root], self._excludes)
        self._library, problem = Library.open(self._cache, self.root)
        self._problems = [problem] if problem else []
        self._overlays: Mapping[str, Overlay] = NO_OVERLAYS
        self._files: dict[str, FileRow] = self._trusted_rows()
        self._report = Report(warm=bool(self._files), problems=tuple(self._problems))
        self._told = False
        self._feed = Feed(_Live(self), self._project_file)

    def _trusted_rows(self) -> dict[str, FileRow]:
        """What was known at the last end; nothing, if other files may be read now than then."""
        try:
            if self._library.store.note(_POLICY_NOTE) == self._policy_digest():
                return self._library.store.files()
        except StoreError:
            self._make_anew("the index could not be read")
        return {}

    def _policy_digest(self) -> str:
        try:
            lines = read_ignore_lines(self.root, IGNORE_FILE)
        except OSError:
            lines = []
        rules = repr((self._excludes, lines))
        return hashlib.blake2b(rules.encode("utf-8", "replace"), digest_size=16).hexdigest()

    # --- asking ---

    def snapshot(self) -> Snapshot:
        """What is known now. Costs nothing."""
        with self._state:
            return Snapshot(
                self.root,
                MappingProxyType(self._files),
                self._overlays,
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

        Raises PoolClosed where no worker can be started.
        """
        with self._turn:
            started, cpu = time.perf_counter(), usage.cpu_seconds()
            warm = bool(self._files)
            outcome = self._mended(lambda: self._refresh(first, cancel, progress))
            seconds, cpu = time.perf_counter() - started, usage.cpu_seconds() - cpu
            report = self._measured(outcome, seconds, cpu, warm=warm)
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
        self._policy = Policy.load([self.root], self._excludes)
        rows = self._library.store.files()
        self._show_only(rows)
        self._feed.tell(chosen := [self._relative(path) for path in first], urgent=True)
        self._tell_once()
        if not rows:
            self._wake_workers()
        demand = Demand(list_files(self.root), chosen)
        outcome = self._run(demand, rows, cancel, progress, bulk=not rows)
        if outcome.complete:
            self._library.store.set_note(_POLICY_NOTE, self._policy_digest())
            self._library.store.collect()
        return outcome

    def _run(
        self,
        demand: Demand,
        rows: Mapping[str, FileRow],
        cancel: threading.Event | None = None,
        progress: Callable[[int, int], None] | None = None,
        *,
        bulk: bool = False,
        whole: bool = True,
    ) -> Outcome:
        """One pass. With `whole`, rows that it does not come across are dropped."""
        library = self._library
        run = Run(
            root=self.root,
            policy=self._policy,
            library=library,
            pool=self._workers_pool(),
            workers=self._workers,
            rows=rows,
            demand=demand,
            publish=self._publish,
        )
        with self._state:
            self._demand, wanted = demand, self._wanted
        demand.prefer(wanted)
        self._feed.hold()
        try:
            with library.session(bulk=bulk) as session:
                outcome = run.go(session, cancel, progress)
                if whole and outcome.complete:
                    gone = list(rows.keys() - outcome.seen - outcome.gone)
                    if gone:
                        self._publish(session.write([], gone), gone)
                    run.make_searchable(session)
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
            self._library, before, self._files = library, self._files, {}
        self._feed.tell(before)

    def prefer(self, paths: Iterable[str]) -> None:
        """The user has moved: these, what they import and their folders come next."""
        chosen = [self._relative(path) for path in paths]
        with self._state:
            self._wanted = chosen  # for a refresh that is still listing
            demand = self._demand
        if demand is not None:
            demand.prefer(chosen)
        self._feed.tell([path for path in chosen if path in self._files], urgent=True)

    def update(self, paths: Iterable[str]) -> None:
        """These files or folders have changed, or are new, or gone.

        While a refresh is under way it is told, and this returns at once.
        """
        changed = {self._relative(path) for path in paths}
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
        unknown = {path for path in changed if path not in rows or self._is_folder(path)}
        chosen = changed - unknown
        if unknown:
            # Only a listing knows what is ignored; it takes 0.1 s for 50,000 files.
            chosen |= _below(list_files(self.root), unknown) | _below(rows, unknown)
        demand = Demand(sorted(chosen), sorted(chosen))
        return self._run(demand, rows, whole=False)

    # --- unsaved buffers ---

    def overlay(self, path: str, text: str | None) -> bool:
        """What the editor holds instead of what is on the disk; None: it is as on the disk.

        False where the policy does not let this file be read: then nothing is kept of it.
        """
        relative = self._relative(path)
        overlay = None
        if text is not None and self._policy.decide(os.path.join(self.root, relative)).allowed:
            overlay = self._extracted(relative, text.encode("utf-8", "replace"))
        with self._state:
            overlays = {p: o for p, o in self._overlays.items() if p != relative}
            if overlay is not None:
                overlays[relative] = overlay
            self._overlays = MappingProxyType(overlays)
        self._feed.tell([relative], urgent=True)
        return text is None or overlay is not None

    def _extracted(self, path: str, data: bytes) -> Overlay:
        language = detect(path, data)
        (result,) = self._workers_pool().submit([Job(path, language, data)], -1.0).result()
        if result.record is None:
            return Overlay(data, FileRecord(language, "D", problems=(result.reason,)))
        return Overlay(data, FileRecord.from_bytes(result.record))

    # --- the rest ---

    def close(self) -> None:
        """End the workers, close the store. May be called twice."""
        self._closed = True
        self._feed.close()
        if self._pool is not None:
            self._pool.close()
        with self._turn:
            self._library.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _publish(self, rows: Mapping[str, FileRow], gone: Iterable[str]) -> None:
        """New rows, for snapshots from now on; the ones that are out keep theirs."""
        files = {**self._files, **rows}
        for path in gone:
            files.pop(path, None)
        with self._state:
            self._files = files
        self._feed.tell([*rows, *gone], urgent=len(rows) <= URGENT_MAX)

    def _show_only(self, rows: Mapping[str, FileRow]) -> None:
        """Another server may have written since we opened."""
        with self._state:
            self._files = {path: row for path, row in rows.items() if path in self._files}

    def _workers_pool(self) -> Pool:
        with self._state:
            if self._pool is None:
                self._pool = Pool(self._workers)
            return self._pool

    def _wake_workers(self) -> None:
        """They take a third of a second to start; that is as long as a listing."""
        for _ in range(self._workers):
            self._workers_pool().submit([Job("", "text", b"\n")])

    def _tell_once(self) -> None:
        """What was known at the start; not told before somebody wants more than a quick answer."""
        if not self._told:
            self._told = True
            self._feed.tell(self._files)

    def settle(self, timeout_s: float = 60.0) -> bool:
        """Wait until the resolver knows all that the index knows. False where it does not yet."""
        self._tell_once()
        return self._feed.wait(timeout_s)

    def _project_file(self, path: str) -> bytes | None:
        return self.snapshot().text(path) or None

    def _relative(self, path: str) -> str:
        """As listed: relative to the root, with forward slashes."""
        if os.path.isabs(path):
            path = os.path.relpath(path, self.root)
        return path.replace(os.sep, "/")

    def _is_folder(self, path: str) -> bool:
        place = os.path.join(self.root, path)
        return os.path.isdir(place) and not os.path.islink(place)

    def _measured(self, outcome: Outcome, seconds: float, cpu: float, *, warm: bool) -> Report:
        totals = self._library.store.totals()
        return Report(
            files=totals.files,
            skipped=dict(outcome.skipped + Counter(totals.skipped)),
            symbols=totals.symbols,
            references=totals.references,
            imports=totals.imports,
            chunks=totals.chunks,
            languages=totals.languages,
            seconds=seconds,
            cpu_seconds=cpu,
            db_bytes=self._library.size_bytes(),
            peak_rss_mb=usage.peak_rss_mb(),
            warm=warm,
            complete=outcome.complete,
            extracted=outcome.extracted,
            problems=(*self._policy.problems, *self._problems),
        )


class _Live:
    """What the resolver asks: always the present state."""

    def __init__(self, index: Index) -> None:
        self._index = index

    def record(self, path: str) -> FileRecord | None:
        return self._index.snapshot().record(path)

    def text(self, path: str) -> bytes | None:
        return self._index.snapshot().text(path) or None

    def defining(self, name: str) -> list[str]:
        return self._index.snapshot().defining(name)


def _below(paths: Iterable[str], asked: set[str]) -> set[str]:
    """Those of the paths that were asked for, or are in a folder that was."""
    return {path for path in paths if path in asked or not asked.isdisjoint(_folders(path))}


def _folders(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[:at]) for at in range(1, len(parts))]
