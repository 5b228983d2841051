# SPDX-License-Identifier: Apache-2.0
"""States of an engine kept on disk between sessions, within a budget, each with its record.

In: a file that an engine has written, its tokens, the paths whose text is in it. Out: that file
again, if it is byte for byte what was kept and for the same build and settings. A state may be
missing, it is never a wrong one: of 300 damaged files llama.cpp took 132 for good ones, and one of
a hybrid ended the process. Knows neither llama.cpp nor the repository.

A state lies in a file with a name of its own that is never written twice; a record beside it, put
in place in one step, says which. So two servers need no lock for it (one says only which number a
window has), and a killed one leaves at most a file that no record names, which is swept up later.
Everything is for the owner's eyes only.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import secrets
import time
from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgpack
from filelock import FileLock, Timeout

from engine import atomic

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from engine.types import Slot

RECORD_VERSION = 2
RECORD_SUFFIX, STATE_SUFFIX = ".record", ".state"
MAX_RECORD_BYTES = 64 << 20  # a million tokens are 4 MB, the paths of a huge repository as much
# Another server may be between writing a state and writing its record, or be reading one that has
# just been replaced.
ORPHAN_S = 600.0
CHUNK_BYTES = 1 << 20
HEADER_BYTES = 1 << 20  # of a model file: metadata and the beginning of the vocabulary
WINDOWS_MAX = 8
OWNER_FOLDER, OWNER_FILE = 0o700, 0o600

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class StateKey:
    """What a state belongs to. One state is kept for each, of one `state_format`."""

    root: str  # the real path of the repository
    branch: str
    model: str  # see `model_identity`
    slot: Slot
    state_format: str  # `EngineInfo.state_format`
    window: int = 0  # of those that have the repository open, see `SavedStates.window`

    @property
    def name(self) -> str:
        """The record's name. The format is no part of it: a newer build replaces the state."""
        further = (str(self.window),) if self.window else ()
        return _name(self.root, self.branch, self.model, str(int(self.slot)), *further)

    @property
    def family(self) -> str:
        """The same for a key of any other branch or window."""
        return _name(self.root, self.model, str(int(self.slot)), self.state_format)


@dataclass(frozen=True, slots=True)
class SavedState:
    """A state on disk: hand both to `Engine.restore`."""

    path: Path
    token_ids: tuple[int, ...]
    paths: tuple[str, ...]  # these and the note as they were given to `keep`
    note: bytes


@dataclass(frozen=True, slots=True)
class _Record:
    """What is written beside a state."""

    root: str
    family: str
    state_format: str
    state: str  # the file's name
    state_bytes: int
    checksum: bytes
    token_ids: tuple[int, ...]
    paths: tuple[str, ...]  # of every file whose text is in the state
    saved_at: float  # seconds since the epoch
    note: bytes


