# SPDX-License-Identifier: Apache-2.0
"""`ghostwright refactor FILE:L1:C1-L2:C2 --action KIND`: an edit that was checked, as a diff.

The diff goes to stdout, the verification report to stderr. Nothing is written without --apply.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
from argparse import ArgumentTypeError
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from indexer.policy import Policy
from lsp_server.actions import ground, report
from lsp_server.actions.listing import byte_offset
from lsp_server.actions.perform import perform
from lsp_server.actions.registry import MODULES
from lsp_server.actions.types import Diagnostic, Refused, Request
from lsp_server.cli import Failed
from lsp_server.commands.complete import open_document, place_in
from lsp_server.commands.index import folder
from lsp_server.commands.workplace import session_on, with_model
from lsp_server.commands.writing import write_all
from lsp_server.session import work_tree

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable

    from lsp_server.actions.types import Outcome
    from lsp_server.session import Session

SPAN = re.compile(r"(.+?):(\d+):(\d+)(?:-(\d+):(\d+))?")
GREEN, RED, CYAN, PLAIN = "\x1b[32m", "\x1b[31m", "\x1b[36m", "\x1b[m"
COLOURS = {"+": GREEN, "-": RED, "@": CYAN}


class Span(NamedTuple):
    """A file and the two ends of a selection: lines and columns from 1, in characters."""

    path: Path
    start: tuple[int, int]
    end: tuple[int, int]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """FILE:L1:C1-L2:C2, or FILE:LINE:COL for a cursor; all from 1, columns in characters."""
    parser.add_argument("span", metavar="FILE:L1:C1-L2:C2", type=parse_span)
    parser.add_argument(
        "--action", required=True, choices=MODULES, metavar="KIND", help=", ".join(MODULES)
    )
    parser.add_argument("--instruction", default="", metavar="TEXT", help="what is wanted")
    parser.add_argument(
        "--diagnostic",
        action="append",
        default=[],
        metavar="TEXT",
        help="what a tool says is wrong there (quickfix.ai); may be given several times",
    )
    parser.add_argument("--apply", action="store_true", help="write the files: all, or none")
    parser.add_argument("--root", type=folder, metavar="DIR", help="the repository's folder")
    parser.add_argument("--json", action="store_true", help="everything that is known, as JSON")


def run(args: argparse.Namespace) -> int:
    """Print the diff and what was checked; 1 with the reason where there is none to be had."""
    root = (args.root or work_tree(args.span.path)).resolve()
    with session_on(root) as session:
        policy = Policy.load([root], session.settings.exclude)
        request = _request(session, policy, args)
        outcome = asyncio.run(_outcome(request, session))
    if args.json:
        print(json.dumps(report.record(outcome, request.document), ensure_ascii=False))
    else:
        _show(outcome, request)
    if not outcome.accepted:
        raise Failed(report.one_line(outcome.reason))
    if args.apply:
        _apply(outcome, root, policy)
    return 0


def parse_span(text: str) -> Span:
    """FILE:L1:C1-L2:C2 or FILE:L1:C1, where the file's own name may hold colons and dashes."""
    found = SPAN.fullmatch(text)
    numbers = [int(part) for part in found.groups()[1:] if part] if found else []
    if found is None or not all(numbers):
        raise ArgumentTypeError(f"{text} is not FILE:L1:C1-L2:C2 with numbers from 1")
    start, end = (numbers[0], numbers[1]), (numbers[-2], numbers[-1])
    # `..` goes, links stay
    return Span(Path(os.path.abspath(found[1])), min(start, end), max(start, end))  # noqa: PTH100


def _request(session: Session, policy: Policy, args: argparse.Namespace) -> Request:
    document = open_document(session, policy, args.span.path)
    start, end = (place_in(document, *each) for each in (args.span.start, args.span.end))
    ends = byte_offset(document, start), byte_offset(document, end)
    said = tuple(Diagnostic(*ends, words, severity="error") for words in args.diagnostic)
    return Request(args.action, document, start, end, args.instruction, said)


async def _outcome(request: Request, session: Session) -> Outcome:
    await with_model(session)

    def say(words: str) -> None:
        print(f"{words} ...", file=sys.stderr)

    return await perform(request, session, say)


def _show(outcome: Outcome, request: Request) -> None:
    record = report.record(outcome, request.document)
    if outcome.accepted:
        print("".join(_painted(record["diff"].splitlines(keepends=True))), end="")
    for found in record["findings"]:
        where = f"{request.document.path}:{found['line']}:{found['col']}"
        print(f"{where}: {found['severity']}: {report.one_line(found['message'])}")
    if outcome.proposal.note:
        print(report.one_line(outcome.proposal.note), file=sys.stderr)
    for line in report.lines(outcome):
        print(line, file=sys.stderr)


def _painted(lines: Iterable[str]) -> Iterable[str]:
    """In colour, and without what a terminal would obey, where a person looks at it."""
    if not sys.stdout.isatty():
        return lines
    return (
        f"{COLOURS.get(line[:1], '')}{report.harmless(line.rstrip())}{PLAIN}\n" for line in lines
    )


def _apply(outcome: Outcome, root: Path, policy: Policy) -> None:
    """Write all files, or none and say why."""
    try:
        write_all(ground.held(outcome.proposal.changes, root, policy, {}))
    except Refused as reason:
        raise Failed(f"nothing was written: {reason}") from reason
    except OSError as error:
        raise Failed(f"nothing was written: {error}") from error
    for change in outcome.proposal.changes:
        print(f"wrote {change.path}", file=sys.stderr)
