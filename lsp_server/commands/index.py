# SPDX-License-Identifier: Apache-2.0
"""`ghostwright index [DIR]`, and how the other commands open the index of a repository.

With --export the index goes into a file for others, with --import it begins with such a file.
"""

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
from indexer.search import SearchError
from indexer.store import StoreError, store_name
from lsp_server.cli import Failed
from lsp_server.indexing import FOLDER
from lsp_server.redacting import redacted
from lsp_server.session import work_tree
from lsp_server.settings import read_user_file, resolve

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator

    from indexer.snapshot import Report, Snapshot


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """[DIR] and --rebuild."""
    parser.add_argument("root", nargs="?", type=folder, default=None, metavar="DIR")
    parser.add_argument("--rebuild", action="store_true", help="forget what is known first")
    shared = parser.add_mutually_exclusive_group()
    shared.add_argument("--export", type=Path, metavar="FILE", help="write what is committed")
    shared.add_argument(
        "--import", type=Path, metavar="FILE", dest="archive", help="begin with what was exported"
    )
    parser.add_argument(
        "--sha256", default="", metavar="NAME", help="import no other archive than this"
    )
    parser.add_argument("--json", action="store_true")


def run(args: argparse.Namespace) -> int:
    """Bring the index up to date and say what is in it."""
    root = args.root or work_tree(Path.cwd() / ".")
    if args.export is not None:
        return _export(root, args)
    if args.rebuild:
        wipe(cache_dir() / FOLDER / store_name(root))
    if args.archive is not None:
        _import(root, args)
    with closing(open_index(root)) as index:
        report = refreshed(index)
    print(json.dumps(as_json(report)) if args.json else _sentences(report))
    return 0


def _export(root: Path, args: argparse.Namespace) -> int:
    """Build the index anew, of what is committed and holds no secret, into a file."""
    from indexer import exchange, exchange_out  # noqa: PLC0415  of this option only

    settings, _ = resolve(read_user_file()[0])
    cache = cache_dir() / FOLDER
    cache.mkdir(parents=True, exist_ok=True)
    with bar() as tell:
        archive, report = exchange_out.collect(root, cache, settings.exclude, holds_secret, tell)
    try:
        name = exchange.write(args.export, archive)
    except OSError as error:
        raise Failed(f"{args.export} cannot be written: {error.strerror or error}") from error
    found = {
        "archive": str(args.export),
        "sha256": name,
        "bytes": args.export.stat().st_size,
        "commit": archive.commit,
        "left_out": dict(archive.left_out),
    }
    if args.json:
        print(json.dumps({**as_json(report), **found}))
        return 0
    left = ", ".join(f"{count:,} {reason}" for reason, count in archive.left_out.items())
    print(
        f"{len(archive.files):,} files of {archive.commit or 'no commit'} in {args.export}, "
        f"{found['bytes'] / 1e6:.1f} MB; left out: {left or 'none'}\n"
        f"to take it over: ghostwright index --import {args.export} --sha256 {name}"
    )
    return 0


def _import(root: Path, args: argparse.Namespace) -> None:
    """Fill an empty index from an archive; say on stderr what came of it."""
    from indexer import exchange, exchange_in  # noqa: PLC0415  of this option only

    settings, _ = resolve(read_user_file()[0])
    try:
        name, archive = exchange.read(args.archive, args.sha256)
        came = exchange_in.adopt(archive, root, cache_dir() / FOLDER, settings.exclude)
    except (exchange.BadArchive, StoreError, SearchError) as error:
        raise Failed(f"{args.archive}: {error}") from error
    except OSError as error:
        raise Failed(f"{args.archive} cannot be read: {error.strerror or error}") from error
    if came is None:
        words = "nothing taken over: this repository has an index already (--rebuild forgets it)"
    else:
        words = (
            f"{came.files:,} files taken over in {came.seconds:.2f} s, {came.others:,} are others "
            f"here, {came.audited} read anew and found to be so; archive {name[:16]}"
        )
    print(f"ghostwright: {words}", file=sys.stderr)


def holds_secret(text: str) -> bool:
    """Whether other people must not see a text (S2)."""
    return redacted.__wrapped__(text) != text  # whole files once: not to be remembered


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
    with bar() as tell:
        report = index.refresh(tell)
    for problem in report.problems:
        print(f"ghostwright: {problem}", file=sys.stderr)
    return report


@contextmanager
def bar() -> Iterator[Callable[[int, int], None]]:
    """What is to be told of files done and files in all."""
    from tqdm import tqdm  # noqa: PLC0415  only where a person looks

    pause_s = 0.1 if sys.stderr.isatty() else 10.0
    look: dict[str, Any] = {"unit": "file", "desc": "indexing", "leave": False}
    with tqdm(file=sys.stderr, mininterval=pause_s, **look) as shown:

        def tell(done: int, total: int) -> None:
            shown.total = total
            shown.update(done - shown.n)

        yield tell


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
