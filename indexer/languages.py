# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: PTH100, PTH118, PTH119, PTH120, PTH123  a worker starts 11 ms sooner without pathlib
"""Which language a file is in, and what we know of that language's grammar.

In: a path, the first bytes of the file. Out: a language's name and its `Language` row, a compiled
grammar and query. Grammars are loaded when first asked for; a query is compiled once a process.
This module knows no record and no repository.
"""

from __future__ import annotations

import os
import re
import sys
from collections import Counter
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import tree_sitter as ts

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_FOLDER = os.path.dirname(os.path.abspath(__file__))
TEXT = "text"  # any file that has no grammar
_SHEBANG = re.compile(rb"#!\s*\S*?([\w+-]+?)[\d.]*(?:[ \t]+(?:-\S+[ \t]+)*([\w+-]+?)[\d.]*)?\s")
_CAPTURE = re.compile(r"(?<![\w\"])@([\w.]+)")
# Captures that say what a pattern is for; the other captures of a pattern are its parts.
_PURPOSES = ("def.", "ref.", "import", "typed", "skip", "code", "decorated")


@dataclass(frozen=True, slots=True)
class Language:
    """One row of languages.toml."""

    name: str
    tier: str
    extensions: tuple[str, ...] = ()
    filenames: tuple[str, ...] = ()
    shebangs: tuple[str, ...] = ()
    query: tuple[str, ...] = ()  # files of queries/, joined; the language's own name by default
    quick: bool = False  # has a reader of its own that gives what the query gives, faster
    doc: str = "above"  # where documentation stands: above a definition or inside its body
    comments: tuple[bytes, ...] = (b"//", b"/*")  # how a line of documentation begins
    imports: str = ""  # which reader of import statements
    joints: tuple[tuple[str, str], ...] = ()  # what else stands between the names of a chain
    letters: str = ""  # what may stand in a name besides letters, digits and the underscore
    keywords: tuple[str, ...] = ()  # words before a parenthesis that call nothing
    capitals: bool = False  # a capitalised word is a type or a constant, worth a reference


@dataclass(frozen=True, slots=True)
class Grammar:
    """A loaded grammar. `actions[i]` is the purpose of the query's pattern i."""

    language: Language
    native: ts.Language
    query: ts.Query | None
    actions: tuple[str, ...]


@cache
def table() -> dict[str, Language]:
    """Every language we can name, by name."""
    return {name: _row(name, row) for name, row in tomllib.loads(_text("languages.toml")).items()}


@cache
def language(name: str) -> Language | None:
    """One row of the table, None where there is none. The others are not read: 20 ms of a start."""
    text = "\n" + _text("languages.toml")
    start = text.find(f"\n[{name}]\n")
    if start < 0:
        return None
    end = text.find("\n[", start + 1)
    return _row(name, tomllib.loads(text[start : end if end > 0 else len(text)])[name])


@cache
def _text(*names: str) -> str:
    with open(os.path.join(_FOLDER, *names), encoding="utf-8") as file:
        return file.read()


def _row(name: str, row: dict[str, Any]) -> Language:
    values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in row.items()}
    if "joints" in values:
        values["joints"] = tuple((a, b) for a, b in values["joints"])
    if "comments" in values:
        values["comments"] = tuple(c.encode() for c in values["comments"])
    if row["tier"] == "A":
        values.setdefault("query", (name,))
    return Language(name=name, **values)


@cache
def _index() -> tuple[dict[str, str], dict[str, str], dict[str, str]]:
    """Names of languages by extension, by file name, by interpreter."""
    rows = table().values()
    extensions = {e: row.name for row in rows for e in row.extensions}
    filenames = {f: row.name for row in rows for f in row.filenames}
    return extensions, filenames, {s: row.name for row in rows for s in row.shebangs}


def detect(path: str, head: bytes = b"") -> str:
    """The language of a file: by its name, by its extension, by the `#!` line in `head`."""
    extensions, filenames, shebangs = _index()
    name = os.path.basename(path)
    stem, _, extension = name.rpartition(".")
    extension = extension if stem else ""  # `.py` is a name
    known = filenames.get(name) or extensions.get(extension)
    known = known or extensions.get(extension.lower())
    if known is None and (match := _SHEBANG.match(head[:256] + b"\n")):
        program, argument = (part.decode() if part else "" for part in match.groups())
        known = shebangs.get(argument if program == "env" else program)
    return known or TEXT


@cache
def grammar(name: str) -> Grammar | None:
    """The grammar and query of a language, None for plain text. Raises LookupError: not shipped."""
    row = language(name)
    if row is None or row.tier == "D":
        return None
    # Not imported where nothing is parsed: 20 ms that a first answer has no use for.
    import tree_sitter as ts  # noqa: PLC0415
    from tree_sitter_language_pack import get_language  # noqa: PLC0415

    native = get_language(name)  # type: ignore[arg-type]
    source = _query_source(row, native)
    if not source:
        return Grammar(row, native, None, ())
    query = ts.Query(native, source)
    return Grammar(row, native, query, tuple(_purposes(query, source.encode())))


def _query_source(row: Language, native: ts.Language) -> str:
    if row.query:
        return "\n".join(_text("queries", f"{name}.scm") for name in row.query)
    return generic_query(native) if row.tier == "B" else ""


def _purposes(query: ts.Query, source: bytes) -> list[str]:
    found = []
    for at in range(query.pattern_count):
        start, end = query.start_byte_for_pattern(at), query.end_byte_for_pattern(at)
        captures = _CAPTURE.findall(source[start:end].decode())
        found.append(next(c for c in captures if c.startswith(_PURPOSES)))
    return found


@cache
def _generic_patterns() -> tuple[tuple[re.Pattern[str], str], ...]:
    text = _text("queries", "generic.toml")
    return tuple((re.compile(p), kind) for p, kind in tomllib.loads(text)["kinds"].items())


def generic_query(native: ts.Language) -> str:
    """A query for the definitions of any grammar, from the names of its node kinds.

    "" where no kind of node has both a name that says definition and a `name` field.
    """
    if not native.field_id_for_name("name"):
        return ""
    lines = []
    for symbol in range(native.node_kind_count):
        if not (native.node_kind_is_named(symbol) and native.node_kind_is_visible(symbol)):
            continue
        node = native.node_kind_for_id(symbol) or ""
        kind = next((k for pattern, k in _generic_patterns() if pattern.fullmatch(node)), "")
        line = f"({node} name: (_) @name) @def.{kind}"
        if kind and line not in lines and _compiles(native, line):
            lines.append(line)
    return "\n".join(lines)


def _compiles(native: ts.Language, source: str) -> bool:
    import tree_sitter as ts  # noqa: PLC0415  as above

    try:
        ts.Query(native, source)
    except ts.QueryError:
        return False
    return True


def tiers() -> dict[str, int]:
    """How many languages each tier has: what `doctor` prints."""
    return dict(sorted(Counter(row.tier for row in table().values()).items()))
