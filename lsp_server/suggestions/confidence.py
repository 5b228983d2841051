# SPDX-License-Identifier: Apache-2.0
"""How sure the model was of what would be shown, and how sure it has to be for this user.

In: the pieces that a model wrote, with their log-probabilities; what became of suggestions. Out: a
score, and whether it is enough. Knows no engine, no document and no clock.

The score is the logarithm of the probability of the first line that would be shown: a user judges
that line, and the others hang on it. On 146 first lines at 51 holes in Python, TypeScript and Go
(0.5B, at the hole's start and with a third and two thirds of its text typed) it tells right lines
(similarity >= 0.8) from others with an AUC of 0.80 (0.72 to 0.88), exactly right ones 0.83; the
mean of the log-probabilities 0.75 and 0.76, the least 0.74 and 0.78, the first token's 0.70, 0.74.
"""

from __future__ import annotations

import logging
from collections import Counter
from typing import TYPE_CHECKING, Final

from lsp_server.suggestions import kept

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from engine.types import Piece

# On the same lines: at START 23 % are hidden, with 2 of the 54 right ones, and of those shown 46 %
# are right instead of 37 %; at HIGHEST half, with 9 of the 54, for 62 %. None at LOWEST was right.
START: Final = -3.0
LOWEST, HIGHEST = -8.0, -1.6
# The level rests where one suggestion of four is accepted, the rate that assistants live with.
STEP_UP, STEP_DOWN = 0.05, 0.15
# So many keys in a row without a suggestion: about a line. Who is shown nothing can accept nothing.
HIDDEN_RUN = 40
MOST_MODELS = 16  # that levels are kept of
FILE = "confidence.json"

_log = logging.getLogger(__name__)


def score(pieces: Sequence[Piece], typed: int, shown: str) -> float | None:
    """The log-probability of the first line of `shown`; None where it is not known.

    `pieces` are all that a decode wrote, `typed` the characters of it that stand already. White
    space is not looked at: rules change it. A piece counts by the share of it that would be shown.
    """
    wanted = _bare(_first_line(shown))
    owners = [n for n, piece in enumerate(pieces) for c in piece if not c.isspace()]
    written = "".join(pieces)
    begin = len(_bare(written[:typed]))
    at = _bare(written).find(wanted, begin)
    span = Counter(owners[max(at, begin) : max(at, begin) + len(wanted)])
    if not span:
        return None
    whole = Counter(owners)
    total = 0.0
    for number, characters in span.items():
        value = pieces[number].logprob
        if value is None:
            return None
        total += value * characters / whole[number]
    return total


class Threshold:
    """The score that a suggestion must have, a level for each model: down when suggestions are
    accepted, up when they are rejected.

    It never hides everything: HIGHEST always passes, and after HIDDEN_RUN keys without a
    suggestion it gives way. Who asks by hand is not held back: then it is not asked.
    """

    def __init__(self, folder: Path) -> None:
        """`folder` holds the record, of all sessions; what is damaged begins afresh."""
        self._place = folder / FILE
        self._levels = _levels(kept.read(self._place))
        self._on_disk = self._place.exists()
        self._changed = False
        self._hidden = 0  # in a row

    def level(self, model: str) -> float:
        return self._levels.get(model, START)

    def passes(self, model: str, value: float | None) -> bool:
        """Whether a suggestion with this score is to be shown. One that is not known passes."""
        if value is None or value >= self.level(model):
            self._hidden = 0
            return True
        self._hidden += 1
        if self._hidden >= HIDDEN_RUN:
            self._hidden = 0
            self._move(model, -STEP_DOWN)
        return False

    def learn(self, model: str, accepted: bool) -> None:
        """What became of a suggestion that was shown unasked."""
        self._move(model, -STEP_DOWN if accepted else STEP_UP)

    def save(self) -> None:
        """Keep the levels for the next session. The last of several servers is remembered."""
        if self._on_disk and not self._place.exists():
            self._levels, self._changed = {}, False  # reset meanwhile, by the user
        if not self._changed:
            return
        try:
            kept.write(self._place, {"levels": self._levels})
            self._on_disk, self._changed = True, False
        except OSError as error:
            _log.warning("what was learned of suggestions is not kept: %s", error)

    def _move(self, model: str, by: float) -> None:
        level = self.level(model) + by
        self._levels.pop(model, None)  # to the end: the one used last is forgotten last
        self._levels[model] = round(min(HIGHEST, max(LOWEST, level)), 3)
        if len(self._levels) > MOST_MODELS:
            del self._levels[next(iter(self._levels))]
        self._changed = True


def read(folder: Path) -> dict[str, float]:
    """The levels that are kept, by model."""
    return _levels(kept.read(folder / FILE))


def reset(folder: Path) -> None:
    """Forget what was learned; a server that runs forgets it at its end. Raises OSError."""
    (folder / FILE).unlink(missing_ok=True)


def _levels(value: object) -> dict[str, float]:
    found = value.get("levels") if isinstance(value, dict) else None
    listed = list(found.items()) if isinstance(found, dict) else []
    return {
        model: min(HIGHEST, max(LOWEST, level))
        for model, level in listed[-MOST_MODELS:]
        if isinstance(level, float) and level == level  # noqa: PLR0124  NaN is no level
    }


def _first_line(shown: str) -> str:
    return shown.lstrip().split("\n", 1)[0]


def _bare(text: str) -> str:
    return "".join(text.split())
