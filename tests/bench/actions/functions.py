# SPDX-License-Identifier: Apache-2.0
"""Functions of real repositories that an action is offered for, chosen by hash.

In: a repository's folder, an action. Out: `Case`s: a file, a line in it, the name of what is there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from indexer.languages import detect
from indexer.parse import extract
from indexer.scopes import FUNCTIONS
from lsp_server.actions import registry
from lsp_server.actions.types import Target
from lsp_server.documents import from_text
from tests.bench.context import cases as cutting
from tests.bench.context.cases import hashed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from indexer.types import FileRecord, Symbol
    from lsp_server.actions.types import Diagnostic
    from tests.bench.context.sources import Repository

MIN_LINES, MAX_LINES = 20, 60
A_FILE = 2  # cases of one file, at most


@dataclass(frozen=True, slots=True)
class Case:
    """One wish. `text` is the buffer; `line` counts from 1. `order`: its place by hash."""

    action: str
    root: Path
    path: str
    line: int
    name: str
    text: str
    order: int
    diagnostics: tuple[Diagnostic, ...] = ()


def cases(repository: Repository, root: Path, action: str, kind: str, count: int) -> list[Case]:
    """Up to so many functions that the action is offered for."""
    found: list[Case] = []
    for path, text, record, symbol, order in candidates(repository, root):
        if sum(case.path == path for case in found) >= A_FILE:
            continue
        if registry.find(kind).title(_target(path, text, record, symbol)):
            line = symbol.name_line
            found.append(Case(action, root, path, line, symbol.name, text, order))
        if len(found) >= count:
            break
    return found


def candidates(
    repository: Repository, root: Path
) -> Iterator[tuple[str, str, FileRecord, Symbol, int]]:
    """Functions of the right size in the order of hashes."""
    texts, _ = cutting.read(root, repository)  # of the folder itself: there is nothing around it
    rows = []
    for path, text in texts.items():
        if cutting._NOT_FOR_HOLES.search(path) or cutting._GENERATED.search(text[:1000].encode()):
            continue
        record = extract(detect(path), text.encode())
        for symbol in record.symbols:
            size = symbol.end_line - symbol.start_line + 1
            if symbol.kind in FUNCTIONS and MIN_LINES <= size <= MAX_LINES:
                order = hashed(f"{repository.name}:{path}:{symbol.name}:{symbol.start_line}")
                rows.append((order, path, symbol, record))
    rows.sort(key=lambda row: row[0])
    for order, path, symbol, record in rows:
        yield path, texts[path], record, symbol, order


def _target(path: str, text: str, record: FileRecord, symbol: Symbol) -> Target:
    document = from_text(f"untitled:{path}", text)
    at = symbol.name_start
    return Target(document, path, detect(path), text.encode(), at, at, record)
