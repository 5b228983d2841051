# SPDX-License-Identifier: Apache-2.0
"""A file in windows of whole lines, cut where definitions begin.

In: where lines start, the lines on which definitions begin, outermost first in preference.
Out: rows in the shape of `types.Chunk`. It knows neither text nor language.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right

Row = tuple[int, int, int, int]  # start, end, start_line, end_line

# Long enough to hold a function, short enough to be quoted whole in a prompt.
CHUNK_MIN_LINES, CHUNK_MAX_LINES = 32, 64


def chunks(lines: list[int], size: int, boundaries: list[tuple[int, int]]) -> list[Row]:
    """Windows that cover all lines once. `boundaries` are (line, depth), sorted by line."""
    total = len(lines) - (lines[-1] == size and len(lines) > 1)  # no line after the last newline
    rows: list[Row] = []
    first = 1
    while first <= total and size:
        last = total
        if total - first >= CHUNK_MAX_LINES:
            last = _cut(boundaries, first)
        end = lines[last] if last < len(lines) else size
        rows.append((lines[first - 1], end, first, last))
        first = last + 1
    return rows


def _cut(boundaries: list[tuple[int, int]], first: int) -> int:
    """The last line of the window: before the outermost definition that starts late enough."""
    low = bisect_left(boundaries, (first + CHUNK_MIN_LINES, 0))
    high = bisect_right(boundaries, (first + CHUNK_MAX_LINES, 0))
    candidates = boundaries[low:high]
    if not candidates:
        return first + CHUNK_MAX_LINES - 1
    return min(candidates, key=_outermost_then_latest)[0] - 1


def _outermost_then_latest(boundary: tuple[int, int]) -> tuple[int, int]:
    line, depth = boundary
    return depth, -line
