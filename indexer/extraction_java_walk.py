# SPDX-License-Identifier: Apache-2.0
"""What Java's nodes mean for the flow of a method.

In: nodes of tree-sitter-java. Out: steps of the walker. Within a method no name hides another
one, so a name is looked up by its block alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from indexer.extraction_walk import Walker, field_of, text, within

if TYPE_CHECKING:
    from collections.abc import Iterator

    import tree_sitter as ts

FUNCTIONS = frozenset(
    (
        *("method_declaration", "constructor_declaration", "lambda_expression"),
        "compact_constructor_declaration",
    )
)
BODIES = frozenset(("class_body", "interface_body", "enum_body_declarations", "record_body"))
_PATTERNS = frozenset(("instanceof_expression", "type_pattern", "record_pattern_component"))
_NAMED = frozenset(
    (
        *("formal_parameter", "catch_formal_parameter", "resource", "enhanced_for_statement"),
        "variable_declarator",
    )
)


class JavaWalker(Walker):
    """Walks a Java method or lambda."""

    functions: ClassVar[frozenset[str]] = FUNCTIONS
    risky: ClassVar[frozenset[str]] = frozenset(
        (
            *("method_invocation", "object_creation_expression", "field_access", "array_access"),
            *("binary_expression", "cast_expression", "unary_expression", "assert_statement"),
            *("array_creation_expression", "update_expression", "resource"),
            *("assignment_expression", "explicit_constructor_invocation"),
        )
    )
    skipped: ClassVar[frozenset[str]] = frozenset(
        (
            *("line_comment", "block_comment", "modifiers", "type_arguments", "method_reference"),
            *("scoped_type_identifier", "annotation", "marker_annotation"),
        )
    )

    def __init__(self, function: ts.Node) -> None:
        self._owners = 0
        super().__init__(function)

    def around(self, node: ts.Node) -> None:
        if node.type in FUNCTIONS or node.type in {
            *("block", "constructor_body", "for_statement", "enhanced_for_statement"),
            *("catch_clause", "try_with_resources_statement", "switch_block_statement_group"),
        }:
            self._open(node)

    def enter(self, function: ts.Node) -> None:
        self._open(function)
        for variable in self.scopes[-1].names.values():
            self.graph.step(function.start_byte, writes=1 << variable)
        self.visit(field_of(function, "body"))
        if self.depth:
            self.scopes.pop()

    def _open(self, node: ts.Node) -> None:  # noqa: C901  one line a kind of node
        scope = self.push(node, is_function=node.type in FUNCTIONS)
        parts = list(node.named_children)
        if node.type in FUNCTIONS:
            parameters = field_of(node, "parameters")
            parts = [parameters] if parameters is not None else []
            if parameters is not None and parameters.type != "identifier":
                parts = parameters.named_children
        elif node.type == "try_with_resources_statement":
            resources = field_of(node, "resources")
            parts = resources.named_children if resources is not None else []
        elif node.type == "enhanced_for_statement":
            parts = [node]
        elif node.type == "for_statement":
            parts = node.children_by_field_name("init")
        for part in parts:
            for name, type_ in _declared(part):
                if text(name) not in scope.names:
                    word = "parameter" if node.type in FUNCTIONS else ""
                    self.declare(text(name), name.start_byte, type_, word)
        if node.type in {"block", "constructor_body", "switch_block_statement_group"}:
            for found in within(node, _PATTERNS, frozenset(("block", *FUNCTIONS))):
                pattern = field_of(found, "name")
                if pattern is None and found.type == "type_pattern":
                    pattern = found.named_children[-1]
                if pattern is not None and text(pattern) not in scope.names:
                    self.declare(text(pattern), pattern.start_byte, "", "pattern")

    # rules

    def own(self, node: ts.Node) -> None:
        if node.type == "super" or not self._owners:
            self.mark(node.type, node)

    def scoped(self, node: ts.Node) -> None:
        self._open(node)
        self.inside(node)
        self.scopes.pop()

    def declarator(self, node: ts.Node) -> None:
        value, name = field_of(node, "value"), field_of(node, "name")
        self.visit(value)
        if value is not None and name is not None:
            self.write(name)

    def resource(self, node: ts.Node) -> None:
        name = field_of(node, "name")
        self.visit(field_of(node, "value"))
        if name is not None:
            self.write(name)
        else:
            self.inside(node)

    def assignment(self, node: ts.Node) -> None:
        left, operator = field_of(node, "left"), field_of(node, "operator")
        is_name = left is not None and left.type == "identifier"
        if not is_name or (operator is not None and text(operator) != "="):
            self.visit(left)
        self.visit(field_of(node, "right"))
        if left is not None and is_name:
            self.write(left)

    def update(self, node: ts.Node) -> None:
        self.inside(node)
        for child in node.named_children:
            if child.type == "identifier":
                self.write(child)

    def member(self, node: ts.Node) -> None:
        self.visit(field_of(node, "object"))
        if any(child.type == "super" for child in node.named_children):
            self.mark("super", node)

    def invocation(self, node: ts.Node) -> None:
        if field_of(node, "object") is None and not self._owners:
            self.mark("method", node)
        self.member(node)
        self.visit(field_of(node, "arguments"))

    def constructor(self, node: ts.Node) -> None:
        self.mark("constructor", node)
        self.visit(field_of(node, "arguments"))

    def if_(self, node: ts.Node) -> None:
        self.visit(field_of(node, "condition"))
        self.branch(
            lambda: self.visit(field_of(node, "consequence")),
            lambda: self.visit(field_of(node, "alternative")),
        )

    def instanceof(self, node: ts.Node) -> None:
        self.visit(field_of(node, "left"))
        if field_of(node, "name") is not None:
            self.pattern(node)
        else:
            self.each(node.named_children[1:])

    def pattern(self, node: ts.Node) -> None:
        name = field_of(node, "name") or node.named_children[-1]
        if name.type == "identifier" and self.find(text(name)) is not None:
            self.write(name)

    def binary(self, node: ts.Node) -> None:
        self.visit(field_of(node, "left"))
        operator = field_of(node, "operator")
        right = field_of(node, "right")
        if operator is not None and text(operator) in {"&&", "||"}:
            self.maybe(right)
        else:
            self.visit(right)

    def for_(self, node: ts.Node) -> None:
        self._open(node)
        self.each(node.children_by_field_name("init"))
        condition = field_of(node, "condition")
        self.loop(
            node,
            lambda: self.visit(condition),
            lambda: self.visit(field_of(node, "body")),
            step=lambda: self.each(node.children_by_field_name("update")),
            endless=condition is None,
        )
        self.scopes.pop()

    def each_of(self, node: ts.Node) -> None:
        self.visit(field_of(node, "value"))
        self._open(node)
        name = field_of(node, "name")

        def body() -> None:
            if name is not None:
                self.write(name)
            self.visit(field_of(node, "body"))

        self.loop(node, lambda: self.graph.risk(node.start_byte), body)
        self.scopes.pop()

    def while_(self, node: ts.Node) -> None:
        condition = field_of(node, "condition")
        self.loop(
            node,
            lambda: self.visit(condition),
            lambda: self.visit(field_of(node, "body")),
            endless=condition is not None and text(condition) == "(true)",
            body_first=node.type == "do_statement",
        )

    def switch(self, node: ts.Node) -> None:
        self.visit(field_of(node, "condition"))
        body = field_of(node, "body")
        groups = [
            n
            for n in (body or node).named_children
            if n.type.startswith(("switch_block", "switch_r"))
        ]
        labels = [
            label for g in groups for label in g.named_children if label.type == "switch_label"
        ]
        is_value = node.parent is not None and node.parent.type != "expression_statement"
        complete = is_value or any(text(label).startswith("default") for label in labels)
        self.breakable(
            node,
            lambda: self.cases(
                [lambda g=g: self.visit(g) for g in groups],  # type: ignore[misc]
                complete=complete,
                falls=any(g.type == "switch_block_statement_group" for g in groups),
            ),
            plain=True,
        )

    def try_(self, node: ts.Node) -> None:
        clauses = [n for n in node.named_children if n.type == "catch_clause"]
        final = next((n for n in node.named_children if n.type == "finally_clause"), None)

        def body() -> None:
            self._open(node)
            self.visit(field_of(node, "resources"))
            self.visit(field_of(node, "body"))
            self.scopes.pop()

        self.attempt(
            node,
            body,
            [lambda c=c: self.catch(c) for c in clauses],  # type: ignore[misc]
            final=final,
        )

    def catch(self, node: ts.Node) -> None:
        self._open(node)
        for variable in self.scopes[-1].names.values():
            self.graph.step(node.start_byte, writes=1 << variable)
        self.visit(field_of(node, "body"))
        self.scopes.pop()

    def labeled(self, node: ts.Node) -> None:
        label, body = node.named_children[0], node.named_children[-1]
        self.label = text(label)
        if body.type.startswith(("for", "while", "do_", "enhanced")):
            self.visit(body)
        else:
            self.breakable(node, lambda: self.visit(body), plain=False)

    def jump(self, node: ts.Node) -> None:
        label = text(node.named_children[0]) if node.named_children else ""
        self.leave(node, node.type.partition("_")[0], label)

    def return_(self, node: ts.Node) -> None:
        self.inside(node)
        self.leave(node, "return")

    def yield_(self, node: ts.Node) -> None:
        self.inside(node)
        self.leave(node, "break")

    def throw(self, node: ts.Node) -> None:
        self.inside(node)
        self.fail(node)

    def lambda_(self, node: ts.Node) -> None:
        self.closure(node, lambda: self.enter(node))

    def create(self, node: ts.Node) -> None:
        self.visit(field_of(node, "object"))
        self.visit(field_of(node, "arguments"))
        for child in node.named_children:
            if child.type == "class_body":
                self.class_(child)

    def class_(self, node: ts.Node) -> None:
        if node.type != "class_body":
            self.mark("class", node)

        def body() -> None:
            self._owners += 1
            self.push(node)
            self.inside(node)
            self.scopes.pop()
            self._owners -= 1

        self.closure(node, body)

    def method(self, node: ts.Node) -> None:
        self.closure(node, lambda: self.enter(node))


def _declared(  # noqa: C901, PLR0912  one branch a kind of node
    node: ts.Node,
) -> Iterator[tuple[ts.Node, str]]:
    """Names that a node declares, with their types."""
    if node.type == "identifier":
        yield node, ""
        return
    if node.type == "inferred_parameters":
        for child in node.named_children:
            yield child, ""
        return
    type_ = field_of(node, "type")
    written = text(type_) if type_ is not None else ""
    if written == "var":
        written = ""
    for child in node.children_by_field_name("declarator"):
        name, dimensions = field_of(child, "name"), field_of(child, "dimensions")
        if name is not None:
            yield name, written + (text(dimensions) if dimensions is not None else "")
    if node.type == "spread_parameter":
        name = field_of(node.named_children[-1], "name")
        kind = next((n for n in node.named_children if n.type != "modifiers"), None)
        if name is not None and kind is not None:
            yield name, f"{text(kind)}[]"
    elif node.type in _NAMED and node.type != "variable_declarator":
        name, dimensions = field_of(node, "name"), field_of(node, "dimensions")
        if name is not None and node.type != "catch_formal_parameter":
            yield name, written + (text(dimensions) if dimensions is not None else "")
        elif name is not None:
            kinds = [n for n in node.named_children if n.type == "catch_type"]
            one = len(kinds) == 1 and kinds[0].named_child_count == 1
            yield name, text(kinds[0]) if one else ""
    elif node.type == "catch_clause":
        for child in node.named_children:
            yield from _declared(child)


JavaWalker.rules = {
    "identifier": JavaWalker.read,
    "this": JavaWalker.own,
    "super": JavaWalker.own,
    "block": JavaWalker.scoped,
    "constructor_body": JavaWalker.scoped,
    "switch_block_statement_group": JavaWalker.scoped,
    "variable_declarator": JavaWalker.declarator,
    "resource": JavaWalker.resource,
    "assignment_expression": JavaWalker.assignment,
    "update_expression": JavaWalker.update,
    "field_access": JavaWalker.member,
    "method_invocation": JavaWalker.invocation,
    "explicit_constructor_invocation": JavaWalker.constructor,
    "if_statement": JavaWalker.if_,
    "ternary_expression": JavaWalker.if_,
    "binary_expression": JavaWalker.binary,
    "instanceof_expression": JavaWalker.instanceof,
    "type_pattern": JavaWalker.pattern,
    "record_pattern_component": JavaWalker.pattern,
    "for_statement": JavaWalker.for_,
    "enhanced_for_statement": JavaWalker.each_of,
    "while_statement": JavaWalker.while_,
    "do_statement": JavaWalker.while_,
    "switch_expression": JavaWalker.switch,
    "switch_statement": JavaWalker.switch,
    "try_statement": JavaWalker.try_,
    "try_with_resources_statement": JavaWalker.try_,
    "labeled_statement": JavaWalker.labeled,
    "break_statement": JavaWalker.jump,
    "continue_statement": JavaWalker.jump,
    "return_statement": JavaWalker.return_,
    "yield_statement": JavaWalker.yield_,
    "throw_statement": JavaWalker.throw,
    "lambda_expression": JavaWalker.lambda_,
    "object_creation_expression": JavaWalker.create,
    "class_declaration": JavaWalker.class_,
    "record_declaration": JavaWalker.class_,
    "interface_declaration": JavaWalker.class_,
    "enum_declaration": JavaWalker.class_,
    "method_declaration": JavaWalker.method,
    "constructor_declaration": JavaWalker.method,
}
