# SPDX-License-Identifier: Apache-2.0
"""What follows in other files when a name or a signature has changed.

A case is a fixture of files. `{{old->new}}` is what the user changes in a buffer that is not saved,
`[[old->new]]` what must follow, in any file; nothing else may.
"""

from __future__ import annotations

import re
import time

import pytest
from fixture import files
from hypothesis import given, settings
from hypothesis import strategies as st

from indexer import languages, likeness, masks, signatures
from indexer.echoes import Renamed, echoes
from indexer.echoes_elsewhere import calls, renamed
from indexer.graph import Memory, Resolver
from indexer.headers import Edited, changed_signature
from indexer.index import Index
from indexer.parse import extract

MARK = re.compile(r"(\{\{|\[\[)(.*?)->(.*?)(?:\}\}|\]\])")
SAMPLES = ["python", "typescript", "go", "rust", "java", "c"]

RENAMED = {
    "a function, by import, by module and by a chain of packages": """
        //- shop/__init__.py
        //- shop/store.py
        def {{load->read}}(path):
            return path
        def use():
            return [[load->read]](1)
        //- shop/a.py
        from shop.store import (
            other,
            [[load->read]],
        )
        x = [[load->read]](1) + y.load()
        def f(load):
            return load
        //- shop/b.py
        from . import store
        import json
        x = store.[[load->read]](1), json.load(2)
        //- shop/c.py
        from shop.store import [[load->read]] as fetch
        def load(): return fetch()
        x = load()
        //- shop/d.py
        from elsewhere import load
        load(1)
        """,
    "a method behind receivers whose type is known": """
        //- store.py
        class Store:
            def {{get->fetch}}(self, key):
                return self.rows[key]
            def first(self):
                return self.[[get->fetch]](0)
        //- use.py
        from store import Store
        def f(s: Store, d: dict):
            return s.[[get->fetch]](1), d.get(3), unknown.get(4)
        def g():
            t = Store()
            return t.[[get->fetch]](2)
        """,
    "a class": """
        //- store.py
        class {{Store->Depot}}:
            pass
        //- use.py
        from store import [[Store->Depot]]
        def f(s: [[Store->Depot]]) -> "Store":
            return [[Store->Depot]]()
        """,
    "typescript": """
        //- store.ts
        export function {{load->read}}(path: string) { return path }
        //- a.ts
        import { [[load->read]], other } from "./store"
        const x = [[load->read]]("load")
        //- b.ts
        import * as store from "./store"
        store.[[load->read]]("a")
        //- c.ts
        import { load } from "elsewhere"
        load("a")
        """,
    "go, the same package": """
        //- go.mod
        module example.org/shop
        //- store.go
        package shop

        func {{Load->Read}}(path string) string { return path }
        //- use.go
        package shop

        func use() string { return [[Load->Read]]("Load") }
        //- cmd/main.go
        package main

        import "example.org/shop"

        func main() { shop.[[Load->Read]]("a"); other.Load("b") }
        """,
}

SIGNED = {
    "a removed keyword argument": """
        //- a.py
        def f(a, {{b=1, ->}}c=2):
            return a
        f(1, [[b=3, ->]]c=4)
        f(1, 2)
        //- b.py
        from a import f
        f(1[[, b=3->]])
        f(1)
        """,
    "a removed argument, where all were passed": """
        //- a.ts
        export function f(a: number{{, b: string->}}) { return a }
        //- b.ts
        import { f } from "./a"
        f(g(1, 2)[[, "x, y"->]])
        f(1)
        """,
    "a renamed keyword": """
        //- a.py
        class A:
            def run(self, {{fast->quick}}=False):
                return [[fast->quick]]
        //- b.py
        from a import A
        def use(a: A, fast):
            a.run([[fast->quick]]=fast)
            a.run(fast)
            other.run(fast=1)
        """,
    "an added one, where there is a variable of its name": """
        //- a.py
        def f(a{{->, user}}):
            return a
        //- b.py
        from a import f
        def g(user):
            return f(1[[->, user]])
        def h():
            return f(1)
        """,
    "an added optional one needs nothing": """
        //- a.py
        def f(a{{->, user=None}}):
            return a
        //- b.py
        from a import f
        def g(user):
            return f(1)
        """,
    "moved ones, by the names of what is passed": """
        //- a.go
        package a

        func f({{key string, size int->size int, key string}}) {}

        func g(key string, size int) { f([[key, size->size, key]]); f("a", 1) }
        """,
    "a constructor": """
        //- a.py
        class A:
            def __init__(self, {{name->title}}=""):
                self.x = [[name->title]]
        //- b.py
        from a import A
        A([[name->title]]="x")
        """,
}


