# SPDX-License-Identifier: Apache-2.0
"""How many edits lead from one text to another: to all of it, or to the nearest part of it.

In: two strings. Out: a number. Myers' bit-parallel matching (1999): a column of the table of
distances is two integers of as many bits as the first text has characters, so that a character of
the second costs a few operations. Knows nothing else.
"""

from __future__ import annotations


def edits(first: str, second: str, *, anywhere: bool = False) -> int:
    """The edit distance of two texts; `anywhere`: the smallest to any part of the second."""
    if not first:
        return 0 if anywhere else len(second)
    masks: dict[str, int] = {}
    for index, character in enumerate(first):
        masks[character] = masks.get(character, 0) | 1 << index
    every, last = (1 << len(first)) - 1, 1 << (len(first) - 1)
    rises, falls = every, 0  # where a cell is one more, or one less, than the one above it
    distance = best = len(first)
    for character in second:
        equal = masks.get(character, 0)
        down = equal | falls
        across = (((equal & rises) + rises) ^ rises) | equal
        more, less = falls | (every & ~(across | rises)), rises & across
        distance += bool(more & last) - bool(less & last)
        best = min(best, distance)
        more, less = more << 1 | (not anywhere), less << 1  # a part may begin at any character
        rises = every & (less | ~(down | more))
        falls = every & more & down
    return best if anywhere else distance
