# SPDX-License-Identifier: Apache-2.0
"""One function typed at eight keys a second: Ghostwright and the protocol of llama.vim.

    python -m tests.bench.replay.bench_replay [--keys N] [--settle S] [--model FILE] [--only NAME]

The function is django's `Paginator.get_elided_page_range`, every one of its 1,161 characters a key,
in a copy of the repository without it. Both have the same engine and model, 8,192 tokens and the
same head start: the file is open, the index is built or the ring is being read, and `--settle`
seconds pass. Figures go to stdout as in every bench; the table of both goes to stderr at the end.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from engine.load import choose
from lsp_server.commands.trace import of_function
from lsp_server.replaying import scratch, screen, typing_in
from lsp_server.replaying.keystrokes import Pace, Typist
from lsp_server.replaying.report import percentile, report
from lsp_server.replaying.trace import Trace
from tests.bench.index.trees import DJANGO
from tests.bench.replay import peer
from tests.bench.report import Figure, number, say

if TYPE_CHECKING:
    from collections.abc import Mapping

FILE, FUNCTION = "django/core/paginator.py", "Paginator.get_elided_page_range"
CONTEXT_TOKENS = 8192
QUICK_KEYS = 100
SETTLE_S = 60.0  # a user reads before typing; the ring of the peer takes about as long to be read
ROWS = {
    "prompt_tokens_p50": "tokens of a prompt, median",
    "evaluated_per_decode_p50": "tokens evaluated a request, median",
    "evaluated_per_suggestion_p50": "tokens evaluated a suggestion, median",
    "answers": "answers with text",
    "answer_ms_p50": "request to answer, median, ms",
    "answer_ms_p95": "request to answer, p95, ms",
    "on_screen_share": "share of keys with a fitting suggestion on the screen",
    "on_screen_100ms_share": "the same within 100 ms of the key",
    "shown": "different suggestions shown",
    "shown_right_share": "share of shown text that was typed afterwards",
    "foreseen_chars": "characters that had been on the screen before they were typed",
}


class Given(NamedTuple):
    """What both sides get."""

    model: Path
    context_tokens: int
    settle_s: float


def trace_of_django(keys: int) -> Trace:
    typist = Typist(Pace(indent="typed"))
    whole = of_function(DJANGO.sources(), FILE, FUNCTION, typist)
    return Trace(whole.root, "", "", whole.files, whole.keys[:keys])


def ours(trace: Trace, root: Path, given: Given) -> dict[str, Any]:
    options = {"modelPath": str(given.model), "contextTokens": given.context_tokens}
    manner = typing_in.Manner(options=options, settle_s=given.settle_s)
    found = report(trace, typing_in.play(trace, root, manner), speed=1.0)
    return {**found, "answers": found["suggestions"]}


def theirs(trace: Trace, root: Path, given: Given) -> dict[str, Any]:
    with peer.engine(given.model, given.context_tokens) as listener:
        seen = peer.play(trace, root, listener, given.settle_s)
    answered = [request for request in seen.requests if request.answered]
    suggested = [request for request in answered if request.content.strip()]
    times = [(request.answered - request.sent) * 1000 for request in suggested]
    evaluated = [request.evaluated_tokens for request in answered]
    return {
        "prompt_tokens_p50": percentile([r.prompt_tokens for r in answered], 0.5),
        "evaluated_per_decode_p50": percentile(evaluated, 0.5),
        "evaluated_per_suggestion_p50": percentile([r.evaluated_tokens for r in suggested], 0.5),
        "answers": len(suggested),
        "answer_ms_p50": percentile(times, 0.5),
        "answer_ms_p95": percentile(times, 0.95),
        **asdict(screen.figures(trace, screen.watch(trace, seen.shown))),
        "requests": len(seen.requests),
        "read_s": round(seen.read_s, 1),
    }


SIDES = {"ghostwright": ours, "llama.vim": theirs}


def table(found: Mapping[str, Mapping[str, Any]]) -> str:
    lines = [f"| | {' | '.join(found)} |", "|---" * (len(found) + 1) + "|"]
    for name, words in ROWS.items():
        cells = (_cell(figures.get(name)) for figures in found.values())
        lines.append(f"| {words} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(value: float | None) -> str:
    return "none" if value is None else number(value)


def main() -> None:
    parser = argparse.ArgumentParser(description="one function, typed: ours and llama.vim's")
    parser.add_argument("--keys", type=int, default=10**6)
    parser.add_argument("--quick", action="store_true", help=f"the first {QUICK_KEYS} keys")
    parser.add_argument("--settle", type=float, default=SETTLE_S, metavar="SECONDS")
    parser.add_argument("--context", type=int, default=CONTEXT_TOKENS, metavar="TOKENS")
    parser.add_argument("--model", default="", metavar="FILE", help="else the starter model")
    parser.add_argument("--only", choices=sorted(SIDES))
    parser.add_argument("--details", type=Path, metavar="FILE", help="everything known, as JSON")
    words = parser.parse_args()
    given = Given(choose("auto", words.model).path, words.context, words.settle)
    trace = trace_of_django(min(words.keys, QUICK_KEYS) if words.quick else words.keys)
    found = {}
    with scratch.before(trace) as root:
        for name, side in SIDES.items():
            if words.only in {None, name}:
                found[name] = side(trace, root, given)
    for name, figures in found.items():
        data = f"{name}, {given.model.name}, {len(trace.keys):,} keys, {words.context:,} tokens"
        for row, what in ROWS.items():
            say(Figure(what, data, figures.get(row), note=f"8 keys a second, {row}"))
    print(table(found), file=sys.stderr)
    if words.details:
        words.details.write_text(json.dumps(found, indent=1), "utf-8")


if __name__ == "__main__":
    main()
