# SPDX-License-Identifier: Apache-2.0
"""`quickfix.ai`: what a tool says is wrong, put right.

In: a diagnostic at the cursor. Out: the function around it, or the statement at the top of the
file, changed as little as it takes, with the cause in one sentence. An import may be added for a
name that the diagnostic speaks of. Where it can be seen, what was wrong is so no more.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, ClassVar

from lsp_server.actions import effects, evidence, import_lines, rewrite, syntax, wording
from lsp_server.actions.target import function_at, newline, replaced
from lsp_server.actions.types import Check, Refused

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.chat import Turn
    from lsp_server.actions.rewrite import Scope
    from lsp_server.actions.types import Diagnostic, Proposal, Target

TITLE_CHARS = 60  # of the message
CAUSE_CHARS = 300
SAME_SHARE = 0.5  # of a function's lines, at least, that a fix leaves as they are
SMALL_LINES = 6  # a shorter function may change altogether
NAMES_MAX = 8  # of a message
_SEVERITIES = ("error", "warning", "information", "hint")
_QUOTED = re.compile(r"[`'\"\u2018\u201c]([^\W\d][\w.$]*)[`'\"\u2019\u201d]")
_AFTER_COLON = re.compile(
    r"(?:undefined|undeclared|unresolved|unused)[^:]*: *([^\W\d][\w.]*)", re.IGNORECASE
)
_UNDEFINED = re.compile(
    r"undefined|not defined|undeclared|unresolved|cannot find (?:name|symbol|value)|not found in",
    re.IGNORECASE,
)
_UNUSED = re.compile(
    r"unused|never (?:used|read)|not (?:used|accessed)|but never|declared and not", re.IGNORECASE
)
_WORD = re.compile(r"[^\W\d]\w*")
_EMPTY = re.compile(r"(`{3,}|~{3,})[\w+-]*\s*\1")


class Fix:
    """See the module."""

    kind: ClassVar[str] = "quickfix.ai"

    def title(self, it: Target) -> str:
        found = _diagnostic(it)
        if found is None:
            return ""
        message = " ".join(found.message.split())
        short = message if len(message) <= TITLE_CHARS else message[: TITLE_CHARS - 1] + "\u2026"
        return f"Fix: {short}"

    def ask(self, it: Target) -> Sequence[Turn]:
        scope, found = _place(it)
        what = f"the function {scope.name}" if scope.name else "this code"
        names = _names(found)
        imports = (
            f" If an import is missing, write it above {what}." if names and scope.name else ""
        )
        removal = "" if scope.name else " If it has to go, answer with an empty code block."
        task = (
            f"A tool says:\n{evidence.told(it, [found])}\n\n"
            f"Task: repair this and change nothing else.{imports}{removal} Answer with all of "
            f"{what}, repaired, in one code block, and below it with one line `Cause: ...`, a "
            "sentence that says why it was wrong."
        )  # small models end behind the cause where it comes first, and copy forms word for word
        return rewrite.question(it, scope, task, self._pieces(it))

    def _pieces(self, it: Target) -> tuple[evidence.Piece, ...]:
        scope, found = _place(it)
        named = evidence.named(it, _names(found), (scope.start, scope.end))
        return evidence.gather(it, scope.start, scope.end, first=named)

    def answer_tokens(self, it: Target) -> int:
        """How long an answer may be."""
        scope, _ = _place(it)
        size = (scope.end - scope.start) * 1.25 / rewrite.CHARS_A_TOKEN
        return int(size) + rewrite.SPARE_TOKENS

    def read(self, it: Target, answer: str) -> Proposal:
        scope, found = _place(it)
        if scope.name:
            code = rewrite.function_of(it, scope, answer)
            lines = import_lines.needed(it, wording.code_of(answer), frozenset(_names(found)))
        else:
            code, lines = _statement(it, scope, found, answer)
        start, end = _with_line(it, scope) if not code else (scope.start, scope.end)
        text = replaced(it, start, end, code)
        text = import_lines.add(it.language, text, lines, newline(it))
        return rewrite.proposed(
            it, text, _cause(answer) or f"Repairs: {found.message}"[:CAUSE_CHARS]
        )

    def checks(self, it: Target, proposal: Proposal) -> Sequence[Check]:
        scope, found = _place(it)
        gone = _gone(it, scope, found, proposal.changes[0].after)
        if scope.symbol is None:
            return (gone,)
        both = rewrite.pair(it, proposal, scope.symbol)
        if both is None:
            return (Check("scope", passed=False, detail=f"{scope.name} is not there any more"),)
        names = frozenset(_names(found))
        checks = [effects.none_new(both, errors=True, also=names), _small(both), gone]
        if found.start >= both.old.body[0]:
            checks.insert(0, rewrite.header_check(both))
        return checks


def _diagnostic(it: Target) -> Diagnostic | None:
    """The worst that is said of the selection or of the cursor's line; the first of equals."""
    start = it.data.rfind(b"\n", 0, it.start) + 1
    end = it.data.find(b"\n", it.end)
    end = len(it.data) if end < 0 else end
    here = [each for each in it.diagnostics if each.start <= end and each.end >= start]
    here.sort(key=lambda each: (not each.start <= it.start <= each.end, each.start))
    return min(here, key=lambda each: _SEVERITIES.index(each.severity), default=None)


def _place(it: Target) -> tuple[Scope, Diagnostic]:
    """What may be changed, and for what. Raises Refused."""
    found = _diagnostic(it)
    if found is None:
        raise Refused("no diagnostic at the cursor")
    if not 0 <= found.start <= found.end <= len(it.data):
        raise Refused("the diagnostic is about another state of the text; ask again")
    at = replace(it, start=found.start, end=found.end)
    if function_at(at) is not None:
        return rewrite.function_scope(at), found
    start, end = syntax.statement(it.language, it.data, found.start)
    if end <= start:
        raise Refused("there is no code at the diagnostic")
    return rewrite.bounded(it, rewrite.Scope(start, end)), found


