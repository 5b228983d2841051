# SPDX-License-Identifier: Apache-2.0
"""Model files of 2023: what is refused before native code sees it (E1, E2). No library needed."""

from __future__ import annotations

import importlib.util
import struct
import time

import pytest
import tiny_legacy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tiny_legacy import CONTEXT_TOKENS, EVERY, write, write_ggml, write_gguf_v1
from tiny_models import write_tiny

from engine import legacy, legacy_header, load
from engine.legacy_words import Words
from engine.types import ModelNotFound, ModelRejected, OutOfMemory

INSTEAD = "use a GGUF file of version 2 or 3 with the default engine"


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("legacy")
    return {family: write(folder / f"{family}.bin", family) for family in EVERY}


def open_(path, **options):
    options.setdefault("threads", 1)
    return load.load(load.choose("", str(path)), gpu_layers=0, kv_type="f16", **options)


@pytest.mark.parametrize("family", EVERY)
def test_a_sound_file_is_told_by_its_form(files, family):
    found = legacy_header.read(files[family])
    assert found.family == family
    assert found.context_tokens == (2048 if family == "llama" else CONTEXT_TOKENS)
    assert legacy_header.is_legacy(files[family])


def numbers(*values):
    return struct.pack(f"<{len(values)}I", *values)


def changed(at, value):
    """A sound StarCoder with one number changed: of the header, by its place."""

    def change(data):
        return data[: 4 + 4 * at] + numbers(value) + data[8 + 4 * at :]

    return change


def of_tensor(offset, value):
    """A sound StarCoder with one number of its first tensor's header changed."""

    def change(data):
        at = data.index(b"model/ln_f/g") - 16 + 4 * offset
        return data[:at] + numbers(value) + data[at + 4 :]

    return change


REFUSED = {
    "ggla": (lambda _: b"algg" + numbers(1, 8, 16), "LoRA adapter of 2023"),
    "ggjt 9": (lambda _: b"tjgg" + numbers(9), "ggjt version 9"),
    "ggmf 3": (lambda _: b"fmgg" + numbers(3), "ggmf version 3"),
    "old quantisation": (
        lambda _: b"tjgg" + numbers(2, 300, 64, 32, 4, 2, 16, 2),
        "quantised in a format that was given up in May 2023",
    ),
    "old quantisation of ggml": (changed(5, 1002), "given up in May 2023"),
    "unknown weights": (changed(5, 4), "unknown kind 4"),
    "nothing behind": (lambda _: b"lmgg", "truncated"),
    "truncated": (lambda data: data[:-1], "truncated: 1 bytes"),
    "longer": (lambda data: data + bytes(3), "truncated"),
    "a tensor twice": (lambda data: data + data[-68:], "does not belong|truncated|dimensions"),
    "no heads": (changed(3, 0), "heads 0"),
    "one head": (changed(3, 1), "1 heads for a width of 64"),
    "odd heads": (changed(3, 3), "3 heads for a width of 64"),
    "no width": (changed(2, 0), "width 0"),
    "width beyond": (changed(2, 1 << 31), "width 2147483648"),
    "layers beyond": (changed(4, 1 << 20), "layers 1048576"),
    "together too large": (changed(1, 1 << 16), "does not belong"),
    "more layers": (changed(4, 3), "no tensor 'model/h2/"),
    "fewer layers": (changed(4, 1), "does not belong"),
    "vocabulary beyond": (changed(0, 1 << 30), "vocabulary 1073741824"),
    "two vocabularies": (changed(0, 200), "two sizes of its vocabulary"),
    "a long token": (changed(7, 5000), "token of 5000 bytes"),
    "three dimensions": (of_tensor(0, 3), "tensor of 3 dimensions"),
    "no dimensions": (of_tensor(0, 0), "tensor of 0 dimensions"),
    "a long name": (of_tensor(1, 4000), "name of 4000 bytes"),
    "odd type": (of_tensor(2, 99), "wrong type 99"),
    "odd shape": (of_tensor(3, 65), "does not belong"),
}


