# SPDX-License-Identifier: Apache-2.0
"""What stands at the cursor: tables of places, `$0` marks each; several lines only where apt."""

from __future__ import annotations

import pytest
from fixture import marked
from hypothesis import given, settings
from hypothesis import strategies as st

from indexer.site import site
from indexer.window import AFTER_CHARS, AROUND_CHARS, BEFORE_CHARS, cut

PYTHON = [
    ("block", "def f():$0\n"),
    ("block", "def f():\n    $0\n\nx = 1\n"),
    ("block", "class A:\n$0\n"),
    ("block", "def f(\n    a: int,\n    b: str = ':',\n) -> dict[str, int]:$0\n"),
    ("block", "def f(x):\n    if x > 1:  # why\n        $0\n    return x\n"),
    ("block", "try:\n    $0\n"),
    ("block", "def f(x):\n    async with x as y:\n        $0"),
    ("statement", "def f(x):\n    y = x\n    $0\n    return y\n"),
    ("statement", "import os\n$0\n"),
    ("statement", "$0"),
    ("statement", 'def f():\n    """What it does."""\n    $0\n'),
    ("statement", "x = {\n    'a': 1,\n    $0\n}\n"),
    ("line", "x = $0\n"),
    ("line", "x = foo($0)\n"),
    ("line", "x = y[1:$0\n"),
    ("line", "x = {'a':$0\n"),
    ("line", "f = lambda x:$0\n"),
    ("line", "import $0\n"),
    ("line", "def f(a, $0):\n    pass\n"),
    ("line", "    $0return x\n"),
    ("line", "x = 1 + \\\n    $0\n"),
    ("line", "x = f'{a.$0}'\n"),
    ("string", "x = 'a$0'\n"),
    ("string", "x = 'a$0\ny = 2\n"),
    ("string", 'def f():\n    """What $0\n'),
    ("string", 'def f():\n    """What it does.\n\n    $0\n    """\n    return 1\n'),
    ("string", "x = f'a{b} $0'\n"),
    ("comment", "x = 1  # why $0\n"),
    ("comment", "# $0"),
]
SCRIPT = [
    ("block", "function f() {$0}\n"),
    ("block", "function f() {\n  $0\n}\n"),
    ("block", "const f = async (a) => {$0\n"),
    ("block", "class A {\n  $0\n}\n"),
    ("block", "app.get('/', (q, r) => {$0})\n"),
    ("block", "if (a) {\n  b()\n} else {\n  $0\n}\n"),
    ("block", "switch (a) {\n  case 1:\n    $0\n}\n"),
    ("statement", "function f() {\n  a()\n  $0\n}\n"),
    ("statement", "import a from 'a'\n\n$0\nfoo()\n"),
    ("statement", "function f() {\n  a()\n$0}\n"),
    ("line", "const x = $0\n"),
    ("line", "const x = foo($0)\n"),
    ("line", "foo(a, $0b)\n"),
    ("line", "const x = a ? b :$0\n"),
    ("line", "const x =\n  $0\n"),
    ("line", "const s = `a ${b.$0} c`\n"),
    ("string", "const s = `a $0`\n"),
    ("string", "import a from './$0'\n"),
    ("string", "import a from './$0\n"),
    ("comment", "// $0\nfoo()\n"),
    ("comment", "/**\n * $0\n */\nfunction f() {}\n"),
    ("comment", "/** What $0\nfunction f() {}\n"),
]
GO = [
    ("block", "package a\n\nfunc f() {$0\n"),
    ("block", "package a\n\nfunc f() {\n\t$0\n}\n"),
    ("block", "package a\n\nfunc f() {\n\tif err != nil {\n\t\t$0\n\t}\n}\n"),
    ("block", "package a\n\ntype T struct {\n\t$0\n}\n"),
    ("block", "package a\n\nfunc f(x int) {\n\tswitch x {\n\tcase 1:\n\t\t$0\n\t}\n}\n"),
    ("statement", "package a\n\nfunc f() {\n\tg()\n\t$0\n}\n"),
    ("statement", "package a\n\n$0\n"),
    ("line", "package a\n\nfunc f() {\n\tx := $0\n}\n"),
    ("line", "package a\n\nfunc f($0) {\n}\n"),
    ("line", "package a\n\nfunc f() {\n\tx.$0\n}\n"),
    ("string", 'package a\n\nimport "f$0"\n'),
    ("string", 'package a\n\nfunc f() {\n\tg("a $0\n}\n'),
    ("string", "package a\n\nvar s = `one\n$0\ntwo`\n"),
    ("comment", "package a\n\n// F does $0\nfunc F() {}\n"),
    ("comment", "package a\n\n/* one\n$0\n*/\n"),
]
JAVA = [
    ("block", "class A {$0}\n"),
    ("block", "class A {\n    void f() {\n        $0\n    }\n}\n"),
    ("block", "class A {\n    void f() throws E {$0\n}\n"),
    (
        "block",
        "class A {\n  void f() {\n    for (int i : xs) {\n      $0\n    }\n  }\n}\n",
    ),
    ("block", "class A {\n  void f() {\n    xs.forEach(x -> {$0});\n  }\n}\n"),
    ("statement", "class A {\n    int a;\n    $0\n}\n"),
    ("statement", "package a;\n\n$0\n"),
    ("statement", "class A {\n    void f() {\n        g();\n        $0\n    }\n}\n"),
    ("line", "class A {\n    int a = $0;\n}\n"),
    ("line", "class A {\n    void f() {\n        a.$0\n    }\n}\n"),
    ("line", "class A {\n    void f($0) {\n    }\n}\n"),
    ("line", "import java.$0\n"),
    ("string", 'class A {\n    String a = "b$0";\n}\n'),
    ("string", 'class A {\n    String a = "b$0\n}\n'),
    ("comment", "class A {\n    /**\n     * $0\n     */\n    int a;\n}\n"),
    ("comment", "class A {\n    // $0\n}\n"),
]
RUST = [
    ("block", "fn f() {$0}\n"),
    ("block", "fn f<'a>(x: &'a str) -> &'a str {\n    $0\n}\n"),
    ("block", "impl A {\n    $0\n}\n"),
    ("block", "fn f() {\n    if let Some(x) = y {\n        $0\n    }\n}\n"),
    ("block", "fn f() {\n    match x {$0\n}\n"),
    ("statement", "fn f() {\n    g();\n    $0\n}\n"),
    ("statement", "use a::b;\n$0\n"),
    ("statement", "struct A {\n    a: u8,\n    $0\n}\n"),
    ("line", "fn f() {\n    let x = $0;\n}\n"),
    ("line", "fn f<'a>(x: &'a $0\n"),
    ("line", "fn f() {\n    x.$0\n}\n"),
    ("line", "fn f() {\n    let x =\n        $0\n}\n"),
    ("string", 'fn f() {\n    g("a$0");\n}\n'),
    ("string", 'fn f() {\n    g("a$0\n}\n'),
    ("string", 'const A: &str = r#"a\n$0\n"#;\n'),
    ("comment", "/// What $0\nfn f() {}\n"),
    ("comment", "fn f() {\n    /* $0 */\n}\n"),
]
CPP = [
    ("block", "int main() {$0}\n"),
    ("block", "int main() {\n    $0\n}\n"),
    ("block", "class A {\npublic:\n    $0\n};\n"),
    ("block", "namespace a {\n$0\n}\n"),
    ("block", "int f() {\n    auto g = [&](int x) {$0};\n}\n"),
    ("statement", "#include <a>\n\n$0\n"),
    ("statement", "int f() {\n    int x = 1'000;\n    $0\n}\n"),
    ("statement", "struct A {\n    int a;\n    $0\n};\n"),
    ("line", "int f() {\n    return $0;\n}\n"),
    ("line", "int f() {\n    std::$0\n}\n"),
    ("line", "template <typename $0>\nclass A {};\n"),
    ("line", "int x = a ? b :$0\n"),
    ("string", '#include "a$0"\n'),
    ("string", 'int f() {\n    g("a$0\n}\n'),
    ("comment", "int a;  // $0\n"),
    ("comment", "/* one\n * $0\n */\nint a;\n"),
]
PLAIN = [  # Vala and CoffeeScript: no grammar is shipped
    ("block", "void f () {$0}\n"),
    ("block", "void f () {\n    $0\n}\n"),
    ("block", "if (a) {  // why\n    $0\n}\n"),
    ("block", "class A:\n    $0\n"),
    ("block", "while x do\n    $0\n"),
    ("statement", "void f () {\n    g ();\n    $0\n}\n"),
    ("statement", "$0"),
    ("statement", "// it's an apostrophe\n$0\n"),
    ("line", "var x = $0;\n"),
    ("line", "foo (a, $0)\n"),
    ("line", "foo ('a', $0\n"),
    ("line", "x = {'a':$0\n"),
    ("string", 'var x = "a$0"\n'),
    ("string", "print 'a $0\n"),
    ("string", 'x = """\none $0\n'),
    ("comment", "g ();  // $0\n"),
    ("comment", "# $0\n"),
    ("comment", "/* one\n   $0\n*/\n"),
]
OTHERS = [
    ("block", "a.rb", "def f(x)\n  $0\nend\n"),
    ("block", "a.rb", "xs.each do |x|$0\nend\n"),
    ("block", "a.lua", "local f = function(a)\n  $0\nend\n"),
    ("block", "a.sh", "if [ -f a ]; then\n  $0\nfi\n"),
    ("block", "a.kt", "fun f() {\n    $0\n}\n"),
    ("line", "a.rb", "return 1 if $0\n"),
    ("line", "a.rb", 'puts "a #{b.$0}"\n'),
    ("string", "a.kt", 'val a = "b$0"\n'),
    ("comment", "a.lua", "-- $0\n"),
    ("comment", "a.html", "<!-- $0 -->\n"),
    ("unknown", "README.md", "It's $0\n"),
    ("unknown", "notes.txt", "It isn't (yet $0\n"),
    ("unknown", "a.b/LICENSE", "$0\n"),
    ("statement", "b/a.vala", "$0\n"),
]
TABLES = {
    "a.py": PYTHON,
    "a.ts": SCRIPT,
    "a.js": SCRIPT,
    "a.go": GO,
    "A.java": JAVA,
    "a.rs": RUST,
    "a.cpp": CPP,
    "a.vala": PLAIN,
    "a.coffee": PLAIN,
}
PLACES = [(kind, path, text) for path, rows in TABLES.items() for kind, text in rows] + OTHERS


