# SPDX-License-Identifier: Apache-2.0
"""What the project files say about the names of modules.

In: the bytes of package.json, tsconfig.json, go.mod and Cargo.toml, by path. Out:
small values. A file that cannot be read says nothing: its project is resolved by paths alone.
It reads no file itself and runs nothing that a project file names.
"""

from __future__ import annotations

import json
import re
import sys
from dataclasses import dataclass, field
from posixpath import basename, dirname
from typing import Any

from indexer.tree import ancestors, join

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

NAMES = frozenset(
    (
        *("package.json", "tsconfig.json", "jsconfig.json", "tsconfig.base.json", "go.mod"),
        *("Cargo.toml",),
    )
)
# A project file is written by hand; a bigger one is data that has its name by chance.
PROJECT_MAX_BYTES = 1024 * 1024
_COMMENT_OR_STRING = re.compile(r'"(?:[^"\\\n]|\\.)*"|//[^\n]*|/\*.*?\*/', re.DOTALL)
_LAST_COMMA = re.compile(r'("(?:[^"\\\n]|\\.)*")|,(?=\s*[}\]])')
_GO_MODULE = re.compile(r"^\s*module\s+\"?([^\s\"]+)", re.MULTILINE)
_GO_REPLACE = re.compile(r"^\s*(?:replace\s+)?(\S+)(?:\s+v\S+)?\s+=>\s+(\.\S*)", re.MULTILINE)
EXTENDS_MAX = 8  # a chain of tsconfig files; a ring ends here


@dataclass(frozen=True, slots=True)
class Project:
    """One project file: its name for other projects, and where its parts are."""

    kind: str  # the file's name
    folder: str
    name: str = ""
    entries: dict[str, Any] = field(default_factory=dict)


def parse(path: str, data: bytes) -> Project | None:
    """None where the file says nothing that we can read."""
    name, folder = basename(path), dirname(path)
    if len(data) > PROJECT_MAX_BYTES:
        return None
    text = data.decode("utf-8-sig", "replace")
    try:
        if name == "go.mod":
            return _go(folder, text)
        if name == "Cargo.toml":
            return _cargo(folder, tomllib.loads(text))
        found = _json(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict):
        return None
    title = found.get("name")
    return Project(name, folder, title if isinstance(title, str) else "", found)


def _json(text: str) -> Any:
    """JSON as people write it into tsconfig.json: with comments and a comma too many."""
    text = _COMMENT_OR_STRING.sub(lambda m: m[0] if m[0].startswith('"') else " ", text)
    return json.loads(_LAST_COMMA.sub(lambda m: m[1] or "", text))


def _go(folder: str, text: str) -> Project | None:
    match = _GO_MODULE.search(text)
    replaced = {name: join(folder, path) for name, path in _GO_REPLACE.findall(text)}
    return Project("go.mod", folder, match[1], replaced) if match else None


def _cargo(folder: str, table: dict[str, Any]) -> Project | None:
    package = table.get("package")
    if not isinstance(package, dict):
        return None
    library = table.get("lib")
    entries = library if isinstance(library, dict) else {}
    name = entries.get("name") or package.get("name")
    return Project("Cargo.toml", folder, str(name).replace("-", "_"), entries)


class Projects:
    """All project files of a repository."""

    def __init__(self) -> None:
        self._files: dict[str, Project] = {}
        self._named: dict[tuple[str, str], Project] = {}

    def to_state(self) -> dict[str, str]:
        """Everything, for msgpack; as JSON, which may hold larger numbers and any text."""
        return {
            path: json.dumps([p.kind, p.name, p.entries], default=str)
            for path, p in self._files.items()
        }

    def restore(self, state: dict[str, str]) -> None:
        """Be what they were. Raises ValueError, TypeError where this is no such state."""
        for path, text in state.items():
            kind, name, entries = json.loads(text)
            self._files[path] = Project(kind, dirname(path), name, entries)
        self._order()

    def update(self, path: str, data: bytes | None) -> bool:
        """Take a project file in, or out with None. True where this changed anything."""
        project = None if data is None else parse(path, data)
        if self._files.get(path) == project:
            return False
        self._files.pop(path, None)
        if project:
            self._files[path] = project
        self._order()
        return True

    def _order(self) -> None:
        order = sorted(self._files.items(), reverse=True)  # of two with one name the first counts
        self._named = {(p.kind, p.name): p for _, p in order if p.name}

    def above(self, path: str, *kinds: str) -> Project | None:
        """The project file of one of these kinds that is nearest to a file."""
        for folder in ancestors(dirname(path)):
            for kind in kinds:
                if found := self._files.get(join(folder, kind)):
                    return found
        return None

    def named(self, kind: str, name: str) -> Project | None:
        return self._named.get((kind, name))

    def all(self, kind: str) -> list[Project]:
        return [p for _, p in sorted(self._files.items()) if p.kind == kind]

    def type_script(self, path: str) -> list[tuple[str, dict[str, Any]]]:
        """Compiler options for a file, nearest first: (the folder they count from, them)."""
        found: list[tuple[str, dict[str, Any]]] = []
        project = self.above(path, "tsconfig.json", "jsconfig.json", "tsconfig.base.json")
        for _ in range(EXTENDS_MAX):
            if project is None:
                break
            options = project.entries.get("compilerOptions")
            if isinstance(options, dict):
                found.append((project.folder, options))
            extends = project.entries.get("extends")
            if not isinstance(extends, str):
                break
            base = join(project.folder, extends)
            project = self._files.get(base) or self._files.get(base + ".json")
        return found
