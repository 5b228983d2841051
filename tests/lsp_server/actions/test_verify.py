# SPDX-License-Identifier: Apache-2.0
"""The ladder: what is good passes every rung, and each fault is seen on the rung that is for it."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from textwrap import dedent

import pytest
from climbing import Climb, climbing, failed

from lsp_server.actions import verify
from lsp_server.actions.types import Check, FileChange, Proposal
from lsp_server.settings import Settings

FILES = {
    "python": """
        //- shop.py
        import os

        import tax


        class Shop:
            def open(self):
                return self.rows()

            def rows(self):
                return []


        def price(count, rate):
            if count > 1:
                return tax.of(count) * $0rate
            return os.getpid()


        def check(user):
            if not user.admin:
                raise PermissionError
            return price(1, 2)
        //- tax.py
        def of(count):
            return count * 2
        //- till.py
        from shop import price

        print(price(3, 4))
        """,
    "typescript": """
        //- src/shop.ts
        import { of } from "./tax";

        export function price(count: number, rate: number): number {
          if (count > 1) {
            return of(count) * $0rate;
          }
          return 0;
        }

        export class Shop {
          private open = false;
          check(user: { admin: boolean }): number {
            if (!user.admin) {
              throw new Error("no");
            }
            return price(1, 2);
          }
        }
        //- src/tax.ts
        export function of(count: number): number {
          return count * 2;
        }
        //- src/till.ts
        import { price } from "./shop";

        console.log(price(3, 4));
        """,
    "javascript": """
        //- shop.js
        import { of } from "./tax.js";

        export function price(count, rate) {
          if (count > 1) {
            return of(count) * $0rate;
          }
          return 0;
        }

        export function check(user) {
          if (!user.admin) throw new Error("no");
          return price(1, 2);
        }
        //- tax.js
        export function of(count) {
          return count * 2;
        }
        """,
    "go": """
        //- go.mod
        module example.com/shop
        //- shop.go
        package shop

        import "errors"

        func Price(count int, rate int) int {
        \tif count > 1 {
        \t\treturn of(count) * $0rate
        \t}
        \treturn 0
        }

        func Check(admin bool) error {
        \tif !admin {
        \t\treturn errors.New("no")
        \t}
        \treturn nil
        }
        //- tax.go
        package shop

        func of(count int) int {
        \treturn count * 2
        }
        //- till.go
        package shop

        func till() int { return Price(3, 4) }
        """,
    "java": """
        //- shop/Shop.java
        package shop;

        import java.util.List;

        public class Shop {
            private int total;

            int price(int count, int rate) {
                if (count > 1) {
                    return Tax.of(count) * $0rate;
                }
                return 0;
            }

            int price(int count) {
                return price(count, 1);
            }

            int check(List<String> roles) {
                if (!roles.contains("admin")) {
                    throw new IllegalStateException();
                }
                return price(1, 2);
            }
        }
        //- shop/Tax.java
        package shop;

        class Tax {
            static int of(int count) {
                return count * 2;
            }
        }
        """,
    "rust": """
        //- Cargo.toml
        [package]
        name = "shop"
        edition = "2021"
        //- src/lib.rs
        mod tax;
        use crate::tax::of;

        pub fn price(count: i32, rate: i32) -> i32 {
            if count > 1 {
                return of(count) * $0rate;
            }
            0
        }

        pub fn check(admin: bool) -> i32 {
            if !admin {
                panic!("no");
            }
            price(1, 2)
        }
        //- src/tax.rs
        pub fn of(count: i32) -> i32 {
            count * 2
        }
        """,
}
MAIN = {
    "python": "shop.py",
    "typescript": "src/shop.ts",
    "javascript": "shop.js",
    "go": "shop.go",
    "java": "shop/Shop.java",
    "rust": "src/lib.rs",
}
CONDITION = {"python": "count > 1:", "rust": "count > 1 {", "go": "count > 1 {"}
GUARD = {
    "python": ("not user.admin", "False"),
    "typescript": ("!user.admin", "false"),
    "javascript": ("!user.admin", "false"),
    "go": ("!admin", "false"),
    "java": ('!roles.contains("admin")', "false"),
    "rust": ("!admin", "false"),
}
# language, what is replaced in the file asked in, the rung that fails, words of the reason
ROWS = [
    # what is good
    *[(language, [("count > 1", "count >= 2")], "", "") for language in FILES],
    ("python", [("def check", "def rounded(count):\n    return count\n\n\ndef check")], "", ""),
    (
        "python",
        [("import os\n", "import os\nimport json\n"), ("getpid()", "getpid() or json")],
        "",
        "",
    ),
    ("go", [("of(count) * rate", "max(of(count), rate)")], "", ""),
    ("rust", [("of(count) * rate", "of(count).max(rate)")], "", ""),
    ("rust", [("return of(count) * rate;", 'println!("{}", rate);')], "", ""),
    ("java", [("Tax.of(count) * rate", "Math.max(Tax.of(count), rate)")], "", ""),
    ("typescript", [("of(count) * rate", "Math.max(of(count), parseInt(`${rate}`))")], "", ""),
    # text
    *[(language, [("count > 1", "count\u202e > 1")], "text", "U+202E") for language in FILES],
    ("python", [("rate\n", "rate  # <|im_end|>\n")], "text", "<|im_end|>"),
    ("python", [("return tax", "\treturn tax")], "", ""),  # after spaces a tab is the parser's
    ("python", [("        return tax", "\treturn tax")], "text", "tabs"),
    ("go", [("\t\treturn of", "        return of")], "text", "spaces"),
    ("python", [("of(count)", "of(count\ud800)")], "text", "U+D800"),
    ("python", [("return os.getpid()\n", "return os.getpid()\r\n")], "text", "LF"),
    # parse
    ("python", [("count > 1:", "count > 1")], "parse", "line"),
    ("python", [("        return tax", "return tax")], "parse", "line"),
    *[(language, [("count > 1", "count > (1")], "parse", MAIN[language]) for language in FILES],
    # symbols and scope
    *[(language, [GUARD[language]], "symbols", "only what was asked") for language in FILES],
    ("python", [("def check(user)", "def check(user, force=False)")], "symbols", "check"),
    ("python", [("def check", "def chick")], "symbols", "check is gone"),
    ("python", [("def price", "def cost"), ("price(1", "cost(1")], "symbols", "till.py:3"),
    ("python", [("def check", "print(1)\n\n\ndef check")], "symbols", "print(1)"),
    ("python", [("def check", "X = print(1)\n\n\ndef check")], "symbols", "X = print(1)"),
    ("python", [("def check", "def price(a):\n    return a\n\n\ndef check")], "symbols", "2 times"),
    ("go", [("func Check", "func check")], "symbols", "Check is gone"),
    ("go", [("errors.New(", "errors.Join(")], "symbols", "errors.Join"),
    ("java", [("return price(count, 1);", "return 7;")], "symbols", "price(int count)"),
    ("java", [("private int total;\n", "")], "symbols", "total is gone"),
    ("typescript", [("private open = false", "private open = true")], "symbols", "open"),
    ("rust", [("pub fn check(admin: bool)", "fn check(admin: bool)")], "symbols", "check"),
    # references
    ("python", [("import tax\n", "")], "references", "tax is used"),
    ("python", [("import os\n", "")], "references", "os is used"),
    ("python", [("tax.of(count)", "helper(count)")], "references", "helper"),
    ("python", [("import tax", "import tax\nimport numpi")], "references", "numpi"),
    ("python", [("import tax", "import tax\nfrom tax import gone")], "references", "gone"),
    ("python", [("import tax", "import tax\nfrom . import nowhere")], "references", "nowhere"),
    ("typescript", [('import { of } from "./tax";\n', "")], "references", "of"),
    ("typescript", [('"./tax"', '"./taxes"')], "references", "./taxes"),
    ("typescript", [("of(count) *", "helper(count) *")], "references", "helper"),
    ("javascript", [("of(count) *", "helper(count) *")], "references", "helper"),
    (
        "javascript",
        [("import {", 'import _ from "left-padd";\nimport {')],
        "references",
        "left-padd",
    ),
    ("go", [("of(count) *", "helper(count) *")], "references", "helper"),
    ("go", [('import "errors"\n', "")], "references", "errors"),
    ("rust", [("of(count) *", "helper(count) *")], "references", "helper"),
    ("rust", [("use crate::tax::of;", "use crate::taxes::of;")], "references", "taxes"),
]


@pytest.fixture(scope="module")
def climbs(tmp_path_factory):
    """One desk a language: a proposal changes nothing, so that all rows can share it."""
    made = {}
    opened = []
    for language, text in FILES.items():
        desk = climbing(tmp_path_factory.mktemp(language), text)
        made[language] = desk.__enter__()
        opened.append(desk)
    yield made
    for desk in opened:
        desk.__exit__()


@pytest.mark.parametrize(("language", "edits", "rung", "words"), ROWS)
def test_each_fault_is_seen_on_its_rung(climbs, language, edits, rung, words):
    checks = climbs[language].checks({MAIN[language]: edits})
    said = "; ".join(f"{check.name}={check.passed} {check.detail}" for check in checks)
    assert failed(checks) == rung, said
    assert words in checks[-1].detail, said


def test_a_rename_everywhere_and_a_new_parameter_everywhere_pass(tmp_path):
    with climbing(
        tmp_path, FILES["python"].replace("$0", "").replace("price(count", "pri$0ce(count")
    ) as it:
        rename = [("price", "cost")]
        assert failed(it.checks({"shop.py": rename, "till.py": rename})) == ""
        signature = {
            "shop.py": [("price(count, rate)", "price(count, rate, day)"), ("(1, 2)", "(1, 2, 3)")],
            "till.py": [("price(3, 4)", "price(3, 4, day=5)")],
        }
        assert failed(it.checks(signature)) == ""
        more = {**signature, "till.py": [("print(price(3, 4))", "exec(price(3, 4, 5))")]}
        assert failed(it.checks(more)) == "symbols"


def test_what_the_user_names_may_change(tmp_path):
    with climbing(tmp_path, FILES["python"], instruction="let check return 0 too") as it:
        assert failed(it.checks({"shop.py": [("return price(1, 2)", "return 0")]})) == ""
        assert failed(it.checks({"shop.py": [("return []", "return [1]")]})) == "symbols"
    wide = replace(it.rules, wide=True)
    proposal = it.proposal({"shop.py": [("return []", "return [1]")]})
    assert failed(asyncio.run(verify.ladder(it.it, proposal, wide))) == ""


TABS = "//- a.go\npackage a\n\nfunc f() int {\n\treturn $01\n}\n\nfunc g() int {\n\treturn 2\n}\n"


@pytest.mark.parametrize("bom", [False, True])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_I3_line_ends_and_marks_are_kept_byte_for_byte(tmp_path, newline, bom):
    with climbing(tmp_path, TABS, newline=newline, bom=bom) as it:
        before = it.it.data.decode()
        good = before.replace("return 1", "return 3")
        other = "\n" if newline == "\r\n" else "\r\n"
        assert failed(it.checks({"a.go": good})) == ""
        for wrong in (
            good.replace(newline, other),
            good.replace(f"3{newline}", f"3{other}"),
            good.removesuffix(newline),
            good.removeprefix("\ufeff") if bom else "\ufeff" + good,
            good.replace("\treturn 3", "    return 3"),
        ):
            assert failed(it.checks({"a.go": wrong})) == "text", repr(wrong)


def test_I3_a_character_that_the_encoding_lacks_is_refused(tmp_path):
    text = "//- a.py\n# -*- coding: latin-1 -*-\n# caf\u00e9\ndef f():\n    return $01\n"
    with climbing(tmp_path, text) as it:
        place = it.desk.root / "a.py"
        place.write_bytes(it.it.data.decode().encode("latin-1"))
        assert failed(it.checks({"a.py": [("1", "'\u00e9'")]})) != "text"
        assert failed(it.checks({"a.py": [("return 1", "return '\u20ac'")]})) == "text"


def test_P5_an_edit_of_a_text_that_is_another_by_now_is_refused(climbs, tmp_path):
    it = climbs["python"]
    stale = FileChange("tax.py", "def of(count):\n    return 0\n", "def of(count):\n    return 1\n")
    assert failed(_of(it, stale)) == "paths"
    gone = FileChange("nowhere.py", "x = 1\n", "x = 2\n")
    assert failed(_of(it, gone)) == "paths"
    there = FileChange("tax.py", None, "def of(count):\n    return 1\n")
    assert "there already" in _of(it, there)[-1].detail
    twice = it.proposal({"shop.py": [("count > 1", "count > 2")]}).changes[0]
    assert "twice" in _of(it, twice, twice)[-1].detail
    old = replace(twice, version=0)
    assert "meanwhile" in _of(it, old)[-1].detail


def test_P5_an_unsaved_buffer_counts_and_not_the_disk(tmp_path):
    with climbing(tmp_path, FILES["python"]) as it:
        uri = (it.desk.root / "tax.py").as_uri()
        it.desk.session.documents.open(uri, "", 3, "def of(count):\n    return 5\n")
        edit = {"tax.py": [("count * 2", "count * 3")]}
        assert "meanwhile" in it.checks(edit)[-1].detail


def _of(it: Climb, *changes: FileChange) -> tuple[Check, ...]:
    return asyncio.run(verify.ladder(it.it, Proposal(changes), it.rules))


def test_nothing_to_do_needs_no_proof(climbs):
    assert _of(climbs["python"]) == ()


def test_a_buffer_without_a_file_may_be_edited_and_nothing_else(tmp_path):
    with climbing(tmp_path, FILES["python"]) as it:
        loose = replace(it.it, root=None, snapshot=None, path="untitled", open={})
        document = replace(it.it.document, path=None, uri="untitled:1")
        loose = replace(loose, document=document)
        data = loose.data.decode()
        good = FileChange("untitled", data, data.replace("count > 1", "count > 2"))
        bad = FileChange("tax.py", "", "x = 1\n")
        rules = it.rules
        assert failed(asyncio.run(verify.ladder(loose, Proposal((good,)), rules))) == ""
        assert failed(asyncio.run(verify.ladder(loose, Proposal((bad,)), rules))) == "paths"


def test_new_files_are_parsed_and_checked(climbs):
    it = climbs["python"]
    assert (
        failed(it.checks({"test_shop.py": "import shop\n\n\ndef test_it():\n    assert shop\n"}))
        == ""
    )
    assert failed(it.checks({"test_shop.py": "import shop\n\ndef test_it(:\n"})) == "parse"
    assert failed(it.checks({"test_shop.py": "def test_it():\n    assert shap\n"})) == "references"
    both = {"test_shop.py": "import pytest\n", "a/b/new.py": "import test_shop\n"}
    assert failed(it.checks(both)) == ""


SIMPLE = "def f(a):\n    return a\n"
BRANCHES = dedent(
    """\
    def f(a):
        if a > 1:
            if a > 2:
                return 1
            return 2
        return a
    """
)


@pytest.mark.parametrize(
    ("checks", "before", "after", "expected"),
    [
        ((), SIMPLE, SIMPLE, 0.8),
        ((), BRANCHES, SIMPLE, 1.0),
        ((), SIMPLE, BRANCHES, 0.8),
        ((Check("tests", True, "3 of 4 tests passed; the others"),), SIMPLE, SIMPLE, 0.6),
        ((Check("tests", False, "exit code 1"),), BRANCHES, SIMPLE, 0.2),
    ],
)
def test_candidates_are_ranked_by_tests_and_then_by_simplicity(checks, before, after, expected):
    proposal = Proposal((FileChange("a.py", before, after),))
    assert verify.rank(checks, proposal) == pytest.approx(expected)


@pytest.fixture
def ruff(monkeypatch):
    """The formatter among the tools for tests, as if the user had it installed."""
    folder = Path(sys.executable).parent
    assert shutil.which("ruff", path=str(folder))
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


@pytest.mark.usefixtures("ruff")
def test_the_formatter_of_the_project_is_used_on_our_lines_and_no_others(tmp_path):
    text = """
        //- pyproject.toml
        [tool.ruff]
        line-length = 60
        //- clean.py
        def f(a):
            return $0a


        def g(a):
            return a
        """
    with climbing(tmp_path, text) as it:
        proposal = it.proposal({"clean.py": [("return a\n\n\ndef g", "return (a  ,a)\n\n\ndef g")]})
        assert failed(it.checks({"clean.py": proposal.changes[0].after})) == "format"
        done = asyncio.run(verify.formatted(it.it, proposal, it.rules))
        assert "    return (a, a)\n" in done.changes[0].after
        assert failed(asyncio.run(verify.ladder(it.it, done, it.rules))) == ""


@pytest.mark.usefixtures("ruff")
def test_a_file_that_was_never_formatted_is_not_formatted_now(tmp_path):
    text = """
        //- ruff.toml
        line-length = 60
        //- odd.py
        def g(a): return   a
        def f(a):
            return $0a
        """
    with climbing(tmp_path, text) as it:
        proposal = it.proposal({"odd.py": [("    return a", "    return (a)")]})
        assert asyncio.run(verify.formatted(it.it, proposal, it.rules)) == proposal
        checks = asyncio.run(verify.ladder(it.it, proposal, it.rules))
        assert failed(checks) == "" and "was not formatted" in checks[-1].detail


def test_S8_programs_of_the_workspace_are_run_only_where_the_user_has_named_one(tmp_path):
    text = """
        //- .prettierrc
        {}
        //- a.js
        export function f(a) {
          return $0a;
        }
        """
    with climbing(tmp_path, text) as it:
        program = it.desk.root / "node_modules" / ".bin" / "prettier"
        program.parent.mkdir(parents=True)
        mark = tmp_path / "was-run"
        program.write_text(f"#!/bin/sh\necho 1 > {mark}\ncat\n")
        program.chmod(0o755)
        assert it.desk.session.settings == Settings(debounceMs=0)
        assert [c.name for c in it.checks({"a.js": [("return a", "return 1")]})][-1] == "references"
        assert not mark.exists()
