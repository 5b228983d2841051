# SPDX-License-Identifier: Apache-2.0
"""Where a local name gets its value, in languages that do not declare types.

In: a file's text and its `Scope`. Out: offsets of assignments, names of tested types. It reads
lines that look like assignments, not grammar. It knows no type.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from indexer.scopes import Scope

# Languages whose values have no declared type: what was assigned must tell.
DYNAMIC = frozenset(("python", "ruby", "php", "javascript", "lua", "typescript", "tsx", "julia"))


def last_set(scope: Scope, data: bytes, name: str, function: int, offset: int) -> int | None:
    """Where a function last set a name before `offset`; None where it did not."""
    symbol = scope.record.symbols[function]
    word = re.escape(name.encode())
    left = (
        rb"(?:^|[;{(\n])[ \t]*(?:(?:const|let|var|local)\s+)?(%b)\s*(?::[^=\n]*)?(?:=(?!=)|:=)"
        % word
    )
    body, end = symbol.start + len(symbol.signature), min(symbol.end, offset)
    found = None
    for match in re.compile(left).finditer(data, body, end):
        found = match.start(1)
    if found is not None:
        return found
    loop = rb"\b(?:for|as)\s+(?:[\w, ]*,\s*)?%b\b" % word
    bound = re.compile(loop).search(data, symbol.start, end)
    return bound.start() if bound else None


def is_parameter(scope: Scope, name: str, function: int) -> bool:
    signature = scope.record.symbols[function].signature.partition("(")[2]
    return bool(re.search(rf"(?<![\w.$@]){re.escape(name)}(?![\w])", signature))


def tested_types(data: bytes, name: str, start: int, end: int) -> list[tuple[str, int]]:
    """Types that `isinstance(name, Type)` asks for between two offsets, with where it does."""
    test = rb"isinstance\(\s*%b\s*,\s*([\w.]+)\s*\)" % re.escape(name.encode())
    found = re.compile(test).finditer(data, start, max(start, end))
    return [(match[1].decode("utf-8", "replace"), match.start()) for match in found]