def at(path, text):
    place = marked(text)
    return site(path, place.before, place.after)


@pytest.mark.parametrize(("kind", "path", "text"), PLACES)
def test_the_kind_of_a_place(kind, path, text):
    found = at(path, text)
    assert found.kind == kind
    if kind != "unknown":
        assert found.many == (kind in ("block", "statement"))


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("a.py", "def f():\n    $0return 1\n"),
        ("a.ts", "function f() { $0return 1 }\n"),
        ("a.go", "package a\n\nfunc f() { $0x := 1\n}\n"),
        ("a.vala", "void f () { $0g ();\n}\n"),
    ],
)
def test_text_right_of_the_cursor_leaves_room_for_one_line(path, text):
    assert not at(path, text).many


@pytest.mark.parametrize(
    ("unit", "path", "text"),
    [
        ("\t", "a.py", "def f():\n\tif x:\n\t\t$0\n"),
        ("  ", "a.py", "def f():\n  if x:\n    $0\n"),
        ("    ", "a.py", "$0"),
        ("\t", "a.go", "$0"),
        ("  ", "a.ts", "$0"),
        ("    ", "a.ts", "function f() {\n    if (a) {\n        b()\n    }\n    $0\n}\n"),
        ("    ", "A.java", "/**\n * Its stars are\n * no level.\n */\nclass A {\n    $0\n}\n"),
        ("  ", "a.vala", "void f () {\n  a ();\n  $0\n}\n"),
        ("        ", "a.c", "int f()\n{\n        g();\n        $0\n}\n"),
    ],
)
def test_the_unit_of_indentation_is_the_files_own(unit, path, text):
    assert at(path, text).unit == unit


