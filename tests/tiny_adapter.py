# SPDX-License-Identifier: Apache-2.0
"""Writes small LoRA adapters for the models of `tiny_models`.

In: a path and the model's file. Out: a GGUF file with two thin matrices for some of its weights.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import gguf
import numpy as np

from engine.gguf import read_header

if TYPE_CHECKING:
    from pathlib import Path

RANK = 4
ALPHA = 8.0
CHANGED = ("attn_q.weight", "attn_output.weight")


def write_adapter(
    path: Path,
    model: Path,
    *,
    strength: float = 1.0,
    arch: str = "",
    kind: str = "adapter",
    lora: str = "lora",
    without: str = "",
    wider: int = 0,
    names: tuple[str, ...] = CHANGED,
) -> Path:
    """`strength` 0 changes nothing. The rest makes an adapter that is not for the model."""
    header, draw = read_header(model), np.random.default_rng(5)
    writer = gguf.GGUFWriter(path, arch or header.architecture)
    writer.add_type(kind)
    writer.add_string("adapter.type", lora)
    writer.add_float32("adapter.lora.alpha", ALPHA)
    for tensor in header.tensors:
        if tensor.name.endswith(names):
            columns, rows = tensor.shape
            down = draw.standard_normal((RANK, columns + wider)).astype(np.float32)
            up = strength * draw.standard_normal((rows, RANK)).astype(np.float32)
            for part, weights in ((".lora_a", down), (".lora_b", up)):
                if part != without:
                    writer.add_tensor(f"{tensor.name}{part}", weights)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
