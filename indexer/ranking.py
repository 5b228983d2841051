# SPDX-License-Identifier: Apache-2.0
"""How well a name fits what somebody typed.

In: a query, a name. Out: a rank to sort by, None where the name does not hold the query's letters.
"""

from __future__ import annotations

_PREFIX, _PREFIX_ANY_CASE, _PART, _LETTERS = range(4)


def match_rank(query: str, name: str) -> tuple[int, int] | None:
    """Smaller is better: kind of match, then length of what the letters are spread over."""
    if name.startswith(query):
        return _PREFIX, len(name)
    asked, given = query.lower(), name.lower()
    if given.startswith(asked):
        return _PREFIX_ANY_CASE, len(name)
    if asked in given:
        return _PART, len(name)
    at = -1
    for letter in asked:
        at = given.find(letter, at + 1)
        if at < 0:
            return None
    return _LETTERS, len(name)
