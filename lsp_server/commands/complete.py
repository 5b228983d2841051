# SPDX-License-Identifier: Apache-2.0
"""`ghostwright complete FILE:LINE:COL`: one suggestion, by the same way as in an editor."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from argparse import ArgumentTypeError
from pathlib import Path
from typing import TYPE_CHECKING, Any

from indexer.files import Skipped, read_source
from indexer.policy import Policy
from lsp_server import explain, guard, settings, suggest
from lsp_server.cli import Failed
from lsp_server.documents import Place
from lsp_server.positions import content_length
from lsp_server.session import Session, work_tree

if TYPE_CHECKING:
    import argparse

    from lsp_server.documents import Document

LANGUAGES = {".py": "python", ".ts": "typescript", ".js": "javascript", ".rs": "rust", ".go": "go"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """FILE:LINE:COL, both from 1, the column in characters."""
    parser.add_argument("place", metavar="FILE:LINE:COL", type=parse_place)
    parser.add_argument("--max-tokens", type=_positive, metavar="N", help="tokens to write at most")
    parser.add_argument(
        "--budget", type=_positive, metavar="TOKENS", help="tokens the prompt may have"
    )
    parser.add_argument("--root", type=Path, metavar="DIR", help="the repository's folder")
    parser.add_argument("--json", action="store_true", help="everything that is known, as JSON")


def run(args: argparse.Namespace) -> int:
    """Print the suggestion, or fail with the reason why there is none."""
    path, line, column = args.place
    root = (args.root or work_tree(path)).resolve()
    resolved, problems = settings.resolve(settings.read_user_file()[0], _overrides(args))
    if problems:
        raise Failed("; ".join(problems))
    session = Session(resolved, [root])
    document = open_document(session, Policy.load([root], resolved.exclude), path)
    place = place_in(document, line, column)
    record = asyncio.run(_complete(session, document, place))
    if not record["shown"] and record["reason"] != "nothing worth showing":
        raise Failed(record["reason"])
    print(json.dumps(record, ensure_ascii=False) if args.json else record["text"])
    if not args.json:
        print(_summary(record), file=sys.stderr)
    return 0


def parse_place(text: str) -> tuple[Path, int, int]:
    """FILE:LINE:COL, where the file's own name may hold colons."""
    name, line, column = ("", "", "", *text.rsplit(":", 2))[-3:]
    if not name or not line.isdigit() or not column.isdigit() or not int(line) or not int(column):
        raise ArgumentTypeError(f"{text} is not FILE:LINE:COL with numbers from 1")
    return Path(os.path.abspath(name)), int(line), int(column)  # noqa: PTH100  `..` goes, links stay


def _positive(text: str) -> int:
    if not text.isdigit() or not int(text):
        raise ArgumentTypeError(f"{text} is not a whole number above 0")
    return int(text)


def open_document(session: Session, policy: Policy, path: Path) -> Document:
    """Read a file as an editor would open it. Fails where it may not or cannot be read."""
    source = read_source(policy, str(path))
    if isinstance(source, Skipped):
        raise Failed(f"{path}: {guard.in_words(source.reason)}")
    language = LANGUAGES.get(path.suffix, "plaintext")
    return session.documents.open(path.as_uri(), language, 1, source.data.decode("utf-8"))


def place_in(document: Document, line: int, column: int) -> Place:
    """The place of a 1-based line and column; one past the end of the text is an error."""
    if line > len(document.lines):
        raise Failed(f"line {line} is past the end: the file has {len(document.lines)} lines")
    width = content_length(document.lines[line - 1])
    if column > width + 1:
        raise Failed(f"column {column} is past the end of line {line}: it has {width} characters")
    return Place(line - 1, column - 1)


async def _complete(session: Session, document: Document, place: Place) -> dict[str, Any]:
    session.start()
    assert session.worker is not None
    ready = asyncio.wrap_future(session.worker.ready)
    try:
        await ready
        session.loaded()
        suggestion = await suggest.suggest(suggest.Ask(document, place, manual=True), session)
    finally:
        await asyncio.get_running_loop().run_in_executor(None, session.close)
    return explain.record(suggestion)


def _overrides(args: argparse.Namespace) -> dict[str, int]:
    wanted = {"maxSuggestionTokens": args.max_tokens, "contextTokens": args.budget}
    return {name: value for name, value in wanted.items() if value is not None}


def _summary(record: dict[str, Any]) -> str:
    shown = "" if record["shown"] else f"no suggestion: {record['reason']}. "
    return (
        f"{shown}{record['model']}: first token after {record['ttft_ms']:.0f} ms, "
        f"{record['total_ms']:.0f} ms in all; read {record['evaluated_tokens']} of "
        f"{record['prompt_tokens']} tokens, wrote {record['decoded_tokens']}"
    )