class SavedStates:
    """The folder of states. Blocking I/O; a state is read whole to check it: not on the loop."""

    def __init__(self, folder: Path, budget_bytes: int) -> None:
        """Make the folder, private to the user; zero bytes keep nothing. Raises OSError."""
        folder.mkdir(mode=OWNER_FOLDER, parents=True, exist_ok=True)
        folder.chmod(OWNER_FOLDER)
        self._folder = folder
        self._budget_bytes = budget_bytes
        self._sweep()

    def window(self, root: str) -> tuple[int, FileLock | None]:
        """The first number that no other window on a repository has, and the lock that says so.

        Each has states of its own: whoever reads a prompt anew finds the one that it has read. From
        WINDOWS_MAX on they share the first one's, without a lock.
        """
        for number in range(WINDOWS_MAX):
            path = self._folder / f"{_name(root)}-{number}.lock"
            lock = FileLock(path, mode=OWNER_FILE, thread_local=False)
            with contextlib.suppress(Timeout, NotImplementedError):  # no locks on this file system
                lock.acquire(blocking=False)
                return number, lock
        return 0, None

    def new_path(self) -> Path:
        """A file name for `Engine.save`. Without a `keep` the file is swept up later."""
        return self._folder / f"{secrets.token_hex(16)}{STATE_SUFFIX}"

    def keep(
        self,
        key: StateKey,
        path: Path,
        token_ids: Sequence[int],
        paths: Sequence[str],
        note: bytes = b"",
    ) -> bool:
        """Keep what an engine has saved at a `new_path`; False, and no file, if that cannot be.

        note: whatever helps to go on from there.
        """
        try:
            return self._keep(key, path, token_ids, paths, note)
        except OSError as error:
            _log.warning("a state could not be saved: %s", error)
            _remove(path)
            return False

    def find(self, key: StateKey) -> SavedState | None:
        """The state of `key` as it was kept. One that is damaged or of another build is removed."""
        return self._found(self._record_path(key), key)

    def find_sibling(self, key: StateKey) -> SavedState | None:
        """The state of another branch or window that was saved last: most of it is the same."""
        siblings = []
        for path in self._records():
            try:
                record = _read_record(path)
            except (OSError, ValueError):
                continue
            if record.family == key.family and path != self._record_path(key):
                siblings.append((record.saved_at, path))
        found = (self._found(path, key) for _, path in sorted(siblings, reverse=True))
        return next(filter(None, found), None)

    def _found(self, record_path: Path, key: StateKey) -> SavedState | None:
        try:
            record = _read_record(record_path)
            if record.state_format != key.state_format:
                raise ValueError(f"made by {record.state_format}")  # noqa: TRY301  one way out
            state = self._folder / record.state
            _check(state, record)
            os.utime(record_path)  # the budget takes the longest unused
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            _log.warning("a saved state is not used: %s", error)
            self._remove(record_path)
            return None
        return SavedState(state, record.token_ids, record.paths, record.note)

    def forget(self, is_excluded: Callable[[str, str], bool]) -> int:
        """Delete every state with text of a path for which `is_excluded(root, path)` holds.

        Returns how many. A state whose record cannot be read may hold anything: it goes too, and
        so does any file that no record names, unless it may be under way right now.
        """
        gone = 0
        self._sweep()
        for record_path in self._records():
            try:
                record = _read_record(record_path)
            except FileNotFoundError:
                continue
            except (OSError, ValueError):
                record = None
            if record is None or any(is_excluded(record.root, path) for path in record.paths):
                self._remove(record_path, record)
                gone += 1
        return gone

    def discard(self, key: StateKey) -> None:
        """Delete the state of a key: the engine refused it, or it is of no use any more."""
        self._remove(self._record_path(key))

    def total_bytes(self) -> int:
        """What all states and records take on disk."""
        return sum(size for _, size, _ in self._files())

    def _keep(
        self,
        key: StateKey,
        path: Path,
        token_ids: Sequence[int],
        paths: Sequence[str],
        note: bytes,
    ) -> bool:
        size = path.stat().st_size
        if not token_ids or size > self._budget_bytes:
            _remove(path)
            return False
        path.chmod(OWNER_FILE)
        ids, names = tuple(token_ids), tuple(sorted(set(paths)))
        checksum = _digest(path)
        made = (key.root, key.family, key.state_format)
        record = _Record(*made, path.name, size, checksum, ids, names, time.time(), note)
        record_path = self._record_path(key)
        before = self._state_of(record_path)
        _write_record(record_path, record)
        if before is not None:
            _remove(before)
        self._enforce_budget(record_path)
        return True

    def _enforce_budget(self, newest: Path) -> None:
        """The longest unused states go, until the rest fits."""
        total = self.total_bytes()
        records = [(path.stat().st_mtime, path) for path in self._records()]
        for _, record_path in sorted(records):
            if total <= self._budget_bytes:
                return
            if record_path != newest:
                self._remove(record_path)
                total = self.total_bytes()

    def _sweep(self) -> None:
        """Remove what no record names: a server was killed while it saved."""
        named = {self._state_of(path) for path in self._records()}
        now = time.time()
        for path, _, modified in list(self._files()):
            is_record = path.suffix == RECORD_SUFFIX
            if not is_record and path not in named and abs(now - modified) > ORPHAN_S:
                _remove(path)

    def _records(self) -> list[Path]:
        return sorted(self._folder.glob(f"*{RECORD_SUFFIX}"))

    def _files(self) -> Iterator[tuple[Path, int, float]]:
        """Path, bytes and time of change of every file of ours."""
        for path in self._folder.iterdir():
            if path.suffix not in {RECORD_SUFFIX, STATE_SUFFIX, atomic.NEW_SUFFIX}:
                continue
            try:
                found = path.stat()
            except FileNotFoundError:
                continue  # another server has removed it
            yield path, found.st_size, found.st_mtime

    def _record_path(self, key: StateKey) -> Path:
        return self._folder / f"{key.name}{RECORD_SUFFIX}"

    def _state_of(self, record_path: Path) -> Path | None:
        try:
            return self._folder / _read_record(record_path).state
        except (OSError, ValueError):
            return None

    def _remove(self, record_path: Path, record: _Record | None = None) -> None:
        """The state first: should we be killed in between, the record only names a missing file."""
        state = self._folder / record.state if record else self._state_of(record_path)
        if state is not None:
            _remove(state)
        _remove(record_path)


