# SPDX-License-Identifier: Apache-2.0
"""`refactor.rewrite.errors`: what may go wrong in a function is looked for before it does.

In: the function at the cursor. Out: the same function with the same header and all its statements
in their order, and checks between them: for zero, for what is missing, for what is left open.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from lsp_server.actions import effects, rewrite, syntax
from lsp_server.actions.types import Check

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lsp_server.actions.rewrite import Pair
    from lsp_server.actions.syntax import Shape

_ONLY_SIGNS = re.compile(r"[\W_]*(?:else|try|finally|do|default)?[\W_]*")
_CLOSES = re.compile(r"(?:defer )?\w+\.[cC]lose\(\);?")
_ASSIGNED = re.compile(
    r"(?:(?:let|const|var|final|[A-Z][\w<>]*)\s+)?(\w+)\s*:?=\s*(?:await\s+)?(.+?);?"
)


class Errors(rewrite.Rewrite):
    """See the module."""

    kind = "refactor.rewrite.errors"
    label = "Add error handling to {name}"
    task = (
        "Task: make the function {name} safe against errors. Add checks where something may fail: "
        "a division by zero, a missing key or an empty list, None or null, a file that stays open. "
        "Keep every line that is there, in its order, and the line with the name and parameters "
        "unchanged. Where a check fails, raise or return an error as the rest of this code does. "
        "Do not hide errors."
    )

    def proof(self, both: Pair) -> Sequence[Check]:
        checks = [rewrite.header_check(both), _kept(both), effects.none_new(both, errors=True)]
        return (*checks, _added(both), _hides_nothing(both))


def _kept(both: Pair) -> Check:
    """Every line of before is still there, in order, wrapped or not."""
    now = list(_lines(both.language, both.after, both.new))
    at = 0
    for line in _lines(both.language, both.before, both.old):
        place = next((n for n in range(at, len(now)) if _is_kept(line, now[n])), -1)
        if place < 0 and _CLOSES.fullmatch(line):
            continue  # what closes it by itself has come instead
        if place < 0:
            return Check("statements", passed=False, detail=f"this line must stay: {line[:120]}")
        at = place + 1
    return Check("statements", passed=True)


def _lines(language: str, data: bytes, found: Shape) -> Iterator[str]:
    """Lines of a body that say something, each with one blank between its words."""
    doc = syntax.docstring(language, data, found)
    start, end = found.body
    for row in data[max(start, doc[1]) : end].decode().splitlines():
        line = " ".join(_without_comment(language, row).split())
        if not _ONLY_SIGNS.fullmatch(line):
            yield line


def _without_comment(language: str, row: str) -> str:
    mark = "#" if language == "python" else "//"
    text = row.strip()
    if text.startswith((mark, "/*", "*")):
        return ""
    head, found, tail = row.rpartition(f" {mark}")
    return head if found and not re.search(r"['\"`]", tail) else row


def _is_kept(line: str, now: str) -> bool:
    if line == now:
        return True
    if "_" in line.split("=", maxsplit=1)[0] and re.sub(r"\b_\b", "err", line, count=1) == now:
        return True  # an error that was thrown away has got a name
    assigned = _ASSIGNED.fullmatch(line)
    if assigned is None:
        return False
    name, value = re.escape(assigned[1]), re.escape(assigned[2])
    wrapped = (
        rf"(?:async )?with (?:await )?(?:closing\()?{value}\)? as {name}:"
        rf"|try \(.*\b{name} = {value}\) \{{"
    )
    return re.fullmatch(wrapped, now) is not None


def _added(both: Pair) -> Check:
    """Some check, or something that closes what was opened, is new."""
    language = both.language
    then = syntax.complexity(language, both.before, *both.old.body)
    now = syntax.complexity(language, both.after, *both.new.body)
    kinds = (b"with", b"try", b"raise", b"throw", b"assert", b"finally", b"defer", b"?", b"return")
    old, new = rewrite.body_tokens(both)
    more = now > then or any(new.count(kind) > old.count(kind) for kind in kinds)
    detail = "" if more else "nothing is checked that was not checked before; add a check"
    return Check("added", passed=more, detail=detail)


def _hides_nothing(both: Pair) -> Check:
    """No new handler that swallows everything."""
    empty = re.compile(
        rb"except(?:\s+(?:Base)?Exception(?:\s+as\s+\w+)?)?\s*:\s*(?:#[^\n]*\s*)*(?:pass\b|\.\.\.)"
        rb"|catch\s*(?:\([^)]*\))?\s*\{\s*\}"
    )
    then = len(empty.findall(both.before[slice(*both.old.body)]))
    now = len(empty.findall(both.after[slice(*both.new.body)]))
    detail = "an error is caught and dropped; let it go on, or tell it" if now > then else ""
    return Check("errors", passed=now <= then, detail=detail)


ACTION = Errors()
