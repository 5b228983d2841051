# SPDX-License-Identifier: Apache-2.0
"""Extract functions from real projects: what is offered, what still parses, what still passes.

    python -m tests.bench.actions.bench_extract [--count 150] [--tested 60] [--languages a,b]
                                                [--failed FOLDER]

First, runs of statements of real repositories, chosen by a hash: the share that is offered, why
the others are refused, and whether each result parses with no new error. Then, selections in
small Python packages that bring their tests: the tests are run on a copy with the function moved
out. Only those count whose new function is run by a test: with `raise` for a body, one must fail.
"""

from __future__ import annotations

import argparse
import ast
import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple

from indexer.extraction import plan
from indexer.extraction_shape import CannotExtract
from indexer.window import parse
from tests.bench.actions.selections import Chosen, chosen
from tests.bench.context.sources import REPOSITORIES
from tests.bench.data import Archive, unpacked
from tests.bench.report import Figure, percentile, say

if TYPE_CHECKING:
    from collections.abc import Iterator

    from indexer.extraction import Extraction

NAME = "moved_out"
REASONS = 8  # as many are printed, the commonest first
TEST_LIMIT_S = 120
SUFFIXES = {"python": ".py", "typescript": ".ts", "go": ".go", "java": ".java", "rust": ".rs"}


class Package(NamedTuple):
    """A package with tests that run at once: its sources and its tests below the archive."""

    archive: Archive
    sources: str
    tests: str  # `test_x.py` there tests the module `x.py`


PACKAGES = (
    Package(
        Archive(
            "pypi",
            "boltons",
            "25.0.0",
            "e110fbdc30b7b9868cb604e3f71d4722dd8f4dcb4a5ddd06028ba8f1ab0b5ace",
        ),
        "boltons",
        "tests",
    ),
    Package(
        Archive(
            "pypi",
            "toolz",
            "1.1.0",
            "27a5c770d068c110d9ed9323f24f1543e83b2f300a687b7891c1a6d56b697b5b",
        ),
        "toolz",
        "toolz/tests",
    ),
)


def main(words: list[str]) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=150, help="selections a language")
    parser.add_argument("--tested", type=int, default=60, help="of which tests are run")
    parser.add_argument("--languages", default="python,typescript")
    parser.add_argument("--failed", type=Path, help="where what went wrong is written")
    options = parser.parse_args(words)
    for language in options.languages.split(","):
        if language:
            real(language, options.count, options.failed)
    if options.tested:
        tested(options.tested, options.failed)


