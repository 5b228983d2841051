# SPDX-License-Identifier: Apache-2.0
"""Where pieces for a prompt come from: each function looks in one direction.

In: a snapshot, the path of the file at the cursor, clues. Out: excerpts with scores, and evidence
for names. Nothing of the cursor's own file. It knows no budget.
"""

from __future__ import annotations

from math import log
from typing import TYPE_CHECKING, NamedTuple

from indexer.scopes import FUNCTIONS, OWNERS
from indexer.selection import Excerpt, names_in
from indexer.skeletons import outline, skeleton

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from indexer.clues import Clues
    from indexer.likely import Evidence
    from indexer.snapshot import Snapshot
    from indexer.types import FileRecord

    Pool = list[tuple[Excerpt, frozenset[str]]]

FUNCTION_MIN_LINES, FUNCTION_MAX_LINES = 3, 48
PARAGRAPH_MIN_LINES, PARAGRAPH_MAX_LINES = 6, 15
LINES_ON = 3  # so far behind a line like the one just typed may stand what comes next
WINDOW, PARAGRAPH = "similar window", "similar paragraph"
NEAR_WEIGHT = 0.1  # of a use whose definition is worth looking up: some 27 lines away
TARGETS_MAX, TYPES_MAX = 3, 2  # of one use: more are guesses
IMPORTED_SCORE = 0.2  # of what is imported and not used near the cursor
JOURNAL_LINES = 8  # around an edit outside of any function
PAIR_SCORE = 0.3


def definitions(snapshot: Snapshot, path: str, clues: Clues, evidence: Evidence) -> Pool:
    """Skeletons of what the names near the cursor mean, in other files."""
    found: dict[tuple[str, int], tuple[float, str]] = {}
    for where, at, score, why in _meanings(snapshot, path, clues):
        key = (where, _owner(snapshot, where, at))
        if where != path and (key not in found or found[key][0] < score):
            found[key] = (score, why)
    pool: Pool = []
    for (where, at), (score, why) in found.items():
        record = snapshot.record(where)
        if record is None or at >= len(record.symbols):
            continue
        made = skeleton(record, at) if at >= 0 else outline(record)
        lines = (made.start_line, made.end_line)
        names = names_in(made.text) - clues.visible
        evidence.definition(made.text, names, score)
        pool.append((Excerpt("definition", where, *lines, made.text, score, why), names))
    return pool


def _meanings(snapshot: Snapshot, path: str, clues: Clues) -> list[tuple[str, int, float, str]]:
    """Files and symbols with scores: what is used near the cursor, receivers' types, imports."""
    found = [*_typed(snapshot, path, clues), *_used(snapshot, path, clues)]
    if all(where == path for where, *_ in found):
        return []  # nothing here points out of the file: imports would be noise
    for each in snapshot.resolver.imports(path):
        if each.path is not None:
            at = -1 if each.symbol is None else each.symbol
            why = f"imported as {each.imported.alias}"
            found.append((each.path, at, IMPORTED_SCORE * each.score, why))
    return found


def _typed(snapshot: Snapshot, path: str, clues: Clues) -> Iterator[tuple[str, int, float, str]]:
    """The types of what stands before the dot or the bracket that is being typed."""
    for name in filter(None, (clues.receiver, clues.called)):
        types = snapshot.resolver.receiver_type(path, name, clues.offset, guess=False)
        for where, at in types[:TYPES_MAX]:
            yield where, at, 1.0, f"type of {name}"


def _used(snapshot: Snapshot, path: str, clues: Clues) -> Iterator[tuple[str, int, float, str]]:
    """Definitions of the names near the cursor, and the types of their receivers."""
    resolver = snapshot.resolver
    for use, weight in clues.uses:
        if weight < NEAR_WEIGHT:
            return  # they come nearest first
        targets = resolver.definition(path, use, guess=False)[:TARGETS_MAX]
        for target in targets:
            yield target.path, target.symbol, weight * target.score, f"defines {use.name}"
        if use.receiver and not targets:
            types = resolver.receiver_type(path, use.receiver, use.start, guess=False)
            for where, at in types[:TYPES_MAX]:
                yield where, at, weight, f"type of {use.receiver}"


