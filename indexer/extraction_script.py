# SPDX-License-Identifier: Apache-2.0
"""JavaScript's and TypeScript's own reasons to refuse, where functions go, how they are written.

In: what was found about a selection. Out: refusals, a place, texts. TypeScript wants the types of
parameters: where none is declared and no literal shows it, there is no function.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from indexer.extraction_dialect import Dialect, indented, lines_of, marked, names, of, used
from indexer.extraction_flow import OUTSIDE
from indexer.extraction_script_walk import FUNCTIONS, ScriptWalker
from indexer.extraction_shape import CannotExtract, Found, Name, Place, Selection, Shape
from indexer.extraction_snap import NOT_A_RUN
from indexer.extraction_walk import ancestors, field_of, has_token, text, within

if TYPE_CHECKING:
    from collections.abc import Iterator

    import tree_sitter as ts

_EXPRESSIONS = frozenset(
    (
        *("identifier", "number", "string", "template_string", "regex", "true", "false", "null"),
        *("call_expression", "new_expression", "member_expression", "subscript_expression"),
        *("binary_expression", "unary_expression", "ternary_expression", "object", "array"),
        *("arrow_function", "function_expression", "parenthesized_expression", "await_expression"),
        *("as_expression", "satisfies_expression", "non_null_expression", "this"),
        *("jsx_element", "jsx_self_closing_element", "undefined"),
    )
)
_MEMBERS = frozenset(("public_field_definition", "field_definition"))
_LOCAL_TYPES = frozenset(
    ("interface_declaration", "type_alias_declaration", "class_declaration", "enum_declaration")
)
_KEYWORDS = """
    arguments async await break case catch class const continue debugger default delete do else
    enum eval export extends false finally for function if implements import in instanceof
    interface let new null of package private protected public return static super switch this
    throw true try typeof undefined var void while with yield any boolean number string symbol
    never unknown object type declare namespace module abstract as is keyof readonly require get
    set constructor
