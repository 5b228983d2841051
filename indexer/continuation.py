# SPDX-License-Identifier: Apache-2.0
"""What comes next on a line, where texts that are at hand make it near certain.

In: the text before the cursor, and texts in which the like may stand already: the rest of the file
and files near it. Out: the next pieces of the line, each with what speaks for it. No model: the
places are looked for where the same tokens stand as before the cursor, the longer the better, and
what follows there is put together token by token while most of the places agree. Indentation does
not count. It knows no file, no index and no language, and is linear in the texts.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import exp, log1p
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

# So many tokens before the cursor a place has to share; each is a scan of all texts.
LEVELS = (0, 1, 2, 3, 4, 7, 12, 24)
ENOUGH_PLACES = 6  # with so many, places that share less are not looked for
PLACES_A_TEXT = 60  # of what is more frequent, so many tell enough; nearest the cursor first
TRIES_A_TEXT = 400  # most of a short key are within longer words: then these are all that is read
CONTEXT_CHARS = 600  # before the cursor, that are compared
WORD_MAX_CHARS = 80
WORD_MIN_CHARS = 2  # of the word at the cursor, where nothing before it is shared
DECAY = 0.45  # weight of a place for each level that it shares less
OWN_TEXTS = 2  # the first of the texts, which are of the file at the cursor
PIECES_MAX = 40

_TOKEN = re.compile(r"\w+|[^\w\s]|\n")
# Bounded: else each of many places within one endless word would be read to its end.
_PIECE = re.compile(r"[ \t]{0,80}(?:\w{1,80}|[^\w\s])")
_WORD = re.compile(r"\w{1,80}")
_WORD_END = re.compile(r"\w+\Z")

# How likely a piece is right: logistic, fitted on 78,000 pieces of eight commits in Python,
# TypeScript, Go and Rust (tests/bench/replay/bench_instant.py says how it does on others).
BIAS = -5.11
OF_SHARED, OF_SHARE, OF_TEXTS = 0.94, 4.85, 0.71
OF_OWN, OF_WORD_END, OF_NEW_WORD, OF_DEPTH = 0.40, 0.99, -0.40, 0.23


@dataclass(frozen=True, slots=True)
class Evidence:
    """What speaks for one piece. `shared`: tokens before the cursor; `share`: 0 to 1."""

    shared: int  # by the best of the places that go on so
    share: float  # of the weight of all places, those that go on so
    places: int  # that go on so
    texts: int  # in which they are
    own: bool  # whether one of them is in the file at the cursor
    ends_word: bool  # it is the rest of the word at the cursor
    new_word: bool
    depth: int  # pieces before this one, which nobody has typed

    @property
    def certainty(self) -> float:
        """The estimated probability, 0 to 1, that just this comes next."""
        sum_ = BIAS + OF_SHARED * log1p(self.shared) + OF_SHARE * self.share
        sum_ += OF_TEXTS * log1p(self.texts) + OF_DEPTH * log1p(self.depth)
        sum_ += OF_OWN * self.own + OF_WORD_END * self.ends_word + OF_NEW_WORD * self.new_word
        return 1 / (1 + exp(-sum_))


class Piece(NamedTuple):
    """A token with the blanks before it."""

    text: str
    evidence: Evidence


class _Place(NamedTuple):
    """Where the end of the text before the cursor stands, too."""

    text: int
    at: int
    shared: int
    weight: float


def flat(lines: Iterable[str]) -> str:
    """Lines without their indentation, each ended by a newline: what is looked into."""
    return "".join([line.strip() + "\n" for line in lines])


def pieces(before: str, texts: Sequence[str]) -> Iterator[Piece]:
    """What may come next on the line, lazily: whoever has doubts at one asks no further.

    `before` ends at the cursor and is flat, as all `texts` are. The first two of them are what
    stands in the same file before (`before` itself) and behind the cursor's line.
    """
    places = _find(before, texts)
    in_word = bool(before) and _is_word(before[-1])
    for depth in range(PIECES_MAX):
        groups: dict[str, list[_Place]] = {}
        for place in places:
            piece = _next(texts[place.text], place.at, in_word=in_word and depth == 0)
            groups.setdefault(piece, []).append(place)
        if not groups:
            return
        weights = {piece: sum([p.weight for p in group]) for piece, group in groups.items()}
        text = max(weights, key=weights.__getitem__)
        if not text:
            return
        group = groups[text]
        share = weights[text] / sum(weights.values())
        yield Piece(text, _evidence(text, group, share, depth, in_word=in_word))
        places = [place._replace(at=place.at + len(text)) for place in group]


def _evidence(
    text: str, group: Sequence[_Place], share: float, depth: int, *, in_word: bool
) -> Evidence:
    ends_word = in_word and depth == 0 and _is_word(text[0])
    return Evidence(
        shared=max([place.shared for place in group]),
        share=share,
        places=len(group),
        texts=len({place.text for place in group}),
        own=any(place.text < OWN_TEXTS for place in group),
        ends_word=ends_word,
        new_word=not ends_word and _is_word(text.lstrip()[0]),
        depth=depth,
    )


def _next(text: str, at: int, *, in_word: bool) -> str:
    """The token at a place of a text with the blanks before it; "" at the end of the line."""
    match = (in_word and _WORD.match(text, at)) or _PIECE.match(text, at)
    return match.group() if match else ""


def _find(before: str, texts: Sequence[str]) -> list[_Place]:
    """Places that share most with the cursor's; those that share less where these are few."""
    keys = _keys(before[-CONTEXT_CHARS:])
    longest = [_longest(text, keys, own=number == 0) for number, text in enumerate(texts)]
    found: dict[tuple[int, int], _Place] = {}
    for rank in range(len(keys) - 1, -1, -1):
        shared, key = keys[rank]
        for number, text in enumerate(texts):
            for end in _ends(text, key, backwards=number == 0) if rank < longest[number] else ():
                place = _Place(number, end, shared, DECAY ** (len(LEVELS) - LEVELS.index(shared)))
                found.setdefault((number, end), place)
        if len(found) >= ENOUGH_PLACES:
            break
    return list(found.values())


