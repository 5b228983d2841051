# SPDX-License-Identifier: Apache-2.0
"""`ghostwright doctor`: each line ok or problem, and what to do."""

from __future__ import annotations

import json
import os
import platform
import shutil
import sys
from dataclasses import asdict, dataclass
from importlib import metadata
from typing import TYPE_CHECKING

import psutil

from engine import load
from engine.gguf import read_header
from engine.llama import default_threads
from engine.places import cache_dir
from engine.types import EngineError
from indexer import languages
from lsp_server.commands.setup import speed_in_words, try_model
from lsp_server.settings import read_user_file, resolve, user_file

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator

EDITORS = {"nvim": "Neovim", "code": "VS Code", "codium": "VSCodium", "emacs": "Emacs"}
LOW_DISK_BYTES = 2 << 30


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that was looked at. `fix` says what to do about a problem."""

    name: str
    ok: bool
    detail: str
    fix: str = ""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Only --json."""
    parser.add_argument("--json", action="store_true")


def run(args: argparse.Namespace) -> int:
    """Print every line; 1 when there is a problem."""
    lines = [line for check in CHECKS for line in check()]
    if args.json:
        print(json.dumps([asdict(line) for line in lines]))
    else:
        for line in lines:
            mark = "ok     " if line.ok else "problem"
            print(f"{mark}  {line.name}: {line.detail}" + (f"; {line.fix}" if line.fix else ""))
    return 0 if all(line.ok for line in lines) else 1


def _machine() -> Iterator[Line]:
    free = psutil.virtual_memory()
    detail = (
        f"Python {platform.python_version()}, {platform.system()} {platform.machine()}, "
        f"{default_threads()} cores, {free.total / 1e9:.0f} GB of memory, "
        f"{free.available / 1e9:.0f} GB free"
    )
    yield Line("machine", sys.version_info >= (3, 10), detail)


def _cache() -> Iterator[Line]:
    try:
        folder = cache_dir()
        free = shutil.disk_usage(folder).free
    except OSError as error:
        yield Line("cache", ok=False, detail=str(error), fix="set GHOSTWRIGHT_CACHE to a folder")
        return
    writable = os.access(folder, os.W_OK)
    roomy = free >= LOW_DISK_BYTES
    fix = "" if writable and roomy else "make room, or set GHOSTWRIGHT_CACHE to another folder"
    yield Line("cache", writable and roomy, f"{folder}, {free / 1e9:.0f} GB free", fix)


def _settings() -> Iterator[Line]:
    options, problems = read_user_file()
    _, more = resolve(options)
    for problem in (*problems, *more):
        yield Line("settings", ok=False, detail=problem, fix=f"mend {user_file()}")
    if not problems and not more:
        kept = ", ".join(options) or "all defaults"
        yield Line("settings", ok=True, detail=f"{user_file()}: {kept}")


def _engine() -> Iterator[Line]:
    version = metadata.version("xllamacpp")
    yield Line("engine", ok=True, detail=f"xllamacpp {version}, in this process; nothing is sent")


def _model() -> Iterator[Line]:
    """What the model of the settings takes here, and what it does: it is loaded once for that."""
    settings, _ = resolve(read_user_file()[0])
    try:
        choice = load.choose(settings.model, settings.modelPath)
        architecture = read_header(choice.path).architecture
        report = try_model(choice, settings)
    except EngineError as error:
        yield Line("model", ok=False, detail=str(error))
        return
    detail = f"{choice.model} ({architecture}), {report['plan']}, {choice.path}"
    yield Line("model", ok=True, detail=detail)
    yield Line("speed", ok=True, detail=speed_in_words(report))


def _languages() -> Iterator[Line]:
    counts = languages.tiers()
    words = {
        "A": "in full (definitions, references, imports, types)",
        "B": "by definitions",
        "C": "parsed",
    }
    detail = ", ".join(f"{counts[tier]} {meaning}" for tier, meaning in words.items())
    yield Line("languages", ok=True, detail=f"{detail}; any other text by windows and words")


def _editors() -> Iterator[Line]:
    found = [title for command, title in EDITORS.items() if shutil.which(command)]
    yield Line("editors", ok=True, detail=", ".join(found) or "none of those we look for on PATH")


CHECKS: tuple[Callable[[], Iterator[Line]], ...] = (
    _machine,
    _cache,
    _settings,
    _engine,
    _model,
    _languages,
    _editors,
)
