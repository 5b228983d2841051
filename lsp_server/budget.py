# SPDX-License-Identifier: Apache-2.0
"""How deep a prompt and how long a suggestion may be on this machine, and why.

In: what an engine costs, the settings. Out: tokens and reasons. Knows no document and no protocol.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine import speed

if TYPE_CHECKING:
    from engine.types import EngineInfo
    from lsp_server.settings import Settings

# Without a setting a prompt is as long as this machine reads in a pause, and no deeper than lets a
# key's first line come in time. Where not even the shortest prompt does, depth may cost half again.
READ_AHEAD_S = 20.0
KEY_DEADLINE_MS = 1500.0
SLOW_KEY = 1.5
MIN_BUDGET_TOKENS = 512
BUDGET_STEP = 2**0.5  # another budget moves the window's start: so it goes in steps
SUGGESTION_DEADLINE_MS = 8000.0  # a whole suggestion that comes later serves nobody
MIN_SUGGESTION_TOKENS = 16


@dataclass(frozen=True, slots=True)
class Budget:
    """How many tokens a prompt may have, and why."""

    tokens: int
    why: str


def budget(engine: EngineInfo, settings: Settings) -> Budget:
    """What a prompt may have: as set, else what follows from the measured speed, in steps.

    The speed is steady by itself (`engine.speed.Speed.costs`).
    """
    room = Budget(
        engine.context_tokens - settings.maxSuggestionTokens, "the context has no more room"
    )
    if settings.contextTokens:
        wished = Budget(settings.contextTokens, "set by contextTokens")
        return min(wished, room, key=lambda each: each.tokens)
    costs = speed.costs_of(engine)
    deadline_ms = max(KEY_DEADLINE_MS, SLOW_KEY * speed.key_ms(costs, 0))
    ahead = speed.read_ahead_tokens(costs, READ_AHEAD_S)
    depth = speed.depth_for(costs, deadline_ms)
    ways = (
        Budget(_in_steps(ahead), f"so much is read in {READ_AHEAD_S:.0f} s of a pause"),
        Budget(_in_steps(depth), f"a key's first line comes within {deadline_ms / 1000:.1f} s"),
        room,
    )
    if min(ahead, depth) < MIN_BUDGET_TOKENS < room.tokens:
        return Budget(MIN_BUDGET_TOKENS, "the least that is of use")
    return min(ways, key=lambda each: each.tokens)


def suggestion_tokens(engine: EngineInfo, settings: Settings) -> int:
    """Tokens a suggestion may have: those that are set, fewer where writing them takes too long."""
    depth = budget(engine, settings).tokens
    timely = speed.suggestion_tokens(speed.costs_of(engine), SUGGESTION_DEADLINE_MS, depth)
    return min(settings.maxSuggestionTokens, max(MIN_SUGGESTION_TOKENS, timely))


def figures(engine: EngineInfo, settings: Settings) -> dict[str, object]:
    """The speed measured so far and what follows from it, for the user to see."""
    costs, chosen = speed.costs_of(engine), budget(engine, settings)
    return {
        "prefill_per_s": engine.prefill_per_s,
        "decode_per_s": engine.decode_per_s,
        "prompt_tokens": chosen.tokens,
        "why": chosen.why,
        "suggestion_tokens": suggestion_tokens(engine, settings),
        "key_ms": round(speed.key_ms(costs, 0)),
        "deep_key_ms": round(speed.key_ms(costs, chosen.tokens)),
    }


def _in_steps(tokens: int) -> int:
    """The step at or below, the least one at least."""
    steps = math.floor(math.log(max(1.0, tokens / MIN_BUDGET_TOKENS), BUDGET_STEP) + 1e-9)
    return round(MIN_BUDGET_TOKENS * BUDGET_STEP**steps)
