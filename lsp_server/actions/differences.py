# SPDX-License-Identifier: Apache-2.0
"""What lies between two texts, in lines: for a patch, and for an editor's edits.

In: lines before and after. Out: the ranges that differ, few and small, and a unified diff of them.
Common lines at both ends are set aside first, so that one changed line costs no more in a large
file than in a small one. Knows no protocol, no encoding and no disk.
"""

from __future__ import annotations

from difflib import SequenceMatcher
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lsp_server.actions.types import FileChange

CONTEXT_LINES = 3  # as every tool that reads diffs expects
MATCHED_MAX = 4_000_000  # lines before times lines after: beyond that matching takes seconds
NO_END = "\\ No newline at end of file\n"


class Hunk(NamedTuple):
    """Lines `start` to `end` (from 0, exclusive) become lines `new_start` to `new_end`."""

    start: int
    end: int
    new_start: int
    new_end: int


def hunks(before: Sequence[str], after: Sequence[str]) -> list[Hunk]:
    """What differs, in order; between two of them there is at least one line that stays."""
    most = min(len(before), len(after))
    head = next((n for n in range(most) if before[n] != after[n]), most)
    tail = next((n for n in range(most - head) if before[-1 - n] != after[-1 - n]), most - head)
    old, new = before[head : len(before) - tail], after[head : len(after) - tail]
    if not old and not new:
        return []
    if len(old) * len(new) > MATCHED_MAX:
        return [Hunk(head, head + len(old), head, head + len(new))]
    codes = SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
    return [
        Hunk(*(head + number for number in numbers)) for tag, *numbers in codes if tag != "equal"
    ]


def unified(change: FileChange) -> str:
    """One file's change as a patch that `git apply` takes; "" where nothing differs."""
    before, after = _lines(change.before or ""), _lines(change.after)
    found = hunks(before, after)
    if not found and change.before is not None:
        return ""
    name = f"{change.path}\t" if " " in change.path else change.path  # so that its end is seen
    old_name = "/dev/null" if change.before is None else f"a/{name}"
    rows = [f"--- {old_name}\n", f"+++ b/{name}\n"]
    for group in _grouped(found):
        rows += _printed(group, before, after)
    return "".join(row if row.endswith("\n") else f"{row}\n{NO_END}" for row in rows)


def _lines(text: str) -> list[str]:
    """Lines as patches have them: they end at LF alone."""
    lines = text.split("\n")
    whole = [f"{line}\n" for line in lines[:-1]]
    return [*whole, lines[-1]] if lines[-1] else whole


def _grouped(found: Sequence[Hunk]) -> Iterator[list[Hunk]]:
    """Hunks whose context would meet, together."""
    group: list[Hunk] = []
    for hunk in found:
        if group and hunk.start - group[-1].end > 2 * CONTEXT_LINES:
            yield group
            group = []
        group.append(hunk)
    if group:
        yield group


def _printed(group: Sequence[Hunk], before: Sequence[str], after: Sequence[str]) -> Iterator[str]:
    first, last = group[0], group[-1]
    lead = min(CONTEXT_LINES, first.start)
    trail = min(CONTEXT_LINES, len(before) - last.end)
    old = _span(first.start - lead, last.end + trail)
    yield f"@@ -{old} +{_span(first.new_start - lead, last.new_end + trail)} @@\n"
    at = first.start - lead
    for hunk in group:
        yield from (f" {line}" for line in before[at : hunk.start])
        yield from (f"-{line}" for line in before[hunk.start : hunk.end])
        yield from (f"+{line}" for line in after[hunk.new_start : hunk.new_end])
        at = hunk.end
    yield from (f" {line}" for line in before[at : at + trail])


def _span(start: int, end: int) -> str:
    """Lines from 1 and their number; an empty span is said to be after the line before it."""
    return f"{start + 1 if end > start else start},{end - start}"
