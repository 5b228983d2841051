# SPDX-License-Identifier: Apache-2.0
"""An expression's text as steps: `self.store.get(id)[0].name` names, calls and takes items.

In: bytes of a file and an offset at which an expression starts, or ends. Out: its steps, where the
expression is a chain of names, calls and subscripts; None where it is anything else.
It reads tokens, not grammar: any language that chains with dots, arrows or colons will do.
"""

from __future__ import annotations

import re
from typing import NamedTuple

# A chain is short; what is longer is data.
CHAIN_MAX_BYTES = 4096
_SPACE = re.compile(rb"(?:[ \t\r\n]|\\\n|#[^\n]*\n|//[^\n]*\n)*")
_PREFIX = re.compile(rb"(?:(?:await|new|yield from|try|return|mut|move|&|\*)\s*)*")
_NAME = re.compile(rb"[@$]{0,2}[A-Za-z_\x80-\xff$][\w\x80-\xff$]*")
_JOINT = re.compile(rb"\s*(?:\?\.|!\.|&\.|\?->|->|::|\.|:(?=[A-Za-z_]+\())\s*")
_GENERIC = re.compile(rb"::<[^<>()]*>|<[\w, .\[\]]*>(?=\()")
_END = re.compile(
    rb"[ \t]*(?:\?|!)?[ \t]*(?:[\r\n;,)}\]#]|//|$|as\b|or\b|\|\||\?\?|if\b|else\b|\{)"
)
# What stands between values of which the expression is one or the other.
_OR = re.compile(rb"\s*(?:or\b|\|\||\?\?|if\b[^\n]{0,200}?\belse\b)\s*")
ALTERNATIVES_MAX = 4
_PAIRS = {b"(": b")", b"[": b"]", b"{": b"}"}
_CLOSERS = {v: k for k, v in _PAIRS.items()}
_QUOTES = b"\"'`"
_KEYWORDS = frozenset(
    (
        *(
            b"not",
            b"lambda",
            b"if",
            b"for",
            b"in",
            b"is",
            b"and",
            b"or",
            b"function",
            b"async",
            b"func",
        ),
        *(b"fn", b"match", b"switch", b"case", b"typeof", b"else", b"class", b"struct", b"None"),
        *(b"True", b"False", b"null", b"nil", b"undefined", b"true", b"false"),
    )
)


class Step(NamedTuple):
    """`kind`: name, call (of what stands before) or item (a subscript)."""

    kind: str
    name: str
    at: int  # where it starts


def forward(data: bytes, start: int, end: int | None = None) -> tuple[Step, ...] | None:
    """The chain that starts at `start` and, if `end` is given, ends there. None: no chain."""
    at = _skip(_SPACE, data, start)
    at = _skip(_PREFIX, data, at)
    limit = min(len(data), start + CHAIN_MAX_BYTES) if end is None else end
    steps: list[Step] = []
    while True:
        match = _NAME.match(data, at, limit)
        if match is None or match[0] in _KEYWORDS:
            return None
        steps.append(Step("name", match[0].decode("utf-8", "replace"), at))
        at = _after_name(data, match.end(), limit, steps)
        if at < 0:
            return None
        joint = _JOINT.match(data, at, limit)
        if joint is None:
            break
        at = joint.end()
    if end is None:
        return tuple(steps) if _END.match(data, at) else None
    return tuple(steps) if not data[at:end].strip() else None


def alternatives(data: bytes, start: int) -> list[tuple[Step, ...]]:
    """The chains that a value may be: of `a or B()` both, of `A() if x else b` too."""
    found: list[tuple[Step, ...]] = []
    while len(found) < ALTERNATIVES_MAX:
        steps = forward(data, start)
        if steps is None:
            break
        found.append(steps)
        joined = _OR.match(data, _end_of(data, steps))
        if joined is None:
            break
        start = joined.end()
    return found


def _end_of(data: bytes, steps: tuple[Step, ...]) -> int:
    kind, name, at = steps[-1]
    if kind == "name":
        return at + len(name.encode())
    return close(data, at, min(len(data), at + CHAIN_MAX_BYTES)) + 1


def _skip(pattern: re.Pattern[bytes], data: bytes, at: int) -> int:
    match = pattern.match(data, at)
    return match.end() if match else at


def _after_name(data: bytes, at: int, limit: int, steps: list[Step]) -> int:
    """Past calls and subscripts; -1 where a bracket stays open."""
    while True:
        at = _skip(_GENERIC, data, at)
        opened = data[at : at + 1]
        if opened not in (b"(", b"[") or at >= limit:
            return at
        closed = close(data, at, limit)
        if closed < 0:
            return -1
        steps.append(Step("call" if opened == b"(" else "item", "", at))
        at = closed + 1


def close(data: bytes, at: int, limit: int) -> int:
    """Offset of the bracket that closes the one at `at`, -1 where there is none before `limit`."""
    depth = 0
    while at < limit:
        char = data[at : at + 1]
        if char in _QUOTES:
            at = _string_end(data, at, limit)
        elif char in _PAIRS:
            depth += 1
        elif char in _CLOSERS:
            depth -= 1
            if not depth:
                return at
        at += 1
    return -1


def _string_end(data: bytes, at: int, limit: int) -> int:
    """The last byte of a string that starts at `at`; an apostrophe in prose ends with its line."""
    quote = data[at : at + 1]
    triple = quote * 3
    if data.startswith(triple, at):
        found = data.find(triple, at + 3, limit)
        return limit if found < 0 else found + 2
    end = at + 1
    while end < limit and data[end : end + 1] not in (quote, b"\n"):
        end += 2 if data[end : end + 1] == b"\\" else 1
    return end


def before(data: bytes, dot: int) -> tuple[Step, ...] | str:
    """The expression that ends where a joint at `dot` starts; its class where it is a literal.

    Returns "str" after a string, "" where it is no chain.
    """
    lowest = max(0, dot - CHAIN_MAX_BYTES)
    end = len(data[lowest:dot].rstrip()) + lowest
    if end and data[end - 1 : end] in (b'"', b"'", b"`"):
        return "str"
    start = _chain_start(data, end, lowest)
    return (forward(data, start, end) or "") if start < end else ""


def _chain_start(data: bytes, end: int, lowest: int) -> int:
    """Walk back over brackets, names and joints."""
    at = end
    while at > lowest:
        char = data[at - 1 : at]
        if char in (b")", b"]"):
            opened = _open(data, at - 1, lowest)
            if opened < 0:
                return end
            at = opened
            if not re.match(rb"[\w\x80-\xff?!)\]>]", data[at - 1 : at]):
                return at  # a bracket of its own: `(a + b).c`
        elif match := re.search(rb"[@$]{0,2}[\w\x80-\xff]+$", data[lowest:at]):
            at = lowest + match.start()
            joint = re.search(rb"\s*(?:\?\.|!\.|&\.|->|::|\.)\s*$", data[lowest:at])
            if joint is None:
                return at
            at = lowest + joint.start()
        else:
            return at
    return at


def _open(data: bytes, at: int, lowest: int) -> int:
    """Offset of the bracket that the one at `at` closes; strings on the way are passed over."""
    depth = 0
    while at >= lowest:
        char = data[at : at + 1]
        if char in _CLOSERS:
            depth += 1
        elif char in _PAIRS:
            depth -= 1
            if not depth:
                return at
        elif char in (b'"', b"'"):
            found = data.rfind(char, lowest, at)
            at = found if found >= 0 and b"\n" not in data[found:at] else at
        at -= 1
    return -1
