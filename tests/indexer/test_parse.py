# SPDX-License-Identifier: Apache-2.0
"""From bytes to records: one real-looking sample a language, and what no bytes may break."""

import os
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexer import languages
from indexer.lexer import blank_python
from indexer.outline import read_query
from indexer.parse import _not_imports, _tree, extract, extract_bytes, line_starts
from indexer.plain import read_plain
from indexer.quick import read_python
from indexer.symbols import symbols
from indexer.types import RECORD_VERSION, FileRecord, References, pack_record

SAMPLES = Path(__file__).parent / "samples"
TIER_A = [name for name, row in languages.table().items() if row.tier == "A"]


def table(record):
    """One line a row: what a reader can check against the sample by eye."""
    lines = [f"{record.language} {record.tier}, {record.lines} lines, {record.error_count} errors"]
    names = [symbol.name for symbol in record.symbols]
    for s in record.symbols:
        owner = f" in {names[s.parent]}" if s.parent >= 0 else ""
        parts = [
            f"{s.start_line}-{s.end_line} {s.kind} {s.name}{owner} @{s.name_line}:{s.name_col}"
        ]
        parts += [s.signature]
        parts += [f"doc {s.doc}"] if s.doc else []
        parts += [f"type {s.type}"] if s.type else []
        parts += ["bases " + ", ".join(s.bases)] if s.bases else []
        lines.append("def " + " | ".join(parts))
    for i in record.imports:
        mark = " again" if i.reexport else ""
        lines.append(f"import {i.line} {'.' * i.level}{i.module} | {i.name} | {i.alias}{mark}")
    lines += [
        f"{r.kind} {r.line} {r.receiver + ' ' if r.receiver else ''}{r.name}"
        for r in record.references
    ]
    lines += [f"{t.how} {t.line} {t.name} : {t.type}" for t in record.typed_names]
    return "".join(line.rstrip() + "\n" for line in lines)


def samples():
    return sorted(p for p in SAMPLES.iterdir() if p.suffix != ".expected")


@pytest.mark.parametrize("path", samples(), ids=lambda p: p.name)
def test_sample(path):
    """What is known of the sample is what the table beside it says. UPDATE_TABLES=1 rewrites it."""
    data = path.read_bytes()
    found = table(extract(languages.detect(path.name, data), data))
    expected = path.with_name(path.name + ".expected")
    if os.environ.get("UPDATE_TABLES"):
        expected.write_text(found, "utf-8")
    assert found == expected.read_text("utf-8")


def test_every_tier_a_language_has_a_sample():
    assert {languages.detect(p.name) for p in samples()} == set(TIER_A)


@pytest.mark.parametrize("path", samples(), ids=lambda p: p.name)
def test_sample_spans(path):
    """Names stand where the record says, owners around what they own, windows cover all lines."""
    check_spans(path.read_bytes(), languages.detect(path.name))


def check_spans(data, language):
    record = extract(language, data)
    lines = line_starts(data)
    whole = is_utf8(data)
    for s in record.symbols:
        assert 0 <= s.start <= s.name_start <= s.end <= len(data)
        assert lines[s.name_line - 1] + s.name_col == s.name_start
        assert s.start_line <= s.name_line <= s.end_line
        assert not s.parent >= 0 or record.symbols[s.parent].start <= s.start
        if whole:
            assert s.name in data[s.start : s.end].decode()
            assert data[s.name_start :].decode().lstrip("\"'").startswith(s.name)
    for r in record.references:
        assert 0 <= r.start < len(data)
        assert lines[r.line - 1] <= r.start
        assert not whole or is_utf8(data[: r.start])
    for t in record.typed_names:
        assert 0 <= t.start < len(data)
    assert b"".join(data[c.start : c.end] for c in record.chunks) == data
    assert [c.start_line for c in record.chunks[1:]] == [c.end_line + 1 for c in record.chunks[:-1]]
    for c in record.chunks:
        assert c.end_line - c.start_line < 64
        assert not whole or is_utf8(data[c.start : c.end])
    assert FileRecord.from_bytes(record.to_bytes()) == record


def is_utf8(data):
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


WORDS = st.sampled_from(
    [
        "def f(",
        "class A:",
        "):",
        "\n",
        "\n    ",
        "\n\n",
        '"',
        "'",
        '"""',
        "#",
        "x = ",
        "é",
        "日本",
        "f(",
        ")",
        "{",
        "}",
        "=>",
        "import a",
        "from . import b",
        ".",
        "::",
        "->",
        "/*",
        "*/",
        "//",
        "fn ",
        "func ",
        "let ",
        "\\",
        "\r",
        "\r\n",
        "\t",
        "${",
        "`",
        "\x00",
        "😀",
        "self.a = b\n",
        ": int = ",
    ]
)
LANGUAGES = st.sampled_from([*TIER_A, "text", "markdown", "dart", "starlark"])


