# SPDX-License-Identifier: Apache-2.0
"""The part of a buffer around the cursor that is worth parsing at every key.

In: the text before and behind the cursor. Out: a `Window`: some thousand characters that begin and
end where a parser can begin and end, with the first and last lines of what they stand inside of;
and trees of windows, within a time limit. It knows no kind of node and no repository.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import TYPE_CHECKING

from indexer import languages

if TYPE_CHECKING:
    import tree_sitter as ts

# Under 1 ms to parse, twice as much with errors in it. As the lines around come along, more text
# would say no more of the cursor.
BEFORE_CHARS = 3000
AFTER_CHARS = 1000
# As far as the first and the last lines of the blocks around are looked for.
AROUND_CHARS = 32_000
PARSE_MAX_S = 0.006  # of processor time: six times what code takes; only garbage is slower
_CLOSING = re.compile(r"[)\]}]|end\b|fi\b|done\b|esac\b")
# What continues a statement whose beginning is cut off stands for a statement of its own.
_CONTINUES = re.compile(r"(?:\}\s*)?(?:else|elif|except|finally|catch)\b.*(:|\{)\s*", re.DOTALL)
_TOP = re.compile(r"^(?![)\]}]|else\b|elif\b|except\b|finally\b|end\b)[^\s#*/]", re.MULTILINE)
_INDENTATION = re.compile(r"^([ \t]*)(?=[^\s*])", re.MULTILINE)
_FIRST_LINE = re.compile(r"(?:[ \t]*\r?\n)*([ \t]*)([^\n]*)")
# Where a text begins inside of a comment, the end of one comes before any beginning.
_COMMENT_END = re.compile(r"\*/[ \t]*\r?$", re.MULTILINE)
_TRIPLE = frozenset(
    ("python", "starlark", "kotlin", "scala", "swift", "java", "julia", "elixir", "dart")
)
_QUOTES = ('"""', "'''")
_STEPS = (2, 3, 4, 8)
_TABS = frozenset(("go", "make"))
_TWO = frozenset(
    (
        *("javascript", "typescript", "tsx", "json", "yaml", "html", "css", "scss", "ruby", "lua"),
        *("dart", "elixir", "vue", "svelte", "scala", "bash", "haskell", "ocaml", "xml"),
    )
)


@dataclass(frozen=True, slots=True)
class Window:
    """Text on both sides of the cursor."""

    before: str
    after: str

    @property
    def data(self) -> bytes:
        """All of it as UTF-8. A lone surrogate, which no file holds, is a question mark."""
        return (self.before + self.after).encode("utf-8", "replace")

    @property
    def at(self) -> int:
        """The cursor's offset in `data`, in bytes."""
        return len(self.before.encode("utf-8", "replace"))


def cut(
    language: str,
    before: str,
    after: str,
    before_chars: int = BEFORE_CHARS,
    after_chars: int = AFTER_CHARS,
) -> Window:
    """The lines nearest to the cursor."""
    quotes = _QUOTES if language in _TRIPLE else ()
    return Window(_cut_before(before, before_chars, quotes), _cut_after(after, after_chars))


