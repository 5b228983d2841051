# SPDX-License-Identifier: Apache-2.0
"""Whether a piece of text stands somewhere in a longer one, but for a few edits.

In: two strings. Out: yes or no, or the fewest edits. Knows nothing else.
"""

from __future__ import annotations

from collections import Counter

MOST_HITS = 20  # of one part: what stands everywhere tells no place


def stands(pattern: str, text: str, most_edits: int) -> bool:
    """Whether some part of `text` is at most so many edits from `pattern`.

    Of more parts than edits one is untouched: where most of them stand in a row is the only place
    that is looked at closely. Comparing costs some 10 microseconds a character.
    """
    if pattern in text:
        return True
    size = len(pattern) // (most_edits + 1)
    if not size:
        return False
    starts: Counter[int] = Counter()
    for at in range(0, len(pattern) - size + 1, size):
        found = text.find(pattern[at : at + size])
        for _ in range(MOST_HITS):
            if found < 0:
                break
            starts[(found - at) // (most_edits + 1)] += 1
            found = text.find(pattern[at : at + size], found + 1)
    if not starts:
        return False
    start = starts.most_common(1)[0][0] * (most_edits + 1)
    first, last = start - 2 * most_edits, start + len(pattern) + 3 * most_edits + 1
    return fewest_edits(pattern, text[max(0, first) : max(0, last)]) <= most_edits


def fewest_edits(pattern: str, text: str) -> int:
    """The smallest edit distance between `pattern` and any part of `text`.

    Myers' bit-parallel matching (1999): a column of the table of distances is two integers of as
    many bits as the pattern has characters, so that a character of the text costs a few operations.
    """
    masks: dict[str, int] = {}
    for at, character in enumerate(pattern):
        masks[character] = masks.get(character, 0) | 1 << at
    every = (1 << len(pattern)) - 1
    last = every ^ (every >> 1)
    rises, falls = every, 0  # where a cell is one more, or one less, than the one above it
    distance = best = len(pattern)
    for character in text:
        equal = masks.get(character, 0)
        down = equal | falls
        right = (((equal & rises) + rises) ^ rises) | equal
        more, less = falls | (every & ~(right | rises)), rises & right
        distance += bool(more & last) - bool(less & last)
        best = min(best, distance)
        more, less = more << 1, less << 1  # a part of the text may begin anywhere
        rises = every & (less | ~(down | more))
        falls = every & more & down
    return best