def _owner(snapshot: Snapshot, path: str, at: int) -> int:
    """The type around a member: its other members are likely to be wanted, too."""
    record = snapshot.record(path) if at >= 0 else None
    if record is None or at >= len(record.symbols):
        return at
    parent = record.symbols[at].parent
    return parent if parent >= 0 and record.symbols[parent].kind in OWNERS else at


class _Window(NamedTuple):
    """A hit with its text. Identifiers are by line where parts of it may be pieces."""

    path: str
    first: int
    last: int
    score: float
    lines: list[str]
    names: list[frozenset[str]]  # of each line, or of all in one

    def part(self, first: int, last: int) -> tuple[str, frozenset[str]]:
        """Text and identifiers of some of its lines."""
        start, stop = first - self.first, last - self.first + 1
        names = self.names if len(self.names) == 1 else self.names[start:stop]
        return "\n".join(self.lines[start:stop]) + "\n", frozenset[str]().union(*names)


def analogies(
    snapshot: Snapshot, path: str, clues: Clues, evidence: Evidence, *, limit: int, whole: int
) -> Pool:
    """So many windows that speak of the same things as the lines at the cursor.

    The functions and paragraphs of the best `whole` of them are pieces, too.
    """
    windows = list(_windows(snapshot, path, clues, limit, whole))
    rarity = _rarity(clues, windows)
    folder = path.rpartition("/")[0]
    pool: Pool = []
    shares: list[tuple[float, frozenset[str]]] = []
    for window in windows:
        for first, last, why in _parts(snapshot, window):
            text, all_names = window.part(first, last)
            names = all_names - clues.visible
            if why == WINDOW:
                same = window.path.rpartition("/")[0] == folder
                evidence.window(text, names, window.score, same_folder=same)
            elif why == PARAGRAPH:
                shares.append((sum([rarity[name] for name in rarity if name in all_names]), names))
            piece = Excerpt("analogy", window.path, first, last, text, window.score, why)
            pool.append((piece, names))
    best = max((share for share, _ in shares), default=0.0) or 1.0
    for share, names in shares:
        evidence.paragraph(names, share / best)
    _follow(clues, windows, rarity, evidence)
    return pool


def _windows(
    snapshot: Snapshot, path: str, clues: Clues, limit: int, whole: int
) -> Iterator[_Window]:
    hits = snapshot.search(clues.words, limit, (path,))
    texts: dict[str, list[bytes]] = {}
    for at, hit in enumerate(hits):
        if hit.path not in texts:
            texts[hit.path] = snapshot.known_text(hit.path).split(b"\n")
        text = b"\n".join(texts[hit.path][hit.start_line - 1 : hit.end_line])
        lines = text.decode("utf-8", "replace").split("\n")
        if text.strip():
            names = lines if at < whole else ["\n".join(lines)]
            score = hit.score / hits[0].score
            last = hit.start_line + len(lines) - 1
            yield _Window(hit.path, hit.start_line, last, score, lines, list(map(names_in, names)))


def _rarity(clues: Clues, windows: Sequence[_Window]) -> dict[str, float]:
    """Of each word of the query: its weight, more where few of the windows have it."""
    wanted = dict(clues.words)
    held = dict.fromkeys(wanted, 0)
    for window in windows:
        for name in frozenset[str]().union(*window.names) & wanted.keys():
            held[name] += 1
    return {name: wanted[name] * log(1 + len(windows) / (1 + held[name])) for name in wanted}


def _follow(
    clues: Clues, windows: Sequence[_Window], rarity: dict[str, float], evidence: Evidence
) -> None:
    """What stands on, or just behind, lines like those that have just been typed."""
    wanted = {word: rarity[word] * share for word, share in clues.typed if word in rarity}
    most = sum(wanted.values())
    for window in windows if most else ():
        if len(window.names) == 1:
            return  # names are not known by line from here on
        shares = [sum([wanted[word] for word in wanted if word in line]) for line in window.names]
        for at, names in enumerate(window.names):
            share = max(shares[max(0, at - LINES_ON) : at + 1])
            if share:
                evidence.following(names, share / most)


