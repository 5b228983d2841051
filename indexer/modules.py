# SPDX-License-Identifier: Apache-2.0
"""From an import to the files that it may mean, with a score for each.

In: the path of the importing file, its language, one `Import`, the `Tree` and the `Projects`.
Out: places, best first; none where the module is not in the repository. Each language has its
rule; Python's stands here, the others in `modules_web` and `modules_native`.
It reads no file and knows no symbol but the names that files define.
"""

from __future__ import annotations

import sys
from posixpath import dirname
from typing import TYPE_CHECKING, NamedTuple

from indexer import modules_native, modules_web
from indexer.tree import ancestors, join

if TYPE_CHECKING:
    from indexer.projects import Projects
    from indexer.tree import Tree
    from indexer.types import Import

# Folders that hold packages without being one, by custom: their content is imported from anywhere.
SOURCE_ROOTS = ("", "src", "lib", "python", "tests", "test")
# An import of a package of a thousand files (Go, C#) says little about each one of them.
PLACES_MAX = 32


class Place(NamedTuple):
    """A file that an import may mean. `rest`: what the path of the import says beyond the file."""

    path: str
    score: float
    rest: str = ""


_FAMILIES = (
    frozenset(("javascript", "typescript", "tsx")),
    frozenset(("java", "kotlin", "scala")),
    frozenset(("c", "cpp")),
)


def same_family(one: str, other: str) -> bool:
    """Do files of the two languages see each other's names?"""
    return one == other or any({one, other} <= family for family in _FAMILIES)


def resolve(
    tree: Tree, projects: Projects, path: str, language: str, imported: Import
) -> list[Place]:
    """Files that this import of the file at `path` may mean, best first."""
    rule = _RULES.get(language)
    found = rule(tree, projects, path, imported) if rule else []
    best: dict[str, Place] = {}
    for place in found:
        if place[0] not in best or best[place[0]].score < place[1]:
            best[place[0]] = Place(*place)
    return sorted(best.values(), key=lambda p: (-p.score, p.path))[:PLACES_MAX]


def _python(
    tree: Tree, _projects: Projects, path: str, imported: Import
) -> list[tuple[str, float, str]]:
    words = [word for word in imported.module.split(".") if word]
    if imported.level:
        folder = dirname(path)
        for _ in range(imported.level - 1):
            folder = dirname(folder)
        return _python_in(tree, folder, words, imported.name, 1.0)
    if not words:
        return []
    for folder in _python_roots(tree, dirname(path)):
        if found := _python_in(tree, folder, words, imported.name, 1.0):
            return found
    if words[0] in sys.stdlib_module_names:
        return []
    for root in SOURCE_ROOTS:
        if found := _python_in(tree, root, words, imported.name, 0.95):
            return found
    return _python_anywhere(tree, words, imported.name)


def _python_roots(tree: Tree, folder: str) -> list[str]:
    """Folders around one that are no packages: inside of those, names start at their root."""
    known = tree.memo.get(folder)
    if known is None:
        known = [around for around in ancestors(folder) if not _is_package(tree, around)]
        tree.memo[folder] = known
    return known


def _is_package(tree: Tree, folder: str) -> bool:
    return tree.first(folder, (join(folder, "__init__.py"),)) is not None


def _python_in(
    tree: Tree, root: str, words: list[str], name: str, score: float
) -> list[tuple[str, float, str]]:
    """The module `words` below the folder `root`; `name` of it where that is a module too."""
    top = f"{root}/{words[0]}" if root and words else "".join(words[:1])
    if len(words) > 1 and not tree.is_folder(top):
        return []
    folder = "/".join((top, *words[1:])) if words else root
    module = _python_module(tree, folder)
    if module and not module.startswith(f"{folder}/__init__."):
        return [(module, score, name)]
    if name and name != "*" and (inner := _python_module(tree, join(folder, name))):
        # What the package itself defines under that name comes before its submodule.
        return [(inner, score, ""), *([(module, score * 0.9, name)] if module else [])]
    return [(module, score, name)] if module else []


def _python_module(tree: Tree, stem: str) -> str | None:
    if not stem:
        return tree.first("", ("__init__.py",))
    endings = ("/__init__.py", ".py", ".pyi", "/__init__.pyi")
    return tree.first(stem, [stem + ending for ending in endings])


def _python_anywhere(tree: Tree, words: list[str], name: str) -> list[tuple[str, float, str]]:
    """A root that nothing points at: any folder that is no package and holds these modules."""
    endings = ["/".join((*words, name))] if name and name != "*" else []
    for ending in (*endings, "/".join(words)):
        found = []
        for path in tree.ending(ending):
            root = _root_of(path, ending)
            if path.endswith((".py", ".pyi")) and not _is_package(tree, root):
                found.append(path)
        if found:
            score = (0.6 if len(words) > 1 else 0.4) / len(found)
            return [(path, score, "" if ending in endings else name) for path in found]
    return []


def _root_of(path: str, ending: str) -> str:
    whole = "/" + path
    return whole[: whole.rfind("/" + ending)].removeprefix("/")


_RULES = {
    "python": _python,
    **dict.fromkeys(("javascript", "typescript", "tsx"), modules_web.javascript),
    "go": modules_native.go,
    "rust": modules_native.rust,
    **dict.fromkeys(("java", "kotlin", "scala", "csharp", "php"), modules_native.qualified),
    **dict.fromkeys(("elixir", "haskell", "julia"), modules_native.by_module_name),
    **dict.fromkeys(("c", "cpp"), modules_native.include),
    **dict.fromkeys(("ruby", "lua", "zig", "bash"), modules_native.script),
    "swift": modules_native.swift,
}
