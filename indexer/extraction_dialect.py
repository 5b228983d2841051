# SPDX-License-Identifier: Apache-2.0
"""What a language adds to the extraction of functions: kinds of node, refusals, texts.

A `Dialect` a language, each in a file of its own; here is what they share. Knows no flow.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from indexer.extraction_shape import CannotExtract, Name, Place
from indexer.extraction_walk import ancestors, text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import tree_sitter as ts

    from indexer.extraction_shape import Found, Selection, Shape
    from indexer.extraction_walk import Variable, Walker


class Dialect:
    """Kinds of nodes, and the texts of a function and of its call."""

    language: ClassVar[str]
    walker: ClassVar[type[Walker]]
    blocks: ClassVar[frozenset[str]]  # their named children are statements
    slots: ClassVar[frozenset[str]]  # a function may be declared in these
    classes: ClassVar[frozenset[str]] = frozenset()  # bodies of them
    strings: ClassVar[frozenset[str]] = frozenset()  # what is in them is not indented anew
    comments: ClassVar[frozenset[str]] = frozenset(("comment", "line_comment", "block_comment"))
    expressions: ClassVar[bool] = False
    typed: ClassVar[bool] = False  # parameters need a type
    typed_results: ClassVar[bool] = False  # and results too
    behind: ClassVar[bool] = True  # the new function stands below the old one
    two_blanks: ClassVar[bool] = False  # between functions at the top
    camel: ClassVar[bool] = False
    keywords: ClassVar[frozenset[str]] = frozenset()
    returns_nothing: ClassVar[bool] = True  # `return f()` is well where f() gives nothing

    def refuse(self, found: Found) -> None:
        """Raise CannotExtract where the language has a reason of its own."""

    def refuse_expression(self, selection: Selection) -> None:
        """The same for an expression, from its place alone."""

    def place(self, found: Found) -> Place:
        """The outermost level at which all that is used and not passed can be seen."""
        seen = [variable.scope for variable in used(found) if variable.outer]
        anchor = None
        for node in (found.selection.function, *ancestors(found.selection.function)):
            parent = node.parent
            if parent is None or parent.type not in self.slots or not self.may_hold(parent):
                continue
            if all(start <= parent.start_byte and parent.end_byte <= end for start, end in seen):
                anchor = node
        if anchor is None:
            raise CannotExtract("there is no place from which all that it uses can be seen")
        return Place(anchor, self.behind and not _in_function(anchor, self.walker))

    def may_hold(self, _block: ts.Node) -> bool:
        """Whether functions may stand in a block."""
        return True

    def type_of(self, variable: Variable, _found: Found) -> str:
        """The type of a variable as it must be written, "" where it is not known."""
        return variable.type

    def complete(self, shape: Shape, _found: Found) -> Shape:
        """Add what only this language has."""
        return shape

    def inner(self, _found: Found) -> Shape | None:
        """A function right in front of the selection, which shares the variables around it."""
        return None

    def definition(self, shape: Shape, name: str, doc: str, body: str, unit: str) -> str:
        """The function's text: not indented, lines end with a newline. `body` is `unit` deep."""
        raise NotImplementedError

    def call(self, shape: Shape, name: str) -> str:
        """What stands for the selection."""
        raise NotImplementedError

    def body(self, selection: Selection, lines: str) -> str:  # noqa: ARG002  for who needs it
        """An expression's text as the first lines of a body."""
        return f"return {lines}"


def used(found: Found) -> Iterator[Variable]:
    """The variables that the selection mentions."""
    bits, graph = 0, found.walker.graph
    for step, at in enumerate(graph.at):
        if found.selection.start <= at < found.selection.end:
            bits |= graph.reads[step] | graph.writes[step]
    return of(bits, found.walker)


def of(bits: int, walker: Walker) -> Iterator[Variable]:
    """The variables of a set, in the order in which they are declared."""
    for number, variable in enumerate(walker.variables):
        if bits >> number & 1:
            yield variable


def marked(found: Found, words: Iterable[str], *, deep: bool = False) -> bool:
    """Whether one of the words stands in the selection; `deep`: in closures too."""
    chosen = set(words)
    return any(
        mark.word in chosen and (deep or not mark.depth)
        for mark in found.walker.marks
        if found.selection.start <= mark.at < found.selection.end
    )


def names(parts: Sequence[Name]) -> str:
    return ", ".join(part.name for part in parts)


def indented(lines: str, unit: str) -> str:
    return "".join(f"{unit}{line}" if line.strip() else line for line in lines.splitlines(True))


def lines_of(doc: str) -> list[str]:
    return [line.rstrip() for line in doc.strip().splitlines()]


def _in_function(node: ts.Node, walker: type[Walker]) -> bool:
    return any(parent.type in walker.functions for parent in ancestors(node))


def first_token(node: ts.Node) -> str:
    return text(node).split(maxsplit=1)[0] if text(node).strip() else ""
