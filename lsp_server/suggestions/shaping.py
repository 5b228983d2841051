# SPDX-License-Identifier: Apache-2.0
"""From what the model wrote to what may be shown: the rules, then the syntax.

In: an ask, raw text. Out: the `Gap` at the cursor, text, and the names of the rules that fired.
It composes `engine.trim` with the tree-sitter view of the cursor, and knows no protocol.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.trim import Gap, trim
from indexer.gate import gate
from indexer.site import site
from lsp_server.documents import lf

if TYPE_CHECKING:
    from lsp_server.suggest import Ask

AROUND_LINES = 50  # the rules look for lines that stand there already
SEEN_CHARS = 32_000  # of each side; the parser cuts further
GATE = "syntax"  # its name among the rules that fired


def gap_of(ask: Ask, *, multiline: bool) -> Gap:
    """The place to fill, with what the syntax around it says of it."""
    lines, place = ask.document.lines, ask.place
    line = lines[place.line]
    above = _bare(lines[max(0, place.line - AROUND_LINES) : place.line])
    below = _bare(lines[place.line + 1 : place.line + AROUND_LINES])
    here = site(_name(ask), *_around(ask))
    known = here.kind != "unknown"
    return Gap(
        before=line[: place.index],
        after=line[place.index :].rstrip("\r\n"),
        above=_next_text(above[::-1]),
        below=_next_text(below),
        multiline=multiline,
        above_lines=above,
        below_lines=below,
        lines=("many" if here.many else "one") if known else "auto",
        unit=here.unit,
        code=here.kind not in ("string", "comment"),
        document=lines,
    )


def shape(raw: str, gap: Gap, ask: Ask, *, whole: bool) -> tuple[str, tuple[str, ...]]:
    """The text to insert, and the rules that fired. What is not the `whole` ends anywhere."""
    text, rules = trim(raw, gap)
    if not text or not whole:
        return text, rules
    gated = gate(_name(ask), *_around(ask), text)
    return gated.text, (*rules, GATE) if gated.fired else rules


def _name(ask: Ask) -> str:
    path = ask.document.path
    return path.name if path is not None else ""


def _around(ask: Ask) -> tuple[str, str]:
    place = ask.place
    before = ask.document.prefix(place, max_chars=SEEN_CHARS)
    return lf(before), lf(ask.document.suffix(place, max_chars=SEEN_CHARS))


def _bare(lines: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(line.rstrip("\r\n") for line in lines)


def _next_text(lines: tuple[str, ...]) -> str:
    return next((line for line in lines if line.strip()), "")
