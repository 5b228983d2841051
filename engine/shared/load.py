# SPDX-License-Identifier: Apache-2.0
"""A model for this window: shared with the others where that can be, else its own.

In: what `engine.load.load` takes. Out: an `Engine`. That a model is not shared is one line in the
log, and no reason to be without one.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from engine import load as loading
from engine.shared import joining
from engine.shared.client import EndedLoading, SharedEngine
from engine.shared.places import IDLE_S, Spec, Unshared

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from engine.load import Choice
    from engine.types import Engine
    from engine.worker import Priority

_log = logging.getLogger(__name__)


def load(
    choice: Choice,
    *,
    urgency: Callable[[], Priority],
    room_tokens: int = 0,
    most_tokens: int = loading.NO_LIMIT,
    threads: int = 0,
    gpu_layers: int,
    kv_type: str,
    state_folder: Path | None = None,
    lora: Sequence[str] = (),
    say: Callable[[str], None] = _log.warning,
    idle_s: float = IDLE_S,
) -> Engine:
    """Join the host of this model, as `engine.load.load` would load it. Raises EngineError.

    `urgency` tells how urgent the job is that runs now. After `idle_s` without a request of any
    window the model is unloaded; the next request loads it again.
    """
    spec = Spec(
        choice.model,
        str(choice.path.absolute()),
        choice.layout,
        choice.extended_context,
        room_tokens,
        most_tokens,
        threads,
        gpu_layers,
        kv_type,
        str(state_folder or ""),
        tuple(lora),
    )
    try:
        return _shared(spec, urgency, say, idle_s)
    except Unshared as reason:
        _log.warning("the model is not shared with other windows: %s", reason)
    return loading.load(
        choice,
        room_tokens=room_tokens,
        most_tokens=most_tokens,
        threads=threads,
        gpu_layers=gpu_layers,
        kv_type=kv_type,
        state_folder=state_folder,
        lora=lora,
        say=say,
    )


def _shared(
    spec: Spec, urgency: Callable[[], Priority], say: Callable[[str], None], idle_s: float
) -> Engine:
    """Smaller where the usual size takes the host down: memory is the most likely cause (E5)."""
    try:
        return SharedEngine(joining.way(spec, idle_s), urgency, say)
    except EndedLoading as error:
        if spec.most_tokens <= loading.SAFE_CONTEXT_TOKENS:
            raise
        _log.warning("%s; once more, with a small context", error)
    smaller = replace(spec, most_tokens=loading.SAFE_CONTEXT_TOKENS)
    return SharedEngine(joining.way(smaller, idle_s), urgency, say)
