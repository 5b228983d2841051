# SPDX-License-Identifier: Apache-2.0
"""Every system of the catalogue runs here: a tiny file of each architecture goes its whole way.

In: the catalogue, and files of `tiny_models` with the real special tokens. Loaded by the product's
own code each one completes, keeps its prefix while typing, comes back from disk and is stretched by
YaRN. A new row of the catalogue whose architecture has no tiny file fails.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import threading

import pytest
import tiny_models
from tiny_models import FAMILIES, marks, write_tiny

from engine import catalogue, load
from engine.layout import layouts
from engine.prompt import Hole, build, cost
from engine.tokens import Tokens
from engine.types import Part, Prompt, Sampling, Slot
from tests import tiny_layers

os.environ.setdefault("OMP_WAIT_POLICY", "passive")
xllamacpp = pytest.importorskip("xllamacpp")

ROWS = tuple(catalogue.load().values())
ARCHITECTURES = sorted({row.architecture for row in ROWS} | {"qwen2moe"})
STRETCHED = sorted({r.architecture for r in ROWS if r.extended_context > r.native_context})
WINDOW = 4096
NATIVE = 512  # quickly filled
THREADS = 1  # such small matrices are not worth sharing
LOUD = 4  # llama.cpp says how it has loaded a model
GREEDY = Sampling(max_tokens=24)
PROMPT_TOKENS = (1500, 3000)
KEPT_SHARE = 0.95
CHECKPOINT_BEFORE_END = 4  # tokens
LINE = "        self.ledger.append(entry.amount, entry.date)\n"
TYPED = "self.total += sum(e.rate for e in self.ret)"
KEYS = 20


def name(row):
    return row.id


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Where to find the tiny file of an architecture and a window."""
    folder = tmp_path_factory.mktemp("architectures")

    def file(arch, window):
        path = folder / f"{arch}-{window}.gguf"
        return path if path.exists() else write_tiny(path, arch, context_tokens=window)

    return file


@contextlib.contextmanager
def opened(path, room=0, extended=0, folder=None, verbosity=-1):
    """The engine as the product loads it; states of it go into `folder`."""
    server, engine = xllamacpp.Server, load.LlamaEngine

    def talkative(params):
        params.verbosity = verbosity
        return server(params)

    def keeping(path, model, options, layout):
        return engine(path, model, dataclasses.replace(options, state_folder=folder), layout)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(xllamacpp, "Server", talkative)
        patch.setattr(load, "LlamaEngine", keeping)
        choice = load.Choice(path.stem, path, load.BY_VOCABULARY, extended)
        loaded = load.load(choice, room_tokens=room, threads=THREADS, gpu_layers=0, kv_type="f16")
    with contextlib.closing(loaded):
        yield loaded


@pytest.fixture(scope="module", params=ARCHITECTURES)
def engine(request, files):
    with opened(files(request.param, WINDOW), room=WINDOW) as loaded:
        loaded.arch = request.param
        yield loaded


def write(engine, prompt, sampling=GREEDY):
    return engine.complete(prompt, sampling, threading.Event(), lambda _: True)


def read(engine, token_ids):
    return engine.warm(Prompt(tuple(token_ids), ()), threading.Event())


