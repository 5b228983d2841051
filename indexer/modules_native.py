# SPDX-License-Identifier: Apache-2.0
"""Imports to files in languages whose modules are folders, crates, packages or headers.

In: an import, where it stands, the tree, go.mod and Cargo.toml. Out: (path, score, rest), where
`rest` is what of the import's path is left for a name inside of the file.
"""

from __future__ import annotations

from itertools import takewhile
from posixpath import basename, dirname, splitext
from typing import TYPE_CHECKING

from indexer.tree import ancestors, join

if TYPE_CHECKING:
    from indexer.projects import Projects
    from indexer.tree import Tree
    from indexer.types import Import

Found = list[tuple[str, float, str]]

_CRATE_ROOTS = ("lib.rs", "main.rs")
_RUST_OWNERS = frozenset(("lib.rs", "main.rs", "mod.rs", "build.rs"))


def _shared(paths: list[str], score: float, rest: str) -> Found:
    """One import, several files: each gets its share; the first of the list is not better."""
    return [(path, score / len(paths), rest) for path in paths]


def _nearest(paths: list[str], path: str, score: float, rest: str) -> Found:
    """Files of the same ending, those that share more folders with `path` first."""
    ordered = sorted((p for p in paths if p != path), key=lambda p: (-_common(p, path), p))
    if not ordered:
        return []
    best = _common(ordered[0], path)
    count = sum(1 for p in ordered if _common(p, path) == best)
    share, rest_share = score / count, score / len(ordered) / 2
    return [(p, share if _common(p, path) == best else rest_share, rest) for p in ordered]


