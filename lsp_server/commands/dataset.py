# SPDX-License-Identifier: Apache-2.0
"""`ghostwright dataset [DIR] --out FOLDER`: examples of a repository to train an adapter on."""

from __future__ import annotations

import json
import os
from argparse import ArgumentTypeError
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine import catalogue
from engine.layout import layouts
from lsp_server.cli import Failed
from lsp_server.commands.index import folder
from lsp_server.dataset.examples import ENDS, Example, cut
from lsp_server.dataset.gather import Gathered, gather
from lsp_server.dataset.packing import pack
from lsp_server.dataset.splits import held_out
from lsp_server.session import work_tree
from lsp_server.settings import read_user_file, resolve

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence

PACK_TOKENS = 4096  # a sequence of training that fits a GPU of 24 GB with a model of 7B
EXAMPLE_TOKENS = 1024  # about what a keystroke's prompt has of its own file
HELD_OUT = 0.1
PER_FILE = 8
LEAST_TOKENS, MOST_TOKENS = 256, 131_072
DEFAULT_LAYOUT = "qwen"
OWNER_ONLY = 0o700


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """[DIR], --out, and how examples are made."""
    parser.add_argument("root", nargs="?", type=folder, default=None, metavar="DIR")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="where to write")
    parser.add_argument("--model", default="", metavar="ID", help="for the layout of this model")
    parser.add_argument("--layout", default="", choices=["", *ENDS], metavar="NAME")
    parser.add_argument("--tokens", type=_tokens, default=PACK_TOKENS, help="of a pack")
    parser.add_argument("--example-tokens", type=_tokens, default=EXAMPLE_TOKENS)
    parser.add_argument("--held-out", type=_share, default=HELD_OUT, metavar="SHARE")
    parser.add_argument("--per-file", type=int, default=PER_FILE, metavar="N")
    parser.add_argument("--json", action="store_true")


def run(args: argparse.Namespace) -> int:
    """Gather, cut, split, pack, write; say what was left out and why."""
    root = str(args.root or work_tree(Path.cwd() / "."))
    settings, _ = resolve(read_user_file()[0])
    name = args.layout or _layout_of(args.model or settings.model)
    layout = layouts()[name]
    found = gather(root, settings.exclude, layout)
    held = held_out(found.texts, found.times, args.held_out)
    sides: dict[str, list[Example]] = {"train": [], "held-out": []}
    most = min(args.example_tokens, args.tokens)
    for path, text in found.texts.items():
        repository = Path(root).name
        made = cut(
            path,
            text,
            repository=repository,
            layout=layout,
            tokens=most,
            most=args.per_file,
        )
        sides["held-out" if path in held else "train"] += made
    if not sides["train"]:
        raise Failed("there is nothing to learn from: no file that may be used has a hole")
    packs = {side: pack(examples, args.tokens) for side, examples in sides.items()}
    summary = _summary(found, held, packs, name, args.tokens)
    try:
        _write(args.out, packs, held, summary)
    except OSError as error:
        raise Failed(f"{args.out}: {error.strerror or error}") from error
    print(json.dumps(summary) if args.json else _sentences(summary, args.out))
    return 0


def _layout_of(model: str) -> str:
    return DEFAULT_LAYOUT if model == "auto" else catalogue.find(model).layout


def _summary(
    found: Gathered,
    held: Mapping[str, str],
    packs: Mapping[str, Sequence[Sequence[Example]]],
    layout: str,
    room: int,
) -> dict[str, Any]:
    sides = {}
    for side, of_side in packs.items():
        examples = [example for one in of_side for example in one]
        tokens = sum(example.tokens for example in examples)
        sides[side] = {
            "packs": len(of_side),
            "examples": len(examples),
            "files": len({example.path for example in examples}),
            "tokens": tokens,  # estimated
            "filled": round(tokens / (len(of_side) * room), 3) if of_side else 0.0,
            "kinds": dict(sorted(Counter(example.kind for example in examples).items())),
            "languages": dict(Counter(example.language for example in examples).most_common()),
        }
    return {
        "layout": layout,
        "pack_tokens": room,
        **sides,
        "held_out_by": dict(sorted(Counter(held.values()).items())),
        "own": {
            "licences": sorted(found.licence.licences),
            "holders": sorted(found.licence.holders),
        },
        "redacted_values": found.redacted,
        "left_out": dict(Counter(found.left_out.values()).most_common()),
        "left_out_files": dict(sorted(found.left_out.items())),
        "not_read": dict(found.skipped.most_common()),
    }


def _write(
    out: Path,
    packs: Mapping[str, Sequence[Sequence[Example]]],
    held: Mapping[str, str],
    summary: Mapping[str, Any],
) -> None:
    """Each file whole or as it was. What holds source code is the user's alone."""
    out.mkdir(mode=OWNER_ONLY, parents=True, exist_ok=True)
    for side, of_side in packs.items():
        lines = [json.dumps(_line(one, held), ensure_ascii=False) + "\n" for one in of_side]
        _replace(out / f"{side}.jsonl", "".join(lines))
    _replace(out / "summary.json", json.dumps(summary, indent=1, ensure_ascii=False) + "\n")


def _line(one: Sequence[Example], held: Mapping[str, str]) -> dict[str, Any]:
    """`learn` are the characters of `text` that are answers: where a loss is to be taken."""
    examples, learn, at = [], [], 0
    for example in one:
        learn.append([at + example.start, at + len(example.text)])
        at += len(example.text)
        row = {"path": example.path, "line": example.line, "kind": example.kind}
        examples.append(row | ({"held_out_by": held[example.path]} if example.path in held else {}))
    text = "".join(example.text for example in one)
    return {
        "text": text,
        "learn": learn,
        "tokens": sum(example.tokens for example in one),
        "examples": examples,
    }


def _replace(file: Path, text: str) -> None:
    part = file.with_name(f"{file.name}.part")
    try:
        with os.fdopen(
            os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb"
        ) as out_file:
            out_file.write(text.encode())
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)


def _sentences(summary: Mapping[str, Any], out: Path) -> str:
    lines = [f"{out}: layout {summary['layout']}, packs of {summary['pack_tokens']:,} tokens"]
    for side in ("train", "held-out"):
        row = summary[side]
        lines.append(
            f"{side}: {row['examples']:,} examples of {row['files']:,} files in "
            f"{row['packs']:,} packs, about {row['tokens']:,} tokens, {row['filled']:.1%} full"
        )
    left = ", ".join(f"{count:,} {why}" for why, count in summary["left_out"].items()) or "none"
    lines.append(
        f"left out: {left} (each file in summary.json); values redacted: "
        f"{summary['redacted_values']:,}"
    )
    return "\n".join(lines)


def _tokens(text: str) -> int:
    if not text.isdecimal() or not LEAST_TOKENS <= int(text) <= MOST_TOKENS:
        raise ArgumentTypeError(f"must be a number from {LEAST_TOKENS} to {MOST_TOKENS}")
    return int(text)


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1 / 2:
        raise ArgumentTypeError("must be from 0 to 0.5")
    return share
