# SPDX-License-Identifier: Apache-2.0
"""A wish in words becomes a statement of SQL (`refactor.rewrite.sql`).

In: a comment in a file of SQL (`-- users who ordered in the last week`), or in code a comment above
an empty string (`# sql: ...` and `query = ""`). Out: one statement below the comment or in the
string. The model sees the tables that the repository knows; what it writes must be one statement on
tables and columns that there are, and changes no data that the comment does not speak of.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from engine.chat import Turn
from lsp_server.actions.schema import schema
from lsp_server.actions.statement import problem
from lsp_server.actions.target import indent_at, indent_unit, replaced
from lsp_server.actions.types import FileChange, Proposal, Refused
from lsp_server.actions.wording import code_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lsp_server.actions.schema import Schema
    from lsp_server.actions.types import Check, Target

SCHEMA_MAX_CHARS = 12_000  # of what the model is shown
_HOSTS = ("python", "javascript", "typescript", "tsx", "go", "java", "kotlin", "csharp", "rust")
_LINE_COMMENT = re.compile(r"[ \t]*--[ \t]?(.*)")
_HOST_COMMENT = re.compile(r"[ \t]*(?:#|//)[ \t]*(?:sql[ \t]*:[ \t]*)?(.*)", re.IGNORECASE)
_MARKED = re.compile(r"[ \t]*(?:#|//)[ \t]*sql[ \t]*:", re.IGNORECASE)
_EMPTY = re.compile(r"(?P<open>\"\"\"|'''|`|\"|')\s*(?P=open)(?![\"'`\w])")
_SQL_NAME = re.compile(r"sql|query|statement|stmt|select|execute|fetch|prepare", re.IGNORECASE)
_ASK = """The database has these tables:
{tables}

Write one SQL statement for: {wish}

Answer with the statement only, without comments. Use only these tables and columns. Values that are
not known yet are placeholders{placeholder}."""


class _Place(NamedTuple):
    """Where the statement goes: bytes to replace, the quotation around it ("" in files of SQL)."""

    wish: str
    start: int
    end: int
    quote: str


class Sql:
    kind = "refactor.rewrite.sql"

    def title(self, target: Target) -> str:
        place = _place(target)
        return f"Write SQL: {place.wish[:60]}" if place is not None else ""

    def ask(self, target: Target) -> Sequence[Turn]:
        place = _wanted(target)
        tables = _tables(target)
        if not tables:
            raise Refused(
                "no table is known: there is no CREATE TABLE and no model in this project"
            )
        style = {"python": " such as %s", "go": " such as $1", "java": " such as ?"}
        text = _ASK.format(
            tables=_shown(tables),
            wish=place.wish,
            placeholder=style.get(target.language, ""),
        )
        return (Turn("user", text),)

    def read(self, target: Target, answer: str) -> Proposal:
        place = _wanted(target)
        statement = code_of(answer).strip().rstrip(";").strip()
        if not statement:
            raise Refused("the answer is empty")
        wrong = problem(statement, _tables(target), place.wish)
        if wrong:
            raise Refused(wrong)
        text = _written(target, place, statement)
        before = target.data.decode()
        after = replaced(target, place.start, place.end, text)
        change = FileChange(target.path, before, after, target.document.version)
        return Proposal((change,), f"a statement for: {place.wish[:80]}")

    def checks(self, target: Target, proposal: Proposal) -> Sequence[Check]:
        del target, proposal
        return ()


def _wanted(it: Target) -> _Place:
    place = _place(it)
    if place is None:
        raise Refused("put the cursor on a comment that says what is wanted")
    return place


def _tables(it: Target) -> Schema:
    return schema(it.snapshot) if it.snapshot is not None else {}


def _shown(tables: Schema) -> str:
    rows, size = [], 0
    for name, columns in sorted(tables.items()):
        row = f"{name}({', '.join(columns)})"
        size += len(row) + 1
        if size > SCHEMA_MAX_CHARS:
            break
        rows.append(row)
    return "\n".join(rows)


def _place(it: Target) -> _Place | None:
    if it.language == "sql":
        return _in_sql(it)
    return _in_host(it) if it.language in _HOSTS else None


def _lines(it: Target) -> tuple[list[bytes], int]:
    """The lines with their ends, and the number of the cursor's."""
    return it.data.splitlines(keepends=True) or [b""], it.data.count(b"\n", 0, it.start)


def _in_sql(it: Target) -> _Place | None:
    """The comment at the cursor, with nothing below it up to the next empty line."""
    lines, at = _lines(it)
    texts = [line.decode("utf-8", "replace").rstrip("\r\n") for line in lines]
    if at >= len(texts) or not _LINE_COMMENT.fullmatch(texts[at]):
        return None
    first = last = at
    while first > 0 and _LINE_COMMENT.fullmatch(texts[first - 1]):
        first -= 1
    while last + 1 < len(texts) and _LINE_COMMENT.fullmatch(texts[last + 1]):
        last += 1
    if last + 1 < len(texts) and texts[last + 1].strip():
        return None
    rows = [_LINE_COMMENT.fullmatch(text) for text in texts[first : last + 1]]
    wish = " ".join(row[1].strip() for row in rows if row is not None)
    end = sum(map(len, lines[: last + 1]))
    said = it.instruction.strip() or wish.strip()
    return _Place(said, end, end, "") if said else None


def _in_host(it: Target) -> _Place | None:
    """A comment at the cursor or above it, and the empty string that follows."""
    lines, at = _lines(it)
    texts = [line.decode("utf-8", "replace").rstrip("\r\n") for line in lines]
    for first in (at, at - 1):
        if not 0 <= first < len(texts) or not _HOST_COMMENT.fullmatch(texts[first]):
            continue
        following = first + 1
        while following < len(texts) and _HOST_COMMENT.fullmatch(texts[following]):
            following += 1
        if following >= len(texts):
            continue
        empty = _EMPTY.search(texts[following])
        marked = _MARKED.match(texts[first]) or _SQL_NAME.search(texts[following])
        if empty is None or not marked:
            continue
        rows = [_HOST_COMMENT.fullmatch(text) for text in texts[first:following]]
        wish = " ".join(row[1].strip() for row in rows if row is not None)
        start = sum(map(len, lines[:following]))
        begin = start + len(texts[following][: empty.start()].encode())
        end = start + len(texts[following][: empty.end()].encode())
        said = it.instruction.strip() or wish.strip()
        return _Place(said, begin, end, empty["open"]) if said else None
    return None


def _written(it: Target, place: _Place, statement: str) -> str:
    """The statement as it stands in the file."""
    if not place.quote:
        gap = "" if it.data[: place.start].endswith((b"\n", b"\r")) or not place.start else "\n"
        return f"{gap}{statement};\n"
    quote = place.quote
    several = len(quote) > 1 or (quote == "`")
    if several and "\n" in statement:
        indent = indent_at(it, place.start) + indent_unit(it)
        rows = [f"{indent}{row.strip()}" for row in statement.split("\n") if row.strip()]
        body = "\n" + "\n".join(rows) + "\n" + indent_at(it, place.start)
    else:
        body = re.sub(r"\s*\n\s*", " ", statement)
    if quote == "`" and it.language == "go":
        if "`" in body:
            raise Refused("a raw string of Go cannot hold a backtick: quote names in another way")
        return f"{quote}{body}{quote}"
    body = body.replace("\\", "\\\\").replace(quote, "\\" + quote[:1] + quote[1:])
    if quote == "`":
        body = body.replace("${", "\\${")
    return f"{quote}{body}{quote}"


ACTION = Sql()
