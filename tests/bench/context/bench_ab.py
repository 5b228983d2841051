# SPDX-License-Identifier: Apache-2.0
"""Whether what is brought from other files makes the model write the right line.

    python -m tests.bench.context.bench_ab --model qwen2.5-coder-1.5b --cases 120 --minutes 60

The same cursor with nothing of other files, with Jaccard windows, with ours, with the oracle, at
one budget; greedy, first line. Every answer is kept under its prompt and its model: a stopped run
goes on, and conditions with the same prompt are asked once. Cases come in the order of hashes,
one without a need for each one with: any beginning of a run is a fair sample of both.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
import shutil
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine import load, prompt
from engine.layout import layouts
from engine.tokens import Tokens
from engine.types import Part, Sampling
from indexer.index import Index
from tests.bench.context import counting, providers, scoring
from tests.bench.context.bench_context import cut_cached, write
from tests.bench.context.cases import hashed
from tests.bench.context.sources import REPOSITORIES
from tests.bench.data import Unavailable, bench_dir

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from engine.llama import LlamaEngine
    from engine.types import Prompt
    from indexer.snapshot import Snapshot
    from tests.bench.context.cases import Case, Cut
    from tests.bench.context.providers import Piece, Repo
    from tests.bench.context.sources import Repository

CONDITIONS = ("in-file", "jaccard", "ours", "oracle")
KINDS = ("line", "call")
ANSWER_TOKENS = 48  # a line of 160 characters
PREFIX_TOKENS, SUFFIX_LINES = 384, 3  # of the cursor's file
CROSS_FILE_TOKENS = 512
CONTEXT_TOKENS = 2048
CUT_CASES = 150  # of a language, as in bench_context: the same cuts are used
SETTLE_S = 60.0


@dataclass(frozen=True, slots=True)
class Question:
    """A case under one condition: the pieces of other files, in the order of the prompt."""

    case: Case
    condition: str
    pieces: tuple[Piece, ...]


class Answers:
    """What a model wrote, by prompt; a line of JSON each, appended as soon as it is known."""

    def __init__(self, place: Path) -> None:
        self._place = place
        place.parent.mkdir(parents=True, exist_ok=True)
        self._known: dict[str, dict[str, Any]] = {}
        for line in place.read_text("utf-8").splitlines() if place.exists() else ():
            try:
                row = json.loads(line)
            except ValueError:  # a run was killed while it wrote this
                continue
            self._known[row["prompt"]] = row

    def get(self, asked: Prompt) -> dict[str, Any] | None:
        return self._known.get(_digest(asked))

    def put(self, asked: Prompt, row: dict[str, Any]) -> dict[str, Any]:
        row = {"prompt": _digest(asked), **row}
        with self._place.open("a", encoding="utf-8") as file:
            file.write("\n" + json.dumps(row))  # a line that was cut short stays alone
        self._known[row["prompt"]] = row
        return row


def _digest(asked: Prompt) -> str:
    text = f"{ANSWER_TOKENS} {asked.token_ids}"
    return hashlib.sha256(text.encode()).hexdigest()[:24]


class Writer:
    """A loaded model that answers questions, or remembers to have."""

    def __init__(self, engine: LlamaEngine, answers: Answers) -> None:
        self._engine, self._answers = engine, answers
        self._tokens = Tokens(engine)
        self._layout = layouts()[engine.info.layout]
        self.spent_s = 0.0
        self.written = 0

    def answer(self, question: Question) -> dict[str, Any]:
        asked = self.prompt(question)
        known = self._answers.get(asked)
        if known is not None:
            return known
        raw: list[str] = []

        def hear(piece: str) -> bool:
            raw.append(piece)
            return "\n" not in "".join(raw).lstrip()

        started, cpu = time.perf_counter(), time.process_time()
        done = self._engine.complete(asked, Sampling(ANSWER_TOKENS), threading.Event(), hear)
        seconds = time.perf_counter() - started
        self.spent_s += seconds
        self.written += 1
        row = {
            "text": done.text,
            "tokens": done.usage.prompt_tokens,
            "evaluated": done.usage.evaluated_tokens,
            "seconds": round(seconds, 2),
            "cpu_s": round(time.process_time() - cpu, 2),
        }
        return self._answers.put(asked, row)

    def prompt(self, question: Question) -> Prompt:
        """The product's own layout. Everything was made to fit: nothing may be left out."""
        case = question.case
        before, after = case.text[: case.offset], case.text[case.offset :]
        suffix = "\n".join(after.split("\n")[: SUFFIX_LINES + 1])
        hole = prompt.Hole(case.path, self._last_lines(before), suffix, case.line)
        parts = [
            Part("definition", p.path, p.text, p.start_line, p.end_line) for p in question.pieces
        ]
        made = prompt.build(
            case.repository,
            parts,
            hole,
            layout=self._layout,
            tokens=self._tokens,
            budget=CONTEXT_TOKENS - ANSWER_TOKENS,
        )
        assert sum(segment.role == "definition" for segment in made.segments) == len(parts)
        return made

    def _last_lines(self, text: str) -> str:
        lines = text.split("\n")
        left, kept = PREFIX_TOKENS, lines[-1:]
        for line in reversed(lines[:-1]):
            left -= self._tokens.count(line + "\n")
            if left < 0:
                break
            kept.append(line)
        return "\n".join(reversed(kept))


