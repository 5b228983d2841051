# SPDX-License-Identifier: Apache-2.0
"""`ghostwright setup`: look at the machine, choose a model, fetch it, try it, remember it."""

from __future__ import annotations

import json
import re
import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import psutil

from engine import catalogue, load, tuning
from engine.gguf import read_header
from engine.llama import default_threads
from engine.memory import Q8_0
from engine.shape import of_header
from engine.tuning import Tuning
from lsp_server.budget import figures
from lsp_server.cli import Failed
from lsp_server.commands.model_plan import in_short
from lsp_server.commands.models import pull
from lsp_server.settings import Settings, read_user_file, resolve, user_file

if TYPE_CHECKING:
    import argparse

    from engine.catalogue import Model
    from engine.types import Engine, EngineInfo

# Measured: 0.5B parameters are read at about 50 tokens a second and core, so that a core reads
# about 25 billion parameters x tokens a second. Typing wants 60 tokens a second and more.
CORE_B_PARAMETERS_TOKENS_PER_S = 25.0
WANTED_TOKENS_PER_S = 45.0
# Of the weights' bytes; the types of the others have no other form, and 0.5B showed no difference.
REPACKABLE_SHARE = 0.5
KEYSTROKE_S = 0.3  # within it an answer comes while the eye is still there
MEMORY_SHARE = 0.7  # of all memory; the editor, the browser and the system need the rest


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """--model chooses, --yes asks nothing."""
    parser.add_argument("--model", metavar="ID", help="this model instead of the proposed one")
    parser.add_argument("--yes", action="store_true", help="fetch without asking")
    parser.add_argument("--json", action="store_true")


def run(args: argparse.Namespace) -> int:
    """Leave the user with a model that works, and its speed."""
    memory_bytes, cores = psutil.virtual_memory().total, default_threads()
    model = catalogue.find(args.model) if args.model else propose(memory_bytes, cores)
    print(f"This machine: {cores} cores, {memory_bytes / 1e9:.0f} GB of memory.", file=sys.stderr)
    print(f"Model: {model.title}, {model.approx_gb:.1f} GB, {model.licence}.", file=sys.stderr)
    if not args.yes:
        _confirm()
    path = pull(model)
    settings, _ = resolve(read_user_file()[0])
    choice = load.Choice(model.id, path, model.layout, model.extended_context)
    how = tune(choice, settings)
    report = {**try_model(choice, settings), "tried": how}
    remember(model.id)
    print(json.dumps(report) if args.json else _sentence(report))
    return 0


def propose(memory_bytes: int, cores: int) -> Model:
    """The largest model that fits and reads fast enough; the smallest where none does."""
    rows = [model for model in catalogue.load().values() if model.fim != "chat"]
    good = [
        model
        for model in rows
        if model.approx_gb * 1e9 <= memory_bytes * MEMORY_SHARE
        and cores * CORE_B_PARAMETERS_TOKENS_PER_S / model.active_parameters_b
        >= WANTED_TOKENS_PER_S
    ]
    smallest = min(rows, key=lambda model: model.total_parameters_b)
    return max(good, key=lambda model: model.total_parameters_b, default=smallest)


def remember(model_id: str) -> None:
    """Name the model in the user's settings; whatever else stands there stays."""
    path = user_file()
    path.parent.mkdir(parents=True, exist_ok=True)
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    line = f'model = "{model_id}"'
    pattern = re.compile(r"^model\s*=.*$", re.MULTILINE)
    # Top-level keys must stand before the first table, so a new one goes to the start.
    text = pattern.sub(line, text, count=1) if pattern.search(text) else f"{line}\n{text}"
    partial = path.with_suffix(".toml.new")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)


