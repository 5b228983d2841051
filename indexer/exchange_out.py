# SPDX-License-Identifier: Apache-2.0
"""An index made to be handed on: of what is committed, without any file that holds a secret.

In: a root, what the user excludes, a function that knows secrets. Out: an archive's content.
It is built anew, from nothing: what an index on the disk has of other branches, of unsaved files
or of excluded ones is not in it, not as a word of the search index either.
It knows no format of files: that is `exchange`.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from indexer.exchange import Archive
from indexer.files import Source, list_allowed, read_decided
from indexer.index import Index
from indexer.library import search_folder
from indexer.listing import committed
from indexer.policy import Policy
from indexer.store import Store, store_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from indexer.policy import Decision
    from indexer.snapshot import Report

SETTLE_S = 600.0  # 50,000 files take 30 s; CI machines are slow
SHA1_CHARS = 40
_SPECIAL = re.compile(r"([\\*?\[\]!# ])")
SEARCH_FILE = re.compile(r"[0-9a-f]{32}\.[a-z0-9.]{2,24}\Z")
SEARCH_META = "meta.json"


def collect(
    root: str | os.PathLike[str],
    cache: Path,
    excludes: Iterable[str],
    is_secret: Callable[[str], bool],
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Archive, Report]:
    """Build the index below a temporary folder in `cache` and take it. Raises OSError, StoreError.

    is_secret: whether a text holds what nobody else may see.
    """
    place, excludes = os.path.realpath(root), list(excludes)
    commit, hashes = committed(place)
    left_out = _left_out(Policy.load([place], excludes), place, hashes, is_secret)
    rules = [*excludes, *map(_rule, left_out)]
    with TemporaryDirectory(prefix="export-", dir=cache) as folder:
        with Index(place, folder, rules) as index:
            report = index.refresh(progress)
            index.settle(SETTLE_S)
        counts = dict(Counter(left_out.values()))
        return taken(Path(folder) / store_name(place), commit, counts), report


def taken(path: Path, commit: str = "", left_out: Mapping[str, int] | None = None) -> Archive:
    """The content of an index that nobody has open, all of it. Raises OSError, StoreError."""
    store = Store(path)
    try:
        stock = store.stock()
    finally:
        store.close()
    search = {
        entry.name: entry.read_bytes()
        for entry in sorted(search_folder(path).iterdir())
        if entry.name == SEARCH_META or SEARCH_FILE.fullmatch(entry.name)
    }
    return Archive(stock.blobs, stock.files(), stock.derived, search, commit, left_out or {})


def _left_out(
    policy: Policy, root: str, hashes: dict[str, str], is_secret: Callable[[str], bool]
) -> dict[str, str]:
    """Paths that the policy allows and the archive does not, with the reason."""
    found: dict[str, str] = {}
    for decision in list_allowed(policy, root).allowed:
        source = read_decided(decision)
        if not isinstance(source, Source):
            continue  # it has no record
        if hashes and not _is_as_committed(decision, hashes.get(decision.relative, "")):
            found[decision.relative] = "uncommitted"
        elif is_secret(source.data.decode("utf-8", "replace")):
            found[decision.relative] = "secret"
    return found


def _is_as_committed(decision: Decision, known: str) -> bool:
    """By git's own hash of content, made here: to ask git could run a filter of the repository."""
    data = (Path(decision.root) / decision.relative).read_bytes() if known else b""
    text = b"blob %d\0%b" % (len(data), data)
    made = hashlib.sha1(text) if len(known) == SHA1_CHARS else hashlib.sha256(text)  # noqa: S324  git's
    return made.hexdigest() == known


def _rule(path: str) -> str:
    """A line of ignore rules that means this path and no other."""
    return "/" + _SPECIAL.sub(r"\\\1", path)