def cuts(chosen: Sequence[Repository], count: counting.Counter) -> dict[str, Cut]:
    """Repositories with their holes, by name; one that cannot be had is told of and left out."""
    found = {}
    for repository in chosen:
        share = -(-CUT_CASES // sum(_alike(repository, other) for other in REPOSITORIES))
        try:
            found[repository.name] = cut_cached(repository, share, count)
        except Unavailable as reason:
            print(f"left out: {repository.name}: {reason}", file=sys.stderr)
    return found


def in_order(cases: Iterable[Case]) -> Iterator[Case]:
    """By hash over all repositories, a case with a need and one without in turn."""
    fit = [c for c in cases if c.kind in KINDS and "\n" not in c.truth.strip()]
    fit.sort(key=lambda case: hashed(case.id))
    with_need, without = [c for c in fit if c.needs], [c for c in fit if not c.needs]
    for pair in itertools.zip_longest(with_need, without):
        yield from (case for case in pair if case is not None)


def questions(
    cut: Cut, cases: Sequence[Case], names: Sequence[str], budget: int, count: counting.Counter
) -> dict[str, list[Question]]:
    """All conditions of cases of one repository, by the case's id."""
    repo = providers.Repo(cut.sealed)
    folder = Path(tempfile.mkdtemp(prefix="ghostwright-bench-"))
    try:
        root = folder / "repository"
        write(cut, cut.sealed, root)
        with Index(root, folder / "cache", workers=1) as index:
            index.refresh()
            index.settle(SETTLE_S)
            return {c.id: _conditions(c, names, budget, repo, index, count) for c in cases}
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _alike(one: Repository, other: Repository) -> bool:
    return one.language == other.language and one.split == other.split


def _conditions(
    case: Case, names: Sequence[str], budget: int, repo: Repo, index: Index, count: counting.Counter
) -> list[Question]:
    index.overlay(case.path, case.text)
    index.settle(SETTLE_S)
    snapshot = index.snapshot()
    made = [
        Question(case, name, tuple(_pieces(name, case, repo, snapshot, budget, count)))
        for name in names
    ]
    index.overlay(case.path, None)
    return made


def _pieces(
    name: str, case: Case, repo: Repo, snapshot: Snapshot, budget: int, count: counting.Counter
) -> list[Piece]:
    if name == "in-file":
        return []
    if name == "ours":
        return providers.ours(case, snapshot, budget, count)
    ranked = providers.ranked(name, case, repo, snapshot)
    return providers.pack(ranked, budget, count)[::-1]  # the best nearest to the cursor


def main() -> int:
    options = _options()
    names = options.conditions.split(",")
    count = counting.load()
    chosen = [
        r
        for r in REPOSITORIES
        if options.repos in {"all", r.split} and r.language in options.languages.split(",")
    ]
    found = cuts(chosen, count)
    every = in_order(case for cut in found.values() for case in cut.cases)
    cases = list(itertools.islice(every, options.cases))
    asked: dict[str, list[Question]] = {}
    for name, cut in found.items():
        mine = [case for case in cases if case.repository == name]
        if mine:
            asked |= questions(cut, mine, names, options.budget, count)
    rows = _ask([asked[case.id] for case in cases], options)
    told: Counter[str] = sum((cut.dropped for cut in found.values()), Counter())
    share = told["with need"] / max(1, told["candidates"])
    print(f"{share:.0%} of all places have a need; here it is every other one")
    print(scoring.table(rows, names))
    return 0


def _ask(groups: Sequence[list[Question]], options: argparse.Namespace) -> list[dict[str, Any]]:
    """Rows for all conditions of as many cases as there is time for."""
    choice = _choice(options.model)
    place = bench_dir() / "context" / f"answers-{choice.path.stem}.jsonl"
    engine = load.load(choice, most_tokens=CONTEXT_TOKENS, gpu_layers=0, kv_type="f16")
    rows = []
    try:
        writer = Writer(engine, Answers(place))
        ends = time.monotonic() + options.minutes * 60
        for done, group in enumerate(groups):
            if time.monotonic() > ends:
                print(f"stopped after {done} of {len(groups)} cases; the same command goes on")
                break
            rows += [scoring.row(q.case, q.condition, writer.answer(q)) for q in group]
    finally:
        engine.close()
    print(
        f"{engine.info.model}: {writer.written} answers written in {writer.spent_s:.0f} s: {place}"
    )
    return rows


def _choice(model: str) -> load.Choice:
    is_file = model.endswith(".gguf")
    return load.choose("" if is_file else model, model if is_file else "")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench_ab", description=__doc__.split("\n")[0])
    parser.add_argument("--model", default="qwen2.5-coder-1.5b", help="of the catalogue, or a file")
    parser.add_argument("--repos", choices=("dev", "heldout", "all"), default="heldout")
    parser.add_argument("--languages", default="python")
    parser.add_argument("--conditions", default=",".join(CONDITIONS))
    parser.add_argument("--cases", type=int, default=120)
    parser.add_argument("--minutes", type=float, default=1e6, help="ask no more after so long")
    parser.add_argument("--budget", type=int, default=CROSS_FILE_TOKENS, help="of other files")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
