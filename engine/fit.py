# SPDX-License-Identifier: Apache-2.0
"""Figures from many noisy measurements, such that odd ones do not matter.

In: requests as (depth, tokens, milliseconds). Out: coefficients of a sum that gives their times.
Requests of about the same depth and length share a cell that keeps its last few; only the median of
a cell counts, so that a cold first request or a busy moment is one of several. Cells that are no
longer fed fade. Knows nothing of what is measured.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

CELL_KEEPS = 7  # requests of a cell; up to three odd ones do not matter
LEAST_IN_CELL = 3  # fewer tell nothing: the first one is cold
FADE_REQUESTS = 40  # a cell counts half when so many requests went to others: a busy minute ends
PRIOR_WEIGHT = 0.05  # of a prior point against a full cell: it decides where nothing is measured
# While a machine becomes busy some cells are new, some old: the fit must not take that for depth.
FARTHEST = 5.0  # a figure keeps so nearly the proportion to the others that it had before
SWEEPS = 60  # of the fit; four figures settle in fewer


def product(coefficients: Sequence[float], row: Sequence[float]) -> float:
    """The sum of each coefficient times its place in the row."""
    return sum(one * other for one, other in zip(coefficients, row, strict=True))


@dataclass(frozen=True, slots=True)
class Point:
    """A request, and what it counts."""

    depth: int
    tokens: int
    ms: float
    weight: float = 1.0


@dataclass(slots=True)
class _Cell:
    """The last requests of about the same depth and length."""

    last: deque[Point] = field(default_factory=lambda: deque(maxlen=CELL_KEEPS))
    fed: int = 0  # when: the number of the request


class Cells:
    """Requests by depth and length, each in octaves: at most some two hundred cells."""

    def __init__(self) -> None:
        self._cells: dict[tuple[int, int], _Cell] = {}
        self._count = 0

    def add(self, depth: int, tokens: int, ms: float) -> None:
        self._count += 1
        where = (depth.bit_length(), tokens.bit_length())
        cell = self._cells.setdefault(where, _Cell())
        cell.last.append(Point(depth, tokens, ms))
        cell.fed = self._count

    def points(self) -> list[Point]:
        """The median request of each cell that has enough of them."""
        cells = [cell for cell in self._cells.values() if len(cell.last) >= LEAST_IN_CELL]
        return [replace(_middle(cell.last), weight=self._weight(cell)) for cell in cells]

    def _weight(self, cell: _Cell) -> float:
        age = (self._count - cell.fed) / FADE_REQUESTS
        return len(cell.last) / CELL_KEEPS * math.pow(0.5, age)


def _middle(points: Sequence[Point]) -> Point:
    ordered = sorted(points, key=lambda point: point.ms / point.tokens)
    return ordered[(len(ordered) - 1) // 2]


def fit(
    points: list[Point],
    known: tuple[float, ...],
    row: Callable[[int, int], tuple[float, ...]],
    places: tuple[tuple[int, int], ...],
) -> tuple[float, ...]:
    """Coefficients with the least relative error over the points.

    At `places` the `known` ones have a say too, as slow as the points are against them: so what
    was not measured keeps its proportion to what was.
    """

    def cost(depth: int, tokens: int) -> float:
        return product(known, row(depth, tokens))

    if not points:
        return known
    slower = _median((at.ms / cost(at.depth, at.tokens), at.weight) for at in points)
    priors = [
        Point(depth, tokens, slower * cost(depth, tokens), PRIOR_WEIGHT) for depth, tokens in places
    ]
    rows = [(_over(row(at.depth, at.tokens), at.ms), at.weight) for at in (*points, *priors)]
    return _least_squares(rows, [slower * value for value in known])


def _median(weighted: Iterable[tuple[float, float]]) -> float:
    """The value in the middle of the weight."""
    ordered = sorted(weighted)
    half = sum(weight for _, weight in ordered) / 2
    for value, weight in ordered:
        half -= weight
        if half <= 0:
            return value
    return ordered[-1][0]


def _least_squares(
    rows: list[tuple[tuple[float, ...], float]], start: list[float]
) -> tuple[float, ...]:
    """The x for which every row's product is as near to 1 as can be: coordinate by coordinate.

    From `start`, so that what the rows leave open stays there, and within FARTHEST of it.
    """
    each = range(len(start))
    gram = [[sum(w * row[i] * row[j] for row, w in rows) for j in each] for i in each]
    wanted = [sum(w * row[i] for row, w in rows) for i in each]
    found = list(start)
    for _ in range(SWEEPS):
        for i in each:
            if gram[i][i] > 0:
                rest = sum(gram[i][j] * found[j] for j in each if j != i)
                best = (wanted[i] - rest) / gram[i][i]
                found[i] = min(max(best, start[i] / FARTHEST), start[i] * FARTHEST)
    return tuple(found)


def _over(row: tuple[float, ...], ms: float) -> tuple[float, ...]:
    return tuple(value / ms for value in row)
