# SPDX-License-Identifier: Apache-2.0
"""What a replay has shown, as JSON and in words.

In: a trace, its answers, and what was on the screen. Out: the totals and a row for each key. It
measures nothing itself.
"""

from __future__ import annotations

import statistics
from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from lsp_server.replaying import screen

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lsp_server.replaying.screen import Sight
    from lsp_server.replaying.trace import Trace
    from lsp_server.replaying.typing_in import Answer, Played

COSTS = ("prompt_tokens", "cached_tokens", "evaluated_tokens", "decoded_tokens")
DECODED = ("model", "joined")  # sources for which the model has worked


def report(trace: Trace, played: Played, *, speed: float) -> dict[str, Any]:
    """The JSON of `ghostwright replay`: totals, and `per_key`."""
    sights = screen.watch(trace, screen.follow(trace, played.answers))
    return {
        **totals(played.answers),
        **asdict(screen.figures(trace, sights)),
        **accepts(played.accepts),
        "typed_chars": sum(len(key.text) for key in trace.keys),
        "speed": speed,
        "model": played.model,
        "ready_s": round(played.ready_s, 1),
        "typed_s": round(played.typed_s, 1),
        "server_cpu_s": round(played.server_cpu_s, 1),
        "per_key": list(_rows(trace, played.answers, sights)),
    }


def totals(answers: Sequence[Answer]) -> dict[str, Any]:
    """Answers and what they have cost. A median or percentile of nothing is None."""
    suggested = [answer for answer in answers if answer.text]
    times = [answer.answer_ms for answer in suggested if answer.answer_ms is not None]
    known = [answer.cost for answer in answers if answer.cost]
    decodes = [cost for cost in known if cost.get("source") in DECODED and cost["prompt_tokens"]]
    first = [float(cost["ttft_ms"]) for cost in decodes]
    return {
        "keys": len(answers),
        "answered": sum(answer.answer_ms is not None for answer in answers),
        "suggestions": len(suggested),
        "answered_100ms": sum(time <= 100 for time in times),  # noqa: PLR2004  its name
        "answered_300ms": sum(time <= 300 for time in times),  # noqa: PLR2004
        "answer_ms_p50": percentile(times, 0.5),
        "answer_ms_p95": percentile(times, 0.95),
        "sources": dict(Counter(str(a.cost["source"]) for a in suggested if a.cost)),
        **{name: sum(int(cost[name]) for cost in known) for name in COSTS},
        "evaluated_per_suggestion_p50": percentile(_evaluated(a.cost for a in suggested), 0.5),
        "evaluated_per_decode_p50": percentile(_evaluated(decodes), 0.5),
        "prompt_tokens_p50": percentile([int(cost["prompt_tokens"]) for cost in decodes], 0.5),
        "ttft_ms_p50": percentile(first, 0.5),
        "ttft_ms_p95": percentile(first, 0.95),
    }


def accepts(answers: Sequence[Answer]) -> dict[str, Any]:
    """What came after texts that were accepted; nothing where none was."""
    if not answers:
        return {}
    times = [answer.answer_ms for answer in answers if answer.text and answer.answer_ms is not None]
    return {
        "accepts": len(answers),
        "next_50ms": sum(time <= 50 for time in times),  # noqa: PLR2004  its name
        "next_answers": len(times),
        "next_ms_p50": percentile(times, 0.5),
    }


def percentile(values: Sequence[float], share: float) -> float | None:
    """The value below which `share` of them lie, None of no values."""
    if not values:
        return None
    if share == 0.5:  # noqa: PLR2004  of an even number the middle of two
        return statistics.median(values)
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def words(found: dict[str, Any]) -> str:
    """The totals for people: one line each."""
    return "\n".join(
        f"{name:30} {value:,}" if isinstance(value, int | float) else f"{name:30} {value}"
        for name, value in found.items()
        if name != "per_key"
    )


def _evaluated(costs: Any) -> list[int]:
    return [int(cost["evaluated_tokens"]) for cost in costs if cost]


def _rows(trace: Trace, answers: Sequence[Answer], sights: Sequence[Sight]) -> Any:
    for key, answer, sight in zip(trace.keys, answers, sights, strict=True):
        named = ("source", "reason", *COSTS, "ttft_ms", "total_ms", "stopped_by")
        yield {
            **asdict(key),
            "answer_ms": answer.answer_ms,
            "suggestion": answer.text,
            **{name: answer.cost.get(name) for name in named},
            "on_screen": bool(sight.shown),
            "foreseen": sight.foreseen,
            "right_chars": sight.right_chars,
        }
