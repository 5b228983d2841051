# SPDX-License-Identifier: Apache-2.0
"""Whether a changed text is written as its file is: characters, line ends, mark, indentation.

In: a text before and after, the file's encoding. Out: the reason why not, "" where it is.
What was there stays as it was, byte for byte; only what a change adds is measured.
It knows no language, no path and no disk.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from typing import TYPE_CHECKING

from engine.rules.form import SPECIAL, UNSEEN, UNSEEN_CATEGORIES
from indexer.files import newline_of
from lsp_server.actions.differences import hunks

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

BOM = "\ufeff"
_PLAIN = str.maketrans("", "", "\n\t\r")
_LINES = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+\Z")
_END_NAMES = {"\n": "LF", "\r\n": "CRLF", "\r": "CR"}


def problem(before: str, after: str, *, encoding: str = "utf-8", allowed: str = "") -> str:
    """Why a text may not be put in another's place. `before` is "" for a new file.

    `allowed`: text of the user, who may name a special token.
    """
    if before.startswith(BOM) != after.startswith(BOM):
        return "the byte order mark at the start is not kept"
    return (
        _unseen(before, after)
        or _special(before, after, allowed)
        or _unencodable(after.removeprefix(BOM), encoding)
        or _line_ends(before, after)
        or _indentation(before, after)
    )


def lines(text: str) -> list[str]:
    """Lines with their ends, which are LF, CRLF or CR."""
    return _LINES.findall(text)


def added_lines(before: str, after: str) -> Iterator[str]:
    """Lines of `after` that are not as they were, with their ends."""
    old, new = lines(before), lines(after)
    for hunk in hunks(old, new):
        yield from new[hunk.new_start : hunk.new_end]


def _unseen(before: str, after: str) -> str:
    if after.translate(_PLAIN).isprintable() and UNSEEN.isdisjoint(after):
        return ""
    more = _unseen_counts(after) - _unseen_counts(before)
    if not more:
        return ""
    character = min(more)
    name = unicodedata.name(character, "a control character").lower()
    return f"adds the invisible character U+{ord(character):04X} ({name})"


def _unseen_counts(text: str) -> Counter[str]:
    return Counter(
        character
        for character in text.translate(_PLAIN)
        if not (character.isascii() and character.isprintable())
        and (character in UNSEEN or unicodedata.category(character) in UNSEEN_CATEGORIES)
    )


def _special(before: str, after: str, allowed: str) -> str:
    for match in SPECIAL.finditer(after):
        written = match.group()
        opening = written.replace("</", "<")
        if not any(form in text for form in (written, opening) for text in (before, allowed)):
            return f"adds {written!a}, which is a mark for models and no code"
    return ""


def _unencodable(after: str, encoding: str) -> str:
    try:
        after.encode(encoding)
    except UnicodeEncodeError as error:
        return f"{after[error.start]!a} cannot be written in the file's encoding, {encoding}"
    return ""


def _line_ends(before: str, after: str) -> str:
    if before and before[-1] in "\r\n" and after and after[-1] not in "\r\n":
        return "the line end at the end of the file is gone"
    old, new = newline_of(before.encode()), newline_of(after.encode("utf-8", "replace"))
    if not re.search(r"[\r\n]", before):
        return "line ends are mixed" if new == "mixed" else ""
    if old == "mixed":
        return _changed_ends(before, after)
    if new != old and re.search(r"[\r\n]", after):
        return f"line ends must all be {_END_NAMES[old]}, as in the file"
    return ""


def _changed_ends(before: str, after: str) -> str:
    """Of a file that has several line ends, those of lines that stay must stay."""
    for hunk_old, hunk_new in _changed_pairs(lines(before), lines(after)):
        bare = {line.rstrip("\r\n"): line for line in hunk_old if line.strip()}
        if any(bare.get(line.rstrip("\r\n"), line) != line for line in hunk_new):
            return "the end of a line is changed that is otherwise as it was"
    return ""


def _changed_pairs(old: Sequence[str], new: Sequence[str]) -> Iterator[tuple[list[str], list[str]]]:
    for hunk in hunks(old, new):
        yield list(old[hunk.start : hunk.end]), list(new[hunk.new_start : hunk.new_end])


def _indentation(before: str, after: str) -> str:
    """Tabs where a file has only spaces, and the other way round."""
    tabs, spaces = _indents(lines(before))
    if bool(tabs) == bool(spaces):
        return ""
    new_tabs, new_spaces = _indents(added_lines(before, after))
    if tabs and new_spaces:
        return f"the file is indented with tabs, and this line with spaces: {new_spaces[:60]}"
    if spaces and new_tabs:
        return f"the file is indented with spaces, and this line with tabs: {new_tabs[:60]}"
    return ""


def _indents(found: Iterator[str] | Sequence[str]) -> tuple[str, str]:
    """A line that begins with a tab and one that begins with two spaces, "" where there is none.

    One space before a star continues a comment, in files of either kind.
    """
    tabs = spaces = ""
    for line in found:
        if line.startswith("\t"):
            tabs = tabs or line.strip()
        elif line.startswith("  ") and line.strip():
            spaces = spaces or line.strip()
    return tabs, spaces
