# SPDX-License-Identifier: Apache-2.0
"""`ghostwright context`: every field of the contract, a batch, one line for anything wrong."""

from __future__ import annotations

import json

import pytest

from lsp_server import cli

ANSWER = ["budget", "tokens", "build_ms", "segments"]
SEGMENT = ["role", "path", "start_line", "end_line", "text", "tokens", "score", "why"]
STORE = "class Store:\n    def fetch_row(self, key): ...\n    def purge(self, older_than): ...\n"
CLIENT = "from store import Store\n\n\ndef newest(store: Store):\n    return store.SAVED_ANSWER\n"


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.setenv("GHOSTWRIGHT_CACHE", str(tmp_path / "cache"))
    root = tmp_path / "project"
    root.mkdir()
    (root / "store.py").write_text(STORE)
    (root / "client.py").write_text(CLIENT)
    (root / "picture.py").write_bytes(b"\x89PNG\x00\x00" * 100)
    (root / "empty.py").write_bytes(b"")
    (root / ".env").write_text("KEY=1")
    return root


def run(capsys, *words):
    try:
        code = cli.main([str(word) for word in words])
    except SystemExit as usage:
        code = usage.code
    out, err = capsys.readouterr()
    return code, out, err


def test_context_gives_every_field_of_the_contract(capsys, project):
    where = f"{project}/client.py:5:18"
    code, out, _ = run(capsys, "context", where, "--budget", 300, "--json", "--root", project)
    assert code == 0
    answer = json.loads(out)
    assert [name for name in ANSWER if name not in answer] == []
    assert answer["budget"] == 300
    assert 0 < answer["tokens"] == sum(each["tokens"] for each in answer["segments"])
    for segment in answer["segments"]:
        assert [name for name in SEGMENT if name not in segment] == []
        assert segment["path"] != "client.py"
    assert "fetch_row" in "".join(each["text"] for each in answer["segments"])


def test_people_see_pieces_with_reasons(capsys, project):
    code, out, err = run(
        capsys, "context", f"{project}/client.py:5:18", "--budget", 300, "--root", project
    )
    assert code == 0
    assert "# definition store.py:1-3 (" in out
    assert "type of store" in out
    assert " of 300 tokens, " in err


def test_a_batch_answers_each_line_with_its_id(capsys, project, tmp_path):
    """A bad line costs its own answer; unsaved text replaces the saved one everywhere."""
    cut = CLIENT.replace("SAVED_ANSWER", "")
    base = {"root": str(project), "path": "client.py", "line": 5, "col": 18, "budget": 4000}
    questions = [
        {"id": "saved", **base},
        {"id": "unsaved", **base, "text": cut},
        {"id": "else", **base, "path": "store.py", "line": 1, "col": 1},
        {"id": "none", **base, "budget": 0},
        {"id": "past", **base, "line": 99},
        {"id": "out", **base, "path": "../secret.py"},
        {"id": "secret", **base, "path": ".env", "line": 1, "col": 1},
        {"id": "binary", **base, "path": "picture.py", "line": 1, "col": 1},
        {"id": "text", **base, "text": 3},
        {"id": "budget", **base, "budget": -1},
        {"id": "root", **base, "root": str(project / "missing")},
    ]
    file = tmp_path / "questions.jsonl"
    file.write_text("".join(json.dumps(each) + "\n" for each in questions) + "not json\n\n")
    code, out, _ = run(capsys, "context", "--batch", file)
    answers = {answer["id"]: answer for answer in map(json.loads, out.splitlines())}
    assert code == 1
    assert len(out.splitlines()) == len(questions) + 1
    good = {"saved", "unsaved", "else", "none"}
    assert {name for name, answer in answers.items() if "error" not in answer} == good
    assert all("\n" not in answer.get("error", "") for answer in answers.values())
    assert answers["none"]["segments"] == []
    assert "SAVED_ANSWER" not in json.dumps([answers["saved"], answers["unsaved"]])
    assert "SAVED_ANSWER" in json.dumps(answers["else"])


@pytest.mark.parametrize("text", ["", "def (((", "\n" * 200 + "x"], ids=["empty", "broken", "long"])
def test_odd_buffers_have_a_valid_answer(capsys, project, tmp_path, text):
    question = {"id": 1, "root": str(project), "path": "client.py", "line": 1, "col": 1}
    file = tmp_path / "questions.jsonl"
    file.write_text(json.dumps({**question, "budget": 10**6, "text": text}) + "\n")
    code, out, _ = run(capsys, "context", "--batch", file)
    assert code == 0
    assert json.loads(out)["tokens"] <= 10**6


WRONG = {
    "no place": ("context", "--budget", "10"),
    "no budget": ("context", "{root}/client.py:1:1"),
    "no such batch": ("context", "--batch", "{root}/missing.jsonl"),
    "excluded": ("context", "{root}/.env:1:1", "--budget", "10"),
    "empty": ("context", "{root}/picture.py:1:1", "--budget", "10"),
}


@pytest.mark.parametrize("words", WRONG.values(), ids=WRONG.keys())
def test_what_is_wrong_takes_one_line(capsys, project, words):
    code, out, err = run(capsys, *[word.format(root=project) for word in words])
    assert (code, out) == (1, "")
    said = [line for line in err.splitlines() if line.startswith("ghostwright: ")]
    assert len(said) == 1
    assert "Traceback" not in err
