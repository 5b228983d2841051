# SPDX-License-Identifier: Apache-2.0
"""`ghostwright symbols QUERY`: definitions by exact name, prefix, or letters in order."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from lsp_server.commands.index import folder, up_to_date

if TYPE_CHECKING:
    import argparse

    from indexer.snapshot import Found, Snapshot

LIMIT = 100


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """QUERY, --root, --limit."""
    parser.add_argument("query", metavar="QUERY")
    add_common(parser)


def add_common(parser: argparse.ArgumentParser) -> None:
    """What `symbols` and `references` share."""
    parser.add_argument("--root", type=folder, metavar="DIR", help="the repository's folder")
    parser.add_argument("--limit", type=int, default=LIMIT, metavar="N")
    parser.add_argument("--json", action="store_true")


def run(args: argparse.Namespace) -> int:
    """Print what is found; 1 when nothing is."""
    with up_to_date(args.root) as snapshot:
        rows = [_row(snapshot, found) for found in snapshot.symbols(args.query, args.limit)]
    return show(rows, args.query, as_json=args.json)


def show(rows: list[dict[str, Any]], query: str, *, as_json: bool) -> int:
    """Rows as JSON, or a line each as compilers print places."""
    if as_json:
        print(json.dumps(rows))
    for row in () if as_json else rows:
        print(f"{row['path']}:{row['line']}:{row['col']}: {row['kind']} {row['signature']}")
    if not rows:
        print(f"ghostwright: nothing named {query} is known here", file=sys.stderr)
    return 0 if rows else 1


def _row(snapshot: Snapshot, found: Found) -> dict[str, Any]:
    symbol = found.symbol
    return {
        "name": symbol.name,
        "kind": symbol.kind,
        "path": found.path,
        "line": symbol.name_line,
        "col": column(snapshot, found.path, symbol.name_start),
        "signature": symbol.signature,
    }


def column(snapshot: Snapshot, path: str, offset: int) -> int:
    """The 1-based column, in characters, of a byte offset."""
    data = snapshot.text(path)
    start = data.rfind(b"\n", 0, offset) + 1
    return len(data[start:offset].decode("utf-8", errors="replace")) + 1
