# SPDX-License-Identifier: Apache-2.0
"""Edits that are answered for by a part of a file: the same as reading all of it."""

from __future__ import annotations

import random
import re
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexer import languages, runs
from indexer.parse import extract, extract_bytes
from indexer.patch import LANGUAGES, known, patched
from indexer.runs import changed_lines
from indexer.splice import _raised
from indexer.types import FileRecord, pack_column, unpack_column

if TYPE_CHECKING:
    from indexer.parse import Around

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = Path(__file__).parent / "samples"
COPIES = 4  # of a sample, so that its definitions have neighbours
# What people type: whole definitions, halves of them, and what changes how the rest is read.
ANY = ["x = foo(1)", "a.b.c(d);", "(", ")", "'", '"', " ", ", ", "\n", "\n\n", "é", "// note", "@x"]
PYTHON = [
    *(
        "def new(a, b: int):\n{0}    return a\n",
        "class K:\n{0}    z = 1\n",
        "import os\n",
        "self.y = K(2)",
    ),
    *(
        '"""',
        "# note",
        "@property\n",
        "    ",
        ":",
        "x: int = 3",
        "if x:\n",
        "\\\n",
        "; y",
        "f'{a}'",
    ),
]
BRACES = [
    *("{", "}", "/* c */", "/*", "*/", ";", "class K { a() { return 2 } }\n", "if (a) { b() }"),
    *("function f() { return 1 }\n", "func g() int { return 2 }\n", "fn h() -> i32 { 3 }\n", "`"),
    *("int q(void) { return 1; }\n", "void m() { run(); }\n", "#if A\n", "import x from 'y';\n"),
    *("type T = string\n", "abstract ", "export ", "@Override\n", "const c = () => 4\n"),
]

KOTLIN = """class Shop(val store: Store) {
    /** What a cart costs. */
    fun total(cart: Cart): Int {
        val price = store.price(cart.items)
        return price * 2
    }
}

fun helper(order: Order): Shop {
    val found = Store(order)
    return Shop(found)
}
"""


def read_as(language: str):
    def read(text: bytes, around: Around) -> FileRecord:
        return FileRecord.from_bytes(extract_bytes(language, text, around))

    return read


def edited(text: str, language: str, chance: random.Random) -> str:
    """One edit, as a key, a paste or a cut."""
    lines = text.split("\n")
    at = chance.randrange(len(lines))
    line = lines[at]
    column = chance.randrange(len(line) + 1)
    kind = chance.choice(["key", "key", "erase", "word", "word", "line", "cut", "copy"])
    word = chance.choice(ANY + (PYTHON if language == "python" else BRACES))
    indent = line[: len(line) - len(line.lstrip())]
    word = word.replace("{0}", indent)
    if kind == "key":
        lines[at] = line[:column] + chance.choice("abcxyz_ .,1") + line[column:]
    elif kind == "erase":
        lines[at] = line[:column] + line[column + chance.choice([1, 1, 5]) :]
    elif kind == "word":
        lines[at] = line[:column] + word + line[column:]
    elif kind == "line":
        lines.insert(at, indent + word)
    elif kind == "cut":
        del lines[at : at + chance.choice([1, 3])]
    else:
        lines[at:at] = lines[at : at + chance.choice([1, 2, 8])]
    return "\n".join(lines)


def check_edits(language: str, text: str, count: int, seed: int) -> tuple[int, int]:
    """Edit over and over; a sure patch is the record, any patch has spans that fit the text."""
    chance = random.Random(seed)
    base = start = known(text.encode(), extract(language, text.encode()))
    sure = patches = 0
    for number in range(count):
        new = edited(base.data.decode(), language, chance).encode()
        patch = patched(base, new, read_as(language))
        whole = extract(language, new)
        if patch is not None:
            patches += 1
            sure += patch.sure
            if patch.sure:
                assert patch.known.record == whole, f"seed {seed}, edit {number}"
            check_spans(patch.known.record, new)
        if number % 8 == 7:
            base = start  # what is odd somewhere in a file leaves nothing in it sure
        elif patch is not None and patch.sure:
            base = patch.known  # an error of one patch would show in the next
        elif not whole.error_count and chance.random() < 0.5:
            base = known(new, whole)
    return sure, patches


def check_spans(record: FileRecord, data: bytes) -> None:
    """Names stand where the record says; windows cover the text."""
    lines = [0, *(m.end() for m in re.finditer(rb"\r\n|\n|\r", data))]
    for symbol in record.symbols:
        assert 0 <= symbol.start <= symbol.name_start < symbol.end <= len(data)
        name = data[symbol.name_start :].decode("utf-8", "replace").lstrip("\"'")
        assert name.startswith(symbol.name)
        assert lines[symbol.name_line - 1] + symbol.name_col == symbol.name_start
        assert symbol.parent < 0 or record.symbols[symbol.parent].end >= symbol.start
    for use in record.references:
        assert lines[use.line - 1] <= use.start < len(data)
    assert b"".join(data[c.start : c.end] for c in record.chunks) == data


