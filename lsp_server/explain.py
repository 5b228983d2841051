# SPDX-License-Identifier: Apache-2.0
"""Why a suggestion is what it is, or why there is none: a `Suggestion` as plain JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lsp_server.suggest import Suggestion


def record(suggestion: Suggestion) -> dict[str, Any]:
    """The JSON of `ghostwright complete` and `ghostwright explain`."""
    usage = suggestion.usage
    return {
        "text": suggestion.text,
        "model": suggestion.model,
        "prompt_tokens": usage.prompt_tokens,
        "cached_tokens": usage.cached_tokens,
        "evaluated_tokens": usage.evaluated_tokens,
        "decoded_tokens": usage.decoded_tokens,
        "ttft_ms": usage.ttft_ms,
        "total_ms": usage.total_ms,
        "stopped_by": suggestion.stopped_by,
        "rules": list(suggestion.rules),
        "confidence": suggestion.confidence,
        "segments": [asdict(segment) for segment in suggestion.segments],
        "shown": bool(suggestion.text),
        "reason": suggestion.reason,
        "source": suggestion.source,
        "wait_ms": suggestion.wait_ms,
        "overhead_ms": suggestion.overhead_ms,
        "answer_ms": suggestion.answer_ms,
    }
