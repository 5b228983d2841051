# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: RUF001  special tokens of DeepSeek have wide bars in their names
"""Which layout a model gets, and that none of it comes from the model's file."""

from __future__ import annotations

import pytest

from engine import catalogue
from engine.layout import PREFIX_ONLY, detect, layouts

QWEN = ("<|repo_name|>", "<|file_sep|>", "<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>")
TURNS = ("<|im_start|>", "<|im_end|>")
VOCABULARIES = [
    ("Qwen2.5-Coder", "qwen", (*QWEN, *TURNS)),
    ("StarCoder2", "starcoder2", layouts()["starcoder2"].specials),
    (
        "Granite Code, StarCoder",
        "granite",
        ("<fim_prefix>", "<fim_middle>", "<fim_suffix>", "<fim_pad>", "<filename>", "<reponame>"),
    ),
    (
        "DeepSeek-Coder",
        "deepseek-coder",
        ("<｜begin▁of▁sentence｜>", "<｜fim▁hole｜>", "<｜fim▁begin｜>", "<｜fim▁end｜>"),
    ),
    ("Codestral", "codestral", ("<s>", "</s>", "[INST]", "[PREFIX]", "[SUFFIX]", "[MIDDLE]")),
    ("CodeLlama", "codellama", ("<s>", "</s>", "▁<PRE>", "▁<SUF>", "▁<MID>", "▁<EOT>")),
    (
        "Kimi K2",
        "kimi",
        ("<|im_system|>", "<|im_user|>", "<|im_assistant|>", "<|im_middle|>", "<|im_end|>"),
    ),
    ("a chat model", "chatml", ("<|endoftext|>", *TURNS)),
    ("Llama 3", None, ("<|begin_of_text|>", "<|start_header_id|>", "<|eot_id|>")),
    ("half of Qwen's", None, QWEN[:4]),
    ("nothing", None, ()),
]


@pytest.mark.parametrize(
    ("layout", "specials"), [row[1:] for row in VOCABULARIES], ids=[row[0] for row in VOCABULARIES]
)
def test_an_unknown_file_gets_the_layout_of_its_vocabulary(layout, specials):
    assert detect(lambda name: 7 if name in specials else None) == layout


@pytest.mark.parametrize("row", catalogue.load().values(), ids=lambda row: row.id)
def test_every_model_of_the_catalogue_has_a_layout(row):
    assert row.layout in layouts()


def test_only_families_trained_on_repositories_have_their_form():
    assert [name for name, layout in layouts().items() if layout.repository] == [
        "qwen",
        "starcoder2",
    ]
    assert [name for name, layout in layouts().items() if layout.is_chat] == ["kimi", "chatml"]


@pytest.mark.parametrize("layout", layouts().values(), ids=lambda layout: layout.name)
def test_a_layout_is_sound(layout):
    slots = [item.value for item in layout.prompt if item.kind == "slot"]
    piece = [item.value for item in layout.piece if item.kind == "slot"]
    assert slots.count("pieces") == 1
    assert slots.count("suffix") == (layout.name != PREFIX_ONLY)
    assert ("prefix" in slots) != ({"lines", "answer"} <= set(slots))
    assert piece in (["path", "text"], ["path", "block"])
    assert slots[-1] != "suffix" or layout.prompt[-1].kind == "special"
