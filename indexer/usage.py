# SPDX-License-Identifier: Apache-2.0
"""How names are used: calls, attributes, types, and what assignments say about types.

In: a file's code (strings, comments and imports blanked out) as text of one character a byte.
Out: reference columns and typed names. References are read from the text and not from the tree:
a node costs half a microsecond, and a chain such as `self.store.get(` is plain to see. What only
a tree can tell, a type or a call without parentheses, comes in as `uses`.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass, field
from functools import cache
from itertools import compress, count, repeat
from typing import TYPE_CHECKING

from indexer.types import KIND_MARKS, pack_column

if TYPE_CHECKING:
    from indexer.languages import Language
    from indexer.outline import Span

Columns = tuple[tuple[str, ...], bytes, bytes, bytes]  # as in types.References
TypedRow = tuple[str, str, str, int, int]  # as types.TypedName

_WORDS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789"
_FIRST_NON_ASCII = 0x80
# Bytes inside of UTF-8 characters that are white space as characters: kept out of split()'s sight.
_SPACES_INSIDE = {0x85: "\u0185", 0xA0: "\u01a0"}
_BACK = {0x185: 0x85, 0x1A0: 0xA0}
# How far before a call its "=" may stand: `x = await new Foo(`.
_ASSIGN_MAX_BYTES = 14
_COPIED = re.compile(r"[ \t]*=[ \t]*([\w.]+)[ \t]*[;\r\n]")
_DECLARED = re.compile(r":[ \t]*([^=\n]+?)[ \t]*=[^=]")
_LOCAL = re.compile(r"^[ \t]+([\w]+):[ \t]+([\w.][^=\n:]*?)[ \t]*(?:=[^=]|$)", re.MULTILINE)
_NO_LETTER = frozenset(c for c in map(chr, range(256)) if c.isdigit() or c in ".(")
_OWN = ("self.", "this.", "$this.", "@")


@dataclass(frozen=True, slots=True)
class Code:
    """What the outline knows of a file, for reading the text between."""

    text: str  # latin-1: one character a byte, so that its offsets are offsets of bytes
    names: frozenset[str]  # imported or defined here: a bare use of one is a reference
    definitions: frozenset[int]  # offsets of the names that define
    definition_ends: frozenset[int]
    uses: list[tuple[Span, str]]
    annotated: bool  # the file declares types, so its locals may do so too


@dataclass(slots=True)
class Usage:
    """Parallel lists: where a chain begins, and the chain with a mark for its kind."""

    starts: list[int] = field(default_factory=list)
    chains: list[str] = field(default_factory=list)
    typed: list[tuple[str, str, str, int]] = field(default_factory=list)


@cache
def letters(language: Language) -> dict[int, str]:
    """A table for str.translate: what may stand in a chain stays, and "(", all else is a space."""
    stays = _WORDS + ".(" + language.letters
    return _SPACES_INSIDE | {c: " " for c in range(_FIRST_NON_ASCII) if chr(c) not in stays}


def as_written(name: str) -> str:
    """A name as it stands in text of one character a byte, once `letters` has been applied."""
    return name if name.isascii() else name.encode().decode("latin-1").translate(_SPACES_INSIDE)


def read_usage(language: Language, code: Code, lines: list[int]) -> tuple[Columns, list[TypedRow]]:
    """All references of a file in columns, and the names whose assignment tells their type."""
    text = code.text
    for mark, replacement in language.joints:
        text = text.replace(mark, replacement)
    text = text.translate(letters(language))
    usage = Usage()
    _scan(usage, code, text, language.capitals)
    if code.uses or not language.quick:
        _merge(usage, code, text)
    if code.annotated:
        usage.typed += [(m[1], m[2], "declared", m.start(1)) for m in _LOCAL.finditer(code.text)]
    no_types = frozenset(language.keywords)
    typed = [
        (*_both(name, type_), how, start, bisect_right(lines, start))
        for name, type_, how, start in usage.typed
        if type_ not in no_types
    ]
    return _columns(usage, language, lines), typed


def _scan(usage: Usage, code: Code, text: str, capitals: bool) -> None:
    """Walk from "(" to "(": the word before one is called, the words between are used."""
    add_start, add_chain = usage.starts.append, usage.chains.append
    names, definitions, raw, find = code.names, code.definitions, code.text, text.find
    at = 0
    for piece in text.split("("):
        end = at + len(piece)
        words = piece.split()
        called = words.pop() if words and piece[-1] != " " else ""
        for word in words:
            if "." in word or word in names or (capitals and "A" <= word[0] <= "Z"):
                place = _whole(text, word, find(word, at, end), end)
                if place < 0:
                    continue
                at = place
                if at not in definitions:
                    add_start(at)
                    add_chain(word)
                    if word.startswith(_OWN):
                        _own(usage, raw, at, word)
                at += len(word)
        if called:
            start = end - len(called)
            if start not in definitions:
                add_start(start)
                add_chain(called + "(")
                before = raw[max(start - _ASSIGN_MAX_BYTES, 0) : start]
                # Most are keyword arguments: no need to look at the line.
                if "=" in before and (before[-1] != "=" or before[-2:-1] not in _NO_ASSIGNMENT):
                    _assigned(usage, raw, start, called)
        at = end + 1


def _whole(text: str, word: str, at: int, end: int) -> int:
    """The first place from `at` where `word` is not part of a longer one, -1: nowhere."""
    size = len(word)
    while at > 0 and (text[at - 1] not in " (" or (at + size < end and text[at + size] != " ")):
        at = text.find(word, at + 1, end)
    return at


def _own(usage: Usage, raw: str, at: int, word: str) -> None:
    """`self.x = y` and `self.x: T = y` tell what a field is."""
    end = at + len(word)
    if match := _COPIED.match(raw, end):
        usage.typed.append((_joined(word), match[1], "alias", at))
    elif match := _DECLARED.match(raw, end):
        usage.typed.append((_joined(word), match[1], "declared", at))


def _joined(chain: str) -> str:
    """A chain with single dots: other separators were made into several."""
    return chain.replace("...", ".").replace("..", ".") if ".." in chain else chain


def _assigned(usage: Usage, raw: str, start: int, called: str) -> None:
    """`x = Foo(` tells what x is; `f(x=Foo(` and `x == Foo(` do not."""
    line = raw[raw.rfind("\n", 0, start) + 1 : start]
    left, equals, right = line.rpartition("=")
    if not equals or left[-1:] in _NO_ASSIGNMENT or right.strip() not in _BEFORE_CALL:
        return
    if "(" in left or ("," in left and "<" not in left):
        return
    words = left.rstrip(" :").split(":")[0].split()
    if words:
        name = words[-1].lstrip("*&")
        at = start - len(line) + line.rfind(name, 0, len(left))
        usage.typed.append((_joined(name.replace("->", ".")), _joined(called), "call", at))


# Before "=": no space is a keyword argument, the others are comparisons or `+=`.
_NO_ASSIGNMENT = frozenset(("", *"=!<>+-*/|&^%~")) | frozenset(_WORDS)
_BEFORE_CALL = frozenset(("", "new", "await", "await new", "try", "try await", "yield from"))


def _merge(usage: Usage, code: Code, text: str) -> None:
    """Let the tree's word count where it knows more, and add what the text did not show."""
    found: dict[int, tuple[int, str]] = {}  # by the end of the name
    for start, chain in zip(usage.starts, usage.chains, strict=True):
        found[start + len(chain.rstrip("("))] = (start, chain)
    for (start, end), kind in code.uses:
        if start == end or text[start] == " ":
            continue  # missing, or inside a string or an import
        mark = KIND_MARKS[kind]
        known = found.get(end)
        if known is None:
            chain_start = start
            if text[start - 1 : start] == ".":
                chain_start = max(text.rfind(" ", 0, start), text.rfind("(", 0, start)) + 1
            found[end] = (chain_start, text[chain_start:end] + mark)
        elif known[1][-1] != "(":  # what is called is called, even where it is a type
            found[end] = (known[0], known[1].rstrip(":") + mark)
    for end in code.definition_ends:
        found.pop(end, None)
    pairs = sorted(found.values())
    usage.starts = [start for start, _ in pairs]
    usage.chains = [chain for _, chain in pairs]


