# SPDX-License-Identifier: Apache-2.0
"""How often a small model's answers pass the ladder, in which round, and what they fail by.

    python -m tests.bench.actions.bench_rewrites --model qwen2.5-coder-1.5b --cases 30

Real functions of 20 to 60 lines of real repositories, by hash and never by hand; each goes through
`perform` with the session, the index and every check as they are. For `quickfix` a name is
misspelt or an import taken away, and ruff says what is wrong; of what was accepted it says
afterwards whether it is right. Every answer is kept under its prompt: a stopped run goes on, and
other checks are tried in seconds.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import time
from collections import Counter, defaultdict
from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple

from engine import load
from engine.types import Completion, Usage
from indexer.index import Index
from lsp_server.actions import registry
from lsp_server.actions.perform import ROUNDS, perform
from lsp_server.actions.types import Request
from lsp_server.documents import Place
from lsp_server.session import Session
from lsp_server.settings import Settings
from tests.bench.actions import broken, functions
from tests.bench.context import cases as cutting
from tests.bench.context.bench_ab import Answers
from tests.bench.context.sources import REPOSITORIES
from tests.bench.data import Unavailable, bench_dir, unpacked

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from lsp_server.actions.types import Outcome
    from tests.bench.actions.functions import Case
    from tests.bench.context.sources import Repository

KINDS = {
    "docstring": "refactor.rewrite.docstring",
    "types": "refactor.rewrite.types",
    "simplify": "refactor.rewrite.simplify",
    "errors": "refactor.rewrite.errors",
    "modernise": "refactor.rewrite.modernise",
    "quickfix": "quickfix.ai",
}
CONTEXT_TOKENS = 8192
DETAIL_CHARS = 60  # of a reason, in the list of reasons
SETTLE_S = 120.0


class Result(NamedTuple):
    """What became of a case. `right`: what the linter says of an accepted fix."""

    action: str
    outcome: Outcome
    right: bool | None


class Remembering:
    """An engine that has kept every answer it gave, by what it was asked and with which seed."""

    def __init__(self, engine: Any, answers: Answers) -> None:
        self._engine, self._answers = engine, answers

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def complete(
        self, prompt: Any, sampling: Any, cancel: Any, hear: Any, *slot: Any
    ) -> Completion:
        asked = replace(prompt, token_ids=(*prompt.token_ids, -sampling.seed))
        asked = asked if sampling.seed else prompt
        known = self._answers.get(asked)
        if known is not None:
            hear(known["text"])
            return Completion(known["text"], known["stopped_by"], Usage(**known["usage"]))
        started = time.perf_counter()
        done = self._engine.complete(prompt, sampling, cancel, hear, *slot)
        if done.stopped_by != "cancelled":
            usage = {name: getattr(done.usage, name) for name in Usage.__dataclass_fields__}
            seconds = round(time.perf_counter() - started, 2)
            row = {"text": done.text, "stopped_by": done.stopped_by}
            self._answers.put(asked, {**row, "usage": usage, "seconds": seconds})
        return done

    def close(self) -> None:
        """The engine is shared by all repositories: it is closed at the end."""


def cases_of(chosen: Sequence[Repository], actions: Sequence[str], count: int) -> list[Case]:
    """So many cases of each action, the repositories one after the other."""
    found: dict[str, list[Case]] = defaultdict(list)
    for repository in chosen:
        try:
            root = cutting._repository(unpacked(repository.archive))
        except Unavailable as error:
            print(error, file=sys.stderr)
            continue
        for action in actions:
            finder = broken.cases if action == "quickfix" else functions.cases
            share = -(-count // len(chosen)) * 2  # some repositories have none
            found[action] += finder(repository, root, action, KINDS[action], share)
    return [
        case
        for action in actions
        for case in sorted(found[action], key=lambda each: each.order)[:count]
    ]


@contextmanager
def session_on(root: Path, engine: Remembering) -> Iterator[Session]:
    """The product's session on a repository, with its index kept below the bench cache."""
    index = Index(root, bench_dir() / "actions" / "index", workers=1)
    session = Session(Settings(debounceMs=0, idleWarm=False), [root])
    try:
        index.refresh()
        index.settle(SETTLE_S)
        indexed = SimpleNamespace(snapshot=index.snapshot)
        session.indexing.close()
        session.indexing.of = lambda _path: indexed
        session.start(lambda: engine)
        session.worker.ready.result(60)
        session.loaded()
        yield session
    finally:
        session.close()
        index.close()


