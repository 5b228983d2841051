# SPDX-License-Identifier: Apache-2.0
"""`ghostwright models list|pull ID|verify ID`."""

from __future__ import annotations

import json
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine import catalogue, fetch
from engine.types import EngineError

if TYPE_CHECKING:
    import argparse

    from engine.catalogue import Model


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """One of three things to do, `list` by default."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION")
    actions.required = True
    listing = actions.add_parser("list", help="every model, and which are on this machine")
    pull = actions.add_parser("pull", help="fetch a model; goes on where it was interrupted")
    pull.add_argument("id", metavar="ID")
    pull.add_argument("--from", dest="local", type=Path, metavar="FILE", help="a file you have")
    verify = actions.add_parser("verify", help="read a model again and compare its hash")
    verify.add_argument("id", metavar="ID")
    for action in (listing, pull, verify):
        action.add_argument("--json", action="store_true")


def run(args: argparse.Namespace) -> int:
    """Do it and print what came of it."""
    return {"list": _list, "pull": _pull, "verify": _verify}[args.action](args)


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
