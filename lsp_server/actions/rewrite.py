# SPDX-License-Identifier: Apache-2.0
"""The half that actions share which have the model write a piece of code anew.

In: a target; an answer. Out: the `Scope`, the only bytes that may change; the question; the file
with the scope replaced by what the answer holds for it, and nothing else of the answer. All
outside of the scope is byte for byte as it was, by construction. Checks see both texts as a `Pair`.
It knows no single action.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from engine.rules.form import UNSEEN, UNSEEN_CATEGORIES
from indexer.parse import extract
from indexer.scopes import OWNERS
from lsp_server.actions import evidence, syntax, wording
from lsp_server.actions.target import (
    FUNCTIONS,
    function_at,
    indent_at,
    indent_unit,
    line_start,
    replaced,
)
from lsp_server.actions.types import Check, FileChange, Proposal, Refused

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.chat import Turn
    from indexer.types import FileRecord, Symbol
    from lsp_server.actions.syntax import Shape
    from lsp_server.actions.types import Target

MAX_LINES = 400  # of a scope
MAX_CHARS = 16_000  # of it: some 5,000 tokens to read, and as many to write
CHARS_A_TOKEN = 2.5  # of code, at least, for how long an answer may be
SPARE_TOKENS = 256  # of an answer, for what is added and said around it
# What models write in the place of code that they do not repeat.
_LEFT_OUT = re.compile(
    r"^[ \t]*(?:#|//|/\*|--)[ \t]*(?:\.\.\.|\u2026|\(?(?:the )?(?:rest|remainder) of"
    r"|(?:the )?(?:existing|remaining|previous|other|original) (?:code|implementation|lines|logic"
    r"|body)|same as before|unchanged|your code here)[^\n]*$",
    re.IGNORECASE | re.MULTILINE,
)
FENCES = {"tsx": "tsx", "csharp": "cs"}  # how fences name a language where we say otherwise


class Scope(NamedTuple):
    """The bytes that an answer may replace. `name`: the definition that they are, "" for none."""

    start: int
    end: int
    name: str = ""
    symbol: Symbol | None = None


class Pair(NamedTuple):
    """A file before and after, each with the span of the scope and the function's parts."""

    language: str
    before: bytes
    after: bytes
    old: Shape
    new: Shape
    old_record: FileRecord
    new_record: FileRecord


def function_scope(it: Target) -> Scope:
    """The innermost function with the whole of its statement. Raises Refused."""
    symbol = function_at(it)
    if symbol is None:
        raise Refused("there is no function at the cursor")
    return bounded(it, Scope(*syntax.whole(it.data, symbol), symbol.name, symbol))


def bounded(it: Target, scope: Scope) -> Scope:
    """A scope that is small enough. Raises Refused."""
    lines = it.data.count(b"\n", scope.start, scope.end) + 1
    if lines > MAX_LINES or scope.end - scope.start > MAX_CHARS:
        what = f"{scope.name} has" if scope.name else "the selection has"
        raise Refused(
            f"{what} {lines} lines and {scope.end - scope.start:,} bytes; at most {MAX_LINES} lines"
            f" and {MAX_CHARS:,} bytes are rewritten at once: select less"
        )
    return scope


def text(it: Target, scope: Scope) -> str:
    """The code of a scope as the model sees it: from the margin, LF alone."""
    base = indent_at(it, scope.start)
    return wording.dedented(it.data[scope.start : scope.end].decode(), base)


def fence(it: Target) -> str:
    return FENCES.get(it.language, it.language)


def question(it: Target, scope: Scope, task: str, pieces: Sequence[evidence.Piece]) -> list[Turn]:
    """The turns that ask for a scope anew."""
    first = it.data.count(b"\n", 0, scope.start) + 1
    last = it.data.count(b"\n", 0, scope.end) + 1
    where = f"The code to work on: {it.path}, lines {first}-{last}"
    code = wording.Code(it.path, text(it, scope), where, fence(it))
    return wording.asked(task, code, pieces)


def function_of(it: Target, scope: Scope, answer: str) -> str:
    """The one function that an answer gives anew, as the file will have it. Raises Refused."""
    return visible(it, placed(it, scope, function_in(it, scope, answer)))


