# SPDX-License-Identifier: Apache-2.0
"""From a change to keystrokes: every trace ends in the text that the change has made."""

from __future__ import annotations

import json
import subprocess
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lsp_server import cli
from lsp_server.replaying import functions, history
from lsp_server.replaying.keystrokes import Hunk, Pace, Typist, indent_unit
from lsp_server.replaying.trace import Buffer, Trace, Unusable, dump, load, played


def git(root, *words):
    subprocess.run(
        ["git", "-C", root, "-c", "user.name=a", "-c", "user.email=a@b", *words],
        check=True,
        capture_output=True,
    )


@pytest.fixture
def repository(tmp_path):
    root = tmp_path / "shop"
    root.mkdir()
    git(root, "init", "-q", "-b", "main")
    (root / "cart.py").write_text("import os\n\ndef total(items):\n    return sum(items)\n")
    (root / "logo.bin").write_bytes(b"\0\1")
    (root / ".env").write_text("KEY=hunter2\n")
    (root / "old.py").write_text("a = 1\n" * 20)
    git(root, "add", "-A")
    git(root, "commit", "-qm", "one")
    (root / "cart.py").write_text(
        "import os\n\ndef total(items, tax):\n"
        "    if tax:\n        return 0\n\n    return sum(items)\n"
    )
    (root / "logo.bin").write_bytes(b"\0\2")
    (root / ".env").write_text("KEY=hunter3\n")
    (root / "fresh.py").write_text("x = 1\n")
    git(root, "mv", "old.py", "new.py")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "two")
    return root


def traced(capsys, *words):
    code = cli.main(["trace", *map(str, words)])
    out, err = capsys.readouterr()
    return code, out, err


def as_trace(tmp_path, text):
    path = tmp_path / "some.jsonl"
    path.write_text(text)
    return load(path)


def final(trace):
    texts = {}
    for key, buffer, _ in played(trace):
        texts[key.path] = buffer
    return {path: buffer.text for path, buffer in texts.items()}


def test_a_commit_is_typed_and_ends_as_it_was_committed(capsys, repository, tmp_path):
    code, out, err = traced(capsys, repository, "HEAD")
    assert code == 0
    trace = as_trace(tmp_path, out)
    assert final(trace) == {
        "cart.py": (repository / "cart.py").read_text(),
        "fresh.py": "x = 1\n",
    }
    assert trace.files["fresh.py"] is None
    assert "new.py: renamed; left out" in err
    assert "logo.bin: not text; left out" in err
    assert "hunter" not in out, "S1: a file of secrets was traced"


def test_keys_are_what_a_person_would_press(capsys, repository, tmp_path):
    _, out, _ = traced(capsys, repository, "HEAD", "--files", "cart.py", "--pause", "1")
    keys = as_trace(tmp_path, out).keys
    assert "".join(key.text for key in keys if key.hunk == 0) == ", tax"
    second = [key.text for key in keys if key.hunk == 1]
    # Enter behind the line above brings its indentation, `:` one step more.
    assert second[0] == "\n    " and "\n        " in second
    assert keys[1].at_s - keys[0].at_s == pytest.approx(1 / 8)
    gaps = [b.at_s - a.at_s for a, b in pairwise(keys) if a.hunk != b.hunk]
    assert gaps == [pytest.approx(1 + 1 / 8)]


def test_the_first_commit_is_typed_from_nothing(capsys, repository, tmp_path):
    _, out, _ = traced(capsys, repository, "HEAD~1", "--files", "cart.py")
    trace = as_trace(tmp_path, out)
    assert trace.parent == "" and trace.files == {"cart.py": None}
    assert final(trace)["cart.py"].startswith("import os\n")


