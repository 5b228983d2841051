# SPDX-License-Identifier: Apache-2.0
"""Where a local name gets its value, in languages that do not declare types.

In: a file's text and its `Scope`. Out: offsets of assignments, names of tested types. It reads
lines that look like assignments, not grammar. It knows no type.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from indexer.scopes import Scope

# Languages whose values have no declared type: what was assigned must tell.
DYNAMIC = frozenset(("python", "ruby", "php", "javascript", "lua", "typescript", "tsx", "julia"))

# Around a name that is set. No pattern is made of a name: to compile one takes longer than to look.
_LOOK_BACK_BYTES = 200
_STATEMENT = re.compile(rb"(?:^|[;{(\n])[ \t]*(?:(?:const|let|var|local)\s+)?\Z")
_LOOP = re.compile(rb"\b(?:for|as)\s+(?:[\w, ]*,\s*)?\Z")
_SET = re.compile(rb"\s*(?::[^=\n]*)?(?:=(?!=)|:=)")
_WORD = re.compile(rb"\w")
TYPE_FOLLOWS = tuple(":|[<>&")  # in a signature: what stands behind is a type


def last_set(scope: Scope, data: bytes, name: str, function: int, offset: int) -> int | None:
    """Where a function last set a name before `offset`; None where it did not."""
    symbol = scope.record.symbols[function]
    body, end = symbol.start + len(symbol.signature), min(symbol.end, offset)
    found = None
    for at, behind in _places(data, name.encode(), body, end):
        match = _SET.match(data, behind, end)
        if match and _STATEMENT.search(data, max(body, at - _LOOK_BACK_BYTES), at):
            found = at
    if found is not None:
        return found
    for at, behind in _places(data, name.encode(), symbol.start, end):
        if not _WORD.match(data, behind) and (
            bound := _LOOP.search(data, max(symbol.start, at - _LOOK_BACK_BYTES), at)
        ):
            return bound.start()
    return None


def _places(data: bytes, name: bytes, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Where a name stands, whatever is around it, and where it ends."""
    at = data.find(name, start, end)
    while at >= 0:
        yield at, at + len(name)
        at = data.find(name, at + 1, end)


def is_parameter(scope: Scope, name: str, function: int) -> bool:
    """Whether a signature has the name, and not as a type behind a colon or a bracket."""
    signature = scope.record.symbols[function].signature.partition("(")[2]
    at = signature.find(name)
    while at >= 0:
        before, behind = signature[max(0, at - 1) : at], signature[at + len(name) :][:1]
        is_type = signature[:at].rstrip()[-1:] in TYPE_FOLLOWS
        if not is_type and not _joined(before, ".$@") and not _joined(behind):
            return True
        at = signature.find(name, at + 1)
    return False


def _joined(char: str, more: str = "") -> bool:
    """Whether a character beside a name makes it another name."""
    return bool(char) and (char.isalnum() or char == "_" or char in more)


def tested_types(data: bytes, name: str, start: int, end: int) -> list[tuple[str, int]]:
    """Types that `isinstance(name, Type)` asks for between two offsets, with where it does."""
    test = rb"isinstance\(\s*%b\s*,\s*([\w.]+)\s*\)" % re.escape(name.encode())
    found = re.compile(test).finditer(data, start, max(start, end))
    return [(match[1].decode("utf-8", "replace"), match.start()) for match in found]
