# SPDX-License-Identifier: Apache-2.0
"""`ghostwright trace REPO REV`: a real change as the keystrokes of whoever typed it.

Or a function of a file, typed in anew: `ghostwright trace REPO --function PATH:NAME`.
"""

from __future__ import annotations

import sys
from argparse import ArgumentTypeError
from pathlib import Path
from typing import TYPE_CHECKING

from indexer.files import Skipped, read_source
from indexer.policy import Policy
from lsp_server import guard
from lsp_server.cli import Failed
from lsp_server.commands.index import folder
from lsp_server.replaying import functions, history
from lsp_server.replaying.keystrokes import KEYS_PER_S, PAUSE_S, Pace, Typist
from lsp_server.replaying.trace import Trace, Unusable, check_text, dump

if TYPE_CHECKING:
    import argparse

FASTEST_KEYS_PER_S = 1000.0
LONGEST_PAUSE_S = 3600.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """REPO and REV, or REPO and --function."""
    parser.add_argument("repo", type=folder, metavar="REPO", help="the repository's folder")
    parser.add_argument("revision", nargs="?", metavar="REV", help="the commit to type")
    parser.add_argument("--files", default="*", metavar="GLOB", help="only these of its files")
    parser.add_argument("--function", type=_function, metavar="PATH:NAME", help="instead of REV")
    parser.add_argument("--rate", type=_rate, default=KEYS_PER_S, metavar="N", help="keys a second")
    parser.add_argument("--pause", type=_pause, default=PAUSE_S, metavar="SECONDS")
    parser.add_argument(
        "--indent",
        choices=("editor", "typed"),
        default="editor",
        help="who indents new lines; `typed`: every character is a key",
    )
    parser.add_argument("--output", type=Path, metavar="FILE", help="instead of standard output")
    parser.add_argument("--json", action="store_true", help="as always: one line of JSON a key")


def run(args: argparse.Namespace) -> int:
    """Write the trace, and a line about it to stderr."""
    if (args.revision is None) == (args.function is None):
        raise Failed("trace takes a REV or --function PATH:NAME, one of them")
    typist = Typist(Pace(args.rate, args.pause, args.indent))
    try:
        if args.function:
            path, name = args.function
            trace = of_function(args.repo, path, name, typist)
        else:
            trace = of_commit(args.repo, args.revision, args.files, typist)
        _write(trace, args.output)
    except Unusable as error:
        raise Failed(str(error)) from error
    print(_summary(trace), file=sys.stderr)
    return 0


def of_commit(root: Path, revision: str, files: str, typist: Typist) -> Trace:
    """What a commit changed, typed. Raises Unusable."""
    commit = history.find(root, revision)
    before: dict[str, str | None] = {}
    for changed in history.changes(root, commit, files, _say):
        typist.change(changed.path, changed.before or "", changed.after, changed.hunks)
        before[changed.path] = changed.before
    if not typist.keys:
        raise Unusable(f"{revision} has no text to type")
    return Trace(str(root), commit.name, commit.parent, before, tuple(typist.keys))


def of_function(root: Path, path: str, name: str, typist: Typist) -> Trace:
    """The body of a function, taken out and typed again. Raises Unusable."""
    source = read_source(Policy.load([root]), str(root / path))
    if isinstance(source, Skipped):
        raise Unusable(f"{path}: {guard.in_words(source.reason)}")
    text = source.data.decode("utf-8")
    check_text(path, text)
    hole = functions.empty(path, text, name)
    typist.fill(path, hole.before, hole.body, hole.place)
    return Trace(str(root), "", "", {path: hole.before}, tuple(typist.keys))


def _write(trace: Trace, output: Path | None) -> None:
    if output is None:
        dump(trace, sys.stdout)
        return
    fresh = output.with_name(output.name + ".new")
    try:
        with fresh.open("w", encoding="utf-8", newline="\n") as stream:
            dump(trace, stream)
        fresh.replace(output)
    except OSError as error:
        fresh.unlink(missing_ok=True)
        raise Unusable(f"{output}: {error.strerror}") from error


def _say(skipped: str) -> None:
    print(skipped, file=sys.stderr)


def _summary(trace: Trace) -> str:
    places = trace.keys[-1].hunk + 1
    return (
        f"{len(trace.keys):,} keys at {places:,} places of {len(trace.files):,} files, "
        f"{trace.keys[-1].at_s:,.0f} s"
    )


def _function(text: str) -> tuple[str, str]:
    path, _, name = text.rpartition(":")
    if not path or not name:
        raise ArgumentTypeError(f"{text} is not PATH:NAME")
    return path.replace("\\", "/"), name


def _rate(text: str) -> float:
    return number(text, 0.01, FASTEST_KEYS_PER_S)


def _pause(text: str) -> float:
    return number(text, 0.0, LONGEST_PAUSE_S)


def number(text: str, least: float, most: float) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not least <= value <= most:
        raise ArgumentTypeError(f"{text} is not a number from {least:g} to {most:g}")
    return value
