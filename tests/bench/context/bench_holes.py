# SPDX-License-Identifier: Apache-2.0
"""What the rules and the syntax gate do to the text of a real model, in real holes.

    python -m tests.bench.context.bench_holes --model qwen2.5-coder-1.5b --cases 300 --minutes 60

Holes of five languages in turn, by hash; the model sees the file at the cursor and writes on, with
nothing to stop it but its own end. What is shown of that is counted as it is, without each group of
rules, and without all: special tokens and fences leaked, lines of the suffix repeated, syntax
errors added to a file that had none, and how near it is to what stood there. Every answer is kept
under its prompt and its model: a stopped run goes on, and other rules are tried in seconds.
"""

from __future__ import annotations

import argparse
import difflib
import itertools
import re
import sys
import threading
import time
from collections import defaultdict
from typing import TYPE_CHECKING, Any, NamedTuple

from engine import load, prompt
from engine.layout import layouts
from engine.tokens import Tokens
from engine.trim import GROUPS, trim
from engine.types import Sampling
from indexer.gate import gate
from indexer.languages import detect
from indexer.window import parse
from lsp_server.documents import Place, from_text
from lsp_server.prompting import SUFFIX_CHARS, SUFFIX_LINES
from lsp_server.suggest import Ask
from lsp_server.suggestions.shaping import gap_of
from tests.bench.context import counting
from tests.bench.context.bench_ab import Answers, cuts
from tests.bench.context.cases import hashed, squeezed
from tests.bench.context.sources import REPOSITORIES
from tests.bench.data import bench_dir

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from engine.llama import LlamaEngine
    from engine.types import Prompt
    from tests.bench.context.cases import Case

LANGUAGES = ("python", "typescript", "go", "java", "rust")
WRITTEN_TOKENS = 48
PREFIX_LINES = 24  # enough to go on from, and read in some seconds
CONTEXT_TOKENS = 1536
LEAKS = re.compile(r"<\|\w+\|>|<fim_\w+>|<(?:PRE|SUF|MID|EOT)>|```")
EVERYTHING = (*GROUPS, "syntax")


class Verdict(NamedTuple):
    """One text that would be shown; nothing shown is neither right nor wrong in form."""

    shown: bool
    leaked: bool
    repeats: bool
    adds_error: bool | None  # None: the file had errors without it
    exact: bool
    similarity: float


def asks(case: Case) -> Ask:
    document = from_text(f"file:///{case.path}", case.text)
    return Ask(document, Place(case.line - 1, case.col - 1))


def in_turn(cases: Sequence[Case]) -> Iterator[Case]:
    """By hash, the languages one after the other."""
    by_language: dict[str, list[Case]] = defaultdict(list)
    for case in sorted(cases, key=lambda each: hashed(each.id)):
        by_language[case.language].append(case)
    for row in itertools.zip_longest(*by_language.values()):
        yield from (case for case in row if case is not None)


class Writer:
    """A model that writes into holes, or remembers to have."""

    def __init__(self, engine: LlamaEngine, answers: Answers) -> None:
        self._engine, self._answers = engine, answers
        self._tokens, self._layout = Tokens(engine), layouts()[engine.info.layout]

    def answer(self, case: Case) -> str:
        asked = self._prompt(case)
        known = self._answers.get(asked)
        if known is None:
            never = threading.Event()
            started = time.perf_counter()
            done = self._engine.complete(asked, Sampling(WRITTEN_TOKENS), never, lambda _: True)
            row = {"text": done.text, "seconds": round(time.perf_counter() - started, 2)}
            known = self._answers.put(asked, row)
        return str(known["text"])

    def _prompt(self, case: Case) -> Prompt:
        ask = asks(case)
        before = ask.document.prefix(ask.place, max_lines=PREFIX_LINES)
        after = ask.document.suffix(ask.place, max_lines=SUFFIX_LINES, max_chars=SUFFIX_CHARS)
        return prompt.build(
            case.repository,
            [],
            prompt.Hole(case.path, before, after, case.line),
            layout=self._layout,
            tokens=self._tokens,
            budget=CONTEXT_TOKENS - WRITTEN_TOKENS,
        )


def shown(case: Case, raw: str, without: frozenset[str]) -> str:
    """What the product would show, with some of it switched off."""
    ask = asks(case)
    text = trim(raw, gap_of(ask, multiline=True), without - {"syntax"})[0]
    if not text or "syntax" in without:
        return text
    return gate(case.path, case.text[: case.offset], case.text[case.offset :], text).text


