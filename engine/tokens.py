# SPDX-License-Identifier: Apache-2.0
"""Text to token ids, remembering what has been tokenised before.

In: plain text. Out: ids, equal to those of the whole text in one go. Knows no layout and no file.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.types import Engine

CHUNK_CHARS = 600  # a keystroke re-tokenises one chunk: about 200 tokens, 2 ms
REMEMBERED_CHUNKS = 4096  # some 2.4 MB of text


class Tokens:
    """A tokeniser with a memory. One thread at a time."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._chunks: OrderedDict[str, tuple[int, ...]] = OrderedDict()
        self._specials: dict[str, int | None] = {}

    def ids(self, text: str) -> tuple[int, ...]:
        """Ids of plain text: what looks like a special token in it stays text."""
        return tuple(token for chunk in chunks(text) for token in self._chunk(chunk))

    def special(self, name: str) -> int | None:
        """The id of a special token, None where the vocabulary has none of that name."""
        if name not in self._specials:
            self._specials[name] = self._engine.special(name)
        return self._specials[name]

    def _chunk(self, chunk: str) -> tuple[int, ...]:
        known = self._chunks.get(chunk)
        if known is None:
            known = tuple(self._engine.tokenize(chunk))
            self._chunks[chunk] = known
            if len(self._chunks) > REMEMBERED_CHUNKS:
                self._chunks.popitem(last=False)
        else:
            self._chunks.move_to_end(chunk)
        return known


def chunks(text: str) -> Iterator[str]:
    """Cut text where the cut cannot change the tokens.

    That is at a line start whose line is not blank: byte-level BPE vocabularies first split text by
    a pattern in which white space runs end with their last line break, so that no token spans the
    two. Cuts depend on the text before them only, so typing at the end changes the last chunk.
    """
    start = size = 0
    for line_start, line_end in _lines(text):
        if size >= CHUNK_CHARS and not text[line_start:line_end].isspace():
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
