# SPDX-License-Identifier: Apache-2.0
"""Whether a statement of SQL may stand: one, that parses, on tables and columns that there are.

In: a statement, a `Schema`, what the user has asked for in words. Out: the reason why not, "" where
it may. What changes or destroys data needs a word of the user that asks for it; what reads files of
the server or starts programs there is never written. Nothing is run.
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

from indexer.window import parse
from lsp_server.actions.schema import PARSE_MAX_S, name_of, sql_tables

if TYPE_CHECKING:
    from collections.abc import Iterator

    import tree_sitter as ts

    from lsp_server.actions.schema import Schema

_PLACEHOLDER = re.compile(r"%\(\w+\)s|%s|(?<![:\w]):[A-Za-z_]\w*|@\w+|\$\w+\b|\?")
_QUOTED = re.compile(r"'(?:[^']|'')*'|--[^\n]*|/\*.*?\*/", re.DOTALL)
# keyword of the grammar -> words of a user that ask for it
_ASKED = {
    "keyword_delete": r"delete|remove|purge|clean",
    "keyword_update": r"update|set|change|rename|mark|increase|decrease|replace",
    "keyword_insert": r"insert|add|create|store|upsert|new",
    "keyword_drop": r"drop",
    "keyword_truncate": r"truncate|empty",
    "keyword_alter": r"alter|add|rename|column|change",
    "keyword_create": r"create|table|index|view|make",
    "keyword_grant": r"grant",
    "keyword_revoke": r"revoke",
    "keyword_merge": r"merge|upsert",
    "keyword_copy": r"(?!)",
    "keyword_execute": r"(?!)",
    "keyword_vacuum": r"vacuum",
}
_NEVER = re.compile(
    r"\b(?:pg_read_\w+|pg_ls_\w+|pg_write_\w+|pg_sleep|lo_import|lo_export|load_file|load_extension"
    r"|xp_\w+|sp_oa\w+|dblink\w*|into\s+(?:out|dump)file|copy\b.*\bprogram|attach\s+database"
    r"|openrowset|utl_\w+|dbms_\w+|readfile|writefile|sleep|benchmark|waitfor)\b",
    re.IGNORECASE | re.DOTALL,
)
_PSEUDO = frozenset(
    [
        "rowid",
        "oid",
        "ctid",
        "excluded",
        "new",
        "old",
        "current_date",
        "current_time",
        "current_timestamp",
    ]
)


def problem(text: str, tables: Schema, wish: str) -> str:
    """Why a statement may not stand; "" where it may."""
    bare = _QUOTED.sub(lambda match: "'" + "x" * (len(match[0]) - 2) + "'", text)
    if _NEVER.search(bare):
        return "it uses what reaches out of the database"
    data = _PLACEHOLDER.sub(lambda match: "1" * len(match[0]), text).encode()
    parsed = parse("sql", data, time.thread_time() + PARSE_MAX_S)
    if parsed is None or parsed[1]:
        return "it is no SQL that can be parsed"
    root = parsed[0].root_node
    statements = [node for node in root.named_children if node.type != "comment"]
    if len(statements) != 1 or "comment" in {node.type for node in _below(root)}:
        return "write one statement, without comments"
    return _destructive(root, wish) or _unknown(root, data, tables)


def _destructive(root: ts.Node, wish: str) -> str:
    for node in _below(root):
        words = _ASKED.get(node.type)
        if words is not None and not re.search(rf"\b(?:{words})", wish, re.IGNORECASE):
            return f"nobody has asked for {node.type.removeprefix('keyword_').upper()}"
    return ""


def _unknown(root: ts.Node, data: bytes, tables: Schema) -> str:
    """The first table or column that is not in the schema."""
    if not tables:
        return ""
    created = {name.lower(): tuple(map(str.lower, rows)) for name, rows in sql_tables(data)}
    derived = {name_of(node).lower() for node in _below(root) if node.type == "cte"}
    aliases: dict[str, str] = {}  # alias or name -> table, "" for what is made in the statement
    for reference, alias in _relations(root):
        name = name_of(reference).lower() if reference is not None else ""
        if name and name not in tables and name not in created and name not in derived:
            return f"there is no table {name}; there are {', '.join(sorted(tables)[:20])}"
        made = not name or name in derived or name in created
        for known in filter(None, (name, alias)):
            aliases[known] = "" if made else name
    return _unknown_column(root, tables, aliases)


def _relations(root: ts.Node) -> Iterator[tuple[ts.Node | None, str]]:
    """Tables that a statement names, with their aliases; None for a subquery."""
    for node in _below(root):
        if node.type == "relation":
            names = [c for c in node.named_children if c.type == "identifier"]
            alias = (names[-1].text or b"").decode().strip('"`').lower() if names else ""
            reference = next((c for c in node.named_children if c.type == "object_reference"), None)
            yield reference, alias
        elif node.type in ("from", "insert", "delete", "drop_table", "alter_table", "truncate"):
            for child in node.named_children:
                if child.type == "object_reference":
                    yield child, ""


def _unknown_column(root: ts.Node, tables: Schema, aliases: dict[str, str]) -> str:
    used = [name for name in aliases.values() if name]
    columns = {column for name in used for column in tables[name]} | _PSEUDO
    given = {  # `count(*) AS n`
        name_of(node).lower()
        for node in _below(root)
        if node.type in ("term", "relation", "cte") and name_of(node)
    }
    made = any(not name for name in aliases.values())
    for node in _below(root):
        if node.type not in ("field", "column") or not name_of(node):
            continue
        name = name_of(node).lower()
        owner = next((c for c in node.named_children if c.type == "object_reference"), None)
        if owner is None:
            if name not in columns and name not in given and not made:
                return f"there is no column {name} in {', '.join(sorted({*used}))}"
            continue
        table = aliases.get(name_of(owner).lower())
        if table is None:
            return f"{name_of(owner)} names no table of the statement"
        if table and name not in tables[table] and name not in _PSEUDO:
            return f"{table} has no column {name}; it has {', '.join(tables[table][:30])}"
    return ""


def _below(root: ts.Node) -> Iterator[ts.Node]:
    stack = [root]
    while stack:
        node = stack.pop()
        yield node
        stack.extend(reversed(node.named_children))