def _confirm() -> None:
    if not sys.stdin.isatty():
        raise Failed("nothing was fetched: say --yes to fetch without being asked")
    print("Fetch and use it? [Y/n] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in ("", "y", "yes"):
        raise Failed("nothing was fetched")


def tune(choice: load.Choice, settings: Settings) -> list[str]:
    """Measure the ways to run a model here, keep the best for every later start; what was tried.

    Flash attention, larger batches and weights in another form only help some machines and files;
    each costs a load to find out.
    """
    started = time.perf_counter()
    best, tuned = _trial(choice, settings, Tuning())
    took_s = time.perf_counter() - started
    words = [_in_words(tuned, best)]
    shape = of_header(read_header(choice.path))
    may_repack = shape.repackable > shape.weights * REPACKABLE_SHARE
    ways = tuning.others(tuned, best, is_hybrid=shape.is_hybrid, may_repack=may_repack)
    for other in ways:
        if time.perf_counter() - started + took_s > tuning.TRIALS_S:
            break
        found, other_tuned = _trial(choice, settings, other, best.depth)
        words.append(_in_words(other, found))
        if found.beats(best):
            best, tuned = found, other_tuned
    tuning.keep(choice.path, tuned)
    return words


def _trial(
    choice: load.Choice, settings: Settings, way: Tuning, depth: int = 0
) -> tuple[tuning.Trial, Tuning]:
    """Load a model so, try it, and take what it has measured along."""
    engine = _loaded(choice, settings, way)
    try:
        found = tuning.trial(engine, depth)
        return found, replace(way, costs=engine.info.costs)
    finally:
        engine.close()


def _in_words(way: Tuning, found: tuning.Trial) -> str:
    flash = "with" if way.flash else "without"
    batch = f", batches of {way.batch_tokens}" if way.batch_tokens else ""
    form = ", weights rearranged" if way.repacked else ""
    return (
        f"{flash} flash attention{batch}{form}: {found.read_ms:.1f} ms a token, "
        f"a key of {tuning.KEY_TOKENS} tokens {found.key_ms:.0f} ms behind {found.depth:,}"
    )


def _loaded(choice: load.Choice, settings: Settings, way: Tuning | None = None) -> Engine:
    return load.load(
        choice,
        room_tokens=settings.contextTokens + settings.maxSuggestionTokens,
        threads=settings.threads,
        gpu_layers=settings.gpuLayers,
        kv_type=settings.kvType,
        tuned=way,
        say=_say,
    )


def try_model(choice: load.Choice, settings: Settings) -> dict[str, Any]:
    """Load a model once: what it takes, how fast it is, and what a keystroke may be for that."""
    room = settings.contextTokens + settings.maxSuggestionTokens
    planned = load.plan_of(choice, room, settings.gpuLayers, settings.kvType)
    started = time.perf_counter()
    engine = _loaded(choice, settings)
    load_s = time.perf_counter() - started
    info, kv_type = engine.info, planned.running.kv_type
    engine.close()
    return {
        "model": choice.model,
        "path": str(choice.path),
        "load_s": round(load_s, 1),
        "context_tokens": info.context_tokens,
        **figures(info, settings),
        "new_tokens_per_key": new_tokens_per_key(info),
        "flash_attention": tuning.find(choice.path).flash or kv_type == Q8_0,
        "kv_type": kv_type,
        "batch_tokens": planned.running.batch_tokens,
        "plan": in_short(planned),
    }


def new_tokens_per_key(info: EngineInfo) -> int:
    """Tokens that a keystroke may add and still have its first token within KEYSTROKE_S.

    The first token comes with the reading of the last one; a pass over few takes as long as one.
    """
    one_pass_s = 1 / info.decode_per_s if info.decode_per_s else KEYSTROKE_S
    return int(info.prefill_per_s * KEYSTROKE_S) if one_pass_s <= KEYSTROKE_S else 0


def speed_in_words(report: dict[str, Any]) -> str:
    """What was measured, and what it means at the keyboard."""
    new, within = report["new_tokens_per_key"], f"{KEYSTROKE_S * 1000:.0f} ms"
    key = (
        f"the first token after a key with up to {new} new ones comes within {within}"
        if new
        else f"no first token comes within {within} of a key"
    )
    return (
        f"reads {report['prefill_per_s']} and writes {report['decode_per_s']} tokens a second: "
        f"{key}, where a prompt of up to {report['prompt_tokens']:,} tokens was read before it "
        f"({report['why']}); a first line takes {report['deep_key_ms'] / 1000:.1f} s behind all of "
        f"it, {report['key_ms'] / 1000:.1f} s behind none"
    )


def _say(message: str) -> None:
    print(message, file=sys.stderr)


def _sentence(report: dict[str, Any]) -> str:
    return (
        f"{report['model']} works: loaded in {report['load_s']} s, takes {report['plan']}. "
        f"It {speed_in_words(report)}."
    )
