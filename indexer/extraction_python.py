# SPDX-License-Identifier: Apache-2.0
"""What Python's nodes mean for the flow of a function.

In: nodes of tree-sitter-python. Out: steps of the walker. A name belongs to its whole function;
comprehensions have names of their own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from indexer.extraction_python_names import (
    COMPREHENSIONS,
    TARGETS,
    bound,
    bound_here,
    declared_elsewhere,
    imported,
    in_pattern,
    names_in,
    parameters_of,
    type_of,
)
from indexer.extraction_walk import Walker, field_of, has_token, text

if TYPE_CHECKING:
    import tree_sitter as ts

# They use up a generator, or are done with a function, before they return.
_CONSUMERS = frozenset(
    (
        *("sum", "any", "all", "list", "tuple", "set", "dict", "frozenset", "sorted", "min", "max"),
        *("join", "sort", "next", "Counter", "extend", "update"),
    )
)
# They look at the variables or at the calls of the function they stand in.
LOOKING = frozenset(
    (
        *("locals", "vars", "dir", "eval", "exec", "_getframe", "currentframe", "stack"),
        *("stacklevel", "stack_level"),
    )
)


class PythonWalker(Walker):
    """Walks a Python function."""

    functions: ClassVar[frozenset[str]] = frozenset(("function_definition", "lambda"))
    risky: ClassVar[frozenset[str]] = frozenset(
        (
            *("call", "attribute", "subscript", "binary_operator", "comparison_operator"),
            *("unary_operator", "augmented_assignment", "assert_statement", "import_statement"),
            *("import_from_statement", "delete_statement", "await", "yield", "pattern_list"),
            *("tuple_pattern", "with_item", "for_in_clause", "class_pattern", "interpolation"),
        )
    )
    skipped: ClassVar[frozenset[str]] = frozenset(("comment", "type"))

    def around(self, node: ts.Node) -> None:
        if node.type in self.functions:
            self._names_of(node)
        elif node.type in COMPREHENSIONS:
            self._targets(node)

    def enter(self, function: ts.Node) -> None:
        self._names_of(function)
        body = field_of(function, "body")
        for parameter in parameters_of(function):
            self.write(parameter)
        self.visit(body)
        self.scopes.pop() if self.depth else None

    def _names_of(self, function: ts.Node) -> None:
        scope = self.push(function, is_function=True)
        body = field_of(function, "body")
        elsewhere = set[str]()
        if body is not None:
            elsewhere = {name for _, name in declared_elsewhere(body)}
        for parameter in parameters_of(function):
            self.declare(text(parameter), parameter.start_byte, type_of(parameter), "parameter")
        for name in bound(body) if body is not None else ():
            if text(name) not in scope.names and text(name) not in elsewhere:
                self.declare(text(name), name.start_byte)

    def _targets(self, node: ts.Node) -> None:
        self.push(node)
        for clause in node.named_children:
            left = field_of(clause, "left") if clause.type == "for_in_clause" else None
            for name in names_in(left) if left is not None else ():
                self.declare(text(name), name.start_byte, "", "comprehension")

    # rules

    def name(self, node: ts.Node) -> None:
        if text(node) in LOOKING:
            self.mark(text(node), node)
        if text(node) in {"super", "__class__"}:
            self.mark("super", node)
        self.read(node)

    def attribute(self, node: ts.Node) -> None:
        self.visit(field_of(node, "object"))
        name = field_of(node, "attribute")
        if name is not None and text(name) in LOOKING - {"stack", "dir", "eval"}:
            self.mark(text(name), name)

    def keyword(self, node: ts.Node) -> None:
        name = field_of(node, "name")
        if name is not None and text(name) in LOOKING:
            self.mark(text(name), name)
        self.visit(field_of(node, "value"))

    def call(self, node: ts.Node) -> None:
        function, arguments = field_of(node, "function"), field_of(node, "arguments")
        self.visit(function)
        if arguments is None:
            return
        if arguments.type == "generator_expression":
            self._comprehension(arguments, at_once=_consumes(function))
            return
        for argument in arguments.named_children:
            value = field_of(argument, "value")
            if argument.type == "generator_expression":
                self._comprehension(argument, at_once=_consumes(function))
            elif value is not None and value.type == "lambda" and argument.type.startswith("key"):
                self.lambda_(value, at_once=_consumes(function))
            else:
                self.visit(argument)

    def assignment(self, node: ts.Node) -> None:
        right = field_of(node, "right")
        self.visit(right)
        if right is not None:
            self.target(field_of(node, "left"))

    def augmented(self, node: ts.Node) -> None:
        left = field_of(node, "left")
        self.visit(left)
        self.visit(field_of(node, "right"))
        self.graph.risk(node.start_byte)
        if left is not None and left.type == "identifier":
            self.write(left)

    def walrus(self, node: ts.Node) -> None:
        self.visit(field_of(node, "value"))
        name = field_of(node, "name")
        if name is not None:
            self.write(name)

    def target(self, node: ts.Node | None) -> None:
        if node is None:
            return
        if node.type == "identifier":
            self.write(node)
        elif node.type in TARGETS:
            self.graph.risk(node.start_byte)
            for child in node.named_children:
                self.target(child)
        else:
            self.visit(node)
            self.graph.risk(node.start_byte)

    def if_(self, node: ts.Node) -> None:
        self.visit(field_of(node, "condition"))
        others = node.children_by_field_name("alternative")

        def other(number: int) -> None:
            if number == len(others):
                return
            clause = others[number]
            if clause.type == "else_clause":
                self.visit(field_of(clause, "body"))
                return
            self.visit(field_of(clause, "condition"))
            self.branch(
                lambda: self.visit(field_of(clause, "consequence")), lambda: other(number + 1)
            )

        self.branch(lambda: self.visit(field_of(node, "consequence")), lambda: other(0))

    def conditional(self, node: ts.Node) -> None:
        first, condition, other = (n for n in node.named_children if n.type != "comment")
        self.visit(condition)
        self.branch(lambda: self.visit(first), lambda: self.visit(other))

    def boolean(self, node: ts.Node) -> None:
        self.visit(field_of(node, "left"))
        self.maybe(field_of(node, "right"))

    def for_(self, node: ts.Node) -> None:
        if has_token(node, "async"):
            self.mark("await", node)
        self.visit(field_of(node, "right"))

        def body() -> None:
            self.target(field_of(node, "left"))
            self.visit(field_of(node, "body"))

        self.loop(
            node,
            lambda: self.graph.risk(node.start_byte),
            body,
            otherwise=lambda: self.visit(field_of(node, "alternative")),
        )

    def while_(self, node: ts.Node) -> None:
        condition = field_of(node, "condition")
        self.loop(
            node,
            lambda: self.visit(condition),
            lambda: self.visit(field_of(node, "body")),
            otherwise=lambda: self.visit(field_of(node, "alternative")),
            endless=condition is not None and text(condition) in {"True", "1"},
        )

    def try_(self, node: ts.Node) -> None:
        clauses = [n for n in node.named_children if n.type.startswith("except")]
        parts = {n.type: n for n in node.named_children}
        bare = any(n.named_children[0].type == "block" for n in clauses if n.named_children)
        self.attempt(
            node,
            lambda: self.visit(field_of(node, "body")),
            [lambda c=c: self.except_(c) for c in clauses],  # type: ignore[misc]
            lambda: self.visit(parts.get("else_clause")),
            parts.get("finally_clause"),
            catches_all=bare,
        )

    def except_(self, node: ts.Node) -> None:
        self.inside(node)
        for name in bound_here(node):  # it is deleted at the end
            found = self.find(text(name))
            if found is not None and self.graph.ends:
                self.graph.step(node.start_byte, lost=1 << found)

    def as_(self, node: ts.Node) -> None:
        for child in node.named_children:
            if child.type == "as_pattern_target":
                self.target(child)
            elif child.type == "identifier" and child != node.named_children[0]:
                self.write(child)
            else:
                self.visit(child)

    def with_(self, node: ts.Node) -> None:
        if has_token(node, "async"):
            self.mark("await", node)
        clause = next((n for n in node.named_children if n.type == "with_clause"), None)
        self.visit(clause)
        heading = text(clause).lower() if clause is not None else ""
        if any(word in heading for word in ("suppress", "raises", "ignor", "catch")):
            self.attempt(node, lambda: self.visit(field_of(node, "body")), [lambda: None])
        else:
            self.visit(field_of(node, "body"))

    def match(self, node: ts.Node) -> None:
        self.visit(field_of(node, "subject"))
        body = field_of(node, "body")
        cases = [n for n in (body or node).named_children if n.type == "case_clause"]

        def other(number: int) -> None:
            if number == len(cases):
                return
            case = cases[number]
            patterns = [n for n in case.named_children if n.type == "case_pattern"]
            self.graph.risk(case.start_byte)
            self.each(patterns)
            self.visit(field_of(case, "guard"))
            sure = len(patterns) == 1 and text(patterns[0]) == "_" and not field_of(case, "guard")
            consequence = field_of(case, "consequence")
            if sure:
                self.visit(consequence)
            else:
                self.branch(lambda: self.visit(consequence), lambda: other(number + 1))

        other(0)

    def captured(self, node: ts.Node) -> None:
        """A name in a pattern: `x` is bound, `a.B` and `Class(...)` are read."""
        names = node.named_children
        parent = node.parent
        is_class = parent is not None and parent.type == "class_pattern"
        if not names:
            return
        if len(names) == 1 and not is_class and in_pattern(node):
            self.write(names[0])
        else:
            self.read(names[0])

    def splat(self, node: ts.Node) -> None:
        for child in node.named_children:
            self.write(child)

    def keyword_pattern(self, node: ts.Node) -> None:
        self.each(node.named_children[1:])

    def import_(self, node: ts.Node) -> None:
        self.graph.risk(node.start_byte)
        for name in imported(node):
            self.write(name)
        if any(n.type == "wildcard_import" for n in node.named_children):
            self.mark("import *", node)

    def delete(self, node: ts.Node) -> None:
        self.mark("del", node)
        for child in node.named_children:
            self.visit(child)
            for name in [child, *child.named_children]:
                found = self.find(text(name)) if name.type == "identifier" else None
                if found is not None:
                    self.graph.step(name.start_byte, lost=1 << found)

    def elsewhere(self, node: ts.Node) -> None:
        self.mark(node.type.partition("_")[0], node)

    def return_(self, node: ts.Node) -> None:
        self.inside(node)
        self.leave(node, "return")

    def jump(self, node: ts.Node) -> None:
        self.leave(node, node.type.partition("_")[0])

    def raise_(self, node: ts.Node) -> None:
        self.inside(node)
        self.fail(node)

    def await_(self, node: ts.Node) -> None:
        self.mark("await", node)
        self.inside(node)

    def yield_(self, node: ts.Node) -> None:
        self.mark("yield", node)
        self.inside(node)

    def def_(self, node: ts.Node) -> None:
        for part in node.named_children:
            if part.type in {"parameters", "lambda_parameters"}:
                for parameter in part.named_children:
                    self.visit(field_of(parameter, "value"))
                    self._annotation(field_of(parameter, "type"))
        self._annotation(field_of(node, "return_type"))
        self.closure(node, lambda: self.enter(node))
        name = field_of(node, "name")
        if name is not None:
            self.write(name)

    def _annotation(self, node: ts.Node | None) -> None:
        if node is not None:
            self.inside(node)

    def lambda_(self, node: ts.Node, *, at_once: bool = False) -> None:
        parameters = field_of(node, "parameters")
        for parameter in parameters.named_children if parameters is not None else ():
            self.visit(field_of(parameter, "value"))
        self.closure(node, lambda: self.enter(node), at_once=at_once)

    def class_(self, node: ts.Node) -> None:
        self.visit(field_of(node, "superclasses"))

        def body() -> None:
            inner = field_of(node, "body")
            scope = self.push(node)
            for name in bound(inner) if inner is not None else ():
                if text(name) not in scope.names:
                    self.declare(text(name), name.start_byte)
            self.visit(inner)
            self.scopes.pop()

        self.closure(node, body)
        name = field_of(node, "name")
        if name is not None:
            self.write(name)

    def comprehension(self, node: ts.Node) -> None:
        self._comprehension(node, at_once=node.type != "generator_expression")

    def _comprehension(self, node: ts.Node, *, at_once: bool) -> None:
        if at_once:
            self._clauses(node)
        else:
            first = next((n for n in node.named_children if n.type == "for_in_clause"), None)
            self.visit(field_of(first, "right") if first is not None else None)
            self.closure(node, lambda: self._clauses(node))

    def _clauses(self, node: ts.Node) -> None:
        """The clauses are nested loops, the body is the innermost."""
        self._targets(node)
        parts = [n for n in node.named_children if n.type in {"for_in_clause", "if_clause"}]
        body = field_of(node, "body")

        def clause(number: int) -> None:
            if number == len(parts):
                self.visit(body)
                return
            part = parts[number]
            if part.type == "if_clause":
                self.inside(part)
                self.branch(lambda: clause(number + 1), lambda: None)
                return
            if has_token(part, "async"):
                self.mark("await", part)
            self.each(part.children_by_field_name("right"))

            def each() -> None:
                self.target(field_of(part, "left"))
                clause(number + 1)

            self.loop(part, lambda: self.graph.risk(part.start_byte), each)

        clause(0)
        self.scopes.pop()


def _consumes(function: ts.Node | None) -> bool:
    return function is not None and text(function).rpartition(".")[2] in _CONSUMERS


PythonWalker.rules = {
    "identifier": PythonWalker.name,
    "attribute": PythonWalker.attribute,
    "keyword_argument": PythonWalker.keyword,
    "call": PythonWalker.call,
    "assignment": PythonWalker.assignment,
    "augmented_assignment": PythonWalker.augmented,
    "named_expression": PythonWalker.walrus,
    "if_statement": PythonWalker.if_,
    "conditional_expression": PythonWalker.conditional,
    "boolean_operator": PythonWalker.boolean,
    "for_statement": PythonWalker.for_,
    "while_statement": PythonWalker.while_,
    "try_statement": PythonWalker.try_,
    "as_pattern": PythonWalker.as_,
    "with_statement": PythonWalker.with_,
    "match_statement": PythonWalker.match,
    "dotted_name": PythonWalker.captured,
    "splat_pattern": PythonWalker.splat,
    "keyword_pattern": PythonWalker.keyword_pattern,
    "import_statement": PythonWalker.import_,
    "import_from_statement": PythonWalker.import_,
    "delete_statement": PythonWalker.delete,
    "global_statement": PythonWalker.elsewhere,
    "nonlocal_statement": PythonWalker.elsewhere,
    "return_statement": PythonWalker.return_,
    "raise_statement": PythonWalker.raise_,
    "break_statement": PythonWalker.jump,
    "continue_statement": PythonWalker.jump,
    "await": PythonWalker.await_,
    "yield": PythonWalker.yield_,
    "function_definition": PythonWalker.def_,
    "lambda": PythonWalker.lambda_,
    "class_definition": PythonWalker.class_,
    **dict.fromkeys(COMPREHENSIONS, PythonWalker.comprehension),
}
