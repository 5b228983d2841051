# SPDX-License-Identifier: Apache-2.0
"""Python's own reasons to refuse, where its functions go, and how they are written.

In: what was found about a selection. Out: refusals, a place, texts. Flow is not its matter.
"""

from __future__ import annotations

import keyword
import re
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from indexer.extraction_dialect import (
    Dialect,
    indented,
    lines_of,
    marked,
    names,
    used,
)
from indexer.extraction_python import LOOKING, PythonWalker
from indexer.extraction_python_names import COMPREHENSIONS, declared_elsewhere
from indexer.extraction_shape import CannotExtract, Found, Place, Selection, Shape
from indexer.extraction_snap import NOT_A_RUN
from indexer.extraction_walk import ancestors, text

if TYPE_CHECKING:
    import tree_sitter as ts

    from indexer.extraction_walk import Variable

LINE_CHARS = 88  # a longer head has a line a parameter
_CLASS_METHODS = frozenset(("__new__", "__init_subclass__", "__class_getitem__"))
_EXPRESSIONS = frozenset(
    (
        *("identifier", "integer", "float", "string", "concatenated_string", "true", "false"),
        *("none", "call", "attribute", "subscript", "binary_operator", "boolean_operator"),
        *("comparison_operator", "not_operator", "unary_operator", "conditional_expression"),
        *("lambda", "tuple", "list", "dictionary", "set", "parenthesized_expression", "await"),
        *COMPREHENSIONS,
    )
)
_UNEVALUATED = frozenset(
    (
        *("type", "parameters", "lambda_parameters", "decorator", "import_statement"),
        *("import_from_statement", "global_statement", "nonlocal_statement", "case_pattern"),
        *("delete_statement", "as_pattern_target", "pattern_list", "tuple_pattern"),
        *("list_pattern", "format_specifier", "keyword_pattern"),
    )
)


