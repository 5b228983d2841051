# SPDX-License-Identifier: Apache-2.0
"""A file's code without strings and comments, in any language, from its text alone.

In: a language's name and bytes. Out: bytes of the same length in which strings and comments are
blank; where a word stands in them; which bracket closes which. One regular expression reads about
100 MB a second where a tree costs a hundred times that and holds the interpreter meanwhile; what it
misreads (a quote inside of a regular expression literal) ends with its line.
It knows no definition.
"""

from __future__ import annotations

import keyword
import re
from typing import TYPE_CHECKING

from indexer.lexer import blank_python

if TYPE_CHECKING:
    from collections.abc import Iterator

    from indexer.types import FileRecord

SCRIPTS = frozenset(("javascript", "typescript", "tsx"))
BRACED = SCRIPTS | {"go", "java", "kotlin", "rust", "c", "cpp", "csharp", "swift", "scala", "dart"}
KNOWN = BRACED | {"python"}

_SLASHED = rb"//[^\n]*|/\*.*?(?:\*/|\Z)"
_DOUBLE = rb'"(?:[^"\\\n]|\\.)*"'
_LONG = rb'""".*?(?:"""|\Z)'
_SINGLE = rb"'(?:[^'\\\n]|\\.)*'"
_LETTER = rb"'(?:\\[^\n']*|[^\\\n'])'"  # one character: `'a` alone is a lifetime
_TEMPLATE = rb"`(?:[^`\\]|\\.)*`"
_RAW = rb"`[^`]*`"
_HOLE = re.compile(rb"\$\{([^{}`]*)\}")
_OPENERS = b"([{"
_BRACKET = re.compile(rb"[()\[\]{}]")
_LETTER_OF_WORD = re.compile(rb"[\w$\x80-\xff]")
WORD = re.compile(rb"[A-Za-z_$\x80-\xff][\w$\x80-\xff]*")
KEYWORDS = frozenset(
    b"and as assert async await break case catch class const continue def default defer del do elif"
    b" else enum except export extends False finally fn for from func function global go goto if"
    b" impl implements import in interface is lambda let match mut new nil None nonlocal not null"
    b" or package pass pub raise return self static struct super switch this throw True try type"
    b" typeof use val var void while with yield true false undefined".split()
)

_PYTHON_KEYWORDS = frozenset(word.encode() for word in keyword.kwlist)


def _pattern(*kinds: bytes) -> re.Pattern[bytes]:
    return re.compile(b"|".join(kinds), re.DOTALL)


_BY_LANGUAGE = {
    **dict.fromkeys(SCRIPTS, _pattern(_SLASHED, _DOUBLE, _SINGLE, _TEMPLATE)),
    "go": _pattern(_SLASHED, _DOUBLE, _LETTER, _RAW),
    "dart": _pattern(_SLASHED, _LONG, _DOUBLE, _SINGLE),
}
_OTHERS = _pattern(_SLASHED, _LONG, _DOUBLE, _LETTER)


def code_of(language: str, data: bytes) -> bytes:
    """The code of a file, as long as the file. A language that is not KNOWN has none: all blank."""
    if language == "python":
        return blank_python(data)[0]
    if language not in KNOWN:
        return b" " * len(data)
    return _BY_LANGUAGE.get(language, _OTHERS).sub(_blank, data)


def _blank(match: re.Match[bytes]) -> bytes:
    text = match[0]
    blank = bytearray(re.sub(rb"[^\n]", b" ", text))
    if text[:1] in (b'"', b"'", b"`") and len(text) > 1:
        blank[0] = blank[-1] = text[0]  # something stands here
    if text.startswith(b"`"):
        for hole in _HOLE.finditer(text):
            blank[hole.start(1) : hole.end(1)] = hole[1]
    return bytes(blank)


def words(code: bytes, name: bytes, start: int = 0, end: int | None = None) -> Iterator[int]:
    """Where a word stands as a whole."""
    end = len(code) if end is None else end
    at = code.find(name, start, end)
    while at >= 0:
        if not _joins(code, at - 1) and not _joins(code, at + len(name)):
            yield at
        at = code.find(name, at + len(name), end)


def _joins(code: bytes, at: int) -> bool:
    """Whether the byte there would make a word beside it longer."""
    return 0 <= at < len(code) and _LETTER_OF_WORD.match(code, at) is not None


def is_word(language: str, text: bytes) -> bool:
    """Whether this is a name that a user may give."""
    reserved = _PYTHON_KEYWORDS if language == "python" else KEYWORDS
    return WORD.fullmatch(text) is not None and text not in reserved


def before(code: bytes, at: int) -> int:
    """Offset of the last byte before `at` that is no white space, -1 where there is none."""
    at -= 1
    while at >= 0 and code[at : at + 1].isspace():
        at -= 1
    return at


def behind(code: bytes, at: int) -> int:
    """Offset of the first byte from `at` on that is no white space; the end where there is none."""
    while at < len(code) and code[at : at + 1].isspace():
        at += 1
    return at


def closing(code: bytes, opened: int, end: int | None = None) -> int:
    """Offset of the bracket that closes the one at `opened`, -1 where none does before `end`."""
    depth = 0
    for match in _BRACKET.finditer(code, opened, len(code) if end is None else end):
        depth += 1 if match[0] in _OPENERS else -1
        if depth == 0:
            return match.start()
    return -1


def opening(code: bytes, at: int, start: int = 0) -> int:
    """Offset of the innermost bracket that is open at `at`, -1 where none is since `start`."""
    open_: list[int] = []
    for match in _BRACKET.finditer(code, start, at):
        if match[0] in _OPENERS:
            open_.append(match.start())
        elif open_:
            open_.pop()
    return open_[-1] if open_ else -1


def line_of(data: bytes, at: int) -> tuple[int, int]:
    """Where the line of an offset begins and where its terminator stands."""
    end = data.find(b"\n", at)
    return data.rfind(b"\n", 0, at) + 1, len(data) if end < 0 else end


def innermost(record: FileRecord, kinds: frozenset[str], at: int) -> int:
    """Number of the innermost symbol of these kinds around an offset, -1 where there is none."""
    rows, near = record.symbols, record.enclosing(at)
    while near >= 0 and rows[near].kind not in kinds:
        near = rows[near].parent
    return near