def test_the_repository_is_not_touched(capsys, repository):
    def state():
        files = sorted(path for path in repository.rglob("*") if path.is_file())
        return [(path, path.stat().st_mtime_ns, path.read_bytes()) for path in files]

    before = state()
    assert traced(capsys, repository, "HEAD")[0] == 0
    commit = history.find(repository, "HEAD")
    folder = repository.parent / "copy"
    folder.mkdir()
    history.write_tree(repository, commit.parent, folder)
    assert (folder / "old.py").exists() and not (folder / "new.py").exists()
    assert state() == before


WRONG = {
    "no repository": (("{tmp}", "HEAD"), "is not a git repository"),
    "no commit": (("{repo}", "nothing"), "is not a commit"),
    "an option": (("{repo}", "--", "--all"), "is not a commit"),
    "no such file": (("{repo}", "HEAD", "--files", "*.rs"), "has no text to type"),
    "only binary": (("{repo}", "HEAD", "--files", "logo.bin"), "has no text to type"),
    "neither": (("{repo}",), "one of them"),
    "no function": (("{repo}", "--function", "cart.py:nope"), "has no function nope"),
    "outside": (("{repo}", "--function", "../x.py:nope"), "traversal"),
    "secret": (("{repo}", "--function", ".env:nope"), "never read"),
}


