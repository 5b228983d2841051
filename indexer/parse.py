# SPDX-License-Identifier: Apache-2.0
"""A file's bytes to its record: the story of one extraction.

In: the name of a language and UTF-8 bytes. Out: a `FileRecord`. Pure: no file is read, nothing is
kept but compiled queries. Any bytes give a record; what could not be read is counted in it.
It knows no path, no process and no time limit: a grammar that loops forever is `workers`' business.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from itertools import accumulate
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

import tree_sitter as ts

from indexer import languages
from indexer.chunks import chunks
from indexer.imports import read_imports
from indexer.lexer import blank, blank_python
from indexer.outline import Outline, read_query
from indexer.plain import read_plain
from indexer.quick import read_python
from indexer.symbols import symbols, type_text
from indexer.types import FileRecord, pack_record
from indexer.usage import Code, as_written, read_usage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from indexer.imports import Row as ImportRow
    from indexer.imports import Span
    from indexer.languages import Grammar, Language
    from indexer.outline import Definition
    from indexer.symbols import Row as SymbolRow
    from indexer.usage import Columns, TypedRow

# Errors are counted to compare a file before and after an edit; beyond this they are just many.
ERRORS_MAX = 1000
NOTHING_USED: Columns = ((), b"", b"", b"")


class Around(NamedTuple):
    """What the rest of a file says that matters for a part of it."""

    names: Sequence[str] = ()  # defined or imported there: a bare use of one is a reference
    annotated: bool = False  # parameters have declared types there


NOTHING_AROUND = Around()
Parts = tuple[Any, ...]  # the arguments of types.pack_record


def extract(language: str, data: bytes) -> FileRecord:
    """Definitions, references, imports, types and chunks of one file. No bytes make it raise.

    Raises LookupError for a language whose grammar is not shipped.
    """
    return FileRecord.from_bytes(extract_bytes(language, data))


def extract_bytes(language: str, data: bytes, around: Around = NOTHING_AROUND) -> bytes:
    """The same as `extract(...).to_bytes()` without making objects: what workers ship.

    `around` says what a whole file would, where `data` is a part of one.
    """
    return pack_record(*read_parts(language, data, around))


def read_parts(language: str, data: bytes, around: Around = NOTHING_AROUND) -> Parts:
    """What `pack_record` takes: the record before it is packed."""
    lines = line_starts(data)
    row = languages.language(language)
    if row is None or row.tier == "D":
        windows = chunks(lines, len(data), [])
        return language, "D", _line_count(lines, data), (), NOTHING_USED, (), (), windows, 0
    outline, code, errors = _read(row, data)
    rows = symbols(outline.definitions, data, code, lines, row)
    imports = read_imports(row.imports, data, outline.imports, lines)
    used: Columns = NOTHING_USED
    typed: list[TypedRow] = []
    if row.tier == "A":
        used, typed = read_usage(row, _code(outline, code, rows, imports, row.quick, around), lines)
        typed += _declared(outline, data, lines)
        typed.sort(key=_typed_start)  # each reader has its own order
    return (
        language,
        row.tier,
        _line_count(lines, data),
        rows,
        used,
        imports,
        typed,
        chunks(lines, len(data), boundaries(rows)),
        errors,
    )


def line_starts(data: bytes) -> list[int]:
    """Offsets at which lines start; one line after a last newline. LF, CRLF and CR end a line."""
    starts = [0, *accumulate(map(len, data.splitlines(keepends=True)))]
    if len(starts) > 1 and data[-1:] not in (b"\n", b"\r"):
        starts.pop()
    return starts


def _line_count(lines: list[int], data: bytes) -> int:
    return len(lines) - (len(lines) > 1 and lines[-1] == len(data)) if data else 0


def _read(row: Language, data: bytes) -> tuple[Outline, bytes, int]:
    """The outline, the code without strings and comments, and how many errors the grammar saw."""
    if row.quick:
        code, closed = blank_python(data)
        plain = read_plain(data, code) if closed else None
        if plain is not None:
            return plain, code, 0
    grammar = languages.grammar(row.name)  # not before: plain files need none
    assert grammar is not None
    if row.quick:
        root = _tree(grammar, data)
        return read_python(grammar.native, root, data), code, count_errors(root)
    # The binding compares names as text, and fails in several ways where they are none.
    root = _tree(grammar, data if _is_utf8(data) else data.translate(_ASCII))
    outline = read_query(grammar, root)
    outline.definitions = _not_imports(outline)
    code = blank(data, outline.masked) if row.tier == "A" else data
    return outline, code, count_errors(root)


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _not_imports(outline: Outline) -> list[Definition]:
    """`const fs = require("fs")` imports a name and defines none."""
    spans = sorted(outline.imports)
    if not spans:
        return outline.definitions
    starts = [start for start, _ in spans]
    kept = []
    for definition in outline.definitions:
        at = definition[4][0]
        index = bisect_right(starts, at) - 1
        if index < 0 or at >= spans[index][1]:
            kept.append(definition)
    return kept


def _tree(grammar: Grammar, data: bytes) -> ts.Node:
    return ts.Parser(grammar.native).parse(data).root_node


def count_errors(root: ts.Node) -> int:
    """How many places of a tree the grammar could not read, at most ERRORS_MAX."""
    count, waiting = 0, [root] if root.has_error else []
    while waiting and count < ERRORS_MAX:
        for node in waiting.pop().children:
            if node.is_error or node.is_missing:
                count += 1
            if node.has_error:
                waiting.append(node)
    return min(count, ERRORS_MAX) or int(root.has_error)


def _code(  # noqa: PLR0917  all that is known of the file
    outline: Outline,
    code: bytes,
    rows: list[SymbolRow],
    imports: list[ImportRow],
    quick: bool,
    around: Around,
) -> Code:
    """The text between, without import statements, and the names worth a reference when bare."""
    text = _without(code, outline.imports).decode("latin-1")
    names = {as_written(row[0]) for row in rows if row[1] not in ("field", "method")}
    names.update(as_written(alias) for _, _, alias, *_ in imports if alias)
    names.update(map(as_written, around.names))
    uses = list(outline.uses)
    types = [typed.type for typed in outline.typed]
    types += [definition[6] for definition in outline.definitions if definition[6]]
    uses += [(span, "type") for type_ in types for span in _names_in(text, type_)]
    spans = [definition[4] for definition in outline.definitions]
    starts, ends = frozenset([s for s, _ in spans]), frozenset([e for _, e in spans])
    annotated = quick and (around.annotated or bool(outline.typed))
    return Code(text, frozenset(names), starts, ends, uses, annotated)


_typed_start = itemgetter(3)
_ASCII = bytes(range(128)) + b"?" * 128
_INFERRED = frozenset(("", "var", "auto", "const auto"))  # the compiler finds the type
_TYPE_NAME = re.compile(r"[A-Za-z_$\x80-\xff][\w$\x80-\xff]*")


def _names_in(text: str, span: Span) -> list[Span]:
    return [match.span() for match in _TYPE_NAME.finditer(text, *span)]


def _without(code: bytes, spans: list[Span]) -> bytes:
    if not spans:
        return code
    pieces: list[bytes] = []
    done = 0
    for start, end in sorted(spans):
        pieces += (code[done:start], b" " * (end - max(start, done)))
        done = max(end, done)
    return b"".join((*pieces, code[done:]))


def _declared(outline: Outline, data: bytes, lines: list[int]) -> list[TypedRow]:
    """Parameters and locals with a declared type. Fields have theirs on the symbol."""
    rows = [
        (data[start:end].decode("utf-8", "replace"), type_text(data, type_), start)
        for (start, end), type_ in outline.typed
    ]
    return [
        (name, type_, "declared", start, bisect_right(lines, start))
        for name, type_, start in rows
        if type_ not in _INFERRED
    ]


def boundaries(rows: Sequence[SymbolRow]) -> list[tuple[int, int]]:
    """Lines where definitions with a body begin, and how deep inside of others they are."""
    depths: list[int] = []
    for row in rows:
        depths.append(depths[row[9]] + 1 if row[9] >= 0 else 0)
    return [(row[4], depth) for row, depth in zip(rows, depths, strict=True) if row[5] > row[4]]
