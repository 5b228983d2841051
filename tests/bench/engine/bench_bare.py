# SPDX-License-Identifier: Apache-2.0
"""What our engine adds to llama.cpp: reading and writing, beside xllamacpp called bare.

    python -m tests.bench.engine.bench_bare [--model FILE] [--rounds N]

Both in one process with the same file and threads; the bare server has its own defaults otherwise.
In each round both read the same new prompt and write after it, in turn; ratios are of medians.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import threading
from typing import TYPE_CHECKING, Any, NamedTuple

import xllamacpp

from engine import load
from engine.llama import default_threads
from engine.types import Prompt, Sampling
from tests.bench.report import Figure, number, say

if TYPE_CHECKING:
    from engine.llama import LlamaEngine

READ_TOKENS, WRITTEN_TOKENS = 400, 48
CONTEXT_TOKENS = 2048
LEAST_RATIO = 0.97
MOSTLY = 0.9  # of a prompt is new to both; they begin alike


class Pace(NamedTuple):
    """Tokens a second."""

    read: float
    written: float


def ask_bare(server: Any, token_ids: tuple[int, ...]) -> Pace:
    events: list[dict[str, Any]] = []
    request = {"prompt": list(token_ids), "n_predict": WRITTEN_TOKENS, "temperature": 0}
    server.handle_completions({**request, "stream": True, "ignore_eos": True}, events.append)
    timings = next(event["timings"] for event in reversed(events) if event.get("timings"))
    return Pace(timings["prompt_per_second"], timings["predicted_per_second"])


def ask_ours(engine: LlamaEngine, token_ids: tuple[int, ...]) -> Pace:
    """By the clock of our own engine, as a key sees it. No answer may end before its length."""
    done = engine.complete(
        Prompt(token_ids, ()), Sampling(WRITTEN_TOKENS), threading.Event(), lambda _: True
    )
    spent = done.usage
    assert spent.evaluated_tokens > READ_TOKENS * MOSTLY
    write_s = (spent.total_ms - spent.ttft_ms) / 1000
    return Pace(
        spent.evaluated_tokens / (spent.ttft_ms / 1000), (spent.decoded_tokens - 1) / write_s
    )


def bare_server(path: str) -> Any:
    params = xllamacpp.CommonParams()
    params.model.path, params.n_ctx, params.n_parallel = path, CONTEXT_TOKENS, 1
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = default_threads()
    params.verbosity = -1
    return xllamacpp.Server(params)


def measure(choice: load.Choice, rounds: int) -> None:
    engine = load.load(choice, most_tokens=CONTEXT_TOKENS, gpu_layers=0, kv_type="f16")
    bare = bare_server(str(choice.path))
    ours, theirs = [], []
    for at in range(rounds):
        text = "".join(f"value_{at}_{n} = {n * n + at}\n" for n in range(READ_TOKENS // 4))
        token_ids = tuple(engine.tokenize(text)[:READ_TOKENS])
        if at % 2:
            theirs.append(ask_bare(bare, token_ids))
            ours.append(ask_ours(engine, token_ids))
        else:
            ours.append(ask_ours(engine, token_ids))
            theirs.append(ask_bare(bare, token_ids))
    engine.close()
    for name, field in (("prefill", "read"), ("decode", "written")):
        mine = statistics.median(getattr(pace, field) for pace in ours)
        other = statistics.median(getattr(pace, field) for pace in theirs)
        note = f"{number(mine)} against {number(other)} tokens/s, medians of {rounds} in turn"
        what = f"{name}, ours / xllamacpp bare"
        ratio = round(mine / other, 3)
        say(Figure(what, choice.path.name, ratio, "", LEAST_RATIO, at_least=True, note=note))


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench_bare", description=__doc__.split("\n")[0])
    parser.add_argument("--model", default="", help="a GGUF file; the starter without it")
    parser.add_argument("--rounds", type=int, default=6)
    options = parser.parse_args()
    measure(load.choose("auto", options.model), options.rounds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
