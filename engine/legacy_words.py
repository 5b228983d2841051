# SPDX-License-Identifier: Apache-2.0
"""Text to tokens for the GGML families whose files have words and no merges.

In: a vocabulary, text. Out: ids. It does as the tokeniser of ctransformers does, the longest token
of each word first. That one is not called: its regular expressions recurse, so that one long word
ends the process, and text that looks like a special token of StarChat becomes one.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_WORDS = re.compile(
    rb"'s|'t|'re|'ve|'m|'ll|'d"
    rb"| ?[A-Za-z]+| ?[0-9]+| ?[^\sA-Za-z0-9]+|\s+(?!\S)|\s+"
)


class Words:
    """A vocabulary to look words up in."""

    def __init__(self, vocabulary: Sequence[bytes]) -> None:
        self._ids = {token: number for number, token in enumerate(vocabulary) if token}
        self._longest = max(map(len, self._ids), default=1)

    def tokenize(self, text: bytes) -> list[int]:
        """Ids of text. A byte that no token begins with is left out."""
        found: list[int] = []
        for word in _WORDS.findall(text):
            known = self._ids.get(word)
            if known is None:
                self._cut(word, found)
            else:
                found.append(known)
        return found

    def _cut(self, word: bytes, found: list[int]) -> None:
        start = 0
        while start < len(word):
            end = min(len(word), start + self._longest)
            while end > start and word[start:end] not in self._ids:
                end -= 1
            if end > start:
                found.append(self._ids[word[start:end]])
            start = max(end, start + 1)
