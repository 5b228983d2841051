# SPDX-License-Identifier: Apache-2.0
"""Imports of JavaScript and TypeScript to files.

In: an import's text, where it stands, the tree, what package.json and tsconfig.json say. Out:
(path, score, ""). It follows what the two runtimes and the compiler have in common: relative
paths, index files, `#imports`, `paths` and `baseUrl`, workspaces with `exports` or `main`.
It knows no node_modules: packages from outside are outside.
"""

from __future__ import annotations

from posixpath import dirname
from typing import TYPE_CHECKING, Any

from indexer.tree import join, stem_path

if TYPE_CHECKING:
    from collections.abc import Iterator

    from indexer.projects import Project, Projects
    from indexer.tree import Tree
    from indexer.types import Import

SUFFIXES = (
    *(".ts", ".tsx", ".d.ts", ".js", ".jsx", ".mjs", ".cjs"),
    *(".mts", ".cts", ".vue", ".svelte", ".json"),
)
# `./a.js` in TypeScript means the file that becomes a.js.
_COMPILED = {".js": (".ts", ".tsx"), ".jsx": (".tsx",), ".mjs": (".mts",), ".cjs": (".cts",)}
_BUILT = ("dist/", "lib/", "build/", "out/", "esm/", "cjs/")  # made from src/, seldom in the tree
_CONDITIONS = ("types", "import", "module", "default", "require", "node", "browser")
_FIELDS = ("types", "typings", "module", "main")
_DEPTH_MAX = 8


def javascript(
    tree: Tree, projects: Projects, path: str, imported: Import
) -> list[tuple[str, float, str]]:
    module = imported.module.partition("?")[0]
    if module.startswith("."):
        found = _file(tree, join(dirname(path), module))
    elif module.startswith("#"):
        found = _own_import(tree, projects, path, module)
    else:
        found = _mapped(tree, projects, path, module) or _package(tree, projects, module)
    name = imported.name
    return [(found, 1.0, "" if name == "*" else name)] if found else []


def _file(tree: Tree, target: str) -> str | None:
    """A file, a file without its suffix, or a folder with an index."""
    return tree.first(stem_path(target), _candidates(target)) or tree.first(
        target, (join(target, "index" + suffix) for suffix in SUFFIXES)
    )


def _candidates(target: str) -> Iterator[str]:
    if not target:
        return
    for suffix, sources in _COMPILED.items():
        if target.endswith(suffix):
            yield from (target[: -len(suffix)] + source for source in sources)
    yield target
    for suffix in SUFFIXES:
        yield target + suffix


def _own_import(tree: Tree, projects: Projects, path: str, module: str) -> str | None:
    project = projects.above(path, "package.json")
    if project is None:
        return None
    targets = _matched(project.entries.get("imports"), module)
    return _first(tree, project.folder, targets)


def _mapped(tree: Tree, projects: Projects, path: str, module: str) -> str | None:
    """`paths` of the nearest tsconfig that has them, then `baseUrl`."""
    for folder, options in projects.type_script(path):
        base = options.get("baseUrl")
        root = join(folder, base) if isinstance(base, str) else folder
        if found := _first(tree, root, _matched(options.get("paths"), module)):
            return found
        if isinstance(base, str) and (found := _file(tree, join(root, module))):
            return found
    return None


def _package(tree: Tree, projects: Projects, module: str) -> str | None:
    """A package of the same repository, by the name that its package.json has."""
    parts = module.split("/")
    size = 2 if module.startswith("@") else 1
    name, rest = "/".join(parts[:size]), "/".join(parts[size:])
    project = projects.named("package.json", name)
    if project is None:
        return None
    exports = project.entries.get("exports")
    key = f"./{rest}" if rest else "."
    if isinstance(exports, dict) and not any(k.startswith(".") for k in exports):
        exports = {".": exports}
    targets = _matched(exports if isinstance(exports, dict) else {".": exports}, key)
    found = _first(tree, project.folder, targets)
    if found or rest:
        return found or _file(tree, join(project.folder, rest)) or _source(tree, project, rest)
    return _main(tree, project)


def _main(tree: Tree, project: Project) -> str | None:
    fields = [project.entries.get(name) for name in _FIELDS]
    found = _first(tree, project.folder, [name for name in fields if isinstance(name, str)])
    return found or _source(tree, project, "") or _file(tree, project.folder or ".")


def _source(tree: Tree, project: Project, rest: str) -> str | None:
    """What is built is not in the tree: its source is taken."""
    return _file(tree, join(project.folder, "src", rest))


def _first(tree: Tree, folder: str, targets: list[str]) -> str | None:
    for target in targets:
        if found := _file(tree, join(folder, target)):
            return found
        bare = target.removeprefix("./")
        for built in _BUILT:
            if bare.startswith(built):
                stem = bare.removeprefix(built).split(".")[0]
                if found := _file(tree, join(folder, "src", stem)):
                    return found
    return None


def _matched(table: Any, name: str) -> list[str]:
    """Targets of the key that fits `name`, the longest key first; `*` stands for any text."""
    if not isinstance(table, dict):
        return []
    if name in table:
        return _targets(table[name], "", 0)
    for key in sorted((k for k in table if "*" in k), key=len, reverse=True):
        head, _, tail = key.partition("*")
        fits = name.startswith(head) and name.endswith(tail) and len(name) >= len(key) - 1
        if fits:
            return _targets(table[key], name[len(head) : len(name) - len(tail)], 0)
    return []


def _targets(value: Any, star: str, depth: int) -> list[str]:
    """The paths in a target: a text, a list of alternatives, or a table of conditions."""
    if isinstance(value, str):
        return [value.replace("*", star)]
    if depth > _DEPTH_MAX:
        return []
    if isinstance(value, list):
        return [path for item in value for path in _targets(item, star, depth + 1)]
    if isinstance(value, dict):
        known = [value[key] for key in _CONDITIONS if key in value]
        return [path for item in known for path in _targets(item, star, depth + 1)]
    return []
