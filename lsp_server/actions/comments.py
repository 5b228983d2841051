# SPDX-License-Identifier: Apache-2.0
"""Comments that an answer has dropped, put back where the code that they stand at is still there.

In: a piece of code before and after. Out: the piece after, with those comments. Small models leave
comments out whatever they are told; what a line needs no model for, no model decides. A comment
whose code is gone or has changed goes with it. It knows no action.
"""

from __future__ import annotations

import re
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, NamedTuple

from lsp_server.actions import syntax

if TYPE_CHECKING:
    from collections.abc import Iterator

    import tree_sitter as ts

_WORD = re.compile(r"\w")


class _Line(NamedTuple):
    """A line as it is; its code with one blank between words; the comment behind that."""

    text: str
    code: str
    comment: str

    @property
    def is_comment(self) -> bool:
        return not self.code and bool(self.text.strip())

    @property
    def indent(self) -> str:
        return self.text[: len(self.text) - len(self.text.lstrip())]


def restored(language: str, before: str, after: str) -> str:
    """The piece of code `after`, with LF alone, with comments of `before` (see the module)."""
    old, new = _lines(language, before.replace("\r\n", "\n")), _lines(language, after)
    there = {line.comment or line.text.strip() for line in new if line.comment or line.is_comment}
    above: dict[int, list[str]] = {}
    behind: dict[int, str] = {}
    for i, j in _twins(old, new):
        lead = _lead(old, i)
        if lead and not there.intersection(line.text.strip() for line in lead):
            above[j] = [_moved(line, old[i].indent, new[j].indent) for line in lead]
        if old[i].comment and not new[j].comment and old[i].comment not in there:
            head = old[i].text.rstrip().removesuffix(old[i].comment)
            behind[j] = head[len(head.rstrip()) :] + old[i].comment
    rows = []
    for number, line in enumerate(new):
        rows += above.get(number, [])
        rows.append(line.text.rstrip() + behind[number] if number in behind else line.text)
    return "\n".join(rows)


def _twins(old: list[_Line], new: list[_Line]) -> Iterator[tuple[int, int]]:
    """Numbers of lines whose code is the same, in order."""
    codes = [[n for n, line in enumerate(lines) if line.code] for lines in (old, new)]
    texts = [old[n].code for n in codes[0]], [new[n].code for n in codes[1]]
    for block in SequenceMatcher(None, *texts, autojunk=False).get_matching_blocks():
        for step in range(block.size):
            i, j = codes[0][block.a + step], codes[1][block.b + step]
            if _WORD.search(old[i].code):
                yield i, j


def _lead(lines: list[_Line], at: int) -> list[_Line]:
    """The comments on lines of their own above a line of code, with blank lines between them."""
    start = at
    while start > 0 and not lines[start - 1].code:
        start -= 1
    own = [n for n in range(start, at) if lines[n].is_comment]
    return lines[own[0] : own[-1] + 1] if own else []


def _moved(line: _Line, was: str, now: str) -> str:
    text = line.text.removeprefix(was) if line.text.startswith(was) else line.text.lstrip()
    return now + text if text.strip() else ""


def _lines(language: str, text: str) -> list[_Line]:
    data = text.encode()
    code = bytearray(data)
    for node in _comments(syntax.root(language, data)):
        for at in range(node.start_byte, node.end_byte):
            if code[at] != ord("\n"):
                code[at] = ord(" ")
    rows = zip(data.split(b"\n"), bytes(code).split(b"\n"), strict=True)
    return [_line(row, blanked) for row, blanked in rows]


def _line(row: bytes, blanked: bytes) -> _Line:
    code = blanked.decode("utf-8", "replace").split()
    tail = row[len(blanked.rstrip()) :].strip() if code else b""
    return _Line(row.decode(), " ".join(code), tail.decode())


def _comments(top: ts.Node | None) -> Iterator[ts.Node]:
    waiting = [top] if top is not None else []
    while waiting:
        node = waiting.pop()
        if "comment" in node.type:
            yield node
        else:
            waiting += node.children