def _cut_before(before: str, chars: int, quotes: tuple[str, ...]) -> str:
    if len(before) <= chars:
        return before
    start = before.find("\n", len(before) - chars) + 1
    if not start:
        return before[-chars:]  # a line without an end
    quoted = _quoted_from(before, start, quotes)
    if quoted:
        return quoted + before[start:]
    top = _TOP.search(before, start, start + chars // 2)
    if top:
        return before[top.start() :]
    first = _FIRST_LINE.match(before, start)
    assert first is not None  # it matches anything
    # A line that ends a block stands as deep as the line that began it.
    indent = len(first[1]) + bool(_CLOSING.match(first[2]))
    above = before.find("\n", start - AROUND_CHARS) + 1 if start > AROUND_CHARS else 0
    return "".join(_heads(before[above:start], indent)) + before[start:]


def _quoted_from(text: str, start: int, quotes: tuple[str, ...]) -> str:
    """How the comment or the string of several lines begins that `start` is inside of."""
    for quote in quotes:
        if text.count(quote, 0, start) % 2:
            return quote + "\n"
    end = _COMMENT_END.search(text, start)
    return "/*\n" if end and text.find("/*", start, end.start()) < 0 else ""


def _heads(above: str, indent: int) -> list[str]:
    """First lines of the blocks around a line of this indentation, the outermost first."""
    lines = above.splitlines(keepends=True)
    heads: list[str] = []
    at = len(lines) - 1
    while at >= 0 and indent > 0:
        if lines[at].strip() and _indent(lines[at]) < indent:
            indent = _indent(lines[at])
            first = _first_of(lines, at, indent)
            heads.append("".join(map(_whole, lines[first : at + 1])))
            at = first
        at -= 1
    return heads[::-1]


def _first_of(lines: list[str], at: int, indent: int) -> int:
    """Where the statement begins that this line ends: `) -> int:` is the end of a `def`."""
    if not lines[at].lstrip().startswith((")", "]")):
        return at
    for first in range(at - 1, -1, -1):
        if lines[first].strip() and _indent(lines[first]) <= indent:
            return first
    return at


def _whole(line: str) -> str:
    text = line.lstrip()
    match = _CONTINUES.fullmatch(text)
    if match is None:
        return line
    opening = "{\n" if match[1] == "{" else "if 1:\n"
    return line[: len(line) - len(text)] + opening


def _cut_after(after: str, chars: int) -> str:
    if len(after) <= chars:
        return after
    end = after.rfind("\n", 0, chars) + 1
    if not end:
        return after[:chars]
    tops = [match.start() for match in _TOP.finditer(after, chars // 2, end)]
    top = next((start for start in tops if after[start - 1] == "\n"), 0)
    if top:
        return after[:top]
    kept = after[:end]
    if kept.rfind("/*") > kept.rfind("*/"):
        return kept + "*/\n"
    last = kept.rstrip().rpartition("\n")[2]
    indent = _indent(last) + last.endswith(("(", "[", "{", ":"))
    return kept + "".join(_tails(after[end : end + AROUND_CHARS], indent))


def _tails(below: str, indent: int) -> list[str]:
    """Lines that close the blocks around."""
    tails = []
    for line in below.splitlines(keepends=True):
        if line.strip() and _indent(line) < indent:
            indent = _indent(line)
            if _CLOSING.match(line.lstrip()):
                tails.append(line)
            if not indent:
                break
    return tails


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" \t"))


def unit(window: Window, language: str) -> str:
    """One level of indentation as the text around has it; else as the language mostly has it."""
    steps: Counter[str] = Counter()
    width = 0
    for match in _INDENTATION.finditer(window.before + window.after):
        space = match[1]
        step = len(space) - width
        if space.startswith("\t"):
            steps["\t"] += step > 0
        elif step in _STEPS:
            steps[" " * step] += 1
        width = len(space)
    found = max(steps, key=steps.__getitem__, default="")
    if found and steps[found]:
        return found
    return "\t" if language in _TABS else " " * (2 if language in _TWO else 4)


@cache
def native(language: str) -> ts.Language | None:
    """A grammar alone, None where none is shipped. Its query is not needed here, and is dear."""
    row = languages.language(language)
    if row is None or row.tier == "D":
        return None
    from tree_sitter_language_pack import get_language  # noqa: PLC0415  20 ms, not at start

    try:
        return get_language(language)  # type: ignore[arg-type]
    except LookupError:
        return None


@lru_cache(maxsize=4)  # the same buffer is asked for its site, then for its errors
def tree_of(language: str, data: bytes) -> tuple[ts.Tree, int] | None:
    """A tree and its errors. None: no grammar, or too slow to parse."""
    return parse(language, data, time.thread_time() + PARSE_MAX_S)


def parse(
    language: str, data: bytes, deadline: float, old: ts.Tree | None = None
) -> tuple[ts.Tree, int] | None:
    """The same with an older tree to start from, till `deadline`.

    That is of time.thread_time: a busy machine is no reason to give up.
    """
    grammar = native(language)
    if grammar is None:
        return None
    import tree_sitter as ts  # noqa: PLC0415  as above

    from indexer.parse import count_errors  # noqa: PLC0415  with it

    def rest(offset: int, _: ts.Point) -> bytes:
        return data[offset:]

    def late(_offset: int, _has_error: bool) -> bool:
        return time.thread_time() > deadline

    parser = ts.Parser(grammar)
    try:
        if old is None:
            tree = parser.parse(rest, progress_callback=late)
        else:
            tree = parser.parse(rest, old, progress_callback=late)
    except ValueError:  # how the binding says that `late` has stopped it
        return None
    return tree, count_errors(tree.root_node)
