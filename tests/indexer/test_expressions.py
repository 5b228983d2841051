# SPDX-License-Identifier: Apache-2.0
"""Expressions and types as text: what is read out of them, and that no text breaks the reading."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexer.expressions import alternatives, before, forward
from indexer.typetext import type_names


def shape(steps):
    """`a.b()[]` for the steps of such a chain."""
    signs = {"call": "()", "item": "[]"}
    words = [signs.get(step.kind) or "." + step.name for step in steps or ()]
    return "".join(words).removeprefix(".")


CHAINS = {
    "self.store.get(id)[0].name\n": "self.store.get()[].name",
    "await open(')', x)\n": "open()",
    "new Store<Row>(a)\n": "Store()",
    "Store::open(path)?;": "Store.open()",
    "a->b()->c;": "a.b().c",
    "a + b\n": "",
    "not a\n": "",
    "lambda: a\n": "",
    "f(": "",
    "": "",
}


@pytest.mark.parametrize(("text", "expected"), CHAINS.items())
def test_a_chain_is_read_and_nothing_else(text, expected):
    assert shape(forward(text.encode(), 0)) == expected


def test_values_of_which_it_is_one():
    data = b"a or B(1) if x else c.d\n"
    assert [shape(steps) for steps in alternatives(data, 0)] == ["a", "B()", "c.d"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x = a.b(')(').c[1]", "a.b().c[]"),
        ("f(g(1)\n  .h)", "f()"),
        ("(a + b)", ""),
        ("[1, 2]", ""),
    ],
)
def test_what_stands_before_a_dot(text, expected):
    assert shape(before(text.encode() + b".x", len(text)) or ()) == expected


TYPES = [
    ("python", "Foo | None", ["Foo"]),
    ("python", "Optional['a.Foo']", ["a.Foo"]),
    ("python", "type[Foo]", ["Foo"]),
    ("python", "list[Foo]", ["list"]),
    ("python", "Union[Foo, dict[str, Bar], None]", ["Foo", "dict"]),
    ("rust", "&'a mut Box<Store>", ["Store"]),
    ("rust", "Result<Shop<'_>, Error>", ["Shop"]),
    ("go", "(*Order, error)", ["Order"]),
    ("go", "*depot.Store", ["depot.Store"]),
    ("go", "[]Store", []),
    ("cpp", "const std::unique_ptr<shop::Store> &", ["shop::Store"]),
    ("c", "struct order", ["order"]),
    ("typescript", "Promise<Row | undefined>", ["Row"]),
    ("java", "List<Order>", ["List"]),
    ("php", "?Store", ["Store"]),
    ("kotlin", "Order?", ["Order"]),
    ("haskell", "FilePath -> Shop", ["Shop"]),
    ("python", "", []),
]


@pytest.mark.parametrize(("language", "text", "expected"), TYPES)
def test_types_that_a_value_may_have(language, text, expected):
    assert [name for name, _ in type_names(language, text)] == expected


PIECES = st.sampled_from(
    [
        *(b"(", b")", b"[", b"]", b"{", b"}", b".", b"->", b"::", b"a", b"b.c", b"'", b'"', b"*"),
        *(b"\\", b"\n", b" or ", b"#", b"//", b"<", b">", b"await ", b"\xff", b"|", b",", b"type["),
    ]
)


@settings(max_examples=500, deadline=None)
@given(st.lists(PIECES, max_size=25).map(b"".join), st.integers(0, 40))
def test_I3_no_text_breaks_the_reading(data, at):
    """Buffers are read in the middle of being typed, in any encoding."""
    at = min(at, len(data))
    assert before(data, at) is not None
    for steps in (forward(data, at), *alternatives(data, at)):
        assert steps is None or all(0 <= step.at <= len(data) for step in steps)
    for name, kind in type_names("python", data.decode("utf-8", "replace")):
        assert name
        assert kind in ("instance", "class")
