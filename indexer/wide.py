# SPDX-License-Identifier: Apache-2.0
"""Whole files for a window that holds more than what is near the cursor: up to all of it.

In: a snapshot, the path at the cursor, what was chosen, the tokens that are left. Out: excerpts,
the outline of the repository's ranked files first, then files whole, the nearest to the cursor's
last. They are the same at every place of one file, so they are read once.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from indexer.selection import CHARS_PER_TOKEN, Excerpt, cost
from indexer.skeletons import outline

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from indexer.snapshot import Snapshot

SMALLEST_TOKENS = 4096  # with less left, pieces of files say more than files
MAP_SHARE = 0.1
MAP_FILES_MAX = 200
RANKED_MAX = 5_000
MISSES_MAX = 40  # files that did not fit, one after the other: it is full
FULL_TOKENS = 256


def files(
    snapshot: Snapshot,
    path: str,
    chosen: Sequence[Excerpt],
    budget: int,
    count: Callable[[str], int],
) -> list[Excerpt]:
    """Header pieces for at most `budget` tokens."""
    ranked = _ranked(snapshot, path)
    taken = {piece.path for piece in chosen} | {path}
    left = budget
    found: list[Excerpt] = []
    misses = 0
    order = chain(_near(snapshot, path), ranked)
    room_for_map = int(budget * MAP_SHARE)
    for where in order:
        if misses >= MISSES_MAX or left < room_for_map + FULL_TOKENS:
            break  # full
        if where in taken:
            continue
        taken.add(where)
        piece = _whole(snapshot, where, left - room_for_map, count)
        if piece is None:
            misses += 1
            continue
        misses = 0
        left -= piece.tokens
        found.append(piece)
    mapped = _map(snapshot, [where for where in ranked if where not in taken], left, count)
    return [*mapped, *reversed(found)]


def repository(
    snapshot: Snapshot, budget: int, largest: int, count: Callable[[str], int]
) -> list[Excerpt]:
    """The same for no place in particular: outlines, then files of at most `largest` tokens.

    Of both the best first, so that whoever stops reading has read what matters most.
    """
    shares = snapshot.resolver.rank()
    best = sorted(shares, key=lambda where: (-shares[where], where))
    ranked = list(dict.fromkeys(chain(best, snapshot.paths())))[:RANKED_MAX]
    found = _map(snapshot, ranked, int(budget * MAP_SHARE), count)
    left = budget - sum(piece.tokens for piece in found)
    misses = 0
    for where in ranked:
        if misses >= MISSES_MAX or left < FULL_TOKENS:
            break  # full
        piece = _whole(snapshot, where, min(left, largest), count)
        misses = misses + 1 if piece is None else 0
        if piece is not None:
            left -= piece.tokens
            found.append(piece)
    return found


def _near(snapshot: Snapshot, path: str) -> Iterator[str]:
    """What the file imports, and who imports it."""
    resolver = snapshot.resolver
    yield from resolver.imported(path)
    yield from resolver.importers(path)


def _ranked(snapshot: Snapshot, path: str) -> list[str]:
    """Files by how often walks from this file reach them."""
    shares = snapshot.resolver.rank({path: 1.0})
    if len(shares) < MAP_FILES_MAX:  # it imports little: what the whole repository leads to
        general = snapshot.resolver.rank()
        shares = {**{where: share / 1e6 for where, share in general.items()}, **shares}
    best = sorted(shares, key=lambda where: (-shares[where], where))
    return best[:RANKED_MAX]


def _whole(
    snapshot: Snapshot, path: str, budget: int, count: Callable[[str], int]
) -> Excerpt | None:
    row = snapshot.files.get(path)
    if row is None or row.size > budget * 2 * CHARS_PER_TOKEN:
        return None
    text = snapshot.text(path).decode("utf-8", "replace")
    if not text.strip():
        return None
    piece = Excerpt("header", path, 1, text.count("\n") + 1, text, 0.1, "near by its imports")
    tokens = cost(piece, count)
    return piece._replace(tokens=tokens) if tokens <= budget else None


def _map(
    snapshot: Snapshot, ranked: Sequence[str], budget: int, count: Callable[[str], int]
) -> list[Excerpt]:
    """Outlines of the files that matter most and are not there whole."""
    found: list[Excerpt] = []
    for path in ranked[:MAP_FILES_MAX]:
        record = snapshot.record(path)
        made = outline(record) if record is not None else None
        if made is None or not made.text:
            continue
        piece = Excerpt("header", path, 1, made.end_line, made.text, 0.05, "map of the repository")
        tokens = cost(piece, count)
        if tokens <= budget:
            budget -= tokens
            found.append(piece._replace(tokens=tokens))
    return found
