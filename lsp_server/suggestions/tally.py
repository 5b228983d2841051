# SPDX-License-Identifier: Apache-2.0
"""What became of suggestions here, added up. In: the ledger's counts. Out: plain JSON."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, Any

from lsp_server.suggestions import confidence, kept, ledger
from lsp_server.suggestions.record import ACCEPTED

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lsp_server.suggestions.ledger import Counts

DAYS = 30
DAY_S = 86_400


def of_last_days(days: int = DAYS) -> dict[str, Any]:
    """The JSON of `ghostwright stats`."""
    return report(counts_of(days), days) | {"levels": confidence.read(kept.folder())}


def counts_of(days: int) -> Counts:
    """The counts of the last days, today among them."""
    oldest = ledger.day_of(time.time() - (days - 1) * DAY_S)
    return {key: found for key, found in ledger.read(kept.folder()).items() if key.day >= oldest}


def report(counts: Counts, days: int) -> dict[str, Any]:
    """Totals, and the same by each part of the key."""
    parts = {f"by_{part}": by(counts, part) for part in ("day", "language", "model", "source")}
    return {"days": days, **figures(total(counts.values()))} | {
        name: {value: figures(found) for value, found in sorted(groups.items())}
        for name, groups in parts.items()
    }


def figures(found: Counter[str]) -> dict[str, Any]:
    """Counts and shares; a share of nothing is none."""
    taken, looked_at = accepted(found), found["kept"] + found["lost"]
    return {
        **{what: found[what] for what in ledger.WHAT},
        "accepted": taken,
        "accepted_share": round(taken / found["shown"], 3) if found["shown"] else None,
        "kept_share": round(found["kept"] / looked_at, 3) if looked_at else None,
    }


def by(counts: Counts, part: str) -> dict[str, Counter[str]]:
    """The counts by one part of their key."""
    groups: dict[str, Counter[str]] = {}
    for key, found in counts.items():
        groups.setdefault(getattr(key, part), Counter()).update(found)
    return groups


def total(found: Iterable[Counter[str]]) -> Counter[str]:
    """All together."""
    summed: Counter[str] = Counter()
    for each in found:
        summed.update(each)
    return summed


def accepted(found: Counter[str]) -> int:
    """How many were taken, whole or in part."""
    return sum(found[how] for how in ACCEPTED)
