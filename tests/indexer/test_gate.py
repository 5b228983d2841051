# SPDX-License-Identifier: Apache-2.0
"""The syntax gate: what it keeps, what it cuts. `$0` marks the cursor, `$|` where text is cut."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from fixture import marked
from hypothesis import given, settings
from hypothesis import strategies as st

from indexer.gate import MAX_CHARS, MAX_LINES, gate
from indexer.languages import detect
from indexer.parse import extract
from indexer.window import cut, tree_of

CUT = "$|"
SAMPLES = Path(__file__).parent / "samples"

KEPT = [
    # the buffer is whole
    ("a.py", "def f(x):\n    $0\n", "y = x\n    return y"),
    ("a.py", "x = 1\n$0", "y = 2\nz = 3"),
    ("a.ts", "function f() {\n  $0\n}\n", "a()\n  return b"),
    ("a.go", "package a\n\nfunc f() {\n\t$0\n}\n", "x := g()\n\treturn x"),
    ("a.vala", "void f () {\n    $0\n}\n", "a ();\n    b ();"),
    # the buffer is half written, as almost always
    ("a.py", "def f(x):\n    return x.$0\n", "y"),
    ("a.py", "def f($0", "self, x):\n    return x"),
    ("a.py", "x = foo(a, $0)\n", "b, c=d"),
    ("a.py", "x = [\n    1,\n    $0", "2,\n    3,\n]"),
    ("a.py", "try:\n    $0\n", "a()\nexcept E:\n    b()"),
    ("a.ts", "const f = (a) => $0\n", "{\n  return a\n}"),
    ("a.ts", "if (a) {$0\n", "\n  b()\n}"),
    ("a.ts", "if (a) {$0\n", "\n  b()"),
    ("A.java", "class A {\n    void f() {\n        return $0\n    }\n}\n", "a.b();"),
    ("a.rs", "fn f() {\n    let x = $0\n}\n", "g(1);"),
    ("a.cpp", "int f() {\n    if ($0\n}\n", "a) {\n        b();\n    }"),
    ("a.vala", "void f () {\n    g ($0\n}\n", "a, b);"),
    # other places are wrong, and stay so
    ("a.py", "def f(:\n    pass\n\ndef g():\n    $0\n", "return 1"),
    ("a.ts", "let = = 3\n\nfunction g() {\n  $0\n}\n", "return 1"),
    # Python's grammar has blocks without a body
    ("a.py", "def f(x):\n    $0\n", "if x:"),
    ("a.py", "def f(x):\n    $0\n", "try:"),
    ("a.py", "def f(x):\n    $0\n    return x\n", "y = x\n    for z in y:"),
    # a block begun in a half-written buffer is the user's to fill
    ("a.py", "def f(x):\n    $0\n    y = (\n", "try:"),
    ("a.py", "def f(x):\n    $0\n    y = (\n", "try:\n        x()"),
    ("a.ts", "function f() {\n  $0\n", "if (a) {"),
    ("a.ts", "function f() {\n  $0\n", "a()\n  for (const b of c) {"),
    ("a.go", "package a\n\nfunc f() {\n\t$0\n", "if err != nil {"),
    ("A.java", "class A {\n    $0\n", "void f() {\n        g();"),
    ("A.java", "class A {\n    $0\n", "void f() {\n        try {\n            g();"),
    ("a.cpp", "void g() {\n$0\n", "void f() {\n  try {\n    g();"),
    ("a.rs", "mod b {\n$0\n", "impl A {\n    fn f() {"),
    ("a.vala", "void f () {\n    $0\n", "if (a) {"),
    # text for people
    ("README.md", "It's $0\n", "a (thing"),
    ("a.py", "# What $0\n", "it does (or"),
    ("a.py", "x = 'a$0'\n", "b (c"),
    ("a.ts", "// it's $0\n", "(odd"),
    ("a.ts", "/**\n * Its $0\nfoo()\n", "ends (are } loose = = and ] odd"),
]
LINES_CUT = [
    ("a.py", "def f(x):\n    $0\n", "y = x$|\n    return )"),
    ("a.py", "def f(x):\n    $0\n", "y = x$|\n    z = foo("),
    ("a.py", "def f(x):\n    $0\n", "$|return x)"),
    ("a.py", "def f(x):\n    $0\n", "$|foo("),
    ("a.py", "def f(x):\n    $0\n", "$|x = {"),
    ("a.py", "x = foo(a, $0)\n", "$|b)"),
    ("a.py", "def f(x):\n    $0\n", "foo(\n        x,\n    )$|\n    y = = 2\n    z = 1"),
    ("a.py", "def f(x):\n    $0\n", "if x:\n        y()$|\n    else x:\n        pass"),
    ("a.py", "def f(x):\n    return x.$0\n", "y$|\n    z = = 1"),
    ("a.ts", "function f() {\n  $0\n}\n", "a()$|\n}\n}"),
    ("a.ts", "function f() {\n  $0\n}\n", "$|foo("),
    ("a.ts", "function f() {\n  $0\n}\n", "$|}}"),
    ("a.ts", "const f = (a) => $0\n", "{\n  b()\n}$|\n)"),
    ("a.go", "package a\n\nfunc f() {\n\t$0\n}\n", "a()$|\n\tb := := c"),
    ("A.java", "class A {\n    void f() {\n        $0\n    }\n}\n", "g();$|\n        h(;"),
    ("a.rs", "fn f() {\n    $0\n}\n", "g();$|\n    let = ;"),
    ("a.cpp", "int f() {\n    $0\n}\n", "g();$|\n    if (a {"),
    ("a.vala", "void f () {\n    $0\n}\n", "g ();$|\n    h (a]"),
    ("a.vala", "void f () {\n    $0\n}\n", 'g ();$|\n    h ("a);'),
    ("a.vala", "void f () {\n    $0\n}\n", "$|g (a"),
]
IN_TS = "function f() {\n  $0\n}\n"
# In a buffer without errors: what is cut, up to the mark, and what is put behind it.
FINISHED = [
    ("a.py", "def f(x):\n    $0\n", "y = x\n    z = [\n        1,$|", "\n    ]"),
    ("a.ts", IN_TS, "$|if (a) {", ""),
    ("a.ts", IN_TS, "a()$|\n  for (const b of c) {", ""),
    ("a.ts", IN_TS, "$|try {", ""),
    ("a.ts", IN_TS, "if (a) {\n    b()$|", "\n  }"),
    ("a.ts", "$0", "$|app.get('/', (q, r) => {", ""),
    ("a.ts", "$0", "app.get('/', (q, r) => {\n  r.end()$|", "\n})"),
    ("a.js", "$0", "export function f(a) {\n  b()\n  if (c) {\n    d()$|", "\n  }\n}"),
    ("a.go", "package a\n\nfunc f() {\n\t$0\n}\n", "if a {\n\t\tb()$|", "\n\t}"),
    ("A.java", "class A {\n    $0\n}\n", "void f() {\n        g();$|", "\n    }"),
    ("A.java", "class A {\n    $0\n}\n", "$|void f() {\n        try {\n            g();", ""),
    ("a.cpp", "$0\n", "class A {\n public:\n  int f() {\n    return 1;$|", "\n  }\n};"),
    ("a.rs", "$0\n", "$|impl A {\n    fn f() {", ""),
    ("a.vala", "void f () {\n    $0\n}\n", "$|if (a) {", ""),
    ("a.lua", "$0\n", "local function f(x)\n  return x$|", "\nend"),
    ("a.sh", "$0\n", "if [ -f a ]; then\n  b$|", "\nfi"),
    ("a.py", "$0\n", "x = f(\n    a,\n    b$|", "\n)"),
]
CLOSING = re.compile(r"((\n[ \t]*[)\]}]+)+;?|\n[ \t]*(end|fi))?")
PATHS = ["a.py", "a.ts", "a.go", "A.java", "a.rs", "a.cpp", "a.rb", "a.vala"]


def gated(path, place, text):
    place = marked(place)
    return gate(path, place.before, place.after, text)


@pytest.mark.parametrize(("path", "place", "text"), KEPT)
def test_what_reads_no_worse_is_kept(path, place, text):
    found = gated(path, place, text)
    assert (found.text, found.fired) == (text, False)
    assert found.errors_after <= found.errors_before


@pytest.mark.parametrize(("path", "place", "text"), LINES_CUT)
def test_what_reads_worse_is_cut_at_a_line(path, place, text):
    found = gated(path, place, text.replace(CUT, ""))
    assert (found.text, found.fired) == (text.partition(CUT)[0], True)
    assert found.errors_after <= found.errors_before


@pytest.mark.parametrize(("path", "place", "text", "end"), FINISHED)
def test_a_buffer_without_errors_is_left_without_any(path, place, text, end):
    found = gated(path, place, text.replace(CUT, ""))
    assert (found.text, found.fired) == (text.partition(CUT)[0] + end, True)
    assert (found.errors_before, found.errors_after) == (0, 0)


def test_nothing_to_judge_is_no_work():
    assert gated("a.py", "x = ($0", "").text == ""
    assert gated("a.py", "x = ($0", " \n").text == " \n"


@pytest.mark.parametrize("path", PATHS)
def test_E2_a_long_text_is_bounded(path):
    many = gate(path, "", "", "a\n" * 5000)
    assert many.text.count("\n") < MAX_LINES
    assert gate(path, "", "", "a" * (MAX_CHARS + 1)).text == ""


@pytest.mark.parametrize("sample", sorted(SAMPLES.glob("[sS]hop.*[!d]")), ids=lambda p: p.suffix)
def test_what_people_wrote_is_kept(sample):
    """Each run of lines of a real file, taken out and put back, has to pass."""
    text = sample.read_text("utf-8")
    if extract(detect(sample.name), text.encode()).error_count:
        assert sample.suffix == ".kt"  # its grammar cannot read an interface on one line
        return
    lines = text.splitlines(keepends=True)
    for first in range(0, len(lines), 5):
        for count in (1, 4):
            before, after = "".join(lines[:first]), "".join(lines[first + count :])
            there = "".join(lines[first : first + count]).removesuffix("\n")
            found = gate(sample.name, before, "\n" + after, there)
            assert not found.fired, (found, there)


@pytest.mark.parametrize("path", PATHS)
def test_E2_any_text_gives_lines_that_stand(path, monkeypatch):
    """Property: whole lines, maybe with what closes them; no new errors, settled, never raised."""
    monkeypatch.setattr("indexer.gate.GATE_MAX_S", 60.0)  # a slow moment must not decide
    monkeypatch.setattr("indexer.window.PARSE_MAX_S", 60.0)
    some = st.sampled_from("\"'`()[]{}:;#/*\\\n\r\t\0\ud800\x1b =,.x1")
    code = st.sampled_from(
        ["if x:\n", "foo(", ")", "{\n", "}\n", "x = 1\n", "a();\n", "def f():\n", "    ", "end\n"]
    )
    pieces = st.lists(st.one_of(some, code, st.characters()), max_size=25).map("".join)

    @given(pieces, pieces, pieces)
    @settings(max_examples=50, deadline=None)
    def check(before, after, text):
        found = gate(path, before, after, text)
        ends = [at for at, char in enumerate(text) if char == "\n"]
        whole = [text[:end] for end in (0, *ends, len(text))]
        kept = [k for each in whole for k in {each, each.rstrip()} if found.text.startswith(k)]
        assert any(CLOSING.fullmatch(found.text, len(k)) for k in kept)
        assert found.fired == (found.text != text)
        assert found.errors_after <= found.errors_before
        assert gate(path, before, after, found.text).text == found.text

    check()


def test_E2_random_bytes_end_in_time():
    noise = bytes(range(256)).decode("latin-1") * 60
    for path in PATHS:
        found = gate(path, noise, noise, noise[:4000])
        assert noise.startswith(found.text)


def test_errors_that_only_the_window_has_hide_none_of_the_suggestion():
    """Around the cursor a string is cut in two; the file itself is without errors."""
    before, after = "package p\n\nfunc f() {\n\t", "\n\tx := `" + "line\n" * 400 + "`\n}\n"
    near = cut("go", before, after)
    assert tree_of("go", near.data)[1] > 0
    assert tree_of("go", (before + after).encode())[1] == 0
    assert gate("a.go", before, after, "if x {").text == ""
    assert gate("a.go", before, after, "g(1)").text == "g(1)"
