# SPDX-License-Identifier: Apache-2.0
"""How likely the next lines want a name, from where the name was found.

In: definitions and similar windows around a cursor, with their names. Out: a weight for each name.
The form is a logistic regression on 541 holes in seven public Python repositories (330,000 pairs of
a hole and a name, 669 of them wanted), with its weights rounded. What tells most is that a name
stands in many similar windows; then that it is code there, not prose; then that it stands on or
behind lines like those just typed. It knows no repository.
"""

from __future__ import annotations

import re
from math import exp, log1p
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

DENSITY, DEFINED, WINDOWS, FOLDER, PARAGRAPH, NEXT = 5.0, 1.0, 1.2, 0.6, 0.9, 1.5
# Above 1 prefers few surer names; measured on other repositories than the weights were fitted on.
SHARPNESS = 1.3
MEMBER, CALLED, NAMED = 1.0, 0.8, 1.0  # used as `.name`, `name(`, `name=`
# What surrounds a name is optional, so that nothing is read twice: 2.2 ms for 60 KB of Python,
# against 6.3 for a pattern for each of the three.
_USE = re.compile(r"[.>:]?[^\W\d]\w{2,}[(=]?")


class Evidence:
    """What speaks for each name."""

    def __init__(self) -> None:
        self._density: dict[str, float] = {}
        self._defined: dict[str, float] = {}
        self._windows: dict[str, float] = {}
        self._folder: dict[str, float] = {}
        self._paragraph: dict[str, float] = {}
        self._next: dict[str, float] = {}
        self._code: list[str] = []

    def definition(self, text: str, names: frozenset[str], score: float) -> None:
        """Names in the skeleton of something that is used near the cursor. Scores to 1."""
        self._code.append(text)
        _raise(self._density, names, score / max(1, len(names)) ** 0.5)
        _raise(self._defined, names, score)

    def window(self, text: str, names: frozenset[str], score: float, *, same_folder: bool) -> None:
        """Names in a window that a search has found. Scores to 1, the best hit's."""
        self._code.append(text)
        for name in names:
            self._windows[name] = self._windows.get(name, 0.0) + score
        if same_folder:
            _raise(self._folder, names, score)

    def paragraph(self, names: frozenset[str], share: float) -> None:
        """Names beside words of the cursor's lines; 1 where most of these stand together."""
        _raise(self._paragraph, names, share)

    def following(self, names: frozenset[str], share: float) -> None:
        """Names on or behind a line; 1 where it has all words of the lines just typed."""
        _raise(self._next, names, share)

    def weights(self) -> Mapping[str, float]:
        """A weight for each name that was ever mentioned."""
        names = self._density.keys() | self._windows.keys() | self._paragraph.keys()
        code = self._as_code()
        return {name: exp(SHARPNESS * (self._odds(name) + code.get(name, 0.0))) for name in names}

    def _as_code(self) -> dict[str, float]:
        """What speaks for names by the ways they are used; in prose they are not."""
        uses = set(_USE.findall("\n".join(self._code)))
        found: dict[str, float] = {}
        _add(found, {use.strip(".>:(=") for use in uses if use[0] in ".>:"}, MEMBER)
        _add(found, {use.strip(".>:(=") for use in uses if use[-1] == "("}, CALLED)
        _add(found, {use.strip(".>:(=") for use in uses if use[-1] == "="}, NAMED)
        return found

    def _odds(self, name: str) -> float:
        return (
            DENSITY * self._density.get(name, 0.0)
            + DEFINED * self._defined.get(name, 0.0)
            + WINDOWS * log1p(self._windows.get(name, 0.0))
            + FOLDER * self._folder.get(name, 0.0)
            + PARAGRAPH * self._paragraph.get(name, 0.0)
            + NEXT * self._next.get(name, 0.0)
        )


def _add(table: dict[str, float], names: Iterable[str], value: float) -> None:
    for name in names:
        table[name] = table.get(name, 0.0) + value


def _raise(table: dict[str, float], names: Iterable[str], value: float) -> None:
    for name in names:
        if table.get(name, 0.0) < value:
            table[name] = value
