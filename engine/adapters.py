# SPDX-License-Identifier: Apache-2.0
"""LoRA adapters: which files the user named, and whether they are for the model.

In: texts of the setting `lora`, PATH or PATH=SCALE; the model's header. Out: `Adapter`s, or one
line that says why a file is none. Headers are read by our bounded reader before native code sees
the file. This module knows no llama.cpp; what an adapter does to the weights is not its matter.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from engine.gguf import model_tensors, read_any
from engine.gguf_reader import one_line, shown
from engine.types import ModelRejected

if TYPE_CHECKING:
    from collections.abc import Iterable

    from engine.gguf import Header, Tensor

MAX_SCALE = 16.0  # tenfold is already noise; more is a slip of the pen
READ_BYTES = 1 << 20
MATRIX_DIMENSIONS = 2
EMBEDDING = "token_embd.weight"  # its two matrices are the other way round
DOWN, UP = ".lora_a", ".lora_b"


@dataclass(frozen=True, slots=True)
class Adapter:
    """One file that is for the model. `digest` names its content."""

    path: Path
    scale: float
    digest: str
    bytes: int

    @property
    def key(self) -> str:
        """What a saved state of the model with this adapter depends on."""
        return f"{self.digest}*{self.scale:g}"


def read(texts: Iterable[str], model: Header) -> tuple[Adapter, ...]:
    """The adapters that the setting names, in its order. Raises ModelNotFound, ModelRejected."""
    texts = tuple(texts)
    tensors = {t.name: t for t in model_tensors(model)} if texts else {}
    return tuple(_read(text, model, tensors) for text in texts)


def parse(text: str) -> tuple[Path, float]:
    """PATH or PATH=SCALE. Raises ModelRejected for a scale that is no number of use."""
    path, mark, number = text.rpartition("=")
    if not mark or path.endswith(("/", "\\")):
        return Path(text).expanduser(), 1.0
    try:
        scale = float(number)
    except ValueError:
        return Path(text).expanduser(), 1.0  # a name with such a sign in it
    if not math.isfinite(scale) or abs(scale) > MAX_SCALE:
        raise ModelRejected(f"lora: the scale of {one_line(path)} must be within +-{MAX_SCALE:g}")
    return Path(path).expanduser(), scale


def _read(text: str, model: Header, tensors: dict[str, Tensor]) -> Adapter:
    path, scale = parse(text)
    header = read_any(path)
    problem = _problem(header, model, tensors)
    if problem:
        raise ModelRejected(f"{one_line(str(path))}: {problem}")
    return Adapter(path, scale, _digest(path), header.file_bytes)


def _problem(header: Header, model: Header, tensors: dict[str, Tensor]) -> str:
    """Why a file is no adapter for a model, and what to do; "" where it is one."""
    kind = header.metadata.get("general.type", "model")
    if kind != "adapter":
        return f"is a {shown(str(kind))}, not an adapter; name it in `modelPath`"
    if header.metadata.get("adapter.type") != "lora":
        return "is an adapter of another kind than LoRA; convert it with convert_lora_to_gguf.py"
    made_for = str(header.metadata.get("general.architecture", "?"))
    if made_for != model.architecture:
        return f"is for {shown(made_for)}, the model is {model.architecture}; train it on the model"
    alpha = header.metadata.get("adapter.lora.alpha", 0.0)
    if not isinstance(alpha, (int, float)) or not math.isfinite(alpha):
        return "does not say its alpha; convert it with convert_lora_to_gguf.py"
    return _unfit({tensor.name: tensor for tensor in header.tensors}, tensors)


def _unfit(parts: dict[str, Tensor], tensors: dict[str, Tensor]) -> str:
    if not parts:
        return "has no weights; train it again"
    for name in parts:
        base, half = name[: -len(DOWN)], name[-len(DOWN) :]
        if half not in {DOWN, UP} or base + DOWN not in parts or base + UP not in parts:
            return f"has a part {shown(name)} without the other half; convert it again"
        if base not in tensors:
            return f"changes {shown(base)}, which the model does not have; train it on the model"
        if not _fits(tensors[base], parts[base + DOWN], parts[base + UP]):
            return f"does not fit {shown(base)} of the model by its shape; train it on this model"
    return ""


def _fits(base: Tensor, down: Tensor, up: Tensor) -> bool:
    """W is rows x columns, its parts rank x columns and rows x rank; fastest dimension first."""
    if min(len(base.shape), len(down.shape), len(up.shape)) < MATRIX_DIMENSIONS:
        return False
    if base.name == EMBEDDING:
        return base.shape[0] == up.shape[1] and base.shape[1] == down.shape[1]
    same_depth = base.shape[2:] == down.shape[2:] == up.shape[2:]  # experts
    inner = down.shape[1] == up.shape[0]
    return same_depth and inner and (base.shape[0], base.shape[1]) == (down.shape[0], up.shape[1])


def _digest(path: Path) -> str:
    digest = hashlib.blake2b(digest_size=8)
    try:
        with path.open("rb") as file:
            while piece := file.read(READ_BYTES):
                digest.update(piece)
    except OSError as error:
        raise ModelRejected(f"{one_line(str(path))}: {error.strerror or error}") from None
    return digest.hexdigest()
