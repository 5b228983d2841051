# SPDX-License-Identifier: Apache-2.0
"""The project's own formatter and type checker: which there are, and how they are run.

In: a root, whether the user trusts it. Out: commands. A formatter that reads only data is run where
the project has set it up and the user has installed it outside of the project. What is itself code
of the project (node_modules, plugins of a type checker) is run only where the user has named a
test command: then the project's code is run anyway. It starts nothing itself.
"""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from indexer.policy import Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from indexer.policy import Policy

    Read = Callable[[str], str]

CONFIG_MAX_BYTES = 262_144
_RUFF = re.compile(r"^\s*\[tool\.ruff", re.MULTILINE)
_BLACK = re.compile(r"^\s*\[tool\.black\]", re.MULTILINE)
_MYPY = re.compile(r"^\s*\[(?:tool\.)?mypy\]", re.MULTILINE)
_PYRIGHT = re.compile(r"^\s*\[tool\.(?:based)?pyright\]", re.MULTILINE)
_EDITION = re.compile(r"^\s*edition\s*=\s*\"(\d{4})\"", re.MULTILINE)
_NEWEST_EDITION = "2021"
_WEB = frozenset(("javascript", "typescript", "tsx", "css", "scss", "json", "vue", "markdown"))
_PRETTIER = (
    *(".prettierrc", ".prettierrc.json", ".prettierrc.yml", ".prettierrc.yaml", ".prettierrc.toml"),
    *(".prettierrc.js", ".prettierrc.cjs", ".prettierrc.mjs", "prettier.config.js"),
    *("prettier.config.cjs", "prettier.config.mjs"),
)


@dataclass(frozen=True, slots=True)
class Formatter:
    """A command that reads a text and writes it formatted. `configs`: the files it may read."""

    name: str
    command: tuple[str, ...]
    configs: tuple[str, ...] = ()
    needs_root: bool = False  # it is run in the project itself, which is trusted


@dataclass(frozen=True, slots=True)
class Checker:
    """A type checker, run in a copy of the project. `one_line` finds a message in its output."""

    name: str
    command: tuple[str, ...]
    languages: frozenset[str]
    takes_files: bool


def formatter(
    root: Path, path: str, language: str, read: Read, *, trusted: bool
) -> Formatter | None:
    """What the project formats this file with; None where it does not, or we may not run it."""
    if language == "python":
        return _python(root, path, read)
    if language == "go" and (program := _installed("gofmt", root)):
        return Formatter("gofmt", (program,))
    if language == "rust" and (program := _installed("rustfmt", root)):
        return _rust(program, read)
    if language in _WEB and trusted:
        return _prettier(root, path, read)
    return None


def _python(root: Path, path: str, read: Read) -> Formatter | None:
    pyproject = read("pyproject.toml")
    own = [name for name in ("ruff.toml", ".ruff.toml") if read(name)]
    # A project that has set up black and lints with ruff is formatted by black.
    if _BLACK.search(pyproject) and (program := _installed("black", root)):
        options = ("--quiet", "--config", "pyproject.toml", "--stdin-filename", path, "-")
        return Formatter("black", (program, *options), ("pyproject.toml",))
    if _BLACK.search(pyproject) or not (own or _RUFF.search(pyproject)):
        return None
    if program := _installed("ruff", root):
        words = ("format", "--no-cache", "--stdin-filename", path, "-")
        return Formatter("ruff format", (program, *words), ("pyproject.toml", *own))
    return None


def _rust(program: str, read: Read) -> Formatter:
    configs = tuple(name for name in ("rustfmt.toml", ".rustfmt.toml") if read(name))
    found = _EDITION.search(read("Cargo.toml"))
    edition = found[1] if found else _NEWEST_EDITION
    return Formatter("rustfmt", (program, "--emit", "stdout", "--edition", edition), configs)


def _prettier(root: Path, path: str, read: Read) -> Formatter | None:
    program = root / "node_modules" / ".bin" / "prettier"
    set_up = any((root / name).is_file() for name in _PRETTIER)
    if not (set_up or '"prettier"' in read("package.json")) or not program.is_file():
        return None
    return Formatter("prettier", (str(program), "--stdin-filepath", path), needs_root=True)


def checkers(root: Path, languages: Iterable[str], read: Read) -> list[Checker]:
    """Type checkers that the project has set up, for these languages. Only for a trusted root."""
    found = [maker(root, read) for maker in (_mypy, _pyright, _tsc)]
    return [checker for checker in found if checker and checker.languages & {*languages}]


def _mypy(root: Path, read: Read) -> Checker | None:
    tables = (read(name) for name in ("setup.cfg", "pyproject.toml"))
    set_up = any(map(_MYPY.search, tables)) or read("mypy.ini") or read(".mypy.ini")
    program = _own_or_installed("mypy", root)
    if not set_up or program is None:
        return None
    words = ("--no-error-summary", "--no-color-output", "--show-error-codes", "--no-pretty")
    return Checker("mypy", (program, *words), frozenset(("python",)), takes_files=True)


def _pyright(root: Path, read: Read) -> Checker | None:
    set_up = (root / "pyrightconfig.json").is_file()
    set_up = set_up or _PYRIGHT.search(read("pyproject.toml")) is not None
    program = _own_or_installed("pyright", root) or _own_or_installed("basedpyright", root)
    if not set_up or program is None:
        return None
    return Checker("pyright", (program,), frozenset(("python",)), takes_files=True)


def _tsc(root: Path, _read: Read) -> Checker | None:
    program = root / "node_modules" / ".bin" / "tsc"
    if not (root / "tsconfig.json").is_file() or not program.is_file():
        return None
    words = ("--noEmit", "--pretty", "false", "--incremental", "false")
    return Checker(
        "tsc", (str(program), *words), frozenset(("typescript", "tsx")), takes_files=False
    )


def _own_or_installed(name: str, root: Path) -> str | None:
    folder = "Scripts" if os.name == "nt" else "bin"
    for place in (root / ".venv" / folder / name, root / "venv" / folder / name):
        if place.is_file():
            return str(place)
    node = root / "node_modules" / ".bin" / name
    return str(node) if node.is_file() else _installed(name, root)


def _installed(name: str, root: Path) -> str | None:
    """A program of the user's, not one that the project has brought along."""
    for folder in os.get_exec_path():
        if not Path(folder).is_absolute():  # it would mean the folder where we happen to be
            continue
        program = shutil.which(name, path=folder)
        if program and not _is_below(Path(program), root):
            return program
    return None


def _is_below(program: Path, root: Path) -> bool:
    """Whether a program lies in the project, or is a link to what does."""
    return any(place.is_relative_to(root) for place in (program, program.resolve()))


def reader(root: Path, policy: Policy) -> Read:
    """A function from the name of a configuration file of a root to its text.

    "" where there is none, or where it may not be read.
    """

    def read(name: str) -> str:
        try:
            data = policy.read_checked(root / name, CONFIG_MAX_BYTES)
        except (Refused, OSError):
            return ""
        return data.decode("utf-8-sig", "replace")

    return read