def act(case: Case, session: Session) -> Result:
    uri = (case.root / case.path).as_uri()
    document = session.documents.open(uri, "", 1, case.text)
    line = Place(case.line - 1, 0)
    at = Place(line.line, len(document.lines[line.line].rstrip("\r\n")))
    request = Request(KINDS[case.action], document, at, at, "", case.diagnostics)
    outcome = asyncio.run(perform(request, session))
    session.documents.close(uri)
    right = None
    if outcome.accepted and case.diagnostics:
        right = not broken.said(case.path, outcome.proposal.changes[0].after, case.diagnostics)
    return Result(case.action, outcome, right)


def table(results: Sequence[Result]) -> str:
    head = "| action | cases | round 1 | round 2 | round 3 | refused | seconds (p50) | right |"
    lines = [head, "|---" * 8 + "|"]
    for action in dict.fromkeys(each.action for each in results):
        rows = [each for each in results if each.action == action]
        by_round = Counter(each.outcome.rounds for each in rows if each.outcome.accepted)
        seconds = statistics.median(each.outcome.total_ms for each in rows) / 1000
        judged = [each.right for each in rows if each.right is not None]
        cells = (
            len(rows),
            *(by_round[number] for number in range(1, ROUNDS + 1)),
            sum(not each.outcome.accepted for each in rows),
            f"{seconds:.1f}",
            f"{sum(judged)} of {len(judged)}" if judged else "",
        )
        lines.append(f"| {action} | {' | '.join(map(str, cells))} |")
    return "\n".join(lines)


def reasons(results: Sequence[Result]) -> str:
    """What refused ones were refused for, the most frequent first."""
    counts = Counter(
        (each.action, check.name, check.detail[:DETAIL_CHARS])
        for each in results
        if not each.outcome.accepted
        for check in each.outcome.checks
        if check.passed is False
    )
    return "\n".join(f"{n:4} {' | '.join(key)}" for key, n in counts.most_common())


def run(cases: Sequence[Case], engine: Remembering, options: argparse.Namespace) -> list[Result]:
    """As many as there is time for, repository by repository."""
    ends = time.monotonic() + options.minutes * 60
    found: list[Result] = []
    by_root: dict[Path, list[Case]] = defaultdict(list)
    for case in cases:
        by_root[case.root].append(case)
    for root, group in by_root.items():
        if time.monotonic() > ends:
            break
        with session_on(root, engine) as session:
            for case in group:
                if time.monotonic() > ends:
                    print(f"stopped after {len(found)} of {len(cases)}; the same command goes on")
                    break
                found.append(act(case, session))
                tell(case, found[-1], talk=options.talk)
    return found


def tell(case: Case, result: Result, *, talk: bool) -> None:
    outcome = result.outcome
    said = f"accepted in round {outcome.rounds}" if outcome.accepted else outcome.reason[:160]
    print(f"{case.action:9} {case.path}:{case.line} {case.name}: {said}", file=sys.stderr)
    if talk:
        for turn in outcome.transcript[1:]:
            print(f"--- {turn.role}\n{turn.text}", file=sys.stderr)


def main() -> int:
    options = _options()
    actions = options.actions.split(",")
    languages = options.languages.split(",")
    chosen = [
        each
        for each in REPOSITORIES
        if options.repos in {"all", each.split, each.name} and each.language in languages
    ]
    for action in actions:
        registry.find(KINDS[action])
    is_file = options.model.endswith(".gguf")
    choice = load.choose("" if is_file else options.model, options.model if is_file else "")
    cases = cases_of(chosen, actions, options.cases)
    answers = Answers(bench_dir() / "actions" / f"rewrites-{choice.path.stem}.jsonl")
    engine = load.load(choice, most_tokens=CONTEXT_TOKENS, gpu_layers=0, kv_type="f16")
    try:
        results = run(cases, Remembering(engine, answers), options)
    finally:
        engine.close()
    print(table(results))
    print(reasons(results))
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench_rewrites", description=__doc__.split("\n")[0])
    parser.add_argument("--model", default="qwen2.5-coder-1.5b", help="of the catalogue, or a file")
    parser.add_argument("--repos", default="heldout", help="dev, heldout, all or one by its name")
    parser.add_argument("--languages", default="python", help="comma-separated")
    parser.add_argument("--actions", default="docstring,types,simplify,quickfix")
    parser.add_argument("--cases", type=int, default=30, help="of each action")
    parser.add_argument("--minutes", type=float, default=1e6, help="begin no more after so long")
    parser.add_argument("--talk", action="store_true", help="print what was said")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