def _keys(tail: str) -> list[tuple[int, str]]:
    """The ends of a text with so many whole tokens, and the word at the cursor; shortest first."""
    word = _WORD_END.search(tail[-WORD_MAX_CHARS:])
    word_start = len(tail) - (len(word.group()) if word else 0)
    starts = [match.start() for match in _TOKEN.finditer(tail, 0, word_start)]
    keys = [(0, tail[word_start:])] if len(tail) - word_start >= WORD_MIN_CHARS else []
    return keys + [(level, tail[starts[-level] :]) for level in LEVELS[1:] if level <= len(starts)]


def _longest(text: str, keys: Sequence[tuple[int, str]], *, own: bool) -> int:
    """How many of the keys may be in a text. Else each that is not would cost a whole scan."""
    end = len(text) - own  # the text before the cursor ends with all of them
    return next((n for n, (_, key) in enumerate(keys) if text.find(key, 0, end) < 0), len(keys))


def _ends(text: str, key: str, *, backwards: bool) -> Iterator[int]:
    """Where a key ends in a text, as whole tokens but for its last. Not at the text's own end."""
    count, at = 0, text.rfind(key) if backwards else text.find(key)
    for _ in range(TRIES_A_TEXT):
        if at < 0 or count == PLACES_A_TEXT:
            return
        end = at + len(key)
        inside = at > 0 and _is_word(key[0]) and _is_word(text[at - 1])
        if not inside and end < len(text):
            count += 1
            yield end
        at = text.rfind(key, 0, end - 1) if backwards else text.find(key, at + 1)


def _is_word(char: str) -> bool:
    return char.isalnum() or char == "_"
