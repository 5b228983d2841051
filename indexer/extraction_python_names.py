# SPDX-License-Identifier: Apache-2.0
"""Which names Python's nodes bind: parameters, targets, imports, patterns.

In: nodes of tree-sitter-python. Out: the identifiers. It knows no flow.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from indexer.extraction_walk import field_of, text

if TYPE_CHECKING:
    from collections.abc import Iterator

    import tree_sitter as ts

COMPREHENSIONS = frozenset(
    (
        "list_comprehension",
        "set_comprehension",
        "dictionary_comprehension",
        "generator_expression",
    )
)
_OWN = frozenset(("function_definition", "lambda", "class_definition"))
TARGETS = frozenset(
    (
        *("pattern_list", "tuple_pattern", "list_pattern", "tuple", "list", "expression_list"),
        *("list_splat_pattern", "list_splat", "as_pattern_target", "parenthesized_expression"),
    )
)


def in_pattern(node: ts.Node) -> bool:
    parent = node.parent
    return parent is not None and parent.type in {"case_pattern", "keyword_pattern"}


def parameters_of(function: ts.Node) -> Iterator[ts.Node]:
    """The identifiers of parameters."""
    parameters = field_of(function, "parameters")
    for node in parameters.named_children if parameters is not None else ():
        name = field_of(node, "name") or node
        while name.type != "identifier" and name.named_children:
            name = name.named_children[0]
        if name.type == "identifier":
            yield name


def type_of(parameter: ts.Node) -> str:
    """The annotation, where it says what the name itself is: not of `*args`."""
    parent = parameter.parent
    type_ = field_of(parent, "type") if parent is not None else None
    return text(type_) if type_ is not None else ""


def declared_elsewhere(body: ts.Node) -> Iterator[tuple[str, str]]:
    """`global` or `nonlocal`, with the name."""
    work = list(body.named_children)
    while work:
        node = work.pop()
        if node.type in {"global_statement", "nonlocal_statement"}:
            for name in node.named_children:
                yield node.type.partition("_")[0], text(name)
        elif node.type not in _OWN:
            work += node.named_children


def bound(node: ts.Node) -> Iterator[ts.Node]:
    """Names that a body binds, not those of functions and classes inside of it."""
    work = list(reversed(node.named_children))
    if node.type in {"identifier", "lambda"} or node.type in COMPREHENSIONS:
        work = [node]
    while work:
        found = work.pop()
        yield from bound_here(found)
        name = field_of(found, "name")
        if found.type in {"function_definition", "class_definition"} and name is not None:
            yield name
        if found.type not in _OWN:
            work += reversed(found.named_children)


def bound_here(node: ts.Node) -> Iterator[ts.Node]:  # noqa: C901  one branch a kind of node
    """Names that a node itself binds."""
    if node.type in {"assignment", "augmented_assignment", "for_statement"}:
        left = field_of(node, "left")
        yield from names_in(left) if left is not None else ()
    elif node.type == "named_expression":
        name = field_of(node, "name")
        yield from [name] if name is not None else []
    elif node.type == "as_pattern":
        for child in node.named_children[1:]:
            yield from names_in(child)
    elif node.type in {"except_clause", "except_group_clause"} and node.named_children:
        first = node.named_children[0]
        if first.type == "as_pattern":
            yield from bound_here(first)
    elif node.type in {"import_statement", "import_from_statement"}:
        yield from imported(node)
    elif (
        node.type == "dotted_name" and in_pattern(node) and len(node.named_children) == 1
    ) or node.type == "splat_pattern":
        yield from node.named_children
    elif node.type == "type_alias_statement":
        yield from names_in(node.named_children[0])
    elif node.type == "delete_statement":
        for child in node.named_children:
            yield from names_in(child)


def names_in(target: ts.Node) -> Iterator[ts.Node]:
    if target.type == "identifier":
        yield target
    elif target.type in TARGETS or target.type == "type":
        for child in target.named_children:
            yield from names_in(child)


def imported(node: ts.Node) -> Iterator[ts.Node]:
    """The names that an import gives to this function."""
    for child in node.children_by_field_name("name"):
        alias = field_of(child, "alias")
        if alias is not None:
            yield alias
        elif child.named_children:
            yield child.named_children[0]
