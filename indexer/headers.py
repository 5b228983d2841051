# SPDX-License-Identifier: Apache-2.0
"""Which function's parameters an edit has changed, and how.

In: a file before and after the edit, as code without strings and comments, and its record now.
Out: a `Signature`, or None where no parameters or more than one of them were changed. What calls
are to pass is in `signatures`, where they are in `echoes_elsewhere`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from indexer import masks, signatures
from indexer.binders import parameters_at
from indexer.scopes import FUNCTIONS

if TYPE_CHECKING:
    from indexer.types import FileRecord, Symbol

_CONSTRUCTORS = frozenset(("__init__", "constructor"))  # called by the name of their class
_RECEIVERS = (b"self", b"cls")


class Signature(NamedTuple):
    """A function, by path and number in its file's record, and what became of its parameters.

    `owner` is the class of a method whose first parameter calls do not pass, else "".
    """

    path: str
    symbol: int
    name: str
    owner: str
    change: signatures.Change


class Edited(NamedTuple):
    """A file whose bytes from `start` were changed; up to there it is as it was."""

    path: str
    code_before: bytes
    code: bytes
    record: FileRecord
    start: int


def changed_signature(it: Edited, at: int) -> Signature | None:
    """The change of the parameters around an offset of the file as it is now."""
    number = masks.innermost(it.record, FUNCTIONS, at)
    if number < 0:
        return None
    row = it.record.symbols[number]
    now = _inside(it.code, row.name_start)
    opened = parameters_at(it.code, row.name_start)
    if now is None or not opened < at <= opened + 1 + len(now):
        return None
    name_before = _name_before(it, row)
    then = _inside(it.code_before, name_before) if name_before >= 0 else None
    language = it.record.language
    after = signatures.parameters(language, now)
    before = signatures.parameters(language, then) if then is not None else None
    if before is None or after is None:
        return None
    return _signature(it, number, before, after)


def _signature(
    it: Edited,
    number: int,
    before: tuple[signatures.Parameter, ...],
    after: tuple[signatures.Parameter, ...],
) -> Signature | None:
    row, owner = it.record.symbols[number], ""
    parent = it.record.symbols[row.parent] if row.parent >= 0 else None
    if it.record.language == "python" and row.kind == "method":
        if not before or not after or before[0] != after[0] or before[0].name not in _RECEIVERS:
            return None
        before, after = before[1:], after[1:]
        owner = parent.name if parent is not None else ""
    change = signatures.change(before, after)
    if change is None:
        return None
    if row.name in _CONSTRUCTORS and parent is not None:
        return Signature(it.path, row.parent, parent.name, "", change)
    return Signature(it.path, number, row.name, owner, change)


def _inside(code: bytes, name_start: int) -> bytes | None:
    opened = parameters_at(code, name_start)
    closed = masks.closing(code, opened) if opened >= 0 else -1
    return code[opened + 1 : closed] if closed >= 0 else None


def _name_before(it: Edited, row: Symbol) -> int:
    """Where the function's name stood before the edit; -1 where it was not there."""
    if row.name_start < it.start:
        return row.name_start
    found = masks.words(it.code_before, row.name.encode(), it.start)
    return next((at for at in found if parameters_at(it.code_before, at) >= 0), -1)
