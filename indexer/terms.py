# SPDX-License-Identifier: Apache-2.0
"""Identifiers as search sees them: whole, and in the words they are made of.

In: identifiers, a record's rows. Out: lower-case terms. Plain words of a text are split by the
search index itself, at everything that is no letter or digit; what is added here are whole
identifiers, and the words inside of camelCase. It knows no index and no path.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from typing import TYPE_CHECKING, Any, NamedTuple

import msgpack

from indexer.types import RECORD_VERSION, unpack_column

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

TERM_MAX_CHARS = 64  # longer ones are data
EXPANSIONS_MAX = 50_000  # distinct identifiers remembered, in each worker; about 10 MB

_CAMEL = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^\W\dA-Za-z_]+|\d+")
_IDENTIFIER = re.compile(r"[^\W\d]\w*")
_COMPOUND = re.compile(r"[^\W\d]\w*(?:_\w|[a-z\d][A-Z])\w*")


class Piece(NamedTuple):
    """A chunk as the search index takes it."""

    start: int
    end: int
    start_line: int
    end_line: int
    names: str  # terms of the identifiers in it, separated by blanks


class Digest(NamedTuple):
    """What store and search want of a record, without making its objects."""

    language: str
    symbols: int
    references: int
    imports: int
    chunks: int
    defined: Sequence[str]
    pieces: Sequence[Piece]


def identifiers(text: str) -> list[str]:
    """The identifiers in a text, as written."""
    found: list[str] = _IDENTIFIER.findall(text)
    return found


def words(identifier: str) -> list[str]:
    """The words of a name, lower-case: `getHTTPResponse_code2` has get, http, response, code, 2."""
    return [part.lower() for part in _CAMEL.findall(identifier)]


def terms(identifier: str) -> list[str]:
    """What the names field holds for an identifier: the whole of it, and the words of its humps.

    Nothing for a plain word, which the text field shows as it is; words that underscores
    separate are in the text field too.
    """
    whole = identifier.lower()
    humped = whole[1:] != identifier[1:]
    if not humped and whole.isalnum() and whole.isascii():
        return []
    found = [whole[:TERM_MAX_CHARS]]
    if humped:
        found += [p for p in words(identifier) if 1 < len(p) <= TERM_MAX_CHARS and p != whole]
    return found


class Expansions(dict[str, str]):
    """Terms of an identifier, separated by blanks. Worked out once. Not for several threads."""

    def __missing__(self, identifier: str) -> str:
        if len(self) > EXPANSIONS_MAX:
            self.clear()
        text = self[identifier] = " ".join(terms(identifier))
        return text


def digest(blob: bytes, data: bytes, expansions: Expansions) -> Digest:
    """Read a record's blob for store and search; `data` is the text that it is of.

    Raises ValueError where it is no blob of this version.
    """
    try:
        version, *parts = msgpack.unpackb(blob)
    except (TypeError, msgpack.UnpackException) as error:
        raise ValueError(f"not a file record: {error}") from error
    if version != RECORD_VERSION:
        raise ValueError(f"record of version {version}, this is {RECORD_VERSION}")
    return digest_parts(parts, data, expansions)


def digest_parts(parts: Sequence[Any], data: bytes, expansions: Expansions) -> Digest:
    """The same from what `types.pack_record` takes, before it is packed."""
    language, tier, _, symbols, columns, imports, _, chunks, *_ = parts
    defined = [(row[6], row[0]) for row in symbols]  # where its name stands, its name
    if tier == "A":
        pieces = _named(chunks, columns, defined, expansions)
    else:
        pieces = _scanned(chunks, data, expansions, rich=tier != "D")
    names = list({name for _, name in defined})
    counts = (len(symbols), len(columns[2]) // 4, len(imports), len(chunks))
    return Digest(language, *counts, names, list(pieces))


def _named(
    chunks: Sequence[Any],
    columns: Sequence[Any],
    defined: list[tuple[int, str]],
    expansions: Expansions,
) -> Iterator[Piece]:
    """Identifiers from the record: the extraction has found them already."""
    chains, numbers, starts = columns[0], unpack_column(columns[1]), unpack_column(columns[2])
    used = [expansions[_last(chain)] for chain in chains]
    defined.sort()
    for start, end, first, last in chunks:
        low, high = bisect_left(starts, start), bisect_left(starts, end)
        names = {used[number] for number in set(numbers[low:high])}
        low, high = bisect_left(defined, (start,)), bisect_left(defined, (end,))
        names.update([expansions[_last(name)] for _, name in defined[low:high]])
        yield Piece(start, end, first, last, " ".join(filter(None, names)))


def _last(chain: str) -> str:
    """The last name of a stored chain: many chains share one."""
    return chain.rstrip("(:").rpartition(".")[2]


def _scanned(
    chunks: Sequence[Any], data: bytes, expansions: Expansions, *, rich: bool
) -> Iterator[Piece]:
    """Identifiers from the text, where the record has none: those that plain words do not show."""
    for start, end, first, last in chunks:
        names: set[str] = set()
        if rich:
            text = data[start:end].decode("utf-8", "replace")
            names = {expansions[name] for name in set(_COMPOUND.findall(text))}
        yield Piece(start, end, first, last, " ".join(names))
