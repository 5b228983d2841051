# SPDX-License-Identifier: Apache-2.0
"""Java's own reasons to refuse, where its methods go, and how they are written.

In: what was found about a selection. Out: refusals, a place, texts. A new method is private, and
static where the old one is; it declares what the old one throws, or what is caught around.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from indexer.extraction_dialect import Dialect, indented, marked, names, of
from indexer.extraction_java_walk import BODIES, FUNCTIONS, JavaWalker
from indexer.extraction_script import comment
from indexer.extraction_shape import CannotExtract, Found, Place, Shape
from indexer.extraction_walk import ancestors, field_of, text, within

if TYPE_CHECKING:
    import tree_sitter as ts

_KEYWORDS = """
    abstract assert boolean break byte case catch char class const continue default do double else
    enum extends final finally float for goto if implements import instanceof int interface long
    native new package private protected public return short static strictfp super switch
    synchronized this throw throws transient try void volatile while true false null var record
    yield sealed permits
"""


class Java(Dialect):
    """Methods of Java."""

    language: ClassVar[str] = "java"
    walker = JavaWalker
    blocks: ClassVar[frozenset[str]] = frozenset(
        ("block", "constructor_body", "switch_block_statement_group")
    )
    slots: ClassVar[frozenset[str]] = BODIES
    classes: ClassVar[frozenset[str]] = BODIES
    strings: ClassVar[frozenset[str]] = frozenset(("string_literal",))
    typed: ClassVar[bool] = True
    typed_results: ClassVar[bool] = True
    camel: ClassVar[bool] = True
    keywords: ClassVar[frozenset[str]] = frozenset(_KEYWORDS.split())

    def refuse(self, found: Found) -> None:  # noqa: C901  one reason after the other
        for word, why in (
            ("super", "`super` belongs to the method it stands in"),
            ("constructor", "a constructor is called first, where it stands"),
            ("class", "a class is declared here"),
        ):
            if marked(found, (word,), deep=True):
                raise CannotExtract(why)
        method = _method(found.selection.function)
        if method is None:
            raise CannotExtract("the selection is not in a method")
        if found.facts.returns and method != found.selection.function:
            raise CannotExtract("what a lambda returns has no declared type")
        if "constructor" in method.type and found.walker.foreign:
            inside = range(found.selection.start, found.selection.end)
            if any(at in inside for _, at in found.walker.foreign):
                raise CannotExtract("fields are set here, and a constructor has to set final ones")
        if "constructor" in method.type and b"this." in found.selection.text:
            raise CannotExtract("fields are set here, and a constructor has to set final ones")
        outs = list(of(found.facts.outs, found.walker))
        if len(outs) > 1 and not found.facts.returns:
            listed = ", ".join(f"`{v.name}`" for v in outs)
            raise CannotExtract(f"a method gives one value, and {listed} are used behind it")
        for variable in outs:
            if variable.word == "pattern":
                raise CannotExtract(f"`{variable.name}` is bound by a pattern")

    def place(self, found: Found) -> Place:
        method = _method(found.selection.function)
        assert method is not None  # else it was refused
        modifiers = next((n for n in method.named_children if n.type == "modifiers"), None)
        static = modifiers is not None and "static" in text(modifiers).split()
        return Place(method, behind=True, static=static)

    def complete(self, shape: Shape, found: Found) -> Shape:
        method = shape.place.anchor
        thrown = next((n for n in method.named_children if n.type == "throws"), None)
        throws = [text(n) for n in thrown.named_children] if thrown is not None else []
        for node in ancestors(found.selection.nodes[0]):
            if node == method:
                break
            if node.type == "lambda_expression" and _may_throw(found):
                raise CannotExtract("what it may throw is not declared in a lambda")
            body = field_of(node, "body")
            if node.type.startswith("try") and body is not None and _in(body, found):
                for caught in within(node, frozenset(("catch_type",)), frozenset(("block",))):
                    throws += [text(n) for n in caught.named_children]
        types = [p.type for p in (*shape.parameters, *shape.results)]
        result = "void"
        kind = field_of(method, "type")
        if shape.gives == "return" and kind is not None:
            result = text(kind)
            types.append(result)
        elif shape.results:
            result = shape.results[0].type
        words = {w for t in types for w in re.findall(r"\w+", t)}
        words |= set(re.findall(r"\w+", found.selection.text.decode()))
        parameters = field_of(method, "type_parameters")
        generics = ""
        if parameters is not None:
            given = {re.split(r"\W", text(n))[0] for n in parameters.named_children}
            generics = f"{text(parameters)} " if given & words else ""
        return replace(
            shape, throws=", ".join(dict.fromkeys(throws)), result=result, generics=generics
        )

    def definition(self, shape: Shape, name: str, doc: str, body: str, unit: str) -> str:
        parameters = ", ".join(f"{p.type} {p.name}" for p in shape.parameters)
        static = "static " if shape.place.static else ""
        throws = f" throws {shape.throws}" if shape.throws else ""
        head = f"private {static}{shape.generics}{shape.result} {name}({parameters}){throws} {{\n"
        last = f"return {names(shape.results)};\n" if shape.gives == "results" else ""
        return comment(doc) + head + body + indented(last, unit) + "}\n"

    def call(self, shape: Shape, name: str) -> str:
        call = f"{name}({names(shape.parameters)});"
        if shape.gives == "results":
            one = shape.results[0]
            return f"{f'{one.type} ' if one.inside else ''}{one.name} = {call}"
        if shape.gives == "return":
            return f"return {call}" if shape.result != "void" else f"{call}\nreturn;"
        return call


def _method(function: ts.Node) -> ts.Node | None:
    """The member of a class that a function is, or is in."""
    for node in (function, *ancestors(function)):
        if node.type in FUNCTIONS and node.parent is not None and node.parent.type in BODIES:
            return node
        if node.type in BODIES:
            return None
    return None


def _may_throw(found: Found) -> bool:
    return marked(found, ("method",), deep=True) or b"new " in found.selection.text


def _in(body: ts.Node, found: Found) -> bool:
    return body.start_byte <= found.selection.start < body.end_byte


JAVA = Java()