def _common(a: str, b: str) -> int:
    """How many folders two paths share."""
    pairs = zip(a.split("/")[:-1], b.split("/")[:-1], strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def go(tree: Tree, projects: Projects, path: str, imported: Import) -> Found:
    """A package is a folder below the module that go.mod names; its files share it."""
    for folder in _go_folders(projects, path, imported.module):
        files = [p for p in tree.inside(folder, ".go") if not p.endswith("_test.go")]
        if files:
            return [(p, 1.0, "") for p in files]
    return []


def _go_folders(projects: Projects, path: str, module: str) -> list[str]:
    folders = []
    own = projects.above(path, "go.mod")
    for name, folder in own.entries.items() if own else ():
        if module == name or module.startswith(name + "/"):
            folders.append(join(folder, module[len(name) :]))
    folders += [
        join(project.folder, module[len(project.name) :])
        for project in projects.all("go.mod")
        if module == project.name or module.startswith(project.name + "/")
    ]
    if own:
        folders.append(join(own.folder, "vendor", module))
    return folders


def rust(tree: Tree, projects: Projects, path: str, imported: Import) -> Found:
    words = [word for word in imported.module.split("::") if word]
    if not imported.name:  # `mod cart;`
        found = _rust_module(tree, join(_rust_folder(path), *words))
        return [(found, 1.0, "")] if found else []
    name = [] if imported.name == "*" else [imported.name]
    folder, words = _rust_start(tree, projects, path, words)
    if folder is None:
        return []
    return _rust_path(tree, folder, [*words, *name])


def _rust_start(
    tree: Tree, projects: Projects, path: str, words: list[str]
) -> tuple[str | None, list[str]]:
    """The folder that a path counts from, and what is left of it."""
    if words and words[0] == "crate":
        return _crate(tree, path), words[1:]
    folder = _rust_folder(path)
    if words and words[0] in ("self", "super"):
        while words and words[0] in ("self", "super"):
            folder = dirname(folder) if words[0] == "super" else folder
            words = words[1:]
        return folder, words
    if words and (project := projects.named("Cargo.toml", words[0])):
        return join(project.folder, "src"), words[1:]
    if words and _rust_module(tree, join(folder, words[0])):
        return folder, words  # a module of this one
    return None, words


def _rust_path(tree: Tree, folder: str, words: list[str]) -> Found:
    """The deepest module of a path that has a file; the rest are names in it."""
    for size in range(len(words), -1, -1):
        stem = join(folder, *words[:size])
        found = _rust_module(tree, stem) or (_rust_owner(tree, stem) if not size else None)
        if found:
            return [(found, 1.0 if size >= len(words) - 1 else 0.8, "::".join(words[size:]))]
    return []


def _rust_module(tree: Tree, stem: str) -> str | None:
    for path in (f"{stem}.rs", f"{stem}/mod.rs"):
        if path in tree:
            return path
    return None


def _rust_owner(tree: Tree, folder: str) -> str | None:
    for name in (*_CRATE_ROOTS, "mod.rs"):
        if (path := join(folder, name)) in tree:
            return path
    return f"{folder}.rs" if f"{folder}.rs" in tree else None


def _rust_folder(path: str) -> str:
    """Where the modules of this file are."""
    return dirname(path) if basename(path) in _RUST_OWNERS else splitext(path)[0]


def _crate(tree: Tree, path: str) -> str | None:
    for folder in ancestors(dirname(path)):
        if any(join(folder, name) in tree for name in _CRATE_ROOTS):
            return folder
    return None


def qualified(tree: Tree, _projects: Projects, path: str, imported: Import) -> Found:
    """Java, Kotlin, Scala, C#, PHP: a package that files declare, and a name in it."""
    parts = imported.module.replace("\\", ".").strip(".").split(".")
    package, name = ".".join(parts), imported.name
    if name and name != "*":
        return _named(tree, path, parts, name) or _nested(tree, path, parts, name)
    files = [p for p in _declaring(tree, package) if p != path]
    if files:
        return [(p, 1.0, "") for p in files]
    # `import static a.b.C.*`, or `using X = a.b.C`
    return _named(tree, path, parts[:-1], parts[-1])


def _declaring(tree: Tree, package: str) -> list[str]:
    return tree.declared(package) or tree.declared(package.replace(".", "\\"))


def _named(tree: Tree, path: str, parts: list[str], name: str) -> Found:
    """The file that is named like the type, else those of the package that define the name."""
    if not parts:
        return []
    files = _declaring(tree, ".".join(parts))
    same = [p for p in files if splitext(basename(p))[0] == name]
    if same:
        return _shared(same, 1.0, name)
    defining = {*tree.defining(name)}
    if found := [p for p in files if p in defining]:
        return _shared(found, 1.0, name)
    suffix = splitext(path)[1]
    ending = "/".join((*parts, name))
    by_path = [p for p in tree.ending(ending) if splitext(p)[1] == suffix]
    if not by_path and len(parts) > 1 and suffix == ".php":  # PSR-4 drops the vendor's name
        ending = "/".join((*parts[1:], name))
        by_path = [p for p in tree.ending(ending) if splitext(p)[1] == suffix]
    return _nearest(by_path, path, 0.9, name)


def _nested(tree: Tree, path: str, parts: list[str], name: str) -> Found:
    """`a.b.Outer.Inner`, and members that are imported from a type."""
    for size in range(len(parts) - 1, 0, -1):
        if found := _named(tree, path, parts[:size], parts[size]):
            rest = ".".join((*parts[size:], name))
            return [(p, score * 0.95, rest) for p, score, _ in found]
    return []


def by_module_name(tree: Tree, projects: Projects, path: str, imported: Import) -> Found:
    """Elixir, Haskell, Julia: by the module that a file declares, else by its customary path."""
    module, name = imported.module, imported.name
    rest = "" if name == "*" else name
    if module.endswith(".jl"):
        return script(tree, projects, path, imported)
    if files := [p for p in tree.declared(module) if p != path]:
        return _shared(files, 1.0, rest)
    suffix = splitext(path)[1]
    found = [p for p in tree.ending(module.replace(".", "/")) if splitext(p)[1] == suffix]
    return _nearest(found, path, 0.9, rest)


def include(tree: Tree, _projects: Projects, path: str, imported: Import) -> Found:
    """C and C++: beside the file, in a folder around it or its `include`, else by its ending."""
    header = imported.module
    for folder in ancestors(dirname(path)):
        for place in (folder, join(folder, "include"), join(folder, "src")):
            if (target := join(place, header)) in tree:
                return [(target, 1.0, "")]
    suffix = splitext(header)[1]
    stem = splitext(header)[0].replace("../", "").removeprefix("./")
    return _nearest([p for p in tree.ending(stem) if p.endswith(suffix)], path, 0.8, "")


def script(tree: Tree, _projects: Projects, path: str, imported: Import) -> Found:
    """Ruby, Lua, Zig, shells: a path, with or without its suffix, beside the file or in a root."""
    suffix = splitext(path)[1]
    module = imported.module
    if suffix == ".lua" and "/" not in module:
        module = module.replace(".", "/")
    names = [module, module + suffix, f"{module}/init{suffix}"]
    beside = [join(dirname(path), name) for name in names]
    for target in beside:
        if target in tree:
            return [(target, 1.0, "")]
    if imported.level or module.startswith("."):
        return []
    for folder in ancestors(dirname(path)):
        for root in ("lib", "src", "lua", ""):
            for name in names:
                if (target := join(folder, root, name)) in tree:
                    return [(target, 1.0, "")]
    ending = module.removesuffix(suffix)
    found = [p for p in tree.ending(ending) if splitext(p)[1] == suffix] if "/" in ending else []
    return _nearest(found, path, 0.8, "")


def swift(tree: Tree, _projects: Projects, _path: str, imported: Import) -> Found:
    """A module is a target: the folder below `Sources` that has its name."""
    for folder in (f"Sources/{imported.module}", imported.module):
        if files := tree.inside(folder, ".swift"):
            return [(p, 1.0, "" if imported.name == "*" else imported.name) for p in files]
    return []
