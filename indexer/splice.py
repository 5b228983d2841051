# SPDX-License-Identifier: Apache-2.0
"""A run of lines of a record: taken out of it to be compared, put into it in place of another.

In: records, where a run begins and ends. Out: rows that count from the start of the run; a record
whose later rows are moved. Columns are moved as one long number each: 30,000 references one by
one would cost more than all the rest. This module knows no grammar, and of a text only its lines.
"""

from __future__ import annotations

import dataclasses
from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING, NamedTuple

from indexer.chunks import chunks
from indexer.parse import boundaries, line_starts
from indexer.types import Chunk, References, Symbol, TypedName, pack_column, unpack_column

if TYPE_CHECKING:
    from array import array
    from collections.abc import Mapping

    from indexer.types import FileRecord, Import

_WIDTH = 4  # bytes of a number in a column
_new = tuple.__new__
_ELSEWHERE = -2  # a parent that is neither in the section nor its owner


class Section(NamedTuple):
    """Whole lines of a text: bytes [start, end), lines [line, end_line), symbols [first, last).

    `owner` is the symbol whose definitions these are, -1 at the top of the file.
    """

    start: int
    end: int
    line: int
    end_line: int
    first: int
    last: int
    owner: int


class Lines(NamedTuple):
    """Lines [first, last) from the start of a section, and how many more they have become."""

    first: int
    last: int
    more: int


class Rows(NamedTuple):
    """What a record says of a section. Bytes, lines and parents count from its start."""

    symbols: list[Symbol]
    references: list[tuple[str, int, int]]  # chain, start, line
    imports: list[Import]
    typed_names: list[TypedName]

    def of_owner(self) -> bool:
        """Whether all that is defined here stands in the section's owner."""
        return all(symbol.parent != _ELSEWHERE for symbol in self.symbols)


def rows_of(record: FileRecord, at: Section) -> Rows:
    """The rows of a section."""
    low, high = _used(record.references, at)
    uses, part = record.references, slice(low * _WIDTH, high * _WIDTH)
    columns = (uses.chain_column[part], uses.start_column[part], uses.line_column[part])
    return Rows(
        [
            _moved(symbol, -at.start, -at.line, _inner(symbol.parent, at))
            for symbol in record.symbols[at.first : at.last]
        ],
        [
            (uses.chains[number], start - at.start, line - at.line)
            for number, start, line in zip(*map(unpack_column, columns), strict=True)
        ],
        [
            row._replace(line=row.line - at.line)
            for row in record.imports
            if at.line <= row.line < at.end_line
        ],
        [
            row._replace(start=row.start - at.start, line=row.line - at.line)
            for row in record.typed_names[slice(*_typed(record, at))]
        ],
    )


def _used(uses: References, at: Section) -> tuple[int, int]:
    starts = unpack_column(uses.start_column)
    return bisect_left(starts, at.start), bisect_left(starts, at.end)


def _inner(parent: int, at: Section) -> int:
    if parent == at.owner:
        return -1
    return parent - at.first if at.first <= parent < at.last else _ELSEWHERE


def _moved(row: Symbol, by: int, lines: int, parent: int) -> Symbol:
    """A symbol at another place. Written out, past every check: there are a thousand of them."""
    name, kind, start, end, first, last, at, line, column, _, signature, doc, type_, bases = row
    places = (start + by, end + by, first + lines, last + lines, at + by, line + lines, column)
    return _new(Symbol, (name, kind, *places, parent, signature, doc, type_, bases))


def pushed(rows: Rows, start: int, end: int, growth: int, lines: Lines) -> Rows | None:
    """Rows after a change of the bytes [start, end) that says nothing by itself.

    What was used there is left out. None where a definition begins there.
    """

    def symbol(row: Symbol) -> Symbol:
        if row.start >= end:
            return _moved(row, growth, lines.more, row.parent)
        if row.end <= start:
            return row
        return row._replace(end=row.end + growth, end_line=row.end_line + lines.more)

    if any(start <= row.name_start < end or start <= row.start < end for row in rows.symbols):
        return None
    return Rows(
        [symbol(row) for row in rows.symbols],
        [
            (chain, at, line) if at < start else (chain, at + growth, line + lines.more)
            for chain, at, line in rows.references
            if not start <= at < end
        ],
        [
            row if row.line < lines.first else row._replace(line=row.line + lines.more)
            for row in rows.imports
            if not lines.first <= row.line < lines.last
        ],
        [
            row
            if row.start < start
            else row._replace(start=row.start + growth, line=row.line + lines.more)
            for row in rows.typed_names
            if not start <= row.start < end
        ],
    )


