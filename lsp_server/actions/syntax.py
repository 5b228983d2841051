# SPDX-License-Identifier: Apache-2.0
"""Functions and tokens of a text as the tree has them: what answers of a model are compared by.

In: a language and bytes. Out: `Shape`s of functions (header, parameters, body as byte spans), and
tokens without comments. A text that the grammar cannot read gives less, never an error. It knows
no action and no repository.
"""

from __future__ import annotations

import time
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from indexer import signatures
from indexer.binders import parameters_at
from indexer.masks import closing, code_of
from indexer.parse import extract
from indexer.window import parse
from lsp_server.actions.target import FUNCTIONS

if TYPE_CHECKING:
    from collections.abc import Iterator

    import tree_sitter as ts

    from indexer.types import FileRecord, Symbol

PARSE_MAX_S = 2.0  # of processor time: a file of a megabyte takes half a second
WEB = frozenset(("javascript", "typescript", "tsx"))
WRAPPED = WEB | {"java", "kotlin", "csharp", "php", "dart", "swift", "scala"}
_WRAPPER = "class _ {\n{}\n}\n"
# What may stand before a definition on its line, and behind it, and is a part of its statement.
_WORDS_BEFORE = frozenset(
    b"export default const let var async public private protected static final abstract override"
    b" readonly pub extern unsafe".split()
)
_ATOMS = frozenset(("string", "string_literal", "template_string", "raw_string_literal"))
_BRANCHES = frozenset(
    b"if elif for while case catch except when match && || and or ? unless select".split()
)


class Shape(NamedTuple):
    """One function in a text. Spans are bytes; `whole` is its statement, decorators and all."""

    symbol: Symbol
    whole: tuple[int, int]
    parameters: tuple[int, int]  # with their parentheses; (-1, -1) where there are none
    body: tuple[int, int]  # with its braces, if it has any

    @property
    def header(self) -> tuple[int, int]:
        return self.whole[0], self.body[0]


@lru_cache(maxsize=8)  # a text is asked for its functions, then for its tokens, in every check
def parsed(language: str, data: bytes) -> tuple[ts.Tree, int] | None:
    """The tree of a text and its errors; None without a grammar, or after PARSE_MAX_S."""
    return parse(language, data, time.thread_time() + PARSE_MAX_S)


def root(language: str, data: bytes) -> ts.Node | None:
    """The tree of a text; None without a grammar."""
    found = parsed(language, data)
    return found[0].root_node if found is not None else None


def shape(language: str, data: bytes, symbol: Symbol) -> Shape | None:
    """A function's parts; None where the tree sees no body."""
    top = root(language, data)
    at = symbol.name_start
    node = top.descendant_for_byte_range(at, at + 1) if top is not None else None
    while node is not None and node.start_byte >= symbol.start:
        found = _with_body(node)
        if found is not None:
            parameters = found.child_by_field_name("parameters")
            body = found.child_by_field_name("body")
            assert body is not None
            span = parameters.byte_range if parameters is not None else (-1, -1)
            return Shape(symbol, whole(data, symbol), span, body.byte_range)
        node = node.parent
    return None


def _with_body(node: ts.Node) -> ts.Node | None:
    value = node.child_by_field_name("value")
    for each in (node, value):
        if each is not None and each.child_by_field_name("body") is not None:
            return each
    return None


def node_of(language: str, data: bytes, found: Shape) -> ts.Node | None:
    """The tree's node of a function."""
    top = root(language, data)
    node = top.descendant_for_byte_range(*found.body) if top is not None else None
    while node is not None and node.child_by_field_name("body") is None:
        node = node.parent
    if node is not None and node.child_by_field_name("body").byte_range != found.body:  # type: ignore[union-attr]
        return None
    return node


def whole(data: bytes, symbol: Symbol) -> tuple[int, int]:
    """A definition with what belongs to its statement on its first and last line."""
    start, end = symbol.start, symbol.end
    line = data.rfind(b"\n", 0, start) + 1
    before = data[line:start]
    if all(word in _WORDS_BEFORE for word in before.split()):
        start -= len(before.lstrip())
    tail = data[end:].partition(b"\n")[0].rstrip()
    if tail in (b";", b","):
        end += len(tail)
    return start, end


def functions(language: str, code: str) -> list[tuple[str, Shape]]:
    """Every function of a text that need not be a whole file, with the text that it is in."""
    plain = _shapes(language, code)
    if language not in WRAPPED or plain[1] == 0:
        return plain[0]
    inside = _shapes(language, _WRAPPER.replace("{}", code))
    return inside[0] if inside[1] < plain[1] else plain[0]