def judge(case: Case, text: str) -> Verdict:
    before, after = case.text[: case.offset], case.text[case.offset :]
    found, truth = squeezed(text), squeezed(_as_long(case.truth, text))
    return Verdict(
        shown=bool(text),
        leaked=bool(LEAKS.search(text)) and not LEAKS.search(case.text),
        repeats=_repeats(text, after),
        adds_error=_adds_error(case.path, before, text, after) if text else None,
        exact=found == truth,
        similarity=difflib.SequenceMatcher(None, truth, found, autojunk=False).ratio(),
    )


def _as_long(truth: str, text: str) -> str:
    """As many lines of the truth as are shown: a first line may be right without the others."""
    return "\n".join(truth.split("\n")[: max(1, text.count("\n") + 1)])


def _repeats(text: str, after: str) -> bool:
    """Whether a line of it is the next one below, brackets alone aside."""
    below = next((line.strip() for line in after.split("\n")[1:] if line.strip()), "")
    return any(char.isalnum() for char in below) and below in map(str.strip, text.split("\n"))


def _adds_error(path: str, before: str, text: str, after: str) -> bool | None:
    """Of the whole file, not of a window as the gate sees it."""
    if _errors(path, before + after):
        return None
    return bool(_errors(path, before + text + after))


def _errors(path: str, text: str) -> int:
    parsed = parse(detect(path), text.encode(), float("inf"))
    return parsed[1] if parsed else 0


def table(verdicts: dict[str, list[Verdict]]) -> str:
    head = "| | shown | leaked | repeats the next line | adds an error (of files with none) "
    lines = [head + "| exact | similarity |", "|---" * 7 + "|"]
    for name, rows in verdicts.items():
        given = [row for row in rows if row.shown]
        clean = [row for row in given if row.adds_error is not None]
        share = sum(bool(row.adds_error) for row in clean) / max(1, len(clean))
        cells = (
            f"{len(given)} of {len(rows)}",
            sum(row.leaked for row in given),
            sum(row.repeats for row in given),
            f"{share:.1%} of {len(clean)}",
            f"{sum(row.exact for row in rows) / len(rows):.1%}",
            f"{sum(row.similarity for row in rows) / len(rows):.3f}",
        )
        lines.append(f"| {name} | {' | '.join(map(str, cells))} |")
    return "\n".join(lines)


def variants() -> dict[str, frozenset[str]]:
    """Names of what is switched off."""
    one = {f"without {name}": frozenset((name,)) for name in EVERYTHING}
    return {"all rules": frozenset(), **one, "no rule": frozenset(EVERYTHING)}


def answers_of(cases: Sequence[Case], options: argparse.Namespace) -> list[tuple[Case, str]]:
    """As many as there is time for."""
    is_file = options.model.endswith(".gguf")
    choice = load.choose("" if is_file else options.model, options.model if is_file else "")
    place = bench_dir() / "context" / f"holes-{choice.path.stem}.jsonl"
    engine = load.load(choice, most_tokens=CONTEXT_TOKENS, gpu_layers=0, kv_type="f16")
    try:
        writer = Writer(engine, Answers(place))
        ends = time.monotonic() + options.minutes * 60
        found: list[tuple[Case, str]] = []
        for case in cases:
            if time.monotonic() > ends:
                print(f"stopped after {len(found)} of {len(cases)}; the same command goes on")
                break
            found.append((case, writer.answer(case)))
        return found
    finally:
        engine.close()


def main() -> int:
    options = _options()
    count = counting.load()
    chosen = [
        each
        for each in REPOSITORIES
        if options.repos in {"all", each.split} and each.language in LANGUAGES
    ]
    every = in_turn([case for cut in cuts(chosen, count).values() for case in cut.cases])
    found = answers_of(list(itertools.islice(every, options.cases)), options)
    verdicts: dict[str, list[Any]] = {}
    for name, without in variants().items():
        verdicts[name] = [judge(case, shown(case, raw, without)) for case, raw in found]
    print(table(verdicts))
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench_holes", description=__doc__.split("\n")[0])
    parser.add_argument("--model", default="qwen2.5-coder-1.5b", help="of the catalogue, or a file")
    parser.add_argument("--repos", choices=("dev", "heldout", "all"), default="heldout")
    parser.add_argument("--cases", type=int, default=300)
    parser.add_argument("--minutes", type=float, default=1e6, help="ask no more after so long")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
