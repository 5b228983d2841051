# SPDX-License-Identifier: Apache-2.0
"""`refactor.rewrite.modernise`: a function in the language as it is now.

In: the function at the cursor, with idioms in it that are dated. Out: the same function, called
with the same parameters, without them. What new idioms need may be imported.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from lsp_server.actions import effects, import_lines, rewrite, syntax, wording
from lsp_server.actions.dated import idioms
from lsp_server.actions.target import newline, replaced
from lsp_server.actions.types import Check

if TYPE_CHECKING:
    from collections.abc import Sequence

    from indexer.types import Symbol
    from lsp_server.actions.rewrite import Pair, Scope
    from lsp_server.actions.types import Proposal, Target

_WORD = re.compile(r"[^\W\d]\w*")
# What stands for dated calls: these may be new.
# fmt: off
_INSTEAD = frozenset((
    "Path", "joinpath", "read_text", "read_bytes", "write_text", "exists", "is_file", "is_dir",
    "with_suffix", "mkdir", "resolve", "super", "ReadFile", "ReadAll", "WriteFile", "MkdirTemp",
    "CreateTemp", "ReadDir", "Discard", "NopCloser", "Is", "As", "SortFunc", "Sort", "Contains",
    "Println", "format", "println", "eprintln", "to_string", "readFile", "writeFile",
    "promisify", "json", "finally", "catch", "resolve", "reject", "all", "allSettled",
    "includes", "List", "Set", "Map", "of", "toList", "collect", "close", "ArrayDeque",
    "StringBuilder", "requireNonNull", "run", "accept", "apply", "debug", "info", "warning",
    "error", "any", "strip",
))
# fmt: on
# And these may go: they were what was dated about it.
# fmt: off
_INSTEAD_OF = frozenset((
    "join", "exists", "isfile", "isdir", "basename", "dirname", "splitext", "open", "close",
    "format", "require", "apply", "bind", "call", "ReadFile", "ReadAll", "WriteFile", "TempDir",
    "TempFile", "ReadDir", "then", "catch", "has_key", "keys", "values", "type", "len", "range",
    "hasNext", "next", "iterator", "size", "get", "elementAt", "Slice", "Strings", "Ints",
    "try",
))
# fmt: on


class Modernise(rewrite.Rewrite):
    """See the module."""

    kind = "refactor.rewrite.modernise"
    label = "Modernise {name}"
    task = (
        "Task: rewrite the function {name} in current {language}. Replace these dated idioms: "
        "{idioms}. Its behaviour must stay exactly the same. Keep its name and its parameters."
    )

    def fits(self, it: Target, symbol: Symbol) -> bool:
        return bool(idioms(it.language, it.data[slice(*syntax.whole(it.data, symbol))]))

    def told(self, it: Target, scope: Scope) -> str:
        found = ", ".join(idioms(it.language, it.data[scope.start : scope.end]))
        return self.task.replace("{language}", it.language).replace("{idioms}", found)

    def read(self, it: Target, answer: str) -> Proposal:
        scope = rewrite.function_scope(it)
        code = rewrite.function_of(it, scope, answer)
        return rewrite.proposed(it, with_imports(it, scope, code, answer))

    def proof(self, both: Pair) -> Sequence[Check]:
        checks = [_same_parameters(both), _newer(both)]
        calls = effects.kept(both, but=_INSTEAD_OF), effects.none_new(both, also=_INSTEAD)
        return (*checks, *calls)


def with_imports(it: Target, scope: Scope, code: str, answer: str) -> str:
    """The whole text with a scope replaced, and what its code needs of an answer's imports."""
    names = frozenset(_WORD.findall(code))  # also those in formatted strings
    lines = import_lines.needed(it, wording.code_of(answer), names)
    text = replaced(it, scope.start, scope.end, code)
    return import_lines.add(it.language, text, lines, newline(it))


def _same_parameters(both: Pair) -> Check:
    language = both.language
    then = syntax.parameters(language, both.before, both.old.symbol)
    now = syntax.parameters(language, both.after, both.new.symbol)
    if then is None or now is None:
        return rewrite.header_check(both)
    if then != now:
        detail = f"the parameters must stay ({', '.join(then)})"
        return Check("signature", passed=False, detail=detail)
    return Check("signature", passed=True)


def _newer(both: Pair) -> Check:
    then = idioms(both.language, both.before[slice(*both.old.whole)])
    now = idioms(both.language, both.after[slice(*both.new.whole)])
    more = [name for name, count in now.items() if count > then[name]]
    if more:
        detail = f"there is more of what is dated: {', '.join(more)}"
        return Check("idioms", passed=False, detail=detail)
    if sum(now.values()) >= sum(then.values()):
        detail = f"nothing dated is gone; there still is {', '.join(now)}"
        return Check("idioms", passed=False, detail=detail)
    return Check(
        "idioms", passed=True, detail=f"{sum(then.values())} dated idioms to {sum(now.values())}"
    )


ACTION = Modernise()
