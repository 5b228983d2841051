# SPDX-License-Identifier: Apache-2.0
"""From a name in the settings to a loaded engine.

In: a catalogue id or a path. Out: an `Engine`, or one line that says what to do. The header is
checked by our own reader and the memory is computed before native code sees the file.
"""

from __future__ import annotations

import logging
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from engine import adapters, catalogue, fetch, legacy, legacy_header, memory, plan, tuning
from engine.gguf import read_header
from engine.llama import (
    BATCH_TOKENS,
    CHECKPOINTS,
    LlamaEngine,
    LoadOptions,
    gpu_free_bytes,
)
from engine.memory import Running
from engine.plan import Machine, Plan
from engine.shape import of_header
from engine.tuning import Tuning
from engine.types import EngineError, ModelNotFound, ModelRejected, NotLoaded, OutOfMemory, Slot

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from engine.catalogue import Model
    from engine.legacy import LegacyEngine
    from engine.shape import Shape

_log = logging.getLogger(__name__)

BY_VOCABULARY = ""  # the layout of a file that the catalogue does not know
STARTERS = ("qwen2.5-coder-0.5b", "qwen2.5-coder-1.5b")  # what `auto` looks for, in this order
DEFAULT_CONTEXT_TOKENS = 8192
SAFE_CONTEXT_TOKENS = 2048  # after a crash, whose most likely cause is memory
NO_LIMIT = 1 << 30


@dataclass(frozen=True, slots=True)
class Choice:
    """A model file on this machine and how it is spoken to."""

    model: str
    path: Path
    layout: str  # of templates.toml, or BY_VOCABULARY
    extended_context: int = 0  # tokens with YaRN where the catalogue knows it


def choose(model: str, model_path: str) -> Choice:
    """The file that the settings mean. Raises ModelNotFound with the command that gets it."""
    if model_path:
        path = Path(model_path).expanduser()
        row = _row_of_file(path.name)
        return _choice(row, path) if row else Choice(path.name, path, BY_VOCABULARY)
    if model == "auto":
        for row in map(catalogue.find, STARTERS):
            if path_found := fetch.locate(row):
                return _choice(row, path_found)
        raise ModelNotFound("no model on this machine yet; run: ghostwright setup")
    row = catalogue.find(model)
    located = fetch.locate(row)
    if located is None:
        raise ModelNotFound(f"{row.id} is not downloaded; run: ghostwright models pull {row.id}")
    return _choice(row, located)


def load(
    choice: Choice,
    *,
    room_tokens: int = 0,
    most_tokens: int = NO_LIMIT,
    threads: int = 0,
    gpu_layers: int,
    kv_type: str,
    state_folder: Path | None = None,
    tuned: Tuning | None = None,
    lora: Sequence[str] = (),
    say: Callable[[str], None] = _log.warning,
) -> LlamaEngine | LegacyEngine:
    """Check, size and load. Blocks for seconds. Raises EngineError.

    `room_tokens` is what a prompt and its answer may need; the context is the default at least and
    `most_tokens` at most. One that does not fit, by our figures or because llama.cpp cannot have
    the memory, becomes the next smaller one of the ladder: `say` is told once, and
    `engine.info.context_tokens` tells. Beyond the model's native window it is read with YaRN, as
    far as the catalogue says that the model can. Each slot has the whole context. States can be
    saved in `state_folder`, which is the user's alone. It is run as `tuned` says, by default as
    setup has found best here. `lora` names adapters to put on it, as in the settings.
    A file of 2023 that llama.cpp reads no more goes to the legacy engine, which knows only threads.
    """
    if legacy_header.is_legacy(choice.path):
        if lora:
            raise ModelRejected(f"{choice.model}: no adapters can be put on a file of 2023")
        sizes = {"room_tokens": room_tokens, "most_tokens": most_tokens, "threads": threads}
        return legacy.load(choice.path, choice.model, choice.layout, **sizes, say=say)
    header = read_header(choice.path)
    shape, put_on = of_header(header), adapters.read(lora, header)
    wanted = wanted_tokens(shape, choice, room_tokens, most_tokens)
    tuned = tuned or tuning.find(choice.path)
    running, machine = running_of(shape, kv_type, tuned), this_machine(gpu_layers)
    machine = _without(machine, sum(adapter.bytes for adapter in put_on))
    failed: EngineError | None = None
    for tokens in plan.rungs(wanted):
        found = plan.at(shape, tokens, running, machine)
        if found is None:
            continue
        try:
            options = replace(
                _options(shape, found, gpu_layers),
                threads=threads,
                state_folder=state_folder,
                flash=tuned.flash,
                batch_tokens=found.running.batch_tokens,
                costs=tuned.costs,
                adapters=put_on,
            )
            engine = LlamaEngine(choice.path, choice.model, options, choice.layout)
        except (NotLoaded, OutOfMemory) as error:
            failed = failed or error  # the file itself may be at fault: then no rung will help
            continue
        if tokens < wanted:
            say(f"{choice.model}: a context of {wanted:,} tokens does not fit; it has {tokens:,}")
        return engine
    raise failed or plan.too_little(choice.path.name, shape, running, machine)


