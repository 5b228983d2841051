# SPDX-License-Identifier: Apache-2.0
"""`ghostwright context FILE:LINE:COL`: what other files bring into the prompt. Needs no model."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentTypeError
from contextlib import ExitStack
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.estimate import estimate_tokens
from indexer.context import Cursor, gather
from indexer.files import Skipped
from lsp_server import guard
from lsp_server.cli import Failed
from lsp_server.commands.complete import parse_place
from lsp_server.commands.index import folder, open_index, refreshed
from lsp_server.redacting import redacted
from lsp_server.session import work_tree

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from typing_extensions import Self

    from indexer.context import Context
    from indexer.index import Index

SAFETY = 1.02  # the error of an estimate over many pieces, at its 95th percentile
SETTLE_S = 60.0  # for the imports of a repository seen for the first time


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """FILE:LINE:COL, both from 1, the column in characters; or --batch FILE."""
    parser.add_argument("place", nargs="?", metavar="FILE:LINE:COL", type=parse_place)
    parser.add_argument("--budget", type=_budget, metavar="TOKENS", help="tokens at most")
    parser.add_argument(
        "--batch", type=Path, metavar="FILE", help="one question a line, as JSON; one answer a line"
    )
    parser.add_argument("--root", type=folder, metavar="DIR", help="the repository's folder")
    parser.add_argument("--json", action="store_true")


def run(args: argparse.Namespace) -> int:
    """Print the pieces, or one JSON answer a question."""
    if args.batch is not None:
        return _batch(args.batch)
    if args.place is None or args.budget is None:
        raise Failed("say FILE:LINE:COL and --budget TOKENS, or --batch FILE")
    path, line, column = args.place
    root = args.root or work_tree(path)
    question = {"root": str(root), "path": str(path), "line": line, "col": column}
    with _Indexes() as indexes:
        answer = _answer(indexes, {**question, "budget": args.budget})
    print(json.dumps(answer, ensure_ascii=False) if args.json else _sentences(answer))
    return 0


def _batch(file: Path) -> int:
    """Answer each line; a bad one is answered with its `error`. 1 where there was any."""
    failed = False
    with _Indexes() as indexes:
        for question in _questions(file):
            identity = question.get("id") if isinstance(question, dict) else None
            try:
                answer = _answer(indexes, question)
            except Failed as error:
                answer, failed = {"error": str(error)}, True
            print(json.dumps({"id": identity, **answer}, ensure_ascii=False), flush=True)
    return int(failed)


def _questions(file: Path) -> Iterator[Any]:
    try:
        with file.open(encoding="utf-8") as lines:
            for line in lines:
                if line.strip():
                    yield _parsed(line)
    except (OSError, UnicodeDecodeError) as error:
        raise Failed(f"{file}: {error}") from error


def _parsed(line: str) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        return None


class _Indexes:
    """The index of each root that was asked about, opened and brought up to date once."""

    def __init__(self) -> None:
        self._open: dict[Path, Index] = {}
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def of(self, root: Path) -> Index:
        root = root.resolve()
        if root not in self._open:
            if not root.is_dir():
                raise Failed(f"{root} is not a folder")
            index = self._open[root] = self._stack.enter_context(open_index(root))
            refreshed(index)
            index.settle(SETTLE_S)
        return self._open[root]


def _answer(indexes: _Indexes, question: Any) -> dict[str, Any]:
    """The answer to one question. Raises Failed with the reason why there is none."""
    root, path, line, column, budget = _fields(question)
    index = indexes.of(root)
    relative = _below(path if path.is_absolute() else root / path, Path(index.root))
    text = _text(index, relative, question.get("text"))
    _check(text, line, column)
    try:
        if not index.overlay(relative, text):
            raise Failed(f"{relative} is not read any more")
        index.settle(SETTLE_S)
        cursor = Cursor(relative, line, column, text)
        context = gather(index.snapshot(), cursor, budget, _count)
    finally:
        index.overlay(relative, None)
    return _as_json(context, budget)


def _count(text: str) -> int:
    """Tokens without a model: a little more than the estimate, so that what fits here fits."""
    return ceil(estimate_tokens(text) * SAFETY)


def _text(index: Index, relative: str, given: str | None) -> str:
    """The file's text, as given or from the disk. Fails where it may not be read."""
    source = index.snapshot().saved(relative)
    if isinstance(source, Skipped):
        raise Failed(f"{relative}: {guard.in_words(source.reason)}")
    return source.data.decode("utf-8", "replace") if given is None else given


def _fields(question: Any) -> tuple[Path, Path, int, int, int]:
    """Root, path, line, column and budget, checked."""
    if not isinstance(question, dict):
        raise Failed("a question is a JSON object on one line")
    for name, low in (("line", 1), ("col", 1), ("budget", 0)):
        if type(question.get(name)) is not int or question[name] < low:
            raise Failed(f"{name} is a whole number from {low}")
    for name in ("root", "path"):
        text = question.get(name)
        if not isinstance(text, str) or not text or "\0" in text:
            raise Failed(f"{name} is a text")
    if not isinstance(question.get("text", ""), str | None):
        raise Failed("text is a text")
    numbers = (question["line"], question["col"], question["budget"])
    return Path(question["root"]), Path(question["path"]), *numbers


def _below(path: Path, root: Path) -> str:
    """The path relative to the root, with forward slashes."""
    for candidate in (path, path.parent.resolve() / path.name):
        if candidate.is_relative_to(root):
            return candidate.relative_to(root).as_posix()
    raise Failed(f"{path} is not below {root}")


def _check(text: str, line: int, column: int) -> None:
    lines = text.split("\n")
    if line > len(lines):
        raise Failed(f"line {line} is past the end: the file has {len(lines)} lines")
    width = len(lines[line - 1].rstrip("\r"))
    if column > width + 1:
        raise Failed(f"column {column} is past the end of line {line}: it has {width} characters")


def _as_json(context: Context, budget: int) -> dict[str, Any]:
    return {
        "budget": budget,
        "tokens": context.tokens,
        "build_ms": round(context.build_ms, 2),
        "segments": [{**each._asdict(), "text": redacted(each.text)} for each in context.pieces],
    }


def _sentences(answer: dict[str, Any]) -> str:
    print(
        f"{answer['tokens']} of {answer['budget']} tokens, {len(answer['segments'])} pieces, "
        f"{answer['build_ms']:.0f} ms",
        file=sys.stderr,
    )
    return "\n".join(
        f"# {s['role']} {s['path']}:{s['start_line']}-{s['end_line']} "
        f"({s['tokens']} tokens, {s['score']:.2f}: {s['why']})\n{s['text']}"
        for s in answer["segments"]
    )


def _budget(text: str) -> int:
    if not text.isdigit():
        raise ArgumentTypeError(f"{text} is not a whole number from 0")
    return int(text)
