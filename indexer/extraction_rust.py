# SPDX-License-Identifier: Apache-2.0
"""Rust's own reasons to refuse, where its functions go, and how they are written.

In: what was found about a selection. Out: refusals, a place, texts. Only what is copied when it is
passed is passed: numbers, `bool`, `char`, references with their type declared. Anything else
would be moved or borrowed anew, and only the compiler knows whether it may.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from indexer.extraction_dialect import Dialect, indented, lines_of, marked, of, used
from indexer.extraction_rust_walk import FUNCTIONS, RustWalker
from indexer.extraction_shape import CannotExtract, Found, Name, Place, Shape
from indexer.extraction_walk import ancestors, field_of, text

if TYPE_CHECKING:
    import tree_sitter as ts

_KEYWORDS = """
    as async await break const continue crate dyn else enum extern false fn for if impl in let loop
    match mod move mut pub ref return self static struct super trait true type unsafe use where
    while abstract become box do final macro override priv try typeof unsized virtual yield gen
    union
"""
_COPIED = re.compile(
    r"(?:[iu](?:8|16|32|64|128|size)|f32|f64|bool|char|&(?!.*\bimpl\b).*)$", re.DOTALL
)


class Rust(Dialect):
    """Functions of Rust."""

    language: ClassVar[str] = "rust"
    walker = RustWalker
    blocks: ClassVar[frozenset[str]] = frozenset(("block",))
    slots: ClassVar[frozenset[str]] = frozenset(("source_file", "declaration_list"))
    classes: ClassVar[frozenset[str]] = frozenset(("declaration_list",))
    strings: ClassVar[frozenset[str]] = frozenset(("string_literal", "raw_string_literal"))
    typed: ClassVar[bool] = True
    typed_results: ClassVar[bool] = True
    keywords: ClassVar[frozenset[str]] = frozenset(_KEYWORDS.split())

    def refuse(self, found: Found) -> None:  # noqa: C901  one reason after the other
        for word, why in (
            ("unsafe", "`unsafe` code stays where its reasons are"),
            ("macro", "a macro here may change variables or leave the function"),
            ("item", "an item is declared here"),
            ("move", "an `async move` block takes variables with it"),
        ):
            if marked(found, (word,), deep=True):
                raise CannotExtract(why)
        function = found.selection.function
        if function.type != "function_item":
            raise CannotExtract("the types in a closure are not declared")
        modifiers = next((text(n) for n in function.named_children if "modifiers" in n.type), "")
        if "unsafe" in modifiers or "const" in modifiers.split():
            raise CannotExtract(f"the function is `{modifiers}`")
        if any(n.type in {"unsafe_block", "async_block"} for n in _up_to(found, function)):
            raise CannotExtract("the selection is in a block of a special kind")
        if re.search(rb"\bSelf\b", found.selection.text) and not marked(
            found, ("self",), deep=True
        ):
            raise CannotExtract("`Self` is used without `self`")
        if any(found.selection.start <= b < found.selection.end for b in _closures(found)):
            raise CannotExtract("what a closure here borrows is not known")
        last = found.selection.nodes[-1]
        if _gives_value(last) and not _is_tail(last, function):
            raise CannotExtract("the last expression is the value of a block")
        for variable in of(found.facts.outs, found.walker):
            if variable.word == "pattern" or variable.type.startswith("&"):
                raise CannotExtract(f"what `{variable.name}` borrows is not known")

    def place(self, found: Found) -> Place:  # noqa: C901  one reason after the other
        function = found.selection.function
        if not marked(found, ("self",), deep=True):
            generics = field_of(function, "type_parameters")
            around = [field_of(n, "type_parameters") for n in ancestors(function)]
            given = set(re.findall(r"\w+", " ".join(text(n) for n in (generics, *around) if n)))
            words = set(re.findall(r"\w+", found.selection.text.decode()))
            words |= {w for v in used(found) for w in re.findall(r"\w+", v.type)}
            if given & words:
                raise CannotExtract("it needs type parameters of what is around")
            top = function
            for node in (function, *ancestors(function)):
                if node.parent is not None and node.parent.type in FUNCTIONS:
                    raise CannotExtract("the function is in another function")
                if node.parent is not None and node.parent.type in self.slots:
                    top = node
                    if node.type != "function_item" or node.parent.type == "source_file":
                        break
                    if node.parent.parent is not None and node.parent.parent.type == "mod_item":
                        break
            return Place(top, behind=True)
        owner = next((v for v in found.walker.variables if v.word == "self"), None)
        impl = next((n for n in ancestors(function) if n.type in {"impl_item", "trait_item"}), None)
        if owner is None or impl is None or impl.type == "trait_item" or field_of(impl, "trait"):
            raise CannotExtract("a method cannot be added to the implementation of a trait")
        if owner.type not in {"&self", "&mut self"}:
            raise CannotExtract("`self` would be moved")
        if field_of(function, "type_parameters") is not None:
            raise CannotExtract("it needs type parameters of what is around")
        return Place(function, behind=True, receiver="self", owner=owner.type)

    def complete(self, shape: Shape, found: Found) -> Shape:
        function = found.selection.function
        for part in (*shape.parameters, *shape.results):
            if part.name != "self" and not _COPIED.match(part.type):
                raise CannotExtract(f"`{part.name}` would be moved or borrowed")
        result = ", ".join(r.type for r in shape.results)
        if len(shape.results) > 1:
            result = f"({result})"
        gives = shape.gives
        last = found.selection.nodes[-1]
        kind = field_of(function, "return_type")
        shown = text(kind) if kind is not None else ""
        if _is_tail(last, function) and _gives_value(last) and kind is not None:
            gives, result = "tail", shown
        elif gives == "return":
            if found.facts.goes_on:
                raise CannotExtract("it returns on some ways only")
            result = shown
        if gives in {"tail", "return"} and ("&" in result or "'" in result or "impl" in result):
            raise CannotExtract("what the result borrows is not known")
        if (
            gives in {"tail", "return"}
            and re.search(r"\bSelf\b", result)
            and not shape.place.receiver
        ):
            raise CannotExtract("`Self` is used without `self`")
        if any("'" in p.type and "'static" not in p.type for p in shape.parameters):
            raise CannotExtract("a parameter has a lifetime")
        return replace(shape, gives=gives, result=result)

    def definition(self, shape: Shape, name: str, doc: str, body: str, unit: str) -> str:
        parameters = [_parameter(p) for p in shape.parameters]
        if shape.place.owner:
            parameters.insert(0, shape.place.owner)
        word = "async fn" if shape.is_async else "fn"
        result = f" -> {shape.result}" if shape.result else ""
        head = f"{word} {name}({', '.join(parameters)}){result} {{\n"
        last = ""
        if shape.gives == "results":
            names = ", ".join(r.name for r in shape.results)
            last = f"{names if len(shape.results) == 1 else f'({names})'}\n"
        return "".join(f"/// {line}".rstrip() + "\n" for line in lines_of(doc)) + (
            head + body + indented(last, unit) + "}\n"
        )

    def call(self, shape: Shape, name: str) -> str:
        arguments = ", ".join(p.name for p in shape.parameters)
        receiver = f"{shape.place.receiver}." if shape.place.receiver else ""
        call = f"{receiver}{name}({arguments}){'.await' if shape.is_async else ''}"
        if shape.gives == "results":
            inside = {r.inside for r in shape.results}
            if len(inside) > 1:
                raise CannotExtract("it sets variables from before, and declares others for later")
            words = [
                f"{'mut ' if r.word == 'mut' and r.inside else ''}{r.name}" for r in shape.results
            ]
            target = words[0] if len(words) == 1 else f"({', '.join(words)})"
            return f"{'let ' if shape.results[0].inside else ''}{target} = {call};"
        if shape.gives == "tail":
            return call
        return f"{'return ' if shape.gives == 'return' else ''}{call};"


def _parameter(name: Name) -> str:
    return f"{'mut ' if name.written else ''}{name.name}: {name.type}"


def _up_to(found: Found, function: ts.Node) -> list[ts.Node]:
    around = []
    for node in ancestors(found.selection.nodes[0]):
        if node == function:
            break
        around.append(node)
    return around


def _closures(found: Found) -> list[int]:
    return [found.walker.graph.at[step] for step in found.walker.graph.captures]


def _gives_value(node: ts.Node) -> bool:
    """An expression without a semicolon at the end of its block."""
    return _is_last(node) and not node.type.endswith(("_statement", "_declaration", "_item"))


def _is_last(node: ts.Node) -> bool:
    parent = node.parent
    return parent is not None and parent.type == "block" and parent.named_children[-1] == node


def _is_tail(node: ts.Node, function: ts.Node) -> bool:
    return node.parent == field_of(function, "body") and _is_last(node)


RUST = Rust()
