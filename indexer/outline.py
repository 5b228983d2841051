# SPDX-License-Identifier: Apache-2.0
"""What the tree says: definitions, import statements, declared types, strings and comments.

In: a tree, its bytes, its grammar. Out: an `Outline` of plain numbers.
The query says where things are; `symbols.py` orders them and cuts their texts, `usage.py` reads
how names are used from the text between. This module decides nothing about lines or names.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import tree_sitter as ts

if TYPE_CHECKING:
    from indexer.languages import Grammar

Span = tuple[int, int]
Parts = dict[str, list[ts.Node]]


# One definition before it has lines, a parent and texts: kind, start (decorators included), end,
# where its signature begins, its name, where its body begins (-1: none), its type, its bases.
# A bare tuple, because making a named one costs as much as finding the definition.
Definition = tuple[str, int, int, int, Span, int, Span | None, tuple[Span, ...]]


class Typed(NamedTuple):
    """A name with the type that the text declares for it."""

    name: Span
    type: Span


@dataclass(slots=True)
class Outline:
    """Everything the tree told, in bytes from the start of the file."""

    definitions: list[Definition] = field(default_factory=list)
    imports: list[Span] = field(default_factory=list)
    typed: list[Typed] = field(default_factory=list)
    uses: list[tuple[Span, str]] = field(default_factory=list)  # a name and how it is used
    masked: list[tuple[Span, bool]] = field(default_factory=list)  # strings, comments; True: code


def read_query(grammar: Grammar, root: ts.Node) -> Outline:
    """Run the language's query over the whole tree."""
    outline = Outline()
    if grammar.query is None:
        return outline
    found: dict[int, tuple[int, Definition]] = {}
    outer: dict[int, int] = {}
    for pattern, parts in ts.QueryCursor(grammar.query).matches(root):
        action = grammar.actions[pattern]
        if action.startswith("def."):
            definition = _definition(action, parts)
            at, name_end = definition[4]
            if at == name_end:
                continue  # a name that the grammar made up to go on
            rank, known = found.get(at, (pattern, definition))
            if pattern == rank and known is not definition:  # one match for each of its bases
                definition = (*known[:7], known[7] + definition[7])
            if pattern <= rank:  # the earlier pattern of the file is the more telling one
                found[at] = (pattern, definition)
        elif action == "decorated":
            outer[parts["inner"][0].start_byte] = parts["decorated"][0].start_byte
        else:
            _collect(outline, action, parts)
    for _, (kind, start, end, head, name, body, type_, bases) in found.values():
        first = outer.get(start, start)
        outline.definitions.append((kind, first, end, head, name, body, type_, bases))
    return outline


def _definition(action: str, parts: Parts) -> Definition:
    start, end = parts[action][0].byte_range
    body, type_, head = parts.get("body"), parts.get("type"), parts.get("head")
    return (
        action[4:],
        start,
        end,
        head[0].start_byte if head else start,
        parts["name"][0].byte_range,
        body[0].start_byte if body else -1,
        type_[0].byte_range if type_ else None,
        tuple([node.byte_range for node in parts.get("bases", ())]),
    )


def _collect(outline: Outline, action: str, parts: Parts) -> None:
    if action in ("skip", "code"):
        spans = [(node.byte_range, action == "code") for node in parts[action]]
        outline.masked += spans
    elif action == "import":
        outline.imports.append(parts["import"][0].byte_range)
    elif action == "typed":
        type_ = parts["type"][0].byte_range
        outline.typed += [Typed(name.byte_range, type_) for name in parts["name"]]
    else:
        outline.uses += [(node.byte_range, action[4:]) for node in parts[action]]
