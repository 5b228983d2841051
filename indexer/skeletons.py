# SPDX-License-Identifier: Apache-2.0
"""Definitions without their bodies: what a caller must know, in a tenth of the tokens.

In: a record and a symbol of it. Out: text in the file's own language, as far as signatures are, and
the lines it stands for. Everything comes from the record: no file is read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from indexer.scopes import ADDITIONS, OWNERS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from indexer.types import FileRecord, Symbol

INDENT = "    "
LINE_MAX_CHARS = 160  # a longer signature is data
MEMBERS_MAX = 60  # of one type; a larger one is a table, and its first members say what of
SELF = ("self.", "this.", "@")


class Skeleton(NamedTuple):
    """A definition as its users see it. Lines from 1, both inclusive, of the whole definition."""

    text: str
    start_line: int
    end_line: int


def skeleton(record: FileRecord, at: int) -> Skeleton:
    """A symbol of the record with its members, a line each."""
    symbol = record.symbols[at]
    lines = [_headline(symbol)]
    if symbol.doc:
        lines.append(INDENT + _comment(record.language, symbol.doc))
    lines += [INDENT + line for line in _members(record, at)]
    return Skeleton("\n".join(lines) + "\n", symbol.start_line, symbol.end_line)


def outline(record: FileRecord) -> Skeleton:
    """A whole file: its definitions at the top, with the names of their members."""
    lines = []
    for at, symbol in enumerate(record.symbols):
        if symbol.parent < 0 or record.symbols[symbol.parent].kind == "module":
            lines.append(_headline(symbol))
            lines += [INDENT + line for line in _members(record, at)]
    return Skeleton("\n".join(lines) + "\n" if lines else "", 1, max(record.lines, 1))


def _headline(symbol: Symbol) -> str:
    text = symbol.signature or symbol.name
    if len(text) > LINE_MAX_CHARS:
        return text[:LINE_MAX_CHARS].rpartition(" ")[0] + " ..."
    if symbol.type and symbol.kind in {"field", "variable", "property"} and ":" not in text:
        return f"{text}: {symbol.type}"
    return text


def _members(record: FileRecord, at: int) -> Iterator[str]:
    """Methods and declared fields, then fields that only assignments in methods show."""
    owner = record.symbols[at]
    if owner.kind not in OWNERS | ADDITIONS:
        return
    seen, count = set(), 0
    for index in range(at + 1, len(record.symbols)):
        member = record.symbols[index]
        if member.start >= owner.end or count >= MEMBERS_MAX:
            break
        if member.parent == at:
            seen.add(member.name)
            count += 1
            yield _headline(member)
    for typed in record.typed_names:
        if owner.start <= typed.start < owner.end and typed.name.startswith(SELF):
            name = typed.name.partition(".")[2] or typed.name
            if "." not in name and name not in seen:
                seen.add(name)
                yield f"{typed.name}: {typed.type}" if typed.how == "declared" else typed.name


def _comment(language: str, doc: str) -> str:
    if language == "python":
        return f'"""{doc}"""'
    return f"# {doc}" if language in {"ruby", "bash", "elixir", "julia"} else f"// {doc}"