def plan_of(choice: Choice, room_tokens: int, gpu_layers: int, kv_type: str) -> Plan:
    """What `load` would do here and now, from the header alone. Raises EngineError."""
    shape = of_header(read_header(choice.path))
    wanted = wanted_tokens(shape, choice, room_tokens, NO_LIMIT)
    tuned = tuning.find(choice.path)
    running, machine = running_of(shape, kv_type, tuned), this_machine(gpu_layers)
    found = plan.choose(shape, wanted, running, machine)
    if found is None:
        raise plan.too_little(choice.path.name, shape, running, machine)
    return found


def wanted_tokens(shape: Shape, choice: Choice, room_tokens: int, most_tokens: int) -> int:
    """The context to try first: within what the model can at all."""
    usual = min(DEFAULT_CONTEXT_TOKENS, shape.native_tokens)
    possible = max(shape.native_tokens, choice.extended_context)
    return min(max(room_tokens, usual), most_tokens, possible)


def running_of(shape: Shape, kv_type: str, tuned: Tuning | None = None) -> Running:
    """How a context of a model is run here."""
    tuned = tuned or Tuning()
    return Running(
        tuned.batch_tokens or BATCH_TOKENS,
        kv_type,
        slots=len(Slot),
        shared=False,
        checkpoints=CHECKPOINTS if shape.is_hybrid else 0,
        repacked=tuned.repacked,
    )


def this_machine(gpu_layers: int) -> Machine:
    """What is free now. Without layers for it, a GPU does not count."""
    vram = gpu_free_bytes() if gpu_layers else 0
    unified = sys.platform == "darwin" and vram > 0
    return Machine(psutil.virtual_memory().available, vram, unified)


def _without(machine: Machine, taken_bytes: int) -> Machine:
    """What is left beside adapters, wherever they will lie."""
    ram, vram = (max(0, b - taken_bytes) for b in (machine.ram_bytes, machine.vram_bytes))
    return replace(machine, ram_bytes=ram, vram_bytes=vram)


def _options(shape: Shape, found: Plan, gpu_layers: int) -> LoadOptions:
    """A plan in the words of the engine. Layers that the user asks for by number are given."""
    return LoadOptions(
        context_tokens=found.context_tokens,
        native_tokens=shape.native_tokens,
        yarn_factor=memory.yarn_factor(shape.native_tokens, found.context_tokens),
        gpu_layers=gpu_layers if gpu_layers > 0 else found.placement.gpu_layers,
        kv_type=found.running.kv_type,
        is_moe=shape.is_moe,
        is_hybrid=shape.is_hybrid,
        experts=shape.experts,
        experts_used=shape.experts_used,
        overrides=found.placement.overrides,
        repacked=found.running.repacked,
    )


def _choice(row: Model, path: Path) -> Choice:
    return Choice(row.id, path, row.layout, row.extended_context)


def _row_of_file(name: str) -> Model | None:
    rows = catalogue.load().values()
    return next((row for row in rows if any(file.name == name for file in row.files)), None)
