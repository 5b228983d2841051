# SPDX-License-Identifier: Apache-2.0
"""Code that nobody could parse yet: what quotes, brackets and words at the ends of lines say.

In: a piece of text as somebody types it, and the name of its language. Out: the text without
strings and comments, whether its end is inside of one, whether a block begins there, and how many
brackets and quotes have no partner. It is for half-written lines and for languages without a
grammar; it knows no tree and no file. Every rule looks at each character once.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Literal, NamedTuple

from indexer.languages import TEXT

if TYPE_CHECKING:
    from collections.abc import Iterator

Inside = Literal["", "string", "comment"]

_HASH = frozenset(
    (
        *(
            "python",
            "ruby",
            "bash",
            "elixir",
            "julia",
            "perl",
            "r",
            "yaml",
            "toml",
            "make",
            "cmake",
        ),
        *("dockerfile", "nim", "tcl", "fish", "gdscript", "nix", "powershell", "starlark", "gn"),
        *("graphql", "ninja", "properties", "hcl", "terraform", "bitbake", "puppet"),
    )
)
_DASHES = frozenset(("sql", "lua", "luau", "haskell", "elm", "ada", "vhdl", "purescript"))
_SEMICOLON = frozenset(
    ("scheme", "racket", "commonlisp", "clojure", "elisp", "fennel", "janet", "asm", "ini", "llvm")
)
_PERCENT = frozenset(("erlang", "latex", "matlab", "bibtex"))
# One character stands between single quotes there, or a name behind one: they open no text.
_CHARACTER = frozenset(
    (
        *("rust", "c", "cpp", "java", "go", "csharp", "kotlin", "scala", "swift", "haskell", "zig"),
        *("ocaml", "ocaml_interface", "fsharp", "erlang", "ada", "vhdl", "cuda", "arduino", "d"),
        *("objc", "glsl", "hlsl", "elm", "nim", "odin", "clojure", "commonlisp", "scheme"),
        *("racket", "elisp", "fennel", "julia", "solidity", "verilog", "latex"),
    )
)
_BACKTICKS = frozenset(("javascript", "typescript", "tsx", "go", "svelte", "vue", "astro"))
# A block begins behind a colon there, and a brace begins none.
COLONS = frozenset(("python", "starlark", "gdscript", "nim"))
# Blocks there end with a word.
_WORDS = frozenset(
    ("ruby", "lua", "luau", "elixir", "julia", "bash", "fish", "ada", "vhdl", "pascal")
)
_HEADS = frozenset(("ruby", "lua", "luau", "julia", "fish"))  # and begin with one

_HEADER = re.compile(
    r"\s*(?:async\s+)?"
    r"(?:def|class|if|elif|else|for|while|try|except|finally|with|match|case|func|proc)\b"
)
_LABEL = re.compile(r"\s*(?:case\b.*|default|public|private|protected|slots|signals)\s*:")
_OPENING_END = re.compile(
    r"\b(?:do|then|begin|else|repeat|loop|is|ensure|try)\b(?:\s*\|[^|\n]*\|)?$"
    r"|\bfunction\b[^()\n]*\([^()\n]*\)$"
)
_OPENING_HEAD = re.compile(
    r"\s*(?:(?:local|private|protected|public)\s+)*"
    r"(?:def|class|module|function|struct|if|elsif|elseif|unless|while|until|for|case|when|rescue)"
    r"\b(?!.*\bend$)"
)
_PARAMETERS = re.compile(r"\{\s*(?:\|[^|\n]*\||[\w, ()]*(?:->|\bin))$")  # of a block: `{ |x|`
_BRACKET = re.compile(r"[()\[\]{}]")
_PAIRS = {")": "(", "]": "[", "}": "{"}
CLOSERS = {"(": ")", "[": "]", "{": "}"}
HEADER_MAX_LINES = 40  # of parameters, before a colon


class Code(NamedTuple):
    """Text in which a string is one quote and a comment is nothing; line breaks stay."""

    text: str
    inside: Inside  # what the end of the text is inside of
    torn: int  # strings that their line, or the text, ends before their quote does


def read(text: str, language: str) -> Code:
    """Take strings and comments out."""
    pieces: list[str] = []
    done, torn = 0, 0
    inside: Inside = ""
    for match in _pattern(language).finditer(text):
        what: Inside = "string" if match.lastgroup is None else "comment"
        closed = match.lastgroup != "line" and bool(match[match.lastindex or 0])
        pieces += (text[done : match.start()], '"' if what == "string" else "")
        pieces.append("\n" * match[0].count("\n"))
        done = match.end()
        torn += what == "string" and not closed
        if not closed and done == len(text):
            inside = what
    return Code("".join((*pieces, text[done:])), inside, torn)


@cache
def _pattern(language: str) -> re.Pattern[str]:
    """Strings and comments of a language. The last group of each is how it was closed."""
    return re.compile("|".join(_alternatives(language)), re.DOTALL | re.MULTILINE)


def _alternatives(language: str) -> Iterator[str]:
    yield from _comments(language)
    yield r'"""(?:.*?)("""|\Z)'
    if language not in _CHARACTER:
        yield r"'''(?:.*?)('''|\Z)"
    yield r'"(?:\\.|[^"\\\n]|\\\Z)*("?)'
    if language in _BACKTICKS:
        yield r"`(?:\\.|[^`\\]|\\\Z)*(`?)"
    if language in _CHARACTER:
        yield r"'(?:\\[^'\n]{1,10}|\\'|[^'\\\n])(')"
    else:
        # An apostrophe is no quote; where the language is known, it stands in no code.
        before = r"(?<![\w)\]])" if language == TEXT else ""
        yield before + r"'(?:\\.|[^'\\\n]|\\\Z)*('?)"


def _comments(language: str) -> Iterator[str]:
    if language in _HASH:
        yield r"(?P<line>#)[^\n]*" if language != "bash" else r"(?:^|(?<=\s))(?P<line>#)[^\n]*"
    elif language in _DASHES:
        if language in ("lua", "luau"):
            yield r"--\[\[.*?(?P<block>\]\]|\Z)"
        yield r"(?P<line>--)[^\n]*"
    elif language in _SEMICOLON:
        yield r"(?P<line>;)[^\n]*"
    elif language in _PERCENT:
        yield r"(?<!\\)(?P<line>%)[^\n]*"
    elif language == TEXT:
        yield r"/\*.*?(?P<block>\*/|\Z)"
        yield r"(?:(?<!:)//|(?:^|(?<=\s))#|^[ \t]*(?:--|;))(?P<line>)[^\n]*"
    else:
        yield r"/\*.*?(?P<block>\*/|\Z)"
        yield r"(?P<line>//)[^\n]*"


def begins_block(code: str, language: str) -> bool:
    """Whether a block begins at the end of this code (without strings and comments)."""
    code = code.rstrip()
    last = code[code.rfind("\n") + 1 :]
    if code.endswith("{"):
        return True
    if code.endswith(":"):
        if language in COLONS or language == TEXT:
            return _is_header(code)
        return _LABEL.fullmatch(last) is not None
    if language in _HEADS and _OPENING_HEAD.match(last):
        return True
    if language in _WORDS or language == TEXT:
        return _OPENING_END.search(last) is not None or _PARAMETERS.search(last) is not None
    return _PARAMETERS.search(last) is not None


def _is_header(code: str) -> bool:
    """The end of `def f():` is one; the colon of a slice, of a dictionary, of a type is none."""
    start, depth = len(code), 0
    for _ in range(HEADER_MAX_LINES):
        end, start = start, code.rfind("\n", 0, max(start - 1, 0)) + 1
        for bracket in _BRACKET.findall(code, start, end):
            depth += 1 if bracket in CLOSERS else -1
        if depth >= 0 or not start:
            break
    return depth == 0 and _HEADER.match(code, start) is not None


def open_brackets(code: str) -> tuple[list[int], int]:
    """Offsets of brackets that stay open, the outermost first; how many others close nothing."""
    stack: list[int] = []
    wrong = 0
    for match in _BRACKET.finditer(code):
        if match[0] in CLOSERS:
            stack.append(match.start())
        elif stack and code[stack[-1]] == _PAIRS[match[0]]:
            stack.pop()
        else:
            wrong += 1
    return stack, wrong


def count_torn(text: str, language: str) -> int:
    """How many brackets and quotes have no partner: what errors are where there is no grammar."""
    code = read(text, language)
    stack, wrong = open_brackets(code.text)
    return len(stack) + wrong + code.torn
