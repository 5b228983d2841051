# SPDX-License-Identifier: Apache-2.0
"""The graph of files and its ranks; whatever the order of updates, a fresh resolver agrees."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_graph import SHOP
from test_modules import repository

from indexer import languages
from indexer.graph import Memory, Resolver
from indexer.parse import extract
from indexer.rank import DAMPING, Rank


def test_importers_and_edges():
    resolver, _ = repository(SHOP + "//- use.py\nfrom shop import Depot\n")
    assert resolver.importers("shop/base.py") == ["shop/store.py"]
    assert resolver.imported("use.py") == ["shop/__init__.py"]
    assert resolver.edges["use.py"] == ["shop/__init__.py"]


def test_rank_leads_to_what_is_used():
    resolver, _ = repository(SHOP + "//- use.py\nfrom shop.base import Row\n//- other.py\n")
    ranks = resolver.rank()
    assert sum(ranks.values()) == pytest.approx(1)
    assert max(ranks, key=ranks.get) == "shop/base.py"
    near = resolver.rank({"use.py": 1})
    assert near["shop/base.py"] > 0
    assert "other.py" not in near
    assert resolver.rank({"gone.py": 1}) == ranks


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 7), st.lists(st.integers(0, 7), unique=True)), max_size=20)
)
def test_I5_rank_kept_up_equals_the_definition(changes):
    """Whatever the order of edits, shares are those of the equations that define them."""
    rank, targets = Rank(), {node: [] for node in range(8)}
    for node in range(8):
        rank.add(node)
    for node, row in changes:
        rank.point(node, row)
        targets[node] = row
        rank.shares()
    shares = [1.0] * 8
    for _ in range(200):
        new = [1 - DAMPING] * 8
        for node, row in targets.items():
            for target in row:
                new[target] += DAMPING * shares[node] / len(row)
        shares = new
    assert rank.shares() == pytest.approx(shares, rel=0.05, abs=0.02)


# No order matters.

POOL = {
    "a/__init__.py": ["from .b import B", "from .c import *", ""],
    "a/b.py": ["class B:\n    def f(self): pass\n", "from .c import C as B\n", "B = 1\n"],
    "a/c.py": ["from a import B\nclass C(B):\n    def g(self): self.f()\n", "import d\n"],
    "d.py": ["from a import B, C\ndef k(x: C):\n    x.f()\n    B().f()\n", "from src import z\n"],
    "src/z.py": ["import a.c\nfrom w import q\n", "def f(): pass\n"],
    "x/w.py": ["def q(): pass\n", "from z import f\n"],
    "x/__init__.py": [""],
    "a/c/__init__.py": ["class C:\n    def f(self): pass\n"],
    "tsconfig.json": ['{"compilerOptions": {"paths": {"@/*": ["ts/*"]}}}', "{}"],
    "ts/m.ts": ['import { n } from "@/n";\nn();', 'import n from "./n";\nn();'],
    "ts/n.ts": ["export function n() {}", "export default class n {}"],
    "ts/n/index.ts": ["export function n() {}"],
    "go.mod": ["module e.org/m\n", "module e.org/other\n"],
    "g/g.go": ["package g\nfunc G() {}\n"],
    "main.go": ['package main\nimport "e.org/m/g"\nfunc main() { g.G() }\n'],
    "j/S.java": ["package j;\nclass S { void s() {} }\n", "package k;\nclass S {}\n"],
    "j/Two.java": ["package j;\nclass Two {}\nclass S2 {}\n", "package j;\nclass S {}\n"],
    "U.java": ["package u;\nimport j.S;\nimport j.S2;\nclass U { void f(S s) { s.s(); } }\n"],
}
RECORDS = {
    (path, at): extract(languages.detect(path), body.encode())
    for path, bodies in POOL.items()
    for at, body in enumerate(bodies)
}


def answers(resolver, memory):
    """All that the resolver says of a repository."""
    found = [resolver.edges]
    for path in sorted(memory.records):
        found.append(resolver.imports(path))
        found += [resolver.definition(path, r) for r in memory.records[path].references]
        found += [resolver.importers(path), resolver.imported(path)]
    return found


def apply(resolver, memory, path, body):
    if body is None:
        memory.put(path, None)
        resolver.update(path, None)
    else:
        memory.put(path, RECORDS[path, body], POOL[path][body].encode())
        resolver.update(path, memory.record(path))
    if resolver.is_project_file(path):
        resolver.configure(path, None if body is None else POOL[path][body].encode())


CHANGES = st.sampled_from(sorted(POOL)).flatmap(
    lambda path: st.tuples(
        st.just(path), st.none() | st.integers(0, len(POOL[path]) - 1), st.booleans()
    )
)


def check_order(changes, seed):
    """All files are there and asked about before the first change: then there is much to forget."""
    memory = Memory()
    resolver, now = Resolver(memory), dict.fromkeys(POOL, 0)
    for path in POOL:
        apply(resolver, memory, path, 0)
    answers(resolver, memory)
    for path, body, ask in changes:
        apply(resolver, memory, path, body)
        now[path] = body
        if ask:  # what was asked in between must not stay
            answers(resolver, memory)
    other = Memory()
    fresh = Resolver(other)
    order = [(path, body) for path, body in now.items() if body is not None]
    random.Random(seed).shuffle(order)
    for path, body in order:
        apply(fresh, other, path, body)
    assert answers(resolver, memory) == answers(fresh, other)
    assert resolver.rank() == pytest.approx(fresh.rank(), rel=0.05, abs=0.01)


@pytest.mark.parametrize("path", sorted(POOL))
def test_I4_a_file_that_goes_and_comes_back_changes_nothing(path):
    """A branch switched to and fro; each file in each of its states in between."""
    for body in (None, *range(len(POOL[path]))):
        check_order([(path, body, True), (path, 0, True)], 1)


@settings(max_examples=100, deadline=None)
@given(st.lists(CHANGES, max_size=25), st.integers(0, 99))
def test_I5_updates_in_any_order_equal_a_fresh_resolver(changes, seed):
    check_order(changes, seed)


@pytest.mark.slow
@settings(max_examples=3000, deadline=None)
@given(st.lists(CHANGES, max_size=60), st.integers(0, 99))
def test_I5_many_updates_in_any_order_equal_a_fresh_resolver(changes, seed):
    check_order(changes, seed)


# What was kept.


@settings(max_examples=60, deadline=None)
@given(st.lists(CHANGES, max_size=12), st.lists(CHANGES, max_size=12), st.booleans())
def test_I5_what_was_kept_and_told_of_changes_equals_a_fresh_resolver(before, meanwhile, ask):
    """Danger: edges of files that changed, came or went while no server ran."""
    memory, now = Memory(), {}
    resolver = Resolver(memory)
    for path, body, _ in before:
        apply(resolver, memory, path, body)
        now[path] = body
    if ask:
        answers(resolver, memory)
    told = {path: body + 1 for path, body in now.items() if body is not None}
    for path, version in told.items():  # versions, as the feed tells them
        resolver.update(path, memory.record(path), version)
    data = resolver.to_bytes()
    for path, body, _ in meanwhile:
        now[path] = body
        memory.put(path, None)
        if body is not None:
            memory.put(path, RECORDS[path, body], POOL[path][body].encode())
    versions = {path: body + 1 for path, body in now.items() if body is not None}
    again = Resolver.restored(memory, data, versions)
    changed = again.differing(versions)
    assert sorted(changed) == sorted(p for p in versions if versions[p] != told.get(p))
    for path in changed:
        apply(again, memory, path, now[path])
    fresh = Resolver(memory)
    for path in versions:
        apply(fresh, memory, path, now[path])
    assert answers(again, memory) == answers(fresh, memory)
    assert again.rank() == pytest.approx(fresh.rank(), rel=0.05, abs=0.01)


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_I9_a_state_that_is_none_is_a_value_error(data):
    """Danger: a blob of another version, or of something else, ends the feed's thread."""
    resolver, memory = repository(SHOP)
    whole = resolver.to_bytes()
    cut = data.draw(st.integers(0, len(whole) - 1))
    for bad in (whole[:cut], b"\x91\x01", b"\x96\x01" + b"\x90" * 5):
        with pytest.raises(ValueError):
            Resolver.restored(memory, bad, {})
