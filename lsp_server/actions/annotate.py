# SPDX-License-Identifier: Apache-2.0
"""`refactor.rewrite.types`: types for the parameters and the result of a function.

In: the function at the cursor, if some type is missing. Out: the same text with types put in, and
import lines that they need; for JavaScript a comment that states them. The model writes the header
alone; no more than the types in it is used, and none that was there is changed.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar

from indexer.parse import extract
from lsp_server.actions import (
    evidence,
    import_lines,
    rewrite,
    slots,
    syntax,
    type_names,
    wording,
)
from lsp_server.actions.target import function_at, indent_at, line_start, newline
from lsp_server.actions.types import Check, Refused

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.chat import Turn
    from indexer.types import Symbol
    from lsp_server.actions.slots import Header, Slot
    from lsp_server.actions.types import Proposal, Target

LANGUAGES = frozenset(("python", "typescript", "tsx", "javascript"))
EVIDENCE_CHARS = 3000
GAP = "?"
_BODY = {"python": " ...", "typescript": " {}", "tsx": " {}", "javascript": " {}"}
_OLD = re.compile(r"@param\s+\{|@returns?\s+\{")
_DOC_END = re.compile(rb"\*/[ \t]*\r?\n[ \t]*\Z")


class Annotate:
    """See the module."""

    kind: ClassVar[str] = "refactor.rewrite.types"

    def title(self, it: Target) -> str:
        symbol = function_at(it) if it.language in LANGUAGES else None
        return f"Add types to {symbol.name}" if symbol is not None and _seems(it, symbol) else ""

    def ask(self, it: Target) -> Sequence[Turn]:
        scope, mine = _found(it)
        gaps = _with_gaps(it, scope, mine)
        wanted = "TypeScript" if it.language == "javascript" else it.language
        task = (
            f"Task: fill in each {GAP} in this header of {scope.name} with a {wanted} type. Read"
            " from the body, the callers and the tests what it is. Keep everything else.\n"
            f"{wording.fenced(gaps, rewrite.fence(it))}\n"
            "Answer with the filled-in header alone, without the body, in one code block."
        )
        return rewrite.question(it, scope, task, self._pieces(it))

    def _pieces(self, it: Target) -> tuple[evidence.Piece, ...]:
        scope = rewrite.function_scope(it)
        return evidence.gather(it, scope.start, scope.end, EVIDENCE_CHARS)

    def answer_tokens(self, it: Target) -> int:
        """How long an answer may be: a header, with some room."""
        scope, mine = _found(it)
        size = len(_with_gaps(it, scope, mine)) * 2 / rewrite.CHARS_A_TOKEN
        return int(size) + rewrite.SPARE_TOKENS

    def read(self, it: Target, answer: str) -> Proposal:
        scope, mine = _found(it)
        types = _read(it, scope, mine, answer)
        if not types:
            raise Refused("the answer has no type that was missing")
        if it.language == "javascript":
            after = _in_comment(it, scope, mine, types)
            return rewrite.proposed(it, after)
        lines = type_names.imports_for(it, types.values())
        text = _with_types(it, mine, types)
        return rewrite.proposed(it, import_lines.add(it.language, text, lines, newline(it)))

    def checks(self, it: Target, proposal: Proposal) -> Sequence[Check]:
        scope, mine = _found(it)
        assert scope.symbol is not None
        both = rewrite.pair(it, proposal, scope.symbol)
        if both is None:
            return (Check("scope", passed=False, detail=f"{scope.name} is not there any more"),)
        now = slots.header(it.language, both.after, both.new.symbol)
        old, new = rewrite.body_tokens(both)
        same = now is not None and _stated(mine) == _stated(now, only=mine)
        detail = "" if same and old == new else "something other than a missing type has changed"
        return (Check("code", passed=same and old == new, detail=detail),)


def _seems(it: Target, symbol: Symbol) -> bool:
    """Whether types are missing, by the line of the signature alone: a list is made of this."""
    span = syntax.whole(it.data, symbol)
    try:
        found, _ = _answered(it, rewrite.Scope(*span, symbol.name, symbol), symbol.signature)
    except Refused:
        return False
    return _wanting(it, symbol, found._replace(whole=span))


def _header(it: Target) -> Header | None:
    """The header at the cursor, if types are missing in it."""
    symbol = function_at(it) if it.language in LANGUAGES else None
    found = slots.header(it.language, it.data, symbol) if symbol is not None else None
    if found is None or symbol is None or not _wanting(it, symbol, found):
        return None
    return found


def _wanting(it: Target, symbol: Symbol, found: Header) -> bool:
    if it.language != "javascript":
        return bool(found.missing)
    above = it.data[: found.whole[0]].decode("utf-8", "replace")
    comment = above[above.rfind("/**") :] if above.rstrip().endswith("*/") else ""
    return not _OLD.search(comment) and bool(found.names or symbol.name != "constructor")


def _found(it: Target) -> tuple[rewrite.Scope, Header]:
    scope, found = rewrite.function_scope(it), _header(it)
    if found is None:
        raise Refused(f"{scope.name} has all of its types, or takes its parameters apart")
    return scope, found


def _with_gaps(it: Target, scope: rewrite.Scope, mine: Header) -> str:
    """The header without decorators, with a mark where a type is missing."""
    data, end = it.data, mine.body[0]
    for slot in reversed(mine.missing):
        mark = _written(it.language, slot, GAP).encode()
        data, end = data[: slot.at] + mark + data[slot.at :], end + len(mark)
    assert scope.symbol is not None
    found = syntax.shape(it.language, it.data, scope.symbol)
    start = found.parameters[0] if found is not None else scope.symbol.name_start
    start = max(line_start(it, start), scope.start)
    return data[start:end].decode().strip()


def _read(it: Target, scope: rewrite.Scope, mine: Header, answer: str) -> dict[str, str]:
    """The missing types by the names of their slots. Raises Refused."""
    theirs, data = _answered(it, scope, wording.code_of(answer, lambda b: scope.name in b))
    if [name.rstrip("?") for name in theirs.names] != [name.rstrip("?") for name in mine.names]:
        raise Refused(f"the parameters must stay ({', '.join(mine.names)})")
    found = {}
    for ours, new in zip(mine.slots, theirs.slots, strict=True):
        if ours.type and new.type and _plain(new.type) != _plain(ours.type):
            raise Refused(f"the type of {ours.name} must stay {ours.type}")
        if _plain(ours.default) != _plain(new.default):
            raise Refused(f"the default of {ours.name} must stay {ours.default or 'away'}")
        if new.type and not ours.type:
            found[ours.name] = " ".join(new.type.split())
    _same_body(it, scope, mine, data, theirs)
    return found


def _plain(text: str) -> str:
    return "".join(text.split()).replace("'", '"')


def _answered(it: Target, scope: rewrite.Scope, code: str) -> tuple[Header, bytes]:
    """The header that an answer gives, whether or not a body follows."""
    language = "typescript" if it.language == "javascript" else it.language
    text = code.strip()
    bare = text.rstrip("{ \n").rstrip(";").rstrip()
    bodies = [text, f"{bare.rstrip(':')}:{_BODY['python']}"]
    if language != "python":
        arrow = f"{bare.removesuffix('=>').rstrip()} => {{}}"
        bodies = [text, f"{bare}{_BODY[language]}", arrow, f"const {arrow}"]
    best = None
    for body in bodies:
        for source, each in syntax.functions(language, body):
            data = source.encode()
            found = slots.header(language, data, each.symbol)
            if each.symbol.name == scope.name and found is not None:
                errors = extract(language, data).error_count
                if not errors:
                    return found, data
                best = best or (found, data)
    raise Refused(f"the answer holds no header of {scope.name} that can be read")


def _same_body(it: Target, scope: rewrite.Scope, mine: Header, data: bytes, theirs: Header) -> None:
    """A body that came along must be what is there: it is not used, but it tells of a mistake."""
    assert scope.symbol is not None
    now = syntax.tokens(it.language, data, *theirs.body)
    if "".join(word.decode() for word in now) in {"...", "pass", "{}", "", "return"}:
        return
    old = syntax.shape(it.language, it.data, scope.symbol)
    then = syntax.tokens(it.language, it.data, *mine.body)
    doc = syntax.docstring(it.language, it.data, old) if old is not None else (0, 0)
    without = syntax.tokens(it.language, it.data, *mine.body, without=doc)
    cut = any(now[:-1] == whole[: len(now) - 1] for whole in (then, without))  # it was too long
    if not cut and now != tuple(word for word in then if word != b";"):
        raise Refused("the body must stay as it is; answer with the header alone")


def _with_types(it: Target, mine: Header, types: dict[str, str]) -> str:
    data = it.data
    for slot in reversed(mine.slots):
        new = types.get(slot.name)
        if new is not None:
            data = data[: slot.at] + _written(it.language, slot, new).encode() + data[slot.at :]
    return _spaced(it.language, data.decode(), mine, types)


def _written(language: str, slot: Slot, new: str) -> str:
    if slot.name == "return":
        return f" -> {new}" if language == "python" else f": {new}"
    return f": {new}"


def _spaced(language: str, text: str, mine: Header, types: dict[str, str]) -> str:
    """Python's defaults have blanks around their sign where there is a type."""
    if language != "python":
        return text
    data, shift = text.encode(), 0
    for slot in mine.slots:
        new = types.get(slot.name)
        if new is None:
            continue
        shift += len(_written(language, slot, new).encode())
        at = slot.at + shift
        if slot.default and data[at : at + 1] == b"=" and data[at + 1 : at + 2] not in b" =":
            data = data[:at] + b" = " + data[at + 1 :]
            shift += 2
    return data.decode()


