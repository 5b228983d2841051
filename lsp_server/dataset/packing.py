# SPDX-License-Identifier: Apache-2.0
"""Examples to packs of one length: best fit, none cut in two.

In: examples and a room in tokens. Out: packs, each no fuller than the room. An example goes into
the pack that it fills best; the largest go first. (Ding and others, "Fewer Truncations Improve
Language Modeling", arXiv 2404.10830.) It knows no text.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lsp_server.dataset.examples import Example


def pack(examples: Sequence[Example], tokens: int) -> list[list[Example]]:
    """Packs in the order in which they were begun. Raises ValueError for one that never fits."""
    packs: list[list[Example]] = []
    left: list[tuple[int, int]] = []  # (room, number of the pack), least room first
    for example in sorted(examples, key=lambda one: (-one.tokens, one.path, one.line)):
        if example.tokens > tokens:
            raise ValueError(f"an example of {example.tokens} tokens in a pack of {tokens}")
        at = bisect_left(left, (example.tokens, -1))
        room, number = left.pop(at) if at < len(left) else (tokens, len(packs))
        if number == len(packs):
            packs.append([])
        packs[number].append(example)
        insort(left, (room - example.tokens, number))
    return packs
