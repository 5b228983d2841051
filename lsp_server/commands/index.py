# SPDX-License-Identifier: Apache-2.0
"""`ghostwright index [DIR]`, and how the other commands open the index of a repository."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentTypeError
from contextlib import closing, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.places import cache_dir
from indexer.index import Index
from indexer.library import wipe
from indexer.store import store_name
from lsp_server.indexing import FOLDER
from lsp_server.session import work_tree
from lsp_server.settings import read_user_file, resolve

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from indexer.snapshot import Report, Snapshot


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """[DIR] and --rebuild."""
    parser.add_argument("root", nargs="?", type=folder, default=None, metavar="DIR")
    parser.add_argument("--rebuild", action="store_true", help="forget what is known first")
    parser.add_argument("--json", action="store_true")


def run(args: argparse.Namespace) -> int:
    """Bring the index up to date and say what is in it."""
    root = args.root or work_tree(Path.cwd() / ".")
    if args.rebuild:
        wipe(cache_dir() / FOLDER / store_name(root))
    with closing(open_index(root)) as index:
        report = refreshed(index)
    print(json.dumps(as_json(report)) if args.json else _sentences(report))
    return 0


def folder(text: str) -> Path:
    """An argument that must be a folder."""
    path = Path(text)
    if not path.is_dir():
        raise ArgumentTypeError(f"{text} is not a folder")
    return path.resolve()


def open_index(root: Path | None) -> Index:
    """The index of a root, by default of the work tree around the current folder."""
    settings, _ = resolve(read_user_file()[0])
    return Index(root or work_tree(Path.cwd() / "."), cache_dir() / FOLDER, settings.exclude)


@contextmanager
def up_to_date(root: Path | None) -> Iterator[Snapshot]:
    """What is known of a root once its index is as the disk is."""
    with closing(open_index(root)) as index:
        refreshed(index)
        yield index.snapshot()


def refreshed(index: Index) -> Report:
    """Refresh with a bar on stderr: files, rate, time left."""
    from tqdm import tqdm  # noqa: PLC0415  only where a person looks

    pause_s = 0.1 if sys.stderr.isatty() else 10.0
    look: dict[str, Any] = {"unit": "file", "desc": "indexing", "leave": False}
    with tqdm(file=sys.stderr, mininterval=pause_s, **look) as bar:

        def tell(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        report = index.refresh(tell)
    for problem in report.problems:
        print(f"ghostwright: {problem}", file=sys.stderr)
    return report


def as_json(report: Report) -> dict[str, Any]:
    """The contract's fields of a report, with plain types."""
    fields = asdict(report)
    return {**fields, "skipped": dict(report.skipped), "languages": dict(report.languages)}


def _sentences(report: Report) -> str:
    languages = sorted(report.languages.items(), key=lambda pair: -pair[1])
    skipped = ", ".join(f"{count} {reason}" for reason, count in report.skipped.items()) or "none"
    return (
        f"{report.files:,} files, {report.symbols:,} symbols, {report.references:,} references, "
        f"{report.imports:,} imports, {report.chunks:,} pieces\n"
        f"languages: {', '.join(f'{name} {count:,}' for name, count in languages[:12])}\n"
        f"skipped: {skipped}\n"
        f"{report.seconds:.2f} s ({report.cpu_seconds:.2f} s of processor time), "
        f"{report.extracted:,} files parsed, {report.db_bytes / 1e6:.1f} MB on disk, "
        f"peak memory {report.peak_rss_mb:.0f} MB"
    )
