# SPDX-License-Identifier: Apache-2.0
"""What of a model fits into this machine, and where each part of it goes.

In: a `Shape`, bytes that are free, tokens that are wanted. Out: a `Plan`: the context, the type of
keys and values, the layers on a GPU and the rule that keeps experts off it. Touches no hardware.

The order of giving way: keys and values of 8 bits where that brings the wanted context, then the
next smaller context. Weights stay mapped from the file. Rearranged for the processor they are a
second copy, which is made only where setup has found it quicker and there is memory to spare: the
1.5B reads 49 tokens a second with it and flash attention, 39 without either, and the 0.5B, whose
kinds of weights have no such form for the most part, 77 and 76 (two quiet cores).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from engine import memory
from engine.types import OutOfMemory

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.memory import Estimate, Running
    from engine.shape import Shape

LADDER_TOKENS = (
    *(1_048_576, 524_288),  # with YaRN only, for models of 262,144
    *(262_144, 131_072, 65_536, 32_768, 16_384, 8_192, 4_096, 2_048),
)
GPU_SPARE_BYTES = 512 << 20  # what the driver and the desktop take of a GPU besides
ALL_LAYERS = 999  # more than any model has
ALL_EXPERTS_ON_CPU = r"\.ffn_.*_exps\.=CPU"
REPACKED_SHARE = 0.5  # of the free memory: comfort must not be what makes the editor swap
NEEDED_TOKENS = 8_192  # a context that is worth having: what a model needs is said for it

Where = Literal["no experts", "cpu", "gpu", "cpu and gpu"]


@dataclass(frozen=True, slots=True)
class Machine:
    """Bytes that the model may take. `unified`: the GPU works in RAM, as in Apple's machines."""

    ram_bytes: int
    vram_bytes: int = 0
    unified: bool = False


@dataclass(frozen=True, slots=True)
class Placement:
    """Where weights and context go. `overrides` is llama.cpp's rule: tensors that stay behind."""

    ram_bytes: int
    vram_bytes: int
    gpu_layers: int
    overrides: str
    experts: Where


@dataclass(frozen=True, slots=True)
class Plan:
    """A context that fits, how it is run, and where. `context_tokens`: what a slot may hold."""

    context_tokens: int
    need: Estimate
    running: Running
    placement: Placement


def choose(shape: Shape, wanted_tokens: int, running: Running, machine: Machine) -> Plan | None:
    """The wanted context if it fits, else the highest rung of the ladder that does, else None."""
    for tokens in rungs(wanted_tokens):
        found = at(shape, tokens, running, machine)
        if found:
            return found
    return None


def at(shape: Shape, tokens: int, running: Running, machine: Machine) -> Plan | None:
    """A context of just so many tokens: in f16 if it fits, in q8_0 if only that does."""
    for way in _ways(shape, running):
        need = memory.estimate(shape, way.total_tokens(tokens), way)
        placement = place(shape, need, machine)
        if way.repacked and need.total > machine.ram_bytes * REPACKED_SHARE:
            continue
        if placement:
            return Plan(tokens, need, way, placement)
    return None


def rungs(wanted_tokens: int) -> list[int]:
    """The wanted context and those below it, largest first."""
    return [wanted_tokens, *(rung for rung in LADDER_TOKENS if rung < wanted_tokens)]


def place(shape: Shape, need: Estimate, machine: Machine) -> Placement | None:
    """Where it all goes, as much as possible on the GPU. None where it does not fit."""
    if machine.unified:
        where: Where = "gpu" if shape.is_moe else "no experts"
        options = [Placement(need.total, 0, ALL_LAYERS, "", where)]
    else:
        options = _on_gpu(shape, need, machine.vram_bytes - GPU_SPARE_BYTES)
    options.append(Placement(need.total, 0, 0, "", "cpu" if shape.is_moe else "no experts"))
    return next((found for found in options if found.ram_bytes <= machine.ram_bytes), None)


def too_little(name: str, shape: Shape, running: Running, machine: Machine) -> OutOfMemory:
    """The error that says what the smallest context of a model needs."""
    least = min((_least(shape, way) for way in _ways(shape, running)), key=lambda need: need.total)
    return OutOfMemory(
        f"{name} needs {least.total / 1e9:.1f} GB at a context of {LADDER_TOKENS[-1]:,} tokens "
        f"and {(machine.ram_bytes + machine.vram_bytes) / 1e9:.1f} GB are free; choose a smaller "
        "model: ghostwright models list"
    )


def needs(shape: Shape, running: Running) -> list[tuple[str, int, int]]:
    """Ways to run a model at NEEDED_TOKENS: (in words, bytes of RAM, bytes of VRAM)."""
    tokens = running.total_tokens(min(NEEDED_TOKENS, shape.native_tokens))
    need = memory.estimate(shape, tokens, running)
    device = need.total - need.process + GPU_SPARE_BYTES
    ways = [("all in RAM", need.total, 0)]
    if shape.is_moe:
        experts = shape.expert_bytes
        ways.append(("experts in RAM, the rest on a GPU", need.process + experts, device - experts))
    return [*ways, ("all on GPUs", need.process, device)]


def _ways(shape: Shape, running: Running) -> Iterator[Running]:
    if running.repacked:
        yield running
        running = replace(running, repacked=False)
    yield running
    if running.kv_type == memory.F16 and memory.may_quantise(shape):
        yield replace(running, kv_type=memory.Q8_0)


def _least(shape: Shape, running: Running) -> Estimate:
    return memory.estimate(shape, running.total_tokens(LADDER_TOKENS[-1]), running)


def _on_gpu(shape: Shape, need: Estimate, room: int) -> list[Placement]:
    """Placements that use a GPU with so much room, the best first."""
    device = need.total - need.process
    if device <= room:
        where: Where = "gpu" if shape.is_moe else "no experts"
        return [Placement(need.process, device, ALL_LAYERS, "", where)]
    found = []
    if shape.is_moe and device - shape.expert_bytes <= room:
        found.append(_experts_split(shape, need, room))
    if room > need.compute:
        found += _layers_split(shape, need, room)
    return found


def _experts_split(shape: Shape, need: Estimate, room: int) -> Placement:
    """Attention and context on the GPU, and the experts of as many of the last layers as fit."""
    rest = need.total - need.process - shape.expert_bytes
    layer = shape.expert_bytes / shape.expert_layers
    on_gpu = int((room - rest) // layer)
    on_cpu = shape.expert_layers - on_gpu
    kept = range(shape.dense_layers, shape.dense_layers + on_cpu)
    numbers = "|".join(map(str, kept))
    return Placement(
        ram_bytes=need.process + int(on_cpu * layer),
        vram_bytes=rest + int(on_gpu * layer),
        gpu_layers=ALL_LAYERS,
        overrides=rf"blk\.({numbers})\.ffn_.*_exps\.=CPU" if on_gpu else ALL_EXPERTS_ON_CPU,
        experts="cpu and gpu" if on_gpu else "cpu",
    )


def _layers_split(shape: Shape, need: Estimate, room: int) -> list[Placement]:
    """Whole layers on the GPU, with their share of the context."""
    layer = (need.weights + need.kv + need.state) / shape.layers
    count = min(shape.layers, int((room - need.compute) // layer))
    if not count:
        return []
    on_gpu = int(count * layer) + need.compute
    where: Where = "cpu and gpu" if shape.is_moe else "no experts"
    return [Placement(need.total - on_gpu + need.compute, on_gpu, count, "", where)]
