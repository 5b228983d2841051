# SPDX-License-Identifier: Apache-2.0
"""The values between the analysis of a selection and the text of a new function.

Plain frozen data, and the one error that ends it. Offsets are bytes. It imports no parser.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import tree_sitter as ts

    from indexer.extraction_flow import Facts
    from indexer.extraction_walk import Walker


class CannotExtract(Exception):
    """These bytes cannot become a function. One line that says why."""


@dataclass(frozen=True, slots=True)
class Selection:
    """A run of whole statements, or one expression, in a function."""

    data: bytes
    nodes: tuple[ts.Node, ...]
    start: int
    end: int
    function: ts.Node
    is_expression: bool

    @property
    def text(self) -> bytes:
        return self.data[self.start : self.end]


@dataclass(frozen=True, slots=True)
class Name:
    """A parameter or a result. `word`: how it is declared, `inside`: by the selection itself."""

    name: str
    type: str = ""
    word: str = ""
    inside: bool = False
    written: bool = False  # by the selection


@dataclass(frozen=True, slots=True)
class Place:
    """Where the new function stands: at the level of `anchor`, which is around the old one."""

    anchor: ts.Node
    behind: bool
    receiver: str = ""  # what a method is called on
    owner: str = ""  # what a receiver looks like in the new function's head
    static: bool = False
    inner: bool = False  # right in front of the selection


@dataclass(frozen=True, slots=True)
class Shape:
    """All that the new function's head, its last line and its call are made of."""

    parameters: tuple[Name, ...]
    results: tuple[Name, ...]
    place: Place
    gives: str  # nothing, results, return (all of it returns), value (an expression)
    is_async: bool = False
    first: tuple[str, ...] = ()  # lines that the body begins with
    generics: str = ""
    result: str = ""  # the type of what it returns, where the language wants it
    throws: str = ""
    end: str = ""  # what statements of the file end with


@dataclass(frozen=True, slots=True)
class Found:
    """What a dialect decides on."""

    selection: Selection
    walker: Walker
    facts: Facts
    root: ts.Node