def _shapes(language: str, code: str) -> tuple[list[tuple[str, Shape]], int]:
    data = code.encode()
    record = extract(language, data)
    found = [shape(language, data, s) for s in record.symbols if s.kind in FUNCTIONS]
    return [(code, each) for each in found if each is not None], record.error_count


def tokens(
    language: str, data: bytes, start: int, end: int, without: tuple[int, int] = (0, 0)
) -> tuple[bytes, ...]:
    """The words and signs of a span without comments and what is `without`; strings whole."""
    top = root(language, data)
    if top is None:
        return tuple(data[start:end].split())
    found = []
    for node in _leaves(top, start, end):
        inside = without[0] <= node.start_byte and node.end_byte <= without[1]
        if not inside and node.end_byte > node.start_byte:
            found.append(data[node.start_byte : node.end_byte].strip())
    return tuple(each for each in found if each)


def _leaves(top: ts.Node, start: int, end: int) -> Iterator[ts.Node]:
    waiting = [top]
    while waiting:
        node = waiting.pop()
        if node.end_byte <= start or node.start_byte >= end or "comment" in node.type:
            continue
        if node.child_count == 0 or node.type in _ATOMS:
            yield node
        else:
            waiting += reversed(node.children)


def complexity(language: str, data: bytes, start: int, end: int) -> int:
    """How many ways a piece of code may go, about."""
    return sum(token in _BRANCHES for token in tokens(language, data, start, end))


def code_lines(data: bytes, start: int, end: int) -> int:
    """Lines of a span that are not blank."""
    return sum(1 for line in data[start:end].splitlines() if line.strip())


def parameters(language: str, data: bytes, symbol: Symbol) -> tuple[str, ...] | None:
    """The names of a function's parameters; None where they are not certain."""
    code = code_of(language, data)
    opened = parameters_at(code, symbol.name_start)
    closed = closing(code, opened) if opened >= 0 else -1
    if closed < 0:
        return None
    found = signatures.parameters(language, code[opened + 1 : closed])
    return tuple(each.name.decode() for each in found) if found is not None else None


def docstring(language: str, data: bytes, found: Shape) -> tuple[int, int]:
    """The span of the string that begins a Python body; (0, 0) where there is none."""
    node = node_of(language, data, found) if language == "python" else None
    body = node.child_by_field_name("body") if node is not None else None
    return first_string(body)


def first_string(body: ts.Node | None) -> tuple[int, int]:
    """The span of the string that a block begins with."""
    named = [c for c in body.named_children if c.type != "comment"] if body is not None else []
    first = named[0] if named else None
    if first is not None and first.type == "expression_statement":
        first = first.named_children[0] if first.named_children else None
    if first is not None and first.type in {"string", "concatenated_string"}:
        return first.byte_range
    return (0, 0)


def calls(record: FileRecord, start: int, end: int) -> dict[str, str]:
    """Names that are called in a span, each with what stands before the first of its uses."""
    found: dict[str, str] = {}
    for use in record.references:
        if use.kind == "call" and start <= use.start < end:
            found.setdefault(use.name, use.receiver)
    return found


def string_lines(language: str, code: str) -> frozenset[int]:
    """Numbers, from 0, of lines that begin inside of a string."""
    data = code.encode()
    top = root(language, data)
    found: set[int] = set()
    for node in _leaves(top, 0, len(data)) if top is not None else ():
        if node.end_point.row > node.start_point.row and node.type in _ATOMS:
            found.update(range(node.start_point.row + 1, node.end_point.row + 1))
    return frozenset(found)


def docstrings(top: ts.Node | None) -> list[tuple[int, int]]:
    """The spans of all strings that begin a Python body."""
    found = []
    waiting = [top] if top is not None else []
    while waiting:
        node = waiting.pop()
        if node.type in {"block", "module"} and (span := first_string(node)) != (0, 0):
            found.append(span)
        waiting += node.children
    return found


def statement(language: str, data: bytes, at: int) -> tuple[int, int]:
    """The span of the top-level statement that holds an offset; an empty one for none."""
    top = root(language, data)
    for node in top.named_children if top is not None else ():
        line = data.rfind(b"\n", 0, node.start_byte) + 1
        end = data.find(b"\n", node.end_byte)
        last = len(data) if end < 0 else end
        if line <= at <= last and "comment" not in node.type and node.end_byte > node.start_byte:
            return node.start_byte, node.start_byte + len(
                data[node.start_byte : node.end_byte].rstrip()
            )
    return at, at


def errors(language: str, code: str) -> int:
    """How many places of a text the grammar cannot read."""
    return extract(language, code.encode()).error_count