def spliced(  # noqa: PLR0917  the record, the place, what comes there
    record: FileRecord, at: Section, rows: Rows, text: bytes, growth: int, ends: Mapping[int, int]
) -> FileRecord:
    """The record of `text`, which is longer by `growth`, with `rows` in place of a section's.

    `ends`: for every owner of the section, innermost or not, the byte at which it ends now.
    """
    lines = line_starts(text)
    total = len(lines) - (lines[-1] == len(text) > 0)
    more = total - record.lines
    symbols = _symbols(record, at, rows, growth, more)
    for owner, end in ends.items():
        symbols[owner] = symbols[owner]._replace(end=end, end_line=bisect_right(lines, end - 1))
    windows = chunks(lines, len(text), boundaries(symbols))
    return dataclasses.replace(
        record,
        lines=total,
        symbols=tuple(symbols),
        references=_references(record.references, at, rows, growth, more),
        imports=_imports(record, at, rows, more),
        typed_names=_typed_names(record, at, rows, growth, more),
        chunks=tuple(map(Chunk._make, windows)),
    )


def _symbols(record: FileRecord, at: Section, rows: Rows, growth: int, more: int) -> list[Symbol]:
    shift = len(rows.symbols) - (at.last - at.first)
    symbols = list(record.symbols[: at.first])
    for row in rows.symbols:
        parent = at.owner if row.parent < 0 else row.parent + at.first
        symbols.append(_moved(row, at.start, at.line, parent))
    after = record.symbols[at.last :]
    if not (growth or more or shift):
        return symbols + list(after)
    for row in after:
        parent = row.parent
        symbols.append(_moved(row, growth, more, parent if parent < at.last else parent + shift))
    return symbols


def _imports(record: FileRecord, at: Section, rows: Rows, more: int) -> tuple[Import, ...]:
    before = [row for row in record.imports if row.line < at.line]
    after = [row for row in record.imports if row.line >= at.end_line]
    middle = [row._replace(line=row.line + at.line) for row in rows.imports]
    return (*before, *middle, *[row._replace(line=row.line + more) for row in after])


def _typed_names(
    record: FileRecord, at: Section, rows: Rows, growth: int, more: int
) -> tuple[TypedName, ...]:
    known = record.typed_names
    low, high = _typed(record, at)
    here = [r._replace(start=r.start + at.start, line=r.line + at.line) for r in rows.typed_names]
    after = known[high:]
    if growth or more:
        after = tuple(
            [_new(TypedName, (n, t, how, at + growth, ln + more)) for n, t, how, at, ln in after]
        )
    return (*known[:low], *here, *after)


def _typed(record: FileRecord, at: Section) -> tuple[int, int]:
    """Which typed names stand in a section: they are in the order of the file."""
    known = record.typed_names
    low = bisect_left(known, at.start, key=_typed_start)
    return low, bisect_left(known, at.end, low, key=_typed_start)


def _typed_start(row: TypedName) -> int:
    return row.start


def _references(uses: References, at: Section, rows: Rows, growth: int, more: int) -> References:
    low, high = _used(uses, at)
    head, tail = slice(0, low * _WIDTH), slice(high * _WIDTH, None)
    chains = dict.fromkeys((*uses.chains, *[chain for chain, _, _ in rows.references]))
    numbers = {chain: number for number, chain in enumerate(chains)}
    used = unpack_column(uses.chain_column[head])
    used.extend([numbers[chain] for chain, _, _ in rows.references])
    used.extend(unpack_column(uses.chain_column[tail]))
    starts = pack_column([start + at.start for _, start, _ in rows.references])
    lines = pack_column([line + at.line for _, _, line in rows.references])
    return References(
        *_numbered(list(chains), used),
        uses.start_column[head] + starts + _raised(uses.start_column[tail], growth),
        uses.line_column[head] + lines + _raised(uses.line_column[tail], more),
    )


def _numbered(chains: list[str], used: array[int]) -> tuple[tuple[str, ...], bytes]:
    """Chains numbered as they come, so that equal files have equal records."""
    places = {number: place for place, number in enumerate(dict.fromkeys(used))}
    column = pack_column(list(map(places.__getitem__, used)))
    return tuple([chains[number] for number in places]), column


def _raised(column: bytes, by: int) -> bytes:
    """A column whose every number is larger by `by`: one addition, as no number overflows."""
    if not by or not column:
        return column
    ones = int.from_bytes((1).to_bytes(_WIDTH, "little") * (len(column) // _WIDTH), "little")
    return (int.from_bytes(column, "little") + by * ones).to_bytes(len(column), "little")
