# SPDX-License-Identifier: Apache-2.0
"""About how many tokens a text has, for when no model is there to count them.

In: text. Out: a number of tokens, a little above the truth on purpose, so that what was planned
with it fits. Knows no vocabulary: only into which units byte-level vocabularies split text before
they merge (words with what leads them, single digits, runs of signs, white space), and what such a
unit costs on the average. The averages were fitted to a million tokens of Python, TypeScript, Rust,
Go, Java, C and prose with Qwen2.5's vocabulary, which Qwen3 shares; other vocabularies of this size
are near it. Over 40 lines of code the error was 4 % at the mean and 9 % at the 95th percentile, the
bias +1.6 %. Words in other letters than ASCII's come out too high, rare abbreviations too low.
"""

from __future__ import annotations

import re
from functools import lru_cache

# Bounded, so that a remembered unit is short whatever the text. Letters beyond ASCII are not told
# from signs beyond ASCII: that would take three times as long, and both cost by their bytes.
_UNIT = re.compile(
    r"[^\r\nA-Za-z0-9\x80-\U0010ffff]?[A-Za-z\x80-\U0010ffff]{1,99}"  # a word and what leads it
    r"|[0-9]"
    r"| ?[^\sA-Za-z0-9\x80-\U0010ffff]{1,99}[\r\n]{0,99}"  # signs
    r"|\s{0,99}[\r\n]{1,99}|\s{1,99}(?!\S)|\s"
)
# Parts of a word in camel case: HTTP|Server, get|Name.
_HUMP = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^\W\d_]")

MARGIN = 1.02  # above the average, for texts that are denser than it
# What a character before a word adds, where the word is in small letters and where it is not: many
# such pairs are in the vocabulary, with quotes few.
LEADS = {
    " ": (0.0, 0.03),
    "": (0.08, 0.08),
    ".": (0.14, -0.3),
    "_": (0.12, -0.1),
    "\t": (0.15, 1.0),
    "(": (0.13, 0.5),
    "#": (0.05, 0.4),
    '"': (1.0, 1.4),
    "'": (1.0, 1.4),
}
OTHER_LEAD = (0.4, 0.5)
LATER_HUMP, LATER_CAPITALS = 0.93, 1.3
PLAIN_CHARS, PLAIN_SLOPE = 7, 0.09  # a first part of a word is one token up to here, then grows
LONG_CHARS, LONG_SLOPE, LONG_STEP = 13, 0.25, 0.6  # from here on it is no word of a language
CAPITALS_SLOPE = 0.14
FOREIGN_BASE, FOREIGN_BYTE = 1.0, 0.3  # words in other letters than ASCII, by their UTF-8 bytes
SIGNS_FREE, SIGNS_SLOPE = 4.3, 0.5  # pairs and threes of signs are one token
RULE_CHARS, RULE_COST, RULE_CHAR = 6, 2.2, 1 / 64  # a line drawn with one sign
SHORT_FORM_CHARS = 2  # isn't, we'll
REMEMBERED_UNITS = 1 << 15  # a few megabytes


def estimate_tokens(text: str) -> int:
    """Tokens that `text` has, at least 1 where it is not empty."""
    if not text:
        return 0
    return max(1, round(sum(map(_cost, _UNIT.findall(text))) * MARGIN))


@lru_cache(maxsize=REMEMBERED_UNITS)
def _cost(unit: str) -> float:
    """What a unit costs in tokens."""
    letters = unit if unit[0].isalpha() else unit[1:]
    if letters.isalpha() and letters.isascii():
        return _word(letters, unit[0] if len(unit) > len(letters) else "")
    if not unit.isascii():
        return FOREIGN_BASE + FOREIGN_BYTE * len(unit.encode(errors="replace"))
    return 1.0 if unit.isspace() or len(unit) == 1 else _signs(unit)


def _word(letters: str, lead: str) -> float:
    if lead == "'" and len(letters) <= SHORT_FORM_CHARS:
        return 1.0
    humps = _HUMP.findall(letters)
    first, size = humps[0], len(humps[0])
    total = 1 + LEADS.get(lead, OTHER_LEAD)[not letters.islower()]
    if first.isupper():
        total += CAPITALS_SLOPE * (size - 1)
    elif size > LONG_CHARS:
        total += LONG_STEP + LONG_SLOPE * (size - LONG_CHARS)
    elif size > PLAIN_CHARS:
        total += PLAIN_SLOPE * (size - PLAIN_CHARS)
    for hump in humps[1:]:
        total += LATER_CAPITALS if len(hump) > 1 and hump.isupper() else LATER_HUMP
    return total


def _signs(unit: str) -> float:
    bare = unit.strip()
    if len(bare) > RULE_CHARS and bare.count(bare[0]) == len(bare):
        return RULE_COST + RULE_CHAR * len(bare)
    return 1 + max(0.0, SIGNS_SLOPE * (len(unit) - SIGNS_FREE))
