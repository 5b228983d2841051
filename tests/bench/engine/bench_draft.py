# SPDX-License-Identifier: Apache-2.0
"""What drafts from earlier text (prompt lookup) gain, for each kind that llama.cpp has.

    python -m tests.bench.engine.bench_draft [--model FILE] [--tokens N] [--kinds NAME ...]

Holes: among methods that repeat each other, in ordinary code, and there again some keys later.
Each kind of draft writes into each hole once in a new process (some learn from answers, and would
know the same one the next time), greedily; what it writes is compared with what is written without
drafts. CPU time decides: the machine is shared. The figures go to stderr as a table too.
"""

from __future__ import annotations

import argparse
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import xllamacpp

from engine import load
from engine.types import Prompt, Sampling
from tests.bench.isolated import isolated
from tests.bench.report import HEAD, Figure, row, say

if TYPE_CHECKING:
    from engine.llama import LlamaEngine

PLAIN = "NONE"
# Those that need no second model.
KINDS = (PLAIN, "NGRAM_SIMPLE", "NGRAM_MAP_K", "NGRAM_MAP_K4V", "NGRAM_MOD", "NGRAM_CACHE")
# With the token before it a draft must fit into a batch, of 16 tokens: a longer one, as llama.cpp
# has it by default, ends the process.
DRAFT_TOKENS = 12
MATCHED_TOKENS = 8  # that must have been before, for what followed them to be the draft
ANSWER_TOKENS = 48
ROUNDS = 3  # processes; the cheapest counts: a busy machine only ever adds

FIELDS = ("name", "owner", "amount", "currency", "due_date")
METHOD = '''
    def set_{0}(self, value):
        """Set the {0} of the invoice and note the change."""
        if value is None:
            raise ValueError("{0} is missing")
        self._{0} = value
        self._changed.add("{0}")
        self._notify("{0}", value)
'''
ORDINARY = '''import json
from pathlib import Path


def load(path: Path) -> dict:
    """Settings of a file; defaults where there is none."""
'''
BELOW = "\n\nif __name__ == '__main__':\n    print(load(Path('a.json')))\n"
HOLES = {
    "repetitive": (
        "class Invoice:" + "".join(METHOD.format(name) for name in FIELDS) + "\n    def set_total(",
        "\n",
    ),
    "ordinary": (ORDINARY, BELOW),
    "ordinary, keys later": (f"{ORDINARY}    with", BELOW),
}


class Cost(NamedTuple):
    """Milliseconds a token written, and the text."""

    cpu_ms: float
    wall_ms: float
    text: str


def measure(path: Path, kind: str, tokens: int) -> dict[str, Cost]:
    """Write into each hole, in this process."""
    engine = _open(path, kind)
    found = {
        name: _write(engine, _prompt(engine, prefix, suffix), tokens)
        for name, (prefix, suffix) in HOLES.items()
    }
    engine.close()
    return found


def best_of(path: Path, kind: str, tokens: int, rounds: int) -> dict[str, Cost]:
    """The cheapest of several processes, for each hole."""
    found = [isolated(measure, path, kind, tokens) for _ in range(rounds)]
    return {name: min((one[name] for one in found), key=lambda it: it.cpu_ms) for name in HOLES}


def _open(path: Path, kind: str) -> LlamaEngine:
    """The product's engine, but for the drafts."""
    server = xllamacpp.Server
    types = xllamacpp.common_speculative_type

    def drafting(params: Any) -> Any:
        drafts = params.speculative
        drafts.types = [getattr(types, f"COMMON_SPECULATIVE_TYPE_{kind}")]
        drafts.draft.n_max = drafts.ngram_mod.n_max = DRAFT_TOKENS
        drafts.ngram_mod.n_min = 1
        for lookup in (drafts.ngram_simple, drafts.ngram_map_k, drafts.ngram_map_k4v):
            lookup.size_n, lookup.size_m, lookup.min_hits = MATCHED_TOKENS, DRAFT_TOKENS, 1
        return server(params)

    xllamacpp.Server = drafting  # in this process only
    choice = load.Choice(path.stem, path, load.BY_VOCABULARY)
    return load.load(choice, gpu_layers=0, kv_type="f16")


def _prompt(engine: LlamaEngine, prefix: str, suffix: str) -> Prompt:
    before, behind, middle = (
        [engine.special(f"<|fim_{name}|>") or 0] for name in ("prefix", "suffix", "middle")
    )
    parts = (before, engine.tokenize(prefix), behind, engine.tokenize(suffix), middle)
    return Prompt(tuple(token for part in parts for token in part), ())


def _write(engine: LlamaEngine, prompt: Prompt, tokens: int) -> Cost:
    never = threading.Event()
    engine.warm(prompt, never)
    began, began_cpu = time.perf_counter(), time.process_time()
    done = engine.complete(prompt, Sampling(tokens), never, lambda _: True)
    written = max(1, done.usage.decoded_tokens)
    cpu_ms = (time.process_time() - began_cpu) * 1000 / written
    return Cost(cpu_ms, (time.perf_counter() - began) * 1000 / written, done.text)


def figures(kind: str, found: dict[str, Cost], plain: dict[str, Cost]) -> list[Figure]:
    made = []
    for name, cost in found.items():
        same = "the same text" if cost.text == plain[name].text else "ANOTHER TEXT"
        gain = plain[name].cpu_ms / cost.cpu_ms
        note = f"{cost.wall_ms:.0f} ms of wall, {gain:.2f} x as fast, {same}"
        made.append(Figure(f"draft: {kind.lower()}", name, cost.cpu_ms, "CPU-ms/token", note=note))
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description="what drafts from earlier text gain")
    parser.add_argument("--model", type=Path, help="a GGUF file; default: the starter model")
    parser.add_argument("--tokens", type=int, default=ANSWER_TOKENS, help="to write in each hole")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="processes for each kind")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS)
    given = parser.parse_args()
    path = given.model or load.choose("auto", "").path
    found = {kind: best_of(path, kind, given.tokens, given.rounds) for kind in given.kinds}
    plain = found.get(PLAIN) or best_of(path, PLAIN, given.tokens, given.rounds)
    made = [figure for kind in found for figure in figures(kind, found[kind], plain)]
    print("\n".join([HEAD, *map(row, made)]), file=sys.stderr, flush=True)
    for figure in made:
        say(figure)


if __name__ == "__main__":
    main()
