# SPDX-License-Identifier: Apache-2.0
"""A repository as it was known at one moment, to be asked by anybody for as long as they like.

In: paths, names, words. Out: records, symbols, references, windows, text. The rows and unsaved
buffers do not change; records are kept under the hash of their content. An answer that belongs to
a later or earlier state of a file is dropped: there may be fewer answers, never wrong ones.
It knows no LSP, and does not write.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from indexer.files import Source, read_source
from indexer.ranking import match_rank
from indexer.search import Hit, SearchError
from indexer.store import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from indexer.feed import Feed
    from indexer.files import Skipped
    from indexer.graph import Resolver
    from indexer.library import Library
    from indexer.policy import Policy
    from indexer.rows import Rows
    from indexer.types import FileRecord, Reference, Symbol

NAMES_MAX = 2_000  # candidates that are ranked for a fuzzy query
WINDOWS_A_REFERENCE = 2  # windows looked at for each reference wanted: some are comments


class Found(NamedTuple):
    """A symbol and the file it is in."""

    path: str
    symbol: Symbol


@dataclass(frozen=True, slots=True)
class Report:
    """What an index holds and what it cost. Times in seconds, sizes of the disk in bytes."""

    files: int = 0  # with a record
    skipped: Mapping[str, int] = field(default_factory=dict)
    symbols: int = 0
    references: int = 0
    imports: int = 0
    chunks: int = 0
    languages: Mapping[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    cpu_seconds: float = 0.0  # of this process and its workers
    db_bytes: int = 0
    peak_rss_mb: float = 0.0  # of this process
    warm: bool = False  # there was something to start from
    complete: bool = False  # false before the first look at the disk, or when it was cancelled
    extracted: int = 0  # files that had to be parsed
    problems: tuple[str, ...] = ()  # lines for the user


@dataclass(frozen=True, slots=True)
class Overlay:
    """An unsaved buffer: its text, and its record as soon as there is one."""

    data: bytes
    record: FileRecord


@dataclass(frozen=True, slots=True)
class Snapshot:
    """See the module. Paths are relative to the root, with forward slashes."""

    root: str
    files: Rows
    overlays: Mapping[str, Overlay]
    report: Report
    _feed: Feed
    _library: Library
    _policy: Policy
    _decode: Callable[[Library, str, int], FileRecord | None]

    @property
    def resolver(self) -> Resolver:
        """Of the present, not of this moment: it is told of changes soon after they are known."""
        return self._feed.resolver

    def paths(self) -> list[str]:
        """Every file that has a record, in order."""
        return sorted({*self.files.blobs(), *self.overlays})

    def versions(self) -> dict[str, int]:
        """Every file that has a record, with `version` of it."""
        return {**self.files.blobs(), **dict.fromkeys(self.overlays, 0)}

    def version(self, path: str) -> int:
        """A number that stands for a file's record; 0 for one that is not kept on the disk."""
        return 0 if path in self.overlays else self.files.blob(path)

    def record(self, path: str) -> FileRecord | None:
        """What is known of a file; None where nothing is."""
        overlay = self.overlays.get(path)
        if overlay is not None:
            return overlay.record
        blob = self.files.blob(path)
        return self._decode(self._library, path, blob) if blob else None

    def text(self, path: str) -> bytes:
        """A file's text as UTF-8: the unsaved buffer, else what is on the disk now.

        b"" where the file is gone or may not be read.
        """
        overlay = self.overlays.get(path)
        if overlay is not None:
            return overlay.data
        source = self.saved(path)
        return source.data if isinstance(source, Source) else b""

    def known_text(self, path: str) -> bytes:
        """The text that `record` is about. For looking into many files: it may be remembered."""
        overlay = self.overlays.get(path)
        if overlay is not None:
            return overlay.data
        blob = self.files.blob(path)
        return self._library.texts.get(path, blob, lambda: self.text(path)) if blob else b""

    def saved(self, path: str) -> Source | Skipped:
        """A file as it is on the disk now, or why it is not read."""
        return read_source(self._policy, f"{self.root}/{path}")

    def symbols(self, query: str, limit: int = 100) -> list[Found]:
        """Definitions by name: exact, then such as begin so, then such as hold its letters."""
        found: list[Found] = []
        for name in self._names(query, limit):
            found += self._defining(name, limit - len(found))
            if len(found) >= limit:
                break
        return found

    def _names(self, query: str, limit: int) -> Iterable[str]:
        """Lazily: an exact answer that suffices costs no scan."""
        if not query:
            return
        yield query
        seen = {query}
        begin, like = self._library.store.names_from, self._library.names_like
        mine = {s.name for overlay in self.overlays.values() for s in overlay.record.symbols}
        for ask in (begin, like):
            try:
                names = set(ask(query, NAMES_MAX))
            except StoreError:
                names = set()
            ranked = {
                name: rank
                for name in names | mine
                if name not in seen and (rank := match_rank(query, name)) is not None
            }
            if ask == begin:
                ranked = {name: rank for name, rank in ranked.items() if name.startswith(query)}
            yield from sorted(ranked, key=lambda name: (ranked[name], name))[:limit]
            seen |= ranked.keys()

    def defining(self, name: str, limit: int = 1000) -> list[str]:
        """Files that define a name, in order."""
        try:
            rows = self._library.store.defining(name, limit + len(self.overlays))
        except StoreError:
            rows = []
        paths = [path for path, blob in rows if self._holds(path, blob)]
        paths += [path for path in self.overlays if self._has_symbol(path, name)]
        return sorted(paths)

    def _defining(self, name: str, limit: int) -> list[Found]:
        found: list[Found] = []
        for path in self.defining(name, limit):
            record = self.record(path)
            found += [Found(path, s) for s in (record.symbols if record else ()) if s.name == name]
            if len(found) >= limit:
                break
        return found[:limit]

    def _has_symbol(self, path: str, name: str) -> bool:
        return any(symbol.name == name for symbol in self.overlays[path].record.symbols)

    def references(self, name: str, limit: int = 1000) -> list[tuple[str, Reference]]:
        """Uses of a name, file by file; in no particular order of files, but always the same."""
        found = [
            (p, r)
            for p in sorted(self.overlays)
            for r in self.overlays[p].record.references.named(name)
        ]
        for path in dict.fromkeys(hit.path for hit in self._using(name, limit)):
            if len(found) >= limit:
                break
            record = self.record(path)
            if record is not None:
                found += [(path, reference) for reference in record.references.named(name)]
        return found[:limit]

    def _using(self, name: str, limit: int) -> list[Hit]:
        try:
            hits = self._library.search.using(name, limit * WINDOWS_A_REFERENCE)
        except SearchError:
            return []
        return [hit for hit in hits if self._holds(hit.path, hit.blob)]

    def search(
        self,
        terms: Sequence[tuple[str, float]],
        limit: int = 20,
        exclude_paths: Iterable[str] = (),
    ) -> list[Hit]:
        """Windows of files that speak of these identifiers and words, best first.

        Files with unsaved buffers are left out: the windows of what was saved are no longer so.
        """
        excluded = frozenset(exclude_paths) | self.overlays.keys()
        try:
            hits = self._library.search.query(terms, limit, excluded)
        except SearchError:
            return []
        return [hit for hit in hits if self._holds(hit.path, hit.blob)]

    def _holds(self, path: str, blob: int) -> bool:
        """Whether the saved file at a path is what this answer is about."""
        return bool(blob) and self.files.blob(path) == blob and path not in self.overlays


NO_OVERLAYS: Mapping[str, Overlay] = MappingProxyType({})
