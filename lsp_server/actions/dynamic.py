# SPDX-License-Identifier: Apache-2.0
"""What a syntax tree says of calls and of the texts they are given: fixed, put together, unknown.

In: a language and its tree. Out: `Call`s, `Setting`s (names with their values), and for an
expression whether it is made of values that come from elsewhere. It follows a variable to what it
was set to in the same function, no farther. It knows no weakness.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import tree_sitter as ts

Kind = Literal["fixed", "built", "unknown"]
DEPTH_MAX = 8  # of expressions and of variables that are set to others
SCRIPTS = ("javascript", "typescript", "tsx")
_CALLS = {
    "call": ("function", "arguments"),
    "call_expression": ("function", "arguments"),
    "new_expression": ("constructor", "arguments"),
    "object_creation_expression": ("type", "arguments"),
}
_ASSIGNMENTS = {  # node: fields of its target and its value
    "assignment": ("left", "right"),
    "augmented_assignment": ("left", "right"),
    "assignment_expression": ("left", "right"),
    "assignment_statement": ("left", "right"),
    "augmented_assignment_expression": ("left", "right"),
    "short_var_declaration": ("left", "right"),
    "named_expression": ("name", "value"),
    "variable_declarator": ("name", "value"),
    "var_spec": ("name", "value"),
    "const_spec": ("name", "value"),
    "let_declaration": ("pattern", "value"),
    "const_item": ("name", "value"),
    "static_item": ("name", "value"),
    "public_field_definition": ("name", "value"),
    "field_definition": ("property", "value"),
}
_PAIRS = ("keyword_argument", "pair", "keyed_element", "field_initializer")
_FUNCTIONS = re.compile(
    r"function_(?:definition|declaration|item|expression)|(?:method|constructor)_(?:declaration"
    r"|definition)|arrow_function|closure_expression|func_literal|lambda\w*"
)
_STRINGS = re.compile(r"string|template|char_literal")
_HOLES = ("interpolation", "template_substitution", "string_interpolation")
_WRAPPERS = (
    *("parenthesized_expression", "expression_list", "await_expression", "await", "as_expression"),
    *("reference_expression", "unary_expression", "try_expression", "literal_element", "cast"),
    *("non_null_expression", "satisfies_expression", "keyword_argument"),
)
_CHOICES = ("conditional_expression", "ternary_expression")
_ARITHMETIC = ("binary_operator", "binary_expression")
_LITERALS = re.compile(r"integer|float|number|_literal\Z|true|false|none|null|nil")
_FORMATS = re.compile(
    r"(?:fmt\.)?Sprintf|fmt\.Sprint|String\.format|format!|.*\.(?:format|formatted|concat|replace)"
)
_HARMLESS = re.compile(  # what they give holds nothing that a reader takes for code
    r"(?:.*\.)?(?:int|float|len|bool|quote|quoteIdentifier|quote_ident|escape\w*|Number|parseInt"
    r"|strconv\.Itoa|Itoa|valueOf|size|length|Identifier|secure_filename|basename|uuid4)"
)
_PLACEHOLDERS = re.compile(r"(?:['\"]?(?:\?|%s|\$\d*|:\w*)['\"]?[\s,)]*)+")
_CONSTANT_NAME = re.compile(r"(?:\w+\.)*_?[A-Z][A-Z0-9_]+")


class Call(NamedTuple):
    """`name` is the callee without white space. `named` are keyword arguments of Python."""

    name: str
    arguments: tuple[ts.Node, ...]
    named: dict[str, ts.Node]
    node: ts.Node


class Setting(NamedTuple):
    """`name = value`, `name: value` in an object, `name=value` in a call."""

    name: str
    value: ts.Node
    node: ts.Node


class Tree:
    """One file."""

    def __init__(self, language: str, root: ts.Node) -> None:
        self.language = language
        self.nodes = list(_below(root))
        self.calls = [call for node in self.nodes if (call := _call(language, node)) is not None]
        self.settings = [one for node in self.nodes for one in _settings(node)]
        self._by_name: dict[str, list[Setting]] = {}
        for setting in self.settings:
            if setting.node.type in _ASSIGNMENTS:
                self._by_name.setdefault(setting.name, []).append(setting)

    def kind(self, node: ts.Node, depth: int = DEPTH_MAX) -> Kind:  # noqa: PLR0911  a table
        """Whether an expression is fixed, put together with other values, or not known."""
        if depth < 0:
            return "unknown"
        if node.type in _WRAPPERS and node.named_child_count:
            return self.kind(_last(node), depth - 1)
        if _STRINGS.search(node.type):
            return self._string(node, depth)
        if _LITERALS.search(node.type):
            return "fixed"
        if node.type in _CHOICES:
            return _worst(self.kind(child, depth - 1) for child in node.named_children)
        if node.type in _ARITHMETIC:
            parts = {self.kind(child, depth - 1) for child in node.named_children}
            return "fixed" if parts == {"fixed"} else "built"
        call = _call(self.language, node)
        return self._called(call, depth) if call is not None else self._named(node, depth)

    def static_text(self, node: ts.Node, depth: int = DEPTH_MAX) -> str:
        """The text that an expression is written with, that of its variables included."""
        own = text(node)
        for setting in self._set(node) if depth > 0 and node.type == "identifier" else ():
            own += "\n" + self.static_text(setting.value, depth - 1)
        if node.type in _WRAPPERS and node.named_child_count:
            own += "\n" + self.static_text(_last(node), depth - 1)
        return own

    def function(self, node: ts.Node) -> ts.Node | None:
        """The function around a node."""
        around = node.parent
        while around is not None and not _FUNCTIONS.fullmatch(around.type):
            around = around.parent
        return around

    def _string(self, node: ts.Node, depth: int) -> Kind:
        for part in _below(node):
            if part.type in _HOLES:
                inner = part.named_children[0] if part.named_children else None
                if inner is not None and self._is_open(inner, depth):
                    return "built"
        return "fixed"

    def _is_open(self, node: ts.Node, depth: int) -> bool:
        return self.kind(node, depth - 1) != "fixed"

    def _called(self, call: Call, depth: int) -> Kind:
        if call.name.endswith(".join") or call.name == "join":
            parts = " ".join(text(each) for each in call.arguments)
            return "fixed" if _PLACEHOLDERS.search(parts) else "unknown"
        if _HARMLESS.fullmatch(call.name):
            return "fixed"
        if not _FORMATS.fullmatch(call.name):
            return "unknown"
        values = [*call.arguments, *call.named.values()]
        return "built" if any(self._is_open(each, depth) for each in values) else "fixed"

    def _named(self, node: ts.Node, depth: int) -> Kind:
        name = text(node)
        if _CONSTANT_NAME.fullmatch(name) and not name.endswith((".GET", ".POST")):
            return "fixed"
        found = self._set(node)
        if not found:
            return "unknown"
        return _worst(self.kind(setting.value, depth - 1) for setting in found)

    def _set(self, node: ts.Node) -> list[Setting]:
        """What a variable was set to before, in the same function or at the top of the file."""
        mine = self.function(node)
        return [
            setting
            for setting in self._by_name.get(text(node), ())
            if setting.node.start_byte < node.start_byte
            and self.function(setting.node) in (mine, None)
        ]


def _worst(kinds: Iterable[Kind]) -> Kind:
    found = {*kinds}
    return "built" if "built" in found else ("unknown" if "unknown" in found else "fixed")


def text(node: ts.Node) -> str:
    return (node.text or b"").decode("utf-8", "replace")


def string_value(node: ts.Node) -> str | None:
    """The text of a plain string; None for anything else."""
    if not _STRINGS.search(node.type) or node.named_child_count > 3:  # noqa: PLR2004  its parts
        return None
    value = re.sub(r"\A[A-Za-z]*#*", "", text(node)).rstrip("#")
    for quote in ('"""', "'''", '"', "'", "`"):
        if value.startswith(quote) and value.endswith(quote) and len(value) >= 2 * len(quote):
            return value[len(quote) : -len(quote)]
    return None


def _below(root: ts.Node) -> Iterator[ts.Node]:
    stack = [root]
    while stack:
        node = stack.pop()
        yield node
        stack.extend(reversed(node.named_children))


def _last(node: ts.Node) -> ts.Node:
    return node.named_children[-1]


def _call(language: str, node: ts.Node) -> Call | None:
    arguments = node.child_by_field_name("arguments")
    if node.type == "method_invocation":
        owner, name = node.child_by_field_name("object"), node.child_by_field_name("name")
        callee = ".".join(text(part) for part in (owner, name) if part is not None)
    elif node.type == "macro_invocation":
        name = node.child_by_field_name("macro")
        callee = f"{text(name)}!" if name is not None else ""
        arguments = node.named_children[-1]
    elif node.type in _CALLS:
        function = node.child_by_field_name(_CALLS[node.type][0])
        callee = text(function) if function is not None else ""
    else:
        return None
    rows = arguments.named_children if arguments is not None else []
    if arguments is not None and arguments.type in ("template_string", "generator_expression"):
        rows = [arguments]
    named: dict[str, ts.Node] = {}
    plain: list[ts.Node] = []
    for row in rows:
        key, value = row.child_by_field_name("name"), row.child_by_field_name("value")
        if language == "python" and row.type == "keyword_argument" and key and value:
            named[text(key)] = value
        elif "comment" not in row.type:
            plain.append(row)
    return Call(re.sub(r"\s+", "", callee), tuple(plain), named, node)


def _settings(node: ts.Node) -> Iterator[Setting]:
    if node.type in _PAIRS and node.named_child_count > 1:
        yield Setting(text(node.named_children[0]).strip("'\""), _last(node), node)
        return
    if node.type not in _ASSIGNMENTS:
        return
    left, right = (node.child_by_field_name(field) for field in _ASSIGNMENTS[node.type])
    if right is not None and right.type == "expression_list" and right.named_child_count == 1:
        right = right.named_children[0]
    if left is not None and right is not None:
        yield Setting(text(left), right, node)