def _stated(found: Header, only: Header | None = None) -> list[tuple[str, str, str]]:
    """Names, types and defaults; where `only` is given, without types that it does not have."""
    before = {slot.name: slot.type for slot in only.slots} if only is not None else None
    return [
        (s.name, s.type if before is None or before.get(s.name) else "", _plain(s.default))
        for s in found.slots
    ]


def _in_comment(it: Target, scope: rewrite.Scope, mine: Header, types: dict[str, str]) -> str:
    """A comment with the types above a function, or more lines for the one that is there."""
    type_names.imports_for(it, types.values())
    base, end = indent_at(it, scope.start), newline(it)
    rows = [
        f"@param {{{types[slot.name]}}} {f'[{slot.name}]' if slot.default else slot.name}"
        for slot in mine.slots[:-1]
        if slot.name in types
    ]
    if "return" in types and scope.name != "constructor":
        rows.append(f"@returns {{{types['return']}}}")
    if any("*/" in row for row in rows):
        raise Refused("a type may not end the comment")
    start = line_start(it, scope.start)
    above = it.data[:start]
    existing = _DOC_END.search(above)
    lines = "".join(f"{base} * {row}{end}" for row in rows)
    if existing is not None and above.rfind(b"/**") > above.rfind(b"*/", 0, existing.start()):
        opened = above.rfind(b"/**")
        if above.count(b"\n", opened, existing.start()):
            at = line_start(it, existing.start())
            return (it.data[:at] + lines.encode() + it.data[at:]).decode()
        said = above[opened + 3 : existing.start()].decode().strip()
        whole = f"/**{end}{base} * {said}{end}{lines}{base} */{end}"
        return (it.data[:opened] + whole.encode() + it.data[start:]).decode()
    text = f"{base}/**{end}{lines}{base} */{end}"
    return (it.data[:start] + text.encode() + it.data[start:]).decode()


ACTION = Annotate()
