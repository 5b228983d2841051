# SPDX-License-Identifier: Apache-2.0
"""Selections as people make them: runs of statements in functions, chosen by a hash.

In: a language and a file's bytes. Out: byte ranges, always the same ones. It looks at the tree for
where statements begin and end, and at nothing of the product.
"""

from __future__ import annotations

import hashlib
import time
from typing import TYPE_CHECKING, NamedTuple

from indexer.window import parse

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import tree_sitter as ts

BLOCKS = {
    "python": ("block",),
    "typescript": ("statement_block",),
    "go": ("statement_list",),
    "java": ("block", "constructor_body"),
    "rust": ("block",),
}
FUNCTIONS = {
    "python": ("function_definition",),
    "typescript": (
        *("function_declaration", "method_definition", "arrow_function", "function_expression"),
    ),
    "go": ("function_declaration", "method_declaration", "func_literal"),
    "java": ("method_declaration", "constructor_declaration", "lambda_expression"),
    "rust": ("function_item", "closure_expression"),
}
MOST_STATEMENTS = 6  # in a run; people select a part of a function
FEWEST_LINES = 2
MAX_BYTES = 200_000


class Chosen(NamedTuple):
    """A run of statements. `number` decides: small ones are taken first."""

    number: int
    path: Path
    start: int
    end: int


def chosen(language: str, root: Path, files: list[Path], seed: str = "") -> list[Chosen]:
    """One run a function at most, in an order that depends on paths and offsets alone."""
    found = []
    for path in files:
        data = path.read_bytes()
        if not data or len(data) > MAX_BYTES:
            continue
        parsed = parse(language, data, time.thread_time() + 2)
        if parsed is None or parsed[1]:
            continue
        name = path.relative_to(root).as_posix()
        best: dict[int, Chosen] = {}
        for function, start, end in _runs(language, parsed[0].root_node):
            text = f"{seed}{name}:{start}:{end}"
            number = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
            one = Chosen(number, path, start, end)
            best[function] = min(one, best.get(function, one))
        found += best.values()
    return sorted(found)


def _runs(language: str, root: ts.Node) -> Iterator[tuple[int, int, int]]:
    work: list[tuple[ts.Node, int]] = [(root, -1)]
    while work:
        node, function = work.pop()
        if node.type in FUNCTIONS[language]:
            function = node.start_byte
        if node.type in BLOCKS[language] and function >= 0:
            nodes = [n for n in node.named_children if "comment" not in n.type]
            for first in range(len(nodes)):
                for last in range(first, min(len(nodes), first + MOST_STATEMENTS)):
                    if _lines(nodes[first], nodes[last]) >= FEWEST_LINES:
                        yield function, nodes[first].start_byte, nodes[last].end_byte
        work += [(child, function) for child in node.named_children]


def _lines(first: ts.Node, last: ts.Node) -> int:
    return int(last.end_point.row - first.start_point.row + 1)
