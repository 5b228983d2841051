# SPDX-License-Identifier: Apache-2.0
"""Examples to train on: nobody else's code, no secret, no token in a text, two sides."""

import json
import os
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.estimate import estimate_tokens
from engine.layout import PREFIX_ONLY, layouts
from engine.layout import render as render_ids
from lsp_server import cli
from lsp_server.dataset import examples as making
from lsp_server.dataset.examples import ENDS, Example, cut
from lsp_server.dataset.licences import claim, own, reason
from lsp_server.dataset.packing import pack
from lsp_server.dataset.splits import held_out

MINE = "# SPDX-License-Identifier: Apache-2.0\n# Copyright 2024 Example Corp\n"
KEY = "AKIA" + "IOSFODNN7ABCDEFG"


def code(name, many=6):
    return "".join(
        f"def {name}_{n}(order, price):\n"
        f'    """Of {name}."""\n'
        f"    total = order.amount * price + {n}\n"
        f"    record(total, order.number, name='{name}')\n"
        f"    return total\n\n\n"
        for n in range(many)
    )


@pytest.fixture
def repository(tmp_path):
    root = tmp_path / "shop"
    files = {f"part{n}/mod{m}.py": MINE + code(f"f{n}{m}") for n in range(8) for m in range(3)}
    files |= {
        "LICENSE": "Apache License\nVersion 2.0\n\nCopyright 2024 Example Corp\n",
        "vendor/lib.py": code("lib"),
        "gpl.py": "# SPDX-License-Identifier: GPL-3.0-or-later\n" + code("gpl"),
        "other.py": "# SPDX-License-Identifier: Apache-2.0\n# Copyright 2020 Jane Doe\n"
        + code("j"),
        "closed.py": "# Proprietary and confidential. Do not distribute.\n" + code("closed"),
        "noai.py": MINE + "# This file may not be used for training of AI models.\n" + code("noai"),
        "token.py": MINE + code("token") + 'X = "<|fim_middle|>"\n',
        "twin.py": MINE + code("f00"),
        "keys.py": MINE + f'AWS = "{KEY}"\n' + code("keys"),
        ".env": f"SECRET={KEY}\n",
    }
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def commit(root):
    git = ["git", "-C", str(root), "-c", "user.name=n", "-c", "user.email=e@x"]
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "add", "part0", "part1", "part2", "part3"], check=True)
    old = {"GIT_COMMITTER_DATE": "2020-01-01T00:00:00", "GIT_AUTHOR_DATE": "2020-01-01T00:00:00"}
    subprocess.run([*git, "commit", "-qm", "old"], check=True, env=os.environ | old)
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "-qm", "new"], check=True)


def made(root, out, capsys, *more):
    assert cli.main(["dataset", str(root), "--out", str(out), "--json", *more]) == 0
    return json.loads(capsys.readouterr().out)


def lines(file):
    return [json.loads(line) for line in file.read_text("utf-8").splitlines()]


def test_a_repository_becomes_two_sides_without_what_is_not_its_own(repository, tmp_path, capsys):
    commit(repository)
    summary = made(repository, tmp_path / "out", capsys, "--held-out", "0.5")
    assert summary["left_out_files"] == {
        "closed.py": "forbids copying",
        "gpl.py": "foreign licence",
        "noai.py": "forbids training",
        "other.py": "foreign copyright",
        "token.py": "special tokens in its text",
        "twin.py": "the same as another",
        "vendor/lib.py": "vendored",
    }
    assert summary["own"] == {"licences": ["Apache"], "holders": ["example corp"]}
    assert summary["redacted_values"] == 1 and summary["not_read"] == {"secret": 1}
    train, held = (lines(tmp_path / "out" / f"{side}.jsonl") for side in ("train", "held-out"))
    sides = [{e["path"] for row in side for e in row["examples"]} for side in (train, held)]
    assert sides[0] and sides[1] and not sides[0] & sides[1], "no file is on both"
    assert set(summary["held_out_by"]) == {"directory", "time"}
    whole = (tmp_path / "out" / "train.jsonl").read_text() + (
        tmp_path / "out" / "held-out.jsonl"
    ).read_text()
    assert KEY not in whole and "Jane Doe" not in whole and "lib_" not in whole
    by_time = {e["path"] for row in held for e in row["examples"] if e["held_out_by"] == "time"}
    assert all(int(path[4]) > 3 for path in by_time if path.startswith("part")), "the newest"
    if os.name != "nt":
        assert (tmp_path / "out" / "train.jsonl").stat().st_mode & 0o077 == 0


def test_what_is_to_be_learned_is_the_text_that_was_cut_out(repository, tmp_path, capsys):
    made(repository, tmp_path / "out", capsys)
    rows = lines(tmp_path / "out" / "train.jsonl")
    assert rows
    for row in rows:
        assert len(row["learn"]) == len(row["examples"])
        at = 0
        for (start, end), example in zip(row["learn"], row["examples"], strict=True):
            prompt, answer = row["text"][at:start], row["text"][start:end]
            prefix, _, suffix = prompt.partition("<|fim_prefix|>")[2].partition("<|fim_suffix|>")
            suffix = suffix.removesuffix("<|fim_middle|>")
            middle = answer.removesuffix("<|endoftext|>")
            source = (repository / example["path"]).read_text().replace(KEY, "<redacted>")
            assert prefix + middle + suffix in source, "whole lines, in their place"
            assert answer != middle.rstrip() + "" and "<redacted>" not in middle
            assert prompt.startswith(f"<|repo_name|>shop\n<|file_sep|>{example['path']}\n")
            at = end
        assert at == len(row["text"])


