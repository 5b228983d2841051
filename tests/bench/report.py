# SPDX-License-Identifier: Apache-2.0
"""What a bench says: figures with what was measured, on what, how often, and the aim it has.

In: values. Out: one line of JSON a figure on stdout, which `tests.bench.run` gathers; and the same
as rows of a Markdown table. This module measures nothing and knows no bench.
"""

from __future__ import annotations

import json
import statistics
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

HEAD = "| what | on | figure | aim | | how |\n|---|---|---|---|---|---|"


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured value. `value` is None where it could not be measured; `note` says why."""

    what: str
    data: str  # which files or texts, and how many
    value: float | None
    unit: str = ""
    aim: float | None = None  # in the same unit
    at_least: bool = False  # the aim is a floor; else a ceiling
    note: str = ""  # how often, which statistic, what stands beside it

    @property
    def verdict(self) -> str:
        """PASS or MISS against the aim; empty where there is none or nothing was measured."""
        if self.value is None or self.aim is None:
            return ""
        good = self.value >= self.aim if self.at_least else self.value <= self.aim
        return "PASS" if good else "MISS"


def say(figure: Figure) -> None:
    """Print a figure as one line of JSON."""
    print(json.dumps({**asdict(figure), "verdict": figure.verdict}), flush=True)


def heard(line: str) -> Figure | None:
    """The figure that a line holds; None where it holds something else."""
    try:
        fields = json.loads(line)
        fields.pop("verdict", None)
        return Figure(**fields)
    except (ValueError, TypeError, AttributeError):
        return None


def row(figure: Figure) -> str:
    """The figure as a row below HEAD."""
    value = "not measured" if figure.value is None else _with_unit(figure.value, figure.unit)
    aim = ""
    if figure.aim is not None:
        aim = f"{'at least' if figure.at_least else 'at most'} {number(figure.aim)}"
    cells = (figure.what, figure.data, value, aim, figure.verdict, figure.note)
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"


def number(value: float) -> str:
    """Three digits that count; whole where it is large or whole."""
    if value == int(value) or abs(value) >= 100:
        return f"{round(value):,}"
    return f"{value:.3g}"


def _with_unit(value: float, unit: str) -> str:
    return f"{number(value)} {unit}".rstrip()


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which `share` of them lie: 0.95 for p95. At least one value."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def spread(times_ms: Sequence[float]) -> str:
    """Median, p95 and largest of some milliseconds, in words."""
    p50, p95 = statistics.median(times_ms), percentile(times_ms, 0.95)
    return f"p50 {number(p50)}, p95 {number(p95)}, max {number(max(times_ms))} ms"