def function_in(it: Target, scope: Scope, answer: str) -> str:
    """The same as the answer has it, with the indentation of its first line.

    What stands around it in the answer (imports, a class around a method, an example of its use)
    falls away; another definition is refused.
    """
    code = wording.code_of(answer, lambda block: scope.name in block)
    whole_answer(it, scope, code)
    found = syntax.functions(it.language, code)
    mine = [(source, each) for source, each in found if each.symbol.name == scope.name]
    if not code.strip():
        raise Refused("the answer holds no code: write all of it, in a code block")
    if not mine:
        others = ", ".join(each.symbol.name for _, each in found[:3])
        raise Refused(
            f"the answer does not hold the function {scope.name}"
            + (f", but {others}" if others else "; answer with the whole function")
        )
    source, new = mine[0]
    data = source.encode()
    others = _others(it, source, new)
    if others:
        raise Refused(f"only {scope.name} may be changed; the answer also holds {others}")
    if len(mine) > 1 and not any(_around(mine[0][1], each) for _, each in mine[1:]):
        raise Refused(f"the answer holds {scope.name} more than once")
    start = data.rfind(b"\n", 0, new.whole[0]) + 1
    start = start if not data[start : new.whole[0]].strip() else new.whole[0]
    piece = data[start : new.whole[1]].decode()
    return _with_decorators(it, scope, data, new, piece)


def whole_answer(it: Target, scope: Scope, code: str) -> None:
    """Refuse code in which a comment stands for what was left out."""
    before = it.data[scope.start : scope.end].decode()
    for match in _LEFT_OUT.finditer(code):
        if match[0].strip() not in before:
            raise Refused(f"write everything; this stands for code: {match[0].strip()[:60]}")


def _around(outer: Shape, inner: Shape) -> bool:
    return outer.whole[0] <= inner.whole[0] and inner.whole[1] <= outer.whole[1]


def _others(it: Target, source: str, new: Shape) -> str:
    """Names of definitions beside the function that the file does not have just so."""
    record, data = extracted(it.language, source.encode()), source.encode()
    known = {row.name: row for row in it.record.symbols}
    found = []
    for row in record.symbols:
        if row.kind not in (*FUNCTIONS, *OWNERS) or row.name == "_":
            continue
        inside = new.whole[0] <= row.start and row.end <= new.whole[1]
        outside = row.start <= new.whole[0] and new.whole[1] <= row.end
        quoted = row.name in known and syntax.tokens(
            it.language, data, row.start, row.end
        ) == syntax.tokens(it.language, it.data, known[row.name].start, known[row.name].end)
        if not (inside or quoted or (outside and row.name in known)):
            found.append(row.name)
    return ", ".join(found[:3])


def _with_decorators(it: Target, scope: Scope, data: bytes, new: Shape, piece: str) -> str:
    """Decorators that the answer left out altogether, as they were."""
    old = syntax.shape(it.language, it.data, scope.symbol) if scope.symbol else None
    if old is None or it.language != "python":
        return piece
    was, now = syntax.node_of(it.language, it.data, old), syntax.node_of(it.language, data, new)
    if was is None or now is None or now.start_byte > new.symbol.start:
        return piece
    above = it.data[scope.start : was.start_byte].decode()
    margin = piece[: len(piece) - len(piece.lstrip())]
    base = indent_at(it, scope.start)
    rows = [margin + row.removeprefix(base) for row in above.rstrip().splitlines()]
    return "\n".join([*rows, piece])


def placed(it: Target, scope: Scope, code: str) -> str:
    """Code of an answer at a scope: the file's indentation, the first line's already there."""
    base = indent_at(it, scope.start)
    lines = wording.fitted(
        code,
        base=base,
        unit=indent_unit(it),
        kept=it.data[scope.start : scope.end].decode(),
        inside=syntax.string_lines(it.language, code.strip("\n").rstrip()),
    )
    before = it.data[line_start(it, scope.start) : scope.start]
    return lines.removeprefix(base) if before == base.encode() else lines.lstrip(" \t")


def visible(it: Target, code: str) -> str:
    """Code without characters that nobody sees, but for those that the file has. Raises Refused."""
    known = set(it.data.decode()) | {"\n", "\t"}
    for char in set(code) - known:
        if char in UNSEEN or unicodedata.category(char) in UNSEEN_CATEGORIES:
            raise Refused(f"the answer has the invisible character U+{ord(char):04X}")
    return code


def proposed(it: Target, after: str, note: str = "") -> Proposal:
    """A whole new text of the target's file. Raises Refused where nothing differs."""
    before = it.data.decode()
    if after == before:
        raise Refused("the answer is the same as before; there is nothing to change")
    return Proposal((FileChange(it.path, before, after, it.document.version),), note)


@lru_cache(maxsize=4)
def extracted(language: str, data: bytes) -> FileRecord:
    """The record of a proposed text: every check asks for it."""
    return extract(language, data)