def test_the_same_repository_gives_the_same_bytes(repository, tmp_path, capsys):
    one, two = (made(repository, tmp_path / name, capsys) for name in ("one", "two"))
    assert one == two
    for name in ("train.jsonl", "held-out.jsonl", "summary.json"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_nothing_to_learn_from_is_said_and_nothing_is_written(tmp_path, capsys):
    (tmp_path / "r").mkdir()
    (tmp_path / "r" / "a.txt").write_text("words\n")
    assert cli.main(["dataset", str(tmp_path / "r"), "--out", str(tmp_path / "out")]) == 1
    assert "nothing to learn from" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", sorted({*layouts()} - {PREFIX_ONLY}))
def test_every_layout_has_an_end_and_is_what_the_engine_sends(name):
    """As text here, as ids there: the same once the tokens are read."""
    layout = layouts()[name]
    slots = {"repository": "shop", "path": "a.py"}
    bodies = {"lines": "x = 1\n", "answer": "y = ", "prefix": "x = 1\ny = ", "suffix": "\nz\n"}
    text = making.render(layout, slots, bodies["prefix"], bodies["suffix"])

    class Names:
        """A vocabulary of characters, in which a special token is its name."""

        def __init__(self):
            self.known = {}

        def ids(self, given):
            return [*map(ord, given)]

        def special(self, given):
            return -self.known.setdefault(given, len(self.known) + 1)

    tokens = Names()
    parts = render_ids(layout.prompt, {**slots, **bodies}, tokens)
    found = [number for _, ids in parts for number in ids]
    back = {-number: given for given, number in tokens.known.items()}
    assert "".join(back[i] if i < 0 else chr(i) for i in found) == text
    assert ENDS[name]


HEADS = [
    ("# Copyright (c) 2019-2024, Example Corp. All rights reserved.\n", ""),
    ("// Copyright 2021 The Example Corp Authors\n// MIT License\n", "foreign licence"),
    ("/* SPDX-License-Identifier: MIT OR Apache-2.0 */\n", ""),
    ("/* SPDX-License-Identifier: (GPL-2.0-only WITH Linux-syscall-note) */\n", "foreign licence"),
    (" * GNU Lesser General\n * Public License\n", "foreign licence"),
    (
        "# Redistribution and use in source and binary\n# forms, with or without\n",
        "foreign licence",
    ),
    ("# CONFIDENTIAL - Example Corp\n", "forbids copying"),
    ("# no-ai\n", "forbids training"),
    (
        "# The use for machine learning is prohibited; no training of any model.\n",
        "forbids training",
    ),
    ("# (c) 2001 by Somebody Else <x@y.z>\n", "foreign copyright"),
    ("x = 1\n", ""),
    ("# trains are not planes; no model railway here\n", ""),
]


@pytest.mark.parametrize(("head", "why"), HEADS)
def test_heads_say_whose_a_file_is(head, why):
    mine = own([claim(MINE)] * 3, ["Apache License 2.0"])
    assert reason("a.py", claim(head), mine) == why


@pytest.mark.parametrize("path", ["vendor/a.py", "x/third_party/b.c", "node_modules/c.js"])
def test_folders_of_others_are_left_out(path):
    assert reason(path, claim(""), own([], [])) == "vendored"


def test_a_file_that_says_a_token_of_the_layout_is_not_trained_on():
    """S5: in training text is read with its special tokens."""
    qwen, codestral = layouts()["qwen"], layouts()["codestral"]
    assert making.says_a_token("x = '<|im_start|>'", qwen)
    assert making.says_a_token("[PREFIX]", codestral) and not making.says_a_token("[PREFIX]", qwen)


@given(st.lists(st.integers(1, 100), max_size=200))
def test_packs_are_never_too_full_and_lose_nothing(sizes):
    given_ = [Example("a.py", "python", "line", n, "", 0, size) for n, size in enumerate(sizes)]
    packs = pack(given_, 100)
    assert sorted(e for one in packs for e in one) == sorted(given_)
    assert all(0 < sum(e.tokens for e in one) <= 100 for one in packs)
    if len(packs) > 1:  # two packs that are half empty would have become one
        fills = sorted(sum(e.tokens for e in one) for one in packs)
        assert fills[0] + fills[1] > 100


@given(
    st.lists(st.text("ab/", min_size=1, max_size=8), unique=True, max_size=60), st.floats(0, 0.5)
)
def test_the_sides_are_told_by_folders_and_times(paths, share):
    times = {path: number for number, path in enumerate(paths[::2])}
    held = held_out(paths, times, share)
    assert held == held_out(reversed(paths), times, share)
    newest = [path for path, why in held.items() if why == "time"]
    if newest:
        oldest = min(times[path] for path in newest)
        rest = [times[path] for path in times if path not in held]
        assert all(time <= oldest for time in rest)


@pytest.mark.parametrize("tokens", [256, 600])
def test_examples_are_within_their_size_and_reproducible(tokens):
    text = MINE + code("big", 200)
    arguments = {"repository": "r", "layout": layouts()["qwen"], "tokens": tokens, "most": 20}
    found = list(cut("big.py", text, **arguments))
    assert found == list(cut("big.py", text, **arguments)) and len(found) == 20
    assert {example.kind for example in found} == {"line", "call", "body"}
    assert all(estimate_tokens(example.text) == example.tokens <= tokens for example in found)


def test_texts_of_many_bytes_are_cut_at_characters():
    text = "".join(f'def größe_{n}(länge):\n    return länge * "ß€😀{n}"\n\n\n' for n in range(30))
    found = list(cut("a.py", text, repository="r", layout=layouts()["qwen"], tokens=300, most=30))
    assert found and all("\ufffd" not in example.text for example in found)
