# SPDX-License-Identifier: Apache-2.0
"""Signatures and names changed in real projects, whose own tests then say what was broken.

    python -m tests.bench.actions.bench_signature [--quick] [--show]

In: archives of sources whose tests run in seconds. Each of the most called functions of each gets
another parameter, a renamed one, two that change places, another name: in all files, no model
asked. Out: how many calls the index knew, how many were written anew, and in how many cases the
project's tests still pass. An edit that is refused breaks nothing and is counted apart. `--show`
tells of each case on stderr.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from indexer.index import Index
from lsp_server.actions import rename, signature
from lsp_server.actions.call_sites import sites
from lsp_server.actions.function_text import function_text
from lsp_server.actions.headers import name_of
from lsp_server.actions.types import Proposal, Refused, Target
from lsp_server.documents import from_text
from tests.bench.data import Archive, Unavailable, unpacked
from tests.bench.report import Figure, say

if TYPE_CHECKING:
    from collections.abc import Iterator

    from indexer.families import Definition
    from indexer.snapshot import Snapshot
    from lsp_server.actions.types import Action

FUNCTIONS_OF_EACH, QUICK_FUNCTIONS = 4, 1
CALLS_MIN = 3  # of a function, to be worth a case
TESTS_MAX_S = 300  # seconds are usual; a busy machine
AIM_SHARE = 1.0  # of the edits that are made: none may break a test


class Project(NamedTuple):
    """`package`: where functions are chosen from. `tests`: what pytest is told to run."""

    archive: Archive
    package: str
    tests: tuple[str, ...] = ()


PROJECTS = (
    Project(
        Archive(
            "pypi",
            "toolz",
            "1.1.0",
            "27a5c770d068c110d9ed9323f24f1543e83b2f300a687b7891c1a6d56b697b5b",
        ),
        "toolz",
    ),
    Project(
        Archive(
            "pypi",
            "boltons",
            "25.0.0",
            "e110fbdc30b7b9868cb604e3f71d4722dd8f4dcb4a5ddd06028ba8f1ab0b5ace",
        ),
        "boltons",
        ("tests", "--noconftest"),
    ),
    Project(
        Archive(
            "pypi",
            "click",
            "8.3.1",
            "12ff4785d337a1bb490bb7e9c2b1ee5da3112e94a8622f26a6c77f5d2fc6842a",
        ),
        "src/click",
        ("tests", "-o", "filterwarnings="),
    ),
    Project(
        Archive(
            "pypi",
            "more-itertools",
            "10.8.0",
            "f638ddf8a1a0d134181275fb5d58b086ead7c6a72429ad725c67503f13ba30bd",
        ),
        "more_itertools",
        ("tests/test_recipes.py",),
    ),
)


class Function(NamedTuple):
    """A function to be changed: `plain` are its parameters that calls must pass by place."""

    definition: Definition
    name: str
    plain: tuple[str, ...]
    calls: int


class Case(NamedTuple):
    """One wish for one function."""

    what: str
    action: Action
    words: str


class Result(NamedTuple):
    """`how`: passed, broken, told (broken, where the note names uses of unknown type), refused."""

    how: str
    note: str
    files: int = 0


def functions(snapshot: Snapshot, package: str, most: int) -> list[Function]:
    """The functions and methods of a package that are called most."""
    places: list[Definition] = []
    for path in snapshot.paths():
        record = snapshot.record(path)
        if record is None or not path.startswith(f"{package}/") or "/tests/" in path:
            continue
        places += [
            (path, number)
            for number, row in enumerate(record.symbols)
            if row.kind in ("function", "method") and not row.name.startswith("_")
        ]
    found = [it for place in places if (it := _function(snapshot, place)) is not None]
    chosen: dict[str, Function] = {}
    for it in sorted(found, key=lambda it: (-it.calls, it.definition)):
        chosen.setdefault(it.name, it)
    return list(chosen.values())[:most]


def _function(snapshot: Snapshot, definition: Definition) -> Function | None:
    try:
        it = function_text(snapshot, definition)
    except Refused:
        return None
    names = [name_of("python", item).decode() for item in it.items if b"=" not in item]
    plain = [name for name in names if name][1 if it.receiver else 0 :]
    if len(plain) < 2 or any(item.startswith(b"*") for item in it.items):
        return None
    calls = len(sites(snapshot, definition).calls)
    return Function(definition, it.row.name, tuple(plain), calls) if calls >= CALLS_MIN else None


def cases(it: Function) -> Iterator[Case]:
    first, second, *_ = it.plain
    yield Case("a keyword parameter", signature.ACTION, "add keyword parameter gw_extra=None")
    yield Case("a parameter to pass", signature.ACTION, "add parameter gw_extra passing None")
    yield Case("a renamed parameter", signature.ACTION, f"rename {first} to gw_{first}")
    yield Case("two swapped", signature.ACTION, f"swap {first} and {second}")
    yield Case("another name", rename.ACTION, f"gw_{it.name}")


def target(snapshot: Snapshot, root: Path, it: Function, words: str) -> Target:
    """What the editor would ask from: the cursor on the function's name."""
    path, number = it.definition
    text = (root / path).read_bytes().decode()
    record = snapshot.record(path)
    assert record is not None  # the function was found in it
    at = record.symbols[number].name_start
    document = from_text((root / path).as_uri(), text)
    return Target(
        document, path, "python", text.encode(), at, at, record, root, snapshot, {}, words
    )