class Repository:
    """What a snapshot answers, from memory: no worker is started for each case."""

    def __init__(self, texts):
        self.memory = Memory()
        self.resolver = Resolver(self.memory)
        for path, text in texts.items():
            self.put(path, text, tell=False)
        for path in texts:
            self.tell(path)

    def put(self, path, text, *, tell=True):
        data = text.encode()
        self.memory.put(path, extract(languages.detect(path, data), data), data)
        if tell:
            self.tell(path)

    def tell(self, path):
        self.resolver.update(path, self.memory.records[path])
        if self.resolver.is_project_file(path):
            self.resolver.configure(path, self.memory.texts[path])

    def paths(self):
        return list(self.memory.records)

    def record(self, path):
        return self.memory.record(path)

    def known_text(self, path):
        return self.memory.texts[path]

    def references(self, name, limit=1000):
        rows = self.memory.records.items()
        return [(path, r) for path, record in rows for r in record.references.named(name)][:limit]


def marks(text):
    """Texts before, the path of the edit and its match, the text there now, texts in the end."""
    marked = files(text)
    saved = {path: MARK.sub(r"\2", body) for path, body in marked.items()}
    path = next(path for path, body in marked.items() if "{{" in body)
    shown = re.sub(r"\[\[(.*?)->.*?\]\]", r"\1", marked[path])
    expected = {path: MARK.sub(r"\3", body) for path, body in marked.items()}
    return saved, path, MARK.search(shown), MARK.sub(r"\3", shown), expected


def edited(text):
    """The repository after the edit, the file's path, its text before, where the new text is."""
    saved, path, match, now, expected = marks(text)
    repository = Repository(saved)
    repository.put(path, now)
    return repository, path, saved[path].encode(), match, expected


def followed(snapshot, found):
    """Every file's text when all echoes were taken."""
    texts = {path: bytearray(snapshot.known_text(path)) for path in snapshot.paths()}
    for echo in sorted(set(found), key=lambda e: -e.start):
        assert texts[echo.path][echo.start : echo.end] == echo.old
        texts[echo.path][echo.start : echo.end] = echo.new
    return {path: text.decode() for path, text in texts.items()}


def of_name(snapshot, path, match):
    record, data = snapshot.record(path), snapshot.known_text(path)
    code = masks.code_of(record.language, data)
    it = Renamed(path, data, code, record, match.start(), match[2].encode(), match[3].encode())
    bound = it.binding()
    if bound is None:
        return []
    until = time.perf_counter() + 10
    return [*echoes(it, bound), *renamed(snapshot, it, bound, until)]


def of_signature(snapshot, path, before, at):
    record, data = snapshot.record(path), snapshot.known_text(path)
    code = masks.code_of(record.language, data)
    line = data.rfind(b"\n", 0, at) + 1
    it = Edited(path, masks.code_of(record.language, before), code, record, line)
    signature = changed_signature(it, at)
    assert signature is not None
    return list(calls(snapshot, signature, time.perf_counter() + 10))


def check_texts(snapshot, found, expected):
    texts = followed(snapshot, found)
    for path, text in texts.items():
        assert text == expected[path], path


