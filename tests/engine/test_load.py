# SPDX-License-Identifier: Apache-2.0
"""From a setting to a loaded engine: choice, memory, and a mixture of experts end to end (E3)."""

from __future__ import annotations

import http.client
import json
import threading
from dataclasses import replace
from types import SimpleNamespace

import gguf
import pytest
import tiny_models
from tiny_models import write_tiny

from engine import llama, load, memory
from engine.gguf import read_header
from engine.prompt import Hole, build, layouts
from engine.shape import of_header
from engine.tokens import Tokens
from engine.types import ModelNotFound, ModelRejected, OutOfMemory, Part, Prompt, Sampling


@pytest.fixture(scope="module")
def long(tmp_path_factory):
    """A window that is deeper than its weights are large."""
    path = tmp_path_factory.mktemp("models") / "long.gguf"
    return write_tiny(path, "qwen3moe", context_tokens=65_536)


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


def only(monkeypatch, free_bytes):
    """A machine with so much free memory and no GPU."""
    memory_of = SimpleNamespace(virtual_memory=lambda: SimpleNamespace(available=free_bytes))
    monkeypatch.setattr("engine.load.psutil", memory_of)


def needed(path, deep_tokens):
    """Bytes that a context takes when each slot is so deep."""
    shape = of_header(read_header(path))
    running = load.running_of(shape, "f16")
    return memory.estimate(shape, running.total_tokens(deep_tokens), running).total


def test_E3_a_context_that_does_not_fit_is_stepped_down_and_said_once(long, monkeypatch):
    only(monkeypatch, needed(long, 4096))
    said = []
    engine = load.load(
        load.Choice("tiny", long, "qwen"),
        room_tokens=40_000,
        gpu_layers=0,
        kv_type="f16",
        say=said.append,
    )
    assert engine.info.context_tokens == context_of(engine) == 4096
    assert said == ["tiny: a context of 40,000 tokens does not fit; it has 4,096"]
    engine.close()


def test_E3_memory_that_is_refused_when_it_is_asked_for_is_stepped_down_too(long, monkeypatch):
    """Our figures say that it fits, and llama.cpp does not get it.

    It says no more than that it could not make a context, so any reason will do here: keys of 16 in
    eight bits. To ask for more memory than there is takes long and may end other processes.
    """
    tried, real = [], load.LlamaEngine

    def engine_of(path, model, options, layout):
        tried.append(options.context_tokens)
        if options.context_tokens > 8192:
            options = replace(options, kv_type="q8_0")
        return real(path, model, options, layout)

    monkeypatch.setattr(load, "LlamaEngine", engine_of)
    said = []
    engine = load.load(
        load.Choice("tiny", long, "qwen"),
        room_tokens=32_768,
        gpu_layers=0,
        kv_type="f16",
        say=said.append,
    )
    engine.close()
    assert tried == [32_768, 16_384, 8192]
    assert said == ["tiny: a context of 32,768 tokens does not fit; it has 8,192"]


def test_E3_what_fits_at_no_context_says_what_it_needs(tiny_moe, monkeypatch):
    only(monkeypatch, needed(tiny_moe, 2048) - 1)
    choice = load.Choice("tiny", tiny_moe, "qwen")
    with pytest.raises(OutOfMemory, match=r"needs 0.1 GB .* choose a smaller model"):
        load.load(choice, gpu_layers=0, kv_type="f16")
    with pytest.raises(OutOfMemory, match=r"tiny\.gguf needs"):
        load.plan_of(choice, 0, 0, "f16")


def test_a_plan_within_the_window_is_what_loading_does(tiny_moe):
    """A wish beyond the model's window is no reason to say that it does not fit."""
    choice = load.Choice("tiny", tiny_moe, "qwen")
    planned = load.plan_of(choice, 1_000_000, 0, "f16")
    engine = load.load(choice, room_tokens=1_000_000, gpu_layers=0, kv_type="f16")
    assert planned.context_tokens == engine.info.context_tokens == 2048
    engine.close()