def _parts(snapshot: Snapshot, window: _Window) -> Iterator[tuple[int, int, str]]:
    """The window; functions that are in it whole, and its paragraphs."""
    yield window.first, window.last, WINDOW
    record = snapshot.record(window.path) if len(window.names) > 1 else None
    if record is None:
        return
    for symbol in record.symbols:
        size = symbol.end_line - symbol.start_line + 1
        inside = window.first <= symbol.start_line and symbol.end_line <= window.last
        if inside and symbol.kind in FUNCTIONS and FUNCTION_MIN_LINES <= size <= FUNCTION_MAX_LINES:
            yield symbol.start_line, symbol.end_line, "similar function"
    start = window.first
    for line in range(window.first, window.last + 1):
        size = line - start + 1
        blank = not window.lines[line - window.first].strip()
        end = line == window.last
        if end or (blank and size > PARAGRAPH_MIN_LINES) or size > PARAGRAPH_MAX_LINES:
            yield start, line, PARAGRAPH
            start = line + 1


def journal(
    snapshot: Snapshot,
    path: str,
    visits: Iterable[tuple[str, int]],
    clues: Clues,
    evidence: Evidence,
) -> Pool:
    """What the user has just edited or looked at in other files: `visits`, the latest first."""
    pool: Pool = []
    for age, (where, line) in enumerate(visits):
        record, text = snapshot.record(where), snapshot.text(where).decode("utf-8", "replace")
        lines = text.split("\n")
        if where == path or record is None or not 0 < line <= len(lines):
            continue
        first, last = _around(record, line, len(lines))
        body = "\n".join(lines[first - 1 : last]) + "\n"
        piece = Excerpt("journal", where, first, last, body, 1 / (2 + age), "edited lately")
        names = names_in(body) - clues.visible
        evidence.definition(body, names, piece.score)
        pool.append((piece, names))
    return pool


def _around(record: FileRecord, line: int, count: int) -> tuple[int, int]:
    """The function around a line, else some lines."""
    for symbol in reversed(record.symbols):
        size = symbol.end_line - symbol.start_line + 1
        holds = symbol.start_line <= line <= symbol.end_line
        if holds and symbol.kind in FUNCTIONS and size <= FUNCTION_MAX_LINES:
            return symbol.start_line, symbol.end_line
    return max(1, line - JOURNAL_LINES), min(count, line + JOURNAL_LINES)


def pairs(snapshot: Snapshot, path: str, clues: Clues, evidence: Evidence) -> Pool:
    """The outline of the tests of this file, or of what this file tests."""
    pool: Pool = []
    for where in _paired(path):
        record = snapshot.record(where) if where != path else None
        if record is not None:
            made = outline(record)
            lines, why = (made.start_line, made.end_line), "tests and tested"
            names = names_in(made.text) - clues.visible
            evidence.definition(made.text, names, PAIR_SCORE)
            piece = Excerpt("definition", where, *lines, made.text, PAIR_SCORE, why)
            pool.append((piece, names))
    return pool


def _paired(path: str) -> list[str]:
    """Where the tests of a file, or the tested file, would be by the customs of its language."""
    folder, _, name = path.rpartition("/")
    stem, dot, suffix = name.partition(".")
    parent = folder.rpartition("/")[0]
    names = [f"test_{stem}.{suffix}", f"{stem}_test.{suffix}", f"{stem}Test.{suffix}"]
    names += [f"{stem}.test.{suffix}", f"{stem}.spec.{suffix}", f"{stem}_spec.{suffix}"]
    for mark in ("test_", "_test", "_spec", "Test"):
        if stem.startswith(mark) or stem.endswith(mark):
            names.append(f"{stem.removeprefix(mark).removesuffix(mark)}.{suffix}")
    for mark in ("test.", "spec."):
        if suffix.startswith(mark):
            names.append(f"{stem}.{suffix.removeprefix(mark)}")
    twin = folder.replace("/main/", "/?/").replace("/test/", "/main/").replace("/?/", "/test/")
    near = (folder, f"{folder}/tests", f"{folder}/__tests__", parent, f"{parent}/tests")
    folders = dict.fromkeys((*near, "tests", twin))
    return [f"{place}/{name}".lstrip("/") for place in folders for name in names if dot]
