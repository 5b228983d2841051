# SPDX-License-Identifier: Apache-2.0
"""What the model is shown besides the code that it is to change.

In: a target, a span of it, how many characters there are. Out: `Piece`s, the best first: what the
diagnostics speak of, definitions of what the span uses, its callers, the tests that call it. Each
has its path, its lines and why it is there. Files that may not be read are never among them: all
text comes from the snapshot; keys and passwords in other files are taken out. It knows no action
and no model.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

from indexer.languages import detect
from indexer.providers import TARGETS_MAX
from indexer.scopes import FUNCTIONS, OWNERS
from indexer.skeletons import skeleton
from lsp_server.actions.naming import is_test
from lsp_server.redacting import redacted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from indexer.types import FileRecord, Reference, Symbol
    from lsp_server.actions.types import Diagnostic, Target

CHARS = 4000  # about 1,200 tokens: what a small machine reads in half a minute
WHOLE_LINES = 14  # a definition of up to so many lines is shown whole, a longer one as a skeleton
CALLER_LINES = 16  # a caller of up to so many lines is shown whole
CALLER_AROUND = 3  # lines on both sides of the call in a longer one
CALLERS_MAX, TESTS_MAX = 3, 2
NAMED_MAX = 2  # definitions of a name in a message
USES_MAX = 60  # of the span whose definitions are looked up
SEARCHED_MAX = 60  # uses of a name that are looked at
HEAD_LINES_MAX = 30  # of a file's imports
PIECE_MAX_SHARE = 0.5  # of all characters for one piece


class Piece(NamedTuple):
    """A piece of a file. Lines from 1, both inclusive."""

    path: str
    start_line: int
    end_line: int
    text: str
    why: str
    language: str


def gather(
    it: Target, start: int, end: int, chars: int = CHARS, *, first: Iterable[Piece] = ()
) -> tuple[Piece, ...]:
    """Pieces for the bytes from `start` to `end`, `chars` in all at most, the best first.

    `first`: what is better than all of them.
    """
    found: list[Piece] = []
    left = chars
    for piece in chain(first, _candidates(it, start, end)):
        size = len(piece.text) + len(piece.path) + len(piece.why)
        shown = any(
            piece.path == other.path
            and other.start_line <= piece.start_line
            and piece.end_line <= other.end_line
            for other in found
        )
        if size <= min(left, chars * PIECE_MAX_SHARE) and piece.text.strip() and not shown:
            found.append(piece)
            left -= size
    return tuple(found)


def _candidates(it: Target, start: int, end: int) -> Iterator[Piece]:
    yield from imports(it, start, end)
    yield from definitions(it, start, end)
    yield from users(it, start, end)


def named(it: Target, names: Iterable[str], span: tuple[int, int]) -> Iterator[Piece]:
    """Definitions anywhere of names that a diagnostic speaks of, outside of a span."""
    for name in names if it.snapshot is not None else ():
        assert it.snapshot is not None
        for path, symbol in it.snapshot.symbols(name, NAMED_MAX):
            record, _ = _known(it, path)
            rows = record.symbols if record is not None else ()
            at = next((n for n, row in enumerate(rows) if row.start == symbol.start), -1)
            here = path == it.path and _is_inside(it, at, *span)
            piece = _definition(it, path, at, name) if at >= 0 and not here else None
            if symbol.name == name and piece is not None:
                yield piece


def imports(it: Target, start: int, end: int) -> Iterator[Piece]:
    """The lines that import what the span uses."""
    lines = it.data.decode().split("\n")
    used = {use.name for use in _uses(it, start, end)}
    used |= {use.receiver.split(".")[0] for use in _uses(it, start, end)}
    rows = {row.line for row in it.record.imports if row.alias.split(".")[0] in used}
    rows = {row for row in rows if 0 < row <= len(lines)}
    first = it.data.count(b"\n", 0, start) + 1
    rows = {row for row in rows if not first <= row <= it.data.count(b"\n", 0, end) + 1}
    if rows:
        text = "\n".join(lines[row - 1].rstrip("\r") for row in sorted(rows)[:HEAD_LINES_MAX])
        yield Piece(it.path, min(rows), max(rows), text, "imports of this file", it.language)


def definitions(it: Target, start: int, end: int) -> Iterator[Piece]:
    """What the names of a span mean: first those that the most is known of."""
    seen: set[tuple[str, int]] = set()
    found: list[tuple[float, int, Piece]] = []
    for number, use in enumerate(_uses(it, start, end)):
        for path, at, score in _meanings(it, use):
            if (path, at) in seen or (path == it.path and _is_inside(it, at, start, end)):
                continue
            seen.add((path, at))
            piece = _definition(it, path, at, use.name)
            if piece is not None:
                found.append((-score, number, piece))
    for _, _, piece in sorted(found, key=lambda row: row[:2]):
        yield piece


def _uses(it: Target, start: int, end: int) -> list[Reference]:
    found: dict[tuple[str, str], Reference] = {}
    for use in it.record.references:
        if start <= use.start < end:
            found.setdefault((use.receiver, use.name), use)
    return list(found.values())[:USES_MAX]


def _meanings(it: Target, use: Reference) -> Iterator[tuple[str, int, float]]:
    """Files and symbols of this repository that a use may mean."""
    if it.snapshot is None:
        for at, symbol in enumerate(it.record.symbols):
            if symbol.name == use.name and not use.receiver:
                yield it.path, at, 1.0
        return
    resolver = it.snapshot.resolver
    targets = resolver.definition(it.path, use, guess=False)[:TARGETS_MAX]
    for target in targets:
        yield target.path, target.symbol, target.score
    if use.receiver and not targets:
        for path, at in resolver.receiver_type(it.path, use.receiver, use.start, guess=False)[:1]:
            yield path, at, 0.5


def _is_inside(it: Target, at: int, start: int, end: int) -> bool:
    rows = it.record.symbols
    return at < 0 or at >= len(rows) or (start <= rows[at].start and rows[at].end <= end)


def _definition(it: Target, path: str, at: int, name: str) -> Piece | None:
    record, text = _known(it, path)
    if record is None or not 0 <= at < len(record.symbols):
        return None
    symbol = record.symbols[at]
    if symbol.kind == "module":
        return None
    why = f"defines {name}"
    if symbol.end_line - symbol.start_line < WHOLE_LINES:
        return _cut(it, path, text, symbol.start_line, symbol.end_line, why)
    made = skeleton(record, at)
    shown = made.text if path == it.path else redacted(made.text)
    language = record.language
    return Piece(path, symbol.start_line, symbol.end_line, shown, why + ", in short", language)


def users(it: Target, start: int, end: int) -> Iterator[Piece]:
    """Who calls what a span defines: callers, then tests that cover it."""
    tests: list[Piece] = []
    count = 0
    for piece, covers in _calls(it, start, end):
        if covers and len(tests) < TESTS_MAX:
            tests.append(piece)
        elif not covers and count < CALLERS_MAX:
            count += 1
            yield piece
        if count >= CALLERS_MAX and len(tests) >= TESTS_MAX:
            break
    yield from tests


def _calls(it: Target, start: int, end: int) -> Iterator[tuple[Piece, bool]]:
    if it.snapshot is None:
        return
    for at, symbol in enumerate(it.record.symbols):
        if not (start <= symbol.start < end or start <= symbol.name_start < end):
            continue
        name = _called_by(it.record, symbol)
        for path, use in it.snapshot.references(name, SEARCHED_MAX):
            inside = path == it.path and start <= use.start < end
            if inside or use.kind not in {"call", "name", "attribute"}:
                continue
            if _means(it, path, use, at, symbol):
                tests = is_test(path)
                why = f"a test of {symbol.name}" if tests else f"uses {symbol.name}"
                piece = _around(it, path, use.line, why)
                if piece is not None:
                    yield piece, tests


def _called_by(record: FileRecord, symbol: Symbol) -> str:
    """The name that calls have: a constructor is called by that of its class."""
    if symbol.name in {"__init__", "constructor"} and symbol.parent >= 0:
        return record.symbols[symbol.parent].name
    return symbol.name


def _means(it: Target, path: str, use: Reference, at: int, symbol: Symbol) -> bool:
    """Whether a use may mean a symbol of the target's file."""
    assert it.snapshot is not None
    wanted = {at, symbol.parent} if symbol.name in {"__init__", "constructor"} else {at}
    targets = it.snapshot.resolver.definition(path, use)
    return any(t.path == it.path and t.symbol in wanted for t in targets)


