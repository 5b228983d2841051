# SPDX-License-Identifier: Apache-2.0
"""`ghostwright ask`: it streams, it prints JSON at the end, and one line for anything wrong."""

from __future__ import annotations

import io
import json

import pytest

from engine.fake import FakeEngine
from engine.layout import layouts
from lsp_server import cli
from lsp_server.commands import ask as command
from lsp_server.commands import workplace

SAID = "Faulty function: low (a.py:1)\nIt is in `low`, not in gone.py:1.\n"
TRACE = 'Traceback (most recent call last):\n  File "/x/a.py", line 2, in low\nKeyError: 1\n'


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.setenv("GHOSTWRIGHT_CACHE", str(tmp_path / "cache"))
    (tmp_path / "cache").mkdir()
    root = tmp_path / "project"
    root.mkdir()
    (root / "a.py").write_text("def low():\n    return {}[1]\n\n\ndef high():\n    return low()\n")
    (root / ".env").write_text("KEY=1")
    (tmp_path / "trace.txt").write_text(TRACE)
    monkeypatch.chdir(root)
    return root


@pytest.fixture
def model(monkeypatch):
    """A model that says the same to everything, and the prompts that it got."""
    prompts = []

    def answer(prompt):
        prompts.append(prompt)
        return [SAID[at : at + 3] for at in range(0, len(SAID), 3)]

    async def with_model(session):
        engine = FakeEngine(answer, layout=layouts()["chatml"], context_tokens=65_536)
        await workplace.with_model(session, lambda: engine)

    monkeypatch.setattr(command, "with_model", with_model)
    return prompts


def run(capsys, *words):
    try:
        code = cli.main(["ask", *(str(word) for word in words)])
    except SystemExit as usage:
        code = usage.code
    out, err = capsys.readouterr()
    return code, out, err


@pytest.mark.usefixtures("model")
def test_an_answer_streams_to_the_terminal(capsys, project):
    code, out, err = run(capsys, "Where is the error?", "--root", project)
    assert code == 0
    assert out == (
        "Faulty function: low (a.py:1)\nIt is in `low`, not in [struck: no such file].\n"
    )
    assert "1 places cited, 1 struck out" in err


@pytest.mark.usefixtures("model")
def test_json_has_every_field_of_the_contract(capsys, project):
    code, out, err = run(capsys, "What breaks?", f"{project}/a.py:1", "--json")
    assert code == 0
    answer = json.loads(out)
    fields = ["answer", "citations", "segments", "model", "total_ms", "struck"]
    assert [name for name in fields if name not in answer] == []
    assert answer["answer"] in err, "people see it grow meanwhile"
    assert answer["citations"][0] == {"path": "a.py", "line": 1, "symbol": "low", "exists": True}
    assert {"asked about", "uses low at line 6"} <= {each["why"] for each in answer["segments"]}


@pytest.mark.parametrize("given", ["file", "stdin"])
def test_a_trace_from_a_file_or_from_stdin(capsys, project, model, monkeypatch, given):
    monkeypatch.setattr("sys.stdin", io.StringIO(TRACE))
    name = project.parent / "trace.txt" if given == "file" else "-"
    code, out, _ = run(capsys, "Why?", "--trace", name, "--json", "--root", project)
    assert code == 0
    answer = json.loads(out)
    assert answer["faulty"] == {"path": "a.py", "line": 2, "symbol": "low", "exists": True}
    assert answer["answer"].startswith("Faulty function: low (a.py:2)\n\nIt is in `low`")
    assert "KeyError: 1" in model[0]


@pytest.mark.parametrize(
    ("words", "code", "reason"),
    [
        ([""], 1, "there is no question"),
        (["Why?", "a.py"], 2, "is not FILE:LINE"),
        (["Why?", "a.py:0"], 2, "is not FILE:LINE"),
        (["Why?", "a.py:99"], 1, "past the end"),
        (["Why?", "gone.py:1"], 1, "no such file"),
        (["Why?", ".env:1"], 1, "holds secrets"),
        (["Why?", "--trace", "gone.txt"], 1, "gone.txt"),
        (["Why?", "--trace", "a.py"], 1, "no stack trace"),
        ([], 2, "QUESTION"),
    ],
)
@pytest.mark.usefixtures("model", "project")
def test_bad_input_gives_one_line(capsys, words, code, reason):
    got, out, err = run(capsys, *words)
    assert (got, out) == (code, "")
    assert reason in err
    assert "Traceback" not in err


def test_without_a_model_it_says_how_to_get_one(capsys, project, monkeypatch):
    code, _, err = run(capsys, "Why?", "--root", project)
    assert code == 1
    assert "ghostwright setup" in err
