# SPDX-License-Identifier: Apache-2.0
"""`ghostwright replay TRACE.jsonl`: types a trace into the real server and says how it did."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentTypeError
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from lsp_server import settings
from lsp_server.cli import Failed
from lsp_server.commands.index import folder
from lsp_server.commands.trace import number
from lsp_server.replaying import scratch
from lsp_server.replaying.client import ServerFailed
from lsp_server.replaying.report import report, words
from lsp_server.replaying.trace import MAX_KEYS, Trace, Unusable, load
from lsp_server.replaying.typing_in import Manner, play

if TYPE_CHECKING:
    import argparse

SLOWEST, FASTEST = 0.01, 100.0
LONGEST_SETTLE_S = 36_000.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """TRACE.jsonl, how fast, where, with which model and settings."""
    parser.add_argument("trace", type=Path, metavar="TRACE.jsonl")
    parser.add_argument(
        "--root",
        type=folder,
        metavar="DIR",
        help="the repository as it was before; it is used as it is and nothing is written to it. "
        "Without: a copy of the one that the trace names, made for the while",
    )
    parser.add_argument("--model", metavar="ID", help="of the catalogue, or a file")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        type=_setting,
        metavar="NAME=JSON",
        help="a setting of the server, such as contextTokens=8192",
    )
    parser.add_argument("--keys", type=_count, default=MAX_KEYS, metavar="N", help="the first N")
    parser.add_argument(
        "--settle",
        type=_settle,
        default=0.0,
        metavar="SECONDS",
        help="the file is open for so long before the first key",
    )
    pace = parser.add_mutually_exclusive_group()
    pace.add_argument("--speed", type=_speed, default=1.0, metavar="X", help="times the trace's")
    pace.add_argument("--wait", action="store_true", help="wait for each answer before the next")
    parser.add_argument(
        "--accept",
        type=_settle,
        metavar="SECONDS",
        help="take a text that is just what is going to be typed, so long after it is shown",
    )
    parser.add_argument("--json", action="store_true", help="everything, and a row for each key")


def run(args: argparse.Namespace) -> int:
    """Print the totals, or all of it as JSON."""
    try:
        trace = load(args.trace, args.keys)
        found = _replayed(trace, args)
    except (Unusable, ServerFailed) as error:
        raise Failed(str(error)) from error
    print(json.dumps(found, ensure_ascii=False) if args.json else words(found))
    return 0


def options(model: str | None, chosen: list[tuple[str, Any]]) -> dict[str, Any]:
    """What the client says to the server at the start. Raises Unusable for a wrong setting."""
    given: dict[str, Any] = dict(chosen)
    if model:
        given["modelPath" if Path(model).is_file() else "model"] = (
            str(Path(model).resolve()) if Path(model).is_file() else model
        )
    _, problems = settings.resolve(given)
    if problems:
        raise Unusable("; ".join(problems))
    return given


def _replayed(trace: Trace, args: argparse.Namespace) -> dict[str, Any]:
    given = options(args.model, args.set)
    manner = Manner(args.speed, args.wait, args.accept, args.settle, given)
    place = nullcontext(args.root) if args.root else scratch.before(trace)
    total = len(trace.keys)
    quiet = not sys.stderr.isatty()
    with place as root, tqdm(total=total, unit=" keys", disable=quiet, file=sys.stderr) as bar:
        played = play(trace, root, manner, bar.update)
    return report(trace, played, speed=0.0 if args.wait else args.speed)


def _setting(text: str) -> tuple[str, Any]:
    name, sign, value = text.partition("=")
    try:
        parsed = json.loads(value)
    except ValueError:
        parsed = value  # a bare word is text
    if not sign or not name:
        raise ArgumentTypeError(f"{text} is not NAME=VALUE")
    return name, parsed


def _count(text: str) -> int:
    if not text.isdigit() or not 0 < int(text) <= MAX_KEYS:
        raise ArgumentTypeError(f"{text} is not a number from 1 to {MAX_KEYS}")
    return int(text)


def _speed(text: str) -> float:
    return number(text, SLOWEST, FASTEST)


def _settle(text: str) -> float:
    return number(text, 0.0, LONGEST_SETTLE_S)