def _columns(usage: Usage, language: Language, lines: list[int]) -> Columns:
    """Drop keywords and numbers, number the distinct chains, pack the columns."""
    starts, chains = usage.starts, usage.chains
    if language.joints:
        chains = list(map(_joined, chains))
    distinct = dict.fromkeys(chains)
    no_use = {c for c in distinct if c[0] in _NO_LETTER and (c[0] not in ".(" or not c.strip(".("))}
    no_use.update([call for word in language.keywords if (call := word + "(") in distinct])
    if no_use:
        kept = [chain not in no_use for chain in chains]
        starts, chains = list(compress(starts, kept)), list(compress(chains, kept))
        for chain in no_use:
            del distinct[chain]
    place = dict(zip(distinct, count(), strict=False))
    targets = tuple(distinct) if "".join(distinct).isascii() else _utf8(tuple(distinct))
    numbers = list(map(place.__getitem__, chains))
    rows = list(map(bisect_right, repeat(lines), starts))
    return targets, pack_column(numbers), pack_column(starts), pack_column(rows)


def _both(name: str, type_: str) -> tuple[str, str]:
    name, type_ = _utf8((name, type_))
    return name, type_


def _utf8(texts: tuple[str, ...]) -> tuple[str, ...]:
    """What was read as one character a byte, as the characters that it is."""
    return tuple(
        [
            text
            if text.isascii()
            else text.translate(_BACK).encode("latin-1").decode("utf-8", "replace")
            for text in texts
        ]
    )
