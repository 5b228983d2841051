# SPDX-License-Identifier: Apache-2.0
"""A name or a signature was changed: the places in other files, and behind receivers, that follow.

In: a snapshot of the repository, in which the definition has its new form already. Out: echoes,
file by file. A use of an old name follows if it means nothing by now and would mean the changed
definition by its new name: so what another definition gives stays as it is. Called off the loop;
bounded in files, and in time by `until`. It knows no cursor and no protocol.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol

from indexer import masks, signatures
from indexer.binders import is_set, parameter_of, parameters_at
from indexer.echoes import Echo, Renamed, uses_of_import
from indexer.scopes import FUNCTIONS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from indexer.binders import Binding
    from indexer.graph import Resolver
    from indexer.headers import Signature
    from indexer.types import FileRecord, Import, Reference

FILES_MAX = 200  # importers that are looked at: a name used in more is no work for single keys
REFERENCES_MAX = 400
SURE = 0.5  # score of a definition, as in `indexer.targets`; below it is a guess
STATEMENT_LINES = 60  # of one import
CHAIN_MAX_BYTES = 400  # from where a chain of names starts to the name


class Repository(Protocol):
    """What is asked of a snapshot."""

    @property
    def resolver(self) -> Resolver: ...
    def record(self, path: str) -> FileRecord | None: ...
    def known_text(self, path: str) -> bytes: ...
    def references(self, name: str, limit: int = ...) -> list[tuple[str, Reference]]: ...


def renamed(repo: Repository, it: Renamed, bound: Binding, until: float) -> Iterator[Echo]:
    """Uses of the old name in other files, and behind receivers in this one."""
    if bound.kind not in ("top", "member"):
        return
    if bound.kind == "top":
        yield from _imports(repo, it, until)
    if bound.symbol >= 0:
        yield from _references(repo, it, bound.symbol, until)


def _echo(it: Renamed, path: str, at: int) -> Echo:
    why = f"{it.path} now calls it {it.new.decode('utf-8', 'replace')}"
    return Echo(path, at, at + len(it.old), it.old, it.new, why)


def _imports(repo: Repository, it: Renamed, until: float) -> Iterator[Echo]:
    old = it.old.decode("utf-8", "replace")
    for path in repo.resolver.importers(it.path)[:FILES_MAX]:
        if time.perf_counter() > until:
            return
        record = repo.record(path)
        if record is None or all(row.name != old for row in record.imports):
            continue
        rows = [
            target.imported
            for target in repo.resolver.imports(path)
            if target.imported.name == old and target.path == it.path
        ]
        for row in rows:
            yield from _import_and_uses(repo, it, path, record, row)


def _import_and_uses(
    repo: Repository, it: Renamed, path: str, record: FileRecord, row: Import
) -> Iterator[Echo]:
    data = repo.known_text(path)
    code = masks.code_of(record.language, data)
    at = _imported_at(record.language, code, it.old, row.line)
    if at < 0:
        return
    yield _echo(it, path, at)
    if row.alias == row.name:
        there = Renamed(path, data, code, record, at, it.old, it.new)
        yield from (_echo(it, path, use) for use in uses_of_import(there) if use != at)


def _imported_at(language: str, code: bytes, name: bytes, line: int) -> int:
    """Where a statement of import names a name, -1 where that is not found."""
    start = 0
    for _ in range(line - 1):
        start = code.find(b"\n", start) + 1
    end = start
    for _ in range(STATEMENT_LINES):
        end = code.find(b"\n", end + 1)
        if end < 0:
            end = len(code)
            break
    if language == "python":
        start = max(start, code.find(b"import", start, end))
    return next(masks.words(code, name, start, end), -1)


def _references(repo: Repository, it: Renamed, symbol: int, until: float) -> Iterator[Echo]:
    old, new = (name.decode("utf-8", "replace") for name in (it.old, it.new))
    for path, reference in repo.references(old, REFERENCES_MAX):
        if time.perf_counter() > until:
            return
        if (path == it.path and not reference.receiver) or reference.receiver in ("self", "this"):
            continue
        if _means(repo, path, reference):
            continue
        renamed_use = reference._replace(name=new)
        if not any(target == (it.path, symbol) for target in _means(repo, path, renamed_use)):
            continue
        at = _name_at(repo, path, reference)
        if at >= 0:
            yield _echo(it, path, at)


def _means(repo: Repository, path: str, reference: Reference) -> list[tuple[str, int]]:
    found = repo.resolver.definition(path, reference, guess=False)
    return [(target.path, target.symbol) for target in found if target.score >= SURE]


def _name_at(repo: Repository, path: str, reference: Reference) -> int:
    """Where the name of a reference stands, -1 where the text has changed meanwhile."""
    record = repo.record(path)
    if record is None:
        return -1
    code, name = masks.code_of(record.language, repo.known_text(path)), reference.name.encode()
    links = reference.receiver.count(".") + 1 if reference.receiver else 0
    found = masks.words(code, name, reference.start, reference.start + CHAIN_MAX_BYTES)
    if not links:
        at = next(found, -1)
        return at if at == reference.start else -1
    for at in found:
        prev = masks.before(code, at)
        between = code[reference.start : at]
        if code[prev : prev + 1] in (b".", b">", b":") and (
            reference.receiver.startswith("()")
            or between.count(b".") + between.count(b"->") >= links
        ):
            return at
    return -1


def calls(repo: Repository, it: Signature, until: float) -> Iterator[Echo]:
    """Calls of a function that do not pass what it takes now, in any file."""
    for path, reference in repo.references(it.name, REFERENCES_MAX):
        if time.perf_counter() > until:
            return
        if reference.kind != "call" or reference.receiver.rpartition(".")[2] == it.owner != "":
            continue  # by way of its class a method takes one argument more
        if (it.path, it.symbol) not in _means(repo, path, reference):
            continue
        record, at = repo.record(path), _name_at(repo, path, reference)
        if record is None or at < 0:
            continue
        yield from _call(it, path, repo.known_text(path), record, at)


def _call(it: Signature, path: str, data: bytes, record: FileRecord, at: int) -> Iterator[Echo]:
    code = masks.code_of(record.language, data)
    opened = parameters_at(code, at)
    closed = masks.closing(code, opened) if opened >= 0 else -1
    if closed < 0 or any(row.name_start == at for row in record.symbols):
        return
    start, text = opened + 1, data[opened + 1 : closed]

    def known(name: bytes) -> bool:
        return _is_known(record, code, name, at)

    new = signatures.passed(record.language, it.change, text, code[start:closed], known)
    if new is not None and new != text:
        why = f"{it.name} takes other parameters now"
        yield Echo(path, start, closed, text, new, why)


def _is_known(record: FileRecord, code: bytes, name: bytes, at: int) -> bool:
    """Whether a variable or parameter of that name is given before the call, around it."""
    function = masks.innermost(record, FUNCTIONS, at)
    if function < 0:
        return False
    row = record.symbols[function]
    return any(
        is_set(record.language, code, word, word + len(name))
        or parameter_of(record.language, code, record, word) == function
        for word in masks.words(code, name, row.start, at)
    )