def model_identity(path: Path, sha256: str = "") -> str:
    """What tells one model file from another: its verified hash, else size, time and header.

    Raises OSError.
    """
    if sha256:
        return f"sha256:{sha256}"
    found = path.stat()
    with path.open("rb") as file:
        head = hashlib.blake2b(file.read(HEADER_BYTES), digest_size=16).hexdigest()
    return f"file:{found.st_size}:{found.st_mtime_ns}:{head}"


def _check(state: Path, record: _Record) -> None:
    """Raises ValueError unless the file is byte for byte what was kept; OSError if it is gone."""
    size = state.stat().st_size
    if size != record.state_bytes:
        raise ValueError(f"{size} bytes where {record.state_bytes} were written")
    if _digest(state) != record.checksum:
        raise ValueError("its checksum is wrong")


def _digest(path: Path) -> bytes:
    digest = hashlib.blake2b(digest_size=16)
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.digest()


def _write_record(path: Path, record: _Record) -> None:
    """All or nothing: written beside, then put in place. With a checksum of its own in front."""
    fields: list[Any] = [
        *(RECORD_VERSION, record.root, record.family, record.state_format, record.state),
        *(record.state_bytes, record.checksum, array("i", record.token_ids).tobytes()),
        *(record.paths, record.saved_at, record.note),
    ]
    body: bytes = msgpack.packb(fields, unicode_errors="surrogateescape")
    atomic.write(path, _sum(body) + body)


def _read_record(path: Path) -> _Record:
    """Raises OSError, or ValueError where it is not what was written."""
    with path.open("rb") as file:
        data = file.read(MAX_RECORD_BYTES + 1)
    body = data[len(_sum(b"")) :]
    if len(data) > MAX_RECORD_BYTES or _sum(body) + body != data:
        raise ValueError("its record is damaged")
    try:
        version, *rest = msgpack.unpackb(body, unicode_errors="surrogateescape")
        if version != RECORD_VERSION:
            raise ValueError(f"its record is of version {version}")
        root, family, state_format, state, size, checksum, ids, paths, saved_at, note = rest
    except (msgpack.UnpackException, TypeError) as error:
        raise ValueError("its record is damaged") from error
    if os.path.basename(state) != state:  # noqa: PTH119  it is a name, and must not become a path
        raise ValueError("its record names a file elsewhere")
    tokens = array("i")
    tokens.frombytes(ids)
    fields = (root, family, state_format, state, size, checksum)
    return _Record(*fields, tuple(tokens), tuple(paths), saved_at, note)


def _name(*parts: str) -> str:
    return hashlib.blake2b(os.fsencode("\0".join(parts)), digest_size=16).hexdigest()


def _sum(body: bytes) -> bytes:
    return hashlib.blake2b(body, digest_size=16).digest()


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:  # on Windows, while another server reads it
        _log.warning("a saved state could not be removed: %s", error)
