# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: E501, ISC004  a table
"""Actions that write new files: tests and translations. Where they go, and what is refused.

A row: files, the model's answer, the file that comes of it or the reason. Dangers: a file that is
overwritten, a test that tests nothing, an import that leads nowhere, code that does more than what
it is written for.
"""

from __future__ import annotations

import pytest
from acting import acting, after

TESTS, TRANSLATE = "source.generateTests", "refactor.rewrite.translate"
PY = """
//- src/shop/__init__.py
//- src/shop/cart.py
def total$0(prices):
    return sum(prices)
"""
PY_ANSWER = """Sure!
```python
import pytest
from cart import total

def test_total_of_none():
    assert total([]) == 0
```"""
GO = "//- go.mod\nmodule ex.com/m\n//- s/s.go\npackage s\n\nfunc Add$0(a, b int) int {\n\treturn a + b\n}\n"
GO_ANSWER = """```go
package s

import "testing"

func TestAdd(t *testing.T) {
\tif Add(1, 2) != 3 {
\t\tt.Errorf("wrong")
\t}
}
```"""
TS = '//- package.json\n{"devDependencies": {"vitest": "1"}}\n//- src/a.ts\nexport function add$0(a: number) {\n  return a;\n}\n'
TS_ANSWER = "test('adds', () => {\n  expect(add(1)).toBe(1);\n});\n"
JAVA = "//- src/main/java/p/A.java\npackage p;\n\nclass A {\n    int add$0(int a) {\n        return a;\n    }\n}\n"
JAVA_ANSWER = """class ATest {
    @Test
    void adds() {
        assertEquals(1, new A().add(1));
    }
}"""
RUST = "//- src/lib.rs\npub fn add$0(a: u32) -> u32 {\n    a\n}\n"
RUST_ANSWER = "#[test]\nfn adds() {\n    assert_eq!(add(1), 1);\n}\n"

