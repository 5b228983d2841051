# SPDX-License-Identifier: Apache-2.0
"""`ghostwright references NAME`: where a name is used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lsp_server.commands.index import up_to_date
from lsp_server.commands.symbols import add_common, column, show

if TYPE_CHECKING:
    import argparse

    from indexer.snapshot import Snapshot
    from indexer.types import Reference


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """NAME, --root, --limit."""
    parser.add_argument("name", metavar="NAME")
    add_common(parser)


def run(args: argparse.Namespace) -> int:
    """Print the uses; 1 when there are none."""
    with up_to_date(args.root) as snapshot:
        found = snapshot.references(args.name, args.limit)
        rows = [_row(snapshot, path, reference) for path, reference in found]
    return show(rows, args.name, as_json=args.json)


def _row(snapshot: Snapshot, path: str, reference: Reference) -> dict[str, Any]:
    receiver = f"{reference.receiver}." if reference.receiver else ""
    return {
        "name": reference.name,
        "kind": reference.kind,
        "path": path,
        "line": reference.line,
        "col": column(snapshot, path, reference.start),
        "signature": f"{receiver}{reference.name}",
    }
