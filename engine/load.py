# SPDX-License-Identifier: Apache-2.0
"""From a name in the settings to a loaded engine.

In: a catalogue id or a path. Out: an `Engine`, or one line that says what to do. The header is
checked by our own reader and the memory is computed before native code sees the file.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from engine import catalogue, fetch, memory
from engine.gguf import read_header
from engine.llama import DENSE_BATCH_TOKENS, MOE_BATCH_TOKENS, LlamaEngine, LoadOptions
from engine.types import ModelNotFound

if TYPE_CHECKING:
    from engine.catalogue import Model

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
) -> LlamaEngine:
    """Check, size and load. Blocks for seconds. Raises EngineError.

    `room_tokens` is what a prompt and its answer may need; the context is the default at least and
    `most_tokens` at most. One that does not fit becomes the next smaller one of the ladder:
    `engine.info.context_tokens` tells. Beyond the model's native window it is read with YaRN, as
    far as the catalogue says that the model can.
    """
    header = read_header(choice.path)
    is_moe = header.expert_count > 0
    usual = min(DEFAULT_CONTEXT_TOKENS, header.context_length)
    possible = max(header.context_length, choice.extended_context)
    wanted = min(max(room_tokens, usual), most_tokens, possible)
    fitting = memory.largest_context(
        header,
        wanted,
        kv_type,
        MOE_BATCH_TOKENS if is_moe else DENSE_BATCH_TOKENS,
        psutil.virtual_memory().available,
    )
    options = LoadOptions(
        fitting.context_tokens,
        header.context_length,
        memory.yarn_factor(header, fitting.context_tokens),
        threads,
        gpu_layers,
        kv_type,
        is_moe,
    )
    return LlamaEngine(choice.path, choice.model, options, choice.layout)


def _choice(row: Model, path: Path) -> Choice:
    return Choice(row.id, path, row.layout, row.extended_context)


def _row_of_file(name: str) -> Model | None:
    rows = catalogue.load().values()
    return next((row for row in rows if any(file.name == name for file in row.files)), None)