def typed(engine, tokens, prompt_tokens, text, key):
    """The prompt after so many keys: pieces, the file, and behind it what the key has changed.

    A layout of turns has the suffix before the lines, so there it stays as it is.
    """
    layout = layouts()[engine.info.layout]
    changed = 0 if layout.is_chat else key
    suffix = f"        return total_{changed:04d} + self.rest(entry, 'carried')\n"
    prefix = "class Ledger:\n" + LINE * 8 + "        " + text[:key]
    hole = Hole("a.py", prefix, suffix, prefix.count("\n") + 1)
    piece = Part("journal", "b.py", LINE, 1, 1)
    own = build("repo", (), hole, layout=layout, tokens=tokens, budget=prompt_tokens)
    room = prompt_tokens - len(own.token_ids) + key  # the same pieces for all keys
    parts = [piece] * (room // cost(piece, layout=layout, tokens=tokens))
    return build("repo", parts, hole, layout=layout, tokens=tokens, budget=prompt_tokens + 200)


def up_to_cursor(engine, prompt):
    """What is read ahead of need."""
    behind = engine.special("<|fim_suffix|>")
    return prompt.token_ids[: prompt.token_ids.index(behind)] if behind else prompt.token_ids


@pytest.mark.parametrize("row", ROWS, ids=name)
def test_every_row_of_the_catalogue_has_an_architecture_that_is_proved_here(row):
    assert row.architecture in FAMILIES


def test_the_layout_of_the_catalogue_is_that_of_the_vocabulary(engine):
    """FIM for the Qwens, a chat turn for Kimi."""
    said = {row.layout for row in ROWS if row.architecture == engine.arch} or {"qwen"}
    assert said == {engine.info.layout}
    assert layouts()[engine.info.layout].is_chat == (engine.arch == "deepseek2")


def test_S5_no_text_of_a_file_becomes_a_special_token(engine):
    """User-defined tokens too, which llama.cpp finds in plain text: tool calls, thinking."""
    tokens, (control, defined) = Tokens(engine), marks(engine.arch)
    special = {engine.special(mark) for mark in control}
    assert None not in special and len(special) == len(control)
    assert not special & set(tokens.ids("x = 1 ".join((*control, *defined))))


def test_a_hole_is_filled_and_the_same_twice(engine):
    prompt = typed(engine, Tokens(engine), 500, TYPED, 8)
    first = write(engine, prompt)
    assert (first.stopped_by, bool(first.text)) == ("length", True)
    others = [write(engine, Prompt(prompt.token_ids[:-n], ())).text for n in (8, 16, 24)]
    assert write(engine, prompt).text == first.text
    assert first.text not in others


@pytest.mark.parametrize("prompt_tokens", PROMPT_TOKENS)
def test_a_key_costs_its_tail(engine, prompt_tokens):
    """Also in a hybrid, whose state can only go back to checkpoints."""
    tokens = Tokens(engine)
    read(engine, up_to_cursor(engine, typed(engine, tokens, prompt_tokens, TYPED, 0)))
    total = evaluated = worst = 0
    for key in range(KEYS):
        prompt = typed(engine, tokens, prompt_tokens, TYPED, key)
        assert prompt_tokens - 64 < len(prompt.token_ids) < prompt_tokens + 64
        cost_tokens = write(engine, prompt, Sampling(max_tokens=2)).usage.evaluated_tokens
        total, evaluated = total + len(prompt.token_ids), evaluated + cost_tokens
        worst = max(worst, cost_tokens)
    kept = 1 - evaluated / total
    print(f"{engine.arch} {prompt_tokens}: {kept:.1%} kept, a key at most {worst} tokens")
    assert kept >= KEPT_SHARE, f"{kept:.1%} kept, a key cost {worst} tokens"


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_state_survives_a_restart(files, arch, tmp_path):
    """Saved, put into a new engine and used: with the same end, and with another one."""
    ids = tuple(range(20, 200)) * 4
    same, other = Prompt((*ids, *[31] * 60), ()), Prompt((*ids, *[32] * 60), ())
    place, file = files(arch, WINDOW), tmp_path / "state"
    with opened(place, WINDOW, folder=tmp_path) as engine:
        read(engine, ids)
        texts = [write(engine, same).text]
        kept = engine.save(Slot.KEYSTROKE, file)
        texts.append(write(engine, other).text)
    assert kept[: len(same.token_ids)] == same.token_ids
    for prompt, text in zip((same, other), texts, strict=True):
        with opened(place, WINDOW, folder=tmp_path) as engine:
            engine.restore(Slot.KEYSTROKE, file, kept)
            found = write(engine, prompt)
        assert found.text == text
        assert found.usage.cached_tokens >= len(ids) - CHECKPOINT_BEFORE_END


def loaded_with(files, arch, capfd, room, extended):
    """The context, and what llama.cpp itself says of its positions."""
    with opened(files(arch, NATIVE), room, extended, verbosity=LOUD) as engine:
        prompt = Prompt((30,) * (engine.info.context_tokens - 8), ())
        assert engine.warm(prompt, threading.Event()).prompt_tokens == len(prompt.token_ids)
        context = engine.info.context_tokens
    log = capfd.readouterr().err
    scale = float(re.search(r"llama_context: freq_scale += ([\d.]+)", log)[1])
    return context, scale, "custom YaRN scaling detected" in log


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_within_its_window_a_model_keeps_its_own_positions(files, arch, capfd):
    """Kimi K2's file is itself a stretched one: its factor is left alone."""
    own = 0.25 if arch == "deepseek2" else 1.0
    assert loaded_with(files, arch, capfd, NATIVE, 0) == (NATIVE, own, False)


@pytest.mark.parametrize("arch", STRETCHED)
def test_beyond_its_window_a_model_is_stretched_by_yarn(files, arch, capfd):
    assert loaded_with(files, arch, capfd, 2 * NATIVE, 4 * NATIVE) == (2 * NATIVE, 0.5, True)
    assert loaded_with(files, arch, capfd, 4 * NATIVE, 4 * NATIVE) == (4 * NATIVE, 0.25, True)


# temperature, top_p, top_k, repeat, presence: of the models' cards, as they are without thinking
CARDS = {
    "qwen2.5-coder": (0.7, 0.8, 20, 1.05, 0.0),
    "qwen3-coder": (0.7, 0.8, 20, 1.05, 0.0),
    "qwen3-coder-next": (1.0, 0.95, 40, 1.0, 0.0),
    "qwen3-235b": (0.7, 0.8, 20, 1.0, 0.0),
    "qwen3.5": (0.7, 0.8, 20, 1.0, 1.5),
    "kimi": (0.6, 1.0, 0, 1.0, 0.0),
}


@pytest.mark.parametrize("row", ROWS, ids=name)
def test_sampling_is_that_of_the_model_card_and_holes_are_filled_greedily(row):
    card = CARDS[max((start for start in CARDS if row.id.startswith(start)), key=len)]
    of = row.chat_sampling
    found = (of.temperature, of.top_p, of.top_k, of.repeat_penalty, of.presence_penalty)
    assert found == card
    assert row.fim_sampling.temperature == 0
    assert row.fim_sampling.repeat_penalty == 1, "code repeats itself"


@pytest.mark.parametrize("row", [row for row in ROWS if row.thinking], ids=name)
def test_a_model_that_thinks_is_not_asked_in_a_turn(row, files):
    """Thinking begins with a turn. A hole has none, and a chat layout has begun the answer."""
    with opened(files(row.architecture, WINDOW), room=WINDOW) as engine:
        prompt = typed(engine, Tokens(engine), 500, TYPED, 8)
        turns = {engine.special(mark) for mark in ("<|im_start|>", "<think>")}
        assert not turns & set(prompt.token_ids)
        assert prompt.token_ids[-1] == engine.special("<|fim_middle|>")
    assert layouts()[row.chat].is_chat and layouts()[row.chat].prompt[-1].value == "answer"


@pytest.mark.parametrize(
    "count", [300, pytest.param(65_536, marks=[pytest.mark.slow, pytest.mark.timeout(1800)])]
)
def test_as_much_is_written_as_was_asked_for(tmp_path, monkeypatch, count):
    """Nothing of ours or of llama.cpp's ends an answer before its time."""
    for module in (tiny_models, tiny_layers):  # attention is dear at depth: as little as can be
        monkeypatch.setattr(module, "HEADS", 1)
        monkeypatch.setattr(module, "KV_HEADS", 1)
    smallest = dataclasses.replace(FAMILIES["qwen3moe"], layers=1)
    monkeypatch.setitem(FAMILIES, "qwen3moe", smallest)
    room = count + 256
    path = write_tiny(tmp_path / "smallest.gguf", "qwen3moe", context_tokens=room)
    with opened(path, room) as engine:
        assert engine.info.context_tokens == room
        done = write(engine, Prompt((30,) * 64, ()), Sampling(max_tokens=count))
    assert done.stopped_by == "length", "and the context has room for more"
    assert done.usage.decoded_tokens == count
