# SPDX-License-Identifier: Apache-2.0
"""What is resident in each slot of an engine, token by token.

In: what a request has read and written. Out: how much of a prompt is resident already. Knows no
model. Where a request was cancelled it holds what is certainly there; the engine may have more.

A hybrid model's state cannot be cut back to just any token, so there `common` is the most that can
be re-used; where a request has ended, or a prompt has parted from the one before, it is exact.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.types import Slot

if TYPE_CHECKING:
    from collections.abc import Sequence


class Residency:
    """Written by the engine's thread. Any thread may read: a slot's tokens change in one step."""

    def __init__(self) -> None:
        self._tokens: dict[Slot, tuple[int, ...]] = dict.fromkeys(Slot, ())

    def set(self, slot: Slot, token_ids: Sequence[int]) -> None:
        """The slot holds these tokens now, and no others."""
        self._tokens[slot] = tuple(token_ids)

    def tokens(self, slot: Slot) -> tuple[int, ...]:
        return self._tokens[slot]

    def common(self, slot: Slot, token_ids: Sequence[int]) -> int:
        """How many tokens from the start of `token_ids` are resident."""
        return common_prefix(self._tokens[slot], token_ids)


def common_prefix(first: Sequence[int], second: Sequence[int]) -> int:
    """How many leading tokens two sequences share."""
    shorter = min(len(first), len(second))
    if tuple(first[:shorter]) == tuple(second[:shorter]):
        return shorter  # the usual case, at the speed of a memory comparison
    pairs = zip(first, second, strict=False)
    return next(at for at, (ours, theirs) in enumerate(pairs) if ours != theirs)
