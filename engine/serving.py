# SPDX-License-Identifier: Apache-2.0
"""What a model needs on machines with several GPUs: vLLM's forms and GGUF, by arithmetic.

In: a catalogue row, so many GPUs of so many bytes. Out: for each form the number of GPUs, bytes on
each, the context that is left, or why it cannot be. It loads nothing and asks no GPU: sizes are of
the catalogue's figures, compared with published ones in `tests/engine/test_serving.py`.

vLLM cuts every matrix across the GPUs of a tensor-parallel group. Query heads must divide evenly;
key heads must divide, or be copied. In a quantised form a cut expert must stay a multiple of 128
(vLLM issues 25292, 54178, 17604); whole experts on each GPU (expert parallel) avoid that.
llama.cpp lays whole layers on each GPU and has no such rule.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine import memory
from engine.plan import GPU_SPARE_BYTES, LADDER_TOKENS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.catalogue import Model

GB = 1_000_000_000
BF16_BYTES = 2.0
FP8_BYTES = 1.0 + 4 / (128 * 128)  # a 4-byte scale a block of 128 x 128
AWQ_BYTES = (4 + 16 / 128 + 4 / 128) / 8  # 4 bits, and a scale and a zero for each 128
BLOCK = 128
VLLM_SHARE = 0.9  # of a GPU: its default `gpu_memory_utilization`
# Activations, CUDA graphs, NCCL on each GPU, besides weights and context. An assumption: vLLM
# measures it at start; logs in public issues name 1 to 3 GB.
VLLM_OVERHEAD_BYTES = 2 * GB
LEAST_TOKENS = 8_192  # less is not worth such machines
TIED_BELOW_B = 4.5  # smaller ones of the catalogue have one matrix for input and output
GGUF_BATCH_TOKENS = 512  # llama.cpp's default micro-batch


@dataclass(frozen=True, slots=True)
class Gpus:
    """One machine. Gigabytes as sold, in thousands: what a 24 GiB card has more is a margin."""

    count: int
    gb: int

    @property
    def name(self) -> str:
        return f"{self.count} x {self.gb} GB"


MACHINES = (Gpus(1, 24), Gpus(4, 24), Gpus(8, 80))
FORMS = ("BF16", "FP8", "AWQ", "GGUF")


@dataclass(frozen=True, slots=True)
class Serving:
    """A form of a model on a machine. `gpus` 0: it cannot be, for `why`. Bytes are of one GPU.

    context_tokens: of one request, a rung of the ladder; tokens: of all requests together.
    """

    model: str
    machine: str
    form: str
    weights_bytes: int  # of the whole model in this form
    gpus: int = 0
    experts_whole: bool = False  # --enable-expert-parallel
    gpu_bytes: int = 0  # weights on each
    context_tokens: int = 0
    tokens: int = 0
    why: str = ""


def table(model: Model) -> Iterator[Serving]:
    """A row for each machine and form."""
    for machine in MACHINES:
        for form in FORMS:
            yield _gguf(model, machine) if form == "GGUF" else _vllm(model, machine, form)


def weights(model: Model, form: str) -> int:
    """Bytes of a whole model. Embeddings and the output stay in BF16, as published forms have it.

    GGUF: the file of the catalogue, Q4_K_M where it says no other.
    """
    if form == "GGUF":
        return model.shape.weights
    total = model.total_parameters_b * 1e9
    if form == "BF16":
        return int(total * BF16_BYTES)
    kept = kept_parameters(model)
    each = FP8_BYTES if form == "FP8" else AWQ_BYTES
    return int(kept * BF16_BYTES + (total - kept) * each)


def kept_parameters(model: Model) -> float:
    """Those of embeddings and output, which small models have in one."""
    shape = model.shape
    tied = model.total_parameters_b < TIED_BELOW_B
    return shape.vocabulary * shape.width * (1 if tied else 2)


def split_problem(model: Model, form: str, gpus: int, *, experts_whole: bool) -> str:
    """Why vLLM cannot cut a model into so many parts; "" where it can."""
    shape = model.shape
    if shape.heads % gpus:
        return f"{shape.heads} heads on {gpus} GPUs"
    if shape.kv_heads % gpus and gpus % shape.kv_heads:
        return f"{shape.kv_heads} key heads on {gpus} GPUs"
    if experts_whole:
        left = model.experts % gpus
        return f"{model.experts} experts on {gpus} GPUs" if left else ""
    # Of a mixture the experts are what is cut smallest; of a dense model its feed-forward.
    width = model.figures.expert_width if model.is_moe else shape.feed_forward
    what = "experts" if model.is_moe else "a feed-forward"
    if width % gpus or (form != "BF16" and width // gpus % BLOCK):
        return f"{what} of {width} in {gpus} parts, no multiples of {BLOCK}"
    return ""


def kv_bytes(model: Model, gpus: int) -> int:
    """What a token of context takes on each GPU in BF16; what cannot be cut is on all of them."""
    shape = model.shape
    heads = 1 if not shape.value_width else max(1, shape.kv_heads // gpus)
    width = shape.key_width + shape.value_width
    return int(shape.attention_layers * heads * width * BF16_BYTES)


def _vllm(model: Model, machine: Gpus, form: str) -> Serving:
    """With the fewest GPUs that give the longest context. Parts are powers of two."""
    size, whys = weights(model, form), list[str]()
    best: Serving | None = None
    count = 1
    while count <= machine.count:
        for whole in (False, True) if model.is_moe and count > 1 else (False,):
            problem = split_problem(model, form, count, experts_whole=whole)
            if problem:
                whys.append(problem)
                continue
            found = _on_vllm(model, machine, form, size, count, whole=whole)
            if found is None:
                continue
            if best is None or found.context_tokens > best.context_tokens:
                best = found
            break
        count *= 2
    if best is not None:
        return best
    room = machine.gb * VLLM_SHARE - VLLM_OVERHEAD_BYTES / GB
    why = f"{size / GB:.1f} GB of weights and a context, {room:.1f} GB for them on each GPU"
    return Serving(model.id, machine.name, form, size, why="; ".join([why, *dict.fromkeys(whys)]))


def _on_vllm(
    model: Model, machine: Gpus, form: str, size: int, count: int, *, whole: bool
) -> Serving | None:
    part = -(-size // count)
    room = machine.gb * GB * VLLM_SHARE - VLLM_OVERHEAD_BYTES - part - model.shape.state_bytes
    tokens = int(room // kv_bytes(model, count))
    context = _rung(tokens, model)
    if not context:
        return None
    return Serving(
        model.id, machine.name, form, size, count, whole and count > 1, part, context, tokens
    )


def _gguf(model: Model, machine: Gpus) -> Serving:
    """Whole layers on each GPU, by llama.cpp; one slot, keys and values in f16."""
    shape, size = model.shape, weights(model, "GGUF")
    running = memory.Running(GGUF_BATCH_TOKENS)
    for count in range(1, machine.count + 1):
        share = -(-shape.layers // count) / shape.layers
        best = 0
        for tokens in LADDER_TOKENS:
            if tokens > _most(model) or tokens < LEAST_TOKENS:
                continue
            need = memory.estimate(shape, tokens, running)
            on_each = share * (need.weights + need.kv + need.state) + need.compute
            if on_each <= machine.gb * GB - GPU_SPARE_BYTES:
                best = tokens
                break
        if best == _rung(_most(model), model) or (best and count == machine.count):
            part = int(share * size)
            return Serving(model.id, machine.name, "GGUF", size, count, False, part, best, best)
    room = machine.gb - GPU_SPARE_BYTES / GB
    why = f"{size / GB:.1f} GB of weights and a context, {room:.1f} GB for them on each GPU"
    return Serving(model.id, machine.name, "GGUF", size, why=why)


def _most(model: Model) -> int:
    return max(model.native_context, model.extended_context)


def _rung(tokens: int, model: Model) -> int:
    """The longest window of the ladder within what there is and what the model can; 0: none."""
    limit = min(tokens, _most(model))
    return next((rung for rung in LADDER_TOKENS if LEAST_TOKENS <= rung <= limit), 0)