def tried(root: Path, snapshot: Snapshot, project: Project, it: Function, case: Case) -> Result:
    """Make the edit, run the project's tests, put everything back."""
    asked = target(snapshot, root, it, case.words)
    try:
        proposal = case.action.read(asked, "")
    except Refused as why:
        return Result("refused", str(why))
    with written(root, proposal):
        wrong = tests_problem(root, project)
    told = re.search(r"of unknown type|not known whose|may expect", proposal.note) is not None
    how = ("told" if told else "broken") if wrong else "passed"
    return Result(how, f"{wrong} {proposal.note}".strip(), len(proposal.changes))


class written:  # noqa: N801  used like a function
    """The files of a proposal as they would be, for a while."""

    def __init__(self, root: Path, proposal: Proposal) -> None:
        self._root, self._changes = root, proposal.changes

    def __enter__(self) -> None:
        for change in self._changes:
            (self._root / change.path).write_bytes(change.after.encode())

    def __exit__(self, *_: object) -> None:
        for change in self._changes:
            (self._root / change.path).write_bytes((change.before or "").encode())


def tests_problem(root: Path, project: Project) -> str:
    """Why the project's tests do not pass, in one line; "" where they do."""
    options = "-q -x -p no:cacheprovider -p no:randomly -p no:asyncio --tb=line --no-header"
    try:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", *options.split(), *project.tests],
            cwd=root,
            env={**os.environ, "PYTHONPATH": f"{root / 'src'}{os.pathsep}{root}"}
            | {"PYTHONDONTWRITEBYTECODE": "1"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TESTS_MAX_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"the tests did not end within {TESTS_MAX_S} s"
    if not done.returncode:
        return ""
    lines = [line for line in done.stdout.splitlines() if "rror" in line or "FAILED" in line]
    return (lines or done.stdout.splitlines() or ["it did not start"])[0][:200]


def measure(project: Project, most: int, *, show: bool) -> tuple[Counter[str], list[Function]]:
    """Results by kind of case and outcome, and the functions they are of."""
    counts: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch, "project")
        shutil.copytree(next(unpacked(project.archive).iterdir()), root)
        if wrong := tests_problem(root, project):
            raise Unavailable(f"{project.archive.name}: its tests do not pass here: {wrong}")
        with Index(root, Path(scratch, "cache"), workers=1) as index:
            index.refresh()
            index.settle()
            snapshot = index.snapshot()
            chosen = functions(snapshot, project.package, most)
            for it in chosen:
                for case in cases(it):
                    result = tried(root, snapshot, project, it, case)
                    counts[result.how] += 1
                    if show:
                        path, _ = it.definition
                        told = f"{path} {it.name}, {it.calls} calls: {case.what}"
                        print(f"{told}: {result.how}: {result.note}", file=sys.stderr)
    return counts, chosen


def main() -> None:
    parser = argparse.ArgumentParser(description="signatures and names changed in real projects")
    parser.add_argument("--quick", action="store_true", help="fewer functions")
    parser.add_argument("--show", action="store_true", help="tell of each case")
    arguments = parser.parse_args()
    most = QUICK_FUNCTIONS if arguments.quick else FUNCTIONS_OF_EACH
    for project in PROJECTS:
        name = f"{project.archive.name} {project.archive.version}"
        try:
            counts, chosen = measure(project, most, show=arguments.show)
        except Unavailable as why:
            say(Figure("tests pass after an edit in all files", name, None, note=str(why)))
            continue
        made = counts["passed"] + counts["broken"] + counts["told"]
        say(
            Figure(
                "tests pass after an edit in all files",
                f"{name}: {len(chosen)} functions, {sum(it.calls for it in chosen)} known calls",
                counts["passed"] / made if made else None,
                "",
                AIM_SHARE,
                at_least=True,
                note=f"{counts['passed']} of {made} edits; of the others {counts['told']} had told "
                f"of uses that are not known; {counts['refused']} were refused",
            )
        )


if __name__ == "__main__":
    main()
