# SPDX-License-Identifier: Apache-2.0
"""A copy of the repository to try a change in, which is gone afterwards whatever happens.

In: a root, the rules which files may be read, texts of open buffers and of a change. Out: a folder
outside of the repository. Copies, never hard links: what a test writes must not reach the user's
files. Links are not followed. It knows no test and no tool.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import stat
import sys
import tempfile
import threading
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from indexer.files import decode, encode, list_allowed
from indexer.policy import Refused, open_decided

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from indexer.policy import Decision, Policy

BOM = "\ufeff"
FILES_MAX = 20_000
BYTES_MAX = 512 * 1024**2
PREFIX = "ghostwright-check-"
# What a project has installed is no part of it, and is needed to run it: it is linked to. `vendor`
# may be a part of it, and is copied then; of the others a copy would lack what links hold together.
INSTALLED = ("node_modules", ".venv", "venv", "vendor")
NEVER_COPIED = frozenset(INSTALLED) - {"vendor"}


class TooLarge(Exception):
    """More than is copied for a check."""


class Stopped(Exception):
    """The caller does not want the copy any more."""


@asynccontextmanager
async def folder() -> AsyncIterator[Path]:
    """An empty folder that is removed at the end, also of a task that is cancelled."""
    place = Path(os.path.realpath(tempfile.mkdtemp(prefix=PREFIX)))  # noqa: ASYNC240  no disk
    try:
        yield place
    finally:
        removing = asyncio.ensure_future(asyncio.to_thread(remove, place))
        try:
            await asyncio.shield(removing)
        except asyncio.CancelledError:
            await asyncio.wait([removing])
            raise


async def copied(
    root: Path, policy: Policy, texts: Mapping[str, str], place: Path, *, link_installed: bool
) -> None:
    """Copy a root to `place`, with these texts instead of what is on the disk, or besides.

    Raises TooLarge, OSError. Cancelling stops the copy before it returns.
    """
    stop = threading.Event()
    work = asyncio.ensure_future(
        asyncio.to_thread(copy, root, policy, texts, place, stop.is_set, link=link_installed)
    )
    try:
        await asyncio.shield(work)
    except asyncio.CancelledError:
        stop.set()
        await asyncio.wait([work])
        work.exception()
        raise


def copy(
    root: Path,
    policy: Policy,
    texts: Mapping[str, str],
    place: Path,
    stopped: Callable[[], bool] = lambda: False,
    *,
    link: bool = False,
) -> None:
    """The same, here and now. Raises Stopped."""
    listing = list_allowed(policy, str(root)).allowed
    if link:
        listing = tuple(one for one in listing if not NEVER_COPIED & {*one.relative.split("/")})
    if len(listing) > FILES_MAX:
        raise TooLarge(f"{len(listing):,} files, and {FILES_MAX:,} are the most that are copied")
    left = BYTES_MAX
    encodings: dict[str, tuple[str, bool]] = {}
    for decision in listing:
        if stopped():
            raise Stopped
        data = _copy_file(decision, place / decision.relative, left)
        left -= len(data)
        if decision.relative in texts:
            known = decode(data)
            encodings[decision.relative] = known.encoding, known.bom
    for path, text in texts.items():
        _write_text(place / path, text, *encodings.get(path, ("utf-8", False)))
    if link:
        _link_installed(root, place)


def state(root: Path, policy: Policy) -> int:
    """A number that is another one when a file of the root has changed."""
    seen = []
    for decision in list_allowed(policy, str(root)).allowed:
        try:
            status = (root / decision.relative).lstat()
        except OSError:
            continue
        seen.append((decision.relative, status.st_mtime_ns, status.st_size))
    return hash(tuple(seen))


def _copy_file(decision: Decision, target: Path, left: int) -> bytes:
    try:
        with open_decided(decision) as opened:
            if opened.stat.st_size > left:
                raise TooLarge(f"more than {BYTES_MAX // 1024**2} MiB, which are the most")
            data = opened.file.readall() or b""
            mode = stat.S_IMODE(opened.stat.st_mode) & 0o755 | 0o600
    except (Refused, FileNotFoundError):
        return b""  # gone or swapped since it was listed
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(data)
    target.chmod(mode)
    return data


def _write_text(target: Path, text: str, encoding: str, bom: bool) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    bom = bom or (text.startswith(BOM) and encoding == "utf-8")
    target.write_bytes(encode(text.removeprefix(BOM), encoding, bom))


def _link_installed(root: Path, place: Path) -> None:
    for found in [place, *(folder for folder in place.iterdir() if folder.is_dir())]:
        for name in INSTALLED:
            original = root / found.relative_to(place) / name
            if original.is_dir() and not original.is_symlink() and not (found / name).exists():
                (found / name).symlink_to(original, target_is_directory=True)


def remove(place: Path) -> None:
    """Remove a folder with all that is in it, links themselves and not what they point to."""
    for _ in range(3):  # what was just killed may have been writing
        if sys.version_info >= (3, 12):
            shutil.rmtree(place, onexc=_again)
        else:
            shutil.rmtree(place, onerror=_again)
        if not os.path.lexists(place):
            return


def _again(work: Callable[..., object], path: str, _error: object) -> None:
    """A folder that may not be written to: make it so, and try once more."""
    try:
        for name in (Path(path).parent, Path(path)):
            if not name.is_symlink() and name.is_dir():
                name.chmod(0o700)
        work(path)
    except OSError:
        return
