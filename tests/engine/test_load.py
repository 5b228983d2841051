# SPDX-License-Identifier: Apache-2.0
"""From a setting to a loaded engine: choice, memory, and a mixture of experts end to end (E3)."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest
from tiny_models import write_tiny

from engine import load, memory
from engine.gguf import read_header
from engine.prompt import Hole, build, layouts
from engine.tokens import Tokens
from engine.types import ModelNotFound, ModelRejected, OutOfMemory, Sampling


@pytest.fixture(scope="module")
def tiny_moe(tmp_path_factory):
    return write_tiny(tmp_path_factory.mktemp("models") / "tiny.gguf", "qwen3moe")


def test_a_mixture_of_experts_loads_fills_and_cancels(tiny_moe):
    choice = load.Choice("tiny", tiny_moe, "qwen")
    engine = load.load(choice, gpu_layers=0, kv_type="f16")
    hole = Hole("a.py", "def add(a, b):\n    return ", "\n", 2)
    tokens = Tokens(engine)
    prompt = build("repo", (), hole, layout=layouts()["qwen"], tokens=tokens, budget=500)
    # Random weights write anything; the end is not among it when it is forbidden by the length.
    done = engine.complete(prompt, Sampling(8), threading.Event(), lambda _: True)
    assert done.usage.evaluated_tokens == len(prompt.token_ids)
    assert 0 < done.usage.decoded_tokens <= 8
    again = engine.complete(prompt, Sampling(8), threading.Event(), lambda _: True)
    assert again.text == done.text
    assert again.usage.evaluated_tokens <= 1
    cancel = threading.Event()
    cancel.set()
    stopped = engine.complete(prompt, Sampling(500), cancel, lambda _: True)
    assert stopped.stopped_by == "cancelled"
    assert stopped.usage.decoded_tokens <= 1
    engine.close()


@pytest.mark.parametrize(
    ("model", "path", "error", "words"),
    [
        ("auto", "", ModelNotFound, "run: ghostwright setup"),
        ("qwen3-coder-30b-a3b", "", ModelNotFound, "models pull qwen3-coder-30b-a3b"),
        ("qwen3-coder-30b", "", ModelNotFound, "did you mean qwen3-coder-30b-a3b"),
        ("", "", ModelNotFound, "no model ''"),
    ],
)
def test_a_choice_that_is_not_there_says_what_gets_it(
    monkeypatch, tmp_path, model, path, error, words
):
    monkeypatch.setenv("GHOSTWRIGHT_CACHE", str(tmp_path))
    with pytest.raises(error, match=words):
        load.choose(model, path)


def test_an_architecture_that_the_engine_lacks_is_named(tmp_path):
    path = write_tiny(tmp_path / "odd.gguf", "qwen2")
    data = path.read_bytes().replace(b"qwen2", b"qwenX")
    path.write_bytes(data)
    with pytest.raises(ModelRejected, match="qwenX") as rejected:
        load.load(load.Choice("odd", path, "qwen"), gpu_layers=0, kv_type="f16")
    assert str(path) in str(rejected.value)
    assert "\n" not in str(rejected.value)


def test_E3_the_ladder_takes_the_largest_context_that_fits(tiny_moe):
    header = read_header(tiny_moe)
    need = {n: memory.estimate(header, n, "f16", 64).total for n in memory.LADDER_TOKENS}
    for rung in memory.LADDER_TOKENS:
        fitting = memory.largest_context(header, 262_144, "f16", 64, need[rung])
        assert fitting.context_tokens == rung
    with pytest.raises(OutOfMemory, match="choose a smaller model"):
        memory.largest_context(header, 262_144, "f16", 64, need[2048] - 1)


def test_E3_a_context_that_does_not_fit_is_stepped_down_when_loading(tiny_moe, monkeypatch):
    header = read_header(tiny_moe)
    free = memory.estimate(header, 2048, "f16", 64).total
    monkeypatch.setattr(
        "engine.load.psutil",
        SimpleNamespace(virtual_memory=lambda: SimpleNamespace(available=free)),
    )
    engine = load.load(load.Choice("tiny", tiny_moe, "qwen"), gpu_layers=0, kv_type="f16")
    assert engine.info.context_tokens == 2048
    engine.close()


def test_kv_bytes_are_those_of_published_models():
    """Qwen3-Coder-30B-A3B: 48 layers, 4 KV heads of 128: 98,304 bytes a token in f16."""
    qwen3 = SimpleNamespace(
        block_count=48,
        full_attention_interval=1,
        head_count_kv=4,
        key_length=128,
        value_length=128,
    )
    assert memory.kv_bytes_per_token(qwen3, "f16") == 98_304
    # Qwen3-Next-80B-A3B: every fourth of 48 layers has attention, 2 KV heads of 256
    hybrid = SimpleNamespace(
        block_count=48,
        full_attention_interval=4,
        head_count_kv=2,
        key_length=256,
        value_length=256,
    )
    assert memory.kv_bytes_per_token(hybrid, "f16") == 24_576
