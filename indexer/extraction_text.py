# SPDX-License-Identifier: Apache-2.0
"""From the shape of a new function to bytes: its body at its new depth, where it goes, the call.

In: a dialect, a `Selection`, a `Shape`. Out: `Edit`s. What is inside of strings keeps every byte,
lines keep their ends; only the indentation in front of code changes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from indexer.extraction_walk import ancestors, within
from indexer.window import cut
from indexer.window import unit as unit_of

if TYPE_CHECKING:
    import tree_sitter as ts

    from indexer.extraction_dialect import Dialect
    from indexer.extraction_shape import Selection, Shape

SEEN_CHARS = 8000  # around the selection, to see how the file is indented
_BOM = "\ufeff".encode()


class Edit(NamedTuple):
    """Bytes `start` to `end` become `text`."""

    start: int
    end: int
    text: str


def written(
    dialect: Dialect, selection: Selection, shape: Shape, name: str, doc: str
) -> tuple[Edit, ...]:
    """The edits, from the last byte to the first, so that each one's offsets hold."""
    call = Edit(selection.start, selection.end, call_text(dialect, selection, shape, name))
    new = function_text(dialect, selection, shape, name, doc)
    data, anchor = selection.data, shape.place.anchor
    newline = newline_of(data)
    blank = newline * (2 if dialect.two_blanks and _is_top(anchor) else 1)
    if shape.place.behind:
        at = _line_end(data, anchor.end_byte)
        add = Edit(at, at, f"{newline}{blank}{new.removesuffix(newline)}")
        return add, call
    at = _line_start(data, _with_comments(dialect, anchor))
    if shape.place.inner:
        at = _line_start(data, min(anchor.start_byte, selection.start))
    if at == 0 and data.startswith(_BOM):
        at = len(_BOM)
    return call, Edit(at, at, f"{new}{blank}")


def call_text(dialect: Dialect, selection: Selection, shape: Shape, name: str) -> str:
    """The call, lines behind the first with the selection's indentation."""
    lines = dialect.call(shape, name).split("\n")
    joint = newline_of(selection.data) + indent_at(selection.data, selection.start)
    return joint.join(lines)


def function_text(dialect: Dialect, selection: Selection, shape: Shape, name: str, doc: str) -> str:
    """The function with the file's line ends, at the depth of its place."""
    unit = _unit(dialect, selection)
    level = indent_at(selection.data, shape.place.anchor.start_byte)
    newline = newline_of(selection.data)
    # A mark stands for the body: what is moved must not be indented or ended anew.
    mark = "\0"
    text = dialect.definition(shape, name, doc, f"{unit}{mark}\n", unit)
    lines = [f"{level}{line}" if line.strip() else line for line in text.splitlines()]
    text = newline.join(lines) + newline
    return text.replace(
        f"{level}{unit}{mark}", _body(dialect, selection, level + unit, shape.end), 1
    )


def newline_of(data: bytes) -> str:
    """The line end of the file: that of its first line."""
    return "\r\n" if data.partition(b"\n")[0].endswith(b"\r") else "\n"


def indent_at(data: bytes, offset: int) -> str:
    line = data[_line_start(data, offset) :].partition(b"\n")[0].removeprefix(_BOM)
    return line[: len(line) - len(line.lstrip(b" \t"))].decode()


def _body(dialect: Dialect, selection: Selection, indent: str, closing: str) -> str:
    """The selected code, its indentation changed to `indent`."""
    data = selection.data
    old = indent_at(data, selection.start).encode()
    kept = _kept(dialect, selection)
    parts, at = [], selection.start
    while at < selection.end:
        end = data.find(b"\n", at, selection.end) + 1 or selection.end
        line = data[at:end]
        if at == selection.start or at in kept or not line.strip():
            parts.append(line)
        elif line.startswith(old):
            parts.append(indent.encode() + line[len(old) :])
        else:
            parts.append(line)
        at = end
    text = b"".join(parts).decode()
    if selection.is_expression:
        text = dialect.body(selection, text) + closing
    return indent + text


def _kept(dialect: Dialect, selection: Selection) -> set[int]:
    """Line starts that are inside of strings."""
    found = set()
    strings = [
        string
        for node in selection.nodes
        for string in (
            [node]
            if node.type in dialect.strings
            else within(node, dialect.strings, dialect.strings)
        )
    ]
    for string in strings:
        at = selection.data.find(b"\n", string.start_byte, string.end_byte) + 1
        while at:
            found.add(at)
            at = selection.data.find(b"\n", at, string.end_byte) + 1
    return found


def _unit(dialect: Dialect, selection: Selection) -> str:
    """One step of indentation: as the function has it, else as the text around."""
    data, function = selection.data, selection.function
    outer = indent_at(data, function.start_byte)
    body = function.child_by_field_name("body")
    first = next((n for n in body.named_children if _alone(data, n)), None) if body else None
    if first is not None:
        inner = indent_at(data, first.start_byte)
        if inner.startswith(outer) and len(inner) > len(outer):
            return inner[len(outer) :]
    start = max(0, selection.start - SEEN_CHARS)
    around = data[start : selection.end].decode("utf-8", "replace")
    return unit_of(cut(dialect.language, around, "", SEEN_CHARS), dialect.language)


def _alone(data: bytes, node: ts.Node) -> bool:
    """Whether nothing stands before it on its line."""
    return not data[_line_start(data, node.start_byte) : node.start_byte].strip()


def _with_comments(dialect: Dialect, anchor: ts.Node) -> int:
    """Where the comment begins that stands right above, else the node itself."""
    first = anchor
    before = first.prev_sibling
    while (
        before is not None
        and before.type in (*dialect.comments, "attribute_item")
        and before.end_point.row >= first.start_point.row - 1
        and (
            before.prev_sibling is None
            or before.prev_sibling.end_point.row < before.start_point.row
        )
    ):
        first, before = before, before.prev_sibling
    if first is anchor or first.start_point.row > 0:
        return first.start_byte
    return anchor.start_byte  # the file's own head


def _is_top(anchor: ts.Node) -> bool:
    return len(list(ancestors(anchor))) == 1


def _line_start(data: bytes, offset: int) -> int:
    return data.rfind(b"\n", 0, offset) + 1


def _line_end(data: bytes, offset: int) -> int:
    """The end of a line's text, before its line end."""
    end = data.find(b"\n", offset)
    if end < 0:
        return len(data)
    return end - (data[end - 1 : end] == b"\r")
