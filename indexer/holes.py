# SPDX-License-Identifier: Apache-2.0
"""Places of a file that could be cut out: the rest of a line, the arguments of a call, a body.

In: a language and a file's bytes. Out: `Hole`s as byte spans with the names in them. Read from the
syntax tree of the whole file. It knows no repository and chooses nothing.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from typing import TYPE_CHECKING, NamedTuple

import tree_sitter as ts

from indexer.languages import grammar

if TYPE_CHECKING:
    from collections.abc import Iterator

KINDS = ("line", "call", "body")
BODY_MAX_LINES = 12
HOLE_MIN_CHARS = 4  # without white space
CALL_MAX_CHARS = 400
NAME_MIN_CHARS = 3
_CALLS = frozenset(
    (
        "call",
        "call_expression",
        "new_expression",
        "method_invocation",
        "object_creation_expression",
    )
)
_OPAQUE = ("comment", "string", "char_literal", "template")  # how kinds of nodes begin or end
_CODE_INSIDE = ("interpolation", "template_substitution")
_OWN = frozenset(("self", "cls", "this", "super"))
_NAME = re.compile(r"[^\W\d]\w*\Z")


class Hole(NamedTuple):
    """Bytes from `start` to `end`, on line `line` (1-based) first."""

    kind: str
    start: int
    end: int
    line: int
    names: tuple[str, ...]  # identifiers of code in it, each once, in order


class Leaf(NamedTuple):
    start: int
    end: int
    is_name: bool
    is_code: bool


class File:
    """One file's tree, flattened once."""

    def __init__(self, language: str, data: bytes) -> None:
        found = grammar(language)
        assert found is not None
        self.data = data
        self.leaves: list[Leaf] = []
        self._nodes: list[tuple[str, int, int, int]] = []
        self._walk(ts.Parser(found.native).parse(data).root_node)
        self._starts = [leaf.start for leaf in self.leaves]

    def spans(self) -> dict[tuple[str, int], list[tuple[int, int]]]:
        """Every place by kind and line; for rests of lines, one for each border of tokens."""
        found: dict[tuple[str, int], list[tuple[int, int]]] = {}
        for kind, start, end, line in (*self._nodes, *self._lines()):
            found.setdefault((kind, line), []).append((start, end))
        return found

    def hole(self, kind: str, start: int, end: int, line: int) -> Hole | None:
        """A span as a hole; None where it is too short, too long or has no name of code in it."""
        text = self.data[start:end]
        if len(b"".join(text.split())) < HOLE_MIN_CHARS:
            return None
        if kind == "body" and text.count(b"\n") >= BODY_MAX_LINES:
            return None
        if kind == "call" and len(text) > CALL_MAX_CHARS:
            return None
        names = self._names(start, end)
        return Hole(kind, start, end, line, names) if names else None

    def _walk(self, root: ts.Node) -> None:
        waiting = [(root, True)]
        while waiting:
            node, is_code = waiting.pop()
            kind = node.type
            if kind in _CODE_INSIDE:
                is_code = True
            elif node.is_named and (kind.startswith(_OPAQUE) or kind.endswith(_OPAQUE)):
                is_code = False
            children = node.children
            if not children:
                is_name = is_code and "identifier" in kind
                self.leaves.append(Leaf(node.start_byte, node.end_byte, is_name, is_code))
                continue
            self._note(node)
            waiting += [(child, is_code) for child in reversed(children)]

    def _note(self, node: ts.Node) -> None:
        if node.type in _CALLS:
            arguments = node.child_by_field_name("arguments")
            if (
                arguments is not None
                and self.data[arguments.start_byte : arguments.start_byte + 1] == b"("
            ):
                line = arguments.start_point.row + 1
                self._nodes.append(("call", arguments.start_byte + 1, arguments.end_byte - 1, line))
        elif "function" in node.type or "method" in node.type or "constructor" in node.type:
            body = node.child_by_field_name("body")
            if body is not None and (span := self._inside(body)):
                self._nodes.append(("body", *span, self.data.count(b"\n", 0, span[0]) + 1))

    def _inside(self, body: ts.Node) -> tuple[int, int] | None:
        """The statements of a body: without its braces, without a docstring."""
        start, end = body.start_byte, body.end_byte
        if self.data[start : start + 1] == b"{":
            start, end = start + 1, end - 1
        elif body.type != "block":
            return None
        elif len(body.children) > 1 and self.data[start : start + 1] in b"\"'rR":
            start = body.children[1].start_byte
        text = self.data[start:end]
        start += len(text) - len(text.lstrip())
        return (start, start + len(text.strip())) if text.strip() else None

    def _lines(self) -> Iterator[tuple[str, int, int, int]]:
        data, line_start, line = self.data, 0, 1
        at = 0
        for leaf in self.leaves:
            newlines = data.count(b"\n", at, leaf.start)
            if newlines:
                line += newlines
                line_start = data.rfind(b"\n", 0, leaf.start) + 1
            at = leaf.start
            if not leaf.is_code or not data[line_start : leaf.start].strip():
                continue
            stop = data.find(b"\n", leaf.start)
            stop = len(data) if stop < 0 else stop
            end = leaf.start + len(data[leaf.start : stop].rstrip())
            yield "line", leaf.start, end, line

    def _names(self, start: int, end: int) -> tuple[str, ...]:
        found: dict[str, None] = {}
        for at in range(bisect_left(self._starts, start), bisect_left(self._starts, end)):
            leaf = self.leaves[at]
            if leaf.is_name:
                name = self.data[leaf.start : leaf.end].decode("utf-8", "replace")
                if len(name) >= NAME_MIN_CHARS and name not in _OWN and _NAME.match(name):
                    found[name] = None
        return tuple(found)
