# SPDX-License-Identifier: Apache-2.0
"""From selected bytes to what they stand for: whole statements side by side, or one expression.

In: a tree and a byte range. Out: a `Selection`, or CannotExtract. A selection may begin and end
anywhere in a simple statement; one that cuts a statement with statements inside is no selection.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from indexer.extraction_shape import CannotExtract, Selection
from indexer.extraction_walk import ancestors

if TYPE_CHECKING:
    import tree_sitter as ts

    from indexer.extraction_dialect import Dialect

_SPACE = b" \t\r\n\f"
NOT_A_RUN = "select whole statements that stand side by side, or one expression"


def snap(dialect: Dialect, data: bytes, root: ts.Node, start: int, end: int) -> Selection:
    """What is selected. Raises CannotExtract."""
    whole = _trimmed(data, start, end)
    first, last = _without_comments(dialect, data, root, *whole)
    if first >= last:
        raise CannotExtract("nothing is selected")
    node = root.descendant_for_byte_range(first, last)
    while node is not None and node.parent is not None and _same(node, node.parent):
        node = node.parent
    if node is None:
        raise CannotExtract(NOT_A_RUN)
    if _is_expression(dialect, node, first, last):
        return _expression(dialect, data, node)
    return _statements(dialect, data, node, (first, last), whole)


def _trimmed(data: bytes, start: int, end: int) -> tuple[int, int]:
    while start < end and data[start] in _SPACE:
        start += 1
    while end > start and data[end - 1] in _SPACE:
        end -= 1
    return start, end


def _without_comments(
    dialect: Dialect, data: bytes, root: ts.Node, start: int, end: int
) -> tuple[int, int]:
    """A comment above the first statement often hangs elsewhere in the tree."""
    while start < end:
        node = root.descendant_for_byte_range(start, start + 1)
        if node is None or node.type not in dialect.comments:
            break
        start, end = _trimmed(data, min(node.end_byte, end), end)
    while start < end:
        node = root.descendant_for_byte_range(end - 1, end)
        if node is None or node.type not in dialect.comments:
            break
        start, end = _trimmed(data, start, max(node.start_byte, start))
    return start, end


def _same(node: ts.Node, parent: ts.Node) -> bool:
    return (node.start_byte, node.end_byte) == (parent.start_byte, parent.end_byte)


def _is_expression(dialect: Dialect, node: ts.Node, start: int, end: int) -> bool:
    if (node.start_byte, node.end_byte) != (start, end) or not node.is_named:
        return False
    if node.type in dialect.blocks:
        return False
    inner: ts.Node | None = node
    while inner is not None and (inner.start_byte, inner.end_byte) == (start, end):
        if inner.parent is not None and inner.parent.type in dialect.blocks:
            return False
        inner = inner.named_children[0] if inner.named_children else None
    return True


def _expression(dialect: Dialect, data: bytes, node: ts.Node) -> Selection:
    if not dialect.expressions:
        raise CannotExtract("select whole statements: the type of an expression is not known")
    while node.named_child_count == 1 and _same(node, node.named_children[0]):
        node = node.named_children[0]  # what has a type of its own, not what it hangs on
    selection = Selection(
        data, (node,), node.start_byte, node.end_byte, _function(dialect, node), is_expression=True
    )
    body = selection.function.child_by_field_name("body")
    if body is None or not body.start_byte <= node.start_byte < body.end_byte:
        raise CannotExtract("the head of a function stays where it is")
    dialect.refuse_expression(selection)
    return selection


def _statements(
    dialect: Dialect,
    data: bytes,
    node: ts.Node,
    chosen: tuple[int, int],
    whole: tuple[int, int],
) -> Selection:
    block: ts.Node | None = node
    while block is not None and block.type not in dialect.blocks:
        block = block.parent
    if block is None:
        raise CannotExtract("the selection is not in a function")
    nodes = [
        child
        for child in block.named_children
        if child.start_byte < chosen[1] and child.end_byte > chosen[0]
    ]
    code = [child for child in nodes if child.type not in dialect.comments]
    if not code or node.type in dialect.comments:
        raise CannotExtract(NOT_A_RUN)
    for child in (code[0], code[-1]):
        cut = child.start_byte < chosen[0] or child.end_byte > chosen[1]
        semicolon = data[chosen[1] : child.end_byte] == b";" and child.start_byte >= chosen[0]
        if cut and not semicolon and _is_compound(dialect, child):
            raise CannotExtract(NOT_A_RUN)
    start = min(nodes[0].start_byte, code[0].start_byte)
    if whole[0] < start and whole[0] < chosen[0]:
        start = whole[0]
    end = max(nodes[-1].end_byte, code[-1].end_byte)
    if whole[1] > chosen[1]:
        end = max(end, whole[1])
    end = _with_line(dialect, data, block, end)
    function = _function(dialect, block)
    if data[data.rfind(b"\n", 0, start) + 1 : start].strip():
        raise CannotExtract("the first statement shares its line with something else")
    if (code[0].start_byte < block.start_byte) or function.start_byte > start:
        raise CannotExtract(NOT_A_RUN)
    return Selection(data, tuple(code), start, end, function, is_expression=False)


def _with_line(dialect: Dialect, data: bytes, block: ts.Node, end: int) -> int:
    """A comment behind the last statement on its line goes with it; nothing else may be there."""
    line_end = data.find(b"\n", end)
    rest = data[end : line_end if line_end >= 0 else len(data)]
    if not rest.strip():
        return end
    at = end + len(rest) - len(rest.lstrip())
    root = block
    for root in ancestors(block):  # noqa: B007  the last one is wanted
        pass
    found = root.descendant_for_byte_range(at, at + 1)
    if found is None or found.type not in dialect.comments or b"\n" in (found.text or b""):
        raise CannotExtract("the last statement shares its line with something else")
    if data[found.end_byte : end + len(rest)].strip():
        raise CannotExtract("the last statement shares its line with something else")
    return int(found.end_byte)


def _is_compound(dialect: Dialect, node: ts.Node) -> bool:
    work = [node]
    while work:
        found = work.pop()
        if found.type in dialect.blocks or found.type in dialect.classes:
            return True
        work += found.named_children
    return False


def _function(dialect: Dialect, node: ts.Node) -> ts.Node:
    for parent in (node, *ancestors(node)):
        if parent.type in dialect.walker.functions:
            return parent
        if parent.type in dialect.classes:
            break
    raise CannotExtract("the selection is not in a function")
