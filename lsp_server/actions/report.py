# SPDX-License-Identifier: Apache-2.0
"""What became of an action, as the JSON of the contract and as lines for people.

In: an `Outcome`. Out: plain values. No decisions are made here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lsp_server.actions.differences import unified

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lsp_server.actions.types import Check, Finding, Outcome
    from lsp_server.documents import Document

MARKS = {True: "ok", False: "failed", None: "skipped"}


def record(outcome: Outcome, document: Document) -> dict[str, Any]:
    """The contract's fields. `diff` is there for an answer that was refused as well.

    `document`: whose text the findings are about.
    """
    proposal = outcome.proposal
    return {
        "action": outcome.kind,
        "diff": "".join(map(unified, proposal.changes)),
        "files": [change.path for change in proposal.changes],
        "checks": [_check(check) for check in outcome.checks],
        "accepted": outcome.accepted,
        "model": outcome.model,
        "total_ms": outcome.total_ms,
        "rounds": outcome.rounds,
        "note": proposal.note,
        "steps": [one_line(step) for step in outcome.steps.splitlines()],
        "findings": [_finding(each, document) for each in proposal.findings],
    }


def lines(outcome: Outcome) -> Iterator[str]:
    """The verification report: an agent's steps, one line a check, and what it took."""
    yield from map(one_line, outcome.steps.splitlines())
    for check in outcome.checks:
        detail = f": {one_line(check.detail)}" if check.detail else ""
        yield f"{MARKS[check.passed]:8}{check.name}{detail}"
    asked = f"{outcome.model}, {outcome.rounds} rounds" if outcome.rounds else "no model"
    verdict = "accepted" if outcome.accepted else "refused"
    yield f"{verdict} after {outcome.total_ms / 1000:.1f} s ({asked})"


def one_line(text: str, most: int = 300) -> str:
    """A text of any length as one line that fits a message, without what a screen would obey."""
    shown = harmless(" ".join(text.split()))
    return shown if len(shown) <= most else shown[: most - 1] + "…"


def harmless(text: str) -> str:
    """A line without escape sequences, and without letters that turn or hide others (S7)."""
    return "".join(c if c.isprintable() or c == "\t" else "\N{REPLACEMENT CHARACTER}" for c in text)


def _check(check: Check) -> dict[str, Any]:
    return {"name": check.name, "passed": check.passed, "detail": check.detail}


def _finding(each: Finding, document: Document) -> dict[str, Any]:
    """With lines and columns from 1, in characters."""
    data = document.text.encode()
    start, end = (
        document.offset_position(len(data[:offset].decode("utf-8", "ignore")))
        for offset in (each.start, each.end)
    )
    return {
        "line": start.line + 1,
        "col": start.index + 1,
        "end_line": end.line + 1,
        "end_col": end.index + 1,
        "message": each.message,
        "code": each.code,
        "severity": each.severity,
    }
