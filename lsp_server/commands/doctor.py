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
from urllib.parse import urlsplit

import psutil

from engine import legacy_header, load
from engine.gguf import read_header
from engine.llama import default_threads
from engine.places import cache_dir
from engine.shared import joining, places
from engine.types import EngineError
from indexer import languages
from lsp_server.commands.setup import speed_in_words, try_model
from lsp_server.settings import read_user_file, resolve, user_file

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator

    from lsp_server.settings import Settings

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
    yield Line("engine", ok=True, detail=f"xllamacpp {version}, in this process")


def _text() -> Iterator[Line]:
    """Where text goes, by the user's settings."""
    remote = resolve(read_user_file()[0])[0].remote
    if not remote.url:
        yield Line("text", ok=True, detail="nothing leaves this machine")
        return
    from engine.remote_detect import is_own  # noqa: PLC0415  httpx2: 0.4 s, only for a server

    address = urlsplit(remote.url)
    to = f"{address.netloc} (model {remote.model or 'the first it lists'})"
    if is_own(remote.url):
        yield Line("text", ok=True, detail=f"prompts are sent to {to}, on this machine")
        return
    safe = address.scheme == "https"
    fix = "" if safe else "they are not encrypted: use an https address"
    yield Line("text", ok=safe, detail=f"prompts are sent to {to}", fix=fix)


def _remote(settings: Settings) -> Iterator[Line]:
    """Whether the server of the settings answers, and what it does."""
    from engine.remote import RemoteEngine, Where  # noqa: PLC0415  httpx2: only for a server

    remote = settings.remote
    try:
        engine = RemoteEngine(Where(remote.url, remote.model, remote.apiKeyEnv))
    except EngineError as error:
        there = f"{remote.standIn} stands in" if remote.standIn else "start it, or mend remote.url"
        yield Line("model", ok=False, detail=str(error), fix=there)
        return
    info, server = engine.info, engine.server
    engine.close()
    layout = f"{info.context_tokens:,} tokens, laid out for {info.layout}"
    yield Line("model", ok=True, detail=f"{info.model} on {server.kind}: {layout}")
    speed = f"reads {info.prefill_per_s:.0f}, writes {info.decode_per_s:.0f} tokens a second"
    yield Line("speed", ok=True, detail=f"{speed}, the way there included")


def _model() -> Iterator[Line]:
    """What the model of the settings takes here, and what it does: it is loaded once for that."""
    settings, _ = resolve(read_user_file()[0])
    if settings.remote.url:
        yield from _remote(settings)
        return
    try:
        choice = load.choose(settings.model, settings.modelPath)
        if legacy_header.is_legacy(choice.path):
            yield from _of_2023(choice, settings)
            return
        architecture = read_header(choice.path).architecture
        report = try_model(choice, settings)
    except EngineError as error:
        yield Line("model", ok=False, detail=str(error))
        return
    detail = f"{choice.model} ({architecture}), {report['plan']}, {choice.path}"
    yield Line("model", ok=True, detail=detail)
    yield Line("speed", ok=True, detail=speed_in_words(report))


def _of_2023(choice: load.Choice, settings: Settings) -> Iterator[Line]:
    """A file for the legacy engine: it has no plan, it loads or it does not. Raises EngineError."""
    engine = load.load(
        choice, threads=settings.threads, gpu_layers=0, kv_type="f16", say=lambda _: None
    )
    info = engine.info
    engine.close()
    about = f"legacy engine, {info.context_tokens:,} tokens, layout {info.layout}"
    yield Line("model", ok=True, detail=f"{choice.model} ({about}), {choice.path}")
    speed = f"reads {info.prefill_per_s:.0f}, writes {info.decode_per_s:.0f} tokens a second"
    yield Line("speed", ok=True, detail=speed)


def _host() -> Iterator[Line]:
    """Which processes hold a model for all windows."""
    try:
        found = [joining.look(place) for place in places.places()]
    except places.Unshared as reason:
        yield Line("windows", ok=True, detail=f"each has a model of its own: {reason}")
        return
    hosts = [f"process {host.pid} holds a model for {host.windows - 1}" for host in found if host]
    yield Line("windows", ok=True, detail=", ".join(hosts) or "no model is held for any now")


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
    _text,
    _model,
    _host,
    _languages,
    _editors,
)
