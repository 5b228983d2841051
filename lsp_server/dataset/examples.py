# SPDX-License-Identifier: Apache-2.0
"""One file to examples: holes by its syntax, each with what stands around it, in a model's layout.

In: a path, a text without secrets, a layout. Out: `Example`s as text, special tokens written out.
Which holes is told by hashes, never by chance: the same file gives the same examples.
It knows no repository, no split and no pack.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, NamedTuple

from engine.estimate import estimate_tokens
from indexer.holes import KINDS, File
from indexer.languages import detect, grammar
from lsp_server.redacting import GONE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.layout import Item, Layout
    from indexer.holes import Hole

SUFFIX_SHARE = 0.25  # of what stands around a hole; what is before it tells more
CHARS_PER_TOKEN = 3  # of dense code: more characters would not fit
GAP_LINES = 3  # between two holes of a file
# What ends an answer, by layout: the model learns where to stop. Sources: the special tokens of
# Qwen2.5-Coder and StarCoder 2 (end of text), DeepSeek-Coder's and Mistral's end of sentence,
# Granite Code's, Code Llama's infilling page (EOT), and the ends of turns.
ENDS = {
    "qwen": "<|endoftext|>",
    "starcoder2": "<|endoftext|>",
    "deepseek-coder": "<｜end▁of▁sentence｜>",  # noqa: RUF001  as it is written
    "granite": "<|end_of_text|>",
    "codestral": "</s>",
    "codellama": " <EOT>",
    "kimi": "\n```<|im_end|>",
    "chatml": "\n```<|im_end|>",
}
_TOKEN = re.compile(r"<\|\w+\|>")  # as most vocabularies write theirs


class Example(NamedTuple):
    """`text[start:]` is the answer with its end: what is to be learned."""

    path: str
    language: str
    kind: str
    line: int
    text: str
    start: int
    tokens: int


def says_a_token(text: str, layout: Layout) -> bool:
    """Whether a file's text would become tokens of the model's own in training (S5)."""
    return any(name in text for name in layout.specials) or bool(_TOKEN.search(text))


def cut(
    path: str, text: str, *, repository: str, layout: Layout, tokens: int, most: int
) -> Iterator[Example]:
    """Up to `most` examples of a file, none of more than `tokens`; none without a grammar."""
    language = detect(path, text[:256].encode())
    if grammar(language) is None:
        return
    data = text.encode()
    names = {"repository": repository, "path": path}
    for hole in _chosen(path, File(language, data), most):
        middle = data[hole.start : hole.end].decode()
        if GONE in middle:
            continue
        before, after = data[: hole.start].decode(), data[hole.end :].decode()
        found = _fitted(names, before, middle, after, layout, tokens)
        if found is not None:
            rendered, start, size = found
            yield Example(path, language, hole.kind, hole.line, rendered, start, size)


def _chosen(path: str, file: File, most: int) -> list[Hole]:
    """The kinds in turn, by hashes; none within some lines of another."""
    queues = {
        kind: sorted((k, spans) for k, spans in file.spans().items() if k[0] == kind)
        for kind in KINDS
    }
    for queue in queues.values():
        queue.sort(key=lambda row: _hash(path, *row[0]))
    found: list[Hole] = []
    while len(found) < most and any(queues.values()):
        for kind in KINDS:
            hole = _next(path, file, queues[kind], found)
            if hole is not None and len(found) < most:
                found.append(hole)
    return sorted(found, key=lambda hole: hole.start)


def _next(
    path: str,
    file: File,
    queue: list[tuple[tuple[str, int], list[tuple[int, int]]]],
    taken: list[Hole],
) -> Hole | None:
    while queue:
        (kind, line), spans = queue.pop()
        start, end = spans[_hash(path, kind, line) % len(spans)]
        hole = file.hole(kind, start, end, line)
        if hole is not None and not any(_is_near(file, hole, one) for one in taken):
            return hole
    return None


def _is_near(file: File, hole: Hole, other: Hole) -> bool:
    first, last = (hole, other) if hole.start <= other.start else (other, hole)
    return last.start < first.end or file.data.count(b"\n", first.end, last.start) < GAP_LINES


def _fitted(  # noqa: PLR0917  three texts, and what they are put into
    names: dict[str, str], before: str, middle: str, after: str, layout: Layout, tokens: int
) -> tuple[str, int, int] | None:
    """The example with as many whole lines around it as fit; None where not even its line does."""
    room = tokens
    while room >= tokens // 8:
        suffix = _first_lines(after, int(room * SUFFIX_SHARE) * CHARS_PER_TOKEN)
        prefix = _last_lines(before, int(room * (1 - SUFFIX_SHARE)) * CHARS_PER_TOKEN)
        text = render(layout, names, prefix, suffix)
        whole = text + middle + ENDS[layout.name]
        size = estimate_tokens(whole)
        if size <= tokens:
            return whole, len(text), size
        room = room * 3 // 4
    return None


def render(layout: Layout, names: dict[str, str], prefix: str, suffix: str) -> str:
    """The prompt as text. `engine.layout` gives the same as ids, where there is a vocabulary."""
    lines = prefix[: prefix.rfind("\n") + 1]
    bodies = {"prefix": prefix, "lines": lines, "answer": prefix[len(lines) :], "suffix": suffix}
    return "".join(_text(item, {**names, **bodies}) for item in layout.prompt)


def _text(item: Item, slots: dict[str, str]) -> str:
    return slots.get(item.value, "") if item.kind == "slot" else item.value


def _last_lines(text: str, chars: int) -> str:
    if len(text) <= chars:
        return text
    at = text.find("\n", len(text) - chars)
    return text[at + 1 :] if at >= 0 else text[text.rfind("\n") + 1 :]


def _first_lines(text: str, chars: int) -> str:
    if len(text) <= chars:
        return text
    at = text.rfind("\n", 0, chars)
    return text[: at + 1] if at >= 0 else text[: text.find("\n") + 1]


def _hash(*words: object) -> int:
    return int.from_bytes(hashlib.sha256(repr(words).encode()).digest()[:8], "big")