# --- the window ---

METHOD = "    def m{0}(self):\n        return self.go(\n            {0},\n        )\n\n"


def test_a_window_inside_of_a_long_class_has_its_first_line():
    body = "".join(METHOD.format(number) for number in range(2000))
    before = f"import os\n\n\nclass Long(Base):\n{body}    def last(self):\n"[-AROUND_CHARS:]
    before = "class Long(Base):\n" + before[before.index("\n") + 1 :]
    found = site("a.py", before + "        ", "\n" + body)
    assert (found.kind, found.errors) == ("block", 0)
    assert len(cut("python", before, body).data) < BEFORE_CHARS + AFTER_CHARS + 1000


def test_a_window_inside_of_a_long_block_has_its_last_line():
    body = "".join(f"    if (a{n}) {{\n      b(a{n})\n    }}\n" for n in range(500))
    before = "class A {\n  f(\n    a,\n    b\n  ) {\n" + body
    found = site("a.ts", before + "    ", "\n" + body + "  }\n}\n\nfoo()\n")
    assert (found.kind, found.errors) == ("statement", 0)


def test_a_branch_that_is_cut_off_its_beginning_is_no_error():
    body = "".join(f"            b({n})\n" for n in range(1000))
    python = f"def f(x):\n    if x:\n        a()\n    else:\n        for y in x:\n{body}"
    assert site("a.py", python + "            ", "\n").errors == 0
    script = f"function f(x) {{\n    if (x) {{\n        a()\n    }} else {{\n{body}"
    assert site("a.ts", script + "            ", "\n    }\n}\n").errors == 0


