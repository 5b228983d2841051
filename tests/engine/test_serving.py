# SPDX-License-Identifier: Apache-2.0
"""Models on several GPUs: sizes as published, cuts as vLLM makes them, and what does not fit."""

import json
from dataclasses import replace

import pytest

from engine import catalogue, serving
from engine.serving import FORMS, GB, MACHINES, Gpus, kv_bytes, split_problem, table, weights
from lsp_server import cli

# (model, form, gigabytes, where it is published)
PUBLISHED = [
    ("qwen3-coder-30b-a3b", "GGUF", 18.6, "Q4_K_M, card of an asymmetric GGUF of the same model"),
    ("qwen3-coder-next-80b-a3b", "GGUF", 48.5, "Q4_K_M, card of a hybrid GGUF of the same model"),
    ("qwen3-coder-next-80b-a3b", "BF16", 160.0, "card of its GPTQ form: 'BF16 (original) ~160 GB'"),
    ("qwen3.5-35b-a3b", "BF16", 72.0, "card of Qwen3.5-35B-A3B-FP8-Dynamic: '72 GB BF16'"),
    ("qwen3.5-35b-a3b", "FP8", 36.8, "the same card: FP8 tensors 32.6 GB, BF16 ones 4.2 GB"),
    ("qwen2.5-coder-7b", "GGUF", 4.683, "the file's own size in the hub"),
]


@pytest.mark.parametrize(("model", "form", "gigabytes", "source"), PUBLISHED)
def test_sizes_are_as_published(model, form, gigabytes, source):
    assert weights(catalogue.find(model), form) / GB == pytest.approx(gigabytes, rel=0.04), source


CUTS = [
    # vLLM issue 25292: Qwen3-30B-A3B-FP8 crashes with TP=4: 768 / 4 = 192
    ("qwen3-coder-30b-a3b", "FP8", 4, False, "experts of 768"),
    ("qwen3-coder-30b-a3b", "FP8", 2, False, ""),
    ("qwen3-coder-30b-a3b", "FP8", 4, True, ""),
    ("qwen3-coder-30b-a3b", "BF16", 4, False, ""),
    # vLLM's recipe serves this one with whole experts on 8 GPUs: 2560 / 8 = 320
    ("qwen3-coder-480b-a35b", "FP8", 8, False, "experts of 2560"),
    ("qwen3-coder-480b-a35b", "FP8", 8, True, ""),
    # vLLM issue 17604: 4 bits, 8 GPUs: 1536 / 8 = 192
    ("qwen3-235b-a22b", "AWQ", 8, False, "experts of 1536"),
    ("qwen3-235b-a22b", "AWQ", 4, False, ""),
    ("qwen2.5-coder-0.5b", "BF16", 4, False, "14 heads"),
    ("qwen2.5-coder-7b", "BF16", 8, False, "28 heads"),
    ("kimi-k2", "AWQ", 8, False, ""),
]


@pytest.mark.parametrize(("model", "form", "gpus", "whole", "words"), CUTS)
def test_cuts_are_those_that_vllm_can_make(model, form, gpus, whole, words):
    problem = split_problem(catalogue.find(model), form, gpus, experts_whole=whole)
    assert words in problem and bool(words) == bool(problem)


def test_keys_are_copied_where_they_cannot_be_cut():
    coder, kimi = catalogue.find("qwen3-coder-480b-a35b"), catalogue.find("kimi-k2")
    assert kv_bytes(coder, 1) == 62 * 8 * (128 + 128) * 2
    assert kv_bytes(coder, 8) == kv_bytes(coder, 1) // 8 == kv_bytes(coder, 16)
    assert kv_bytes(kimi, 8) == kv_bytes(kimi, 1) == 61 * 576 * 2, "a latent is on every GPU"
    hybrid = catalogue.find("qwen3-coder-next-80b-a3b")
    assert kv_bytes(hybrid, 1) == 12 * 2 * 512 * 2, "layers without attention have none"


def test_what_vllm_documents_for_8_gpus_of_141_gb_fits_by_our_figures():
    """Its recipe: 480B in BF16 at 32,000 tokens, in FP8 at 131,072."""
    big, machine = catalogue.find("qwen3-coder-480b-a35b"), Gpus(8, 141)
    plain, eight = (serving._vllm(big, machine, form) for form in ("BF16", "FP8"))
    assert plain.gpus == eight.gpus == 8 and plain.experts_whole is False
    assert plain.tokens >= 32_000 and eight.tokens >= 131_072 and eight.experts_whole


@pytest.mark.parametrize("row", catalogue.load().values(), ids=lambda row: row.id)
def test_every_row_is_answered_and_nothing_is_overfull(row):
    found = list(table(row))
    assert [(f.machine, f.form) for f in found] == [
        (machine.name, form) for machine in MACHINES for form in FORMS
    ]
    for one, machine in zip(found, [m for m in MACHINES for _ in FORMS], strict=True):
        assert bool(one.gpus) != bool(one.why) and one.gpus <= machine.count
        if not one.gpus:
            continue
        assert one.gpus * one.gpu_bytes >= one.weights_bytes
        assert one.context_tokens <= max(row.native_context, row.extended_context)
        assert serving.LEAST_TOKENS <= one.context_tokens <= one.tokens
        if one.form != "GGUF":
            used = one.gpu_bytes + one.tokens * kv_bytes(row, one.gpus)
            assert used + serving.VLLM_OVERHEAD_BYTES <= machine.gb * GB * serving.VLLM_SHARE
            assert not split_problem(row, one.form, one.gpus, experts_whole=one.experts_whole)


def test_more_memory_is_never_worse():
    for row in catalogue.load().values():
        for form in ("BF16", "FP8", "AWQ"):
            contexts = [serving._vllm(row, Gpus(4, gb), form).context_tokens for gb in (24, 48, 80)]
            assert contexts == sorted(contexts)


def test_a_model_too_large_says_so_with_the_figures():
    found = {(f.machine, f.form): f for f in table(catalogue.find("kimi-k2"))}
    assert found["8 x 80 GB", "AWQ"].gpus == 8
    for key in (("8 x 80 GB", "FP8"), ("4 x 24 GB", "AWQ"), ("1 x 24 GB", "GGUF")):
        assert not found[key].gpus and "GB of weights" in found[key].why


def test_an_odd_number_of_heads_is_said_where_memory_would_do():
    row = catalogue.find("qwen2.5-coder-7b")
    big = replace(row, total_parameters_b=200.0)
    found = serving._vllm(big, Gpus(8, 80), "BF16")
    assert not found.gpus and "28 heads on 8 GPUs" in found.why


def test_the_command_prints_all_rows_or_one(capsys):
    assert cli.main(["models", "plan", "--gpus", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert len(rows) == len(catalogue.load()) * len(MACHINES) * len(FORMS)
    assert cli.main(["models", "plan", "kimi-k2", "--gpus"]) == 0
    assert capsys.readouterr().out.count("\n") == 2 + len(MACHINES) * len(FORMS)
    assert cli.main(["models", "plan"]) == 1
    assert "which model?" in capsys.readouterr().err
