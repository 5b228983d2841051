# SPDX-License-Identifier: Apache-2.0
"""The body of a function, found by its name: a hole to type it into again.

In: the text of a source file and a name, `run` or `Server.run`. Out: the text without the body, the
body, and the place where it was. It knows no keys and no history.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import tree_sitter as ts

from indexer.languages import detect, grammar
from indexer.parse import extract
from lsp_server.replaying.trace import Unusable

if TYPE_CHECKING:
    from indexer.types import FileRecord


class Hole(NamedTuple):
    """`place` is a line and an index from 0, where `body` was."""

    before: str
    body: str
    place: tuple[int, int]


def empty(path: str, text: str, name: str) -> Hole:
    """Take the body of the function `name` out of a file. Raises Unusable."""
    data = text.encode("utf-8")
    language = detect(path)
    try:
        known = grammar(language)
        record = extract(language, data)
    except LookupError as error:
        raise Unusable(f"{path}: functions of {language} are not known here") from error
    if known is None:
        raise Unusable(f"{path}: not a source file with functions")
    at = _find(path, record, name)
    node = ts.Parser(known.native).parse(data).root_node.descendant_for_byte_range(at, at + 1)
    while node is not None and node.child_by_field_name("body") is None:
        node = node.parent
    body = node.child_by_field_name("body") if node else None
    if body is None:
        raise Unusable(f"{path}: {name} has no body")
    start, end = _inner(data, body.start_byte, body.end_byte)
    if start == end:
        raise Unusable(f"{path}: the body of {name} is empty")
    head = data[:start].decode()
    line = head.count("\n")
    place = line, len(head) - (head.rfind("\n") + 1)
    return Hole(head + data[end:].decode(), data[start:end].decode(), place)


def _find(path: str, record: FileRecord, name: str) -> int:
    """Where the name stands in its definition: a byte."""
    *owners, last = name.split(".")
    found = []
    for symbol in record.symbols:
        chain, parent = [symbol.name], symbol.parent
        while parent >= 0:
            chain.insert(0, record.symbols[parent].name)
            parent = record.symbols[parent].parent
        if symbol.kind in {"function", "method"} and chain[-len(owners) - 1 :] == [*owners, last]:
            found.append((".".join(chain), symbol))
    if not found:
        raise Unusable(f"{path} has no function {name}")
    if len(found) > 1:
        shown = ", ".join(f"{chain} (line {symbol.start_line})" for chain, symbol in found)
        raise Unusable(f"{path} has {len(found)} functions {name}: {shown[:200]}")
    return found[0][1].name_start


def _inner(data: bytes, start: int, end: int) -> tuple[int, int]:
    """What a person types: whole lines where the body begins a line, without the braces."""
    if data[start : start + 1] == b"{" and data[end - 1 : end] == b"}":
        start, end = start + 1, end - 1
        line_end = data.find(b"\n", start, end)
        if line_end >= 0 and not data[start:line_end].strip():
            start = line_end + 1
            close = data.rfind(b"\n", start - 1, end)
            end = close - (data[close - 1 : close] == b"\r") if close >= start else start
    line = data.rfind(b"\n", 0, start) + 1
    return (line if not data[line:start].strip() else start), end
