# SPDX-License-Identifier: Apache-2.0
"""The bench of drafts: each hole is measured, and what is written is compared."""

from __future__ import annotations

import pytest
from tiny_models import write_tiny

from tests.bench.engine import bench_draft
from tests.bench.isolated import isolated

TOKENS = 24


@pytest.mark.parametrize("kind", ["NGRAM_SIMPLE", "NGRAM_MOD"])
def test_drafts_do_not_change_what_is_written(tmp_path, kind):
    path = write_tiny(tmp_path / "tiny.gguf", "qwen2")
    found = isolated(bench_draft.measure, path, kind, TOKENS)
    plain = isolated(bench_draft.measure, path, bench_draft.PLAIN, TOKENS)
    assert found.keys() == bench_draft.HOLES.keys()
    figures = bench_draft.figures(kind, found, plain)
    assert all("the same text" in figure.note for figure in figures)


def test_another_text_is_told():
    plain = {"a": bench_draft.Cost(30.0, 40.0, "x = 1")}
    (figure,) = bench_draft.figures("NGRAM_MOD", {"a": bench_draft.Cost(20.0, 9.0, "y")}, plain)
    assert figure.value == 20.0
    assert "1.50 x as fast, ANOTHER TEXT" in figure.note
