# SPDX-License-Identifier: Apache-2.0
"""How much of what the next lines need is brought from other files, by us and by simpler ways.

    python -m tests.bench.context.bench_context --repos dev --languages python

Holes are cut out of real repositories before they are indexed. need-recall: the share of the names
in the answer that the cursor's file does not show, but another file defines, and that stand in the
pieces; mean over the cases that need any, with bounds from a bootstrap over files. Columns at the
middle budget: `definitions` asks for the very line of definition, `near` takes as shown only 2,000
tokens around the cursor. The second line, `any`, counts also names that other files only use (of
libraries). The run fails where the oracle is low, random is high, a budget is exceeded, or an
answer is found in the pieces, also with the hole in the unsaved buffer only; holes that are left in
on purpose show that it would be found.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import multiprocessing
import pickle
import shutil
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from indexer import holes
from indexer.index import Index
from tests.bench.context import canaries, counting, metrics, providers
from tests.bench.context import cases as cutting
from tests.bench.context.sources import REPOSITORIES, Repository
from tests.bench.data import Unavailable, bench_dir, unpacked

if TYPE_CHECKING:
    from collections.abc import Sequence

    from indexer.snapshot import Snapshot
    from tests.bench.context.cases import Case, Cut
    from tests.bench.context.counting import Counter
    from tests.bench.context.providers import Piece

BUDGETS = (512, 1024, 2048, 4096, 8192)
PROVIDERS = ("random", "same-directory", "jaccard", "bm25", "ours", "oracle")
PROCESSES = 2
AIMS = {("python", "heldout"): {512: 0.48, 1024: 0.64, 2048: 0.76, 4096: 0.87}}
SETTLE_S = 60.0


def cut_cached(repository: Repository, wanted: int, count: Counter) -> Cut:
    """The cases of a repository, kept below the bench cache until the builder changes."""
    sources = (cutting.__file__, holes.__file__)
    made_by = b"".join(Path(name).read_bytes() for name in sources)
    key = hashlib.sha256(made_by + repr((repository, wanted)).encode()).hexdigest()[:16]
    place = bench_dir() / "cases" / f"{key}.pickle"
    if place.exists():
        cut: Cut = pickle.loads(place.read_bytes())  # of our own making
        return cut
    cut = cutting.cut(
        repository, *cutting.read(unpacked(repository.archive), repository), wanted, count
    )
    place.parent.mkdir(exist_ok=True)
    part = place.with_suffix(".part")
    part.write_bytes(pickle.dumps(cut))
    part.replace(place)
    return cut


def run(
    repository: Repository, wanted: int, names: Sequence[str], budgets: Sequence[int]
) -> dict[str, Any]:
    """All providers on one repository, in a process of its own."""
    count = counting.load()
    cut = cut_cached(repository, wanted, count)
    folder = Path(tempfile.mkdtemp(prefix="ghostwright-bench-"))
    try:
        root = folder / "repository"
        write(cut, cut.sealed, root)
        started = time.perf_counter()
        with Index(root, folder / "cache", workers=1) as index:
            report = index.refresh()
            index.settle(SETTLE_S)
            seconds = time.perf_counter() - started
            bench = _Bench(index, cut, count, budgets)
            rows = [row for case in cut.cases for row in bench.case(case, names)]
            overlay = canaries.Overlay(index, cut, count).run(names)
        unsealed = canaries.unsealed(cut, count)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return {
        "repository": repository.name,
        "language": repository.language,
        "split": repository.split,
        "files": len(cut.original),
        "indexed_files": report.files,
        "index_s": round(seconds, 1),
        "cases": len(cut.cases),
        "with_need": sum(bool(case.needs) for case in cut.cases),
        "dropped": dict(cut.dropped),
        "unsealed_noticed": unsealed,
        "overlay": overlay,
        "rows": rows,
    }


def write(cut: Cut, texts: dict[str, str], root: Path) -> None:
    files = {**cut.others, **{path: text.encode() for path, text in texts.items()}}
    for path, data in files.items():
        place = root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)


class _Bench:
    """One repository: asks each provider about each case."""

    def __init__(self, index: Index, cut: Cut, count: Counter, budgets: Sequence[int]) -> None:
        self._index = index
        self._repo = providers.Repo(cut.sealed)
        self._count = count
        self._budgets = budgets

    def case(self, case: Case, names: Sequence[str]) -> list[dict[str, Any]]:
        before = self._index.snapshot()
        places = {
            name: spots
            for name in case.needs
            if (spots := [s for s in providers.definitions(before, name) if s[0] != case.path])
        }
        self._index.overlay(case.path, case.text)
        self._index.settle(SETTLE_S)
        snapshot = self._index.snapshot()
        rows = [
            {**self._row(case, pieces, places), "provider": name, "budget": budget, "ms": ms}
            for name in names
            for budget, pieces, ms in self._answers(name, case, snapshot)
        ]
        self._index.overlay(case.path, None)
        return rows

    def _answers(
        self, name: str, case: Case, snapshot: Snapshot
    ) -> list[tuple[int, list[Piece], float]]:
        """For each budget: the pieces, and the milliseconds that they took."""
        answers = []
        started = time.perf_counter()
        ranked = [] if name == "ours" else providers.ranked(name, case, self._repo, snapshot)
        ranking_ms = metrics.timed(time.perf_counter, started)
        for budget in self._budgets:
            started = time.perf_counter()
            if name == "ours":
                pieces = providers.ours(case, snapshot, budget, self._count)
            else:
                pieces = providers.pack(ranked, budget, self._count)
            answers.append((budget, pieces, ranking_ms + metrics.timed(time.perf_counter, started)))
        return answers

    def _row(
        self, case: Case, pieces: list[Piece], places: dict[str, list[tuple[str, int, int, int]]]
    ) -> dict[str, Any]:
        found = metrics.brought(case.needs, pieces)
        near = metrics.brought(case.needs_near, pieces)
        return {
            "case": case.id,
            "repository": case.repository,
            "language": case.language,
            "kind": case.kind,
            "cluster": f"{case.repository}/{case.path}",
            "needs": list(case.needs),
            "elsewhere": list(case.elsewhere),
            "needs_near": list(case.needs_near),
            "missed": [name for name in case.needs if name not in found],
            "recall": metrics.share(found, case.needs),
            "recall_any": metrics.share(metrics.brought(case.elsewhere, pieces), case.elsewhere),
            "recall_near": metrics.share(near, case.needs_near),
            "definitions": metrics.share(metrics.defined(places, pieces), case.needs),
            "tokens": sum(self._count.piece(piece.path, piece.text) for piece in pieces),
            "own_file": any(piece.path == case.path for piece in pieces),
            "leak": metrics.leaks(case, pieces),
        }


def show(results: Sequence[dict[str, Any]], names: Sequence[str], budgets: Sequence[int]) -> None:
    """Markdown: what was measured on, and a table for each language and split."""
    for group in dict.fromkeys((result["language"], result["split"]) for result in results):
        mine = [r for r in results if (r["language"], r["split"]) == group]
        print(f"\n## {group[0]}, {group[1]}\n")
        for result in mine:
            print(_measured_on(result))
        rows = [row for result in mine for row in result["rows"]]
        print("\n" + metrics.table(rows, names, budgets))
        if {"ours", "jaccard"} <= set(names):
            print("\n" + metrics.margins(rows, budgets, AIMS.get(group, {})), flush=True)


def _measured_on(result: dict[str, Any]) -> str:
    told, overlay = result["dropped"], result["overlay"]
    return (
        f"- {result['repository']}: {result['files']} files of it,"
        f" {result['indexed_files']} indexed in {result['index_s']} s,"
        f" {result['cases']} cases, {result['with_need']} with a need;"
        f" {told.get('with need', 0)} of {told.get('candidates', 0)} places have a need,"
        f" {told.get('stands elsewhere', 0)} of {told.get('looked for', 0)} dropped because"
        f" the answer stands elsewhere; left-in holes noticed: {result['unsealed_noticed']:.2f};"
        f" saved text behind an overlay: found {overlay['noticed']} of {overlay['cases']} times"
        f" before, leaked {len(overlay['leaks'])} times, pieces {overlay['same']:.2f} as without it"
    )


def keep(results: Sequence[dict[str, Any]]) -> Path:
    """Every row as a line of JSON below the bench cache."""
    folder = bench_dir() / "context"
    folder.mkdir(exist_ok=True)
    place = folder / time.strftime("%Y%m%d-%H%M%S.jsonl")
    with place.open("w", encoding="utf-8") as file:
        for result in results:
            file.writelines(json.dumps(row) + "\n" for row in result["rows"])
    return place


def main() -> int:
    options = _options()
    chosen = [
        r
        for r in REPOSITORIES
        if options.repos in {"all", r.split} and r.language in options.languages.split(",")
    ]
    names, budgets = options.providers.split(","), [int(b) for b in options.budgets.split(",")]
    started = time.perf_counter()
    results = []
    with ProcessPoolExecutor(PROCESSES, multiprocessing.get_context("spawn")) as pool:
        shares = [
            -(-options.cases // sum(other.language == r.language for other in chosen))
            for r in chosen
        ]
        jobs = [
            pool.submit(run, r, share, names, budgets)
            for r, share in zip(chosen, shares, strict=True)
        ]
        for repository, job in zip(chosen, jobs, strict=True):
            try:
                results.append(job.result())
            except Unavailable as reason:  # noqa: PERF203  a dozen of them
                print(f"left out: {repository.name}: {reason}", file=sys.stderr)
    show(results, names, budgets)
    print(f"\n{time.perf_counter() - started:.0f} s; every case: {keep(results)}")
    found = canaries.problems(results)
    for line in found:
        print(f"FAILED: {line}")
    return 1 if found else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench_context", description=__doc__.split("\n")[0])
    parser.add_argument("--repos", choices=("dev", "heldout", "all"), default="dev")
    parser.add_argument("--languages", default="python")
    parser.add_argument("--cases", type=int, default=150, help="with a need, for each language")
    parser.add_argument("--providers", default=",".join(PROVIDERS))
    parser.add_argument("--budgets", default=",".join(map(str, BUDGETS)))
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