@pytest.mark.parametrize("text", RENAMED.values(), ids=RENAMED)
def test_a_changed_name_is_followed_everywhere(text):
    snapshot, path, _, match, expected = edited(text)
    check_texts(snapshot, of_name(snapshot, path, match), expected)


@pytest.mark.parametrize("text", SIGNED.values(), ids=SIGNED)
def test_a_changed_signature_is_followed_by_its_calls(text):
    snapshot, path, before, match, expected = edited(text)
    found = of_signature(snapshot, path, before, match.start())
    if masks.is_word("python", match[2].encode()):
        found += of_name(snapshot, path, match)
    check_texts(snapshot, found, expected)


def test_the_index_follows_a_buffer_that_is_not_saved(tmp_path):
    """The real thing: the definition's new name is in a buffer, its uses on the disk."""
    saved, path, match, now, expected = marks(next(iter(RENAMED.values())))
    root = tmp_path / "repository"
    for name, text in saved.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, "utf-8")
    with Index(root, tmp_path / "cache", workers=1) as index:
        index.refresh()
        index.overlay(str(root / path), now)
        snapshot = index.snapshot()
        check_texts(snapshot, of_name(snapshot, path, match), expected)


def test_code_keeps_every_offset():
    text = 'a = "b" # c\nd = f"x{e}"\n'
    assert masks.code_of("python", text.encode()).decode() == 'a = " "    \nd = f"  e "\n'
    text = "a = 'b' // c\nd = `x${e}y` /* z\n*/ 'q'\n"
    assert masks.code_of("typescript", text.encode()).decode() == (
        "a = ' '     \nd = `   e  `     \n   ' '\n"
    )
    text = "fn f<'a>(x: &'a str) -> char { '\"' }"
    assert masks.code_of("rust", text.encode()).decode() == text.replace('"', " ")


@settings(max_examples=50, deadline=None)
@given(st.sampled_from([*SAMPLES, "text"]), st.binary(max_size=200))
def test_any_bytes_give_code_of_the_same_length(language, data):
    assert len(masks.code_of(language, data)) == len(data)


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=120), st.binary(max_size=120))
def test_pieces_put_back_give_the_text_before(old, new):
    text = bytearray(new)
    for piece in reversed(likeness.pieces(old, new)):
        assert old[piece.old_at : piece.old_at + len(piece.old)] == piece.old
        text[piece.at : piece.at + len(piece.new)] = piece.old
    assert bytes(text) == old


@given(
    st.lists(st.sampled_from(["a", "b", "c", "d=1", "*e"]), unique=True, max_size=4),
    st.lists(st.sampled_from(["a", "b", "c", "d=1", "*e"]), unique=True, max_size=4),
    st.lists(st.sampled_from(["1", "a", "b", "d=2", "x.c", "*y"]), max_size=4),
)
def test_a_call_that_was_changed_is_right_by_then(before, after, arguments):
    """What a call is proposed once it is not proposed again: no loops."""
    rows = [signatures.parameters("python", ", ".join(row).encode()) for row in (before, after)]
    change = signatures.change(*rows)
    if change is None:
        return
    text = ", ".join(arguments).encode()
    new = signatures.passed("python", change, text, text, lambda _: True)
    if new is not None and new != text:
        again = signatures.passed("python", change, new, new, lambda _: True)
        assert again in (None, new)


@pytest.mark.parametrize("language", SAMPLES)
@settings(max_examples=25, deadline=None)
@given(text=st.text("fox(){}[]=:,.;'\"`#/ \n\\", max_size=80), at=st.integers(0, 79))
def test_no_text_makes_it_raise(language, text, at):
    data = text.encode()
    code = masks.code_of(language, data)
    record = extract(language, data)
    for word in masks.words(code, b"fo"):
        it = Renamed("a", data, code, record, word, b"ox", b"fo")
        bound = it.binding()
        if bound is not None:
            for echo in echoes(it, bound):
                assert data[echo.start : echo.end] == b"ox"
    changed_signature(Edited("a", code[:at], code, record, 0), at)
