# SPDX-License-Identifier: Apache-2.0
"""Who says what a prompt should hold of other files: baselines, ours, and the oracle.

In: a `Case` and the sealed repository as `Repo`. Out: `Piece`s, the best first, for `pack` to cut
to a budget. None of them may look at the cursor's own file, nor at an answer; only the oracle does.
"""

from __future__ import annotations

import random
import re
from bisect import bisect_right
from itertools import zip_longest
from posixpath import dirname
from typing import TYPE_CHECKING, NamedTuple

from tests.bench.context.cases import WORD, words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from indexer.snapshot import Snapshot
    from tests.bench.context.cases import Case
    from tests.bench.context.counting import Counter

WINDOW_LINES = 64
STEP_LINES = 32  # from one window to the next
QUERY_LINES = 60  # before the cursor, for the Jaccard windows
BEFORE_LINES, AFTER_LINES = 15, 8  # for BM25
HITS = 60
RANDOM_WINDOWS = 60
ORACLE_LINES = 24  # of one definition
_PART = re.compile(r"[A-Za-z][a-z]+|[A-Z]+(?![a-z])|\d+")


class Piece(NamedTuple):
    path: str
    start_line: int
    end_line: int
    text: str


class Repo:
    """A sealed repository in memory: its files of the language, cut into windows."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self.texts = texts
        self.lines = {path: text.split("\n") for path, text in texts.items()}
        self.windows: list[Piece] = []
        for path, lines in self.lines.items():
            self.windows += _windows(path, lines)
        self.bags = [bag(window.text) for window in self.windows]

    def piece(self, path: str, start: int, end: int) -> Piece:
        return Piece(path, start, end, "\n".join(self.lines[path][start - 1 : end]) + "\n")


def _windows(path: str, lines: list[str]) -> Iterable[Piece]:
    last = max(len(lines) - WINDOW_LINES, 0)
    for start in sorted({*range(0, last + 1, STEP_LINES), last}):
        text = "\n".join(lines[start : start + WINDOW_LINES])
        yield Piece(path, start + 1, min(start + WINDOW_LINES, len(lines)), text + "\n")


def bag(text: str) -> frozenset[str]:
    """Identifiers and the words they are made of, in lower case."""
    names = words(text)
    return frozenset(
        {n.lower() for n in names} | {p.lower() for n in names for p in _PART.findall(n)}
    )


def ranked(name: str, case: Case, repo: Repo, snapshot: Snapshot) -> list[Piece]:
    """What one of the simpler ways would take, the best first."""
    if name == "random":
        return random_windows(repo, case)
    if name == "same-directory":
        return same_directory(repo, case)
    if name == "jaccard":
        return jaccard(repo, case)
    if name == "bm25":
        return bm25(repo, case, snapshot)
    return oracle(repo, case, snapshot)


def random_windows(repo: Repo, case: Case) -> list[Piece]:
    chance = random.Random(case.id)
    chosen = chance.sample(repo.windows, min(RANDOM_WINDOWS, len(repo.windows)))
    return _apart(p for p in chosen if p.path != case.path)


def same_directory(repo: Repo, case: Case) -> list[Piece]:
    """Windows of the files beside this one: the first of each, then the second of each, ..."""
    files: dict[str, list[Piece]] = {}
    folder = dirname(case.path)
    for piece in repo.windows:
        if dirname(piece.path) == folder and piece.path != case.path:
            files.setdefault(piece.path, []).append(piece)
    rounds = zip_longest(*files.values())
    return _apart(piece for group in rounds for piece in group if piece is not None)


def jaccard(repo: Repo, case: Case) -> list[Piece]:
    """Windows that share most words with the lines before the cursor."""
    before = case.text[: case.offset].split("\n")[-QUERY_LINES:]
    query = bag("\n".join(before))
    scored = []
    for at, (window, names) in enumerate(zip(repo.windows, repo.bags, strict=True)):
        if window.path != case.path and names:
            both = len(query & names)
            scored.append((-both / (len(query) + len(names) - both), at))
    scored.sort()
    return _apart(repo.windows[at] for _, at in scored[: 4 * HITS])


def bm25(repo: Repo, case: Case, snapshot: Snapshot) -> list[Piece]:
    hits = snapshot.search(terms(case), HITS, {case.path})
    return [
        repo.piece(hit.path, hit.start_line, hit.end_line) for hit in hits if hit.path in repo.texts
    ]


def terms(case: Case) -> list[tuple[str, float]]:
    """The words around the cursor, as a query."""
    before = case.text[: case.offset].split("\n")[-BEFORE_LINES:]
    after = case.text[case.offset :].split("\n")[:AFTER_LINES]
    return list(dict.fromkeys(WORD.findall("\n".join((*before, *after))), 1.0).items())


def oracle(repo: Repo, case: Case, snapshot: Snapshot) -> list[Piece]:
    """The definitions of the names that are needed, the shortest first."""
    found = []
    for name in case.needs:
        places = definitions(snapshot, name)
        spans = [
            (path, start, min(end, start + ORACLE_LINES - 1))
            for path, start, end, _ in places
            if path in repo.texts and path != case.path
        ]
        if spans:
            found.append(repo.piece(*min(spans, key=lambda s: (s[2] - s[1], s))))
    return sorted(dict.fromkeys(found), key=lambda piece: len(piece.text))


def definitions(snapshot: Snapshot, name: str) -> list[tuple[str, int, int, int]]:
    """(path, first line, last line, line of the name) of everything with this name."""
    found = []
    for path in snapshot.defining(name, 50):
        record = snapshot.record(path)
        found += [
            (path, symbol.start_line, symbol.end_line, symbol.name_line)
            for symbol in (record.symbols if record else ())
            if symbol.name == name
        ]
    return found


def ours(case: Case, snapshot: Snapshot, budget: int, count: Callable[[str], int]) -> list[Piece]:
    """What the product would take: in its own order, already within the budget."""
    from indexer.context import Cursor, gather  # noqa: PLC0415  under test, like the others

    context = gather(snapshot, Cursor(case.path, case.line, case.col, case.text), budget, count)
    return [Piece(p.path, p.start_line, p.end_line, p.text) for p in context.pieces]


def _apart(pieces: Iterable[Piece]) -> list[Piece]:
    """Without those that overlap a better one."""
    kept: list[Piece] = []
    taken: dict[str, list[tuple[int, int]]] = {}
    for piece in pieces:
        spans = taken.setdefault(piece.path, [])
        at = bisect_right(spans, (piece.start_line, 1 << 30))
        before = spans[at - 1][1] if at else 0
        after = spans[at][0] if at < len(spans) else 1 << 30
        if before < piece.start_line and piece.end_line < after:
            spans.insert(at, (piece.start_line, piece.end_line))
            kept.append(piece)
    return kept


def pack(pieces: Sequence[Piece], budget: int, count: Counter) -> list[Piece]:
    """The best pieces that fit. The first that does not is cut at its end, by whole lines."""
    kept = []
    for piece in pieces:
        cost = count.piece(piece.path, piece.text)
        if cost > budget:
            if (rest := _shortened(piece, budget, count)) is not None:
                kept.append(rest)
            break
        kept.append(piece)
        budget -= cost
    return kept


def _shortened(piece: Piece, budget: int, count: Counter) -> Piece | None:
    lines = piece.text.splitlines(keepends=True)
    low, high = 0, len(lines)
    while low < high:
        middle = (low + high + 1) // 2
        if count.piece(piece.path, "".join(lines[:middle])) <= budget:
            low = middle
        else:
            high = middle - 1
    text = "".join(lines[:low])
    return Piece(piece.path, piece.start_line, piece.start_line + low - 1, text) if low else None
