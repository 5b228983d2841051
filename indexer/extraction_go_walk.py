# SPDX-License-Identifier: Apache-2.0
"""What Go's nodes mean for the flow of a function, and which types its text shows.

In: nodes of tree-sitter-go. Out: steps of the walker. A name is seen from its declaration on, to
the end of its block; an inner one hides an outer one.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar

from indexer.extraction_walk import Walker, ancestors, field_of, text, within

if TYPE_CHECKING:
    from collections.abc import Iterator

    import tree_sitter as ts

FUNCTIONS = frozenset(("function_declaration", "method_declaration", "func_literal"))
_SWITCHES = frozenset(("expression_switch_statement", "type_switch_statement", "select_statement"))
CASES = frozenset(("expression_case", "type_case", "default_case", "communication_case"))
_SPECS = frozenset(("var_spec", "const_spec"))
_SHARED = re.compile(r"[*]|\[\]|map\[|chan\b|<-|func\b|interface\b")  # a copy is the same thing
_LITERALS = {
    "int_literal": "int",
    "float_literal": "float64",
    "imaginary_literal": "complex128",
    "rune_literal": "rune",
    "interpreted_string_literal": "string",
    "raw_string_literal": "string",
    "true": "bool",
    "false": "bool",
}
_CALLS = {"len": "int", "cap": "int", "copy": "int", "errors.New": "error", "fmt.Errorf": "error"}
_CALLS |= {"fmt.Sprintf": "string", "fmt.Sprint": "string", "string": "string"}


class GoWalker(Walker):
    """Walks a Go function."""

    functions: ClassVar[frozenset[str]] = FUNCTIONS
    skipped: ClassVar[frozenset[str]] = frozenset(
        (
            *("comment", "type_declaration", "pointer_type", "slice_type", "map_type"),
            *("array_type", "function_type", "channel_type", "qualified_type", "label_name"),
            *("type_arguments", "struct_type", "interface_type", "generic_type"),
        )
    )

    def around(self, node: ts.Node) -> None:
        self.push(node, is_function=node.type in FUNCTIONS)
        if node.type in FUNCTIONS:
            self._parameters(node)
        for child in node.named_children:
            inner = child if node.type == "block" and child.type == "statement_list" else None
            for part in inner.named_children if inner is not None else [child]:
                if part.start_byte < self.function.start_byte < node.end_byte:
                    self._declare_before(part)

    def _declare_before(self, node: ts.Node) -> None:
        if node.end_byte > self.function.start_byte or self.scopes[-1].start == 0:
            return
        for name, type_ in self._declared(node):
            self.declare(text(name), name.start_byte, type_)

    def enter(self, function: ts.Node) -> None:
        self.push(function, is_function=True)
        self._parameters(function)
        for variable in self.scopes[-1].names.values():
            self.graph.step(function.start_byte, writes=1 << variable)
        self.visit(field_of(function, "body"))
        if self.depth:
            self.scopes.pop()

    def _parameters(self, function: ts.Node) -> None:
        for part, word in (("receiver", "receiver"), ("parameters", ""), ("result", "result")):
            listed = field_of(function, part)
            for node in listed.named_children if listed is not None else ():
                if node.type not in {"parameter_declaration", "variadic_parameter_declaration"}:
                    continue
                type_ = field_of(node, "type")
                shown = text(type_) if type_ is not None else ""
                dots = "[]" if node.type.startswith("variadic") else ""
                for name in node.children_by_field_name("name"):
                    self.declare(text(name), name.start_byte, dots + shown, word)

    def _declared(self, node: ts.Node) -> Iterator[tuple[ts.Node, str]]:
        """Names that a statement declares, with the types that can be seen."""
        if node.type in {"short_var_declaration", "range_clause", "receive_statement"}:
            left, right = field_of(node, "left"), field_of(node, "right")
            names = left.named_children if left is not None else []
            if node.type != "short_var_declaration" and b":=" not in (node.text or b""):
                return
            values = right.named_children if right is not None else []
            if node.type == "short_var_declaration":
                types = self._types(values, len(names))
            else:
                types = self._elements(right, len(names)) if node.type == "range_clause" else []
                types += [""] * (len(names) - len(types))
            yield from zip(names, types, strict=True)
        elif node.type in {"var_declaration", "const_declaration", "var_spec_list"}:
            for child in node.named_children:
                yield from self._declared(child)
        elif node.type in {"var_spec", "const_spec"}:
            names = node.children_by_field_name("name")
            type_, value = field_of(node, "type"), field_of(node, "value")
            if type_ is not None:
                types = [text(type_)] * len(names)
            elif node.type == "var_spec":
                types = self._types(value.named_children if value else [], len(names))
            else:
                types = [""] * len(names)
            yield from zip(names, types, strict=True)

    def _types(self, values: list[ts.Node], count: int) -> list[str]:
        if len(values) == count:
            return [self._type(value) for value in values]
        if len(values) == 1 and values[0].type == "call_expression":
            types = self._results(values[0])
            if len(types) == count:
                return types
        return [""] * count

    def _elements(self, ranged: ts.Node | None, count: int) -> list[str]:
        """What a range over a variable gives, where its type is written."""
        found = self.find(text(ranged)) if ranged is not None else None
        type_ = self.variables[found].type if found is not None else ""
        if type_.startswith("[]"):
            return ["int", type_[2:]][:count]
        if type_ == "string":
            return ["int", "rune"][:count]
        match = re.fullmatch(r"map\[([\w.*]+)\](.+)", type_, re.DOTALL)
        return [match[1], match[2]][:count] if match else []

    def _type(self, value: ts.Node) -> str:
        kind = value.type
        if kind in _LITERALS:
            return _LITERALS[kind]
        if kind == "composite_literal":
            type_ = field_of(value, "type")
            shown = text(type_) if type_ is not None else ""
            return "" if "..." in shown else shown
        operand = field_of(value, "operand")
        if kind == "unary_expression" and operand is not None and text(value).startswith("&"):
            return f"*{self._type(operand)}" if operand.type == "composite_literal" else ""
        if kind == "call_expression":
            types = self._results(value)
            return types[0] if len(types) == 1 else ""
        return ""

    def _results(self, call: ts.Node) -> list[str]:
        """The types of a call's results: of builtins, and of functions of this file."""
        function, arguments = field_of(call, "function"), field_of(call, "arguments")
        name = text(function) if function is not None else ""
        if self.find(name) is not None:
            return []
        if name in {"make", "new"} and arguments is not None and arguments.named_children:
            made = text(arguments.named_children[0])
            return [made if name == "make" else f"*{made}"]
        if name in _CALLS:
            return [_CALLS[name]]
        root = list(ancestors(call))[-1]
        for node in root.named_children:
            found = field_of(node, "name")
            is_it = node.type == "function_declaration" and found and text(found) == name
            if is_it and field_of(node, "type_parameters") is None:
                return _result_types(field_of(node, "result"))
        return []

    # rules

    def scoped(self, node: ts.Node) -> None:
        self.push(node)
        self.inside(node)
        self.scopes.pop()

    def name(self, node: ts.Node) -> None:
        if text(node) == "recover":
            self.mark("recover", node)
        self.read(node)

    def declaration(self, node: ts.Node) -> None:
        """`:=`, `var`, `const`: the values come first, then the names are seen."""
        self.visit(field_of(node, "right"))
        for spec in within(node, _SPECS, _SPECS):
            self.visit(field_of(spec, "value"))
        for name, type_ in list(self._declared(node)):
            self._bind(name, type_, again=node.type != "short_var_declaration")

    def _bind(self, name: ts.Node, type_: str, *, again: bool = True) -> None:
        if text(name) == "_" or name.type != "identifier":
            return
        if again or text(name) not in self.scopes[-1].names:
            parent = self.scopes[-2] if len(self.scopes) > 1 else None
            is_body = parent is not None and parent.is_function
            if again or not (is_body and parent and text(name) in parent.names):
                self.declare(text(name), name.start_byte, type_)
        self.write(name)

    def assignment(self, node: ts.Node) -> None:
        left, operator = field_of(node, "left"), field_of(node, "operator")
        targets = left.named_children if left is not None else []
        plain = operator is not None and text(operator) == "="
        for target in targets:
            if not plain or target.type != "identifier":
                self.visit(target)
        self.visit(field_of(node, "right"))
        for target in targets:
            self._assign(target)

    def _assign(self, target: ts.Node) -> None:
        """A part of a value that is copied when passed is the value itself."""
        base: ts.Node | None = target
        while base is not None and base.type in {"selector_expression", "index_expression"}:
            base = field_of(base, "operand")
        if base is None or base.type != "identifier":
            return
        found = self.find(text(base))
        if found is None:
            return
        if base == target or not _SHARED.match(self.variables[found].type):
            self.write(base)

    def step_by(self, node: ts.Node) -> None:
        self.inside(node)
        for child in node.named_children:
            self._assign(child)

    def address(self, node: ts.Node) -> None:
        self.inside(node)
        operand = field_of(node, "operand")
        if text(node).startswith("&") and operand is not None:
            while operand is not None and operand.type in {
                "selector_expression",
                "index_expression",
            }:
                operand = field_of(operand, "operand")
            if operand is not None and operand.type == "identifier":
                self.mark(f"&{text(operand)}", node)

    def selector(self, node: ts.Node) -> None:
        operand = field_of(node, "operand")
        self.visit(operand)
        if operand is not None and operand.type == "identifier":
            self.mark(f".{text(operand)}", node)

    def keyed(self, node: ts.Node) -> None:
        """Keys of structs are no names; those of maps may be."""
        self.visit(field_of(node, "value"))
        key = field_of(node, "key")
        if key is not None:
            self.visit(key)

    def if_(self, node: ts.Node) -> None:
        self.push(node)
        self.visit(field_of(node, "initializer"))
        self.visit(field_of(node, "condition"))
        self.branch(
            lambda: self.visit(field_of(node, "consequence")),
            lambda: self.visit(field_of(node, "alternative")),
        )
        self.scopes.pop()

    def binary(self, node: ts.Node) -> None:
        self.visit(field_of(node, "left"))
        self.visit(field_of(node, "right"))

    def for_(self, node: ts.Node) -> None:
        self.push(node)
        head = next((n for n in node.named_children if n.type != "block"), None)
        clause = head if head is not None and head.type == "for_clause" else None
        ranged = head if head is not None and head.type == "range_clause" else None
        test: ts.Node | None = head
        if clause is not None:
            self.visit(field_of(clause, "initializer"))
            test = field_of(clause, "condition")
        if ranged is not None:
            self.visit(field_of(ranged, "right"))
            test = None

        def body() -> None:
            if ranged is not None:
                self._range(ranged)
            self.visit(field_of(node, "body"))

        self.loop(
            node,
            lambda: self.visit(test),
            body,
            step=lambda: self.visit(field_of(clause, "update") if clause is not None else None),
            endless=test is None and ranged is None,
        )
        self.scopes.pop()

    def _range(self, node: ts.Node) -> None:
        declared = list(self._declared(node))
        for name, type_ in declared:
            self._bind(name, type_)
        left = field_of(node, "left")
        if not declared and left is not None:
            for target in left.named_children:
                self._assign(target)

    def switch(self, node: ts.Node) -> None:
        self.push(node)
        self.visit(field_of(node, "initializer"))
        self.visit(field_of(node, "value"))
        alias = field_of(node, "alias")
        for name in alias.named_children if alias is not None else ():
            self._bind(name, "")
        cases = [n for n in node.named_children if n.type in CASES]
        self.breakable(
            node,
            lambda: self.cases(
                [lambda c=c: self.scoped(c) for c in cases],  # type: ignore[misc]
                complete=any(c.type == "default_case" for c in cases)
                or node.type == "select_statement",
                falls=b"fallthrough" in (node.text or b""),
            ),
            plain=True,
        )
        self.scopes.pop()

    def receive(self, node: ts.Node) -> None:
        self.visit(field_of(node, "right"))
        for name, type_ in list(self._declared(node)):
            self._bind(name, type_)

    def special(self, node: ts.Node) -> None:
        self.mark(node.type.partition("_")[0], node)
        self.graph.step(node.start_byte)
        self.inside(node)

    def jump(self, node: ts.Node) -> None:
        label = text(node.named_children[0]) if node.named_children else ""
        self.leave(node, node.type.partition("_")[0], label)

    def labeled(self, node: ts.Node) -> None:
        self.mark("label", node)
        label = field_of(node, "label")
        self.label = text(label) if label is not None else ""
        body = node.named_children[-1]
        if body.type == "for_statement":
            self.visit(body)
        else:
            self.breakable(node, lambda: self.visit(body), plain=False)

    def return_(self, node: ts.Node) -> None:
        self.inside(node)
        if not node.named_children:
            for number, variable in enumerate(self.variables):
                if variable.word == "result" and not variable.outer:
                    self.graph.step(node.start_byte, reads=1 << number)
                    self.mark("bare return", node)
        self.leave(node, "return")

    def literal(self, node: ts.Node) -> None:
        self.closure(node, lambda: self.enter(node))

    def call(self, node: ts.Node) -> None:
        self.inside(node)
        function = field_of(node, "function")
        if function is not None and text(function) in {"panic", "os.Exit", "log.Fatal"}:
            self.graph.risk(node.start_byte)
            if text(function) == "panic":
                self.graph.ends = []


