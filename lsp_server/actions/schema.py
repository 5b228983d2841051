# SPDX-License-Identifier: Apache-2.0
"""The tables of a project's database, as its repository says: SQL files, models of Python, Prisma.

In: a snapshot. Out: a `Schema`: names of tables with their columns, in small letters. Later files
of migrations add to earlier ones. Nothing is connected to, and no code of the project is run.
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

from indexer.window import parse

if TYPE_CHECKING:
    from collections.abc import Iterator

    import tree_sitter as ts

    from indexer.snapshot import Snapshot
    from indexer.types import FileRecord, Symbol

Schema = dict[str, tuple[str, ...]]
FILES_MAX = 400  # of each kind
MODELS_MAX = 200  # windows in which models are looked for
PARSE_MAX_S = 1.0  # of processor time, for one file
_COLUMN = re.compile(
    r"^[ \t]+(\w+)[ \t]*(?::[^=\n]+)?=[ \t]*(?:\w+\.)?(Column|mapped_column|\w+Field|ForeignKey"
    r"|OneToOneField)\(([^\n]*)",
    re.MULTILINE,
)
_TABLE_NAME = re.compile(r"""\b__tablename__\s*(?::[^=\n]+)?=\s*["'](\w+)["']""")
_DB_TABLE = re.compile(r"""\bdb_table\s*=\s*["'](\w+)["']""")
_PRISMA = re.compile(r"^model\s+(\w+)\s*\{(.*?)^\}", re.MULTILINE | re.DOTALL)
_PRISMA_FIELD = re.compile(r"^\s+(\w+)\s+(\w+)(\[\])?\??([^\n]*)", re.MULTILINE)
_SCALARS = frozenset(
    ["String", "Int", "BigInt", "Float", "Decimal", "Boolean", "DateTime", "Json", "Bytes"]
)


def schema(snapshot: Snapshot) -> Schema:
    """All tables that are known; {} where there are none."""
    tables: dict[str, dict[str, None]] = {}
    for name, columns in _all(snapshot):
        tables.setdefault(name.lower(), {}).update(dict.fromkeys(c.lower() for c in columns))
    return {name: tuple(columns) for name, columns in tables.items()}


def _all(snapshot: Snapshot) -> Iterator[tuple[str, list[str]]]:
    paths = snapshot.paths()
    for path in [path for path in paths if path.endswith(".sql")][:FILES_MAX]:
        yield from sql_tables(snapshot.text(path))
    for path in [path for path in paths if path.endswith(".prisma")][:FILES_MAX]:
        yield from _prisma(snapshot.text(path).decode())
    for path in _model_files(snapshot, paths):
        record = snapshot.record(path)
        if record is not None and record.language == "python":
            yield from _models(path, record, snapshot.known_text(path))


def _model_files(snapshot: Snapshot, paths: list[str]) -> list[str]:
    words = [("__tablename__", 1.0), ("models", 1.0), ("Model", 1.0)]
    found = {hit.path for hit in snapshot.search(words, MODELS_MAX)}
    found |= {path for path in paths if re.search(r"(?:^|/)models(?:/\w+)?\.py$", path)}
    found |= {path for path in snapshot.overlays if path.endswith(".py")}
    return sorted(found)[:FILES_MAX]


def sql_tables(data: bytes) -> Iterator[tuple[str, list[str]]]:
    """Tables that a text of SQL creates or adds to."""
    parsed = parse("sql", data, time.thread_time() + PARSE_MAX_S)
    if parsed is None:
        return
    for statement in _of_type(parsed[0].root_node, ("create_table", "alter_table", "create_view")):
        reference = next(iter(_of_type(statement, ("object_reference",))), None)
        if reference is not None:
            rows = _of_type(statement, ("column_definition",))
            yield name_of(reference), [name_of(row) for row in rows]


def name_of(node: ts.Node) -> str:
    """The last name of a reference, the first of a definition; without quotes."""
    names = [c for c in node.named_children if c.type in ("identifier", "literal")]
    if not names:
        return ""
    chosen = names[-1] if node.type in ("object_reference", "field") else names[0]
    return (chosen.text or b"").decode("utf-8", "replace").strip("\"`'[]")


def _of_type(root: ts.Node, types: tuple[str, ...]) -> list[ts.Node]:
    found, stack = [], [root]
    while stack:
        node = stack.pop()
        if node.type in types:
            found.append(node)
        stack.extend(reversed(node.named_children))
    return found


def _models(path: str, record: FileRecord, data: bytes) -> Iterator[tuple[str, list[str]]]:
    """Classes of SQLAlchemy and Django."""
    for row in record.symbols:
        if row.kind != "class":
            continue
        body = data[row.start : row.end].decode("utf-8", "replace")
        table = _table_of(path, row, body)
        if not table:
            continue
        columns = []
        for name, kind, rest in _COLUMN.findall(body):
            given = re.match(r"""\s*["'](\w+)["']""", rest) if kind.endswith("olumn") else None
            foreign = kind in ("ForeignKey", "OneToOneField")
            columns.append(given[1] if given else f"{name}_id" if foreign else name)
        django = _TABLE_NAME.search(body) is None
        yield table, (["id"] if django else []) + columns


def _table_of(path: str, row: Symbol, body: str) -> str:
    named = _TABLE_NAME.search(body)
    if named is not None:
        return named[1]
    if not any(base.rpartition(".")[2] == "Model" for base in row.bases):
        return ""
    given = _DB_TABLE.search(body)
    folders = [part for part in path.split("/")[:-1] if part != "models"]
    app = f"{folders[-1]}_" if folders else ""
    return given[1] if given is not None else f"{app}{row.name.lower()}"


def _prisma(text: str) -> Iterator[tuple[str, list[str]]]:
    for name, body in _PRISMA.findall(text):
        mapped = re.search(r'@@map\("(\w+)"\)', body)
        columns = []
        for field, kind, many, rest in _PRISMA_FIELD.findall(body):
            if kind in _SCALARS and not many:
                column = re.search(r'(?<!@)@map\("(\w+)"\)', rest)
                columns.append(column[1] if column else field)
        yield mapped[1] if mapped else name, columns
