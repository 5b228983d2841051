# SPDX-License-Identifier: Apache-2.0
"""What Rust's nodes mean for the flow of a function.

In: nodes of tree-sitter-rust. Out: steps of the walker. A name is seen from its `let` on, to the
end of its block; a later one hides it. Words in macros are uses.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar

from indexer.extraction_walk import Walker, field_of, has_token, text

if TYPE_CHECKING:
    from collections.abc import Iterator

    import tree_sitter as ts

FUNCTIONS = frozenset(("function_item", "closure_expression"))
_INTEGER = re.compile(r"[\d_]+(?:0[xob][\da-fA-F_]+)?([iu](?:8|16|32|64|128|size))$")
_INLINE = re.compile(r"\{([a-z_]\w*)")
_FAILING = frozenset(("panic", "todo", "unreachable", "unimplemented"))


class RustWalker(Walker):
    """Walks a Rust function."""

    functions: ClassVar[frozenset[str]] = FUNCTIONS
    skipped: ClassVar[frozenset[str]] = frozenset(
        (
            *("line_comment", "block_comment", "type_arguments", "reference_type", "generic_type"),
            *("attribute_item", "label", "scoped_type_identifier", "use_declaration"),
        )
    )

    def around(self, node: ts.Node) -> None:
        scope = self.push(node, is_function=node.type in FUNCTIONS)
        if node.type in FUNCTIONS:
            self._parameters(node)
        patterns = [field_of(node, "pattern")]
        patterns += [
            field_of(child, "pattern")
            for child in (node.named_children if node.type == "block" else ())
            if child.type == "let_declaration" and child.end_byte <= self.function.start_byte
        ]
        for pattern in patterns:
            for name in _bound(pattern) if pattern is not None else ():
                self.declare(text(name), name.start_byte, "", "outer", scope)

    def enter(self, function: ts.Node) -> None:
        self.push(function, is_function=True)
        self._parameters(function)
        for variable in self.scopes[-1].names.values():
            self.graph.step(function.start_byte, writes=1 << variable)
        self.visit(field_of(function, "body"))
        if self.depth:
            self.scopes.pop()

    def _parameters(self, function: ts.Node) -> None:
        listed = field_of(function, "parameters")
        for node in listed.named_children if listed is not None else ():
            if node.type == "self_parameter":
                self.declare("self", node.start_byte, text(node), "self")
                continue
            pattern, type_ = field_of(node, "pattern") or node, field_of(node, "type")
            mutable = "mut" if has_token(node, "mutable_specifier") else ""
            plain = pattern.type == "identifier" and type_ is not None
            for name in _bound(pattern):
                shown = text(type_) if plain and type_ is not None else ""
                self.declare(text(name), name.start_byte, shown, mutable or "parameter")

    # rules

    def self_(self, node: ts.Node) -> None:
        self.mark("self", node)
        self.read(node)

    def scoped(self, node: ts.Node) -> None:
        self.push(node)
        self.inside(node)
        self.scopes.pop()

    def let(self, node: ts.Node) -> None:
        pattern, value, type_ = (field_of(node, f) for f in ("pattern", "value", "type"))
        self.visit(value)
        other = field_of(node, "alternative")
        if other is not None:
            self.branch(lambda: self.visit(other), lambda: None)
        if pattern is None:
            return
        shown = text(type_) if type_ is not None else _literal(value)
        mutable = has_token(node, "mutable_specifier")
        for name in _bound(pattern):
            plain = pattern.type == "identifier"
            self.declare(
                text(name), name.start_byte, shown if plain else "", "mut" if mutable else "let"
            )
            if value is not None:
                self.write(name)

    def bind(self, node: ts.Node | None) -> None:
        """A pattern of a `match`, an `if let` or a loop."""
        for name in _bound(node) if node is not None else ():
            self.declare(text(name), name.start_byte, "", "pattern")
            self.write(name)

    def condition(self, node: ts.Node) -> None:
        self.visit(field_of(node, "value"))
        self.bind(field_of(node, "pattern"))

    def assignment(self, node: ts.Node) -> None:
        left = field_of(node, "left")
        if node.type != "assignment_expression" or (left is not None and left.type != "identifier"):
            self.visit(left)
        self.visit(field_of(node, "right"))
        base = left
        while base is not None and base.type in {"field_expression", "index_expression"}:
            base = field_of(base, "value") or base.named_children[0]
        if base is not None and base.type == "identifier":
            found = self.find(text(base))
            shared = found is not None and self.variables[found].type.startswith("&")
            if base == left or not shared:
                self.write(base)

    def reference(self, node: ts.Node) -> None:
        value = field_of(node, "value")
        self.visit(value)
        is_name = value is not None and value.type == "identifier"
        if value is not None and is_name and has_token(node, "mutable_specifier"):
            self.write(value)

    def if_(self, node: ts.Node) -> None:
        self.push(node)
        self.visit(field_of(node, "condition"))
        self.branch(
            lambda: self.visit(field_of(node, "consequence")),
            lambda: self.visit(field_of(node, "alternative")),
        )
        self.scopes.pop()

    def binary(self, node: ts.Node) -> None:
        self.visit(field_of(node, "left"))
        operator = field_of(node, "operator")
        if operator is not None and text(operator) in {"&&", "||"}:
            self.maybe(field_of(node, "right"))
        else:
            self.visit(field_of(node, "right"))

    def loop_(self, node: ts.Node) -> None:
        if node.named_children and node.named_children[0].type == "label":
            self.label = text(node.named_children[0])
        self.push(node)
        if node.type == "for_expression":
            self.visit(field_of(node, "value"))

        def body() -> None:
            self.bind(field_of(node, "pattern"))
            self.visit(field_of(node, "body"))

        self.loop(
            node,
            lambda: self.visit(field_of(node, "condition")),
            body,
            endless=node.type == "loop_expression",
        )
        self.scopes.pop()

    def match(self, node: ts.Node) -> None:
        self.visit(field_of(node, "value"))
        body = field_of(node, "body")
        arms = [n for n in (body or node).named_children if n.type == "match_arm"]
        self.cases(
            [lambda a=a: self.arm(a) for a in arms],  # type: ignore[misc]
            complete=True,
            falls=False,
        )

    def arm(self, node: ts.Node) -> None:
        self.push(node)
        pattern = field_of(node, "pattern")
        inner = (
            pattern.named_children[0] if pattern is not None and pattern.named_children else None
        )
        condition = field_of(pattern, "condition") if pattern is not None else None
        self.graph.step(node.start_byte)
        self.bind(inner if inner != condition else None)
        self.visit(condition)
        self.visit(field_of(node, "value"))
        self.scopes.pop()

    def jump(self, node: ts.Node) -> None:
        label = next((text(n) for n in node.named_children if n.type == "label"), "")
        self.each([n for n in node.named_children if n.type != "label"])
        self.leave(node, node.type.partition("_")[0], label)

    def return_(self, node: ts.Node) -> None:
        self.inside(node)
        self.leave(node, "return")

    def question(self, node: ts.Node) -> None:
        """`?` returns, or goes on."""
        self.inside(node)
        base = self.graph.ends
        self.graph.ends = base
        self.leave(node, "return")
        self.graph.ends = [self.graph.detached(node.start_byte)]
        self.graph.go(base, self.graph.ends[0])

    def await_(self, node: ts.Node) -> None:
        self.mark("await", node)
        self.inside(node)

    def special(self, node: ts.Node) -> None:
        self.mark(node.type.partition("_")[0], node)
        self.inside(node)

    def macro(self, node: ts.Node) -> None:
        name = field_of(node, "macro")
        self.tokens(node.named_children[-1])
        if name is not None and text(name) in _FAILING:
            self.graph.risk(node.start_byte)
            self.graph.ends = []

    def tokens(self, node: ts.Node) -> None:
        previous = None
        for child in node.children:
            if child.type == "identifier" and (previous is None or previous.type != "."):
                self.read(child)
            elif child.type == "self":
                self.self_(child)
            elif child.type in {"token_tree", "string_literal", "raw_string_literal"}:
                self._in_tokens(child)
            elif (
                text(child) in {"return", "break", "continue", "await", "?"}
                or child.type == "mutable_specifier"
            ):
                self.mark("macro", child)
            previous = child

    def _in_tokens(self, node: ts.Node) -> None:
        if node.type == "token_tree":
            self.tokens(node)
            return
        for name in _INLINE.findall(text(node)):
            found = self.find(name)
            if found is not None:
                self.graph.step(node.start_byte, reads=1 << found)

    def closure_(self, node: ts.Node) -> None:
        self.closure(node, lambda: self.enter(node))

    def async_(self, node: ts.Node) -> None:
        def body() -> None:
            self.push(node)
            self.inside(node)
            self.scopes.pop()

        self.closure(node, body)
        if has_token(node, "move"):
            self.mark("move", node)

    def item(self, node: ts.Node) -> None:
        self.mark("item", node)


def _literal(value: ts.Node | None) -> str:
    """The type that a literal shows, "" for a number that takes its type from its use."""
    if value is None:
        return ""
    if value.type == "boolean_literal":
        return "bool"
    if value.type == "char_literal":
        return "char"
    if value.type == "string_literal" and text(value).startswith('"'):
        return "&'static str"
    if value.type == "integer_literal":
        match = _INTEGER.match(text(value))
        return match[1] if match else ""
    return ""


def _bound(pattern: ts.Node) -> Iterator[ts.Node]:
    """The names that a pattern binds: those that begin with a small letter."""
    if pattern.type in {"identifier", "shorthand_field_identifier"}:
        if not text(pattern)[:1].isupper():
            yield pattern
        return
    if pattern.type in {"range_pattern", "scoped_identifier", "const_block", "type_arguments"}:
        return
    for number, child in enumerate(pattern.named_children):
        name = pattern.field_name_for_named_child(number)
        if name in {"type", "condition"} or (name == "name" and child.type == "field_identifier"):
            continue
        if pattern.type == "macro_invocation":
            continue
        yield from _bound(child)


RustWalker.rules = {
    "identifier": RustWalker.read,
    "self": RustWalker.self_,
    "shorthand_field_initializer": RustWalker.inside,
    "block": RustWalker.scoped,
    "let_declaration": RustWalker.let,
    "let_condition": RustWalker.condition,
    "assignment_expression": RustWalker.assignment,
    "compound_assignment_expr": RustWalker.assignment,
    "reference_expression": RustWalker.reference,
    "if_expression": RustWalker.if_,
    "binary_expression": RustWalker.binary,
    "for_expression": RustWalker.loop_,
    "while_expression": RustWalker.loop_,
    "loop_expression": RustWalker.loop_,
    "match_expression": RustWalker.match,
    "break_expression": RustWalker.jump,
    "continue_expression": RustWalker.jump,
    "return_expression": RustWalker.return_,
    "try_expression": RustWalker.question,
    "await_expression": RustWalker.await_,
    "yield_expression": RustWalker.special,
    "unsafe_block": RustWalker.special,
    "macro_invocation": RustWalker.macro,
    "closure_expression": RustWalker.closure_,
    "async_block": RustWalker.async_,
    **dict.fromkeys(
        ("function_item", "struct_item", "enum_item", "impl_item", "const_item", "static_item"),
        RustWalker.item,
    ),
}
