# SPDX-License-Identifier: Apache-2.0
"""One file of a proposal, read: its symbols before and after, and what the user has pointed at.

In: a `Target`, a `FileChange`. Out: an `Edited`. Syntax alone: it knows no disk and no check.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from indexer import languages
from indexer.parse import extract
from indexer.scopes import FUNCTIONS
from lsp_server.actions.target import function_at, line_start, symbol_at

if TYPE_CHECKING:
    from indexer.types import FileRecord, Symbol
    from lsp_server.actions.types import FileChange, Target

_WORD = re.compile(r"[^\W\d]\w*")
_WORD_BYTE = re.compile(rb"[\w\x80-\xff$]")
_IMPL = frozenset(("impl", "extension", "instance"))


@dataclass(frozen=True, slots=True)
class Edited:
    """A changed file. Spans are of bytes of `old` and of nothing else."""

    path: str
    language: str
    old: bytes  # b"" for a new file
    new: bytes
    before: FileRecord
    after: FileRecord
    fresh: bool  # the file is new

    def names(self) -> frozenset[str]:
        """Names that are defined in it after the change."""
        return frozenset([symbol.name for symbol in self.after.symbols])


def edited(it: Target, change: FileChange) -> Edited:
    """Read a change. Its text was parsed before, within a time limit."""
    mine = change.path == it.path
    language = it.language if mine else languages.detect(change.path)
    old, new = (change.before or "").encode(), change.after.encode()
    before = it.record if mine and old == it.data else extract(language, old)
    after = extract(language, new)
    return Edited(change.path, language, old, new, before, after, change.before is None)


def qualified(record: FileRecord) -> list[tuple[str, Symbol]]:
    """Definitions with the names of what they are in; none of what is local to a function."""
    names: list[str | None] = []
    found = []
    for symbol in record.symbols:
        around = names[symbol.parent] if symbol.parent >= 0 else ""
        if symbol.parent >= 0 and record.symbols[symbol.parent].kind in FUNCTIONS:
            around = None
        owner = ",".join(symbol.bases) if symbol.kind in FUNCTIONS | _IMPL else ""
        name = "".join((around or "", f"{owner}:" if owner else "", symbol.name))
        names.append(None if around is None else f"{name}.")
        if around is not None:
            found.append((name, symbol))
    return found


def pointed_at(it: Target) -> list[tuple[int, int]]:
    """Spans of the target's text that the user has pointed at: whole definitions, whole lines.

    By the cursor, the selection, a diagnostic, or by writing a definition's name in the
    instruction. [] where nothing is named and the cursor is in nothing: then it is the whole file.
    """
    spans = [selected(it)] if it.end > it.start else []
    around = function_at(it) or symbol_at(it)
    spans += [(around.start, around.end)] if around is not None else []
    places = [(it.start, it.end), *((d.start, d.end) for d in it.diagnostics)]
    for start, end in places:
        spans += _touched(it.record, start, end)
    spans += named_in(it.instruction, it.record) if spans else []
    return sorted(set(spans))


def selected(it: Target) -> tuple[int, int]:
    """The selection, from the start of its first line."""
    return line_start(it, it.start), it.end


def _touched(record: FileRecord, start: int, end: int) -> list[tuple[int, int]]:
    """Functions that a span touches, and definitions that are whole inside of it."""
    return [
        (symbol.start, symbol.end)
        for symbol in record.symbols
        if symbol.start <= max(start, end - 1)
        and start < symbol.end
        and (symbol.kind in FUNCTIONS or (start <= symbol.start and symbol.end <= end))
    ]


def named_in(instruction: str, record: FileRecord) -> list[tuple[int, int]]:
    """Definitions whose names the user has written."""
    words = frozenset(_WORD.findall(instruction))
    return [(symbol.start, symbol.end) for symbol in record.symbols if symbol.name in words]


def word_at(it: Target) -> str:
    """The identifier at the cursor, "" where there is none."""
    start = end = it.start
    while start > 0 and _WORD_BYTE.match(it.data, start - 1):
        start -= 1
    while end < len(it.data) and _WORD_BYTE.match(it.data, end):
        end += 1
    return it.data[start:end].decode("utf-8", "replace")
