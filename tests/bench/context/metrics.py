# SPDX-License-Identifier: Apache-2.0
"""What pieces bring of what a case needs, and figures over many cases with their uncertainty.

In: cases, pieces, rows of results. Out: numbers. It knows no provider and no repository.
"""

from __future__ import annotations

import random
import statistics
from typing import TYPE_CHECKING, Any

from tests.bench.context.cases import squeezed, words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from tests.bench.context.cases import Case
    from tests.bench.context.providers import Piece

DRAWS = 1000  # of the bootstrap
Definition = tuple[str, int, int, int]  # path, first line, last line, line of the name


def brought(names: Iterable[str], pieces: Sequence[Piece]) -> list[str]:
    """The names that stand in the pieces as whole identifiers."""
    standing = frozenset().union(*(words(piece.text) for piece in pieces))
    return [name for name in names if name in standing]


def defined(places: Mapping[str, Sequence[Definition]], pieces: Sequence[Piece]) -> list[str]:
    """The names whose line of definition is within a piece."""
    return [
        name
        for name, spots in places.items()
        if any(
            piece.path == path
            and piece.start_line <= line <= piece.end_line
            and name in words(piece.text)
            for path, _, _, line in spots
            for piece in pieces
        )
    ]


def leaks(case: Case, pieces: Sequence[Piece]) -> bool:
    """Whether the answer stands in a piece: it stands nowhere in what was indexed."""
    return any(case.print in squeezed(piece.text) for piece in pieces)


def interval(values: Sequence[tuple[str, float]], draws: int = DRAWS) -> tuple[float, float, float]:
    """Mean and 95 % bounds of (cluster, value); clusters are drawn whole."""
    clusters: dict[str, list[float]] = {}
    for cluster, value in values:
        clusters.setdefault(cluster, []).append(value)
    if not clusters:
        return (float("nan"),) * 3
    groups, chance = [(sum(g), len(g)) for g in clusters.values()], random.Random(1)
    means = []
    for _ in range(draws):
        drawn = chance.choices(groups, k=len(groups))
        means.append(sum(s for s, _ in drawn) / sum(n for _, n in drawn))
    means.sort()
    mean = statistics.fmean(value for _, value in values)
    return mean, means[int(draws * 0.025)], means[int(draws * 0.975)]


def percentile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)] if ordered else float("nan")


def table(rows: Sequence[dict[str, Any]], providers: Sequence[str], budgets: Sequence[int]) -> str:
    """A Markdown table: two lines a provider: names that are needed, and any; its cost."""
    middle = 1024 if 1024 in budgets else budgets[len(budgets) // 2]
    head = ["provider", "names", *map(short, budgets), f"95 % at {short(middle)}", *_COLUMNS]
    lines = [_line(head), "|---" * len(head) + "|"]
    for provider in providers:
        mine = [row for row in rows if row["provider"] == provider]
        at = [row for row in mine if row["budget"] == middle]
        for label, key, of in RECALLS:
            recalls = [mean((r for r in mine if r["budget"] == b), key, of) for b in budgets]
            _, low, high = interval([(r["cluster"], r[key]) for r in at if r[of]])
            cost = _cost(at) if key == "recall" else [""] * len(_COLUMNS)
            name = provider if key == "recall" else ""
            bounds = f"{low:.2f}-{high:.2f}"
            lines.append(_line([name, label, *(f"{r:.3f}" for r in recalls), bounds, *cost]))
    return "\n".join(lines)


def margins(
    rows: Sequence[dict[str, Any]], budgets: Sequence[int], aims: Mapping[int, float]
) -> str:
    """How far `ours` is above `jaccard` on the same cases, with bounds, and whether that is enough.

    `aims`: recalls by budget; without any, ours is to be AIM_MARGIN above, where there is room.
    """
    head = ["ours above jaccard", *map(short, budgets)]
    lines = [_line(head), "|---" * len(head) + "|"]
    for label, key, of in RECALLS:
        cells = []
        for budget in budgets:
            by_case = {
                name: {r["case"]: r for r in rows if _is(r, name, budget) and r[of]}
                for name in ("ours", "jaccard")
            }
            ours, other = by_case["ours"], by_case["jaccard"]
            pairs = [(r["cluster"], r[key] - other[c][key]) for c, r in ours.items() if c in other]
            above, low, high = interval(pairs)
            mine, theirs = mean(ours.values(), key, of), mean(other.values(), key, of)
            aim = aims.get(budget) if aims else _aim(theirs)
            cells.append(f"{above:+.3f} ({low:+.2f} to {high:+.2f}) {verdict(mine, aim)}".strip())
        lines.append(_line([label, *cells]))
    return "\n".join(lines)


def verdict(recall: float, aim: float | None) -> str:
    if aim is None:
        return ""
    return f"{'PASS' if recall >= aim else 'MISS'} {aim:.2f}"


def _aim(jaccard: float) -> float | None:
    """None where the simpler way leaves no room."""
    return None if jaccard >= AIM_MOST else min(jaccard + AIM_MARGIN, AIM_MOST)


def short(budget: int) -> str:
    return str(budget) if budget < 1000 else f"{budget // 1024}k"


def _is(row: dict[str, Any], provider: str, budget: int) -> bool:
    return bool(row["provider"] == provider and row["budget"] == budget)


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cost(rows: Sequence[dict[str, Any]]) -> list[str]:
    shares = [f"{mean(rows, key, of):.3f}" for key, of in _SHARES]
    tokens = f"{statistics.fmean(r['tokens'] for r in rows):.0f}" if rows else "-"
    return [
        *shares,
        tokens,
        *(f"{percentile([r['ms'] for r in rows], s):.1f}" for s in (0.5, 0.95)),
    ]


RECALLS = (("needed", "recall", "needs"), ("any", "recall_any", "elsewhere"))
AIM_MARGIN, AIM_MOST = 0.10, 0.90  # of ours above jaccard; what can be asked for at most
_COLUMNS = ("definitions", "near", "tokens", "p50 ms", "p95 ms")
# Of which cases each share is a mean: those that have something to bring.
_SHARES = (("definitions", "needs"), ("recall_near", "needs_near"))


def mean(rows: Iterable[dict[str, Any]], key: str = "recall", of: str = "needs") -> float:
    values = [row[key] for row in rows if row[of]]
    return statistics.fmean(values) if values else float("nan")


def share(part: Sequence[Any], whole: Sequence[Any] | Mapping[Any, Any]) -> float:
    return len(part) / len(whole) if whole else 0.0


def timed(clock: Callable[[], float], started: float) -> float:
    return (clock() - started) * 1000
