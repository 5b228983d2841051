# SPDX-License-Identifier: Apache-2.0
"""What stands at the cursor: how much text is wanted there, and of what kind.

In: a path and the text on both sides of the cursor. Out: a `Site`. The tree tells strings and
comments from code; where it has errors, as it does while somebody types, and for languages without
a grammar, quotes and brackets decide. It knows no model, no suggestion and no other file.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from indexer.languages import TEXT, detect
from indexer.marks import begins_block, read
from indexer.window import cut, native, tree_of, unit

if TYPE_CHECKING:
    import tree_sitter as ts

    from indexer.marks import Code, Inside
    from indexer.window import Window

Kind = Literal["block", "statement", "line", "string", "comment", "unknown"]
# Right of the cursor these are the ends of what is being written.
_CLOSERS = ")]}>,;:\"'` \t\r"
_PROSE = frozenset(
    (
        *("markdown", "markdown_inline", "rst", "org", "latex", "typst", "csv", "tsv", "psv"),
        *("gitcommit", "po", "pem", "pgn"),
    )
)
_PROSE_ENDINGS = frozenset(("", ".txt", ".text", ".log", ".adoc", ".asciidoc", ".eml"))
_STRING = re.compile(r"string|char|heredoc|template_literal|quoted|sigil|regex")
_NO_STRING = re.compile(r"concatenat|^string_(?:type|scalar_type)$|characteristic")
_HOLE = re.compile(
    r"(?:^|_)(?:interpolation|substitution|expansion)$|interpolated_(?:expression|identifier)"
)
# A statement goes on behind these.
_GOES_ON = re.compile(r"(?:[=!<>]=|(?<![=!<>])=|&&|\|\||\\)$")


@dataclass(frozen=True, slots=True)
class Site:
    """The place of the cursor."""

    kind: Kind
    many: bool  # whether several lines may be shown
    unit: str  # one level of indentation: a tab, or some spaces
    errors: int  # of the text around, as a parser counts them; 0 without a grammar


def site(path: str, before: str, after: str) -> Site:
    """Read the place between two texts. Any text will do; about 1 ms for what is around it.

    `before` may begin, and `after` end, at any line: they are cut further. Tens of thousands of
    characters on each side are more than enough.
    """
    language = detect(path, before[:256].encode("utf-8", "replace"))
    window = cut(language, before, after)
    parsed = tree_of(language, window.data)
    errors = parsed[1] if parsed else 0
    indentation = unit(window, language)
    here = window.before[window.before.rfind("\n") + 1 :]
    if is_prose(path, language):
        return Site("unknown", not here.strip(), indentation, errors)
    code = read(window.before, language)
    inside = around_cursor(window, parsed, code)
    if inside == "code":
        return Site("line", many=False, unit=indentation, errors=errors)
    if inside in ("string", "comment"):
        return Site(inside, many=False, unit=indentation, errors=errors)
    kind = _kind(here, code.text, window.after, language)
    return Site(kind, kind in ("block", "statement"), indentation, errors)


def is_prose(path: str, language: str) -> bool:
    """Text in which quotes and brackets are no syntax."""
    ending = os.path.splitext(path)[1]  # noqa: PTH122  no file system is asked
    return language in _PROSE or (language == TEXT and ending.lower() in _PROSE_ENDINGS)


def _kind(here: str, code: str, after: str, language: str) -> Kind:
    """What a place in the code wants, by its own line and by the code that comes before."""
    if after.partition("\n")[0].strip(_CLOSERS):
        return "line"
    if begins_block(code, language):
        return "block"
    if here.strip() or _GOES_ON.search(code.rstrip()):
        return "line"
    return "statement"


def around_cursor(
    window: Window, parsed: tuple[ts.Tree, int] | None, code: Code
) -> Inside | Literal["code"]:
    """What the cursor is inside of; "code" is that of a formatted string.

    Where the tree sees nothing and has errors, the text's quotes are believed.
    """
    found = _inside(parsed[0].root_node, window) if parsed else None
    if found is None and (parsed is None or parsed[1]):
        return code.inside
    return found or ""


def _inside(root: ts.Node, window: Window) -> Inside | Literal["code"] | None:
    """What the tree says: a string, a comment, code inside of a string; None: neither."""
    at = window.at
    node = root.descendant_for_byte_range(at - 1, at) if at else None
    fresh = window.before.endswith(("\n", "\r"))
    found: Inside | None = None
    while node is not None and found is None:
        kind = node.type
        within = node.start_byte < at < node.end_byte
        if "comment" in kind:
            open_ended = at == node.end_byte and not fresh and not _is_closed(node)
            found = "comment" if within or open_ended else None
        elif _HOLE.search(kind) and within:
            return "code"
        elif within and node.is_named and _STRING.search(kind) and not _NO_STRING.search(kind):
            found = "string"
        node = node.parent
    return found


def _is_closed(comment: ts.Node) -> bool:
    text = comment.text or b""
    return len(text) > len(b"/**/") - 1 and text.endswith((b"*/", b"-->", b"-}", b"]]", b"*)"))


def warm(path: str) -> bool:
    """Load what `site` and `gate` need for files like this: some 50 ms, not for the loop.

    Returns whether there is a grammar.
    """
    return native(detect(path)) is not None
