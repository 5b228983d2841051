# SPDX-License-Identifier: Apache-2.0
"""What reading and writing cost on this machine, learned from each request while running.

In: the `Usage` of finished requests. Out: `Costs`, steady figures in milliseconds, and what follows
from them: what a key costs, how deep a prompt may be. Knows no clock, no model and no prompt.

Reading n tokens behind `depth` others costs
    request + expert * touched(n) + n * (token + token_depth * depth)
where a mixture of experts touches E * (1 - (1 - k/E)^n) experts in a batch of n tokens; a dense
model is a mixture of one expert. How odd requests are kept out of it is in `engine.fit`.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import replace
from typing import TYPE_CHECKING

from engine.fit import Cells, fit, product
from engine.types import Costs

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.types import EngineInfo, Usage

DEEPEST_TOKENS = 1 << 20  # the longest context of any model
KEY_TAIL_TOKENS = 40  # what a key adds and changes: a few tokens, the suffix, the frame's end
FIRST_LINE_TOKENS = 12  # what is shown first

LEAST_DECODED = 4  # tokens of an answer whose pace is worth noting
CLEARLY = 1.3  # figures off by less are left alone: a changed budget costs a read prompt

# The prior where nothing is known but the speed at load. By depth: 19 ms a token at 64 and 36 at
# 6,000 (0.5B, two cores); writing 9.2 and 7.3 tokens a second.
READ_DOUBLES_AT_TOKENS = 8192
WRITE_DOUBLES_AT_TOKENS = 16384
PRIOR_TOKENS = 32  # that the speed at load was measured with
LEAST_PER_S = 0.01  # a figure of zero means that nothing was measured
LEAST_MS = 0.01  # no machine does anything sooner; keeps quotients sane


def prior(
    prefill_per_s: float,
    decode_per_s: float,
    *,
    experts: int = 1,
    experts_used: int = 1,
    batch_tokens: int = 16,
    slice_tokens: int = 16,
) -> Costs:
    """Costs from the two figures that are measured at load, in tokens a second.

    A pass over one token costs as much as one that is written: half of it for the request.
    """
    read_ms = 1000 / max(prefill_per_s, LEAST_PER_S)
    write_ms = 1000 / max(decode_per_s, LEAST_PER_S) if decode_per_s else read_ms
    pass_ms = min(write_ms, read_ms * PRIOR_TOKENS / 2)
    shape = Costs(experts=experts, experts_used=experts_used, batch_tokens=batch_tokens)
    expert_ms = min(
        pass_ms / 2 / experts_used, (read_ms * PRIOR_TOKENS - pass_ms / 2) / 2 / touched(shape, 32)
    )
    left_ms = read_ms * PRIOR_TOKENS - pass_ms / 2 - expert_ms * touched(shape, PRIOR_TOKENS)
    return replace(
        shape,
        request_ms=pass_ms / 2,
        expert_ms=expert_ms,
        token_ms=left_ms / PRIOR_TOKENS,
        token_depth_ms=read_ms / READ_DOUBLES_AT_TOKENS,
        write_ms=write_ms,
        write_depth_ms=write_ms / WRITE_DOUBLES_AT_TOKENS,
        slice_tokens=slice_tokens,
    )


def costs_of(info: EngineInfo) -> Costs:
    """What is known of an engine: its own figures, else what follows from its speed at load."""
    return info.costs or prior(info.prefill_per_s, info.decode_per_s)


def touched(costs: Costs, tokens: int) -> float:
    """How many experts a layer has to bring in for so many tokens, batch by batch."""
    batches, rest = divmod(tokens, costs.batch_tokens)
    return batches * _touched(costs, costs.batch_tokens) + _touched(costs, rest)


def tail_ms(costs: Costs, depth: int, tokens: int) -> float:
    """Reading so many tokens behind `depth` resident ones, up to the first token of an answer."""
    ms = product(_read_coefficients(costs), _read_row(costs, depth, tokens))
    return max(LEAST_MS * tokens, ms)


def decode_ms(costs: Costs, depth: int, tokens: int) -> float:
    """Writing so many tokens behind `depth`, the first one aside."""
    return tokens * max(LEAST_MS, costs.write_ms + costs.write_depth_ms * depth)


def read_s(costs: Costs, start: int, end: int) -> float:
    """Reading ahead from depth `start` to `end`, in the slices of a warm-up."""
    slices = max(0, end - start) / costs.slice_tokens
    return slices * tail_ms(costs, (start + end) // 2, costs.slice_tokens) / 1000


def key_ms(costs: Costs, depth: int, tail_tokens: int = KEY_TAIL_TOKENS) -> float:
    """From a key to the first line of its suggestion, behind a resident prompt of `depth`."""
    return tail_ms(costs, depth, tail_tokens) + decode_ms(costs, depth, FIRST_LINE_TOKENS)


def depth_for(costs: Costs, deadline_ms: float, tail_tokens: int = KEY_TAIL_TOKENS) -> int:
    """The deepest prompt whose key still shows a line by then; 0 where none does."""
    return _most(deadline_ms, lambda depth: key_ms(costs, depth, tail_tokens))


def read_ahead_tokens(costs: Costs, seconds: float) -> int:
    """How long a prompt is read in a pause of so many seconds."""
    return _most(seconds, lambda tokens: read_s(costs, 0, tokens))


def suggestion_tokens(costs: Costs, deadline_ms: float, depth: int) -> int:
    """How many tokens are written by then, with a key's tail read before them."""
    left_ms = deadline_ms - tail_ms(costs, depth, KEY_TAIL_TOKENS)
    return _most(left_ms, lambda tokens: decode_ms(costs, depth, tokens))


