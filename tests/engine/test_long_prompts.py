# SPDX-License-Identifier: Apache-2.0
"""Long prompts of real code with the real tokeniser: within the limit, and quick to lay out again.

The code is Python's own standard library: it is there wherever these tests run.
"""

from __future__ import annotations

import sysconfig
import time
from itertools import accumulate, takewhile
from pathlib import Path

import pytest

from engine.estimate import estimate_tokens
from engine.prompt import Hole, build, layouts
from engine.tokens import Tokens
from engine.types import Part

pytestmark = pytest.mark.model

LIBRARY = Path(sysconfig.get_paths()["stdlib"])
WINDOW_LINES = 7  # so that 262,144 tokens are some 4,000 pieces
SPARE = 1.15  # more pieces than can fit, so that some have to stay out
QWEN = layouts()["qwen"]
RELAID_S = 1.0  # a whole long prompt whose pieces are known
KEY_MS = 20.0  # a prompt of 8,192 tokens after one more character


def pieces(tokens):
    """Windows of the standard library worth so many tokens, as parts with scores of all sizes."""
    found = []
    for path in sorted(LIBRARY.glob("*.py")):
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)
        for start in range(0, len(lines), WINDOW_LINES):
            text = "".join(lines[start : start + WINDOW_LINES])
            role = ("definition", "journal", "analogy")[len(found) % 3]
            score = (len(found) * 7919 % 1000) / 1000
            found.append(Part(role, path.name, text, start + 1, start + text.count("\n"), score))
    costs = accumulate(estimate_tokens(part.text) + 6 for part in found)
    return [part for part, _ in takewhile(lambda row: row[1] < tokens * SPARE, zip(found, costs))]  # noqa: B905  the shorter ends it


def lay_out(parts, tokens, budget, prefix="def main():\n    run("):
    hole = Hole("src/main.py", prefix, ")\n", prefix.count("\n") + 1)
    started = time.process_time()
    prompt = build("library", parts, hole, layout=QWEN, tokens=tokens, budget=budget)
    return prompt, time.process_time() - started


@pytest.mark.parametrize(
    "budget",
    [
        32_768,
        pytest.param(131_072, marks=pytest.mark.slow),
        pytest.param(262_144, marks=pytest.mark.slow),
    ],
)
def test_E4_a_long_prompt_fits_and_is_laid_out_again_in_no_time(llama, budget):
    parts, tokens = pieces(budget), Tokens(llama)
    prompt, first_s = lay_out(parts, tokens, budget)
    assert 0.99 * budget < len(prompt.token_ids) <= budget
    assert sum(s.tokens for s in prompt.segments) == len(prompt.token_ids)
    shown = [s for s in prompt.segments if s.role in {"definition", "journal", "analogy"}]
    assert len(shown) < len(parts)
    order = ("definition", "journal", "analogy")
    ranks = [order.index(segment.role) for segment in shown]
    assert ranks == sorted(ranks)
    again, relaid_s = lay_out(parts, tokens, budget, "def main():\n    run(x")
    assert again.segments[1:-2] == prompt.segments[1:-2]
    assert relaid_s < RELAID_S
    print(f"{budget}: {len(shown)} pieces, first {first_s:.2f} s, again {relaid_s:.3f} s")


def test_a_key_in_a_prompt_of_8192_tokens_costs_milliseconds(llama):
    parts, tokens = pieces(8192), Tokens(llama)
    prefix = "".join(f"value_{n} = compute({n})\n" for n in range(250))
    lay_out(parts, tokens, 8192, prefix)
    took = sorted(lay_out(parts, tokens, 8192, prefix + "name"[:n])[1] for n in range(1, 5))
    assert took[1] * 1000 < KEY_MS
    print(f"a key: {took[1] * 1000:.1f} ms")


@pytest.mark.parametrize("name", ["argparse.py", "ast.py", "json/decoder.py", "pathlib.py"])
def test_the_estimate_is_near_the_truth_and_rather_above(llama, name):
    text = (LIBRARY / name).read_text(encoding="utf-8")
    ratio = estimate_tokens(text) / len(llama.tokenize(text))
    assert 0.96 < ratio < 1.12
