# SPDX-License-Identifier: Apache-2.0
"""Rules against saying a thing again: a model in a loop, or one that echoes the line above.

In: text and its `Gap`. Out: the text, cut. Knows neither brackets nor indentation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.rules.gap import says_something
from engine.rules.lines import keep_lines

if TYPE_CHECKING:
    from engine.rules.gap import Gap

REPEATED_LINES = 3
SHORTEST_LINE = 2  # characters; closing brackets come again and again
# (smallest unit in characters, how often it stands there): the two forms are Tabby's.
RUNS = ((3, 6), (10, 4))
LONGEST_UNIT_CHARS = 400  # a longer one is several lines, see repeated_blocks
LONGEST_RULE_CHARS = 100  # a row of one sign, as people draw it under a title


def repeated_lines(text: str, _gap: Gap) -> str:
    """Stop at a line that comes for the third time."""
    seen: dict[str, int] = {}

    def fresh(line: str) -> bool:
        key = line.strip()
        seen[key] = seen.get(key, 0) + 1
        return len(key) < SHORTEST_LINE or seen[key] < REPEATED_LINES

    return keep_lines(text, fresh)


def repeated_blocks(text: str, _gap: Gap) -> str:
    """Stop where several lines come a second time, one after the other."""
    lines = [line.strip() for line in text.split("\n")]
    for start in range(len(lines) - 3):
        for size in range(2, (len(lines) - start) // 2 + 1):
            block = lines[start : start + size]
            again = lines[start + size : start + 2 * size]
            if block == again and any(map(says_something, block)):
                return "\n".join(text.split("\n")[: start + size])
    return text


def repetition(text: str, _gap: Gap) -> str:
    """Keep one of a unit that is repeated to the end."""
    body = text.rstrip()
    for smallest, times in RUNS:
        for size in range(smallest, min(len(body) // times, LONGEST_UNIT_CHARS) + 1):
            unit = body[-size:]
            if body[-2 * size : -size] != unit or not body.endswith(unit * times):
                continue
            start = _start_of_run(body, size)
            if len(set(unit)) > 1 or unit.isalnum() or len(body) - start > LONGEST_RULE_CHARS:
                return body[: start + size]
    return text


def _start_of_run(text: str, period: int) -> int:
    """Where the run at the end begins whose characters come again after `period`."""
    start = len(text) - period
    while start and text[start - 1] == text[start - 1 + period]:
        start -= 1
    return start


def rewrites_above(text: str, gap: Gap) -> str:
    """Nothing, where the first line is the one above once more."""
    first, newline, _ = text.partition("\n")
    whole = gap.before + first + ("" if newline else gap.after)
    again = first.strip() and whole.strip() == gap.above.strip() and says_something(whole)
    return "" if again else text
