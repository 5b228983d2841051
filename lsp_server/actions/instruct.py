# SPDX-License-Identifier: Apache-2.0
"""`refactor.rewrite.instruct`: the code at hand, changed as the user says.

In: the user's words; the selection, else the function at the cursor, else what stands there at the
top of the file, else an empty line. Out: exactly that replaced by the answer. What it defined is
still defined, unless the user has named it. For the whole repository there is `agent.py`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar

from indexer.scopes import OWNERS
from lsp_server.actions import evidence, import_lines, rewrite, syntax, wording
from lsp_server.actions.target import (
    FUNCTIONS,
    function_at,
    indent_at,
    indent_unit,
    line_start,
    newline,
    replaced,
    symbol_at,
)
from lsp_server.actions.types import Check, Refused

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.chat import Turn
    from lsp_server.actions.rewrite import Scope
    from lsp_server.actions.types import Proposal, Target

INSTRUCTION_MAX_CHARS = 4000
FRESH_TOKENS = 700  # of an answer that is not bound to what is there
_WORD = re.compile(r"[^\W\d]\w*")


class Instruct:
    """See the module."""

    kind: ClassVar[str] = "refactor.rewrite.instruct"

    def title(self, it: Target) -> str:
        name = "" if it.selected.strip() else getattr(function_at(it), "name", "")
        return f"Change {name} as told ..." if name else "Change this as told ..."

    def ask(self, it: Target) -> Sequence[Turn]:
        scope, wish = _scope(it), _wish(it)
        if scope.start == scope.end:
            return self._ask_fresh(it, scope, wish)
        what = f"the function {scope.name}" if scope.name else "this code"
        task = (
            f"Task: change {what} so: {wish}\n"
            f"Change nothing else. Answer with all of {what} as it will be, in one code block."
        )
        return rewrite.question(it, scope, task, self._pieces(it))

    def _ask_fresh(self, it: Target, scope: Scope, wish: str) -> Sequence[Turn]:
        start = line_start(it, max(0, scope.start - 1500))
        above = it.data[start : scope.start].decode("utf-8", "ignore")
        task = f"Task: write what comes next: {wish}\nAnswer with that code alone, in one block."
        shown = wording.Code(
            it.path, above, f"The code above the place: {it.path}", rewrite.fence(it)
        )
        return wording.asked(task, shown, self._pieces(it))

    def _pieces(self, it: Target) -> tuple[evidence.Piece, ...]:
        scope = _scope(it)
        return evidence.gather(it, scope.start, scope.end)

    def answer_tokens(self, it: Target) -> int:
        """How long an answer may be."""
        scope = _scope(it)
        return int((scope.end - scope.start) * 2 / rewrite.CHARS_A_TOKEN) + FRESH_TOKENS

    def read(self, it: Target, answer: str) -> Proposal:
        scope = _scope(it)
        _wish(it)
        code = _code(it, scope, answer)
        if not code.strip():
            raise Refused("the answer holds no code")
        body, lines = _without_imports(it, scope, code)
        text = replaced(it, scope.start, scope.end, rewrite.visible(it, _placed(it, scope, body)))
        text = import_lines.add(it.language, text, lines, newline(it))
        return rewrite.proposed(it, text)

    def checks(self, it: Target, proposal: Proposal) -> Sequence[Check]:
        after = rewrite.extracted(it.language, proposal.changes[0].after.encode())
        now = {row.name for row in after.symbols}
        named = set(_WORD.findall(it.instruction))
        scope = _scope(it)
        gone = [
            row.name
            for row in it.record.symbols
            if row.kind in (*FUNCTIONS, *OWNERS)
            and scope.start <= row.start < scope.end
            and row.name not in now
            and row.name not in named
        ]
        detail = f"{', '.join(gone[:3])} must stay defined" if gone else ""
        return (Check("definitions", passed=not gone, detail=detail),)


def _wish(it: Target) -> str:
    wish = " ".join(it.instruction.split())
    if not wish:
        raise Refused("say what is to be changed: the instruction is empty")
    if len(wish) > INSTRUCTION_MAX_CHARS:
        raise Refused(f"the instruction is longer than {INSTRUCTION_MAX_CHARS} characters")
    return wish


def _scope(it: Target) -> Scope:
    """What the answer replaces. Raises Refused."""
    chosen = it.selected
    if chosen.strip():
        start = it.start + len(chosen) - len(chosen.lstrip())
        return rewrite.bounded(it, rewrite.Scope(start, it.start + len(chosen.rstrip())))
    if function_at(it) is not None:
        return rewrite.function_scope(it)
    symbol = symbol_at(it)
    if symbol is not None and symbol.kind != "module":
        span = syntax.whole(it.data, symbol)
        return rewrite.bounded(it, rewrite.Scope(*span, symbol.name, symbol))
    start, end = syntax.statement(it.language, it.data, it.start)
    if end > start:
        return rewrite.bounded(it, rewrite.Scope(start, end))
    start = line_start(it, it.start)
    line = it.data[start:].partition(b"\n")[0].rstrip(b"\r")
    if line.strip():
        return rewrite.bounded(it, rewrite.Scope(start, start + len(line)))
    return rewrite.Scope(start, start + len(line))


def _code(it: Target, scope: Scope, answer: str) -> str:
    """The code of an answer; of a function the function alone where a class came around it."""
    code = wording.code_of(answer, lambda block: not scope.name or scope.name in block)
    rewrite.whole_answer(it, scope, code)
    symbol = scope.symbol
    owner = it.record.symbols[symbol.parent].name if symbol and symbol.parent >= 0 else ""
    if owner and re.search(
        rf"^\s*(?:export |public |abstract )*class {owner}\b", code, re.MULTILINE
    ):
        return rewrite.function_in(it, scope, answer)
    return code


def _without_imports(it: Target, scope: Scope, code: str) -> tuple[str, list[str]]:
    """Code without the imports above it, and those of them that the file lacks."""
    if import_lines.offered(it.language, it.data[scope.start : scope.end].decode()):
        return code, []  # imports were pointed at
    body = import_lines.without(it.language, code)
    words = frozenset(_WORD.findall(body))
    return body, import_lines.needed(it, code, words)


def _placed(it: Target, scope: Scope, code: str) -> str:
    if "\n" not in code.strip("\n") and scope.end > scope.start:
        line = code.strip()  # an expression, or one line
        ends = line[-1:] in {";", ","} and it.data[scope.end : scope.end + 1] == line[-1:].encode()
        return line[:-1] if ends else line
    if scope.start == scope.end:
        base = indent_at(it, scope.start)
        text = wording.fitted(code, base=base, unit=indent_unit(it), inside=frozenset())
        return text.removeprefix(base)
    return rewrite.placed(it, scope, code)


ACTION = Instruct()
