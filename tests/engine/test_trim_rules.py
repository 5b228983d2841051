# SPDX-License-Identifier: Apache-2.0
"""Each rule of trimming: a table of texts, what the model writes at `$0` and what is left of it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from fixture import marked

from engine.edits import edits
from engine.layout import layouts
from engine.rules.form import LONGEST_LINE_CHARS, MAX_LINES
from engine.trim import GROUPS, RULES, Gap, enough, trim


def gap_in(text: str, **more) -> Gap:
    """The gap at the mark with all that an editor knows, but for what `more` says otherwise."""
    place = marked(text)
    above, below = place.before.split("\n"), place.after.split("\n")
    gap = Gap(
        before=above[-1],
        after=below[0],
        above=next((line for line in above[-2::-1] if line.strip()), ""),
        below=next((line for line in below[1:] if line.strip()), ""),
        above_lines=tuple(above[:-1]),
        below_lines=tuple(below[1:]),
        document=tuple(place.text.splitlines(keepends=True)),
    )
    return replace(gap, **more)


TOP = "$0\n"
LINE = "def area(self):\n    return $0\n"
BODY = "def area(self):\n    $0\n\ndef other(self):\n    pass\n"
GO = "func f() {\n\t$0\n}\n"
JS = "function f() {\n  $0\n}\n"
IF = "if (a) {\n    $0\n}\n"

FORM = [
    ("newlines", BODY, "a = 1\r\n    b = 2\r    c", "a = 1\n    b = 2\n    c"),
    ("invisible", LINE, "self.a\u202eb", "self.a"),
    ("invisible", LINE, "'\u00a0é😀\t'", "'\u00a0é😀\t'"),
    ("invisible", LINE, "self\u2028b", "self"),
    ("invisible", LINE, "ab\ufffdc", "ab"),
    ("special_tokens", LINE, "self.a<|endoftext|>import os", "self.a"),
    ("special_tokens", LINE, "names[PREFIX]", "names[PREFIX]"),
    ("special_tokens", "# <|im_end|>\nx = $0\n", "'<|im_end|>'", "'<|im_end|>'"),
    ("special_tokens", "a = '<s>'\nx = $0\n", "'</s>'", "'</s>'"),
    ("half_token", LINE, "self.a<|fim_pre", "self.a"),
    ("half_token", "f <| g\nx = $0\n", "f <|gh", "f <|gh"),
    ("preamble", BODY, "Here is the body:\n\n```python\nreturn 1\n", "return 1"),
    ("preamble", "```\na\n```\n\n$0\n", "```sh\nmake", "```sh\nmake"),
    ("fences", BODY, "return 1\n```\nThis returns 1", "return 1"),
    ("fences", LINE, "self.a``` and", "self.a"),
    ("fences", "```\na\n```\n\n$0\n", "b\n```\nc", "b\n```\nc"),
    ("single_line", LINE, "self.a\n    # and more", "self.a"),
    ("single_line", "x = f($0, b)\n", "self.a\n    # and more", "self.a"),
    ("single_line", "x = f($0, b)\n", "\n    c", ""),
    ("single_line", "x = a$0, c)\n", ".b({\n  d: 1,\n})\ne", ".b({\n  d: 1,\n})"),
    ("single_line", "x = a$0, c)\n", ".b({\n  d: 1,\n  e", ".b({"),
    ("single_line", LINE, "f(\n        a,\n    )\n    b", "f(\n        a,\n    )"),
    ("single_line", "x = f()$0\n", "\ny = g()\nz = h()", "\ny = g()"),
    ("single_line", "x = f()$0\n", "  \n\ny = g()\n", "\n\ny = g()"),
    ("single_line", "x = f()$0\n", "\n\n\ny = g()\n", ""),
    ("max_lines", TOP, "\n".join(f"a{n}()" for n in range(40)), None),
    ("long_lines", BODY, "a = 1\n    b = " + "xy" * LONGEST_LINE_CHARS, "a = 1"),
    ("trailing_space", BODY, "return 1\n   \n", "return 1"),
    ("too_short", BODY, "a", ""),
]
REPETITION = [
    ("repeated_lines", TOP, "a = 1\nb()\nc()\nb()\nd()\nb()\n", "a = 1\nb()\nc()\nb()\nd()"),
    ("repeated_lines", TOP, "f(\n)\ng(\n)\nh(\n)", "f(\n)"),  # by `balanced`: brackets may recur
    ("repeated_blocks", TOP, "foo(1)\nbar(2)\nfoo(1)\nbar(2)\nfoo", "foo(1)\nbar(2)"),
    ("repeated_blocks", TOP, "a()\nfoo(1)\n\nfoo(1)\n\nb()", "a()\nfoo(1)"),
    ("repetition", LINE, "'" + "lol" * 8, "'lol"),
    ("repetition", LINE, "self.alpha, " * 5, "self.alpha,"),
    ("repetition", "# Title\n$0\n", "# " + "-" * 60, "# " + "-" * 60),
    ("repetition", LINE, "-" * 300, "---"),
    ("rewrites_above", "import os\n$0\n", "import os\nimport sys", ""),
    ("rewrites_above", "call(a)\ncall($0)\n", "a", ""),
    ("rewrites_above", "    end\n  $0\n", "end", "end"),
]
SUFFIX = [
    ("suffix_start", "call($0, timeout=seconds)\n", "url, timeout=seconds).then(b)", "url"),
    ("rest_of_line", "call($0)\n", "a, b)", "a, b"),
    ("rest_of_line", "call($0)\n", "foo()", "foo()"),
    ("rest_of_line", "call($0);\n", "foo();", "foo()"),
    ("rest_of_line", "call(a[$0]);\n", "i + 1]);", "i + 1"),
    ("rest_of_line", "call(a[$0]);\n", "i + 1]", "i + 1"),
    ("rest_of_line", 'print("$0")\n', 'hello")', "hello"),
    ("rest_of_line", 'print("$0")\n', 'hello"', "hello"),
    ("rest_of_line", 'print(a$0")\n', ', "b")', ', "b'),
    ("rest_of_line", "x = $0 or b\n", "self.x or b", "self.x"),
    ("line_below", BODY, "return 1\n\ndef other(self):\n    pass", "return 1"),
    ("line_below", BODY, "return 1\n\ndef other(self) -> None:\n    pass", "return 1"),
    ("line_below", "a()\n$0\nreturn self.computing\n", "b()\nreturn self.computin", "b()"),
    (
        "line_below",
        "x(1)\nlist.add(alpha1)\n$0\nlist.add(alpha3)\n",
        "list.add(alpha2)",
        "list.add(alpha2)",
    ),
    ("line_below", GO, "if a {\n\t\tb()\n\t}\n\tc()\n}", "if a {\n\t\tb()\n\t}"),
    ("line_below", "f(\n    a,\n    $0\n)\n", "b,\n)\nc", "b,"),
    ("line_below", "a()\n$0\nreturn x\n", "if b:\n    return x\n", ""),
    ("line_below", "a()\n$0\nskipped()\nfoo(1)\nbar(2)\n", "b()\nfoo(1)\nbar(2)\n", "b()"),
    (
        "line_below",
        "/**\n * One\n $0\n *\n * Four\n */\n",
        "* Two\n *\n * Three\n *\n",
        "* Two\n *\n * Three",
    ),
]
SCOPE = [
    ("scope", BODY, "return 1\n\nclass Next:\n    pass", "return 1"),
    ("scope", "def f():$0\n", "\n    return 1\nother()\n", "\n    return 1"),
    ("scope", "f = {\n    'a': 1,\n    $0\n", "'b': 2,\n}\ng = 1", "'b': 2,\n}"),
    ("scope", "if a {\n    $0\n    c()\n}\n", "b()\n}\nd()", "b()"),
    ("scope", IF, "b();\n} else {\n    c();\n}", "b();\n} else {\n    c();"),
    ("scope", "if (a) {\n    $0\n} else {\n    c();\n}\n", "b();\n} else {\n    d();", "b();"),
    ("scope", "if a:\n    $0\nelse:\n    c()\n", "b()\nelse:\n    d()", "b()"),
    ("scope", "switch x {$0\n", "\ncase 1:\n\ta()\n}\nb()", "\ncase 1:\n\ta()\n}"),
    ("scope", "if a\n  $0\n", "b\nend\nc", "b\nend"),
    ("balanced", JS, "if (a) {\n    b();\n  }\n  c();", "if (a) {\n    b();\n  }"),
    (
        "balanced",
        JS,
        "if (a) {\n    b();\n  } else {\n    c();\n  }",
        "if (a) {\n    b();\n  } else {\n    c();\n  }",
    ),
    (
        "balanced",
        JS,
        "try\n  {\n    a();\n  } catch (e)\n  {\n    b();\n  }\n  c();",
        "try\n  {\n    a();\n  } catch (e)\n  {\n    b();\n  }",
    ),
    ("balanced", TOP, "def f(\n    a,\n):\n    return a\n", "def f(\n    a,\n):\n    return a"),
    ("scope", "function f() {$0\n", "\n  a();\n}\nfunction g() {\n}", "\n  a();\n}"),
    ("unopened", "x = $0\n", "a + b)", "a + b"),
    ("unopened", "call(a[$0\n", "i]) + f(1) }", "i]) + f(1)"),
    ("unopened", "call(\n    a, $0\n", "b) + c]", "b) + c"),
    ("unopened", "call(\n    a, $0\n)\n", "bb) + c", "bb"),
    ("unopened", "x = $0\n", "') :' + \"]\"  # :)", "') :' + \"]\"  # :)"),
    ("unopened", "fn f<'a>(x: &'a str$0\n", ", y: &'a str)", ", y: &'a str)"),
    ("unopened", "for x in y {\n    a();\n$0\nb();\n", "}\nc();", "}\nc();"),
    ("unopened", "a();\n$0\nb();\n", "}\nc();", ""),
    ("blank_gap", BODY, "a = 1\n\n\n    b = 2", "a = 1"),
    ("dangling", IF, "b();\n} else {\n", "b();"),
]
INDENT = [
    ("odd_indent", BODY, " return 1", "return 1"),
]
GROUP_TABLES = {
    "form": FORM,
    "repetition": REPETITION,
    "suffix": SUFFIX,
    "scope": SCOPE,
    "indent": INDENT,
}
CASES = [(group, *case) for group, table in GROUP_TABLES.items() for case in table]


@pytest.mark.parametrize(("group", "rule", "text", "raw", "expected"), CASES)
def test_E9_rule(group, rule, text, raw, expected):
    gap = gap_in(text)
    shown, fired = trim(raw, gap)
    if expected is None:
        expected = "\n".join(raw.split("\n")[:MAX_LINES])
    assert shown == expected
    if shown != raw.rstrip():
        assert rule in fired or rule in ("repeated_lines", "line_below", "scope")
    assert rule in {function.__name__ for function in GROUPS[group]}


def test_every_rule_has_a_text_on_which_it_cuts():
    """Alone, so that no other rule does its work."""
    cut = {"own_unit"}  # below: it needs more than a text
    for _, rule, text, raw, _ in CASES:
        function = next(f for group in GROUPS.values() for f in group if f.__name__ == rule)
        if function(raw, gap_in(text)) != raw:
            cut.add(rule)
    assert cut == {rule.__name__ for group in GROUPS.values() for rule in group}


UNITS = [
    # unit, text, raw, shown
    ("\t", GO, "if a {\n        b()\n    }", "if a {\n\t\tb()\n\t}"),
    ("\t", GO, "if a {\n    b()\n  }", "if a {\n\t\tb()\n\t}"),
    ("\t", GO, "if a {\n\t\tb(1,\n\t\t  2)\n\t}", "if a {\n\t\tb(1,\n\t\t  2)\n\t}"),
    ("  ", JS, "if (a) {\n      b();\n  }", "if (a) {\n    b();\n  }"),
    ("  ", JS, "if (a) {\n\t\tb();\n\t}", "if (a) {\n    b();\n  }"),
    ("    ", IF, "if (b) {\n      c();\n    }", "if (b) {\n        c();\n    }"),
    (
        "    ",
        "$0\n",
        "def f(\n        a,\n        b):\n    c",
        "def f(\n        a,\n        b):\n    c",
    ),
    ("", JS, "if (a) {\n      b();\n  }", "if (a) {\n      b();\n  }"),
]


@pytest.mark.parametrize(("unit", "text", "raw", "expected"), UNITS)
def test_lines_are_indented_in_the_unit_of_the_file(unit, text, raw, expected):
    assert trim(raw, gap_in(text, unit=unit))[0] == expected


@pytest.mark.parametrize(
    ("lines", "multiline", "text", "one"),
    [
        ("auto", True, BODY, False),
        ("auto", True, LINE, True),
        ("auto", True, "def f():$0\n", False),
        ("auto", True, "undo$0\n", True),
        ("auto", True, "f({$0})\n", False),
        ("auto", False, BODY, True),
        ("one", True, BODY, True),
        ("many", True, LINE, False),
        ("many", False, LINE, True),
    ],
)
def test_one_line_or_many_is_the_syntax_s_word_and_the_user_s(lines, multiline, text, one):
    assert gap_in(text, lines=lines, multiline=multiline).one_line is one


def test_brackets_do_not_count_in_a_string_or_a_comment():
    gap = gap_in('"""See $0\n', code=False)
    assert trim("above :) and below", gap)[0] == "above :) and below"


