# SPDX-License-Identifier: Apache-2.0
"""How near an answer of the model is to what stood there, and figures over many answers.

In: cases and what was written in their place. Out: rows, and a table. It runs no model.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

from engine.trim import Gap, trim
from tests.bench.context import metrics
from tests.bench.context.cases import WORD, squeezed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tests.bench.context.cases import Case

Row = dict[str, Any]
MEASURES = ("exact", "similarity", "names")
GROUPS: tuple[tuple[str, Callable[[Row], bool]], ...] = (
    ("all", lambda _: True),
    ("with a need", lambda row: bool(row["needs"])),
    ("without", lambda row: not row["needs"]),
)


def row(case: Case, condition: str, answer: Mapping[str, Any]) -> Row:
    """Measures of one answer, 0 to 1: equal but for white space; edit similarity; F1 of names."""
    written = first_line(case, answer["text"])
    truth, found = squeezed(case.truth), squeezed(written)
    return {
        "case": case.id,
        "condition": condition,
        "repository": case.repository,
        "cluster": f"{case.repository}/{case.path}",
        "kind": case.kind,
        "needs": list(case.needs),
        "prompt": answer["prompt"],
        "seconds": answer["seconds"],
        "tokens": answer["tokens"],
        "exact": float(found == truth),
        "similarity": difflib.SequenceMatcher(None, truth, found, autojunk=False).ratio(),
        "names": f1(WORD.findall(truth), WORD.findall(found)),
    }


def first_line(case: Case, raw: str) -> str:
    """What would be shown of it, cut where the product cuts it."""
    before, after = case.text[: case.offset], case.text[case.offset :]
    above = [line for line in before.split("\n")[:-1] if line.strip()]
    below = [line for line in after.split("\n")[1:] if line.strip()]
    gap = Gap(
        before=before.rpartition("\n")[2],
        after=after.partition("\n")[0],
        above=above[-1] if above else "",
        below=below[0] if below else "",
        multiline=False,
    )
    return trim(raw, gap)[0].strip().partition("\n")[0]


def f1(truth: Sequence[str], found: Sequence[str]) -> float:
    """Of two sets of names; 1 where both are empty."""
    wanted, got = set(truth), set(found)
    return 2 * len(wanted & got) / (len(wanted) + len(got)) if wanted or got else 1.0


def table(rows: Sequence[Row], conditions: Sequence[str]) -> str:
    """Markdown: measures in percent by group and condition, each less that of the file alone.

    Bounds of 95 % are of the difference on the same cases, drawn by file and by repository.
    """
    head = ["cases", "condition", "n"]
    for measure in MEASURES:
        head += [measure, f"above {conditions[0]}", "by file", "by repository"]
    lines = [_line(head), "|---" * len(head) + "|"]
    for group, is_in in GROUPS:
        mine = [row for row in rows if is_in(row)]
        base = {row["case"]: row for row in mine if row["condition"] == conditions[0]}
        for condition in conditions:
            at = [row for row in mine if row["condition"] == condition]
            lines.append(_line([group, condition, str(len(at)), *_cells(at, base)]))
    return "\n".join(lines)


def _cells(rows: Sequence[Row], base: Mapping[str, Row]) -> list[str]:
    cells = []
    for measure in MEASURES:
        above = [(r, r[measure] - base[r["case"]][measure]) for r in rows if r["case"] in base]
        mean = metrics.interval([("", r[measure]) for r in rows], 1)[0]
        by_file = metrics.interval([(r["cluster"], gain) for r, gain in above])
        by_repository = metrics.interval([(r["repository"], gain) for r, gain in above])
        bounds = [
            f"{100 * low:+.1f} to {100 * high:+.1f}" for _, low, high in (by_file, by_repository)
        ]
        cells += [f"{100 * mean:.1f}", f"{100 * by_file[0]:+.1f}", *bounds]
    return cells


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