@pytest.mark.parametrize(("change", "words"), REFUSED.values(), ids=REFUSED)
def test_e2_a_file_that_native_code_would_trust_is_refused(files, tmp_path, change, words):
    path = tmp_path / "old.bin"
    path.write_bytes(change(files["starcoder"].read_bytes()))
    with pytest.raises(ModelRejected, match=words) as refused:
        open_(path)
    assert INSTEAD in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("odd", "words"),
    [
        ({"general__architecture": "qwen3moe"}, "architecture 'qwen3moe' in GGUF version 1"),
        ({"general__architecture": "falcon"}, "architecture 'falcon'"),
        ({"llama__expert_count": 8}, "mixture of experts"),
        ({"tokenizer__ggml__model": "gpt2"}, "not LLaMA's"),
        ({"llama__attention__head_count": 3}, "3 heads"),
        ({"llama__block_count": 0}, "block_count"),
    ],
)
def test_new_families_and_mixtures_get_the_reason_and_the_alternative(tmp_path, odd, words):
    path = write_gguf_v1(tmp_path / "new.gguf", **odd)
    with pytest.raises(ModelRejected, match=words) as refused:
        open_(path)
    assert INSTEAD in str(refused.value)


def test_e2_a_vocabulary_without_scores_is_refused(files, tmp_path):
    """Native code takes the score of each token by its number, and reads behind the array."""
    data = files["gguf"].read_bytes()
    at = data.index(b"tokenizer.ggml.scores") + len(b"tokenizer.ggml.scores") + 4
    path = tmp_path / "short.gguf"
    for kind in (0, 5):
        path.write_bytes(data[:at] + numbers(kind) + data[at + 4 :])
        with pytest.raises(ModelRejected):
            open_(path)


@pytest.mark.parametrize(
    ("family", "rotated"), [("llama", 8), ("gptj", 3), ("gptj", 18), ("gptneox", 15)]
)
def test_e2_heads_at_which_the_library_ends_the_process_are_refused(
    monkeypatch, tmp_path, family, rotated
):
    monkeypatch.setattr(tiny_legacy, "ROTATED", rotated)
    with pytest.raises(ModelRejected, match=INSTEAD):
        open_(write_ggml(tmp_path / "odd.bin", family))


def test_a_codellama_in_a_ggml_file_is_refused(monkeypatch, tmp_path):
    """Its positions are turned by another base, which that library cannot be told."""
    monkeypatch.setattr(tiny_legacy, "WORDS", ("▁<PRE>".encode(),))
    path = write_ggml(tmp_path / "codellama.bin", "llama")
    with pytest.raises(ModelRejected, match="CodeLlama"):
        open_(path)


def test_without_the_extra_one_line_names_it(monkeypatch, files):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(ModelRejected, match=r"install ghostwright\[ctransformers\]") as refused:
        open_(files["gpt2"])
    assert "\n" not in str(refused.value)


def test_an_adapter_is_not_left_out_in_silence(files):
    with pytest.raises(ModelRejected, match="adapters"):
        open_(files["gpt2"], lora=("adapter.gguf",))


def test_what_does_not_fit_is_said_before_it_is_tried(monkeypatch, files):
    monkeypatch.setattr(legacy, "BUFFER_BYTES", 1 << 50)
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: object())
    with pytest.raises(OutOfMemory, match="GB are free"):
        open_(files["gpt2"])


def test_only_files_of_2023_go_to_the_legacy_engine(tmp_path):
    assert not legacy_header.is_legacy(write_tiny(tmp_path / "new.gguf", "qwen3moe"))
    assert not legacy_header.is_legacy(tmp_path)
    assert not legacy_header.is_legacy(tmp_path / "none")
    with pytest.raises(ModelNotFound):
        legacy_header.read(tmp_path / "none")


@pytest.fixture(scope="module")
def heads(files):
    """The files' first parts and their sizes: what is behind is weights."""
    return {family: files[family].read_bytes() for family in ("starcoder", "llama", "gguf")}


@settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    family=st.sampled_from(["starcoder", "llama", "gguf"]),
    flips=st.lists(st.tuples(st.integers(0, 6000), st.integers(0, 255)), min_size=1, max_size=4),
)
def test_e2_no_change_of_bytes_gives_anything_but_an_answer(heads, tmp_path, family, flips):
    data = bytearray(heads[family])
    for at, value in flips:
        data[at] = value
    path = tmp_path / "changed.bin"
    path.write_bytes(data)
    started = time.perf_counter()
    try:
        legacy_header.read(path)
    except ModelRejected as refused:
        assert "\n" not in str(refused)  # noqa: PT017  either way is right
    assert time.perf_counter() - started < 2


def test_a_word_without_end_does_not_end_the_process():
    """The library's regular expressions recurse: a line of megabytes would overflow its stack."""
    words = Words([bytes([byte]) for byte in range(256)])
    assert len(words.tokenize(b"x" * 300_000)) == 300_000