def test_what_the_accepted_text_opened_may_be_closed():
    gap = gap_in("    b$0\n    c\n", above_lines=())
    assert trim(", d) + e", gap)[0] == ", d"
    assert trim(", d) + e", replace(gap, accepted="call(a,\n    b"))[0] == ", d) + e"


@pytest.mark.parametrize("group", GROUPS)
def test_a_group_can_be_left_out(group):
    """So that a bench can see what it is good for."""
    _, _, text, raw, _ = next(case for case in CASES if case[0] == group)
    fired = trim(raw, gap_in(text), without=frozenset((group,)))[1]
    assert not {rule.__name__ for rule in GROUPS[group]} & set(fired)


def test_every_rule_is_in_one_group():
    grouped = [rule for group in GROUPS.values() for rule in group]
    assert len(grouped) == len(set(grouped))
    assert set(RULES) <= set(grouped)


SPECIALS = sorted({name for layout in layouts().values() for name in layout.specials})


@pytest.mark.parametrize("name", [*SPECIALS, "</s>", "<|file_sep|>", "<fim_pad>", "<think>"])
def test_S5_special_tokens_of_every_layout_are_cut(name):
    shown, fired = trim(f"a = 1\n{name}b = 2", gap_in(TOP))
    assert shown.rstrip("\u2581") == "a = 1"
    assert "special_tokens" in fired
    assert enough(f"a = 1\n{name}", gap_in(TOP))


