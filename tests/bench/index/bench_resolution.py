# SPDX-License-Identifier: Apache-2.0
"""How much of django is resolved, how well, how fast. Usage: bench_resolution.py FOLDER

Out: JSON lines. `build`: seconds of one core to tell the resolver of all files and to work out
all edges; milliseconds of an edit and of a file that comes. `imports`: of all imports whose module
Python's own finder sees in the folder, how many mean the same file to us. `sample`: precision and
recall on 200 attribute calls of the package `django`, chosen by the hash of their place and looked
up by hand (tests/indexer/resolution_sample.jsonl). `rank`: seconds on 50,000 nodes, 500,000 edges.
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
    row = {
        "files": len(memory.records),
        "edges": sum(map(len, resolver.edges.values())),
        "update_s": round(told - start, 3),
        "edges_s": round(settled - told, 3),
        "rank_s": round(time.process_time() - settled, 3),
    }
    print(json.dumps({"build": row | changes(resolver, memory)}))
    return resolver, memory


def changes(resolver: Resolver, memory: Memory) -> dict[str, float]:
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
    return {
        "edit_ms_median": round(statistics.median(edits), 3),
        "edit_ms_max": round(max(edits), 3),
        "file_ms_median": round(statistics.median(files), 3),
        "file_ms_max": round(max(files), 3),
    }


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
    row = {"in_tree": count, "resolved": count - len(missed), "missed": missed}
    print(json.dumps({"imports": row}))


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
    result = {
        "calls": len(rows),
        "sure_answers": sure,
        "precision": round(right / sure, 3),
        "inside": inside,
        "recall": round(found / inside, 3),
        "listed": round(listed / inside, 3),
    }
    print(json.dumps({"sample": result}))


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
    row_out = {
        "cold_s": round(cold - start, 3),
        "personal_s": round(personal - cold, 4),
        "edit_s": round(edit - personal, 4),
    }
    print(json.dumps({"rank": {"nodes": NODES, "edges": EDGES} | row_out}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    root = parser.parse_args().folder.resolve()
    resolver, memory = build(root)
    imports(root, resolver, memory)
    sample(resolver, memory)
    rank()


if __name__ == "__main__":
    main()