def real(language: str, count: int, failed: Path | None) -> None:
    """Offered, refused, parses: on the repositories of one language."""
    picked: list[Chosen] = []
    rows = [r for r in REPOSITORIES if r.language == language]
    for row in rows:
        root = unpacked(row.archive)
        files = [
            path
            for path in sorted(root.rglob(f"*{SUFFIXES[language]}"))
            if path.is_file()
            and not path.name.endswith(".d.ts")
            and set(row.without).isdisjoint(path.parts)
        ]
        files = [f for n, f in enumerate(files) if n % max(1, len(files) // 200) == 0]
        picked += chosen(language, root, files)[: -(-count // len(rows))]
    reasons: Counter[str] = Counter()
    good, times = 0, []
    for one in picked:
        data = one.path.read_bytes()
        begun = time.thread_time()
        try:
            found = plan(language, data, one.start, one.end)
        except CannotExtract as reason:
            reasons[_kind(str(reason))] += 1
            continue
        finally:
            times.append((time.thread_time() - begun) * 1000)
        after = found.apply(NAME, "Do a part.")
        if _parses(language, after):
            good += 1
        elif failed is not None:
            _keep(failed, one, after)
    data_name = f"{len(picked)} selections, {len(rows)} {language} repositories"
    offered = len(picked) - reasons.total()
    for reason, number in reasons.most_common(REASONS):
        print(f"{language}: refused {number:4}: {reason}", file=sys.stderr)
    say(Figure("extract: offered", data_name, offered / max(1, len(picked)), "share"))
    say(
        Figure(
            "extract: parses with no new error", f"{offered} {language} extractions",
            good / max(1, offered), "share", 1.0, at_least=True,
        )
    )  # fmt: skip
    say(
        Figure(
            "extract: time to plan",
            data_name,
            percentile(times, 0.95),
            "ms",
            50,
            note="p95, of processor time",
        )
    )


def _kind(reason: str) -> str:
    """A reason without the names in it."""
    return " ".join("`_`" if word.startswith("`") else word for word in reason.split())


def _parses(language: str, after: bytes) -> bool:
    parsed = parse(language, after, time.thread_time() + 5)
    if parsed is None or parsed[1]:
        return False
    if language == "python":
        try:
            ast.parse(after)
        except SyntaxError:
            return False
    return True


def tested(count: int, failed: Path | None) -> None:
    """The packages' own tests, on copies with a function moved out."""
    total: Counter[str] = Counter()
    for number, package in enumerate(PACKAGES):
        with TemporaryDirectory(prefix="extract-") as scratch:
            root = Path(scratch, "copy")
            source = next(p for p in unpacked(package.archive).iterdir() if p.is_dir())
            shutil.copytree(source, root)
            left = count - total["passed"] - total["failed"]
            results = _results(package, root, -(-left // (len(PACKAGES) - number)), failed)
            total += results
            print(f"{package.archive.name}: {dict(results)}", file=sys.stderr)
    counted = total["passed"] + total["failed"]
    say(
        Figure(
            "extract: the project's tests still pass",
            f"{counted} extractions that a test runs, {len(PACKAGES)} packages",
            total["passed"] / max(1, counted), "share", 1.0, at_least=True,
            note=f"{total['not run']} more are run by no test",
        )
    )  # fmt: skip


def _results(package: Package, root: Path, share: int, failed: Path | None) -> Counter[str]:
    found: Counter[str] = Counter()
    usable: dict[Path, bool] = {}
    for one, tests, extraction in _extractions(package, root):
        if found["passed"] + found["failed"] == share:
            break
        if tests not in usable:
            usable[tests] = bool(_tests_pass(root, tests))
        if not usable[tests]:
            continue
        data = one.path.read_bytes()
        one.path.write_bytes(_broken(extraction))
        control = _tests_pass(root, tests)
        if control is False:
            one.path.write_bytes(extraction.apply(NAME, "Do a part."))
            good = _tests_pass(root, tests)
            found["too slow" if good is None else "passed" if good else "failed"] += 1
            if good is False and failed is not None:
                _keep(failed, one, one.path.read_bytes())
        else:
            found["not run" if control else "too slow"] += 1
        one.path.write_bytes(data)
    return found


def _extractions(package: Package, root: Path) -> Iterator[tuple[Chosen, Path, Extraction]]:
    """Selections in modules that have tests of their own."""
    modules = {
        path: root / package.tests / f"test_{path.stem}.py"
        for path in sorted((root / package.sources).glob("*.py"))
    }
    files = [path for path, tests in modules.items() if tests.exists()]
    for one in chosen("python", root, files, seed=package.archive.name):
        try:
            found = plan("python", one.path.read_bytes(), one.start, one.end)
        except CannotExtract:
            continue
        yield one, modules[one.path], found


def _broken(found: Extraction) -> bytes:
    """The file with a new function that raises before it does anything."""
    lines = found.apply(NAME).decode().split("\n")
    head = next(n for n, line in enumerate(lines) if f"def {NAME}(" in line)
    indent = lines[head][: len(lines[head]) - len(lines[head].lstrip())]
    body = next(n for n in range(head, len(lines)) if lines[n].rstrip().endswith(":")) + 1
    inner = next(line for line in lines[body:] if line.strip())
    deep = inner[: len(inner) - len(inner.lstrip())]
    assert deep.startswith(indent)
    return "\n".join([*lines[:body], f"{deep}raise SystemError", *lines[body:]]).encode()


def _tests_pass(root: Path, tests: Path) -> bool | None:
    """Whether they pass; None where they take too long to say so."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider"]
    command += [
        "-p",
        "no:randomly",
        "-W",
        "ignore",
        "--noconftest",
        "-c",
        os.devnull,
        "--rootdir",
        str(root),
    ]
    try:
        done = subprocess.run(
            [*command, str(tests)],
            cwd=root,
            env={**os.environ, "PYTHONPATH": str(root), "PYTHONDONTWRITEBYTECODE": "1"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=TEST_LIMIT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return None
    return done.returncode == 0


def _keep(folder: Path, one: Chosen, after: bytes) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    place = folder / f"{one.number}-{one.path.name}"
    place.write_bytes(after)
    print(f"kept {place}: {one.path} bytes {one.start}-{one.end}", file=sys.stderr)


if __name__ == "__main__":
    main(sys.argv[1:])
