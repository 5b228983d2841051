# SPDX-License-Identifier: Apache-2.0
"""Where a project keeps its tests, what they are written with, and how they import.

In: a snapshot, the path of a source file. Out: a `Layout`: the file in which tests of this source
belong, the framework in use, how a module of the project is named there. Read from the files that
are there; conventions of the language where there are none. It reads no test and writes nothing.
"""

from __future__ import annotations

import posixpath
import re
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from indexer.snapshot import Snapshot

SCRIPTS = ("javascript", "typescript", "tsx")
FILES_MAX = 30  # test files whose imports are counted to know the framework
_TEST_NAMES = {
    "python": re.compile(r"(?:.*/)?(?:test_(?P<a>\w+)|(?P<b>\w+)_test)\.py"),
    "go": re.compile(r"(?:.*/)?(?P<a>\w+)_test\.go"),
    "java": re.compile(r"(?:.*/)?(?P<a>\w+?)Tests?\.java"),
    **dict.fromkeys(
        SCRIPTS, re.compile(r"(?:.*/)?(?P<a>[\w.-]+?)\.(?P<b>test|spec)\.[cm]?[jt]sx?")
    ),
}
_SOURCE_ROOTS = ("src/main/java/", "src/", "lib/", "")
_FRAMEWORKS = {
    "python": (("pytest", "pytest"), ("unittest", "unittest")),
    "java": (("org.junit.jupiter", "junit5"), ("org.junit", "junit4"), ("org.testng", "testng")),
    **dict.fromkeys(
        SCRIPTS,
        (
            ("vitest", "vitest"),
            ("@jest/globals", "jest"),
            ("node:test", "node:test"),
            ("mocha", "mocha"),
            ("chai", "mocha"),
        ),
    ),
}
_DEFAULTS = {
    "python": "pytest",
    "java": "junit5",
    "go": "testing",
    "rust": "cargo test",
    **dict.fromkeys(SCRIPTS, "jest"),
}


class Layout(NamedTuple):
    """`path` is the source's own for Rust. `there`: the file is there already."""

    path: str
    framework: str
    there: bool
    like: str = ""  # a test file of the project whose manner is to be followed


def layout(snapshot: Snapshot, language: str, source: str) -> Layout | None:
    """See the module; None for a language whose tests we do not know."""
    if language == "rust":
        return Layout(source, "cargo test", there=True)
    if language not in _DEFAULTS:
        return None
    paths = snapshot.paths()
    pattern = _TEST_NAMES[language]
    tests = [path for path in paths if pattern.fullmatch(path) and _family(path, language)]
    wanted = _stem(source)
    mine = [path for path in tests if _tested(pattern, path) == wanted]
    if mine:
        path = min(mine, key=lambda one: (-_shared(one, source), one))
    else:
        path = _placed(language, source, tests, paths)
    framework = _framework(snapshot, language, tests, paths)
    like = min(tests, key=lambda one: (-_shared(one, source), one), default="")
    return Layout(path, framework, path in paths, like if like != path else "")


def _family(path: str, language: str) -> bool:
    ending = path.rpartition(".")[2]
    return language not in SCRIPTS or ending.strip("cmx") in ("js", "ts", "jsx", "tsx")


def _stem(path: str) -> str:
    return posixpath.basename(path).partition(".")[0]


def _tested(pattern: re.Pattern[str], path: str) -> str:
    match = pattern.fullmatch(path)
    assert match is not None  # only such are asked for
    groups = match.groupdict()
    return groups["a"] or groups.get("b") or ""


def _shared(one: str, other: str) -> int:
    """How many names of folders two paths have in common."""
    return len(set(one.split("/")[:-1]) & set(other.split("/")[:-1]))