def pair(it: Target, proposal: Proposal, symbol: Symbol) -> Pair | None:
    """Both texts with a function in them; None where it is not there afterwards."""
    after = proposal.changes[0].after.encode()
    record = extracted(it.language, after)
    now = _twin(it.record, symbol, record)
    old = syntax.shape(it.language, it.data, symbol)
    new = syntax.shape(it.language, after, now) if now is not None else None
    if old is None or new is None:
        return None
    return Pair(it.language, it.data, after, old, new, it.record, record)


def _twin(before: FileRecord, symbol: Symbol, after: FileRecord) -> Symbol | None:
    """The same definition in another state of its file: by its full name and its place in order."""
    same = [row for row in before.symbols if _path(before, row) == _path(before, symbol)]
    then = [row for row in after.symbols if _path(after, row) == _path(before, symbol)]
    at = same.index(symbol)
    return then[at] if len(then) == len(same) else None


def _path(record: FileRecord, row: Symbol) -> tuple[str, ...]:
    names = [row.kind, row.name, *row.bases] if row.kind in FUNCTIONS else [row.kind, row.name]
    while row.parent >= 0:
        row = record.symbols[row.parent]
        names.append(row.name)
    return tuple(names)


def header_check(both: Pair) -> Check:
    """Whether a function is called as before, returns what it did, and is decorated so."""
    then = _header(both.language, both.before, both.old)
    now = _header(both.language, both.after, both.new)
    if then == now:
        return Check("signature", passed=True)
    shown = both.before[slice(*both.old.header)].decode().strip().splitlines()
    return Check(
        "signature", passed=False, detail=f"the header must stay as it was: {' '.join(shown)[:200]}"
    )


def _header(language: str, data: bytes, found: Shape) -> tuple[bytes, ...]:
    words = syntax.tokens(language, data, *found.header)
    closers = (b")", b"]")
    return tuple(
        word
        for word, follower in zip(words, (*words[1:], b""), strict=True)
        if word != b"," or follower not in closers  # a last comma is the formatter's
    )


def body_tokens(both: Pair) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
    """The words of both bodies, comments and docstrings aside."""
    return (
        _body(both.language, both.before, both.old),
        _body(both.language, both.after, both.new),
    )


def _body(language: str, data: bytes, found: Shape) -> tuple[bytes, ...]:
    doc = syntax.docstring(language, data, found)
    return syntax.tokens(language, data, *found.body, without=doc)


class Rewrite:
    """An action that has one function written anew. What each one wants is in its own module."""

    kind: ClassVar[str]
    label: ClassVar[str]  # of the list; {name} is the function's
    task: ClassVar[str]  # what the model is told; {name} is the function's
    form: ClassVar[str] = (
        "Answer with the complete function {name} in one code block, and nothing else. "
        "Do not leave out or shorten any part of it."
    )
    chars: ClassVar[int] = evidence.CHARS  # of other pieces that are shown

    def title(self, it: Target) -> str:
        symbol = function_at(it)
        if symbol is None or not syntax_has(it) or not self.fits(it, symbol):
            return ""
        return self.label.format(name=symbol.name)

    def fits(self, it: Target, symbol: Symbol) -> bool:  # noqa: ARG002  for those that look
        """Whether the action makes sense for a function; syntax alone, in some milliseconds."""
        return True

    def ask(self, it: Target) -> Sequence[Turn]:
        scope = function_scope(it)
        task = f"{self.told(it, scope)}\n{self.form}".replace("{name}", scope.name)
        return question(it, scope, task, self.pieces(it))

    def told(self, it: Target, scope: Scope) -> str:  # noqa: ARG002  for those that look
        """The task in words."""
        return self.task

    def pieces(self, it: Target) -> tuple[evidence.Piece, ...]:
        scope = function_scope(it)
        return evidence.gather(it, scope.start, scope.end, self.chars)

    def answer_tokens(self, it: Target) -> int:
        """How long an answer may be."""
        scope = function_scope(it)
        return int((scope.end - scope.start) * 1.5 / CHARS_A_TOKEN) + SPARE_TOKENS

    def read(self, it: Target, answer: str) -> Proposal:
        scope = function_scope(it)
        code = function_of(it, scope, answer)
        return proposed(it, replaced(it, scope.start, scope.end, code))

    def checks(self, it: Target, proposal: Proposal) -> Sequence[Check]:
        scope = function_scope(it)
        assert scope.symbol is not None
        both = pair(it, proposal, scope.symbol)
        if both is None:
            detail = f"{scope.name} is not there any more, or more than once"
            return (Check("scope", passed=False, detail=detail),)
        return self.proof(both)

    def proof(self, both: Pair) -> Sequence[Check]:
        """What this action promises of the function before and after."""
        raise NotImplementedError


def syntax_has(it: Target) -> bool:
    """Whether the function at the cursor can be taken apart."""
    return it.record.tier == "A"
