# SPDX-License-Identifier: Apache-2.0
"""`ghostwright refactor`: what it prints, exit codes, files written all or none (I3, I10)."""

from __future__ import annotations

import json
import os
from functools import partial
from pathlib import Path

import pytest

from engine.fake import FakeEngine
from engine.layout import layouts
from engine.types import ModelNotFound
from indexer.policy import Policy
from lsp_server import cli
from lsp_server.actions import ground
from lsp_server.actions.types import FileChange, Refused
from lsp_server.commands import refactor, workplace, writing

LONG = "def is_on(x):\n    if x:\n        return True\n    else:\n        return False\n"
GOOD = "def is_on(x):\n    if x:\n        return True\n    return False\n"
SIMPLIFY = "refactor.rewrite.simplify"
CONTRACT = ["action", "diff", "files", "checks", "accepted", "model", "total_ms"]
CONTEXT_TOKENS = 65_536  # of bytes


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "project"
    root.mkdir()
    (root / ".git").mkdir()
    (root / "a.py").write_bytes(LONG.replace("\n", "\r\n").encode("utf-8-sig"))
    (root / "b.py").write_text("from a import is_on\n\nprint(is_on(1))\n")
    return root


@pytest.fixture
def model(monkeypatch):
    """What the model answers, one text a question; None: there is no model."""

    def say(*answers):
        rest = list(answers)

        def load():
            if answers == (None,):
                raise ModelNotFound("no model on this machine yet; run: ghostwright setup")
            layout = layouts()["chatml"]
            answer = lambda _: [rest.pop(0)] if rest else []  # noqa: E731
            return FakeEngine(answer, layout=layout, context_tokens=CONTEXT_TOKENS)

        monkeypatch.setattr(refactor, "with_model", partial(workplace.with_model, load=load))

    return say


def run(capsys, *words) -> tuple[int, str, str]:
    try:
        code = cli.main(["refactor", *map(str, words)])
    except SystemExit as usage:
        code = usage.code
    return code, *capsys.readouterr()


def test_it_prints_a_diff_and_a_report_and_writes_nothing(capsys, root, model):
    model(GOOD)
    before = (root / "a.py").read_bytes()
    code, out, err = run(capsys, f"{root}/a.py:2:5-3:9", "--action", SIMPLIFY)
    assert code == 0, err
    assert (root / "a.py").read_bytes() == before
    lines = err.splitlines()
    assert [line for line in lines if line.startswith("ok ")]
    assert lines[-1].startswith("accepted after")
    assert out.startswith("--- a/a.py\n+++ b/a.py\n@@ ")
    assert "\n-    else:\r\n" in out


def test_apply_writes_and_json_has_every_field_of_the_contract(capsys, root, model):
    model(GOOD)
    (root / "a.py").chmod(0o640)
    code, out, err = run(capsys, f"{root}/a.py:2:5", "--action", SIMPLIFY, "--apply", "--json")
    assert code == 0, err
    record = json.loads(out)
    assert [name for name in CONTRACT if name not in record] == []
    assert (record["accepted"], record["files"], record["rounds"]) == (True, ["a.py"], 1)
    assert all(set(check) == {"name", "passed", "detail"} for check in record["checks"])
    assert (root / "a.py").read_bytes() == GOOD.replace("\n", "\r\n").encode("utf-8-sig")
    assert (root / "a.py").stat().st_mode & 0o777 == 0o640
    assert sorted(path.name for path in root.iterdir()) == [".git", "a.py", "b.py"]


def test_what_needs_no_model_works_without_one_over_files(capsys, root, model):
    model(None)
    where, kind = f"{root}/a.py:1:5", "refactor.rewrite.rename"
    words = (where, "--action", kind, "--instruction", "is_set", "--apply")
    code, out, err = run(capsys, *words)
    assert code == 0, err
    assert "+++ b/b.py" in out
    assert (root / "b.py").read_text() == "from a import is_set\n\nprint(is_set(1))\n"
    assert (root / "a.py").read_bytes().startswith(b"\xef\xbb\xbfdef is_set(x):\r\n")


def test_a_refused_answer_is_one_line_and_exit_code_1(capsys, root, model):
    model(*["def other(x):\n    return x\n"] * 3)
    words = (f"{root}/a.py:2:5", "--action", SIMPLIFY, "--apply", "--json")
    before = (root / "a.py").read_bytes()
    code, out, err = run(capsys, *words)
    assert code == 1
    assert json.loads(out)["accepted"] is False
    assert json.loads(out)["rounds"] == 3
    assert err.splitlines()[-1].startswith("ghostwright: ")
    assert (root / "a.py").read_bytes() == before


@pytest.mark.parametrize(
    ("words", "code", "line"),
    [
        ("a.py:1:1 --action refactor.move", 2, "invalid choice"),
        ("a.py --action " + SIMPLIFY, 2, "is not FILE:L1:C1-L2:C2"),
        ("a.py:0:1-2:2 --action " + SIMPLIFY, 2, "is not FILE:L1:C1-L2:C2"),
        ("a.py:1:1", 2, "--action"),
        ("a.py:99:1 --action " + SIMPLIFY, 1, "line 99 is past the end"),
        ("none.py:1:1 --action " + SIMPLIFY, 1, "no such file"),
        ("a.py:2:5 --action " + SIMPLIFY, 1, "no model on this machine yet"),
    ],
)
def test_what_cannot_be_done_is_one_line(capsys, root, model, monkeypatch, words, code, line):
    model(None)
    monkeypatch.chdir(root)
    found, _, err = run(capsys, *words.split())
    assert found == code
    assert line in err
    assert "Traceback" not in err


