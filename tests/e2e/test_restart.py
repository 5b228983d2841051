# SPDX-License-Identifier: Apache-2.0
"""The real server on the real model, started again: what was read is not read twice."""

from __future__ import annotations

import asyncio
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from e2e.editor import Editor

pytestmark = [pytest.mark.model]
SAMPLE = Path(__file__).parents[1] / "sample"
REPORT = "ledger/report.py"
BEGUN = "\n\ndef richest(journal: Journal) -> str:\n    return max(journal.accounts(), key="
OPTIONS = {"contextTokens": 512, "maxSuggestionTokens": 8}
SAVED_S = 120.0  # a whole prompt is read, and a busy machine reads slowly
AT_MOST_WARM = 1.5  # times as long as a warm one: the aim


@dataclass
class First:
    """The first suggestion of a session."""

    record: dict[str, Any]
    seconds: float


@pytest.fixture
def sample(tmp_path):
    root = Path(shutil.copytree(SAMPLE, tmp_path / "ledger"))
    path = root / REPORT
    path.write_text(path.read_text("utf-8").rstrip("\n") + BEGUN, "utf-8")
    return root


async def ask(it: Editor, root: Path) -> First:
    text = (root / REPORT).read_text("utf-8")
    uri = (root / REPORT).as_uri()
    began = time.monotonic()
    await it.suggest(uri, text.count("\n"), len(text.rsplit("\n", 1)[1]), manual=True)
    return First(await it.explain(), time.monotonic() - began)


async def started(root: Path) -> Editor:
    it = Editor(root)
    await it.start(OPTIONS)
    await it.settled()
    return it


async def test_the_first_suggestion_after_a_restart_costs_what_a_warm_one_does(
    starter_cache, sample
):
    it = await started(sample)
    it.open(sample / REPORT)
    cold = await ask(it, sample)
    states = starter_cache / "states"
    end = time.monotonic() + SAVED_S
    while not list(states.glob("*.record")):
        assert time.monotonic() < end, "nothing was saved in the pause"
        await asyncio.sleep(0.1)
    it.type((sample / REPORT).as_uri(), *end_of(sample), "l")
    warm = await ask(it, sample)
    assert await it.stop() == 0

    again = await started(sample)
    again.open(sample / REPORT)
    first = await ask(again, sample)
    assert await again.stop() == 0

    print(report(cold=cold, warm=warm, restart=first))
    assert cold.record["cached_tokens"] < 0.1 * cold.record["prompt_tokens"]
    assert first.record["prompt_tokens"] > 300
    assert first.record["cached_tokens"] >= 0.9 * first.record["prompt_tokens"]
    assert first.record["ttft_ms"] <= AT_MOST_WARM * warm.record["ttft_ms"]


def end_of(root: Path) -> tuple[int, int]:
    text = (root / REPORT).read_text("utf-8")
    return text.count("\n"), len(text.rsplit("\n", 1)[1])


def report(**firsts: First) -> str:
    rows = []
    for name, first in firsts.items():
        record = first.record
        rows.append(
            f"{name:8} {record['cached_tokens']:4} of {record['prompt_tokens']:4} tokens cached, "
            f"first token after {record['ttft_ms']:6.0f} ms, all after {record['total_ms']:6.0f}; "
            f"ours {record['overhead_ms']:5.0f}, answer {first.seconds * 1000:6.0f}"
        )
    return "\n".join(("", *rows))
