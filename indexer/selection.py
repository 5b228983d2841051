# SPDX-License-Identifier: Apache-2.0
"""Which pieces enter the prompt: the most that the reader cannot see yet, for each token.

In: excerpts, how likely each name is wanted, a budget. Out: whole excerpts that fit, none
overlapping another, in the order of the prompt. What was chosen last time stays unless something
is better by a margin. It knows no repository.
"""

from __future__ import annotations

import heapq
import re
from math import fsum
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

ROLES = ("header", "definition", "journal", "analogy")
_NAME = re.compile(r"[^\W\d]\w{2,}")  # from three characters on: shorter ones say nothing
SEPARATOR_TOKENS = 1  # in front of a piece's path, in every layout with a repository form
CHARS_PER_TOKEN = 3.6  # of code, for comparing; what is chosen is counted
MOST_CHARS_PER_TOKEN = 8  # of any piece of code: a longer text is not worth counting
SMALLEST_TOKENS = 16  # with less left, no piece fits
# A newcomer makes the engine read all that follows it: it must be worth that much more.
HELD_BONUS = 1.5


class Excerpt(NamedTuple):
    """A whole piece of a file, or of what a file says. Lines from 1, both inclusive."""

    role: Literal["header", "definition", "journal", "analogy"]
    path: str
    start_line: int
    end_line: int
    text: str
    score: float  # 0 to 1: how likely this is what the next lines are about
    why: str
    tokens: int = 0  # with its path; known for what was chosen

    @property
    def place(self) -> tuple[str, str, int, int]:
        return self[:4]


def names_in(text: str) -> frozenset[str]:
    """Identifiers that are long enough to say something."""
    return frozenset(_NAME.findall(text))


def choose(
    pool: Sequence[tuple[Excerpt, frozenset[str]]],
    weights: Mapping[str, float],
    budget: int,
    count: Callable[[str], int],
    held: Sequence[Excerpt] = (),
) -> list[Excerpt]:
    """Greedily the best gain a token. `pool` has each excerpt with the names it would bring."""
    order = {each.place: at for at, each in enumerate(held)}
    chosen: list[Excerpt] = []
    covered: set[str] = set()
    queue = [
        (-_worth(excerpt, names, weights, order), at) for at, (excerpt, names) in enumerate(pool)
    ]
    heapq.heapify(queue)
    while queue and budget >= SMALLEST_TOKENS:
        _, at = heapq.heappop(queue)
        excerpt, names = pool[at]
        if len(excerpt.text) > budget * MOST_CHARS_PER_TOKEN or any(
            overlap(excerpt, other) for other in chosen
        ):
            continue
        now = -_worth(excerpt, names - covered, weights, order)
        if queue and now > queue[0][0]:  # what it would bring has come with another meanwhile
            heapq.heappush(queue, (now, at))
            continue
        if now == 0:
            break
        tokens = cost(excerpt, count)
        if tokens <= budget:
            chosen.append(excerpt._replace(tokens=tokens))
            covered |= names
            budget -= tokens
    return sorted(chosen, key=lambda each: _rank(each, order))


def cost(excerpt: Excerpt, count: Callable[[str], int]) -> int:
    """Tokens of a piece with what stands in front of it."""
    return SEPARATOR_TOKENS + count(excerpt.path + "\n") + count(excerpt.text)


def overlap(one: Excerpt, other: Excerpt) -> bool:
    """Whether two excerpts show some line twice."""
    return (
        one.path == other.path
        and one.start_line <= other.end_line
        and other.start_line <= one.end_line
    )


def _worth(
    excerpt: Excerpt,
    names: frozenset[str],
    weights: Mapping[str, float],
    order: Mapping[tuple[str, str, int, int], int],
) -> float:
    """What the names that are new would bring, for each character."""
    gain = fsum(map(weights.__getitem__, names))  # exact: sets come in any order
    bonus = HELD_BONUS if excerpt.place in order else 1.0
    return bonus * gain / (len(excerpt.path) + len(excerpt.text) + CHARS_PER_TOKEN)


def _rank(
    excerpt: Excerpt, order: Mapping[tuple[str, str, int, int], int]
) -> tuple[int, int, float, str, int]:
    """Strata in their order; in each what was there before, as it was, then the best last."""
    at = order.get(excerpt.place, len(order))
    return ROLES.index(excerpt.role), at, excerpt.score, excerpt.path, excerpt.start_line
