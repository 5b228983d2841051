# SPDX-License-Identifier: Apache-2.0
"""`ghostwright setup`: look at the machine, choose a model, fetch it, try it, remember it."""

from __future__ import annotations

import json
import re
import sys
import time
from typing import TYPE_CHECKING, Any

import psutil

from engine import catalogue, load
from engine.llama import default_threads
from lsp_server.cli import Failed
from lsp_server.commands.model_plan import in_short
from lsp_server.commands.models import pull
from lsp_server.prompting import budget_tokens
from lsp_server.settings import Settings, read_user_file, resolve, user_file

if TYPE_CHECKING:
    import argparse

    from engine.catalogue import Model
    from engine.types import EngineInfo

# Measured: 0.5B parameters are read at about 50 tokens a second and core, so that a core reads
# about 25 billion parameters x tokens a second. Typing wants 60 tokens a second and more.
CORE_B_PARAMETERS_TOKENS_PER_S = 25.0
WANTED_TOKENS_PER_S = 45.0
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
    report = try_model(load.Choice(model.id, path, model.layout, model.extended_context), settings)
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


def try_model(choice: load.Choice, settings: Settings) -> dict[str, Any]:
    """Load a model once: what it takes, how fast it is, and what a keystroke may be for that."""
    room = settings.contextTokens + settings.maxSuggestionTokens
    planned = load.plan_of(choice, room, settings.gpuLayers, settings.kvType)
    started = time.perf_counter()
    engine = load.load(
        choice,
        room_tokens=room,
        threads=settings.threads,
        gpu_layers=settings.gpuLayers,
        kv_type=settings.kvType,
        say=_say,
    )
    load_s = time.perf_counter() - started
    info = engine.info
    engine.close()
    return {
        "model": choice.model,
        "path": str(choice.path),
        "load_s": round(load_s, 1),
        "context_tokens": info.context_tokens,
        "prefill_per_s": info.prefill_per_s,
        "decode_per_s": info.decode_per_s,
        "new_tokens_per_key": new_tokens_per_key(info),
        "prompt_tokens": budget_tokens(info, settings),
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
        f"{key}, where a prompt of up to {report['prompt_tokens']:,} tokens was read before it"
    )


def _say(message: str) -> None:
    print(message, file=sys.stderr)


def _sentence(report: dict[str, Any]) -> str:
    return (
        f"{report['model']} works: loaded in {report['load_s']} s, takes {report['plan']}. "
        f"It {speed_in_words(report)}."
    )