def test_a_window_that_begins_in_a_comment_or_a_string_begins_with_it():
    words = "It's (what one reads,\n" * 400
    assert site("a.py", f'x = 1\n"""\n{words}"""\ny = 2\n', "").errors == 0
    assert site("a.py", f'x = 1\n"""\n{words}', '"""\n').kind == "string"
    stars = " * It's (what one reads,\n" * 400
    assert site("a.ts", f"/**\n{stars} */\nfoo()\n", "").errors == 0
    assert site("a.ts", f"/**\n{stars} * ", f"\n{stars} */\nfoo()\n").kind == "comment"


def test_a_window_that_ends_in_a_comment_ends_it():
    stars = " * It's (what one reads,\n" * 400
    assert site("a.ts", "foo()\n", f"\nbar()\n/**\n{stars} */\n").errors == 0


LINES = st.lists(
    st.sampled_from(["a = 1", "    b", "  }", "", ")", "def f(", "*/", '"""', "é" * 9])
)


@given(LINES.map("\n".join), LINES.map("\n".join), st.integers(1, 60))
@settings(max_examples=200, deadline=None)
def test_a_window_is_what_stands_nearest(before, after, chars):
    window = cut("python", before, after, chars, chars)
    here = before[before.rfind("\n") + 1 :]
    assert window.before.endswith(here[-chars:])
    assert window.after.startswith(after.partition("\n")[0][:chars])
    assert len(before) > chars or window.before == before
    assert len(after) > chars or window.after == after
    assert window.data[window.at :].decode() == window.after


@pytest.mark.parametrize("path", ["a.py", "a.ts", "a.go", "A.java", "a.rs", "a.cpp", "a.vala"])
def test_E2_no_text_makes_it_raise(path):
    alphabet = st.one_of(st.characters(), st.sampled_from("\"'`()[]{}:;#/*\\\n\r\t\0\ud800 =dfi"))

    @given(st.text(alphabet, max_size=120), st.text(alphabet, max_size=60))
    @settings(max_examples=40, deadline=None)
    def check(before, after):
        found = site(path, before, after)
        assert found.many <= (found.kind in ("block", "statement", "unknown"))
        assert found.unit.isspace()

    check()
