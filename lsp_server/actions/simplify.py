# SPDX-License-Identifier: Apache-2.0
"""`refactor.rewrite.simplify`: a function that does the same with less.

In: the function at the cursor. Out: the same function with the same header and comments, the same
calls to the outside, no new ones, nothing lost that can be named (losses.py), and neither more
branches nor more lines.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lsp_server.actions import effects, losses, rewrite, syntax
from lsp_server.actions.comments import restored
from lsp_server.actions.target import replaced
from lsp_server.actions.types import Check

if TYPE_CHECKING:
    from collections.abc import Sequence

    from indexer.types import Symbol
    from lsp_server.actions.rewrite import Pair
    from lsp_server.actions.types import Proposal, Target

MIN_LINES = 3  # a shorter function is simple


class Simplify(rewrite.Rewrite):
    """See the module."""

    kind = "refactor.rewrite.simplify"
    label = "Simplify {name}"
    task = (
        "Task: simplify the function {name}. Its behaviour must stay exactly the same: the same "
        "results, the same errors, the same calls in the same order. Keep the line with its name "
        "and parameters unchanged. Remove nesting, repetition and variables that are not needed."
    )

    def fits(self, _it: Target, symbol: Symbol) -> bool:
        return symbol.end_line - symbol.start_line + 1 >= MIN_LINES

    def read(self, it: Target, answer: str) -> Proposal:
        scope = rewrite.function_scope(it)
        before = it.data[scope.start : scope.end].decode()
        code = restored(it.language, before, rewrite.function_of(it, scope, answer))
        return rewrite.proposed(it, replaced(it, scope.start, scope.end, code))

    def proof(self, both: Pair) -> Sequence[Check]:
        checks = [rewrite.header_check(both), effects.kept(both), effects.none_new(both)]
        return (*checks, _changes_code(both), *losses.checks(both), _is_simpler(both))


def _changes_code(both: Pair) -> Check:
    old, new = rewrite.body_tokens(both)
    detail = "only comments or white space differ; simplify the code" if old == new else ""
    return Check("change", passed=old != new, detail=detail)


def _is_simpler(both: Pair) -> Check:
    """Fewer branches, or as many in no more lines and words."""
    language = both.language
    then = syntax.complexity(language, both.before, *both.old.body)
    now = syntax.complexity(language, both.after, *both.new.body)
    lines_then = syntax.code_lines(both.before, *both.old.body)
    lines_now = syntax.code_lines(both.after, *both.new.body)
    if now > then or (now == then and lines_now > lines_then):
        detail = (
            f"it is not simpler: {then} branches in {lines_then} lines became {now} in {lines_now}"
        )
        return Check("simpler", passed=False, detail=detail)
    return Check("simpler", passed=True, detail=f"{then} branches to {now}")


ACTION = Simplify()
