# SPDX-License-Identifier: Apache-2.0
"""One file's names, arranged for lookup.

In: a `FileRecord`. Out: what stands at the top of the file, what is inside of what, which names
are imported, what is said about types. Built once a record and thrown away with it.
It knows no other file.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from indexer.types import FileRecord, Import, Symbol, TypedName

OWNERS = frozenset(
    (
        *("class", "interface", "enum", "struct", "trait", "object", "protocol", "union", "record"),
        *("annotation", "actor", "module", "table", "type"),
    )
)
# They add members to a type that stands elsewhere.
ADDITIONS = frozenset(("impl", "extension", "instance"))
FUNCTIONS = frozenset(("function", "method", "constructor", "macro", "signature", "test"))
VALUES = frozenset(("variable", "constant", "field", "property"))
Table = dict[str, list[int]]


def plain(name: str) -> str:
    """`a::b::Shop<T>` is `Shop`: the last name of a path."""
    return name.partition("<")[0].replace("::", ".").replace("\\", ".").rpartition(".")[2]


class Scope:
    """Tables over one record; symbols are meant by their index."""

    __slots__ = (
        "added",
        "imports",
        "inside",
        "language",
        "path",
        "record",
        "stars",
        "top",
        "typed",
    )

    def __init__(self, path: str, record: FileRecord) -> None:
        self.path = path
        self.record = record
        self.language = record.language
        self.top: Table = defaultdict(list)
        self.inside: dict[int, Table] = defaultdict(lambda: defaultdict(list))
        self.added: dict[str, Table] = defaultdict(lambda: defaultdict(list))
        self.imports: dict[str, list[Import]] = defaultdict(list)
        self.stars: list[Import] = []
        self.typed: dict[str, list[TypedName]] = defaultdict(list)
        for at, symbol in enumerate(record.symbols):
            self._place(at, symbol)
        for imported in record.imports:
            if imported.name == "*" and not self._names_module(imported):
                self.stars.append(imported)
            elif alias := imported.alias:
                self.imports[alias].append(imported)
        for typed in record.typed_names:
            self.typed[typed.name].append(typed)

    def _names_module(self, imported: Import) -> bool:
        """`import * as path` gives one name."""
        return bool(imported.alias) and self.language in ("javascript", "typescript", "tsx")

    def _place(self, at: int, symbol: Symbol) -> None:
        name, parent = symbol.name, symbol.parent
        if symbol.kind in FUNCTIONS and symbol.bases:
            for owner in symbol.bases:
                self.added[plain(owner)][name].append(at)
            if self.language != "lua":
                return
        if parent < 0 or self._in_modules(parent):
            if symbol.kind not in ADDITIONS:
                self.top[name].append(at)
            if "." in name or "\\" in name:
                self.top[plain(name)].append(at)
        if parent >= 0:
            around = self.record.symbols[parent]
            self.inside[parent][name].append(at)
            if around.kind in ADDITIONS:
                self.added[plain(around.name)][name].append(at)

    def _in_modules(self, at: int) -> bool:
        symbols = self.record.symbols
        while at >= 0 and symbols[at].kind == "module":
            at = symbols[at].parent
        return at < 0

    def owner(self, offset: int) -> int:
        """The innermost class-like symbol around an offset, -1 where there is none."""
        symbols, at = self.record.symbols, self.record.enclosing(offset)
        while at >= 0 and symbols[at].kind not in OWNERS | ADDITIONS:
            at = symbols[at].parent
        return at

    def functions(self, offset: int) -> list[int]:
        """Functions around an offset, the innermost first; classes between them end the list."""
        symbols, at, found = self.record.symbols, self.record.enclosing(offset), []
        while at >= 0:
            if symbols[at].kind in FUNCTIONS:
                found.append(at)
            at = symbols[at].parent
        return found

    def span(self, at: int) -> tuple[int, int]:
        """Bytes of a symbol; of the whole file for -1."""
        if at < 0:
            return 0, 1 << 32
        symbol = self.record.symbols[at]
        return symbol.start, symbol.end

    def names(self) -> frozenset[str]:
        """What other files may ask this one for."""
        return frozenset(self.top)