WRITTEN = [
    (
        "python: a new file in tests/, imported by the module's own name",
        PY,
        PY_ANSWER,
        "tests/test_cart.py",
        "import pytest\nfrom shop.cart import total\n\n\n"
        "def test_total_of_none():\n    assert total([]) == 0\n",
    ),
    (
        "python: appended to what is there, which stays",
        PY
        + "//- tests/shop/test_cart.py\nimport pytest\n\nfrom shop.cart import total\n\n\n"
        + "def test_total():\n    assert total([1]) == 1\n",
        PY_ANSWER,
        "tests/shop/test_cart.py",
        "import pytest\n\nfrom shop.cart import total\n\n\ndef test_total():\n    assert total([1]) == 1\n"
        "\n\ndef test_total_of_none():\n    assert total([]) == 0\n",
    ),
    (
        "python: a project of unittest",
        PY + "//- test/other_test.py\nimport unittest\n\n\nclass T(unittest.TestCase):\n    pass\n",
        "class TotalTest(unittest.TestCase):\n    def test_none(self):\n"
        "        self.assertEqual(total([]), 0)\n",
        "test/cart_test.py",
        "import unittest\nfrom shop.cart import total\n\n\nclass TotalTest(unittest.TestCase):\n"
        "    def test_none(self):\n        self.assertEqual(total([]), 0)\n",
    ),
    (
        "go: beside, with package and imports",
        GO,
        GO_ANSWER,
        "s/s_test.go",
        'package s\n\nimport "testing"\n\nfunc TestAdd(t *testing.T) {\n\tif Add(1, 2) != 3 {\n'
        '\t\tt.Errorf("wrong")\n\t}\n}\n',
    ),
    (
        "go: appended",
        GO + '//- s/s_test.go\npackage s\n\nimport "testing"\n\nfunc TestX(t *testing.T) {}\n',
        GO_ANSWER,
        "s/s_test.go",
        'package s\n\nimport "testing"\n\nfunc TestX(t *testing.T) {}\n\n'
        "func TestAdd(t *testing.T) {\n\tif Add(1, 2) != 3 {\n"
        '\t\tt.Errorf("wrong")\n\t}\n}\n',
    ),
    (
        "typescript: beside, the framework of package.json",
        TS,
        TS_ANSWER,
        "src/a.test.ts",
        "import { test, expect } from 'vitest';\nimport { add } from './a';\n\n" + TS_ANSWER,
    ),
    (
        "typescript: __tests__ and spec as the others are",
        TS + "//- src/__tests__/b.spec.ts\nimport { test } from 'vitest';\ntest('b', () => {});\n",
        "import { add } from '../wrong';\n\n" + TS_ANSWER,
        "src/__tests__/a.spec.ts",
        "import { test, expect } from 'vitest';\nimport { add } from '../a';\n\n" + TS_ANSWER,
    ),
    (
        "javascript: require",
        '//- package.json\n{"jest": {}}\n//- lib/a.js\nfunction add$0(a) { return a; }\nmodule.exports = { add };\n',
        TS_ANSWER,
        "lib/a.test.js",
        "const { add } = require('./a');\n\n" + TS_ANSWER,
    ),
    (
        "java: the mirrored folder, package and JUnit",
        JAVA,
        JAVA_ANSWER,
        "src/test/java/p/ATest.java",
        "package p;\n\nimport org.junit.jupiter.api.Test;\n"
        "import static org.junit.jupiter.api.Assertions.*;\n" + JAVA_ANSWER + "\n",
    ),
    (
        "java: a method more in the class that is there",
        JAVA
        + "//- src/test/java/p/ATest.java\npackage p;\n\nimport org.junit.Test;\n"
        + "import static org.junit.Assert.*;\n\npublic class ATest {\n    @Test\n"
        + "    public void old() { assertTrue(true); }\n}\n",
        JAVA_ANSWER,
        "src/test/java/p/ATest.java",
        "package p;\n\nimport org.junit.Test;\nimport static org.junit.Assert.*;\n\n"
        "public class ATest {\n    @Test\n    public void old() { assertTrue(true); }\n\n"
        "    @Test\n    void adds() {\n        assertEquals(1, new A().add(1));\n    }\n}\n",
    ),
    (
        "rust: a module in the same file",
        RUST,
        RUST_ANSWER,
        "src/lib.rs",
        "pub fn add(a: u32) -> u32 {\n    a\n}\n\n#[cfg(test)]\nmod tests {\n    use super::*;\n\n"
        "    #[test]\n    fn adds() {\n        assert_eq!(add(1), 1);\n    }\n}\n",
    ),
    (
        "rust: in the module that is there",
        RUST + "\n#[cfg(test)]\nmod tests {\n    use super::*;\n\n    #[test]\n    fn x() {}\n}\n",
        "#[cfg(test)]\nmod tests {\n    use super::*;\n\n    #[test]\n    fn adds() {\n"
        "        assert_eq!(add(1), 1);\n    }\n}\n",
        "src/lib.rs",
        "pub fn add(a: u32) -> u32 {\n    a\n}\n\n#[cfg(test)]\nmod tests {\n    use super::*;\n\n"
        "    #[test]\n    fn x() {}\n\n    #[test]\n    fn adds() {\n"
        "        assert_eq!(add(1), 1);\n    }\n}\n",
    ),
]
REFUSED = [
    ("python: nothing is checked", PY, "def test_a():\n    total([])\n", "no test checks"),
    ("python: no test", PY, "x = total([1])\nassert x\n", "no test of pytest"),
    ("python: not called", PY, "def test_a():\n    assert True\n", "no test calls total"),
    ("python: does not parse", PY, "def test_a(:\n", "no python that can be parsed"),
    ("python: chatter only", PY, "I am sorry, I cannot help with that.", "no test of pytest"),
    (
        "python: what is tested is defined anew",
        PY,
        "def total(p):\n    return 0\n\ndef test_a():\n    assert total([]) == 0\n",
        "total is defined anew",
    ),
    (
        "python: a process",
        PY,
        "import os\n\ndef test_a():\n    os.system('id')\n    assert total([]) == 0\n",
        "it uses what total does not: processes",
    ),
    (
        "python: the network, at import",
        PY,
        "import urllib.request\n\ndef test_a():\n    assert total([]) == 0\n",
        "it uses what total does not: network",
    ),
    (
        "python: a test of that name is there",
        PY + "//- tests/test_cart.py\ndef test_total_of_none():\n    pass\n",
        PY_ANSWER,
        "test_total_of_none is there already",
    ),
    (
        "go: nothing is checked",
        GO,
        "func TestA(t *testing.T) {\n\tAdd(1, 2)\n}\n",
        "no test checks",
    ),
    (
        "java: no test",
        JAVA,
        "class ATest {\n    void adds() { assert true; }\n}\n",
        "no test of junit5",
    ),
    (
        "typescript: a process",
        TS,
        "import { exec } from 'child_process';\ntest('a', () => { exec('id'); expect(add(1)).toBe(1); });",
        "processes",
    ),
    (
        "rust: a process",
        RUST,
        '#[test]\nfn adds() {\n    std::process::Command::new("id").spawn();\n'
        "    assert_eq!(add(1), 1);\n}\n",
        "processes",
    ),
]