@settings(max_examples=150, deadline=None)
@given(LANGUAGES, st.binary(max_size=300))
def test_any_bytes_give_a_record(language, data):
    """I3: bytes of any kind never raise, and spans stay inside the file."""
    check_spans(data, language)


@settings(max_examples=300, deadline=None)
@given(LANGUAGES, st.lists(WORDS, max_size=30).map("".join))
def test_any_text_gives_whole_characters(language, text):
    check_spans(text.encode(), language)


@settings(max_examples=200, deadline=None)
@given(st.lists(WORDS, max_size=30).map("".join))
def test_blanking_keeps_every_offset(text):
    data = text.encode()
    code, _ = blank_python(data)
    assert len(code) == len(data)


def outlines(data):
    """Python's symbols three ways: by the query, by the quick reader, without a tree."""
    grammar = languages.grammar("python")
    code, closed = blank_python(data)
    root = _tree(grammar, data)
    ways = [read_query(grammar, root), read_python(grammar.native, root, data)]
    ways[0].definitions = _not_imports(ways[0])
    plain = read_plain(data, code) if closed else None
    ways += [plain] if plain else []
    lines = line_starts(data)
    return [
        (
            sorted(symbols(way.definitions, data, code, lines, grammar.language)),
            sorted(way.imports),
            sorted(way.typed),
        )
        for way in ways
    ]


def python_sources():
    return sorted(Path(os.__file__).parent.glob("*.py"))


@pytest.mark.parametrize("path", python_sources()[::9], ids=lambda p: p.name)
def test_quick_python_is_the_query(path):
    """The fast way and the whole query say the same of the standard library, file by file."""
    data = path.read_bytes()
    by_query, *others = outlines(data)
    for other in others:
        assert other[:2] == by_query[:2]
    assert {t.name for t in extract("python", data).symbols} == {s[0] for s in by_query[0]}


@pytest.mark.slow
def test_quick_python_is_the_query_for_all_of_the_standard_library():
    for path in Path(os.__file__).parent.rglob("[a-z]*.py"):
        if "site-packages" in path.parts:
            continue
        data = path.read_bytes()
        if is_utf8(data) and not _tree(languages.grammar("python"), data).has_error:
            by_query, *others = outlines(data)
            assert all(other[:2] == by_query[:2] for other in others), path


# fmt: off
PLAIN = {
    "comments after a body": "class A:\n    def f(self):\n        pass\n        # f\n    # A\n"
        "# no\nx = 1\n",
    "one line each": "class E(Exception): pass  # why\ndef f(): return 1  # why\nclass C: x = 1\n",
    "decorators": "@a(\n    1,\n)\n# why\n@b\nasync def f(): ...\n",
    "annotations": "def f(a: int, *b: str, c: dict[str, int] = {1: 2}, d=3)"
        " -> (\n    int\n): ...\n",
    "generic": "def f[T: int](a: T) -> T:\n    return a\ntype X = int\ntype Y[T] = T\n",
    "values": "a = b = 1\nc: int\nd: Annotated[int, f(x=1)] = 2\n"
        "e.f = 3\ng, h = 4, 5\ni += 1\nj == 2\n",
    "soft keywords": "match = 1\ncase: int = 2\ntype = 3\nmatch match:\n"
        "    case 1:\n        x = 2\n",
    "blocks": "try: import a\nexcept E: a = None\nelse:\n    b = 1\nif x: from c import (d,\ne)\n",
    "nested": "def f():\n    import a\n    class B(C,\n  D): y = 1\n"
        "    def g(): pass\n    return 1\n",
    "continued": "from a import b, \\\n    c\nx = \\\n    1\nif a and \\\n   b:\n    y = 2\n",
    "brackets": "x = [([({1: (2,)})])]\ny = {\n'a': f(\nb=1),\n}\nz = 1\n",
    "strings": 'class A:\n    """One."""\n    x = """\ndef no():\n"""\n    y = f"{a:{b}} {c}"\n',
    "a closing bracket at the margin": "def f(\n    a,\n):\n    g(\n    )\n    return 1\n",
    "lines inside of brackets at the margin": "def f():\n    return [\n        1,\n    ]\nx = 1\n",
    "an end without a line": "class A:\n    def f(self):\n        pass\n    # end",
}
# fmt: on


@pytest.mark.parametrize("text", PLAIN.values(), ids=PLAIN)
def test_plain_python_needs_no_tree(text):
    by_query, _by_tree, *by_line = outlines(text.encode())
    assert by_line, "it is plain"
    assert by_line[0] == by_query