def test_experts_that_are_told_to_stay_on_the_cpu_load(tiny_moe, monkeypatch):
    """The rule of a machine with a GPU is one that llama.cpp accepts; here all is on the CPU."""
    seen, real = [], load.LlamaEngine

    def engine_of(path, model, options, layout):
        seen.append(options.overrides)
        return real(path, model, replace(options, gpu_layers=0), layout)

    shape = of_header(read_header(tiny_moe))
    room = needed(tiny_moe, 2048) - load.memory.PROCESS_BYTES - shape.expert_bytes // 3
    monkeypatch.setattr(load, "LlamaEngine", engine_of)
    monkeypatch.setattr(load, "gpu_free_bytes", lambda: load.plan.GPU_SPARE_BYTES + room)
    monkeypatch.setattr("engine.load.sys", SimpleNamespace(platform="linux"))
    load.load(load.Choice("tiny", tiny_moe, "qwen"), gpu_layers=-1, kv_type="f16").close()
    assert seen == [r"blk\.(0)\.ffn_.*_exps\.=CPU"]


def context_of(engine):
    """The window of a request as llama.cpp itself says it."""
    listener = engine._listener
    connection = http.client.HTTPConnection(listener._host, listener._port)
    connection.request("GET", "/props", headers=listener._headers)
    found = json.loads(connection.getresponse().read())
    connection.close()
    return found["default_generation_settings"]["n_ctx"]


TINY = 512  # quickly filled
YARN = [
    # room, extended, context, factor
    pytest.param(100, 0, TINY, 1, id="as it is"),
    pytest.param(100, 4 * TINY, TINY, 1, id="room that needs no stretching"),
    pytest.param(TINY, 4 * TINY, TINY, 1, id="the whole native window"),
    pytest.param(TINY + 256, 4 * TINY, TINY + 256, 2, id="a little more"),
    pytest.param(2 * TINY, 4 * TINY, 2 * TINY, 2, id="twice"),
    pytest.param(3 * TINY, 4 * TINY, 3 * TINY, 4, id="three times"),
    pytest.param(9 * TINY, 4 * TINY, 4 * TINY, 4, id="more than the catalogue says"),
    pytest.param(2 * TINY, 0, TINY, 1, id="a model that cannot"),
]


@pytest.fixture(scope="module")
def short(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tiny_models, "CONTEXT_TOKENS", TINY)
        return write_tiny(tmp_path_factory.mktemp("models") / "short.gguf", "qwen3moe")


@pytest.mark.parametrize(("room", "extended", "context", "factor"), YARN)
def test_a_context_beyond_the_native_window_is_read_with_yarn_and_no_other(
    short, monkeypatch, room, extended, context, factor
):
    """Without YaRN llama.cpp caps a request at the native window, so its own figure tells."""
    seen = []

    def extend(xllamacpp, params, options):
        real(xllamacpp, params, options)
        seen.append((params.rope_scaling_type, params.rope_freq_scale, params.yarn_orig_ctx))

    real = llama._extend_context
    monkeypatch.setattr(llama, "_extend_context", extend)
    choice = load.Choice("tiny", short, "qwen", extended)
    engine = load.load(choice, room_tokens=room, gpu_layers=0, kv_type="f16")
    assert (engine.info.context_tokens, context_of(engine)) == (context, context)
    yarn = 2  # llama_rope_scaling_type
    assert seen == ([(yarn, 1 / factor, TINY)] if factor > 1 else [])
    prompt = Prompt((5,) * (context - 8), ())
    assert engine.warm(prompt, threading.Event()).prompt_tokens == context - 8
    engine.close()


def test_E3_a_context_that_is_stepped_down_into_the_native_window_is_not_stretched(
    tiny_moe, monkeypatch
):
    native = read_header(tiny_moe).context_length
    only(monkeypatch, needed(tiny_moe, native))
    monkeypatch.setattr(llama, "_extend_context", None)
    choice = load.Choice("tiny", tiny_moe, "qwen", 4 * native)
    engine = load.load(choice, room_tokens=4 * native, gpu_layers=0, kv_type="f16")
    assert context_of(engine) == native
    engine.close()