@pytest.mark.parametrize(("words", "said"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_takes_one_line(capsys, repository, tmp_path, words, said):
    filled = [word.format(repo=repository, tmp=tmp_path) for word in words]
    code, out, err = traced(capsys, *filled)
    lines = [line for line in err.splitlines() if line.startswith("ghostwright: ")]
    assert (code, out) == (1, "")
    assert len(lines) == 1 and said in lines[0]
    assert "Traceback" not in err


def test_a_merge_names_itself(capsys, repository):
    git(repository, "checkout", "-qb", "side", "HEAD~1")
    (repository / "side.py").write_text("s = 1\n")
    git(repository, "add", "-A")
    git(repository, "commit", "-qm", "side")
    git(repository, "merge", "-q", "--no-edit", "main")
    code, _, err = traced(capsys, repository, "HEAD")
    assert code == 1 and "a merge of 2 commits" in err


def test_a_shallow_clone_does_not_pretend_to_have_a_first_commit(capsys, repository, tmp_path):
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "-q", "--depth", "1", repository.as_uri(), clone)
    code, _, err = traced(capsys, clone, "HEAD")
    assert code == 1 and "shallow" in err


# -- any change ---------------------------------------------------------------------------------

LINES = st.lists(
    st.sampled_from(["a = 1", "    b(", "\tc:", "", "  ", "    }", "        d", "é😀 x", "if x:"]),
    max_size=8,
)
ENDS = st.sampled_from(["\n", "\r\n"])


@given(LINES, LINES, ENDS, ENDS, st.booleans(), st.sampled_from(["editor", "typed"]))
def test_any_block_becomes_any_other(old, new, old_end, new_end, closed, indent):
    before = "top\n" + old_end.join(old) + "\nlast\n"
    after = "top\n" + new_end.join(new) + "\nlast" + "\n" * closed
    sizes = [len(Buffer(text).lines) for text in (before, after)]
    typist = Typist(Pace(indent=indent))
    typist.change("a.py", before, after, [Hunk((1, sizes[0]), (1, sizes[1]))])
    trace = Trace("", "", "", {"a.py": before}, tuple(typist.keys))
    assert final(trace).get("a.py", before) == after
    assert all(key.removed or key.text for key in trace.keys)
    assert all(
        len(key.text) == 1 or key.text == "\r\n"
        for key in trace.keys
        if key.text and indent == "typed"
    )


FUNCTIONS = [
    ("a.py", "class A:\n    def f(self):\n        return 1\n\nx = 2\n", "A.f", "        return 1"),
    ("a.py", "def f(): return 1\n", "f", "return 1"),
    ("a.ts", "function f(a: number) {\n  return a;\n}\n", "f", "  return a;"),
    ("a.go", "package a\n\nfunc F() int {\n\treturn 1\n}\n", "F", "\treturn 1"),
]


@pytest.mark.parametrize(("path", "text", "name", "body"), FUNCTIONS)
@pytest.mark.parametrize("indent", ["editor", "typed"])
def test_a_function_is_emptied_and_typed_again(path, text, name, body, indent):
    hole = functions.empty(path, text, name)
    assert hole.body == body
    typist = Typist(Pace(indent=indent))
    typist.fill(path, hole.before, hole.body, hole.place)
    trace = Trace("", "", "", {path: hole.before}, tuple(typist.keys))
    assert final(trace) == {path: text}
    if indent == "typed":
        assert len(trace.keys) == len(body)


def test_two_functions_of_one_name_are_told_apart():
    one, other = (f"class {c}:\n    def f(self):\n        return {n}\n" for c, n in ("A1", "B2"))
    text = one + other
    with pytest.raises(Unusable, match=r"2 functions f: A.f \(line 2\), B.f \(line 5\)"):
        functions.empty("a.py", text, "f")
    assert functions.empty("a.py", text, "B.f").body == "        return 2"


def test_the_unit_of_indentation_is_the_usual_step():
    assert indent_unit(["a:", "  b:", "    c", "d:", "  e"]) == "  "
    assert indent_unit(["a {", "\tb", "}"]) == "\t"
    assert indent_unit(["a", "b"]) == "    "


# -- traces that somebody else wrote --------------------------------------------------------------

HEAD = {"trace": 1, "root": "", "revision": "", "parent": ""}
FILE = {"path": "a.py", "before": "ab\n"}
KEY = {"at_s": 0, "path": "a.py", "line": 1, "column": 2, "removed": "", "text": "x", "hunk": 0}
BAD = {
    "empty": [],
    "no keys": [HEAD, FILE],
    "no head": [FILE, KEY],
    "another version": [{**HEAD, "trace": 2}, FILE, KEY],
    "an option for git": [{**HEAD, "parent": "--index-output=x"}, FILE, KEY],
    "a list": [[1]],
    "outside": [HEAD, {**FILE, "path": "../a.py"}, {**KEY, "path": "../a.py"}],
    "absolute": [HEAD, {**FILE, "path": "/a.py"}, {**KEY, "path": "/a.py"}],
    "git's own": [HEAD, {**FILE, "path": ".git/config"}, {**KEY, "path": ".git/config"}],
    "unknown file": [HEAD, FILE, {**KEY, "path": "b.py"}],
    "past the end": [HEAD, FILE, {**KEY, "line": 9}],
    "past the line": [HEAD, FILE, {**KEY, "column": 4}],
    "line nought": [HEAD, FILE, {**KEY, "line": 0}],
    "removes what is not there": [HEAD, FILE, {**KEY, "removed": "z"}],
    "does nothing": [HEAD, FILE, {**KEY, "text": ""}],
    "no time": [HEAD, FILE, {**KEY, "at_s": "soon"}],
    "a lone return": [HEAD, FILE, {**KEY, "text": "\r"}],
    "half a character": [HEAD, FILE, {**KEY, "text": "\ud800"}],
    "a flag for a number": [HEAD, FILE, {**KEY, "line": True}],
}


@pytest.mark.parametrize("rows", BAD.values(), ids=BAD)
def test_S3_a_bad_trace_is_one_line_and_starts_nothing(capsys, tmp_path, rows):
    path = tmp_path / "bad.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    code = cli.main(["replay", str(path), "--root", str(tmp_path)])
    out, err = capsys.readouterr()
    assert (code, out) == (1, "")
    assert err.count("\n") == 1 and err.startswith("ghostwright: ")


def test_a_trace_is_read_as_it_was_written(tmp_path):
    good = as_trace(tmp_path, "\n".join(map(json.dumps, [HEAD, FILE, KEY])))
    path = tmp_path / "again.jsonl"
    with path.open("w", encoding="utf-8") as stream:
        dump(good, stream)
    assert load(path) == good
    assert final(good) == {"a.py": "axb\n"}
