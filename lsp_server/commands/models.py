# SPDX-License-Identifier: Apache-2.0
"""`ghostwright models list|pull ID|verify ID|plan ID`."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentTypeError
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine import catalogue, fetch
from engine.types import EngineError
from lsp_server.cli import Failed
from lsp_server.commands import model_plan
from lsp_server.settings import CONTEXT_LIMIT_TOKENS

if TYPE_CHECKING:
    import argparse

    from engine.catalogue import Model

LIMIT_GB = 1e6


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """One of four things to do."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION")
    actions.required = True
    listing = actions.add_parser("list", help="every model, and which are on this machine")
    pull = actions.add_parser("pull", help="fetch a model; goes on where it was interrupted")
    pull.add_argument("id", metavar="ID")
    pull.add_argument("--from", dest="local", type=Path, metavar="FILE", help="a file you have")
    verify = actions.add_parser("verify", help="read a model again and compare its hash")
    verify.add_argument("id", metavar="ID")
    plan = actions.add_parser("plan", help="what of a model fits into memory, and where it goes")
    plan.add_argument("id", metavar="ID|FILE", nargs="?", default="")
    plan.add_argument("--gpus", action="store_true", help="on 1 x 24, 4 x 24 and 8 x 80 GB")
    plan.add_argument("--ram", type=_size, metavar="GB", help="memory for it, if not what is free")
    plan.add_argument("--vram", type=_size, metavar="GB", help="memory of the GPU for it")
    plan.add_argument("--context", type=_tokens, default=0, metavar="N", help="tokens wanted")
    for action in (listing, pull, verify, plan):
        action.add_argument("--json", action="store_true")


def run(args: argparse.Namespace) -> int:
    """Do it and print what came of it."""
    return {"list": _list, "pull": _pull, "verify": _verify, "plan": _plan}[args.action](args)


def _list(args: argparse.Namespace) -> int:
    rows = [_row(model) for model in catalogue.load().values()]
    if args.json:
        print(json.dumps(rows))
        return 0
    print(f"{'id':28}{'parameters':>16}{'size':>10}{'context':>10}  on this machine")
    for row in rows:
        size = f"{row['approx_gb']:.1f} GB"
        parameters = f"{row['total_parameters_b']:g}B/{row['active_parameters_b']:g}B"
        here = row["path"] or row["problem"] or "no"
        print(f"{row['id']:28}{parameters:>16}{size:>10}{row['native_context']:>10}  {here}")
    return 0


def _row(model: Model) -> dict[str, Any]:
    try:
        path, problem = fetch.locate(model), ""
    except EngineError as error:
        path, problem = None, str(error)
    return {
        "id": model.id,
        "title": model.title,
        "architecture": model.architecture,
        "total_parameters_b": model.total_parameters_b,
        "active_parameters_b": model.active_parameters_b,
        "experts": model.experts,
        "experts_active": model.experts_active,
        "native_context": model.native_context,
        "extended_context": model.extended_context,
        "licence": model.licence,
        "approx_gb": model.approx_gb,
        "path": str(path) if path else None,
        "problem": problem,
    }


def _pull(args: argparse.Namespace) -> int:
    model = catalogue.find(args.id)
    path = pull(model, args.local)
    print(json.dumps({"id": model.id, "path": str(path)}) if args.json else path)
    return 0


def pull(model: Model, local: Path | None = None) -> Path:
    """Fetch a model with a bar on stderr, unless it is here already."""
    found = None if local else fetch.locate(model)
    if found:
        return found
    with closing(fetch.ProgressBar()) as bar:
        return fetch.fetch(model, local=local, progress=bar)


def _plan(args: argparse.Namespace) -> int:
    if args.gpus:
        rows = model_plan.served(args.id)
        print(json.dumps(rows) if args.json else model_plan.served_in_words(rows))
        return 0
    if not args.id:
        raise Failed("which model? ghostwright models plan ID, or --gpus for all of them")
    given = model_plan.machine(args.ram, args.vram)
    found = model_plan.report(model_plan.find(args.id), given, args.context)
    print(json.dumps(found) if args.json else model_plan.in_words(found))
    return 0


def _size(text: str) -> float:
    """Gigabytes, 0 and more."""
    try:
        size = float(text)
    except ValueError:
        size = -1.0
    if not 0 <= size < LIMIT_GB:
        raise ArgumentTypeError(f"{text} is not a number of gigabytes")
    return size


def _tokens(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) <= CONTEXT_LIMIT_TOKENS:
        raise ArgumentTypeError(f"{text} is not a number of tokens up to {CONTEXT_LIMIT_TOKENS:,}")
    return int(text)


def _verify(args: argparse.Namespace) -> int:
    with closing(fetch.ProgressBar()) as bar:
        files = fetch.verify(catalogue.find(args.id), progress=bar)
    if args.json:
        rows = [
            {
                "path": str(file.path),
                "bytes": file.bytes,
                "sha256": file.sha256,
                "known": file.known,
            }
            for file in files
        ]
        print(json.dumps(rows))
        return 0
    for file in files:
        compared = "as in the catalogue" if file.known else "the catalogue has no hash to compare"
        print(f"{file.path}: {file.bytes:,} bytes, sha256 {file.sha256}: {compared}")
    if not all(file.known for file in files):
        print("nothing to compare with is no proof", file=sys.stderr)
    return 0
