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

DEFAULT_FIM = "qwen"  # for files that are not in the catalogue; other vocabularies refuse by name
STARTERS = ("qwen2.5-coder-0.5b", "qwen2.5-coder-1.5b")  # what `auto` looks for, in this order
DEFAULT_CONTEXT_TOKENS = 8192
SAFE_CONTEXT_TOKENS = 2048  # after a crash, whose most likely cause is memory
NO_LIMIT = 1 << 30


@dataclass(frozen=True, slots=True)
class Choice:
    """A model file on this machine and how it is spoken to."""

    model: str
    path: Path
    fim: str


def choose(model: str, model_path: str) -> Choice:
    """The file that the settings mean. Raises ModelNotFound with the command that gets it."""
    if model_path:
        path = Path(model_path).expanduser()
        row = _row_of_file(path.name)
        return Choice(row.id if row else path.name, path, row.fim if row else DEFAULT_FIM)
    if model == "auto":
        for row in map(catalogue.find, STARTERS):
            if path_found := fetch.locate(row):
                return Choice(row.id, path_found, row.fim)
        raise ModelNotFound("no model on this machine yet; run: ghostwright setup")
    row = catalogue.find(model)
    located = fetch.locate(row)
    if located is None:
        raise ModelNotFound(f"{row.id} is not downloaded; run: ghostwright models pull {row.id}")
    return Choice(row.id, located, row.fim)


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
    `engine.info.context_tokens` tells.
    """
    header = read_header(choice.path)
    is_moe = header.expert_count > 0
    wanted = min(max(room_tokens, DEFAULT_CONTEXT_TOKENS), most_tokens)
    wanted = min(wanted, header.context_length or wanted)
    fitting = memory.largest_context(
        header,
        wanted,
        kv_type,
        MOE_BATCH_TOKENS if is_moe else DENSE_BATCH_TOKENS,
        psutil.virtual_memory().available,
    )
    options = LoadOptions(fitting.context_tokens, threads, gpu_layers, kv_type, is_moe)
    return LlamaEngine(choice.path, choice.model, options)


def _row_of_file(name: str) -> Model | None:
    rows = catalogue.load().values()
    return next((row for row in rows if any(file.name == name for file in row.files)), None)
