# SPDX-License-Identifier: Apache-2.0
"""The command line: what it prints, its exit codes, and one line for anything that is wrong."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from engine import catalogue, tuning
from engine.types import EngineInfo
from lsp_server import cli
from lsp_server.commands import setup
from lsp_server.settings import user_file

CONTRACT = [
    "text",
    "model",
    "prompt_tokens",
    "cached_tokens",
    "evaluated_tokens",
    "decoded_tokens",
    "ttft_ms",
    "total_ms",
    "stopped_by",
    "rules",
    "segments",
]
SEGMENT = ["role", "path", "start_line", "end_line", "tokens", "score", "why"]


def run(capsys, *words) -> tuple[int, str, str]:
    try:
        code = cli.main([str(word) for word in words])
    except SystemExit as usage:
        code = usage.code
    out, err = capsys.readouterr()
    return code, out, err


@pytest.fixture
def project(tmp_path):
    root = tmp_path / "project"
    root.mkdir()
    (root / "a.py").write_text("def add(a, b):\n    return \n\n\nprint(add(1, 2))\n")
    (root / "picture.py").write_bytes(b"\x89PNG\x00\x00" * 100)
    (root / ".env").write_text("KEY=1")
    return root


@pytest.mark.model
def test_complete_gives_every_field_of_the_contract(capsys, starter_cache, project):
    code, out, err = run(capsys, "complete", f"{project}/a.py:2:12", "--json", "--max-tokens", 12)
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert [name for name in CONTRACT if name not in found] == []
    assert found["text"].startswith("a + b")
    assert found["decoded_tokens"] <= 12
    assert all(set(SEGMENT) == set(segment) for segment in found["segments"])
    assert {s["path"] for s in found["segments"] if s["path"]} == {"a.py"}


@pytest.mark.parametrize(
    ("words", "code", "line"),
    [
        ("complete a.py:99:1", 1, "line 99 is past the end: the file has 6 lines"),
        ("complete a.py:1:99", 1, "column 99 is past the end of line 1"),
        ("complete none.py:1:1", 1, "none.py: no such file"),
        ("complete picture.py:1:1", 1, "picture.py: not text"),
        ("complete .env:1:1", 1, ".env: a kind of file that holds secrets"),
        ("complete ../other.py:1:1 --root {root}", 1, "other.py: outside the workspace"),
        ("complete a.py:1:1", 1, "no model on this machine yet; run: ghostwright setup"),
        ("complete a.py", 2, "a.py is not FILE:LINE:COL"),
        ("complete a.py:0:1", 2, "is not FILE:LINE:COL"),
        ("complete a.py:1:1 --budget 0", 2, "0 is not a whole number above 0"),
        ("models pull qwen9", 1, "no model 'qwen9' in the catalogue"),
        ("models verify qwen2.5-coder-0.5b", 1, "ghostwright"),
        ("models pull qwen2.5-coder-0.5b --from a.py", 1, "a.py"),
        ("models plan qwen9", 1, "no model 'qwen9' in the catalogue"),
        ("models plan a.py", 1, "is not a GGUF file"),
        ("models plan none.gguf", 1, "none.gguf: no such file"),
        ("models plan kimi-k2 --ram much", 2, "much is not a number of gigabytes"),
        ("models plan kimi-k2 --ram nan", 2, "nan is not a number of gigabytes"),
        ("models plan kimi-k2 --vram -1", 2, "-1 is not a number of gigabytes"),
        ("models plan kimi-k2 --context 0", 2, "0 is not a number of tokens"),
        ("setup --model nothing", 1, "no model 'nothing' in the catalogue"),
        ("setup", 1, "nothing was fetched: say --yes"),
        ("serve --tcp nowhere", 1, "nowhere is not HOST:PORT"),
        ("serve --tcp 192.0.2.1:1", 1, "192.0.2.1 is not of this machine"),
        ("serve --tcp 0.0.0.0:1", 1, "0.0.0.0 is not of this machine"),
        ("dance", 2, "invalid choice"),
        ("", 2, "COMMAND"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    capsys, monkeypatch, tmp_path, project, words, code, line
):
    monkeypatch.setenv("GHOSTWRIGHT_CACHE", str(tmp_path / "empty-cache"))
    monkeypatch.chdir(project)
    (tmp_path / "other.py").write_text("a = 1\n")
    got, out, err = run(capsys, *words.format(root=project).split())
    assert got == code
    assert out == ""
    assert line in err.splitlines()[-1]
    if code == 1:
        said = [text for text in err.splitlines() if text.startswith("ghostwright: ")]
        assert len(said) == 1
        assert "Traceback" not in err


def test_models_list_names_every_row(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("GHOSTWRIGHT_CACHE", str(tmp_path))
    code, out, _ = run(capsys, "models", "list", "--json")
    assert code == 0
    assert [row["id"] for row in json.loads(out)] == list(catalogue.load())
    assert all(row["path"] is None for row in json.loads(out))


PLANS = [
    # arguments, context, KV, experts, words of the text
    ("qwen3-coder-30b-a3b --ram 64", 131_072, "f16", "cpu", "Experts: cpu"),
    ("qwen3-coder-30b-a3b --ram 64 --context 8192", 8192, "f16", "cpu", "16,384 in all slots"),
    ("qwen3-coder-30b-a3b --ram 26 --context 65536", 65_536, "q8_0", "cpu", "in q8_0"),
    ("qwen3-coder-30b-a3b --ram 32 --vram 12 --context 8192", 8192, "f16", "cpu and gpu", "=CPU"),
    ("kimi-k2 --ram 640 --vram 24 --context 65536", 65_536, "f16", "cpu", "stay off the GPU"),
    ("qwen3.5-2b --ram 8 --context 1000000", 262_144, "q8_0", "no experts", "MB a slot"),
    ("qwen3-coder-480b-a35b --ram 64 --vram 24", None, "", "", "remote.url"),
    ("kimi-k2 --ram 64", None, "", "", "It does not fit"),
]


@pytest.mark.parametrize(("words", "context", "kv", "experts", "said"), PLANS)
def test_a_plan_says_what_fits_of_a_model_that_is_not_here(
    capsys, monkeypatch, tmp_path, words, context, kv, experts, said
):
    monkeypatch.setenv("GHOSTWRIGHT_CACHE", str(tmp_path))
    code, out, err = run(capsys, "models", "plan", *words.split(), "--json")
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert found["source"] == "catalogue"
    assert found["weights_bytes"] == found["expert_bytes"] + found["other_bytes"]
    tokens = [rung["context_tokens"] for rung in found["ladder"]]
    assert tokens == sorted(tokens, reverse=True)
    assert len(found["needs"]) >= 2
    if context is None:
        assert found["plan"] is None
        assert "remote.url" in found["remote"]
    else:
        plan = found["plan"]
        assert (plan["context_tokens"], plan["kv_type"], plan["experts"]) == (context, kv, experts)
        assert plan["ram_bytes"] <= found["ram_bytes"]
    _, text, _ = run(capsys, "models", "plan", *words.split())
    assert said in text


@pytest.mark.model
def test_a_plan_of_a_file_reads_its_header(capsys, starter_model):
    code, out, _ = run(capsys, "models", "plan", starter_model, "--ram", "4", "--json")
    found = json.loads(out)
    assert code == 0
    assert found["source"] == str(starter_model)
    assert found["kv_bytes_per_token"] == {"f16": 12_288, "q8_0": 6_528}
    assert found["plan"]["context_tokens"] == 32_768


def test_doctor_names_what_is_missing(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("GHOSTWRIGHT_CACHE", str(tmp_path))
    code, out, _ = run(capsys, "doctor", "--json")
    lines = {line["name"]: line for line in json.loads(out)}
    assert code == 1
    assert not lines["model"]["ok"]
    assert "ghostwright setup" in lines["model"]["detail"]
    assert lines["machine"]["ok"]
    assert lines["cache"]["ok"]


@pytest.mark.model
def test_doctor_is_content_with_a_model(capsys, starter_cache):
    code, out, _ = run(capsys, "doctor")
    assert code == 0
    assert "problem" not in out
    assert re.search(r"model: .* GB at a context of 8,192 tokens", out)
    assert re.search(r"speed: reads [\d.]+ and writes [\d.]+ tokens a second", out)
    assert re.search(r"a prompt of up to [\d,]+ tokens was read before it \(.+\)", out)


@pytest.mark.model
def test_doctor_does_not_wish_beyond_the_window(capsys, starter_cache):
    """A wish above what the model can at all is capped, not planned for."""
    user_file().parent.mkdir(parents=True, exist_ok=True)
    user_file().write_text("contextTokens = 1000000\nkvType = 'q8_0'\n")
    try:
        code, out, _ = run(capsys, "doctor")
    finally:
        user_file().unlink()
    assert code == 0
    assert "at a context of 131,072 tokens, keys and values in q8_0" in out


@pytest.mark.model
def test_setup_tries_the_model_says_its_speed_and_remembers_it(capsys, starter_cache):
    user_file().parent.mkdir(parents=True, exist_ok=True)
    user_file().write_text('threads = 2\n[verify]\ntestCommand = "make"\n')
    try:
        words = ("setup", "--model", "qwen2.5-coder-0.5b", "--yes", "--json")
        code, out, _ = run(capsys, *words)
        text = user_file().read_text()
    finally:
        user_file().unlink()
    assert code == 0
    report = json.loads(out)
    assert report["prefill_per_s"] > 0
    assert report["prompt_tokens"] > 0
    assert report["new_tokens_per_key"] >= 0
    assert report["why"]
    assert report["deep_key_ms"] >= report["key_ms"] > 0
    assert report["tried"][0].startswith("without flash attention: ")
    assert tuning.find(Path(report["path"])).costs is not None, "kept for the next start"
    assert "8,192 tokens" in report["plan"]
    assert text == 'model = "qwen2.5-coder-0.5b"\nthreads = 2\n[verify]\ntestCommand = "make"\n'


@pytest.mark.parametrize(
    ("memory_gb", "cores", "expected"),
    [(4, 2, "qwen2.5-coder-0.5b"), (25, 2, "qwen2.5-coder-0.5b"), (16, 8, "qwen2.5-coder-1.5b")],
)
def test_setup_proposes_what_fits_and_is_quick_enough(memory_gb, cores, expected):
    proposed = setup.propose(int(memory_gb * 1e9), cores)
    assert proposed.total_parameters_b <= catalogue.find(expected).total_parameters_b * 3
    assert proposed.approx_gb <= memory_gb * setup.MEMORY_SHARE


@pytest.mark.parametrize(
    ("prefill", "decode", "tokens"), [(100.0, 16.0, 30), (36.0, 3.0, 0), (5.5, 4.0, 1), (0, 0, 0)]
)
def test_what_a_key_may_add_follows_from_the_speed(prefill, decode, tokens):
    info = EngineInfo("m", 8192, prefill, decode, "qwen")
    assert setup.new_tokens_per_key(info) == tokens


def test_the_command_starts_quickly_and_without_the_engine():
    """Imports of a `models list`: neither the protocol nor native code."""
    program = (
        "import sys; from lsp_server import cli; cli._parser('models');"
        "print([m for m in ('xllamacpp', 'pygls', 'lsprotocol') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_python_m_is_the_command():
    done = subprocess.run(
        [sys.executable, "-m", "lsp_server", "--version"],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    assert done.stdout.strip() == "0.1.0"