@pytest.mark.parametrize("row", WRITTEN, ids=[row[0] for row in WRITTEN])
def test_tests_are_written_where_they_belong(tmp_path, row):
    _, text, answer, path, wanted = row
    with acting(tmp_path, text, TESTS, [answer]) as desk:
        outcome = desk.act()
    assert outcome.accepted, outcome.reason
    assert after(outcome) == {path: wanted}


@pytest.mark.parametrize("row", REFUSED, ids=[row[0] for row in REFUSED])
def test_tests_that_are_no_good_are_refused(tmp_path, row):
    _, text, answer, reason = row
    with acting(tmp_path, text, TESTS, [answer] * 3) as desk:
        outcome = desk.act()
    assert not outcome.accepted
    assert reason in outcome.reason


def test_line_ends_of_the_file_of_tests_stay(tmp_path):
    there = "def test_total():\r\n    assert True\r\n"
    with acting(tmp_path, PY + "//- tests/test_cart.py\nx = 1\n", TESTS, [PY_ANSWER]) as desk:
        (desk.root / "tests/test_cart.py").write_bytes(there.encode())
        outcome = desk.act()
    text = after(outcome)["tests/test_cart.py"]
    assert text.startswith(there)
    assert text.count("\n") == text.count("\r\n")


DEFINITION = "//- src/price_list.py\ndef net_price$0(gross, rate):\n    return gross / (1 + rate)\n"
TRANSLATED = [
    (DEFINITION, "to TypeScript", "export function netPrice(g: number, r: number) {\n  return g / (1 + r);\n}\n", "src/netPrice.ts"),
    (DEFINITION, "JavaScript", "```js\nexport const netPrice = (g, r) => g / (1 + r);\n```", "src/netPrice.js"),
    (DEFINITION, "go", "package src\n\nfunc NetPrice(g, r float64) float64 {\n\treturn g / (1 + r)\n}\n", "src/net_price.go"),
    (DEFINITION, "Java please", "class NetPrice {\n    static double netPrice(double g, double r) {\n        return g / (1 + r);\n    }\n}\n", "src/NetPrice.java"),
    (DEFINITION, "in Rust", "pub fn net_price(g: f64, r: f64) -> f64 {\n    g / (1.0 + r)\n}\n", "src/net_price.rs"),
    ("//- a/priceList.ts\nexport function netPrice$0(g: number) {\n  return g;\n}\n", "", "def net_price(g):\n    return g\n", "a/net_price.py"),
    ("//- a/b.py\nX = 1$0\n\n\ndef one():\n    return 1\n\n\ndef two():\n    return 2\n", "rust", "pub fn one() -> u8 {\n    1\n}\npub fn two() -> u8 {\n    2\n}\n", "a/b.rs"),
]  # fmt: skip
UNTRANSLATED = [
    (DEFINITION, "to cobol", "x", "say one of python"),
    (DEFINITION, "python", "x", "it is python already"),
    (DEFINITION, "rust", "fn other() {}\n", "does not define net_price in rust"),
    (DEFINITION, "rust", "fn net_price( {\n", "no rust that can be parsed"),
    (DEFINITION, "go", "Sorry.", "no go that can be parsed"),
    (DEFINITION, "javascript", "import { execSync } from 'child_process';\nexecSync('id');\nexport function netPrice() {}\n", "it uses what the original does not: processes"),
    (DEFINITION + "//- src/net_price.rs\n// mine\n", "rust", "fn net_price() {}\n", "is there already"),
    ("//- a/b.py\nX = 1$0\n\n\ndef one():\n    return 1\n\n\ndef two():\n    return 2\n", "rust", "pub fn one() {}\n", "does not define two"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "wish", "answer", "path"), TRANSLATED)
def test_a_translation_is_a_new_file(tmp_path, text, wish, answer, path):
    with acting(tmp_path, text, TRANSLATE, [answer], instruction=wish) as desk:
        outcome = desk.act()
    assert outcome.accepted, outcome.reason
    code = answer.replace("```js\n", "").replace("```", "")
    assert after(outcome) == {path: code.strip() + "\n"}
    assert outcome.proposal.changes[0].before is None


@pytest.mark.parametrize(("text", "wish", "answer", "reason"), UNTRANSLATED)
def test_what_is_no_translation_is_refused(tmp_path, text, wish, answer, reason):
    with acting(tmp_path, text, TRANSLATE, [answer] * 3, instruction=wish) as desk:
        outcome = desk.act()
    assert not outcome.accepted
    assert reason in outcome.reason
