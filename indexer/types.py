# SPDX-License-Identifier: Apache-2.0
"""The values between a file's bytes and everything that asks about the repository.

In: rows that the extraction wrote. Out: the same rows with names, as one small blob a file.
All offsets are bytes into the file's UTF-8 text; lines count from 1, columns are bytes from 0.
This module knows no grammar, no path and no database. It imports nothing of ours.
"""

from __future__ import annotations

import sys
from array import array
from bisect import bisect_right
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import msgpack

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

# Part of every cache key: a record of another version is a miss, never a guess.
RECORD_VERSION = 2


# The rows are named tuples, not dataclasses: a repository has a million of them, they travel
# between processes, and a tuple is packed and unpacked without being touched by Python code.
class Symbol(NamedTuple):
    """A definition. `parent` is an index into the same file's symbols, -1 at the top."""

    name: str
    kind: str  # function, method, class, interface, enum, struct, trait, module, type, ...
    start: int
    end: int  # exclusive
    start_line: int
    end_line: int  # inclusive
    name_start: int
    name_line: int
    name_col: int
    parent: int
    signature: str  # one line, up to the body
    doc: str  # the first line of its documentation, "" where there is none
    type: str  # declared type of a value, return type of a function, "" where not stated
    bases: tuple[str, ...]  # what it extends; for a method outside of its owner, the owner


class Reference(NamedTuple):
    """A use of a name. `receiver` is what stands before it: `self.store` for `self.store.get`.

    A receiver that is an expression and not a name, such as the result of a call, is "()".
    """

    name: str
    receiver: str
    kind: str  # call, attribute, type, name
    start: int  # of the whole chain, receiver included
    line: int


class Import(NamedTuple):
    """One imported name. `name` is "" for the module itself and "*" for all of its names."""

    module: str
    name: str
    alias: str  # the name it has in this file
    line: int
    level: int  # leading dots of a relative import, 0 for an absolute one
    reexport: bool


class TypedName(NamedTuple):
    """What the text says about the type of a variable, a parameter or a field.

    `how`: declared (`type` is the type's text), call (`type` is what was called: a class or a
    function whose return type tells), alias (`type` is another name in the same scope).
    """

    name: str
    type: str
    how: str
    start: int
    line: int


class Chunk(NamedTuple):
    """A window of whole lines for search, cut where definitions begin."""

    start: int
    end: int
    start_line: int
    end_line: int


# How a stored chain ends says how it is used; without a mark, a dot makes it an attribute.
KIND_MARKS = {"call": "(", "type": ":", "name": "", "attribute": ""}


def _target(chain: str) -> tuple[str, str, str]:
    """Name, receiver and kind of a stored chain such as `self.store.get(`."""
    text = chain.rstrip("(:")
    kind = {"(": "call", ":": "type"}.get(chain[-1:], "attribute" if "." in text else "name")
    parts = [part for part in text.split(".") if part]
    receiver = ".".join(parts[:-1])
    if text.startswith("."):
        receiver = f"().{receiver}" if receiver else "()"
    return parts[-1] if parts else "", receiver, kind


@dataclass(frozen=True, slots=True)
class References:
    """All references of a file in columns: made, shipped and skipped at the speed of bytes.

    `chains` are the distinct texts as used, separators written as dots, with a mark for the kind;
    the columns are 4-byte little-endian: number of the chain, byte where it starts, line.
    """

    chains: tuple[str, ...] = ()
    chain_column: bytes = b""
    start_column: bytes = b""
    line_column: bytes = b""

    def __len__(self) -> int:
        return len(self.start_column) // 4

    def __iter__(self) -> Iterator[Reference]:
        targets = [_target(chain) for chain in self.chains]
        columns = (self.chain_column, self.start_column, self.line_column)
        for number, start, line in zip(*map(unpack_column, columns), strict=True):
            name, receiver, kind = targets[number]
            yield Reference(name, receiver, kind, start, line)

    def names(self) -> frozenset[str]:
        """Every name that is used, for an index from names to files."""
        return frozenset([chain.rstrip("(:").rpartition(".")[2] for chain in self.chains])

    def named(self, name: str) -> list[Reference]:
        """References to `name`, without making the others."""
        targets = [_target(chain) for chain in self.chains]
        wanted = {i for i, target in enumerate(targets) if target[0] == name}
        if not wanted:
            return []
        starts, lines = unpack_column(self.start_column), unpack_column(self.line_column)
        return [
            Reference(*targets[number], starts[at], lines[at])
            for at, number in enumerate(unpack_column(self.chain_column))
            if number in wanted
        ]


