# SPDX-License-Identifier: Apache-2.0
"""What `ghostwright models plan` says: what of a model fits into so much memory, and where it goes.

In: an id or a file, gigabytes, a context. Out: the contract's JSON, or lines for people. Reads a
header or the catalogue, and loads nothing.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine import catalogue, fetch, load, memory, plan, serving
from engine.gguf import read_header
from engine.plan import Machine, Plan
from engine.shape import of_header
from engine.types import ModelNotFound

if TYPE_CHECKING:
    from engine.memory import Running
    from engine.shape import Shape

GB = 1_000_000_000
REMOTE = (
    "or run it on another machine with vLLM or llama-server, and set remote.url and remote.model"
)


@dataclass(frozen=True, slots=True)
class Planned:
    """A model and where its figures come from."""

    name: str
    source: str  # a path, or "catalogue": not downloaded, so rounded
    shape: Shape
    extended_tokens: int

    @property
    def possible_tokens(self) -> int:
        return max(self.shape.native_tokens, self.extended_tokens)


def find(name: str) -> Planned:
    """The model of an id or of a file. Raises EngineError."""
    path = Path(name).expanduser()
    if path.suffix == ".gguf" or path.is_file():
        choice = load.choose("", str(path))
        shape = of_header(read_header(choice.path))
        return Planned(choice.model, str(choice.path), shape, choice.extended_context)
    row = catalogue.find(name)
    try:
        located = fetch.locate(row)
    except ModelNotFound:
        located = None
    if located is None:
        return Planned(row.id, "catalogue", row.shape, row.extended_context)
    return Planned(row.id, str(located), of_header(read_header(located)), row.extended_context)


def machine(ram_gb: float | None, vram_gb: float | None) -> Machine:
    """The machine asked about: this one, except for what is given."""
    if ram_gb is not None and vram_gb is not None:
        return Machine(int(ram_gb * GB), int(vram_gb * GB))
    here = load.this_machine(gpu_layers=-1)
    if ram_gb is not None:  # another machine, of which no GPU is known
        return Machine(int(ram_gb * GB))
    return here if vram_gb is None else replace(here, vram_bytes=int(vram_gb * GB), unified=False)


def report(model: Planned, given: Machine, wanted_tokens: int) -> dict[str, Any]:
    """All figures. Without a wish: the largest context within the native window in f16."""
    shape, running = model.shape, load.running_of(model.shape, memory.F16)
    limit = min(wanted_tokens or shape.native_tokens, model.possible_tokens)
    ladder = [rung for rung in plan.rungs(model.possible_tokens) if rung <= model.possible_tokens]
    if limit not in ladder:
        ladder = sorted([*ladder, limit], reverse=True)
    chosen = _chosen(shape, limit, running, given, wanted=bool(wanted_tokens))
    return {
        "model": model.name,
        "source": model.source,
        "ram_bytes": given.ram_bytes,
        "vram_bytes": given.vram_bytes,
        "weights_bytes": shape.weights,
        "expert_bytes": shape.expert_bytes,
        "other_bytes": shape.weights - shape.expert_bytes,
        "weights": "mapped",
        "kv_bytes_per_token": {
            kind: memory.kv_bytes_per_token(shape, kind) for kind in _kinds(shape)
        },
        "state_bytes_per_slot": shape.state_bytes,
        "slots": running.slots,
        "native_context": shape.native_tokens,
        "extended_context": model.possible_tokens,
        "ladder": [_rung(shape, tokens, running, given) for tokens in ladder],
        "plan": _plan(shape, chosen) if chosen else None,
        "needs": [
            {"how": how, "ram_bytes": ram, "vram_bytes": vram}
            for how, ram, vram in plan.needs(shape, running)
        ],
        "remote": None if chosen else REMOTE,
    }


def served(model_id: str = "") -> list[dict[str, Any]]:
    """What of one model, or of each, runs on machines with several GPUs."""
    rows = [catalogue.find(model_id)] if model_id else list(catalogue.load().values())
    return [asdict(found) for row in rows for found in serving.table(row)]


def served_in_words(rows: list[dict[str, Any]]) -> str:
    """A table for people, which is Markdown as well."""
    lines = [
        "| model | machine | form | weights | GPUs | on each | context | tokens in all |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        head = f"| {row['model']} | {row['machine']} | {row['form']} | {_gb(row['weights_bytes'])}"
        if not row["gpus"]:
            lines.append(f"{head} | - | - | does not fit: {row['why']} | - |")
            continue
        gpus = f"{row['gpus']}{', experts whole' if row['experts_whole'] else ''}"
        context = f"{row['context_tokens']:,} | {row['tokens']:,} |"
        lines.append(f"{head} | {gpus} | {_gb(row['gpu_bytes'])} | {context}")
    return "\n".join(lines)


def in_words(found: dict[str, Any]) -> str:
    """The report for people."""
    lines = [_weights(found), _context(found), _machine(found), ""]
    lines += [f"{'context':>11}{'f16':>11}{'q8_0':>11}  fits"]
    lines += [_row(rung) for rung in found["ladder"]]
    chosen = found["plan"]
    return "\n".join([*lines, "", *(_placed(chosen) if chosen else _needed(found))])


def in_short(found: Plan) -> str:
    """A plan in part of a line."""
    place, need = found.placement, found.need
    words = f"{need.total / GB:.1f} GB at a context of {found.context_tokens:,} tokens"
    if found.running.kv_type != memory.F16:
        words += f", keys and values in {found.running.kv_type}"
    if place.vram_bytes:
        words += f", {place.vram_bytes / GB:.1f} GB of it on the GPU"
    return words


def _chosen(
    shape: Shape, limit: int, running: Running, given: Machine, *, wanted: bool
) -> Plan | None:
    """With a wish, q8_0 may bring it. Without one it is the last resort."""
    if not wanted:
        for tokens in plan.rungs(limit):
            found = plan.at(shape, tokens, running, given)
            if found and found.running.kv_type == running.kv_type:
                return found
    return plan.choose(shape, limit, running, given)


def _rung(shape: Shape, tokens: int, running: Running, given: Machine) -> dict[str, Any]:
    found = plan.at(shape, tokens, running, given)
    sizes = {
        f"{kind}_bytes": memory.estimate(
            shape, running.total_tokens(tokens), replace(running, kv_type=kind)
        ).total
        for kind in _kinds(shape)
    }
    return {
        "context_tokens": tokens,
        **sizes,
        "yarn_factor": memory.yarn_factor(shape.native_tokens, tokens),
        "fits": found is not None,
        "kv_type": found.running.kv_type if found else None,
    }


def _kinds(shape: Shape) -> tuple[str, ...]:
    return (memory.F16, memory.Q8_0) if memory.may_quantise(shape) else (memory.F16,)


def _plan(shape: Shape, chosen: Plan) -> dict[str, Any]:
    need, place = chosen.need, chosen.placement
    return {
        "context_tokens": chosen.context_tokens,
        "total_tokens": need.total_tokens,
        "kv_type": chosen.running.kv_type,
        "total_bytes": need.total,
        "kv_bytes": need.kv,
        "state_bytes": need.state,
        "compute_bytes": need.compute,
        "process_bytes": need.process,
        "ram_bytes": place.ram_bytes,
        "vram_bytes": place.vram_bytes,
        "gpu_layers": min(place.gpu_layers, shape.layers),
        "experts": place.experts,
        "overrides": place.overrides,
    }


def _weights(found: dict[str, Any]) -> str:
    rounded = "; not downloaded: by the catalogue's figures"
    experts = f", {_gb(found['expert_bytes'])} of them experts" if found["expert_bytes"] else ""
    where = rounded if found["source"] == "catalogue" else ", mapped from the file"
    return f"{found['model']}: {_gb(found['weights_bytes'])} of weights{experts}{where}"


def _context(found: dict[str, Any]) -> str:
    costs = " or ".join(f"{n:,.0f} in {kind}" for kind, n in found["kv_bytes_per_token"].items())
    state = found["state_bytes_per_slot"]
    fixed = f", and {state / 1e6:.0f} MB a slot whatever its length" if state else ""
    stretched = found["extended_context"] > found["native_context"]
    yarn = f", {found['extended_context']:,} with YaRN" if stretched else ""
    return (
        f"A token of context takes {costs} bytes{fixed}; the window is "
        f"{found['native_context']:,}{yarn}"
    )


def _machine(found: dict[str, Any]) -> str:
    gpu = f" and {_gb(found['vram_bytes'])} on the GPU" if found["vram_bytes"] else ", no GPU"
    return f"Free for it: {_gb(found['ram_bytes'])} of memory{gpu}"


def _row(rung: dict[str, Any]) -> str:
    eight = _gb(rung["q8_0_bytes"]) if "q8_0_bytes" in rung else "-"
    fits = f"in {rung['kv_type']}" if rung["fits"] else "no"
    yarn = f", YaRN x{rung['yarn_factor']}" if rung["fits"] and rung["yarn_factor"] > 1 else ""
    return f"{rung['context_tokens']:>11,}{_gb(rung['f16_bytes']):>11}{eight:>11}  {fits}{yarn}"


def _placed(chosen: dict[str, Any]) -> list[str]:
    split = f"{_gb(chosen['ram_bytes'])} of memory"
    if chosen["vram_bytes"]:
        split += f" and {_gb(chosen['vram_bytes'])} on the GPU, {chosen['gpu_layers']} layers there"
    context = f"{chosen['context_tokens']:,} tokens in {chosen['kv_type']}"
    lines = [f"Plan: a context of {context}, {chosen['total_tokens']:,} in all slots; {split}"]
    if chosen["experts"] != "no experts":
        lines.append(f"Experts: {chosen['experts']}")
    if chosen["overrides"]:
        lines.append(f"Tensors that stay off the GPU: {chosen['overrides']}")
    return lines


def _needed(found: dict[str, Any]) -> list[str]:
    lines = ["It does not fit. With a context that is worth having it needs one of:"]
    for way in found["needs"]:
        gpu = f" and {_gb(way['vram_bytes'])} of GPU memory" if way["vram_bytes"] else ""
        lines.append(f"  {_gb(way['ram_bytes'])} of memory{gpu} ({way['how']})")
    return [*lines, f"  {found['remote']}"]


def _gb(size: float) -> str:
    return f"{size / GB:.1f} GB"
