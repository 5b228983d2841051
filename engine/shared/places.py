# SPDX-License-Identifier: Apache-2.0
"""Where windows and the host of a model find each other, and who may.

In: a model file and how it is loaded. Out: a folder that is the user's alone, with the address of
the host, the kernel locks and the user's secret. Whoever cannot have that gets Unshared, with the
reason, and loads an engine of their own. Knows no message.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import secrets
import stat
import sys
import tempfile
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Final

from filelock import FileLock, Timeout

from engine import atomic
from engine.places import cache_dir
from engine.saved import model_identity

PROTOCOL = 1
OWNER_FOLDER, OWNER_FILE = 0o700, 0o600
OTHERS = 0o077
SECRET_BYTES = 32
SECRET_WAIT_S = 5.0
# A Unix socket's path has room for 108 bytes on Linux, 104 on macOS, with the closing zero.
ADDRESS_LIMIT_BYTES: Final = 100
IDLE_S = 15 * 60.0  # without a request for so long, the model is unloaded
IS_WINDOWS = sys.platform == "win32"


class Unshared(Exception):
    """Why a model cannot be shared here: one line."""


@dataclass(frozen=True, slots=True)
class Spec:
    """A model and how it is loaded: all that two windows must agree on to share it."""

    model: str
    path: str
    layout: str
    extended_context: int
    room_tokens: int
    most_tokens: int
    threads: int
    gpu_layers: int
    kv_type: str
    state_folder: str  # "" for none
    lora: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """A name for the host: of the file as it is now, on this machine. Raises Unshared."""
        if not Path(self.path).is_file():  # a pipe would be waited for
            raise Unshared(f"there is no file {self.path}")
        try:
            identity = model_identity(Path(self.path))
        except OSError as error:
            raise Unshared(f"{self.path} cannot be read: {error.strerror}") from error
        adapters = list(map(_adapter, self.lora))
        fields = json.dumps([platform.node(), identity, adapters, asdict(self)], sort_keys=True)
        return hashlib.blake2b(fields.encode("utf-8", "surrogatepass"), digest_size=10).hexdigest()


@dataclass(frozen=True, slots=True)
class Place:
    """The files of one host, in a folder that is the user's alone."""

    folder: Path
    key: str

    @property
    def address(self) -> str:
        """Of a Unix socket, or of a named pipe on Windows."""
        if IS_WINDOWS:
            return rf"\\.\pipe\ghostwright-{self.key}"
        return str(self.folder / f"{self.key}.sock")

    @property
    def host_lock(self) -> Path:
        """Held by the host as long as it lives."""
        return self.folder / f"{self.key}.host"

    @property
    def start_lock(self) -> Path:
        """Held by the window that starts a host, until that one listens."""
        return self.folder / f"{self.key}.start"

    @property
    def loading_lock(self) -> Path:
        """Held by the host while it loads: native code lets none of its threads answer then."""
        return self.folder / f"{self.key}.loading"

    @property
    def standby_lock(self) -> Path:
        """Held by the process that is ready to take over, until it listens itself."""
        return self.folder / f"{self.key}.standby"

    @property
    def is_loading(self) -> bool:
        """Whether there is a host that loads its model now."""
        return _is_held(self.loading_lock)

    @property
    def has_standby(self) -> bool:
        """Whether a process will take over at once, should there be no host."""
        return _is_held(self.standby_lock)

    @property
    def log(self) -> Path:
        return self.folder / f"{self.key}.log"


def place(spec: Spec) -> Place:
    """Where the host of a spec is to be found. Raises Unshared."""
    return Place(_folder(), spec.key)


def places() -> list[Place]:
    """All hosts that there are or were. Raises Unshared."""
    folder = _folder()
    return [Place(folder, path.stem) for path in sorted(folder.glob("*.host"))]


def secret(folder: Path) -> bytes:
    """The user's secret, made if there is none. Raises Unshared where others could have read it."""
    path = folder / "secret"
    try:
        with FileLock(folder / "secret.lock", timeout=SECRET_WAIT_S, mode=OWNER_FILE):
            if not path.exists():
                atomic.write(path, secrets.token_bytes(SECRET_BYTES))
                path.chmod(OWNER_FILE)
        _check_owner(path, is_folder=False)
        found = path.read_bytes()
    except (OSError, TimeoutError) as error:
        raise Unshared(f"{path} cannot be used: {error}") from error
    if len(found) != SECRET_BYTES:
        raise Unshared(f"{path} holds no secret of ours: remove it")
    return found


def build() -> str:
    """What both ends must be of, to understand each other and each other's states."""
    ours, native = metadata.version("ghostwright"), metadata.version("xllamacpp")
    return f"{PROTOCOL} ghostwright {ours} xllamacpp {native}"


def _is_held(path: Path) -> bool:
    lock = FileLock(path, mode=OWNER_FILE)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        return True
    except OSError:
        return False
    lock.release()
    return False


def _adapter(entry: str) -> list[int]:
    """What tells an adapter's file, PATH or PATH=SCALE, from one that takes its place later."""
    for path in (entry, entry.rpartition("=")[0]):
        with contextlib.suppress(OSError):
            found = Path(path).expanduser().stat()
            return [found.st_size, found.st_mtime_ns]
    return []


def _folder() -> Path:
    """In the cache; where its path is too long for a socket, in the system's folder."""
    try:
        wanted = cache_dir() / "run"
        longest = os.fsencode(wanted / f"{'0' * 20}.sock")
        if len(longest) > ADDRESS_LIMIT_BYTES and not IS_WINDOWS:
            name = hashlib.blake2b(os.fsencode(wanted), digest_size=6).hexdigest()
            wanted = Path(tempfile.gettempdir()) / f"ghostwright-{os.getuid()}-{name}"
            if len(os.fsencode(wanted / f"{'0' * 20}.sock")) > ADDRESS_LIMIT_BYTES:
                raise Unshared(f"{wanted} is too long a path for a socket")
        with contextlib.suppress(FileExistsError):
            wanted.mkdir(mode=OWNER_FOLDER, parents=True)
        _check_owner(wanted, is_folder=True)
        if not os.access(wanted, os.W_OK):
            raise Unshared(f"{wanted} cannot be written")
    except OSError as error:
        raise Unshared(f"no folder for a socket: {error}") from error
    return wanted


def _check_owner(path: Path, *, is_folder: bool) -> None:
    """Raise Unshared unless this is ours and nobody else's, and no link to elsewhere."""
    found = path.lstat()
    right = stat.S_ISDIR(found.st_mode) if is_folder else stat.S_ISREG(found.st_mode)
    if not right:
        raise Unshared(f"{path} is not what it should be")
    if not IS_WINDOWS and (found.st_uid != os.getuid() or found.st_mode & OTHERS):
        raise Unshared(f"{path} is open to others: chmod go= {path}")
