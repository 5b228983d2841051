# SPDX-License-Identifier: Apache-2.0
"""What the nodes of JavaScript and TypeScript mean for the flow of a function.

In: nodes of tree-sitter-javascript, -typescript and -tsx. Out: steps of the walker. Names belong
to their block, `var` and parameters to the function.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from indexer.extraction_walk import Walker, field_of, has_token, text, within

if TYPE_CHECKING:
    from collections.abc import Iterator

    import tree_sitter as ts

FUNCTIONS = frozenset(
    (
        *("function_declaration", "function_expression", "arrow_function", "method_definition"),
        *("generator_function", "generator_function_declaration"),
    )
)
DECLARED = frozenset(
    ("function_declaration", "generator_function_declaration", "class_declaration")
)
_PATTERNS = frozenset(
    (
        *("object_pattern", "array_pattern", "rest_pattern", "assignment_pattern"),
        *("pair_pattern", "object_assignment_pattern", "array", "parenthesized_expression"),
        *("required_parameter", "optional_parameter", "formal_parameters"),
    )
)
_TARGETS = frozenset(("identifier", "shorthand_property_identifier_pattern"))
_LITERALS = {
    "number": "number",
    "string": "string",
    "template_string": "string",
    "true": "boolean",
    "false": "boolean",
    "regex": "RegExp",
}


class ScriptWalker(Walker):
    """Walks a function of JavaScript or TypeScript."""

    functions: ClassVar[frozenset[str]] = FUNCTIONS
    risky: ClassVar[frozenset[str]] = frozenset(
        (
            *("call_expression", "new_expression", "member_expression", "subscript_expression"),
            *("await_expression", "yield_expression", "for_in_statement", "object_pattern"),
            *("array_pattern", "spread_element"),
        )
    )
    skipped: ClassVar[frozenset[str]] = frozenset(
        (
            *("comment", "function_type", "object_type", "interface_declaration"),
            *("type_alias_declaration", "type_parameters", "statement_identifier"),
        )
    )

    def __init__(self, function: ts.Node) -> None:
        self._owners = 0  # functions around that have a `this` of their own
        super().__init__(function)

    def around(self, node: ts.Node) -> None:
        if node.type != "program":
            self._open(node)

    def enter(self, function: ts.Node) -> None:
        own_this = bool(self.depth) and function.type != "arrow_function"
        self._owners += own_this
        self._open(function)
        for parameter in _parameters(function):
            self.target(parameter)
        self.visit(field_of(function, "body"))
        if self.depth:
            self.scopes.pop()
        self._owners -= own_this

    def _open(self, node: ts.Node) -> None:
        """Begin the scope that a node gives, with the names that belong to it."""
        if node.type in FUNCTIONS:
            self._open_function(node)
        elif node.type in {"statement_block", "switch_body"}:
            self.push(node)
            for child in node.named_children:
                parts = child.named_children if node.type == "switch_body" else [child]
                for part in parts:
                    self._declare_by(part)
        elif node.type in {"for_statement", "for_in_statement", "catch_clause"}:
            self.push(node)
            first = field_of(node, "initializer")
            if first is not None:
                self._declare_by(first)
            kind = field_of(node, "kind")
            left = field_of(node, "left" if node.type == "for_in_statement" else "parameter")
            if left is not None and (kind is not None or node.type == "catch_clause"):
                word = text(kind) if kind is not None else "catch"
                for name in _names(left):
                    self.declare(text(name), name.start_byte, "", word)

    def _open_function(self, node: ts.Node) -> None:
        self.push(node, is_function=True)
        name = field_of(node, "name")
        if name is not None and node.type in {"function_expression", "generator_function"}:
            self.declare(text(name), name.start_byte, "", "function")
        for parameter in _parameters(node):
            type_ = _annotation(parameter)
            if parameter.type == "optional_parameter" and type_:
                type_ = f"{type_} | undefined"
            pattern = field_of(parameter, "pattern") or parameter
            plain = pattern.type in {"identifier", "rest_pattern"}
            for found in _names(parameter):
                self.declare(text(found), found.start_byte, type_ if plain else "", "parameter")
        body = field_of(node, "body")
        for found in within(
            node, frozenset(("variable_declaration", "for_in_statement")), FUNCTIONS
        ):
            if body is not None and found.start_byte >= body.start_byte:
                self._declare_vars(found)

    def _declare_vars(self, node: ts.Node) -> None:
        scope = self.scopes[-1]
        left = field_of(node, "left")
        if node.type == "variable_declaration":
            for part in node.named_children:
                self._declare_part(part, "var")
        elif left is not None and (kind := field_of(node, "kind")) and text(kind) == "var":
            for name in _names(left):
                if text(name) not in scope.names:
                    self.declare(text(name), name.start_byte, "", "var")

    def _declare_by(self, node: ts.Node) -> None:
        if node.type == "lexical_declaration":
            kind = field_of(node, "kind")
            for part in node.named_children:
                self._declare_part(part, text(kind) if kind is not None else "let")
        elif node.type in DECLARED and (name := field_of(node, "name")) is not None:
            word = "class" if node.type.startswith("class") else "function"
            self.declare(text(name), name.start_byte, "", word)

    def _declare_part(self, node: ts.Node, word: str) -> None:
        name = field_of(node, "name")
        if node.type != "variable_declarator" or name is None:
            return
        type_ = _annotation(node)
        value = field_of(node, "value")
        if not type_ and value is not None:
            type_ = _LITERALS.get(value.type, "")
        plain = name.type == "identifier"
        for found in _names(name):
            if text(found) not in self.scopes[-1].names:
                self.declare(text(found), found.start_byte, type_ if plain else "", word)

    # rules

    def name(self, node: ts.Node) -> None:
        if text(node) in {"arguments", "eval"} and not self._owners:
            self.mark(text(node), node)
        self.read(node)

    def own(self, node: ts.Node) -> None:
        """`this`, `super`, `new.target`, `#name`."""
        word = node.type
        if word == "private_property_identifier" or not self._owners:
            self.mark(word, node)

    def scoped(self, node: ts.Node) -> None:
        self._open(node)
        self.inside(node)
        self.scopes.pop()

    def declarator(self, node: ts.Node) -> None:
        value, name = field_of(node, "value"), field_of(node, "name")
        self.visit(value)
        parent = node.parent
        if value is not None or (parent is not None and parent.type == "lexical_declaration"):
            self.target(name)

    def target(self, node: ts.Node | None) -> None:
        """What is assigned to."""
        if node is None:
            return
        if node.type in _TARGETS:
            self.write(node)
        elif node.type in {"assignment_pattern", "object_assignment_pattern"}:
            self.maybe(field_of(node, "right"))
            self.target(field_of(node, "left"))
        elif node.type == "pair_pattern":
            key = field_of(node, "key")
            self.visit(key if key is not None and key.type.startswith("computed") else None)
            self.target(field_of(node, "value"))
        elif node.type in {"required_parameter", "optional_parameter"}:
            self.maybe(field_of(node, "value"))
            self.target(field_of(node, "pattern"))
        elif node.type in _PATTERNS:
            self.graph.risk(node.start_byte)
            for child in node.named_children:
                self.target(child)
        else:
            self.visit(node)

    def assignment(self, node: ts.Node) -> None:
        left = field_of(node, "left")
        simple = left is not None and (left.type in _TARGETS or left.type in _PATTERNS)
        if not simple:
            self.visit(left)
        self.visit(field_of(node, "right"))
        if simple:
            self.target(left)

    def augmented(self, node: ts.Node) -> None:
        left, right = field_of(node, "left"), field_of(node, "right")
        operator = field_of(node, "operator")
        self.visit(left)

        def rest() -> None:
            self.visit(right)
            if left is not None and left.type == "identifier":
                self.write(left)

        if operator is not None and text(operator) in {"||=", "&&=", "??="}:
            self.branch(rest, lambda: None)
        else:
            rest()

    def update(self, node: ts.Node) -> None:
        argument = field_of(node, "argument")
        self.visit(argument)
        if argument is not None and argument.type == "identifier":
            self.write(argument)

    def if_(self, node: ts.Node) -> None:
        self.visit(field_of(node, "condition"))
        self.branch(
            lambda: self.visit(field_of(node, "consequence")),
            lambda: self.visit(field_of(node, "alternative")),
        )

    def binary(self, node: ts.Node) -> None:
        self.visit(field_of(node, "left"))
        operator = field_of(node, "operator")
        if operator is not None and text(operator) in {"&&", "||", "??"}:
            self.maybe(field_of(node, "right"))
        else:
            self.visit(field_of(node, "right"))

    def for_(self, node: ts.Node) -> None:
        self._open(node)
        self.visit(field_of(node, "initializer"))
        condition = field_of(node, "condition")
        self.loop(
            node,
            lambda: self.visit(condition),
            lambda: self.visit(field_of(node, "body")),
            step=lambda: self.visit(field_of(node, "increment")),
            endless=condition is None or condition.type == "empty_statement",
        )
        self.scopes.pop()

    def for_in(self, node: ts.Node) -> None:
        if has_token(node, "await"):
            self.mark("await", node)
        self.visit(field_of(node, "right"))
        self._open(node)

        def body() -> None:
            self.target(field_of(node, "left"))
            self.visit(field_of(node, "body"))

        self.loop(node, lambda: self.graph.risk(node.start_byte), body)
        self.scopes.pop()

    def while_(self, node: ts.Node) -> None:
        condition = field_of(node, "condition")
        self.loop(
            node,
            lambda: self.visit(condition),
            lambda: self.visit(field_of(node, "body")),
            endless=condition is not None and text(condition) in {"(true)", "(1)"},
            body_first=node.type == "do_statement",
        )

    def switch(self, node: ts.Node) -> None:
        self.visit(field_of(node, "value"))
        body = field_of(node, "body")
        if body is None:
            return
        cases = body.named_children
        self._open(body)

        def ways() -> None:
            self.each([v for c in cases if (v := field_of(c, "value")) is not None])
            self.cases(
                [lambda c=c: self.each(c.children_by_field_name("body")) for c in cases],  # type: ignore[misc]
                complete=any(c.type == "switch_default" for c in cases),
                falls=True,
            )

        self.breakable(node, ways, plain=True)
        self.scopes.pop()

    def try_(self, node: ts.Node) -> None:
        handler = field_of(node, "handler")
        self.attempt(
            node,
            lambda: self.visit(field_of(node, "body")),
            [lambda: self.catch(handler)] if handler is not None else [],
            final=field_of(node, "finalizer"),
            catches_all=handler is not None,
        )

    def catch(self, node: ts.Node) -> None:
        self._open(node)
        self.target(field_of(node, "parameter"))
        self.visit(field_of(node, "body"))
        self.scopes.pop()

    def labeled(self, node: ts.Node) -> None:
        label, body = field_of(node, "label"), field_of(node, "body")
        self.label = text(label) if label is not None else ""
        if body is not None and body.type.startswith(("for", "while", "do_")):
            self.visit(body)
        else:
            self.breakable(node, lambda: self.visit(body), plain=False)

    def jump(self, node: ts.Node) -> None:
        label = field_of(node, "label")
        self.leave(node, node.type.partition("_")[0], text(label) if label is not None else "")

    def return_(self, node: ts.Node) -> None:
        self.inside(node)
        self.leave(node, "return")

    def throw(self, node: ts.Node) -> None:
        self.inside(node)
        self.fail(node)

    def await_(self, node: ts.Node) -> None:
        self.mark("await", node)
        self.inside(node)

    def yield_(self, node: ts.Node) -> None:
        self.mark("yield", node)
        self.inside(node)

    def function_(self, node: ts.Node) -> None:
        key = field_of(node, "name")
        if key is not None and key.type == "computed_property_name":
            self.visit(key)
        self.closure(node, lambda: self.enter(node))
        if node.type in DECLARED and key is not None:
            self.write(key)

    def class_(self, node: ts.Node) -> None:
        for child in node.named_children:
            if child.type == "class_heritage":
                self.visit(child)

        def body() -> None:
            self._owners += 1
            self.push(node)
            self.visit(field_of(node, "body"))
            self.scopes.pop()
            self._owners -= 1

        self.closure(node, body)
        name = field_of(node, "name")
        if name is not None and node.type == "class_declaration":
            self.write(name)


def _parameters(function: ts.Node) -> list[ts.Node]:
    one = field_of(function, "parameter")
    if one is not None:
        return [one]
    parameters = field_of(function, "parameters")
    return [n for n in parameters.named_children if n.type != "comment"] if parameters else []


def _names(pattern: ts.Node) -> Iterator[ts.Node]:
    """The names that a pattern binds."""
    if pattern.type in _TARGETS:
        yield pattern
    elif pattern.type in {"assignment_pattern", "object_assignment_pattern"}:
        left = field_of(pattern, "left")
        yield from _names(left) if left is not None else ()
    elif pattern.type == "pair_pattern":
        value = field_of(pattern, "value")
        yield from _names(value) if value is not None else ()
    elif pattern.type in {"required_parameter", "optional_parameter"}:
        inner = field_of(pattern, "pattern")
        yield from _names(inner) if inner is not None else ()
    elif pattern.type in _PATTERNS:
        for child in pattern.named_children:
            yield from _names(child)


def _annotation(node: ts.Node) -> str:
    type_ = field_of(node, "type")
    return text(type_).lstrip(": \n\t") if type_ is not None else ""


ScriptWalker.rules = {
    "identifier": ScriptWalker.name,
    "shorthand_property_identifier": ScriptWalker.name,
    **dict.fromkeys(
        ("this", "super", "meta_property", "private_property_identifier"), ScriptWalker.own
    ),
    "statement_block": ScriptWalker.scoped,
    "variable_declarator": ScriptWalker.declarator,
    "assignment_expression": ScriptWalker.assignment,
    "augmented_assignment_expression": ScriptWalker.augmented,
    "update_expression": ScriptWalker.update,
    "if_statement": ScriptWalker.if_,
    "ternary_expression": ScriptWalker.if_,
    "binary_expression": ScriptWalker.binary,
    "for_statement": ScriptWalker.for_,
    "for_in_statement": ScriptWalker.for_in,
    "while_statement": ScriptWalker.while_,
    "do_statement": ScriptWalker.while_,
    "switch_statement": ScriptWalker.switch,
    "try_statement": ScriptWalker.try_,
    "labeled_statement": ScriptWalker.labeled,
    "break_statement": ScriptWalker.jump,
    "continue_statement": ScriptWalker.jump,
    "return_statement": ScriptWalker.return_,
    "throw_statement": ScriptWalker.throw,
    "await_expression": ScriptWalker.await_,
    "yield_expression": ScriptWalker.yield_,
    **dict.fromkeys(FUNCTIONS, ScriptWalker.function_),
    "class_declaration": ScriptWalker.class_,
    "class": ScriptWalker.class_,
}