def prefill_per_s(costs: Costs) -> float:
    """Tokens a second of reading ahead at the beginning of a prompt."""
    return round(costs.slice_tokens * 1000 / tail_ms(costs, 0, costs.slice_tokens), 1)


def decode_per_s(costs: Costs) -> float:
    """Tokens a second of writing at the beginning of a prompt."""
    return round(1000 / decode_ms(costs, 0, 1), 1)


class Speed:
    """Keeps `costs` true. Fed by the engine's thread; `costs` may be read by any."""

    def __init__(self, start: Costs) -> None:
        self._start = self._measured = self._costs = start
        self._read = Cells()
        self._write = Cells()

    @property
    def costs(self) -> Costs:
        """The figures to plan by: they change in one step, and only if they are clearly off."""
        return self._costs

    @property
    def measured(self) -> Costs:
        """The figures as of the last request."""
        return self._measured

    def add(self, usage: Usage) -> None:
        """Learn from a finished request. One that was cut short while reading tells nothing."""
        if usage.cut_short:
            return
        if usage.evaluated_tokens > 0 and usage.ttft_ms >= LEAST_MS:
            self._read.add(usage.cached_tokens, usage.evaluated_tokens, usage.ttft_ms)
        write_ms, written = usage.total_ms - usage.ttft_ms, usage.decoded_tokens - 1
        if written >= LEAST_DECODED - 1 and write_ms / written >= LEAST_MS:
            self._write.add(usage.prompt_tokens, 1, write_ms / written)
        self._measured = self._fitted()
        if _differ(self._measured, self._costs):
            self._costs = self._measured

    def _fitted(self) -> Costs:
        start = self._start
        read = fit(
            self._read.points(),
            _read_coefficients(start),
            lambda depth, tokens: _read_row(start, depth, tokens),
            ((0, 1), (0, PRIOR_TOKENS), (READ_DOUBLES_AT_TOKENS, PRIOR_TOKENS)),
        )
        write = fit(
            self._write.points(),
            (start.write_ms, start.write_depth_ms),
            lambda depth, _: (1.0, float(depth)),
            ((0, 1), (WRITE_DOUBLES_AT_TOKENS, 1)),
        )
        request_ms, expert_ms, token_ms, token_depth_ms = read
        return replace(
            start,
            request_ms=request_ms,
            expert_ms=expert_ms,
            token_ms=token_ms,
            token_depth_ms=token_depth_ms,
            write_ms=write[0],
            write_depth_ms=write[1],
        )


def _read_row(costs: Costs, depth: int, tokens: int) -> tuple[float, ...]:
    """What each figure of reading is multiplied by; a token has half of the others before it."""
    return 1.0, touched(costs, tokens), float(tokens), tokens * (depth + tokens / 2)


def _read_coefficients(costs: Costs) -> tuple[float, ...]:
    return costs.request_ms, costs.expert_ms, costs.token_ms, costs.token_depth_ms


def _touched(costs: Costs, tokens: int) -> float:
    missed = 1 - costs.experts_used / costs.experts
    return costs.experts * (1.0 - math.pow(missed, tokens))


def _differ(one: Costs, other: Costs) -> bool:
    """Whether two sets of figures tell clearly different stories."""
    pairs = zip(_story(one), _story(other), strict=True)
    return any(max(a, b) > CLEARLY * min(a, b) for a, b in pairs)


def _story(costs: Costs) -> tuple[float, ...]:
    """What budgets are made of: slices, a key's tail and answer, near the start and deep."""
    return tuple(
        ms
        for depth in (0, 4096)
        for ms in (
            tail_ms(costs, depth, costs.slice_tokens),
            tail_ms(costs, depth, KEY_TAIL_TOKENS),
            decode_ms(costs, depth, 1),
        )
    )


def _most(limit: float, cost: Callable[[int], float]) -> int:
    """The largest number whose cost, which never falls, is within the limit; at least 0."""
    return max(0, bisect_right(range(DEEPEST_TOKENS + 1), limit, key=cost) - 1)
