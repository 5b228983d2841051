# SPDX-License-Identifier: Apache-2.0
"""The same change at like places of a text.

In: lines before and after an edit, as bytes. Out: the pieces that were replaced, token by token;
what two edits have in common, or one edit on a line of a block of like lines; the other places to
which that applies. A place that was changed already is none. It knows no language and no file.
"""

from __future__ import annotations

import re
from collections import Counter
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, NamedTuple

from indexer.masks import KEYWORDS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_TOKEN = re.compile(rb"[ \t]+|[\r\n]+|[\w$\x80-\xff]+|.", re.DOTALL)
_WORD = re.compile(rb"[\w$\x80-\xff]+")
_HOLE = rb"([\w$\x80-\xff]+)"
TOKENS_MAX = 600  # of one edit; the comparison takes their square at worst
WORD_MIN = 3  # letters: shorter words stand everywhere
FIXED_MIN = 3  # tokens that two lines must share, one of them such a word
BLOCK_MIN = 3  # lines
LINE_MAX_BYTES = 1000  # a longer one was not written by hand


class Piece(NamedTuple):
    """Tokens that were replaced: `old` by `new`, which begins at `at` of the lines after."""

    old: bytes
    new: bytes
    at: int
    left: bytes  # the tokens beside it
    right: bytes
    old_at: int  # of the lines before


class Rule(NamedTuple):
    """Lines (without indentation) that match `pattern` are to read like `template`."""

    pattern: re.Pattern[bytes]
    template: tuple[bytes | int, ...]  # texts and numbers of groups
    anchor: bytes  # the longest text that every such line has

    def apply(self, line: bytes) -> bytes | None:
        """The line as it should be; None where the rule does not apply."""
        match = self.pattern.fullmatch(line)
        if match is None:
            return None
        new = b"".join(match[part] if isinstance(part, int) else part for part in self.template)
        return new if new != line and not self.pattern.fullmatch(new) else None

    def made(self, line: bytes) -> bool:
        """Whether the line may be what the rule makes of another."""
        parts = [_HOLE if isinstance(part, int) else re.escape(part) for part in self.template]
        return re.fullmatch(b"".join(parts), line) is not None


def tokens(text: bytes) -> list[bytes]:
    """Words, white space, and any other character by itself."""
    return _TOKEN.findall(text)


def pieces(old: bytes, new: bytes) -> list[Piece]:
    """What was replaced between two texts, in order; [] where that is too much to compare."""
    before, after = tokens(old), tokens(new)
    if len(before) > TOKENS_MAX or len(after) > TOKENS_MAX:
        return []
    old_starts, new_starts = _starts(before), _starts(after)
    return [
        Piece(
            b"".join(before[a:b]),
            b"".join(after[c:d]),
            new_starts[c],
            after[c - 1] if c else b"",
            after[d] if d < len(after) else b"",
            old_starts[a],
        )
        for kind, a, b, c, d in SequenceMatcher(None, before, after, autojunk=False).get_opcodes()
        if kind != "equal"
    ]


def _starts(row: Sequence[bytes]) -> list[int]:
    starts = [0]
    for token in row:
        starts.append(starts[-1] + len(token))
    return starts


def common_piece(first: Sequence[Piece], second: Sequence[Piece]) -> Piece | None:
    """The replacement that two edits share, with the tokens beside it where they share these.

    None where its old text is too common to be looked for.
    """
    for a in first:
        for b in second:
            if (a.old, a.new) == (b.old, b.new) and _is_telling(a.old):
                left = a.left if a.left == b.left and not a.left.isspace() else b""
                right = a.right if a.right == b.right and not a.right.isspace() else b""
                return a._replace(left=left, right=right)
    return None


def _is_telling(text: bytes) -> bool:
    return any(
        len(word) >= WORD_MIN and word not in KEYWORDS and not word.isdigit()
        for word in _WORD.findall(text)
    )


def places_of(piece: Piece, data: bytes) -> Iterator[int]:
    """Where the old text of a replacement still stands, by whole tokens."""
    text = piece.left + piece.old + piece.right
    done = [m.span() for m in re.finditer(re.escape(piece.new), data)] if piece.new else []
    at = data.find(text)
    while at >= 0:
        start, end = at + len(piece.left), at + len(piece.left) + len(piece.old)
        joined = _cuts(data, at) or _cuts(data, at + len(text))
        changed = piece.old in piece.new and any(a <= start and end <= b for a, b in done)
        if not joined and not changed:
            yield start
        at = data.find(text, end)