def test_ends_may_be_given_in_any_order():
    there = refactor.parse_span("/x/a:b-1:2.py:9:4-3:1")
    assert there == refactor.Span(Path("/x/a:b-1:2.py"), (3, 1), (9, 4))
    assert refactor.parse_span("/x/a.py:3:1").end == (3, 1)


# --- writing ---

STORED = {
    "latin-1": ("# caf\xe9 \xfcber na\xefve\nx = 1\n", "latin-1"),
    "UTF-16 with its mark": ("x = '\u4e2d'\r\n", "utf-16"),
    "UTF-8 with its mark": ("x = '\u4e2d'\r\n", "utf-8-sig"),
    "plain": ("x = 1\n", "utf-8"),
}


def looked_at(root: Path, changes) -> list[ground.Held]:
    return ground.held(changes, root, Policy.load([root], ()), {})


@pytest.mark.parametrize(("text", "encoding"), STORED.values(), ids=STORED)
def test_I3_a_file_keeps_its_encoding_its_mark_and_its_mode(tmp_path, text, encoding):
    file = tmp_path / "a.py"
    file.write_bytes(text.encode(encoding))
    file.chmod(0o751)
    after = text.replace("x = ", "y = ")
    writing.write_all(looked_at(tmp_path, [FileChange("a.py", text, after)]))
    assert file.read_bytes() == after.encode(encoding)
    assert file.stat().st_mode & 0o777 == 0o751
    assert list(tmp_path.iterdir()) == [file]


def test_I3_a_character_that_the_encoding_has_not_changes_nothing(tmp_path):
    text, encoding = STORED["latin-1"]
    (tmp_path / "a.py").write_bytes(text.encode(encoding))
    change = FileChange("a.py", text, text + "# \u4e2d\n")
    with pytest.raises(Refused, match="which has no"):
        writing.write_all(looked_at(tmp_path, [change]))
    assert (tmp_path / "a.py").read_bytes() == text.encode(encoding)


FOUR = [
    FileChange("a.py", "a = 1\n", "a = 2\n"),
    FileChange("new/deep/b.py", None, "b = 2\n"),
    FileChange("c.py", "c = 1\n", "c = 2\n"),
    FileChange("d.py", "d = 1\n", "d = 2\n"),
]


def tree(root: Path) -> dict[str, bytes]:
    found = {p.relative_to(root).as_posix(): p for p in root.rglob("*")}
    return {name: p.read_bytes() if p.is_file() else b"" for name, p in found.items()}


@pytest.mark.parametrize("broken", range(12))
@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_I10_all_files_or_none(tmp_path, monkeypatch, call, broken):
    for change in FOUR:
        if change.before is not None:
            (tmp_path / change.path).write_text(change.before)
    before, calls = tree(tmp_path), 0
    files = looked_at(tmp_path, FOUR)
    owner = os if call == "fsync" else Path
    real = getattr(owner, call)

    def failing(*arguments):
        nonlocal calls
        calls += 1
        if calls == broken + 1:
            raise OSError(28, "No space left on device")
        return real(*arguments)

    monkeypatch.setattr(owner, call, failing)
    try:
        writing.write_all(files)
    except OSError:
        assert tree(tmp_path) == before
    else:
        assert calls <= broken, "a failure was not heard"
        assert {n: d for n, d in tree(tmp_path).items() if d} == {
            change.path: change.after.encode() for change in FOUR
        }


def test_what_changed_since_it_was_read_is_not_written_over(tmp_path):
    (tmp_path / "a.py").write_text("a = 1\n")
    files = looked_at(tmp_path, FOUR[:1])
    (tmp_path / "a.py").write_text("a = 9\n")
    with pytest.raises(Refused, match="changed meanwhile"):
        writing.write_all(files)
    with pytest.raises(Refused, match="changed meanwhile"):
        looked_at(tmp_path, FOUR[:1])
    assert (tmp_path / "a.py").read_text() == "a = 9\n"


@pytest.mark.parametrize(
    ("path", "before", "reason"),
    [
        ("../a.py", None, "outside|traversal"),
        (".git/hooks/pre-commit", None, "version control"),
        (".env", None, "secrets"),
        ("link.py", "x = 1\n", "workspace|link"),
        ("there.py", None, "exists already"),
        ("gone.py", "x = 1\n", "no such file"),
    ],
)
def test_S6_nothing_is_written_where_nothing_may_be(tmp_path, path, before, reason):
    root = tmp_path / "project"
    root.mkdir()
    (root / "there.py").write_text("x = 1\n")
    (tmp_path / "outside.py").write_text("x = 1\n")
    (root / "link.py").symlink_to(tmp_path / "outside.py")
    with pytest.raises(Refused, match=reason):
        looked_at(root, [FileChange(path, before, "y = 1\n")])


def test_the_same_file_twice_is_refused(tmp_path):
    (tmp_path / "a.py").write_text("a = 1\n")
    with pytest.raises(Refused, match="twice"):
        looked_at(tmp_path, [FOUR[0], FOUR[0]])
