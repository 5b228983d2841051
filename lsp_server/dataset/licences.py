# SPDX-License-Identifier: Apache-2.0
"""Whose a file is, by its head: what forbids, or belongs to somebody else, is not trained on.

In: the heads of all files, the repository's own licence and authors. Out: a reason to leave a file
out, "" where there is none. It reads words and is no lawyer: it errs by leaving out.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

HEAD_CHARS = 4_000  # the longest licence headers have 2,500
COMMON_SHARE = 0.2  # of the files that name a holder: so many make one of the repository's own
LICENCE_FILES = re.compile(
    r"(?:licen[cs]e|copying|notice|authors|unlicense)(?:[._-][\w.-]*)?\Z", re.IGNORECASE
)
_FORBIDS = re.compile(
    r"\b(?:proprietary|confidential|trade secret|strictly prohibited"
    r"|unauthori[sz]ed (?:copying|use)"
    r"|(?:do|may|must) not (?:be )?(?:cop(?:y|ied)|distributed?|reproduced?|shared?)\b"
    r"|no(?:t)? (?:be used )?(?:for|to) (?:train|(?:machine|deep) learning|ai training))",
    re.IGNORECASE,
)
_TRAINING = re.compile(
    r"(?:\bno[t]?\b|prohibit|forbid)[^.\n]{0,80}(?:machine learning|train(?:ing)?\b[^.\n]{0,40}"
    r"\b(?:model|ai|llm|network))|\bno-?ai\b|\bdo not train\b",
    re.IGNORECASE,
)
_SPDX = re.compile(r"SPDX-License-Identifier:\s*([^\s*#]+(?:\s+(?:OR|AND|WITH)\s+[^\s*#]+)*)")
# At the beginning of a line, behind marks of a comment: `f(c)` and `feed_copyright` are no claims.
_HOLDER = re.compile(
    r"^[^\w\n(\xa9]*(?:copyright[ \t]*(?:\(c\)|\xa9|:)?|\(c\)(?=[ \t]*(?:\d{4}|copyright))|\xa9)"
    r"[ \t]*(?:copyright[ \t]*)?(?:\d{4}(?:\s*[-\u2013,]\s*(?:\d{4}|present))*[, \t]*)*"
    r"(?:by[ \t]+)?([^\n=]{2,120})$",
    re.IGNORECASE | re.MULTILINE,
)
_MARKS = re.compile(r"^[ \t]*(?://+|#+|\*+|;+|--+|/\*+)", re.MULTILINE)
_REST = re.compile(
    r"all rights reserved|[<(\[].*|https?:\S+|[.,;*/#'\"-]+\s*$|\s+and contributors\b.*"
)
# Words by which a licence is known without its SPDX name, the more particular first.
_FAMILIES = (
    ("AGPL", r"affero general public"),
    ("LGPL", r"(?:lesser|library) general public"),
    ("GPL", r"gnu general public|under the gpl"),
    ("MPL", r"mozilla public"),
    ("EPL", r"eclipse public"),
    ("Apache", r"apache license|apache-2"),
    ("BSD", r"redistribution and use in source and binary forms|bsd[- ](?:style|licen|[23])"),
    ("MIT", r"permission is hereby granted, free of charge|\bmit licen"),
    ("CC", r"creative commons"),
)
_VENDORED = re.compile(
    r"(?:^|/)(?:vendor(?:ed)?|_vendor|third[_-]?party|3rd[_-]?party|thirdparty|node_modules|external"
    r"|externals|extern|bower_components|deps|site-packages|bundled)/",
    re.IGNORECASE,
)


class Claim(NamedTuple):
    """What a head says: licences by family or SPDX name, holders in small letters."""

    licences: frozenset[str]
    holders: frozenset[str]
    reason: str  # why nobody may, "" where nothing is said


class Own(NamedTuple):
    """What is the repository's own."""

    licences: frozenset[str]
    holders: frozenset[str]


def claim(head: str) -> Claim:
    """Read the first `HEAD_CHARS` of a file."""
    head = head[:HEAD_CHARS]
    flat = " ".join(_MARKS.sub(" ", head).split())
    licences = {family(name) for spdx in _SPDX.findall(head) for name in _names(spdx)}
    licences |= {name for name, words in _FAMILIES if re.search(words, flat, re.IGNORECASE)}
    if "LGPL" in licences or "AGPL" in licences:
        licences -= {"GPL"}
    holders = frozenset(filter(None, map(_holder, _HOLDER.findall(head))))
    if _TRAINING.search(flat):
        return Claim(frozenset(licences), holders, "forbids training")
    if _FORBIDS.search(flat) and not licences:
        return Claim(frozenset(licences), holders, "forbids copying")
    return Claim(frozenset(licences), holders, "")


def family(spdx: str) -> str:
    """`GPL-3.0-or-later` and `GPL-2.0-only` are one family, as are the forms of BSD."""
    return re.split(r"[-+]\d|-(?:only|or-later|clause)", spdx.strip("()"), maxsplit=1)[0]


def own(files: Iterable[Claim], texts: Iterable[str]) -> Own:
    """What the licence files say, and what a fifth of the files that say something do."""
    files = list(files)
    said = [claim(text) for text in texts]
    licences = _common(one.licences for one in files) | {n for one in said for n in one.licences}
    holders = _common(one.holders for one in files) | {n for one in said for n in one.holders}
    return Own(frozenset(licences), frozenset(holders))


def reason(path: str, found: Claim, mine: Own) -> str:
    """Why a file is left out: vendored, forbids ..., foreign licence, foreign copyright; or ""."""
    if _VENDORED.search(path):
        return "vendored"
    if found.reason:
        return found.reason
    if found.licences and not found.licences & mine.licences:
        return "foreign licence"
    if found.holders and not any(_same(one, own) for one in found.holders for own in mine.holders):
        return "foreign copyright"
    return ""


def _names(spdx: str) -> list[str]:
    return [word for word in re.split(r"\s+(?:OR|AND)\s+|\s+WITH\s+\S+", spdx) if word]


def _holder(text: str) -> str:
    return " ".join(_REST.sub("", text.lower()).strip(" .,;*/#-").split())


def _same(one: str, other: str) -> bool:
    return one in other or other in one


def _common(groups: Iterable[frozenset[str]]) -> set[str]:
    telling = [group for group in groups if group]
    counts = Counter(name for group in telling for name in group)
    return {name for name, count in counts.items() if count >= COMMON_SHARE * len(telling)}
