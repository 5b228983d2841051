# SPDX-License-Identifier: Apache-2.0
"""Real repositories to measure on: pinned archives of the package registries, unpacked once.

In: an `Archive` (registry, name, version, SHA-256). Out: a folder below the cache that holds its
files. Each registry is asked through its own client as the user has set it up; nothing of an
archive is built or run. This module knows no bench.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path
from typing import NamedTuple

import filelock

from engine.places import cache_dir

WHY_CHARS = 200
# pip asks an archive of sources for its metadata before it hands it over, and so would run its
# build. These modules stand in for the usual build systems and read the answer from PKG-INFO.
_BACKENDS = (
    "hatchling/build",
    "maturin",
    "setuptools/build_meta",
    "poetry/core/masonry/api",
    "flit_core/buildapi",
    "pdm/backend",
    "uv_build",
)
_BACKEND = """
import sys
from email import message_from_string
from pathlib import Path

def get_requires_for_build_wheel(config_settings=None):
    return []

def prepare_metadata_for_build_wheel(folder, config_settings=None):
    text = Path("PKG-INFO").read_text("utf-8")
    fields = message_from_string(text)
    name = fields["Name"].replace("-", "_").replace(".", "_")
    info = Path(folder, f"{name}-{fields['Version']}.dist-info")
    info.mkdir()
    (info / "METADATA").write_text(text, "utf-8")
    return info.name

__legacy__ = sys.modules[__name__]
"""


class Archive(NamedTuple):
    """One version of one package. `registry`: pypi (its archive of sources), npm or debian."""

    registry: str
    name: str
    version: str
    sha256: str

    @property
    def folder(self) -> str:
        name = self.name.replace("/", "-").lstrip("@")
        return f"{self.registry}-{name}-{self.version}-{self.sha256[:12]}"


class Unavailable(Exception):
    """The registry did not give this archive. One line."""


def bench_dir() -> Path:
    """Where archives and results are kept, made if missing."""
    folder = cache_dir() / "bench"
    folder.mkdir(exist_ok=True)
    return folder


def unpacked(archive: Archive) -> Path:
    """The folder of an archive's files, fetched if it is not there yet. Raises Unavailable."""
    place = bench_dir() / "archives" / archive.folder
    place.parent.mkdir(exist_ok=True)
    with filelock.FileLock(f"{place}.lock"):
        if not place.exists():
            with tempfile.TemporaryDirectory(dir=place.parent) as scratch:
                packed = _download(archive, Path(scratch))
                _check(archive, packed)
                part = Path(scratch, "files")
                part.mkdir()
                _unpack(packed, part)
                part.rename(place)
    return place


def _download(archive: Archive, scratch: Path) -> Path:
    folder = scratch / "packed"
    folder.mkdir()
    command, environment = _client(archive, scratch)
    program = shutil.which(command[0])
    if program is None:
        raise Unavailable(f"{archive.name}: {command[0]} is not on this machine")
    done = subprocess.run(
        [program, *command[1:]],
        cwd=folder,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    found = list(folder.iterdir())
    if done.returncode or len(found) != 1:
        why = _last_line(done.stderr) or f"it ended with {done.returncode}"
        raise Unavailable(f"{archive.name} {archive.version}: {command[0]} did not bring it: {why}")
    return found[0]


def _last_line(said: bytes) -> str:
    """What a client says last is mostly why; hosts are left out, they may be private."""
    lines = said.decode("utf-8", "replace").split("\n")
    told = next((line.strip() for line in reversed(lines) if line.strip()), "")
    return re.sub(r"\w+://\S+", "(address)", told)[:WHY_CHARS]


def _client(archive: Archive, scratch: Path) -> tuple[list[str], dict[str, str]]:
    """The command that brings an archive into its working folder, and its environment."""
    name, version = archive.name, archive.version
    if archive.registry == "npm":
        return ["npm", "pack", f"{name}@{version}", "--silent", "--ignore-scripts"], {}
    if archive.registry == "debian":
        return ["apt-get", "download", "-q", f"{name}={version}"], {}
    options = "--no-deps --no-binary :all: --no-build-isolation --use-pep517 --no-input -q"
    pip = [sys.executable, "-m", "pip", "download", *options.split(), f"{name}=={version}"]
    return pip, {"PYTHONPATH": str(_write_backends(scratch / "backends"))}


def _write_backends(folder: Path) -> Path:
    for name in _BACKENDS:
        place = folder / f"{name}.py"
        place.parent.mkdir(parents=True, exist_ok=True)
        for package in place.parents[: name.count("/")]:  # else one that is installed comes first
            (package / "__init__.py").touch()
        place.write_text(_BACKEND, "utf-8")
    return folder


def _check(archive: Archive, packed: Path) -> None:
    found = hashlib.sha256(packed.read_bytes()).hexdigest()
    if found != archive.sha256:
        raise Unavailable(f"{archive.name} {archive.version}: it is {found}, not what is pinned")


def _unpack(packed: Path, folder: Path) -> None:
    if packed.suffix == ".deb":
        subprocess.run(["dpkg-deb", "-x", str(packed), str(folder)], check=True)
    elif packed.suffix in {".zip", ".whl"}:
        with zipfile.ZipFile(packed) as archive:
            archive.extractall(folder)
    else:
        with tarfile.open(packed) as archive:
            archive.extractall(folder, filter="data")