"""


class Script(Dialect):
    """Functions of JavaScript."""

    language: ClassVar[str] = "javascript"
    walker = ScriptWalker
    blocks: ClassVar[frozenset[str]] = frozenset(
        ("statement_block", "program", "switch_case", "switch_default")
    )
    slots: ClassVar[frozenset[str]] = frozenset(("statement_block", "program"))
    classes: ClassVar[frozenset[str]] = frozenset(("class_body",))
    strings: ClassVar[frozenset[str]] = frozenset(("string", "template_string", "jsx_text"))
    expressions: ClassVar[bool] = True
    camel: ClassVar[bool] = True
    keywords: ClassVar[frozenset[str]] = frozenset(_KEYWORDS.split())

    def refuse(self, found: Found) -> None:
        for word, why in (
            ("arguments", "`arguments` belongs to the function"),
            ("eval", "`eval` sees the variables of the function"),
            ("super", "`super` belongs to the method it stands in"),
            ("meta_property", "`new.target` and `import.meta` stay where they are"),
        ):
            if marked(found, (word,), deep=True):
                raise CannotExtract(why)
        _refuse_hoisted(found)
        local = _local_types(found.selection)
        for node in _nodes(found.selection, "type_identifier"):
            if text(node) in local:
                raise CannotExtract(f"the type `{text(node)}` is seen in the function only")
        inside = range(found.selection.start, found.selection.end)
        results = {v.at in inside for v in of(found.facts.outs, found.walker)}
        if len(results) > 1 and not found.facts.returns:
            raise CannotExtract("it sets variables from before, and declares others for later")

    def refuse_expression(self, selection: Selection) -> None:
        node = selection.nodes[0]
        parent = node.parent
        if node.type not in _EXPRESSIONS or parent is None:
            raise CannotExtract(NOT_A_RUN)
        left = parent.type in {
            *("assignment_expression", "augmented_assignment_expression", "for_in_statement"),
            *("assignment_pattern", "object_assignment_pattern"),
        } and (field_of(parent, "left") == node)
        named = field_of(parent, "name") == node or field_of(parent, "key") == node
        if left or named or "pattern" in parent.type or parent.type == "update_expression":
            raise CannotExtract("that is not a value")
        if field_of(parent, "function") == node and node.type != "identifier":
            raise CannotExtract("a method without its object is not a value")
        chained = any(n.type == "optional_chain" for n in (*node.children, *parent.children))
        chained |= any(True for _ in within(node, frozenset(("optional_chain",)), FUNCTIONS))
        links = {"member_expression", "call_expression", "subscript_expression"}
        if chained and parent.type in links:
            raise CannotExtract("a part of a `?.` chain is not a value")
        if parent.type in {"unary_expression", "new_expression"} and node.type != "object":
            operator = field_of(parent, "operator")
            if operator is None or text(operator) in {"delete", "typeof"}:
                raise CannotExtract("that is not a value")
        if parent.type.startswith(("import", "export", "jsx_", "type_")):
            raise CannotExtract(NOT_A_RUN)
        if parent.type == "template_literal_type" or _is_call_head(parent):
            raise CannotExtract(NOT_A_RUN)

    def place(self, found: Found) -> Place:
        needs_class = marked(found, ("private_property_identifier",), deep=True)
        if not marked(found, ("this",), deep=True):
            if needs_class:
                raise CannotExtract("private names belong to the class")
            return super().place(found)
        member = _member(found.selection.function)
        if member is None:
            raise CannotExtract("`this` belongs to another object than a class gives")
        return Place(member, behind=True, receiver="this", static=has_token(member, "static"))

    def complete(self, shape: Shape, found: Found) -> Shape:
        data = found.selection.function.text or b""
        lines = [line.rstrip() for line in data.splitlines()]
        semicolons = sum(line.endswith(b";") for line in lines)
        plain = sum(line[-1:] in {b")", b"]", b"'", b'"', b"`"} for line in lines)
        return replace(shape, end=";" if semicolons * 2 >= plain else "")

    def inner(self, found: Found) -> Shape | None:
        """An arrow function: `this`, `arguments` and variables are what they are around it."""
        selection, known = found.selection, found.facts
        _refuse_hoisted(found)
        if marked(found, ("eval",), deep=True):
            return None
        anchor = selection.nodes[0]
        while anchor.parent is not None and anchor.parent.type not in self.blocks:
            anchor = anchor.parent
        block, inside = anchor.parent, range(selection.start, selection.end)
        around = [v for v in used(found) if v.at not in inside]
        if block is None or block.start_byte < selection.function.start_byte:
            return None
        if any(v.scope[0] > block.start_byte or v.scope[1] < block.end_byte for v in around):
            return None
        own = [v for v in of(known.outs, found.walker) if v.at in inside]
        captured = list(of(known.captured_inside & known.outs, found.walker))
        if any(v.at in inside for v in captured) or any(v.word == "var" for v in own):
            return None
        results = tuple(Name(v.name, "", v.word, inside=True) for v in own)
        gives = "value" if selection.is_expression else "return" if known.returns else "nothing"
        if gives == "nothing" and results:
            gives = "results"
        place = Place(anchor, behind=False, inner=True)
        is_async = marked(found, ("await",))
        shape = Shape((), results if gives == "results" else (), place, gives, is_async)
        return Script.complete(self, shape, found)

    def definition(self, shape: Shape, name: str, doc: str, body: str, unit: str) -> str:
        parameters = ", ".join(self.parameter(p) for p in shape.parameters)
        word = "async " if shape.is_async else ""
        if shape.place.receiver:
            word = f"{self.access}{'static ' if shape.place.static else ''}{word}"
        else:
            word += "function "
        last = ""
        if shape.gives == "results":
            value = names(shape.results)
            last = f"return {value if len(shape.results) == 1 else f'{{ {value} }}'}{shape.end}\n"
        head = f"{word}{name}{shape.generics}({parameters}) {{\n"
        if shape.place.inner:
            head = f"const {name} = {'async ' if shape.is_async else ''}() => {{\n"
            return comment(doc) + head + body + indented(last, unit) + f"}}{shape.end}\n"
        return comment(doc) + head + body + indented(last, unit) + "}\n"

    access: ClassVar[str] = ""

    def parameter(self, name: Name) -> str:
        return name.name

    def call(self, shape: Shape, name: str) -> str:
        receiver = f"{shape.place.receiver}." if shape.place.receiver else ""
        call = f"{'await ' if shape.is_async else ''}{receiver}{name}({names(shape.parameters)})"
        if shape.gives == "value":
            return f"({call})" if shape.is_async else call
        if shape.gives == "results":
            one = len(shape.results) == 1
            target = names(shape.results) if one else f"{{ {names(shape.results)} }}"
            if shape.results[0].inside:
                return f"{_word(shape)} {target} = {call}{shape.end}"
            if one:
                return f"{target} = {call}{shape.end}"
            return f"{'' if shape.end else ';'}({target} = {call}){shape.end}"
        return f"{'return ' if shape.gives == 'return' else ''}{call}{shape.end}"

    def body(self, selection: Selection, lines: str) -> str:
        node = selection.nodes[0]
        if node.type.startswith("jsx") and "\n" in lines:
            return f"return ({lines})"
        return f"return {lines}"


class TypeScript(Script):
    """Functions of TypeScript, with and without JSX."""

    language: ClassVar[str] = "typescript"
    typed: ClassVar[bool] = True
    access: ClassVar[str] = "private "

    def complete(self, shape: Shape, found: Found) -> Shape:
        shape = super().complete(shape, found)
        wanted = {w for p in shape.parameters for w in re.findall(r"\w+", p.type)}
        wanted |= {text(node) for node in _nodes(found.selection, "type_identifier")}
        local = _local_types(found.selection)
        for word in sorted(wanted & local):
            raise CannotExtract(f"the type `{word}` is seen in the function only")
        generics = ""
        container = shape.place.anchor.parent
        function: ts.Node | None = found.selection.function
        while function is not None and function != container:
            parameters = field_of(function, "type_parameters")
            given = {text(n) for n in parameters.named_children} if parameters else set()
            named = {re.split(r"\W", g)[0] for g in given}
            if parameters is not None and named & wanted:
                if generics or function.type not in FUNCTIONS:
                    raise CannotExtract("it needs type parameters of what is around")
                generics = text(parameters)
            function = function.parent
        return replace(shape, generics=generics)

    def parameter(self, name: Name) -> str:
        return f"{name.name}: {name.type}"


def comment(doc: str) -> str:
    """A documentation comment, as Java and JavaScript have it."""
    lines = [line.replace("*/", "* /") for line in lines_of(doc)]
    if not lines:
        return ""
    if len(lines) == 1:
        return f"/** {lines[0]} */\n"
    return "/**\n" + "".join(f" * {line}".rstrip() + "\n" for line in lines) + " */\n"


def _refuse_hoisted(found: Found) -> None:
    """A function can be used above the place where it is declared."""
    inside = range(found.selection.start, found.selection.end)
    outside = 0
    for step, at in enumerate(found.walker.graph.at):
        if at not in inside and at != OUTSIDE:
            outside |= found.walker.graph.reads[step]
    for variable in of(outside, found.walker):
        if variable.word in {"function", "class"} and variable.at in inside:
            raise CannotExtract(f"`{variable.name}` is declared here and used elsewhere")


def _is_call_head(node: ts.Node) -> bool:
    return node.type == "decorator"


def _word(shape: Shape) -> str:
    """`const`, unless one of the results was declared to change."""
    words = {result.word for result in shape.results}
    return "var" if "var" in words else "let" if words - {"const"} else "const"


def _member(function: ts.Node) -> ts.Node | None:
    """The member of a class whose `this` a function has."""
    node: ts.Node | None = function
    while node is not None:
        parent = node.parent
        if parent is not None and parent.type == "class_body":
            return node if node.type in {*_MEMBERS, "method_definition"} else None
        if node.type in FUNCTIONS and node.type != "arrow_function":
            return None
        node = parent
    return None


def _nodes(selection: Selection, kind: str) -> Iterator[ts.Node]:
    for node in selection.nodes:
        if node.type == kind:
            yield node
        yield from within(node, frozenset((kind,)), frozenset())


def _local_types(selection: Selection) -> set[str]:
    """Types that are declared in the functions around, not in the selection."""
    found = set()
    for node in (selection.function, *ancestors(selection.function)):
        if node.type not in FUNCTIONS:
            continue
        for declared in within(node, _LOCAL_TYPES, frozenset()):
            name = field_of(declared, "name")
            if name is not None and not selection.start <= name.start_byte < selection.end:
                found.add(text(name))
    return found


JAVASCRIPT = Script()
TYPESCRIPT = TypeScript()