def _names(found: Diagnostic) -> list[str]:
    """Names that a message speaks of, without what stands before their last dot."""
    names = _QUOTED.findall(found.message) + _AFTER_COLON.findall(found.message)
    parts = [part for name in names for part in (name.split(".")[0], name.split(".")[-1])]
    return list(dict.fromkeys(parts))[:NAMES_MAX]


def _statement(it: Target, scope: Scope, found: Diagnostic, answer: str) -> tuple[str, list[str]]:
    """The code for a statement at the top of a file: it may go, where nothing uses it."""
    if _EMPTY.search(answer) and not wording.blocks(answer):
        if not _UNUSED.search(found.message):
            raise Refused("the code is needed; repair it instead")
        return "", []
    code = wording.code_of(answer)
    if not code.strip() or syntax.errors(it.language, code):
        raise Refused("the answer holds no code that can be read")
    rewrite.whole_answer(it, scope, code)
    if import_lines.offered(it.language, it.data[scope.start : scope.end].decode()):
        strange = import_lines.strange(it, code)
        if strange or import_lines.without(it.language, code).strip():
            raise Refused(f"answer with the import alone{f', not {strange}' if strange else ''}")
        _used(it, scope, found, code)
        return rewrite.visible(it, rewrite.placed(it, scope, code)), []
    body = import_lines.without(it.language, code)
    lines = import_lines.needed(it, code, frozenset(_names(found)))
    return rewrite.visible(it, rewrite.placed(it, scope, body)), lines


def _used(it: Target, scope: Scope, found: Diagnostic, code: str) -> None:
    """Refuse an import of what nothing uses."""
    others = it.data[: scope.start] + it.data[scope.end :]
    words = {*_WORD.findall(others.decode()), *_names(found)}
    words |= set(_WORD.findall(it.data[scope.start : scope.end].decode()))
    for _, rows in import_lines.offered(it.language, code):
        for row in rows:
            if row.alias and row.alias.split(".")[0] not in words:
                raise Refused(f"nothing here uses {row.alias}; do not import it")


def _with_line(it: Target, scope: Scope) -> tuple[int, int]:
    """The whole lines of a statement that goes."""
    end = it.data.find(b"\n", scope.end)
    return it.data.rfind(b"\n", 0, scope.start) + 1, len(it.data) if end < 0 else end + 1


def _cause(answer: str) -> str:
    """The first sentence of what an answer says beside its code."""
    text = re.sub(
        r"^\W*(?:the )?cause\W*(?:is)?\W*", "", wording.prose_of(answer), flags=re.IGNORECASE
    )
    match = re.match(r"(.+?[.!?])(?:\s|$)", text)
    sentence = match[1] if match else text
    return "".join(char for char in sentence if char.isprintable())[:CAUSE_CHARS]


def _small(both: rewrite.Pair) -> Check:
    """Most lines are as they were: a fix is no new function."""
    then = [line.strip() for line in both.before[slice(*both.old.whole)].splitlines()]
    now = [line.strip() for line in both.after[slice(*both.new.whole)].splitlines()]
    same = sum(
        b.size for b in SequenceMatcher(None, then, now, autojunk=False).get_matching_blocks()
    )
    small = len(then) <= SMALL_LINES or same >= SAME_SHARE * max(len(then), len(now))
    detail = "" if small else "more was changed than the fix needs; change as little as possible"
    return Check("size", passed=small, detail=detail)


def _gone(it: Target, scope: Scope, found: Diagnostic, after: str) -> Check:
    """Whether what was wrong is so no more, as far as counting its name tells."""
    names = _names(found)
    undefined, unused = _UNDEFINED.search(found.message), _UNUSED.search(found.message)
    if not names or not (undefined or unused):
        return Check("diagnostic", passed=None, detail="it cannot be told here whether it is gone")
    name = names[-1] if unused else names[0]
    then = _counts(it.language, it.data, (scope.start, scope.end))
    data = after.encode()
    now = _counts(it.language, data, _moved(it, scope, len(data)))
    if undefined and now[name] and _bindings(name, after) <= _bindings(name, it.data.decode()):
        detail = f"{name} is still used and still not defined"
        return Check("diagnostic", passed=False, detail=detail)
    if unused and now[name] == then[name]:
        return Check("diagnostic", passed=False, detail=f"{name} is still unused")
    return Check("diagnostic", passed=True)


def _moved(it: Target, scope: Scope, size: int) -> tuple[int, int]:
    """About where a scope is afterwards: as much is behind it as before; imports are above it."""
    return scope.start, max(scope.start, size - (len(it.data) - scope.end))


def _counts(language: str, data: bytes, span: tuple[int, int]) -> Counter[str]:
    words = syntax.tokens(language, data, *span)
    return Counter(word.decode("utf-8", "replace") for word in words)


def _bindings(name: str, text: str) -> int:
    """How often a text gives a name a meaning, by the forms that languages have for it."""
    word = re.escape(name)
    return len(
        re.findall(
            rf"(?<![\w.]){word}\s*(?::[^=\n]+)?(?:=(?!=)|:=)|\b(?:as|import|def|class|for|func|fn|let|mut"
            rf"|const|var|function|type|struct|use|in)\s+(?:\w+\s*,\s*)*{word}\b|\bimport\b[^\n]*\b{word}\b"
            rf"|\buse\b[^\n;]*\b{word}\b|\"[\w./]*\b{word}\"|\b[A-Z]\w*(?:<[^\n>]*>)?\s+{word}\s*[;=,)]",
            text,
        )
    )


ACTION = Fix()
