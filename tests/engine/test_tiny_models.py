# SPDX-License-Identifier: Apache-2.0
"""The fixture models are real enough: llama.cpp loads them, fills, and cancels.

In: files written by `tiny_models`. Guards the mixture-of-experts path in every run.
"""

from __future__ import annotations

import http.client
import json
import os
import secrets
import time
from typing import TYPE_CHECKING, Any

import pytest
from tiny_models import FAMILIES, HYBRIDS, marks, write_tiny
from upcycled_model import write_upcycled_moe

from engine.gguf import read_header

if TYPE_CHECKING:
    from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "passive")
xllamacpp = pytest.importorskip("xllamacpp")

MOST_BYTES = 2_000_000  # quick to write, and small enough to be made by any test
CHECKPOINT_BEFORE_END = 4  # tokens
CODE = "def add(self, other):\n    return self.value + "


class Loaded:
    """A model in llama.cpp's own server, asked without the code under test."""

    def __init__(self, path: Path, context: int = 512) -> None:
        self._key = secrets.token_urlsafe()
        params = xllamacpp.CommonParams()
        params.model.path = str(path)
        params.n_ctx, params.n_parallel, params.n_batch, params.n_ubatch = context, 1, 64, 64
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 2
        params.api_keys = [self._key]
        params.no_extra_bufts, params.warmup, params.fit_params = True, False, False
        params.cache_ram_mib, params.verbosity = 0, -1
        self._server = xllamacpp.Server(params)

    def tokenize(self, text: str, *, special: bool) -> list[int]:
        address = self._server.listening_address.removeprefix("http://")
        connection = http.client.HTTPConnection(address, timeout=10)
        body = json.dumps({"content": text, "parse_special": special, "add_special": False})
        headers = {"Authorization": f"Bearer {self._key}", "Content-Type": "application/json"}
        connection.request("POST", "/tokenize", body, headers)
        found: list[int] = json.loads(connection.getresponse().read())["tokens"]
        connection.close()
        return found

    def complete(self, prompt: list[int], count: int, stop_after: int = 0) -> list[dict[str, Any]]:
        events: list[dict[str, Any]] = []

        def on_event(event: dict[str, Any]) -> bool:
            events.append(event)
            return bool(stop_after) and len(events) >= stop_after

        request = {"prompt": prompt, "n_predict": count, "stream": True, "temperature": 0}
        self._server.handle_completions({**request, "ignore_eos": True, "seed": 1}, on_event)
        return events

    def text(self, prompt: list[int], count: int) -> str:
        return "".join(event["choices"][0]["text"] for event in self.complete(prompt, count))


@pytest.fixture(scope="module", params=FAMILIES)
def tiny(request, tmp_path_factory):
    path = write_tiny(tmp_path_factory.mktemp("tiny") / f"{request.param}.gguf", request.param)
    return path, Loaded(path)


def test_our_reader_accepts_what_llama_cpp_loads(tiny):
    path, _ = tiny
    header = read_header(path)
    family = FAMILIES[path.stem]
    assert (header.architecture, header.block_count) == (path.stem, family.layers)
    assert header.expert_count == (8 if family.routed else 0)
    assert header.file_bytes < MOST_BYTES
    assert header.data_offset + max(t.offset + t.bytes for t in header.tensors) <= header.file_bytes


def test_each_special_token_is_one_id_and_plain_text_never_is(tiny):
    """S5 stands on this: the fixture's vocabulary behaves as the real one."""
    path, model = tiny
    control, defined = marks(path.stem)
    ids = [model.tokenize(token, special=True) for token in control + defined]
    assert [len(found) for found in ids] == [1] * len(ids)
    assert len({found[0] for found in ids}) == len(ids)
    assert all(len(model.tokenize(token, special=False)) > 1 for token in control)


def test_bytes_survive_the_vocabulary_and_merges_apply(tiny):
    _, model = tiny
    assert len(model.tokenize("def", special=False)) == 1
    assert len(model.tokenize("é", special=False)) == 2


def test_a_hole_by_ids_is_filled_the_same_each_time(tiny):
    path, model = tiny
    fim = ("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>")
    marked = [name for name in fim if name in marks(path.stem)[0]] or ["<|im_user|>"] * 3
    before, after, end = (model.tokenize(name, special=True) for name in marked)
    prefix, suffix = model.tokenize(CODE, special=False), model.tokenize("\n", special=False)
    prompt = [*before, *prefix, *after, *suffix, *end]
    first = model.complete(prompt, 12)
    timings = first[-1]["timings"]
    assert timings["prompt_n"] + timings["cache_n"] == len(prompt)
    assert timings["predicted_n"] == 12
    assert model.text(prompt, 12) == model.text(prompt, 12)


def test_cancel_ends_a_decode_and_the_next_request_works(tiny):
    _, model = tiny
    prompt = model.tokenize(CODE, special=False)
    started = time.perf_counter()
    events = model.complete(prompt, 400, stop_after=4)
    assert len(events) == 4
    assert time.perf_counter() - started < 5
    assert model.complete(prompt, 3)[-1]["timings"]["predicted_n"] == 3


@pytest.mark.parametrize("arch", HYBRIDS)
def test_a_checkpoint_lies_four_tokens_before_the_end_of_a_request(tmp_path, arch):
    """Our engine builds on it: were it to move, a key would read a prompt from its start."""
    model = Loaded(write_tiny(tmp_path / "tiny.gguf", arch))

    def cached(prompt):
        return model.complete(prompt, 1)[-1]["timings"]["cache_n"]

    prompt = list(range(20, 220))
    kept = len(prompt) - CHECKPOINT_BEFORE_END
    assert cached(prompt) == 0
    assert cached([*prompt[:kept], *[7] * 200]) == kept
    cached(prompt)
    assert cached([*prompt[: kept - 1], *[9] * 200]) < kept - 1


HOLES = (
    ("def fibonacci(n):\n    ", "\n\nprint(fibonacci(9))\n"),
    ("class Stack:\n    def push(self, item):\n        ", "\n"),
    ("import json\n\ndef load(path):\n    with open(path) as f:\n        ", "\n"),
)


def fill(path: Path, count: int) -> list[str]:
    model = Loaded(path)
    prompts = [f"<|fim_prefix|>{a}<|fim_suffix|>{b}<|fim_middle|>" for a, b in HOLES]
    return [model.text(model.tokenize(text, special=True), count) for text in prompts]


@pytest.mark.slow
@pytest.mark.model
def test_upcycled_moe_says_what_the_dense_model_says(starter_model, tmp_path):
    """Real weights through the MoE path: of three fills at least two agree to the letter."""
    upcycled = write_upcycled_moe(starter_model, tmp_path / "upcycled.gguf")
    header = read_header(upcycled)
    assert (header.architecture, header.expert_count) == ("qwen2moe", 8)
    assert header.expert_used_count == 8
    pairs = list(zip(fill(starter_model, 48), fill(upcycled, 48), strict=True))
    assert sum(ours == theirs for ours, theirs in pairs) >= 2, pairs
    assert all(ours[:16] == theirs[:16] for ours, theirs in pairs), pairs
