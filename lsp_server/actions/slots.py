# SPDX-License-Identifier: Apache-2.0
"""The types that a function's header states, parameter by parameter, and where one would go.

In: a function of a tree (Python, TypeScript, JavaScript). Out: a `Header`: its parameters with what
stands for each one's type, and where the return type is or would be. It knows no model and does not
judge types.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lsp_server.actions import syntax

if TYPE_CHECKING:
    import tree_sitter as ts

    from indexer.types import Symbol

OWN = frozenset(("self", "cls", "this"))
_PYTHON_SPLATS = {"list_splat_pattern": "*", "dictionary_splat_pattern": "**"}


class Slot(NamedTuple):
    """A place for a type. `at`: where one would be put in, behind the name."""

    name: str  # with its stars; "return" for what a function gives back
    at: int
    type: str  # "" where none is stated
    default: str  # "" where there is none


class Header(NamedTuple):
    """The slots of a function, its return last; `start` of the statement, where its body is."""

    slots: tuple[Slot, ...]
    body: tuple[int, int]
    whole: tuple[int, int]

    @property
    def missing(self) -> tuple[Slot, ...]:
        return tuple(slot for slot in self.slots if not slot.type)

    @property
    def names(self) -> list[str]:
        return [slot.name for slot in self.slots[:-1]]


def header(language: str, data: bytes, symbol: Symbol) -> Header | None:
    """The header of a function; None where it is of no form that types can be put into."""
    found = syntax.shape(language, data, symbol)
    node = syntax.node_of(language, data, found) if found is not None else None
    parameters = node.child_by_field_name("parameters") if node is not None else None
    if found is None or node is None or parameters is None or parameters.child_count < len("()"):
        return None
    python = language == "python"
    slots = []
    for child in parameters.named_children:
        slot = _python(child) if python else _script(child)
        if slot is None and "separator" not in child.type and "comment" not in child.type:
            return None  # a pattern that is taken apart: no name to speak of
        if slot is not None and slot.name not in OWN:
            slots.append(slot)
    given = node.child_by_field_name("return_type")
    slots.append(Slot("return", parameters.end_byte, _bare(given), ""))
    if symbol.name == "constructor":
        slots[-1] = slots[-1]._replace(type="void")  # it has none
    return Header(tuple(slots), found.body, found.whole)


def _python(node: ts.Node) -> Slot | None:
    kind = node.type
    default = _text(node.child_by_field_name("value"))
    if kind == "identifier":
        return Slot(_text(node), node.end_byte, "", "")
    if kind in _PYTHON_SPLATS:
        return Slot(_text(node).replace(" ", ""), node.end_byte, "", "")
    if kind == "default_parameter":
        name = node.child_by_field_name("name")
        return Slot(_text(name), name.end_byte, "", default) if name is not None else None
    if kind in {"typed_parameter", "typed_default_parameter"}:
        name = node.child_by_field_name("name") or node.named_children[0]
        return Slot(_text(name), name.end_byte, _text(node.child_by_field_name("type")), default)
    return None


def _script(node: ts.Node) -> Slot | None:
    kind = node.type
    if kind in {"required_parameter", "optional_parameter"}:
        name = node.child_by_field_name("pattern")
        value = node.child_by_field_name("value")
        if name is None or name.type not in {"identifier", "this", "rest_pattern"}:
            return None
        end = name.end_byte + (1 if kind == "optional_parameter" else 0)
        given = _bare(node.child_by_field_name("type"))
        mark = "?" if kind == "optional_parameter" else ""
        return Slot(_text(name).lstrip(".") + mark, end, given, _text(value))
    if kind == "identifier":
        return Slot(_text(node), node.end_byte, "", "")
    if kind == "assignment_pattern":
        name, value = node.child_by_field_name("left"), node.child_by_field_name("right")
        if name is not None and name.type == "identifier":
            return Slot(_text(name), name.end_byte, "", _text(value))
    if kind == "rest_pattern":
        return Slot(_text(node).lstrip("."), node.end_byte, "", "")
    return None


def _bare(node: ts.Node | None) -> str:
    """A type without the colon before it."""
    return _text(node).lstrip(":").strip()


def _text(node: ts.Node | None) -> str:
    return node.text.decode() if node is not None and node.text else ""
