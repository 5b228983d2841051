# SPDX-License-Identifier: Apache-2.0
"""Lines that import something, put where a file has such lines.

In: a file, a line to add. Out: the offset and the text to put in there. One line is added and none
is changed; formatters sort. It knows no repository.
"""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, NamedTuple

from indexer.parse import extract
from lsp_server.actions import syntax
from lsp_server.actions.types import Refused

if TYPE_CHECKING:
    from collections.abc import Iterable

    import tree_sitter as ts

    from indexer.types import Import
    from lsp_server.actions.types import Target

_KINDS = frozenset(
    ("import_statement", "import_from_statement", "future_import_statement", "import_declaration")
) | {"use_declaration", "package_clause", "package_declaration", "extern_crate_declaration"}
_HEADS = {"go": "package ", "java": "package "}
_LINE = re.compile(r"^[ \t]*(?:from\s+[\w.]+\s+import\s|import\s|use\s+[\w:]+)", re.MULTILINE)
_STANDARD_ROOTS = {"java": ("java", "javax"), "rust": ("std", "core", "alloc")}


class Insert(NamedTuple):
    """Text to put in at a byte."""

    at: int
    text: str


def offered(language: str, code: str) -> list[tuple[str, tuple[Import, ...]]]:
    """Import statements that an answer holds, with the names that each one binds."""
    data = code.encode()
    top = syntax.root(language, data)
    if top is None or not _LINE.search(code):
        return []
    found = []
    for node in _imports(top):
        if not node.type.startswith("package"):
            line = data[node.start_byte : node.end_byte].decode()
            head = "package p\n" if language == "go" else ""
            found.append((line, extract(language, f"{head}{line}\n".encode()).imports))
    return found


def needed(it: Target, code: str, wanted: frozenset[str]) -> list[str]:
    """Of the import statements of an answer those that bind a wanted name which the file lacks.

    Raises Refused where what is imported is neither of the standard library nor known here.
    """
    known = {row.alias for row in it.record.imports} | {row.name for row in it.record.symbols}
    found = []
    for line, rows in offered(it.language, code):
        names = {row.alias.split(".")[0] for row in rows} - known
        if names & wanted:
            strange = [row.module for row in rows if not _is_known(it, row)]
            if strange:
                raise Refused(f"{strange[0]} is neither a standard module nor one of this project")
            found.append(line)
    return found


def strange(it: Target, code: str) -> str:
    """The first module that an answer imports and that is not known here, "" for none."""
    rows = [row for _, found in offered(it.language, code) for row in found]
    return next((row.module for row in rows if not _is_known(it, row)), "")


def without(language: str, code: str) -> str:
    """Code without the import statements at its head."""
    data = code.encode()
    top = syntax.root(language, data)
    nodes = _imports(top) if top is not None else []
    for node in reversed(nodes):
        end = data.find(b"\n", node.end_byte - 1)
        data = data[: node.start_byte] + (data[end + 1 :] if end >= 0 else b"")
    return data.decode().strip("\n") if nodes else code


def _is_known(it: Target, row: Import) -> bool:
    root = re.split(r"[./:]", row.module)[0]
    if it.language == "python":
        standard = row.level == 0 and root in sys.stdlib_module_names
    elif it.language == "go":
        standard = "." not in row.module.split("/")[0]
    else:
        standard = root in _STANDARD_ROOTS.get(it.language, ()) or row.module.startswith("node:")
    used = any(re.split(r"[./:]", other.module)[0] == root for other in it.record.imports)
    return standard or (used and bool(root)) or _resolves(it, row)


def _resolves(it: Target, row: Import) -> bool:
    return it.snapshot is not None and bool(it.snapshot.resolver.places(it.path, row))


def insert(language: str, data: bytes, line: str) -> Insert:
    """Where a line that imports something belongs in a file: behind the last one at its head."""
    top = syntax.root(language, data)
    nodes = _imports(top) if top is not None else []
    if language == "go" and nodes and nodes[-1].type == "import_declaration":
        group = nodes[-1]
        closing = data.rfind(b")", group.start_byte, group.end_byte)
        if closing >= 0:
            return Insert(data.rfind(b"\n", 0, closing) + 1, f"\t{line.removeprefix('import ')}\n")
    if nodes:
        end = data.find(b"\n", nodes[-1].end_byte - 1)
        gap = "\n" if nodes[-1].type.startswith("package") else ""
        end = len(data) - 1 if end < 0 else end
        return Insert(end + 1, f"{gap}{line}\n")
    at = _behind_head(language, data, top)
    return Insert(at, f"{line}\n\n" if data[at:].strip() else f"{line}\n")


def add(language: str, text: str, lines: Iterable[str], line_end: str) -> str:
    """A text with lines that import something; the names of one that is there join it."""
    for line in lines:
        data = text.encode()
        found = _joined(language, data, line) or insert(language, data, line)
        addition = found.text.replace("\n", line_end)
        text = (data[: found.at] + addition.encode() + data[found.at :]).decode()
    return text


def _joined(language: str, data: bytes, line: str) -> Insert | None:
    """For `from m import a` the end of a line that imports from the same module already."""
    head, _, names = line.partition(" import ")
    if language != "python" or not head.startswith("from "):
        return None
    pattern = rb"^" + re.escape(head.encode()) + rb" import (?![(*])[\w, ]+?(?=[ \t]*\r?$)"
    found = re.search(pattern, data, re.MULTILINE)
    return Insert(found.end(), f", {names}") if found is not None else None


def _imports(top: ts.Node) -> list[ts.Node]:
    """The import statements at the head of a file, up to its first definition."""
    found = []
    for node in top.children:
        if node.type in _KINDS:
            found.append(node)
        elif found and "definition" in node.type:
            break
    return found


def _behind_head(language: str, data: bytes, top: ts.Node | None) -> int:
    """Behind a byte order mark, a `#!` line, the first comments and a module's docstring."""
    at = 3 if data.startswith(b"\xef\xbb\xbf") else 0
    for node in top.children if top is not None else ():
        is_doc = language == "python" and syntax.first_string(top) == node.byte_range
        is_doc = is_doc or (
            node.type == "expression_statement" and syntax.first_string(top)[1] == node.end_byte
        )
        if "comment" not in node.type and "hash_bang" not in node.type and not is_doc:
            break
        end = data.find(b"\n", node.end_byte)
        at = len(data) if end < 0 else end + 1
    return at