class Python(Dialect):
    """Functions of Python."""

    language: ClassVar[str] = "python"
    walker = PythonWalker
    blocks: ClassVar[frozenset[str]] = frozenset(("block", "module"))
    slots: ClassVar[frozenset[str]] = frozenset(("block", "module"))
    classes: ClassVar[frozenset[str]] = frozenset(("class_definition",))
    strings: ClassVar[frozenset[str]] = frozenset(("string",))
    expressions: ClassVar[bool] = True
    behind: ClassVar[bool] = False  # what runs at import must find it
    two_blanks: ClassVar[bool] = True
    keywords: ClassVar[frozenset[str]] = frozenset((*keyword.kwlist, *keyword.softkwlist))

    def refuse(self, found: Found) -> None:
        for word, why in (
            ("super", "`super()` belongs to the method it stands in"),
            ("global", "a `global` declaration stays where it is"),
            ("nonlocal", "a `nonlocal` declaration stays where it is"),
            ("del", "`del` would not reach the variables of the function"),
            ("import *", "`import *` binds names that nobody sees"),
        ):
            if marked(found, (word,), deep=word == "super"):
                raise CannotExtract(why)
        for word in LOOKING:
            if marked(found, (word,), deep=True):
                raise CannotExtract(f"`{word}` depends on the function that it is called in")
        is_generator = any(mark.word == "yield" and not mark.depth for mark in found.walker.marks)
        if found.facts.returns and is_generator:
            raise CannotExtract("`return` in a generator ends it")
        whole = {text(n) for n in found.selection.nodes if n.type == "string"}
        if whole and len(found.selection.nodes) == len(whole) and not found.selection.is_expression:
            raise CannotExtract("the selection does nothing, or is never reached")

    def refuse_expression(self, selection: Selection) -> None:
        node = selection.nodes[0]
        parent = node.parent
        if node.type not in _EXPRESSIONS or parent is None:
            raise CannotExtract(NOT_A_RUN)
        left = parent.child_by_field_name("left")
        is_target = left == node and parent.type in {
            "assignment",
            "augmented_assignment",
            "for_statement",
            "for_in_clause",
        }
        around = next(ancestors(selection.function), None)
        inner = [n for n in ancestors(node) if n != around]
        inner = inner[: inner.index(selection.function)] if selection.function in inner else inner
        if is_target or any(n.type in _UNEVALUATED for n in inner):
            raise CannotExtract("that is not a value")
        if parent.type == "keyword_argument" and parent.child_by_field_name("name") == node:
            raise CannotExtract("that is not a value")
        if parent.type == "named_expression" and parent.child_by_field_name("name") == node:
            raise CannotExtract("that is not a value")
        if parent.type == "attribute" and parent.child_by_field_name("attribute") == node:
            raise CannotExtract("that is not a value")
        if parent.type == "concatenated_string":
            raise CannotExtract("a part of a string is not a value")
        if parent.type == "call" and parent.child_by_field_name("arguments") == node:
            raise CannotExtract("put it in parentheses of its own first")
        if parent.type in {"subscript", "except_clause"} and node.type == "tuple":
            raise CannotExtract("put it in parentheses of its own first")

    def may_hold(self, block: ts.Node) -> bool:
        parent = block.parent
        while parent is not None and parent.type not in PythonWalker.functions:
            if parent.type in self.classes:
                return False
            parent = parent.parent
        return True

    def place(self, found: Found) -> Place:
        method = self._method(found)
        place = method or super().place(found)
        inner = next(
            (n for n in ancestors(found.selection.function) if n.type in self.classes), None
        )
        moved_out = inner is not None and not _holds(inner, place.anchor)
        if moved_out and _has_private(found.selection.text):
            raise CannotExtract("names with two underscores belong to the class")
        return place

    def _method(self, found: Found) -> Place | None:
        """In the class, where the method's own object is used and is what it seems to be."""
        function = found.selection.function
        if function.type != "function_definition" or _class_of(function) is None:
            return None
        first = next((v for v in found.walker.variables if not v.outer), None)
        if first is None or first.word != "parameter" or first not in list(used(found)):
            return None
        if found.facts.written >> found.walker.variables.index(first) & 1:
            raise CannotExtract(f"`{first.name}` is set here")
        name = function.child_by_field_name("name")
        anchor = function.parent if function.parent and _is_decorated(function) else function
        assert anchor is not None
        decorators = {text(n).lstrip("@ ") for n in anchor.named_children if n.type == "decorator"}
        by_class = "classmethod" in decorators or (name and text(name) in _CLASS_METHODS)
        if by_class:
            return Place(anchor, behind=True, receiver=first.name, static=True)
        if "staticmethod" in decorators or first.name != "self":
            return None
        return Place(anchor, behind=True, receiver=first.name)

    def type_of(self, variable: Variable, found: Found) -> str:
        function = found.selection.function
        if variable.word != "parameter" or variable.outer or "`" in variable.type:
            return ""
        return variable.type if function.type == "function_definition" else ""

    def complete(self, shape: Shape, found: Found) -> Shape:
        function = found.selection.function
        body = function.child_by_field_name("body")
        first = []
        if body is not None:
            inside = range(found.selection.start, found.selection.end)
            foreign = {name for name, at in found.walker.foreign if at in inside}
            outer = {v.name for v in used(found) if v.outer}
            for word, name in declared_elsewhere(body):
                line = f"{word} {name}"
                if name in foreign | outer and line not in first:
                    first.append(line)
        anchor = shape.place.anchor
        level = anchor if anchor.type != "decorated_definition" else anchor.named_children[-1]
        parameters = shape.parameters
        if level != function:  # what an annotation names may not be seen there
            parameters = tuple(replace(p, type="") for p in parameters)
        return replace(shape, first=tuple(sorted(first)), parameters=parameters)

    def definition(self, shape: Shape, name: str, doc: str, body: str, unit: str) -> str:
        parameters = [f"{p.name}: {p.type}" if p.type else p.name for p in shape.parameters]
        if shape.place.receiver:
            parameters.insert(0, shape.place.receiver)
        word = "async def" if shape.is_async else "def"
        head = f"{word} {name}({', '.join(parameters)}):\n"
        if len(head) > LINE_CHARS:
            lines = "".join(f"{unit}{p},\n" for p in parameters)
            head = f"{word} {name}(\n{lines}):\n"
        if shape.place.static:
            head = f"@classmethod\n{head}"
        rest = [f"{line}\n" for line in shape.first]
        last = f"return {names(shape.results)}\n" if shape.gives == "results" else ""
        return head + indented(_doc(doc) + "".join(rest), unit) + body + indented(last, unit)

    def call(self, shape: Shape, name: str) -> str:
        receiver = f"{shape.place.receiver}." if shape.place.receiver else ""
        call = f"{'await ' if shape.is_async else ''}{receiver}{name}({names(shape.parameters)})"
        if shape.gives == "results":
            return f"{names(shape.results)} = {call}"
        if shape.gives == "value" and shape.is_async:
            return f"({call})"
        return f"return {call}" if shape.gives == "return" else call

    def body(self, selection: Selection, lines: str) -> str:
        node = selection.nodes[0]
        closed = node.type in {"string", "list", "dictionary", "set", "parenthesized_expression"}
        if "\n" in lines and not closed and node.type not in COMPREHENSIONS:
            return f"return ({lines})"
        if node.type == "tuple" and "\n" in lines and not lines.startswith("("):
            return f"return ({lines})"
        return f"return {lines}"


def _doc(doc: str) -> str:
    lines = [line.replace("\\", "\\\\").replace('"""', "'''") for line in lines_of(doc)]
    if not lines:
        return ""
    if len(lines) == 1:
        space = " " if lines[0].endswith('"') else ""
        return f'"""{lines[0]}{space}"""\n'
    return '"""' + "\n".join(lines) + '\n"""\n'


def _is_decorated(function: ts.Node) -> bool:
    return function.parent is not None and function.parent.type == "decorated_definition"


def _class_of(function: ts.Node) -> ts.Node | None:
    """The class that a function is a method of: it stands right in its body."""
    node = function.parent if _is_decorated(function) else function
    block = node.parent if node is not None else None
    owner = block.parent if block is not None and block.type == "block" else None
    return owner if owner is not None and owner.type == "class_definition" else None


def _holds(outer: ts.Node, inner: ts.Node) -> bool:
    return outer.start_byte < inner.start_byte and inner.end_byte <= outer.end_byte


def _has_private(code: bytes) -> bool:
    """Names that Python writes anew within a class: two underscores before, none behind."""
    return any(not word.endswith(b"__") for word in re.findall(rb"\b__\w+", code))


PYTHON = Python()
