# SPDX-License-Identifier: Apache-2.0
"""Where the frames of a trace are in the repository as it is now.

In: traces as text has them, a snapshot. Out: a `Spot` for each frame, inside with its function or
outside, and which functions may be at fault, the likeliest first. Paths are compared by their
ends: a trace comes from any machine. Knows no model.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from indexer import languages
from indexer.graph import COMMON_NAMES
from indexer.scopes import FUNCTIONS
from indexer.traces import Frame
from lsp_server.actions.naming import is_test

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from indexer.snapshot import Snapshot
    from indexer.traces import Trace
    from indexer.types import FileRecord, Reference, Symbol

SUSPECTS_MAX = 8
CALLED_MAX = 4  # functions that a failed test calls
SURE_PARTS = 2  # a folder and a name that agree say enough; a name alone needs the function, too
NAME_MIN_CHARS = 4  # shorter names are everywhere

# Libraries and runtimes: whatever they hold, it is not this repository.
_OUTSIDE = re.compile(
    r"(?:^|/)(?:(?:site|dist)-packages|node_modules|lib/python\d[\d.]*|\.cargo/registry|"
    r"rustc/[0-9a-f]+|pkg/mod|go/src/(?:runtime|testing|net|reflect|sync)|gems|jdk[.\w]*)/"
    r"|^(?:node:|<|/usr/(?:lib|local/(?:lib|go))/|internal/)"
)
_SCHEME = re.compile(
    r"^(?:file://(?:localhost)?|webpack(?:-internal)?://[^/]*/|https?://[^/]+)(?:\([\w-]+\)/)?"
)
_ASSERTION = re.compile(r"assert|comparisonfail|expectation", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Spot:
    """A frame with what it means here. Outside of the repository `path` is ""."""

    frame: Frame
    path: str = ""
    function: Symbol | None = None  # None at the top of a file, too
    how: str = "outside"  # path, name, called: from a test that failed
    owner: str = ""  # the type that the function is a member of, where its name is not enough

    @property
    def inside(self) -> bool:
        return bool(self.path)

    @property
    def name(self) -> str:
        """Of the function, as the repository has it; else as the trace has it."""
        name = self.function.name if self.function else self.frame.function or "<module>"
        return f"{self.owner}.{name}" if self.owner else name

    @property
    def line(self) -> int:
        """Where the frame is; where it cannot be any more, where its function begins."""
        known = self.function
        if known is None or known.start_line <= self.frame.line <= known.end_line:
            return self.frame.line
        return known.name_line


def resolve(traces: Sequence[Trace], snapshot: Snapshot) -> tuple[Spot, ...]:
    """Each frame of each trace, in their order."""
    written = {normal(frame.path) for trace in traces for frame in trace.frames}
    wanted = {path.rpartition("/")[2] for path in written}
    by_base: dict[str, list[str]] = defaultdict(list)
    for path in snapshot.paths():
        if (base := path.rpartition("/")[2]) in wanted:
            by_base[base].append(path)
    return tuple(
        _spot(frame, trace.language, by_base, snapshot)
        for trace in traces
        for frame in trace.frames
    )


def suspects(
    traces: Sequence[Trace], spots: Sequence[Spot], snapshot: Snapshot
) -> tuple[Spot, ...]:
    """Functions of the repository that may be at fault, each once, the likeliest first.

    That is the innermost one, but where an assertion of a test fails: what the test has called.
    """
    inside = [spot for spot in spots if spot.inside]
    found: list[Spot] = []
    if inside and is_test(inside[0].path) and _is_assertion(traces[0]):
        found += _called(inside[0], snapshot)
    unique: dict[tuple[str, str, int], Spot] = {}
    for spot in (*found, *inside):
        start = spot.function.start if spot.function else -1
        unique.setdefault((spot.path, spot.name, start), spot)
    few = list(unique.values())[:SUSPECTS_MAX]
    return tuple(_told_apart(spot, few, snapshot) for spot in few)


def normal(path: str) -> str:
    """A written path with forward slashes, without scheme, query and `./`."""
    path = _SCHEME.sub("", path.replace("\\", "/")).partition("?")[0]
    while path.startswith(("./", "../")):
        path = path.partition("/")[2]
    return path


def function_around(record: FileRecord, line: int, name: str = "") -> Symbol | None:
    """The innermost function around a line; with a name, the nearest one that has it."""
    functions = [symbol for symbol in record.symbols if symbol.kind in FUNCTIONS]
    around = [symbol for symbol in functions if symbol.start_line <= line <= symbol.end_line]
    named = [symbol for symbol in functions if name and symbol.name == name]
    of_both = [symbol for symbol in around if symbol in named]
    if of_both or not named:
        return max(of_both or around, key=lambda symbol: symbol.start, default=None)
    return min(named, key=lambda symbol: abs(symbol.start_line - line))


def _told_apart(spot: Spot, others: Sequence[Spot], snapshot: Snapshot) -> Spot:
    """With its owner, where another function has the same name."""
    record = snapshot.record(spot.path)
    alike = sum(other.name == spot.name for other in others) > 1
    if not alike or record is None or spot.function is None or spot.function.parent < 0:
        return spot
    return replace(spot, owner=record.symbols[spot.function.parent].name)


def _spot(
    frame: Frame, language: str, by_base: Mapping[str, Sequence[str]], snapshot: Snapshot
) -> Spot:
    path, root = normal(frame.path), snapshot.root.replace("\\", "/")
    if path.startswith(f"{root}/") and snapshot.record(path[len(root) + 1 :]) is not None:
        return _inside(frame, path[len(root) + 1 :], "path", snapshot)
    if _OUTSIDE.search(path):
        return Spot(frame)
    found = _by_path(frame, path, by_base.get(path.rpartition("/")[2], ()), snapshot)
    if found:
        return _inside(frame, found, "path", snapshot)
    found = _by_name(frame, language, snapshot)
    return _inside(frame, found, "name", snapshot) if found else Spot(frame)


def _inside(frame: Frame, path: str, how: str, snapshot: Snapshot) -> Spot:
    record = snapshot.record(path)
    return Spot(
        frame, path, function_around(record, frame.line, frame.name) if record else None, how
    )


def _by_path(frame: Frame, path: str, candidates: Iterable[str], snapshot: Snapshot) -> str:
    """The file whose path ends as this one does for longest; "" where that is not one."""
    scored = {candidate: _common(path, candidate) for candidate in candidates}
    best = [candidate for candidate, parts in scored.items() if parts == max(scored.values())]
    fitting = [candidate for candidate in best if _defines(candidate, frame.name, snapshot)]
    if len(best) == 1:
        sure = scored[best[0]] >= SURE_PARTS or "/" not in path or fitting or not frame.name
        return best[0] if sure else ""
    return fitting[0] if len(fitting) == 1 else ""


def _common(one: str, other: str) -> int:
    """How many of the last parts of two paths agree."""
    count = 0
    for a, b in zip(reversed(one.split("/")), reversed(other.split("/")), strict=False):
        if a != b:
            break
        count += 1
    return count


def _defines(path: str, name: str, snapshot: Snapshot) -> bool:
    record = snapshot.record(path)
    return record is not None and any(symbol.name == name for symbol in record.symbols)


def _by_name(frame: Frame, language: str, snapshot: Snapshot) -> str:
    """The one file of the language that defines a function of an uncommon name, else ""."""
    if len(frame.name) < NAME_MIN_CHARS or frame.name in COMMON_NAMES:
        return ""
    paths = [path for path in snapshot.defining(frame.name, 20) if _speaks(path, language)]
    return paths[0] if len(paths) == 1 and not is_test(paths[0]) else ""


def _speaks(path: str, language: str) -> bool:
    spoken = languages.detect(path)
    return spoken == language or (language, spoken) in {
        ("javascript", "typescript"),
        ("javascript", "tsx"),
        ("java", "kotlin"),
    }


def _is_assertion(trace: Trace) -> bool:
    return _ASSERTION.search(trace.error) is not None or (
        trace.error == "panic" and trace.message.startswith("assertion")
    )


def _called(test: Spot, snapshot: Snapshot) -> list[Spot]:
    """What a test has called up to the line that failed, that line's own first."""
    record, around = snapshot.record(test.path), test.function
    if record is None or around is None:
        return []
    calls = [
        use
        for use in record.references
        if use.kind == "call" and around.start <= use.start < around.end and use.line <= test.line
    ]
    calls.sort(key=lambda use: (-use.line, use.start))
    found: dict[tuple[str, str], Spot] = {}
    for use in calls:
        for path, symbol in _definitions(test.path, use, snapshot):
            frame = Frame(path, symbol.name_line, symbol.name, symbol.name)
            found.setdefault((path, symbol.name), Spot(frame, path, symbol, "called"))
        if len(found) >= CALLED_MAX:
            break
    return list(found.values())[:CALLED_MAX]


def _definitions(path: str, use: Reference, snapshot: Snapshot) -> Iterator[tuple[str, Symbol]]:
    """The function that a call means, outside of tests."""
    targets = snapshot.resolver.definition(path, use, guess=True)
    for target in targets[:1]:
        record = snapshot.record(target.path)
        if record is None or is_test(target.path) or target.symbol < 0:
            continue
        symbol = record.symbols[target.symbol]
        if symbol.kind in FUNCTIONS and symbol.name == use.name:
            yield target.path, symbol