def _result_types(node: ts.Node | None) -> list[str]:
    if node is None:
        return []
    if node.type != "parameter_list":
        return [text(node)]
    types = []
    for part in node.named_children:
        type_ = field_of(part, "type")
        count = len(part.children_by_field_name("name")) or 1
        types += [text(type_) if type_ is not None else ""] * count
    return types


GoWalker.rules = {
    "identifier": GoWalker.name,
    "block": GoWalker.scoped,
    "short_var_declaration": GoWalker.declaration,
    "var_declaration": GoWalker.declaration,
    "const_declaration": GoWalker.declaration,
    "assignment_statement": GoWalker.assignment,
    "inc_statement": GoWalker.step_by,
    "dec_statement": GoWalker.step_by,
    "unary_expression": GoWalker.address,
    "selector_expression": GoWalker.selector,
    "keyed_element": GoWalker.keyed,
    "if_statement": GoWalker.if_,
    "for_statement": GoWalker.for_,
    **dict.fromkeys(_SWITCHES, GoWalker.switch),
    "receive_statement": GoWalker.receive,
    "defer_statement": GoWalker.special,
    "goto_statement": GoWalker.special,
    "fallthrough_statement": GoWalker.special,
    "labeled_statement": GoWalker.labeled,
    "break_statement": GoWalker.jump,
    "continue_statement": GoWalker.jump,
    "return_statement": GoWalker.return_,
    "func_literal": GoWalker.literal,
    "call_expression": GoWalker.call,
}
