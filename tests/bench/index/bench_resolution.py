# SPDX-License-Identifier: Apache-2.0
"""How much of django is resolved, how well, how fast.

    python -m tests.bench.index.bench_resolution [--quick] [FOLDER]

Imports: of all whose module Python's own finder sees in the tree, how many mean the same file to
us. Calls: precision and recall on 200 attribute calls of the package `django`, chosen by the hash
of their place and looked up by hand (tests/indexer/resolution_sample.jsonl). Speed: seconds of one
core to tell the resolver of all files and to work out all edges; milliseconds of an edit and of a
file that comes or goes; ranks of 50,000 nodes and 500,000 edges. Imports that are missed are listed
on stderr. FOLDER is another unpacked django 5.2.8.
"""

from __future__ import annotations

import argparse
import ast
import json
import random
import statistics
import sys
import time
from importlib.machinery import PathFinder
from pathlib import Path
from typing import TYPE_CHECKING, Any

from indexer.graph import Memory, Resolver
from indexer.parse import extract
from indexer.rank import Rank
from tests.bench.data import Unavailable
from tests.bench.index.trees import DJANGO
from tests.bench.report import Figure, say, spread

if TYPE_CHECKING:
    from collections.abc import Iterator

    from indexer.modules import Place
    from indexer.types import Reference

SAMPLE = Path(__file__).parents[2] / "indexer" / "resolution_sample.jsonl"
SURE = 0.5  # a target below this is a guess, and counts only for `listed`
EDITS = 50
NODES, EDGES = 50_000, 500_000


def build(root: Path) -> tuple[Resolver, Memory]:
    """All Python files of a folder; the resolver's own time is printed."""
    memory = Memory()
    for path in sorted(root.rglob("*.py")):
        data = path.read_bytes()
        memory.put(path.relative_to(root).as_posix(), extract("python", data), data)
    start = time.process_time()
    resolver = Resolver(memory)
    for name, record in memory.records.items():
        resolver.update(name, record)
    told = time.process_time()
    resolver.settle()
    settled = time.process_time()
    resolver.rank()
    ranked = time.process_time()
    say(
        Figure(
            "resolver, all files told and all edges found",
            f"{DJANGO.name}: {len(memory.records):,} Python files",
            settled - start,
            "s of processor",
            note=f"once; telling {told - start:.2f} s, "
            f"{sum(map(len, resolver.edges.values())):,} edges {settled - told:.2f} s, "
            f"ranks {ranked - settled:.2f} s",
        )
    )
    changes(resolver, memory)
    return resolver, memory


def changes(resolver: Resolver, memory: Memory) -> None:
    """An edit that changes a file's imports; a file that goes and comes back. All edges follow."""
    edits: list[float] = []
    files: list[float] = []
    for path in random.Random(1).sample(sorted(memory.records), EDITS):
        record = memory.records[path]
        changed = extract("python", b"import django\n" + memory.texts[path])
        for state, times in ((changed, edits), (record, edits), (None, files), (record, files)):
            start = time.process_time()
            resolver.update(path, state)
            resolver.settle()
            times.append((time.process_time() - start) * 1000)
    for what, times in (("an import changes", edits), ("a file goes or comes", files)):
        say(
            Figure(
                f"resolver, {what}, all edges right again",
                f"{DJANGO.name}: {EDITS} files by chance",
                statistics.median(times),
                "ms of processor",
                note=f"median of {len(times)}: {spread(times)}",
            )
        )


