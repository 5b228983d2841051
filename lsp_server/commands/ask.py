# SPDX-License-Identifier: Apache-2.0
"""`ghostwright ask "QUESTION" [FILE:LINE] [--trace FILE]`: an answer with checked citations.

The answer comes on stdout as it is written; with --json on stderr, and the whole as JSON at the
end. A stack trace is read from a file, or from stdin for `-`.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from argparse import ArgumentTypeError
from pathlib import Path
from typing import TYPE_CHECKING

from indexer import traces
from indexer.policy import Policy
from lsp_server.actions.ask import ask
from lsp_server.actions.types import Refused
from lsp_server.cli import Failed
from lsp_server.commands.complete import open_document, place_in
from lsp_server.commands.index import folder
from lsp_server.commands.workplace import session_on, with_model
from lsp_server.schedule import NoText
from lsp_server.session import work_tree

if TYPE_CHECKING:
    import argparse

    from lsp_server.actions.ask import Answer
    from lsp_server.session import Session


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """A question; FILE:LINE from 1; --trace, --root."""
    parser.add_argument("question", metavar="QUESTION")
    parser.add_argument("place", nargs="?", metavar="FILE:LINE", type=parse_place)
    parser.add_argument("--trace", metavar="FILE", help="a stack trace; - reads it from stdin")
    parser.add_argument("--root", type=folder, metavar="DIR", help="the repository's folder")
    parser.add_argument("--json", action="store_true", help="everything that is known, as JSON")


def run(args: argparse.Namespace) -> int:
    """Answer, or fail with the reason why there is no answer."""
    trace = _trace(args.trace) if args.trace else ""
    inside = args.place[0] if args.place else Path.cwd() / "."
    root = (args.root or work_tree(inside)).resolve()
    with session_on(root) as session:
        try:
            answer = asyncio.run(_answered(args, trace, session, root))
        except (Refused, NoText) as reason:
            raise Failed(str(reason)) from reason
    if args.json:
        print(json.dumps(answer.record(), ensure_ascii=False))
    print(_summary(answer), file=sys.stderr)
    return 0


def parse_place(text: str) -> tuple[Path, int]:
    """FILE:LINE, where the file's own name may hold colons."""
    name, _, line = text.rpartition(":")
    if not name or not line.isdigit() or not int(line):
        raise ArgumentTypeError(f"{text} is not FILE:LINE with a number from 1")
    return Path(os.path.abspath(name)), int(line)  # noqa: PTH100  `..` goes, links stay


async def _answered(args: argparse.Namespace, trace: str, session: Session, root: Path) -> Answer:
    document, line = None, None
    if args.place:
        path, line = args.place
        document = open_document(session, Policy.load([root], session.settings.exclude), path)
        place_in(document, line, 1)  # fails where there is no such line
    await with_model(session)
    stream = sys.stderr if args.json else sys.stdout

    def hear(text: str) -> None:
        print(text, end="", file=stream, flush=True)

    answer = await ask(args.question, session, document=document, line=line, trace=trace, hear=hear)
    if not answer.answer.endswith("\n"):
        print(file=stream)
    return answer


def _trace(name: str) -> str:
    """The text of a trace. Fails where it cannot be read."""
    try:
        if name == "-":
            return sys.stdin.read(traces.MAX_CHARS)
        with Path(name).open(encoding="utf-8", errors="replace") as file:
            return file.read(traces.MAX_CHARS)
    except (OSError, UnicodeDecodeError) as error:
        raise Failed(f"{name}: {error}") from error


def _summary(answer: Answer) -> str:
    struck = f", {answer.struck} struck out" if answer.struck else ""
    cut = "" if answer.finished else "; it was cut at its longest"
    return (
        f"{answer.model}: {len(answer.citations)} places cited{struck}, "
        f"{len(answer.segments)} pieces read, {answer.total_ms / 1000:.1f} s{cut}"
    )
