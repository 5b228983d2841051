# SPDX-License-Identifier: Apache-2.0
"""How many tokens a text has for Qwen2.5-Coder, without loading the model.

In: the vocabulary in the starter model's file. Out: counts, equal to those of llama.cpp (a test
compares). Merges are kept below the bench cache: reading them out of the file takes seconds.
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING

from engine import catalogue, fetch
from tests.bench.data import bench_dir

if TYPE_CHECKING:
    from pathlib import Path

STARTER = "qwen2.5-coder-0.5b"
REMEMBERED_WORDS = 200_000
REMEMBERED_TEXTS = 50_000
HEADER_TOKENS = 1  # the separator of files before a piece's path
# The vocabulary's own split of text into words; [^\W\d_] is any letter.
_WORD = re.compile(
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|(?:[^\r\n\w]|_)?[^\W\d_]+|\d| ?(?:[^\s\w]|_)+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)


class Counter:
    """Counts tokens, remembering words and texts."""

    def __init__(self, merges: list[str]) -> None:
        self._ranks = {tuple(merge.split(" ")): rank for rank, merge in enumerate(merges)}
        self._letters = _byte_letters()
        self.word = lru_cache(REMEMBERED_WORDS)(self._word)
        self.text = lru_cache(REMEMBERED_TEXTS)(self._text)

    def __call__(self, text: str) -> int:
        return self.text(text)

    def piece(self, path: str, text: str) -> int:
        """What a piece costs in a prompt: its text and the line with its path."""
        return self.text(text) + self.text(path + "\n") + HEADER_TOKENS

    def _text(self, text: str) -> int:
        return sum(map(self.word, _WORD.findall(text)))

    def _word(self, word: str) -> int:
        parts = [self._letters[byte] for byte in word.encode("utf-8", "replace")]
        while len(parts) > 1:
            pairs = list(pairwise(parts))
            best = min(pairs, key=lambda pair: self._ranks.get(pair, 1 << 30))
            if best not in self._ranks:
                break
            at, merged = 0, []
            while at < len(parts):
                if at < len(pairs) and pairs[at] == best:
                    merged.append("".join(best))
                    at += 2
                else:
                    merged.append(parts[at])
                    at += 1
            parts = merged
        return len(parts)


def _byte_letters() -> list[str]:
    """The letter that stands for each byte in vocabularies of this family."""
    plain = {*range(33, 127), *range(161, 173), *range(174, 256)}
    letters, extra = [], 256
    for byte in range(256):
        letters.append(chr(byte if byte in plain else extra))
        extra += byte not in plain
    return letters


def load(model: Path | None = None) -> Counter:
    """A counter with the vocabulary of the starter model, which is fetched if need be."""
    kept = bench_dir() / "qwen2.5-merges.json"
    if not kept.exists():
        row = catalogue.find(STARTER)
        merges = _read_merges(model or fetch.locate(row) or fetch.fetch(row))
        part = kept.with_suffix(".part")
        part.write_text(json.dumps(merges), "utf-8")
        part.replace(kept)
    return Counter(json.loads(kept.read_text("utf-8")))


def _read_merges(model: Path) -> list[str]:
    from gguf import GGUFReader  # noqa: PLC0415  slow, and seldom needed

    field = GGUFReader(model).fields["tokenizer.ggml.merges"]
    return [bytes(field.parts[index]).decode("utf-8") for index in field.data]