def _placed(language: str, source: str, tests: Sequence[str], paths: Iterable[str]) -> str:
    """The new file: where the others are, else by the custom of the language."""
    folder, stem = posixpath.dirname(source), _stem(source)
    if language == "go":
        return posixpath.join(folder, f"{stem}_test.go")
    if language == "java":
        inside = source.partition("src/main/java/")
        place = f"{inside[0]}src/test/java/{inside[2]}" if inside[1] else source
        return place.removesuffix(".java") + "Test.java"
    if language == "python":
        return _placed_python(source, tests, paths)
    ending = source.rpartition(".")[2]
    kinds = Counter("spec" if ".spec." in test else "test" for test in tests)
    name = f"{stem}.{kinds.most_common(1)[0][0] if kinds else 'test'}.{ending}"
    if tests and all("__tests__/" in test for test in tests):
        return posixpath.join(folder, "__tests__", name)
    apart = [test for test in tests if test.startswith(("test/", "tests/"))]
    if tests and len(apart) == len(tests):
        inside_source = _below_root(source)
        mirrored = posixpath.join(apart[0].partition("/")[0], posixpath.dirname(inside_source))
        nested = any(test.count("/") > 1 for test in apart)
        return posixpath.join(mirrored if nested else apart[0].partition("/")[0], name)
    return posixpath.join(folder, name)


def _placed_python(source: str, tests: Sequence[str], paths: Iterable[str]) -> str:
    stem = _stem(source)
    name = f"{stem}_test.py" if tests and all(t.endswith("_test.py") for t in tests) else ""
    name = name or f"test_{stem}.py"
    folders = Counter(posixpath.dirname(test) for test in tests)
    inner = _below_root(source).split("/")[1:-1]  # folders below the package
    if not folders:
        folder = "tests" if any(path.startswith("tests/") for path in paths) else ""
        return posixpath.join(folder or ("tests" if "/" in source else ""), name)
    for root in ("tests", "test"):
        below = [folder for folder in folders if folder == root or folder.startswith(f"{root}/")]
        if below:
            mirrored = posixpath.join(root, *inner)
            return posixpath.join(mirrored if mirrored in below else root, name)
    beside = posixpath.join(posixpath.dirname(source), "tests")
    if beside in folders:
        return posixpath.join(beside, name)
    return posixpath.join(folders.most_common(1)[0][0], name)


def _below_root(source: str) -> str:
    root = next(root for root in _SOURCE_ROOTS if source.startswith(root))
    return source[len(root) :]


def _framework(
    snapshot: Snapshot, language: str, tests: Sequence[str], paths: Iterable[str]
) -> str:
    if language in ("go", "rust"):
        return _DEFAULTS[language]
    counts: Counter[str] = Counter()
    for test in tests[:FILES_MAX]:
        record = snapshot.record(test)
        modules = {row.module for row in record.imports} if record is not None else set()
        for begin, name in _FRAMEWORKS[language]:
            if any(module == begin or module.startswith(f"{begin}.") for module in modules):
                counts[name] += 1
                break
        else:
            counts[_DEFAULTS[language] if language == "python" else ""] += 1
    counts.pop("", None)
    if counts:
        return counts.most_common(1)[0][0]
    return _declared(snapshot, language, paths)


def _declared(snapshot: Snapshot, language: str, paths: Iterable[str]) -> str:
    """What the project's own files name, where no test does."""
    if language in SCRIPTS:
        text = snapshot.text("package.json")
        for word in ("vitest", "jest", "mocha", "node --test"):
            if word.encode() in text:
                return {"node --test": "node:test"}.get(word, word)
    if language == "java":
        build = next((p for p in paths if p in ("pom.xml", "build.gradle")), "")
        text = snapshot.text(build) if build else b""
        if b"junit" in text and b"jupiter" not in text and b"junit5" not in text:
            return "junit4"
    return _DEFAULTS[language]


def module_name(language: str, source: str, test: str, packages: Iterable[str]) -> str:
    """How the test's file names the source's: a module of Python, a relative path of JavaScript.

    `packages`: all paths of the project, to see which folders are packages.
    """
    if language in SCRIPTS:
        relative = posixpath.relpath(source, posixpath.dirname(test) or ".")
        stem = re.sub(r"\.(?:d\.)?[cm]?[jt]sx?$", "", relative)
        return stem if stem.startswith(".") else f"./{stem}"
    parts = source.removesuffix(".py").split("/")
    known = set(packages)
    first = len(parts) - 1
    while first > 0 and "/".join([*parts[:first], "__init__.py"]) in known:
        first -= 1
    if first == len(parts) - 1 and len(parts) > 1 and parts[0] not in ("src", "lib"):
        first = 0  # folders without __init__.py
    elif first == len(parts) - 1 and parts[0] in ("src", "lib"):
        first = 1
    name = [part for part in parts[first:] if part != "__init__"]
    return ".".join(name)