@dataclass(frozen=True, slots=True)
class FileRecord:
    """What one file says: the unit that is extracted, shipped, stored and read back."""

    language: str
    tier: str  # A definitions, references, imports, types; B definitions; C parsed; D text
    lines: int = 0
    symbols: tuple[Symbol, ...] = ()
    references: References = field(default_factory=References)
    imports: tuple[Import, ...] = ()
    typed_names: tuple[TypedName, ...] = ()
    chunks: tuple[Chunk, ...] = ()
    error_count: int = 0  # places that the grammar could not read
    problems: tuple[str, ...] = ()

    def to_bytes(self) -> bytes:
        """The record as one msgpack blob."""
        refs = self.references
        columns = (refs.chains, refs.chain_column, refs.start_column, refs.line_column)
        return pack_record(
            self.language,
            self.tier,
            self.lines,
            self.symbols,
            columns,
            self.imports,
            self.typed_names,
            self.chunks,
            self.error_count,
            self.problems,
        )

    @classmethod
    def from_bytes(cls, blob: bytes) -> FileRecord:
        """Read a blob back. Raises ValueError where it is damaged or of another version."""
        try:
            version, language, tier, lines, *rest = msgpack.unpackb(blob, use_list=False)
            if version != RECORD_VERSION:
                raise ValueError(f"record of version {version}, this is {RECORD_VERSION}")
            symbols, columns, imports, typed, chunks, errors, problems = rest
            return cls(
                language,
                tier,
                lines,
                _rows(Symbol, symbols),
                References(*columns),
                _rows(Import, imports),
                _rows(TypedName, typed),
                _rows(Chunk, chunks),
                errors,
                problems,
            )
        except (TypeError, msgpack.UnpackException) as error:
            raise ValueError(f"not a file record: {error}") from error

    def enclosing(self, offset: int) -> int:
        """Index of the innermost symbol around a byte offset, -1 where there is none."""
        at = bisect_right(self.symbols, offset, key=_start_of) - 1
        while at >= 0 and self.symbols[at].end <= offset:
            at = self.symbols[at].parent
        return at


def pack_record(  # noqa: PLR0917  the shape of the blob
    language: str,
    tier: str,
    lines: int,
    symbols: Sequence[tuple[Any, ...]] = (),
    columns: tuple[Any, ...] = ((), b"", b"", b""),
    imports: Sequence[tuple[Any, ...]] = (),
    typed_names: Sequence[tuple[Any, ...]] = (),
    chunks: Sequence[tuple[Any, ...]] = (),
    error_count: int = 0,
    problems: Sequence[str] = (),
) -> bytes:
    """A record's blob from bare tuples in the shape of the rows: no object is made."""
    rows = (symbols, columns, imports, typed_names, chunks)
    blob: bytes = msgpack.packb(
        (RECORD_VERSION, language, tier, lines, *rows, error_count, problems)
    )
    return blob


def _start_of(symbol: Symbol) -> int:
    return symbol.start


def _rows(kind: Any, rows: tuple[tuple[Any, ...], ...]) -> tuple[Any, ...]:
    return tuple(map(kind._make, rows))


def pack_column(numbers: list[int]) -> bytes:
    """Numbers below 2**32 as 4 little-endian bytes each, on every machine."""
    column = array("I", numbers)
    if sys.byteorder == "big":
        column.byteswap()
    return column.tobytes()


def unpack_column(data: bytes) -> array[int]:
    """The numbers of a column. Raises ValueError where bytes are missing."""
    column = array("I")
    column.frombytes(data)
    if sys.byteorder == "big":
        column.byteswap()
    return column