def _cuts(data: bytes, at: int) -> bool:
    """Whether a word goes on across this place."""
    return 0 < at < len(data) and _WORD.fullmatch(data[at - 1 : at + 1]) is not None


def common_rule(old1: bytes, new1: bytes, old2: bytes, new2: bytes) -> Rule | None:
    """What was done to two lines alike; None where they have too little in common."""
    rows = [tokens(line.strip()) for line in (old1, old2, new1, new2)]
    if len(rows[0]) != len(rows[1]) or len(rows[2]) != len(rows[3]):
        return None
    groups: dict[tuple[bytes, bytes], int] = {}
    pattern: list[bytes] = []
    fixed: list[bytes] = []
    for pair in zip(rows[0], rows[1], strict=True):
        if pair[0] == pair[1]:
            pattern.append(re.escape(pair[0]))
            fixed.append(pair[0])
        elif not all(map(_WORD.fullmatch, pair)):
            return None
        else:
            pattern.append(rb"\%d" % groups[pair] if pair in groups else _HOLE)
            groups.setdefault(pair, len(groups) + 1)
    template: list[bytes | int] = []
    for pair in zip(rows[2], rows[3], strict=True):
        if pair[0] != pair[1] and pair not in groups:
            return None
        template.append(groups.get(pair, pair[0]))
    enough = sum(not token.isspace() for token in fixed) >= FIXED_MIN
    return _rule(pattern, template, fixed) if enough and any(map(_is_telling, fixed)) else None


def block_rule(old: bytes, new: bytes) -> Rule | None:
    """What was done to a line such as `a.x = b.x`, for lines with another word in place of x."""
    before, after = tokens(old.strip()), tokens(new.strip())
    often = Counter(token for token in before if _is_telling(token) or _is_name(token))
    held = [word for word, count in often.items() if count > 1]
    if not held or any(after.count(word) != often[word] for word in held):
        return None
    groups = {word: number for number, word in enumerate(held, 1)}
    pattern, seen = [], set()
    for token in before:
        again = token in seen
        seen.add(token)
        if token not in groups:
            pattern.append(re.escape(token))
        else:
            pattern.append(rb"\%d" % groups[token] if again else _HOLE)
    fixed = [token for token in before if token not in groups]
    return _rule(pattern, [groups.get(token, token) for token in after], fixed)


def _is_name(token: bytes) -> bool:
    return _WORD.fullmatch(token) is not None and not token.isdigit() and token not in KEYWORDS


def _rule(pattern: list[bytes], template: Sequence[bytes | int], fixed: list[bytes]) -> Rule | None:
    anchor = max(fixed, key=len, default=b"")
    # A group and a digit behind it would be read as one number: two words never touch.
    return Rule(re.compile(b"".join(pattern)), tuple(template), anchor) if anchor else None


def lines_of(rule: Rule, data: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Where lines begin, behind their indentation, to which a rule applies; old and new text."""
    at = data.find(rule.anchor)
    while at >= 0:
        start, end = data.rfind(b"\n", 0, at) + 1, data.find(b"\n", at)
        end = len(data) if end < 0 else end
        if end - start <= LINE_MAX_BYTES:
            line = data[start:end]
            new = rule.apply(line.strip())
            if new is not None:
                yield start + len(line) - len(line.lstrip()), line.strip(), new
        at = data.find(rule.anchor, end)


def block_around(rule: Rule, lines: Sequence[bytes], at: int) -> list[int]:
    """Numbers of the lines around an edited one to which its rule applies, without a gap.

    [] where the block is too short to be one.
    """
    inside: list[int] = []
    found: list[int] = []
    for step in (-1, 1):
        number = at + step
        while 0 <= number < len(lines):
            line = lines[number].strip()
            if rule.apply(line) is not None:
                found.append(number)
            elif not rule.made(line):
                break
            inside.append(number)
            number += step
    return sorted(found) if len(inside) + 1 >= BLOCK_MIN else []
