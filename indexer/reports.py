# SPDX-License-Identifier: Apache-2.0
"""What a pass came to and what the index holds since, in numbers.

In: a library, the outcome of a pass, its times. Out: a `Report`. It decides nothing.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from indexer import usage_of_process as usage
from indexer.snapshot import Report

if TYPE_CHECKING:
    from indexer.library import Library
    from indexer.refresh import Outcome


def measured(  # noqa: PLR0917  six things that one pass has
    library: Library,
    outcome: Outcome,
    seconds: float,
    cpu_seconds: float,
    warm: bool,
    problems: tuple[str, ...],
) -> Report:
    """Raises StoreError."""
    totals = library.store.totals()
    return Report(
        files=totals.files,
        skipped=dict(outcome.skipped + Counter(totals.skipped)),
        symbols=totals.symbols,
        references=totals.references,
        imports=totals.imports,
        chunks=totals.chunks,
        languages=totals.languages,
        seconds=seconds,
        cpu_seconds=cpu_seconds,
        db_bytes=library.size_bytes(),
        peak_rss_mb=usage.peak_rss_mb(),
        warm=warm,
        complete=outcome.complete,
        extracted=outcome.extracted,
        problems=problems,
    )
