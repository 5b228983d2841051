# SPDX-License-Identifier: Apache-2.0
"""Go's own reasons to refuse, where its functions go, and how they are written.

In: what was found about a selection. Out: refusals, a place, texts. What is passed is copied:
where a copy might be changed in the place of the thing itself, there is no function.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from indexer.extraction_dialect import Dialect, indented, lines_of, marked, names, of, used
from indexer.extraction_go_walk import GoWalker
from indexer.extraction_shape import CannotExtract, Found, Place, Shape
from indexer.extraction_walk import ancestors, field_of, text, within

if TYPE_CHECKING:
    import tree_sitter as ts

    from indexer.extraction_walk import Variable

_KEYWORDS = """
    break default func interface select case defer go map struct chan else goto package switch
    const fallthrough if range type continue for import return var any append bool byte cap clear
    close complex copy delete error false float32 float64 imag int len make max min new nil panic
    print println real recover rune string true uint init main
"""
# Copies of these are as good as they are.
_PLAIN = re.compile(
    r"[*]|\[\]|map\[|chan\b|<-|func\b|interface\b|(?:u?int(?:8|16|32|64|ptr)?|float(?:32|64)"
    r"|complex(?:64|128)|string|bool|byte|rune|error|any|context\.Context|io\.\w*(?:Reader|Writer)"
    r"|http\.ResponseWriter|time\.(?:Time|Duration))$"
)


class Go(Dialect):
    """Functions of Go."""

    language: ClassVar[str] = "go"
    walker = GoWalker
    blocks: ClassVar[frozenset[str]] = frozenset(("statement_list",))
    slots: ClassVar[frozenset[str]] = frozenset(("source_file",))
    strings: ClassVar[frozenset[str]] = frozenset(("raw_string_literal",))
    typed: ClassVar[bool] = True
    typed_results: ClassVar[bool] = True
    camel: ClassVar[bool] = True
    keywords: ClassVar[frozenset[str]] = frozenset(_KEYWORDS.split())

    def refuse(self, found: Found) -> None:  # noqa: C901  one reason after the other
        if any(mark.word == "goto" for mark in found.walker.marks):  # flow that is not followed
            raise CannotExtract("`goto` and labels stay in their function")
        for word, why in (
            ("defer", "`defer` runs at the end of the function it stands in"),
            ("label", "`goto` and labels stay in their function"),
            ("fallthrough", "`fallthrough` leaves the selection"),
            ("recover", "`recover` works in the deferred function only"),
            ("bare return", "`return` without values gives named results"),
        ):
            if marked(found, (word,), deep=word == "recover"):
                raise CannotExtract(why)
        for variable in used(found):
            if found.selection.start <= variable.at < found.selection.end:
                continue
            name = variable.name
            if marked(found, (f"&{name}",), deep=True):
                raise CannotExtract(f"the address of `{name}` is taken")
            plain = not variable.type or _PLAIN.match(variable.type)
            if not plain and marked(found, (f".{name}",), deep=True):
                raise CannotExtract(f"a method may change `{name}` in place")
        outs = list(of(found.facts.outs, found.walker))
        inside = {found.selection.start <= v.at < found.selection.end for v in outs}
        if len(inside) > 1 and not found.facts.returns:
            raise CannotExtract("it sets variables from before, and declares others for later")
        top = _top(found.selection.function)
        words = set(re.findall(r"\w+", found.selection.text.decode()))
        words |= {w for v in used(found) for w in re.findall(r"\w+", v.type)}
        for spec in within(top, frozenset(("type_spec", "type_alias")), frozenset()):
            local = field_of(spec, "name")
            if local is not None and text(local) in words:
                raise CannotExtract(f"the type `{text(local)}` is seen in the function only")

    def place(self, found: Found) -> Place:
        function = found.selection.function
        receiver = field_of(function, "receiver")
        if receiver is not None:
            for variable in used(found):
                if variable.word != "receiver" or variable.outer:
                    continue
                number = found.walker.variables.index(variable)
                if found.facts.written >> number & 1:
                    raise CannotExtract(f"`{variable.name}` is set here")
                return Place(function, behind=True, receiver=variable.name, owner=text(receiver))
        return Place(_top(function), behind=True)

    def type_of(self, variable: Variable, found: Found) -> str:
        inside = found.selection.start <= variable.at < found.selection.end
        return variable.type if "..." not in variable.type or inside else ""

    def complete(self, shape: Shape, found: Found) -> Shape:
        function = found.selection.function
        result = field_of(function, "result")
        shown = ", ".join(r.type for r in shape.results)
        if len(shape.results) > 1:
            shown = f"({shown})"
        if shape.gives == "return":
            shown = text(result) if result is not None else ""
        words = set(re.findall(r"\w+", found.selection.text.decode() + shown))
        words |= {w for p in shape.parameters for w in re.findall(r"\w+", p.type)}
        parameters = field_of(_top(function), "type_parameters")
        generics = ""
        if parameters is not None:
            given = {
                text(n) for p in parameters.named_children for n in p.children_by_field_name("name")
            }
            generics = text(parameters) if given & words else ""
        if generics and shape.place.receiver:
            raise CannotExtract("it needs type parameters of what is around")
        return replace(shape, result=shown, generics=generics)

    def definition(self, shape: Shape, name: str, doc: str, body: str, unit: str) -> str:
        parameters = ", ".join(f"{p.name} {p.type}" for p in shape.parameters)
        owner = f"{shape.place.owner} " if shape.place.owner else ""
        result = f"{shape.result} " if shape.result else ""
        head = f"func {owner}{name}{shape.generics}({parameters}) {result}{{\n"
        last = f"return {names(shape.results)}\n" if shape.gives == "results" else ""
        return "".join(f"// {line}".rstrip() + "\n" for line in lines_of(doc)) + (
            head + body + indented(last, unit) + "}\n"
        )

    def call(self, shape: Shape, name: str) -> str:
        receiver = f"{shape.place.receiver}." if shape.place.receiver else ""
        call = f"{receiver}{name}({names(shape.parameters)})"
        if shape.gives == "results":
            return f"{names(shape.results)} {':=' if shape.results[0].inside else '='} {call}"
        if shape.gives == "return":
            return f"return {call}" if shape.result else f"{call}\nreturn"
        return call


def _top(function: ts.Node) -> ts.Node:
    """The declaration at the top that a function is, or is in."""
    found = function
    for node in (function, *ancestors(function)):
        if node.parent is not None and node.parent.type == "source_file":
            found = node
    return found


GO = Go()