@pytest.mark.slow
@pytest.mark.model
@pytest.mark.parametrize(("room", "context"), [(1000, 8192), (40_960, 40_960)])
def test_the_starter_model_reads_beyond_its_native_window(starter_cache, room, context):
    choice = load.choose("qwen2.5-coder-0.5b", "")
    engine = load.load(choice, room_tokens=room, gpu_layers=0, kv_type="f16")
    assert (engine.info.context_tokens, context_of(engine)) == (context, context)
    hole = Hole("a.py", "def add(a, b):\n    return", "\n\nprint(add(1, 2))\n", 2)
    layout = layouts()[engine.info.layout]
    prompt = build("repo", (), hole, layout=layout, tokens=Tokens(engine), budget=500)
    done = engine.complete(prompt, Sampling(8), threading.Event(), lambda _: True)
    engine.close()
    assert done.text.lstrip().startswith("a + b")


def add_sentencepiece(writer):
    """A vocabulary as CodeLlama's: bytes, pieces with scores, a space before every text."""
    marks = ["▁<PRE>", "▁<SUF>", "▁<MID>"]
    pieces = ["▁", "de", "f", "def", "▁def", "re", "▁re", "t", "▁ret", "▁▁", "▁▁▁▁"]
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{n:02X}>" for n in range(256)), *pieces, *marks]
    kind = gguf.TokenType
    kinds = [kind.UNKNOWN, kind.CONTROL, kind.CONTROL, *[kind.BYTE] * 256]
    writer.add_tokenizer_model("llama")
    writer.add_token_list(tokens)
    writer.add_token_scores([float(-n) for n in range(len(tokens))])
    writer.add_token_types([*kinds, *[kind.NORMAL] * (len(pieces) + len(marks))])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_add_bos_token(True)
    return len(tokens)


def test_a_sentencepiece_model_gets_its_layout_and_its_text_unchanged(tmp_path, monkeypatch):
    """CodeLlama and Codestral put a space before each text they tokenise: none may reach code."""
    monkeypatch.setattr(tiny_models, "_add_vocabulary", add_sentencepiece)
    path = write_tiny(tmp_path / "some-model.gguf", "qwen2")
    engine = load.load(load.choose("", str(path)), gpu_layers=0, kv_type="f16")
    assert engine.info.layout == "codellama"
    text = "def a():\n    return 1\n\n\n" * 100 + "x"
    ids = Tokens(engine).ids(text)
    assert engine._listener._post("/detokenize", {"tokens": list(ids)})["content"] == text
    assert list(ids) == engine.tokenize("\n" + text)[2:]
    parts = [Part("definition", "b.py", "x = 1", 1, 1)]
    hole = Hole("a.py", "def f():\n    ", "\n", 2)
    layout, tokens = layouts()[engine.info.layout], Tokens(engine)
    prompt = build("r", parts, hole, layout=layout, tokens=tokens, budget=300)
    assert sum(s.tokens for s in prompt.segments) == len(prompt.token_ids)
    shown = engine._listener._post("/detokenize", {"tokens": list(prompt.token_ids)})["content"]
    assert "# b.py\nx = 1\n# a.py\ndef f():\n    " in shown
    engine.close()


@pytest.mark.parametrize(
    ("specials", "layout"),
    [
        (tiny_models.SPECIAL_TOKENS, "qwen"),
        (("<|endoftext|>", "<|im_start|>", "<|im_end|>"), "chatml"),
        (("<|endoftext|>", "<|im_end|>"), None),
    ],
    ids=["fill-in-the-middle", "turns", "neither"],
)
def test_a_file_that_nobody_knows_is_asked_for_its_tokens(tmp_path, monkeypatch, specials, layout):
    monkeypatch.setattr(tiny_models, "SPECIAL_TOKENS", specials)
    path = write_tiny(tmp_path / "some-model.gguf", "qwen2")
    choice = load.choose("", str(path))
    if layout is None:
        with pytest.raises(ModelRejected, match="neither fill-in-the-middle") as refused:
            load.load(choice, gpu_layers=0, kv_type="f16")
        assert str(path) in str(refused.value)
        assert "\n" not in str(refused.value)
        return
    engine = load.load(choice, gpu_layers=0, kv_type="f16")
    assert engine.info.layout == layout
    engine.close()