def sample(language: str) -> str:
    """The language's sample several times over, with other names each time."""
    path = next(p for p in sorted(SAMPLES.iterdir()) if languages.detect(p.name) == language)
    text = path.read_text("utf-8")
    if language == "kotlin":  # the grammar sees an error in the sample, and a second package is one
        text = KOTLIN
    copies = [re.sub(r"\b(Shop|Store|Order|Cart)\b", rf"\g<1>{n}", text) for n in range(COPIES)]
    return "\n\n".join(copies)


@pytest.mark.parametrize("language", sorted(LANGUAGES))
def test_a_sure_patch_is_what_the_whole_file_gives(language: str) -> None:
    """I5. Danger: an index that drifts away from the buffer, a little with every key."""
    sure, patches = check_edits(language, sample(language), count=60, seed=1)
    assert sure >= 5 and patches >= 10


@pytest.mark.parametrize(
    "path", ["indexer/policy.py", "indexer/watch.py", "lsp_server/documents.py"]
)
def test_python_files_of_this_project(path: str) -> None:
    sure, _ = check_edits("python", (ROOT / path).read_text("utf-8"), count=40, seed=2)
    assert sure >= 10


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", range(3))
def test_I5_thousands_of_edits(seed: int) -> None:
    stdlib = Path(sysconfig.get_path("stdlib"))
    for name in ("typing.py", "inspect.py", "argparse.py", "tarfile.py", "ast.py"):
        check_edits("python", (stdlib / name).read_text("utf-8"), count=300, seed=seed)
    headers = sorted(Path(sysconfig.get_path("include")).glob("*.h"))[:20]
    for path in headers:
        check_edits("c", path.read_text("utf-8"), count=60, seed=seed)
    for language in sorted(LANGUAGES):
        check_edits(language, sample(language), count=500, seed=seed)


METHODS = "".join(
    f"    def step_{n}(self, value):\n        total = self.store.add(value, {n})\n"
    f"        return total\n\n"
    for n in range(300)
)
LONG = (
    f'"""Steps."""\n\nimport os\n\n\nclass Steps:\n    """All."""\n\n{METHODS}\n\nLAST = os.sep\n'
)


def test_a_key_in_a_long_class_reads_a_few_methods() -> None:
    """Danger: 70 ms of work for every key in a file of 1,200 lines."""
    data = LONG.encode()
    at = data.index(b"        return total", len(data) // 2)
    new = data[:at] + b"        self.extra = Extra(value)\n" + data[at:]
    asked = []

    def read(text: bytes, around: Around) -> FileRecord:
        asked.append(len(text))
        return read_as("python")(text, around)

    patch = patched(known(data, extract("python", data)), new, read)
    assert patch is not None and patch.sure
    assert patch.known.record == extract("python", new)
    assert len(asked) == 2 and max(asked) < 2 * runs.RUN_SMALL_BYTES


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("import os\n", "import os\nfrom a import total\n"),  # bare uses of it become references
        ("LAST = os.sep", "total = os.sep"),
        ("def step_9(self, value)", "def step_9(self, value: Row)"),  # typed locals are read now
        ("return total\n", 'return """\n'),  # a string that ends who knows where
    ],
)
def test_what_changes_the_rest_of_the_file_is_not_sure(old: str, new: str) -> None:
    data = LONG.encode()
    text = LONG.replace(old, new, 1).encode()
    patch = patched(known(data, extract("python", data)), text, read_as("python"))
    assert patch is None or not patch.sure


def test_an_open_bracket_leaves_everything_else_as_it_was() -> None:
    """Danger: while a call is being typed, half of the file is gone from the index."""
    text = "".join(
        f"export function step{n}(value: Row): number {{\n  return value.size + {n};\n}}\n\n"
        for n in range(100)
    )
    data = text.encode()
    at = data.index(b"  return", len(data) // 2)
    new = data[:at] + b"  if (value.call({ a: [\n" + data[at:]
    patch = patched(known(data, extract("typescript", data)), new, read_as("typescript"))
    assert patch is not None and not patch.sure
    check_spans(patch.known.record, new)
    assert [s.name for s in patch.known.record.symbols] == [f"step{n}" for n in range(100)]


TEXTS = st.text(st.sampled_from("ab\n\r{"), max_size=30).map(str.encode)


@given(TEXTS, TEXTS)
def test_the_changed_lines_are_all_that_changed(old: bytes, new: bytes) -> None:
    change = changed_lines(old, new)
    end = change.end + change.growth
    assert len(new) == len(old) + change.growth and change.start <= min(change.end, end)
    assert old[: change.start] == new[: change.start] and old[change.end :] == new[end:]
    assert all(old[a - 1 : a] in (b"", b"\n") for a in (change.start,))
    assert change.end == len(old) or old[change.end - 1 : change.end] == b"\n"


@settings(max_examples=200)
@given(st.lists(st.integers(1000, 2**32 - 1001)), st.integers(-1000, 1000))
def test_a_column_is_raised_number_by_number(numbers: list[int], by: int) -> None:
    raised = unpack_column(_raised(pack_column(numbers), by))
    assert list(raised) == [number + by for number in numbers]