def in_tree(root: Path, path: Path) -> Iterator[tuple[int, str, int, str, str]]:
    """Imports that Python's finder sees in the folder: line, module, level, name, file."""
    package = path.parent
    while (package / "__init__.py").exists():
        package = package.parent
    absolute = [str(package), str(root), str(root / "tests")]
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            rows = [(alias.name, 0, "") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            rows = [(node.module or "", node.level, alias.name) for alias in node.names]
        else:
            continue
        for module, level, name in rows:
            if not level and module.partition(".")[0] in sys.stdlib_module_names:
                continue
            folder = path.parents[level - 1] if level else path
            found = find([str(folder)] if level else absolute, module, name, level)
            if found and found.is_relative_to(root):
                yield node.lineno, module, level, name, found.relative_to(root).as_posix()


def find(places: list[str], module: str, name: str, level: int) -> Path | None:
    """The file that Python would load for an import; nothing is run."""
    file = Path(places[0]) / "__init__.py" if level and not module else None
    file = file if file and file.exists() else None
    locations: list[str] | None = places
    for word in filter(None, module.split(".")):
        spec = PathFinder.find_spec(word, locations) if locations else None
        if spec is None:
            return None
        file = Path(spec.origin) if spec.origin else None
        locations = list(spec.submodule_search_locations or ())
    if name and locations and (sub := PathFinder.find_spec(name, locations)) and sub.origin:
        return Path(sub.origin)
    return file


def imports(root: Path, resolver: Resolver, memory: Memory) -> None:
    """Count the imports of modules of the tree, list those that we place elsewhere."""
    count, missed = 0, []
    for path, record in memory.records.items():
        rows = {(i.line, i.module, i.level, i.name): i for i in record.imports}
        try:
            wanted = list(in_tree(root, root / path))
        except SyntaxError:
            continue  # django keeps some broken files for its tests
        for line, module, level, name, file in wanted:
            imported = rows.get((line, module, level, name))
            places: list[Place] = resolver.places(path, imported) if imported else []
            count += 1
            if not places or places[0].path != file:
                missed.append(f"{path}:{line} {'.' * level}{module} {name} is {file}")
    for miss in missed:
        print(f"missed: {miss}", file=sys.stderr)
    say(
        Figure(
            "imports that lead into the tree, resolved to the right file",
            f"{DJANGO.name}: {count:,} imports of {len(memory.records):,} Python files",
            count - len(missed),
            f"of {count:,}",
            aim=count,
            at_least=True,
            note="all; the truth is Python's own module finder",
        )
    )


def reference_at(memory: Memory, row: dict[str, Any]) -> Reference | None:
    """The call whose name stands at a line and column (in bytes, from 1)."""
    data = memory.texts[row["path"]]
    lines = data.split(b"\n")
    offset = sum(len(line) + 1 for line in lines[: row["line"] - 1]) + row["column"] - 1
    name = row["name"].encode()
    for use in memory.records[row["path"]].references.named(row["name"]):
        skipped = 0 if use.receiver.startswith("()") else len(use.receiver.encode())
        if use.receiver and data.find(name, use.start + skipped) == offset:
            return use
    return None


def sample(resolver: Resolver, memory: Memory) -> None:
    """Precision over all sure answers; recall over the calls that lead into the repository."""
    rows = [json.loads(line) for line in SAMPLE.read_text("utf-8").splitlines()]
    sure = right = inside = found = listed = 0
    for row in rows:
        use = reference_at(memory, row)
        targets = resolver.definition(row["path"], use) if use else []
        answers = []
        for target in targets:
            symbols = memory.records[target.path].symbols
            line = symbols[target.symbol].name_line if target.symbol >= 0 else target.line
            answers.append((target.score >= SURE, f"{target.path}:{line}"))
        sure += sum(s for s, _ in answers)
        right += sum(s and place in row["true"] for s, place in answers)
        inside += bool(row["true"])
        found += any(s and place in row["true"] for s, place in answers)
        listed += any(place in row["true"] for _, place in answers)
    on = f"{DJANGO.name}: {len(rows)} attribute calls, labelled by hand"
    say(
        Figure(
            "calls: sure answers that are right",
            on,
            right / sure,
            at_least=True,
            note=f"{right} of {sure} answers of at least {SURE} certainty",
        )
    )
    say(
        Figure(
            "calls into the tree: found surely",
            on,
            found / inside,
            at_least=True,
            note=f"{found} of {inside}; with guesses {listed} of {inside}",
        )
    )


def rank() -> None:
    """Files import what came before them, the first ones most; one edge in fifty goes anywhere."""
    dice = random.Random(1)
    targets: list[list[int]] = [[] for _ in range(NODES)]
    for _ in range(EDGES):
        node = dice.randrange(NODES)
        below = NODES if dice.random() < 1 / 50 else node
        targets[node].append(int(below * dice.random() ** 2))
    ranks = Rank()
    start = time.process_time()
    for node in range(NODES):
        ranks.add(node)
    for node, row in enumerate(targets):
        ranks.point(node, row)
    ranks.shares()
    cold = time.process_time()
    ranks.personal({NODES // 2: 1.0})
    personal = time.process_time()
    ranks.point(7, targets[8])
    ranks.shares()
    edit = time.process_time()
    say(
        Figure(
            "ranks from nothing",
            f"{NODES:,} nodes, {EDGES:,} edges",
            cold - start,
            "s of processor",
            note=f"once; personal ones {personal - cold:.3f} s, "
            f"after an edit {edit - personal:.3f} s",
        )
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="how much of django is resolved")
    parser.add_argument("folder", type=Path, nargs="?", help="another unpacked django 5.2.8")
    parser.add_argument("--quick", action="store_true", help="without the ranks")
    given = parser.parse_args()
    try:
        root = (given.folder or DJANGO.sources()).resolve()
    except Unavailable as error:
        say(Figure("resolution", DJANGO.name, None, note=str(error)))
        return
    resolver, memory = build(root)
    imports(root, resolver, memory)
    sample(resolver, memory)
    if not given.quick:
        rank()


if __name__ == "__main__":
    main()
