# SPDX-License-Identifier: Apache-2.0
"""A function as text: where its parameters stand, what they are, what calls leave out.

In: a snapshot, a definition. Out: a `FunctionText`; offsets are bytes of the text that the index
knows. Raises Refused where there are no parentheses. It knows no call.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from indexer import masks
from indexer.binders import parameters_at
from indexer.scopes import FUNCTIONS
from lsp_server.actions.headers import items_of, name_of
from lsp_server.actions.types import Refused

if TYPE_CHECKING:
    from indexer.families import Definition
    from indexer.snapshot import Snapshot
    from indexer.types import FileRecord, Symbol

_STATIC = re.compile(rb"@\s*staticmethod\b")
_CLASS = re.compile(rb"@\s*classmethod\b")
_ARROW = re.compile(rb"\s*(?::[^=;{}]*)?=\s*(?:async\s+)?(?:function\b[^(]*)?(?=\()")


@dataclass(frozen=True, slots=True)
class FunctionText:
    """See the module. `opened` and `closed` are the brackets of the parameters."""

    definition: Definition
    record: FileRecord
    data: bytes
    code: bytes
    opened: int
    closed: int
    items: tuple[bytes, ...]

    @property
    def path(self) -> str:
        return self.definition[0]

    @property
    def language(self) -> str:
        return self.record.language

    @property
    def row(self) -> Symbol:
        return self.record.symbols[self.definition[1]]

    @property
    def inside(self) -> tuple[bytes, bytes]:
        """The text between the brackets, as it is and as code."""
        span = slice(self.opened + 1, self.closed)
        return self.data[span], self.code[span]

    @property
    def _decorators(self) -> bytes:
        return self.code[self.row.start : self.row.name_start]

    @property
    def is_class_method(self) -> bool:
        return _CLASS.search(self._decorators) is not None

    @property
    def receiver(self) -> bool:
        """Whether calls leave out the first parameter."""
        if self.language == "rust":
            return bool(self.items) and name_of("rust", self.items[0]) == b"self"
        return (
            self.language == "python"
            and self.row.parent >= 0
            and self.record.symbols[self.row.parent].kind not in FUNCTIONS
            and bool(self.items)
            and _STATIC.search(self._decorators) is None
        )

    @property
    def owners(self) -> frozenset[str]:
        """The class that a method stands in."""
        row = self.row
        return frozenset((self.record.symbols[row.parent].name,) if row.parent >= 0 else ())

    @property
    def result_span(self) -> tuple[int, int]:
        """From behind the parameters to the colon or brace of the body."""
        stop, depth = self.closed + 1, 0
        end = b"{" if self.language == "rust" else b":"
        while stop < self.row.end:
            char = self.code[stop : stop + 1]
            if char == end and not depth:
                break
            depth += (char in (b"(", b"[")) - (char in (b")", b"]"))
            stop += 1
        return self.closed + 1, stop

    def is_around(self, path: str, at: int) -> bool:
        """Whether a place is in the body, and in no function inside of it."""
        inner = masks.innermost(self.record, FUNCTIONS, at) if path == self.path else -1
        return inner == self.definition[1]


def function_text(snapshot: Snapshot, definition: Definition) -> FunctionText:
    """Read a function. Raises Refused."""
    path, symbol = definition
    record, data = snapshot.record(path), snapshot.known_text(path)
    if record is None or symbol >= len(record.symbols):
        raise Refused(f"{path} is not known any more; ask again")
    code = masks.code_of(record.language, data)
    row = record.symbols[symbol]
    opened = parameters_at(code, row.name_start)
    if opened < 0 and (arrow := _ARROW.match(code, row.name_start + len(row.name.encode()))):
        opened = arrow.end()
    closed = masks.closing(code, opened) if opened >= 0 else -1
    if closed < 0:
        raise Refused(f"the parameters of {row.name} in {path} cannot be found")
    items = items_of(data[opened + 1 : closed], code[opened + 1 : closed])
    return FunctionText(definition, record, data, code, opened, closed, items)