def test_edits_are_levenshtein_s():
    assert edits("kitten", "sitting") == 3
    assert edits("", "abc") == 3
    assert edits("abc", "") == 3
    assert edits("flaw", "lawn") == 2


@pytest.mark.parametrize(
    ("text", "raw", "stop"),
    [
        (LINE, "self.a\n    more\nx", "self.a\n    more\n"),  # the next line is for later
        ("f($0, b)\n", "self.a\nmore", "self.a\n"),
        (BODY, "a\n\ndef other(self):\n    pass", "a\n\ndef other(self):\n"),
        (BODY, "a = 1\n\n\n    b", "a = 1\n\n\n"),
        (JS, "if (a) {\n    b();\n  }\n  c();", "if (a) {\n    b();\n  }\n"),
        (GO, "for {\n        if a {\n            b()\n", None),
        (IF, "b();\n} else {\n    c();\n}\n", "b();\n} else {\n    c();\n}\n"),
        ("call($0, timeout=seconds)\n", "a, timeout=seconds).then", "a, timeout=seconds)"),
        (TOP, "a = 1<|im_end|>\n", "a = 1<|im_end|>"),
        (TOP, "foo(1)\nbar(2)\nfoo(1)\nbar(2)\nfoo", "foo(1)\nbar(2)\nfoo(1)\nbar(2)\n"),
    ],
)
def test_a_stream_is_stopped_as_soon_as_its_text_stands(text, raw, stop):
    """No token is written in vain, and none is missing."""
    gap = gap_in(text, unit="\t" if text == GO else "")
    stopped = next((n for n in range(1, len(raw) + 1) if enough(raw[:n], gap)), None)
    assert stopped == (len(stop) if stop is not None else None)
    if stop is not None:
        assert trim(raw[:stopped], gap)[0] == trim(raw, gap)[0]