NOT_PLAIN = {
    "a tab": "def f():\n\tpass\n",
    "two statements": "a = 1; b = 2\n",
    "an open bracket": "x = (1,\ny = 2\n",
    "a closing bracket": "x = 1)\ny = 2\n",
    "an open string": "x = 'abc\ny = 2\n",
    "an open block": "class A:\n    def f(self):\n",
    "no block": "def f():\nx = 1\n",
    "a step to the right": "x = 1\n    y = 2\n",
    "a step between": "if a:\n        b = 1\n    c = 2\n",
    "no value": "x = \ny = 2\n",
    "no colon": "class A\n    x = 1\n",
    "a decorator of nothing": "@a\nx = 1\n",
    "a bracket closed further out": "def f():\n    g(a,\nb=1)\n",
    "no arguments": "def f x():\n    pass\n",
}


@pytest.mark.parametrize("text", NOT_PLAIN.values(), ids=NOT_PLAIN)
def test_what_is_not_plain_is_left_to_the_tree(text):
    code, closed = blank_python(text.encode())
    assert not closed or read_plain(text.encode(), code) is None


def test_errors_are_counted_and_the_rest_is_kept():
    record = extract(
        "python", b"def good():\n    pass\n\ndef bad(:\n    x = \n\nclass Kept:\n    y = 1\n"
    )
    assert record.error_count > 0
    assert {"good", "Kept"} <= {symbol.name for symbol in record.symbols}


def test_names_in_strings_and_comments_are_no_references():
    record = extract("python", b'# note(me)\nx = "call(it)"\ny = f"{real(1)} fake(2)"\n')
    assert [r.name for r in record.references] == ["real"]


def test_references_by_name():
    record = extract("python", b"a.b.get(1)\nget(2)\nxget(3)\n")
    assert [(r.receiver, r.start, r.line) for r in record.references.named("get")] == [
        ("a.b", 0, 1),
        ("", 11, 2),
    ]
    assert record.references.names() == {"get", "xget"}
    assert record.references.named("nothing") == []


def test_enclosing():
    record = extract("python", b"class A:\n    def f(self):\n        pass\n\nx = 1\n")
    names = [symbol.name for symbol in record.symbols]
    assert names[record.enclosing(35)] == "f"
    assert names[record.enclosing(10)] == "A"
    assert record.enclosing(45) == -1


def test_chunks_begin_where_definitions_do():
    body = "    x = 1\n" * 20
    data = "".join(f"def f{i}():\n{body}\n" for i in range(10)).encode()
    starts = {s.start_line for s in extract("python", data).symbols}
    chunks = extract("python", data).chunks
    assert len(chunks) > 2
    assert all(c.start_line in starts for c in chunks)
    assert all(32 <= c.end_line - c.start_line + 1 <= 64 for c in chunks[:-1])


def test_text_has_windows_only():
    record = extract("text", b"line\n" * 200)
    assert (record.tier, record.lines, len(record.symbols)) == ("D", 200, 0)
    assert [c.start_line for c in record.chunks] == [1, 65, 129, 193]


@pytest.mark.parametrize("size", range(0, 120, 7))
def test_a_cut_blob_is_refused(size):
    """I9: a damaged blob is a ValueError, which the store turns into a miss."""
    blob = extract_bytes("python", b"def f():\n    return g(1)\n")
    with pytest.raises(ValueError):
        FileRecord.from_bytes(blob[: min(size, len(blob) - 1)])


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_a_flipped_bit_is_refused_or_read(data):
    """I9: whatever a damaged blob holds, nothing but ValueError comes out of reading it."""
    blob = bytearray(extract_bytes("python", b"import a\ndef f():\n    return g(1)\n"))
    at = data.draw(st.integers(0, len(blob) - 1))
    blob[at] ^= 1 << data.draw(st.integers(0, 7))
    with suppress(ValueError):
        FileRecord.from_bytes(bytes(blob))


def test_another_version_is_refused():
    blob = bytearray(pack_record("python", "A", 0))
    assert blob[1] == RECORD_VERSION
    blob[1] += 1
    with pytest.raises(ValueError, match="version"):
        FileRecord.from_bytes(bytes(blob))


def test_an_empty_record():
    assert len(References()) == 0
    assert extract("python", b"") == FileRecord("python", "A")


def test_a_string_that_never_ends_leaves_no_half_character():
    """Its last byte was kept where a quote was expected: half of a character became a name."""
    check_spans('"\u1000\u0080'.encode(), "php")


@pytest.mark.parametrize(
    ("language", "data"), [("bash", b"\x80`\x80 \x01"), ("python", "日😀: int = é".encode())]
)
def test_what_properties_have_found(language, data):
    """Names that are no text inside of a query, and a type that the grammar gave up."""
    check_spans(data, language)
