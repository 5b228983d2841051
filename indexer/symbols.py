# SPDX-License-Identifier: Apache-2.0
"""Definitions with lines, parents, signatures and documentation.

In: the definitions of an `Outline`, the file's bytes, where its lines start. Out: `Symbol`s in
the order of the file, an owner before what it owns. It knows no tree and no query.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from indexer.languages import Language
    from indexer.outline import Definition, Span

# In the shape of types.Symbol.
Row = tuple[str, str, int, int, int, int, int, int, int, int, str, str, str, tuple[str, ...]]

# A signature is for reading and for prompts: a table of data in a default value is neither.
SIGNATURE_MAX_BYTES = 300
DOC_MAX_BYTES = 160
# Comments are looked for above a definition; a page of licence text is not its documentation.
DOC_MAX_LINES = 60

OWNERS = frozenset(
    [
        "class",
        "interface",
        "enum",
        "struct",
        "trait",
        "object",
        "impl",
        "protocol",
        "union",
        "record",
        "extension",
        "annotation",
        "actor",
        "instance",
        "table",
    ]
)
FUNCTIONS = frozenset(("function", "method", "constructor", "macro", "test"))
_NOWHERE = (0, -1, "")
_VALUES = frozenset(("variable", "constant"))
_NO_OWNERS = _VALUES | {"field"}
_NO_BASE = frozenset(
    (
        b"extends implements with public private protected virtual by derives deriving "
        b"stock newtype anyclass where override class for and is dyn super final"
    ).split()
)
_BASE = re.compile(rb"[\w\x80-\xff$]+(?:(?:\.|::|\\)[\w\x80-\xff$]+)*(?![\w\x80-\xff]|\s*=)")
_BRACKETS = re.compile(
    rb"(?<=[\w>\]\x80-\xff ])(?:<[^<>()\[\]]*>|\[[^<>()\[\]]*\]|\([^<>()\[\]]*\))"
)
_ANNOTATIONS = re.compile(rb"^(?:(?:@[\w.:]+(?:\([^()]*\))?|#?\[[^\[\]]*\]) )+")
_ANNOTATION_STARTS = (b"@", b"#", b"[")
_DOCSTRING = re.compile(rb"[rRuU]?(?:\"\"\"|'''|\"(?!\")|'(?!'))[ \t]*\\?\s*([^\n\r]*)")
# How a block of documentation ends, and how its first line begins.
_BLOCKS = ((b"*/", (b"/*",)), (b"-}", (b"{-",)), (b'"""', (b'"""', b"@doc", b"@moduledoc")))
_ATTRIBUTE_STARTS = (b"@", b"#[", b"[", b"template")
_DOC_EDGE = re.compile(
    rb"^(?:/\*+!?|//[/!]*|#+'?|--+|\*+/?|%+|;+|@(?:module)?doc\b(?:\s*~\w)?|\{-|\"+|\||<summary>|\s)+"
    rb"|(?:</summary>|\*+/|-\}|\"+|\s)+$"
)


def symbols(
    definitions: list[Definition], data: bytes, code: bytes, lines: list[int], language: Language
) -> list[Row]:
    """Order the definitions, find each one's owner, cut its texts out of `data`.

    The rows are bare tuples in the shape of `Symbol`; `FileRecord` names them.
    """
    rows: list[Row] = []
    owners: list[tuple[int, int, str]] = []  # (end, index, kind) of what is around this place
    inside = language.doc == "inside"
    definitions.sort(key=_order)
    for kind, start, end, head, name, body, type_, bases in definitions:
        while owners and owners[-1][0] <= start:
            owners.pop()
        _, parent, owner = owners[-1] if owners else _NOWHERE
        placed = _placed(kind, owner)
        if not placed:
            continue
        line = bisect_right(lines, start)
        name_start, name_end = name
        name_line = bisect_right(lines, name_start, line - 1)
        if placed not in _NO_OWNERS:
            owners.append((end, len(rows), placed))
        if body >= 0:
            doc = _doc_inside(data, body) if inside else _doc_above(data, lines, line, language)
        else:
            doc = "" if inside else _doc_above(data, lines, line, language)
        rows.append(
            (
                data[name_start:name_end].decode("utf-8", "replace").strip("\"'"),
                placed,
                start,
                end,
                line,
                bisect_right(lines, end - 1, line - 1),
                name_start,
                name_line,
                name_start - lines[name_line - 1],
                parent,
                signature(data, code, head, body, end),
                doc,
                type_text(data, type_) if type_ else "",
                base_names(data, bases) if bases else (),
            )
        )
    return rows


def _order(definition: Definition) -> tuple[int, int]:
    return definition[1], -definition[2]


@cache
def _placed(kind: str, owner: str) -> str:
    """The kind of a definition that stands in `owner`; "" where it is a mere local."""
    if owner in OWNERS:
        if kind == "function":
            return "method"
        return "field" if kind in _VALUES else kind
    return "" if owner in FUNCTIONS and kind in _VALUES else kind


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def signature(data: bytes, code: bytes, start: int, body: int, end: int) -> str:
    """The text up to the body on one line; without a body, the first line of the definition.

    `code` has blanks where there are comments, so it tells where the signature really ends.
    """
    if body < 0:
        body = data.find(b"\n", start, end)
        body = end if body < 0 else body
    if body - start > SIGNATURE_MAX_BYTES:
        body = start + SIGNATURE_MAX_BYTES
    size = len(code[start:body].rstrip(b" \r\n\t{:="))
    text = b" ".join(data[start : start + size].split())
    if text.startswith(_ANNOTATION_STARTS):
        text = _ANNOTATIONS.sub(b"", text)
    return text.decode("utf-8", "ignore")


def type_text(data: bytes, span: Span) -> str:
    """A type as written, without the sign that announces it."""
    text = data[span[0] : min(span[1], span[0] + SIGNATURE_MAX_BYTES)]
    return b" ".join(text.split()).decode("utf-8", "ignore").lstrip(":->= ").rstrip()


def base_names(data: bytes, spans: tuple[Span, ...]) -> tuple[str, ...]:
    """What a class extends or implements: names only, without type arguments and keywords."""
    names = []
    for start, end in spans:
        text, last = data[start:end], b""
        while text != last:
            text, last = _BRACKETS.sub(b"", text), text
        names += [_text(name) for name in _BASE.findall(text) if name not in _NO_BASE]
    return tuple(names)


def _doc_inside(data: bytes, body: int) -> str:
    """The first line of the string that opens a body."""
    match = _DOCSTRING.match(data, body)
    return match[1].rstrip(b"\"' \t")[:DOC_MAX_BYTES].decode("utf-8", "ignore") if match else ""


def blocks_open_inside(text: bytes) -> bool:
    """Whether each comment block that ends in a text begins in it, as `_doc_above` sees it."""
    begun: set[tuple[bytes, ...]] = set()
    for line in map(bytes.strip, text.splitlines()):
        for closer, opener in _BLOCKS:
            opens = line.startswith(opener)
            if line.endswith(closer) and not (
                opener in begun or (opens and len(line) > len(closer))
            ):
                return False
            if opens:
                begun.add(opener)
    return True


def _doc_above(data: bytes, lines: list[int], line: int, language: Language) -> str:
    """The first line of the comment that stands right above line `line`."""
    above: list[bytes] = []
    opener: tuple[bytes, ...] = ()  # how the block begins that this line is inside of
    for at in range(line - 2, max(line - 2 - DOC_MAX_LINES, -1), -1):
        text = data[lines[at] : lines[at + 1]].strip()
        if opener:
            opener = () if text.startswith(opener) else opener
        elif not text.startswith(language.comments):
            closed = next((o for c, o in _BLOCKS if text.endswith(c)), ())
            if not closed:
                if text.startswith(_ATTRIBUTE_STARTS) and not above:
                    continue
                break
            opener = () if text.startswith(closed) and len(text) > len(closed[0]) else closed
        above.append(text)
    return next(filter(None, map(_trim, reversed(above))), "")


def _trim(text: bytes) -> str:
    return _DOC_EDGE.sub(b"", text.strip())[:DOC_MAX_BYTES].decode("utf-8", "ignore")
