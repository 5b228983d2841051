# SPDX-License-Identifier: Apache-2.0
"""How likely the next lines want a name, from where the name was found.

In: definitions and similar windows around a cursor, with their names. Out: a weight for each name.
The form is a logistic regression on 766 holes in seven public Python repositories (1.3 million
pairs of a hole and a name, 1,080 of them wanted), with its weights rounded: what tells most is that
a name stands in many similar windows, then in the very paragraphs that share the cursor's words.
It knows no repository.
"""

from __future__ import annotations

from math import exp, log1p
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

DENSITY, DEFINED, WINDOWS, FOLDER, PARAGRAPH = 4.0, 0.4, 1.15, 0.7, 1.5
# Above 1 prefers few surer names; measured on other repositories than the weights were fitted on.
SHARPNESS = 1.4


class Evidence:
    """What speaks for each name."""

    def __init__(self) -> None:
        self._density: dict[str, float] = {}
        self._defined: dict[str, float] = {}
        self._windows: dict[str, float] = {}
        self._folder: dict[str, float] = {}
        self._paragraph: dict[str, float] = {}

    def definition(self, names: frozenset[str], score: float) -> None:
        """Names in the skeleton of something that is used near the cursor. Scores to 1."""
        _raise(self._density, names, score / max(1, len(names)) ** 0.5)
        _raise(self._defined, names, score)

    def window(self, names: frozenset[str], score: float, *, same_folder: bool) -> None:
        """Names in a window that a search has found. Scores to 1, the best hit's."""
        for name in names:
            self._windows[name] = self._windows.get(name, 0.0) + score
        if same_folder:
            _raise(self._folder, names, score)

    def paragraph(self, names: frozenset[str], share: float) -> None:
        """Names beside words of the cursor's lines; 1 where most of these stand together."""
        _raise(self._paragraph, names, share)

    def weights(self) -> Mapping[str, float]:
        """A weight for each name that was ever mentioned."""
        names = self._density.keys() | self._windows.keys() | self._paragraph.keys()
        return {name: exp(SHARPNESS * self._odds(name)) for name in names}

    def _odds(self, name: str) -> float:
        return (
            DENSITY * self._density.get(name, 0.0)
            + DEFINED * self._defined.get(name, 0.0)
            + WINDOWS * log1p(self._windows.get(name, 0.0))
            + FOLDER * self._folder.get(name, 0.0)
            + PARAGRAPH * self._paragraph.get(name, 0.0)
        )


def _raise(table: dict[str, float], names: Iterable[str], value: float) -> None:
    for name in names:
        if table.get(name, 0.0) < value:
            table[name] = value
