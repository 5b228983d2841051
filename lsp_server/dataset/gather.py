# SPDX-License-Identifier: Apache-2.0
"""A repository to what may be trained on: every file either taken or left out for a reason.

In: a root, what the user excludes. Out: texts without secrets, by path, and what was left out.
The policy decides what is read at all; heads decide whose it is. It knows no layout.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from indexer.files import Source, list_allowed, read_decided
from indexer.languages import detect, grammar
from indexer.listing import last_changed
from indexer.policy import Policy
from lsp_server.dataset import licences
from lsp_server.dataset.examples import says_a_token
from lsp_server.redacting import GONE, redacted

if TYPE_CHECKING:
    from collections.abc import Iterable

    from engine.layout import Layout

CODE_TIERS = ("A", "B")


@dataclass(slots=True)
class Gathered:
    """texts: by path; left_out: path -> reason; skipped: by the policy, reason -> files."""

    texts: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    skipped: Counter[str] = field(default_factory=Counter)
    redacted: int = 0  # values that looked like secrets
    times: dict[str, int] = field(default_factory=dict)
    licence: licences.Own = field(default_factory=lambda: licences.Own(frozenset(), frozenset()))


def gather(root: str, excludes: Iterable[str], layout: Layout) -> Gathered:
    """Read all of it. Never raises for a file."""
    listing = list_allowed(Policy.load([root], excludes), root)
    found, texts, own_texts = Gathered(skipped=Counter(listing.skipped)), dict[str, str](), []
    for decision in listing.allowed:
        source = read_decided(decision)
        if not isinstance(source, Source):
            found.skipped[source.reason] += 1
            continue
        text = source.data.decode("utf-8", "replace").replace("\r\n", "\n")
        if licences.LICENCE_FILES.match(PurePosixPath(source.path).name):
            if "/" not in source.path:
                own_texts.append(text)
        elif _is_code(source):
            texts[source.path] = text
        else:
            found.skipped["no code"] += 1
    claims = {path: licences.claim(text) for path, text in texts.items()}
    found.licence = licences.own(claims.values(), own_texts)
    _take(found, texts, claims, layout)
    found.times = last_changed(root)
    return found


def _is_code(source: Source) -> bool:
    """Of a language whose definitions we read: data and prose teach nobody to program."""
    known = grammar(detect(source.path, source.data[:256]))
    return known is not None and known.language.tier in CODE_TIERS


def _take(
    found: Gathered, texts: dict[str, str], claims: dict[str, licences.Claim], layout: Layout
) -> None:
    seen: set[bytes] = set()
    for path, text in texts.items():
        digest = hashlib.sha256(text.encode()).digest()
        why = licences.reason(path, claims[path], found.licence)
        if not why and says_a_token(text, layout):
            why = "special tokens in its text"
        if not why and digest in seen:
            why = "the same as another"
        if why:
            found.left_out[path] = why
            continue
        seen.add(digest)
        found.texts[path] = redacted.__wrapped__(text)
        found.redacted += found.texts[path].count(GONE) - text.count(GONE)
