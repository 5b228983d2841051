# SPDX-License-Identifier: Apache-2.0
"""Text to token ids, remembering what has been tokenised before.

In: plain text. Out: ids, equal to those of the whole text in one go. Knows no layout and no file.
"""

from __future__ import annotations

import sys
from array import array
from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from engine.types import Engine

CHUNK_CHARS = 600  # a keystroke re-tokenises one chunk: about 200 tokens, 2 ms
REMEMBERED_BYTES = 32 << 20  # text and ids together: some three million tokens of code
ENTRY_BYTES = 200  # of a chunk besides its text and its ids: objects and the table's share
ID_BYTES = 4


class Tokens:
    """A tokeniser with a memory that holds what was used last. One thread at a time."""

    def __init__(self, engine: Engine, remembered_bytes: int = REMEMBERED_BYTES) -> None:
        self._engine = engine
        self._room_bytes = remembered_bytes
        self._chunks: OrderedDict[str, array[int]] = OrderedDict()
        self._specials: dict[str, int | None] = {}
        self._lead: Sequence[int] | None = None

    def ids(self, text: str) -> array[int]:
        """Ids of plain text: what looks like a special token in it stays text."""
        found = array("i")
        for chunk in chunks(text):
            found.extend(self._chunk(chunk))
        return found

    def count(self, text: str) -> int:
        """How many tokens plain text has. What was counted need not be tokenised again."""
        return sum(len(self._chunk(chunk)) for chunk in chunks(text))

    def special(self, name: str) -> int | None:
        """The id of a special token, None where the vocabulary has none of that name."""
        if name not in self._specials:
            self._specials[name] = self._engine.special(name)
        return self._specials[name]

    def _chunk(self, chunk: str) -> array[int]:
        known = self._chunks.get(chunk)
        if known is None:
            known = self._tokenize(chunk)
            self._chunks[chunk] = known
            self._room_bytes -= _entry_bytes(chunk, known)
            while self._room_bytes < 0:
                self._room_bytes += _entry_bytes(*self._chunks.popitem(last=False))
        else:
            self._chunks.move_to_end(chunk)
        return known

    def _tokenize(self, chunk: str) -> array[int]:
        """Ids of a chunk as it is within a text.

        SentencePiece vocabularies put a space before whatever they are given. That would be one a
        chunk; so the chunk goes behind a line break, which no piece spans, and that is cut off.
        """
        if self._lead is None:
            alone = self._engine.tokenize("\n")
            self._lead = alone if len(alone) > 1 else ()
        if not self._lead:
            return array("i", self._engine.tokenize(chunk))
        return array("i", self._engine.tokenize("\n" + chunk))[len(self._lead) :]


def chunks(text: str, size_chars: int = CHUNK_CHARS) -> Iterator[str]:
    """Cut text where the cut cannot change the tokens.

    That is at a line start whose line is not blank: byte-level BPE vocabularies first split text by
    a pattern in which white space runs end with their last line break, so that no token spans the
    two. Cuts depend on the text before them only, so typing at the end changes the last chunk.
    """
    start = size = 0
    for line_start, line_end in _lines(text):
        if size >= size_chars and not text[line_start:line_end].isspace():
            yield text[start:line_start]
            start, size = line_start, 0
        size += line_end - line_start
    if start < len(text):
        yield text[start:]


def _lines(text: str) -> Iterator[tuple[int, int]]:
    start = 0
    while start < len(text):
        end = text.find("\n", start) + 1 or len(text)
        yield start, end
        start = end


def _entry_bytes(chunk: str, ids: array[int]) -> int:
    return sys.getsizeof(chunk) + ID_BYTES * len(ids) + ENTRY_BYTES
