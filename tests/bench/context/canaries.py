# SPDX-License-Identifier: Apache-2.0
"""What makes a run worthless: answers that leak, a check that sees no leak, figures out of range.

In: an index of a sealed repository, cases, rows of results. Out: shares, and lines that say what is
wrong. It tunes nothing, and knows no table.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.bench.context import metrics, providers
from tests.bench.context.cases import words
from tests.bench.context.providers import Piece

if TYPE_CHECKING:
    from collections.abc import Sequence

    from indexer.index import Index
    from indexer.search import Hit
    from indexer.snapshot import Snapshot
    from tests.bench.context.cases import Case, Cut
    from tests.bench.context.counting import Counter

BUDGET = 1024
ORACLE_MIN, RANDOM_MAX = 0.6, 0.25
UNSEALED_CASES = 40  # of each repository, whose holes are left in on purpose
UNSEALED_MIN = 0.5  # the share of them in which the check must notice
OVERLAY_CASES = 12  # of each repository: every one is two updates of the index
OVERLAY_BUDGET = 8192
SETTLE_S = 60.0


def unsealed(cut: Cut, count: Counter) -> float:
    """The share of cases in which the check notices that the holes were left in."""
    repo = providers.Repo(cut.original)
    cases = cut.cases[:UNSEALED_CASES]
    noticed = 0
    for case in cases:
        own = [window for window in repo.windows if window.path == case.path]
        noticed += metrics.leaks(case, providers.pack(own, OVERLAY_BUDGET * 8, count))
    return noticed / len(cases) if cases else 1.0


class Overlay:
    """The whole file is saved, the cut one is in the editor: nothing saved may reach an answer."""

    def __init__(self, index: Index, cut: Cut, count: Counter) -> None:
        self._index, self._cut, self._count = index, cut, count
        self._texts = {path: words(text) for path, text in cut.original.items()}
        self._others = b"\0".join(cut.others.values())

    def run(self, names: Sequence[str]) -> dict[str, Any]:
        """Which answers leak, and how much they are as if nothing was saved (a mean of Jaccard).

        They need not be the same: how rare a word is in what is saved weighs in a search.
        `noticed`: cases whose answer a search finds before there is an overlay.
        """
        asked = [name for name in names if name in {"bm25", "ours"}]
        cases = self._cut.cases[:OVERLAY_CASES]
        result: dict[str, Any] = {"cases": len(cases), "noticed": 0, "leaks": [], "same": 0.0}
        for case in cases:
            clean = {name: self._ask(name, case) for name in asked}
            place = Path(self._index.root, case.path)
            sealed = place.read_bytes()
            place.write_bytes(self._cut.original[case.path].encode())
            self._index.update([case.path])
            result["noticed"] += self._is_found(case)
            for name in asked:
                for wait in (False, True):
                    pieces = self._ask(name, case, wait=wait)
                    if metrics.leaks(case, pieces) or self._own(case, pieces):
                        result["leaks"].append(f"{name}, {case.id}")
                result["same"] += _alike(pieces, clean[name]) / (len(asked) * len(cases))
            place.write_bytes(sealed)
            self._index.update([case.path])
        return result

    def _ask(self, name: str, case: Case, *, wait: bool = True) -> list[Piece]:
        """`wait`: until the index has come to rest; else at once, as at a key."""
        self._index.overlay(case.path, case.text)
        if wait:
            self._index.settle(SETTLE_S)
        snapshot = self._index.snapshot()
        if name == "ours":
            pieces = providers.ours(case, snapshot, OVERLAY_BUDGET, self._count)
        else:
            pieces = [
                _piece(snapshot, hit)
                for hit in snapshot.search(providers.terms(case), providers.HITS)
            ]
        self._index.overlay(case.path, None)
        return pieces

    def _is_found(self, case: Case) -> bool:
        terms = [(name, 1.0) for name in case.names]
        hits = self._index.snapshot().search(terms, providers.HITS)
        return any(hit.path == case.path for hit in hits)

    def _own(self, case: Case, pieces: Sequence[Piece]) -> bool:
        """Whether a piece has a name that stands nowhere but in the answer."""
        only = {
            name
            for name in words(case.truth) - words(case.text)
            if name.encode() not in self._others
            and not any(name in found for path, found in self._texts.items() if path != case.path)
        }
        return any(piece.path == case.path or only & words(piece.text) for piece in pieces)


def _alike(some: Sequence[Piece], others: Sequence[Piece]) -> float:
    union = {*some, *others}
    return len({*some} & {*others}) / len(union) if union else 1.0


def _piece(snapshot: Snapshot, hit: Hit) -> Piece:
    """What stands there, as the product would read it: the cursor's own file is not left out."""
    lines = snapshot.text(hit.path).decode("utf-8", "replace").split("\n")
    text = "\n".join(lines[hit.start_line - 1 : hit.end_line]) + "\n"
    return Piece(hit.path, hit.start_line, hit.end_line, text)


def problems(results: Sequence[dict[str, Any]]) -> list[str]:
    """What makes this run worthless, a line each."""
    rows = [row for result in results for row in result["rows"]]
    found = [*_means(rows), *_rows(rows)]
    for result in results:
        name, overlay = result["repository"], result["overlay"]
        if result["unsealed_noticed"] < UNSEALED_MIN:
            found.append(f"{name}: holes left in are not noticed")
        if overlay["cases"] and overlay["noticed"] < UNSEALED_MIN * overlay["cases"]:
            found.append(f"{name}: a search does not find what is saved, so it proves nothing")
        found += [f"{name}: saved text in an answer of {leak}" for leak in overlay["leaks"][:3]]
    return found


def _means(rows: Sequence[dict[str, Any]]) -> list[str]:
    found = []
    for name, low, high in (("oracle", ORACLE_MIN, 1.0), ("random", 0.0, RANDOM_MAX)):
        at = [r for r in rows if r["provider"] == name and r["budget"] == BUDGET and r["needs"]]
        mean = metrics.mean(at)
        if at and not low <= mean <= high:
            found.append(f"{name} brings {mean:.3f} at {BUDGET} tokens, not {low} to {high}")
    return found


def _rows(rows: Sequence[dict[str, Any]]) -> list[str]:
    found = []
    for what, bad in (
        ("the answer is in the pieces", [r for r in rows if r["leak"]]),
        ("a piece is of the cursor's own file", [r for r in rows if r["own_file"]]),
        ("more tokens than the budget", [r for r in rows if r["tokens"] > r["budget"]]),
    ):
        found += [f"{what}: {r['provider']} at {r['budget']}, {r['case']}" for r in bad[:3]]
        if len(bad) > 3:
            found.append(f"{what}: {len(bad)} of {len(rows)} answers")
    return found