def _around(it: Target, path: str, line: int, why: str) -> Piece | None:
    """The function around a line where it is short, else some lines."""
    record, text = _known(it, path)
    if record is None:
        return None
    around = [
        s
        for s in record.symbols
        if s.kind in FUNCTIONS and s.kind not in OWNERS and s.start_line <= line <= s.end_line
    ]
    inner = max(around, key=lambda s: s.start, default=None)
    if inner is not None and inner.end_line - inner.start_line < CALLER_LINES:
        return _cut(it, path, text, inner.start_line, inner.end_line, why)
    first = max(1, line - CALLER_AROUND)
    return _cut(it, path, text, first, line + CALLER_AROUND, why)


def _known(it: Target, path: str) -> tuple[FileRecord | None, str]:
    """A file's record and text; nothing for what may not be read."""
    if path == it.path:
        return it.record, it.data.decode()
    if it.snapshot is None:
        return None, ""
    text = it.snapshot.text(path).decode("utf-8", "replace")
    return (it.snapshot.record(path), text) if text else (None, "")


def _cut(  # noqa: PLR0917  a place and what it is for
    it: Target, path: str, text: str, first: int, last: int, why: str
) -> Piece | None:
    lines = [line.rstrip("\r") for line in text.split("\n")[first - 1 : last]]
    if not lines:
        return None
    shown = "\n".join(lines)
    shown = shown if path == it.path else redacted(shown)
    return Piece(path, first, first + len(lines) - 1, shown, why, detect(path))


def told(it: Target, diagnostics: Sequence[Diagnostic]) -> str:
    """Diagnostics as lines of text, each with the line of code that it is about."""
    rows = []
    for each in diagnostics:
        line = it.data.count(b"\n", 0, each.start) + 1
        start = it.data.rfind(b"\n", 0, each.start) + 1
        code = it.data[start:].partition(b"\n")[0].decode("utf-8", "replace").strip()
        named = " ".join(part for part in (each.source, each.code) if part)
        message = " ".join(each.message.split())
        rows.append(f"- line {line}, `{code}`: {message}" + (f" ({named})" if named else ""))
    return "\n".join(rows)
