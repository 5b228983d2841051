# SPDX-License-Identifier: Apache-2.0
"""The index as a whole, on real files with real workers: what it says equals what is there."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import threading
from typing import TYPE_CHECKING

import pytest
from index_checks import SHOP, WORDS, answers, from_scratch, write

from indexer.index import Index

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    folder.mkdir()
    return folder


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def index(root: Path, cache: Path) -> Iterator[Index]:
    with Index(root, cache, workers=1) as made:
        yield made


# --- what it knows ---


def test_the_whole_way_from_files_to_answers(root: Path, index: Index) -> None:
    write(root, SHOP)
    report = index.refresh()
    snapshot = index.snapshot()
    assert (report.files, report.complete, report.warm, report.extracted) == (4, True, False, 4)
    assert report.languages == {"python": 3, "javascript": 1}
    assert report.imports == 3 and report.chunks == 4
    assert snapshot.paths() == sorted(SHOP)
    assert [(f.path, f.symbol.kind) for f in snapshot.symbols("Cart")] == [
        ("shop/cart.py", "class")
    ]
    uses = snapshot.references("getPrice")
    assert [(path, use.receiver, use.line) for path, use in uses] == [("shop/tax.py", "cart", 5)]
    assert snapshot.text("shop/cart.py") == SHOP["shop/cart.py"].encode()
    assert snapshot.text("nowhere.py") == b"" and snapshot.record("nowhere.py") is None


@pytest.mark.parametrize(
    ("query", "first"),
    [
        ("getPrice", "getPrice"),  # exact
        ("getPr", "getPrice"),  # begins so
        ("getprice", "getPrice"),  # in another case
        ("gpr", "getPrice"),  # its letters in this order
        ("rate", "tax_rate"),  # inside
        ("%", None),
        ("_", "tax_rate"),
        ("zzz", None),
        ("", None),
    ],
)
def test_symbols_are_found_by_name_beginning_and_letters(
    root: Path, index: Index, query: str, first: str | None
) -> None:
    write(root, SHOP)
    index.refresh()
    found = index.snapshot().symbols(query, 5)
    assert next((f.symbol.name for f in found), None) == first


@pytest.mark.parametrize(
    "word", ["getPrice", "price", "get_price", "Cart", "cart", "TOTAL_OF", "of"]
)
def test_search_finds_identifiers_whole_and_by_their_words(
    root: Path, index: Index, word: str
) -> None:
    text = "def getPrice(cart):\n    return cart.get_price(Cart, total_of)\n"
    write(root, {"a.py": text, "b.py": "unrelated = 1\n"})
    index.refresh()
    assert [hit.path for hit in index.snapshot().search([(word, 1.0)])] == ["a.py"]


def test_weights_order_and_exclusion_of_search(root: Path, index: Index) -> None:
    write(root, {"a.py": "alpha = 1\n", "b.py": "beta = 1\n", "c.py": "gamma = 1\n"})
    index.refresh()
    search = index.snapshot().search
    assert [hit.path for hit in search([("alpha", 1), ("beta", 5)])] == ["b.py", "a.py"]
    assert [hit.path for hit in search([("alpha", 5), ("beta", 1)], 1)] == ["a.py"]
    assert [hit.path for hit in search([("alpha", 5), ("beta", 1)], 1, ["a.py"])] == ["b.py"]
    assert search([("alpha", 1)], exclude_paths=[f"{n}.py" for n in "abcdefg" * 20]) == []
    assert search([]) == search([("", 1)]) == search([("+-*", 1)]) == []


# --- warm ---


def test_a_second_start_answers_before_it_has_looked(root: Path, cache: Path) -> None:
    """Danger: half a minute of nothing after each start of the editor."""
    write(root, SHOP)
    for path in root.rglob("*.*"):
        os.utime(path, (1_700_000_000, 1_700_000_000))
    with Index(root, cache, workers=1) as first:
        first.refresh()
        before = answers(first)
    with Index(root, cache, workers=1) as second:
        assert second.snapshot().report.warm and answers(second) == before
        report = second.refresh()
        assert report.warm and report.extracted <= len(SHOP) and answers(second) == before


def test_S4_what_is_excluded_since_is_gone_at_a_warm_start(root: Path, cache: Path) -> None:
    """Danger: the store answers with the signatures of files that may no longer be read."""
    write(root, SHOP)
    with Index(root, cache, workers=1) as first:
        first.refresh()
    with Index(root, cache, excludes=["shop/"], workers=1) as second:
        assert second.snapshot().paths() == []
        assert second.refresh().files == 1
    write(root, {".ghostwrightignore": "web/\n"})
    with Index(root, cache, excludes=["shop/"], workers=1) as third:
        assert third.snapshot().symbols("main") == []
        third.refresh()
        assert third.snapshot().search([("load", 1)]) == []


def test_S4_an_ignore_file_takes_files_away_while_running(root: Path, index: Index) -> None:
    write(root, SHOP)
    index.refresh()
    write(root, {".ghostwrightignore": "shop/\n"})
    index.update([".ghostwrightignore"])
    assert [path for path in index.snapshot().paths() if path.startswith("shop")] == []
    assert index.snapshot().text("shop/cart.py") == b""
    assert not index.overlay("shop/cart.py", "class Secret: pass\n")
    assert index.snapshot().symbols("Secret") == []


def test_a_branch_switch_uses_what_was_seen_before(root: Path, index: Index) -> None:
    """Danger: each switch of branch parses the repository again."""
    write(root, SHOP)
    index.refresh()
    main = answers(index)
    write(root, {path: text.replace("Cart", "Basket") for path, text in SHOP.items()})
    assert index.refresh().extracted == 3  # the JavaScript file is the same
    write(root, SHOP)
    assert index.refresh().extracted == 0 and answers(index) == main


# --- unsaved buffers ---


def test_an_overlay_replaces_the_saved_file_in_every_answer(root: Path, index: Index) -> None:
    """Danger: the prompt is given text that the user has already changed."""
    write(root, SHOP)
    index.refresh()
    old = index.snapshot()
    assert index.overlay(
        "shop/cart.py", "class Basket:\n    def weigh(self):\n        load(self)\n"
    )
    new = index.snapshot()
    assert new.symbols("Cart") == [] and new.symbols("getPrice") == []
    assert (
        [f.path for f in new.symbols("weigh")]
        == ["shop/cart.py"]
        == [f.path for f in new.symbols("wei")]
    )
    assert ("shop/cart.py", 3) in [(path, use.line) for path, use in new.references("load")]
    assert new.references("total_of") == [] and new.text("shop/cart.py").startswith(b"class Basket")
    assert all(hit.path != "shop/cart.py" for hit in new.search([("Cart", 1), ("getPrice", 1)]))
    assert [f.path for f in old.symbols("Cart")] == ["shop/cart.py"]  # a snapshot stays as it was
    index.refresh()
    assert index.snapshot().symbols("Cart") == []
    index.overlay("shop/cart.py", None)
    assert [f.path for f in index.snapshot().symbols("Cart")] == ["shop/cart.py"]


def test_a_buffer_that_was_never_saved_is_known(root: Path, index: Index) -> None:
    index.refresh()
    assert index.overlay("new.py", "def fresh(): pass\n")
    snapshot = index.snapshot()
    assert snapshot.paths() == ["new.py"] and snapshot.symbols("fresh")[0].path == "new.py"
    assert not index.overlay(".env", "KEY=1")
    assert not index.overlay("../outside.py", "x = 1")


# --- keeping true ---


@pytest.mark.parametrize("git", [False, True])
def test_I4_new_changed_moved_and_deleted_files(
    root: Path, index: Index, tmp_path: Path, git: bool
) -> None:
    if git:
        subprocess.run(["git", "init", "-q", str(root)], check=True)
    write(root, {**SHOP, ".gitignore": "build/\n"})
    index.refresh()
    write(root, {"build/out.py": "def ignored(): pass\n", "new/deep/er.py": "def deeper(): pass\n"})
    write(root, {"shop/tax.py": "def changed(): pass\n"})
    (root / "web").rename(root / "site")
    (root / "shop/cart.py").unlink()
    changed = ["build/out.py", "new", "shop/tax.py", "web", "site", "shop/cart.py", "never/was.py"]
    index.update([str(root / path) for path in changed])
    assert answers(index) == from_scratch(root, tmp_path)
    assert index.snapshot().symbols("ignored") == [] != index.snapshot().symbols("deeper")


def test_I4_files_change_while_the_index_is_built(root: Path, index: Index, tmp_path: Path) -> None:
    """Danger: an older reading of a file is written over a newer one."""
    files = {f"m{n}.py": f"def order{n}(): return load({n})\n" * 30 for n in range(300)}
    write(root, files)
    stop = threading.Event()
    touched: list[str] = []

    def disturb() -> None:
        chance = random.Random(4)
        while not stop.is_set() and len(touched) < 2000:
            name = f"m{chance.randrange(320)}.py"
            if chance.random() < 0.2:
                (root / name).unlink(missing_ok=True)
            else:
                write(
                    root, {name: f"def {chance.choice(WORDS)}(): pass\n" * chance.randrange(1, 9)}
                )
            touched.append(name)
            index.update([name])

    thread = threading.Thread(target=disturb)
    thread.start()
    index.refresh()
    stop.set()
    thread.join()
    index.update([])
    assert len(touched) > 10
    assert answers(index) == from_scratch(root, tmp_path)


def edit(root: Path, chance: random.Random) -> list[str]:  # noqa: PLR0911  a table of cases
    """One random change of the repository; returns the paths a watcher would name."""
    files = sorted(str(p.relative_to(root)) for p in root.rglob("*") if p.is_file())
    folder = chance.choice(["", "a/", "a/b/", "c/"])
    name = folder + chance.choice(["one.py", "two.py", "three.js", "four.go", "notes.txt", "x"])
    kind = chance.choice(["write", "write", "write", "delete", "move", "copy", "folder", "odd"])
    if kind == "write" or not files:
        if (root / name).is_dir():
            return []
        return write(root, {name: text_of(name, chance)})
    chosen = chance.choice(files)
    if kind == "delete":
        (root / chosen).unlink()
        return [chosen]
    if kind == "odd":
        odd = chance.choice([b"", b"\0\1\2", b"\xff\xfe", b"x" * 6000, b"# @generated\n"])
        (root / chosen).write_bytes(odd)
        return [chosen]
    if kind == "folder":
        return move(root, chosen.rpartition("/")[0] or chosen, f"{chance.choice('pqr')}")
    if (root / name).exists():
        return []
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    if kind == "copy":
        shutil.copy2(root / chosen, root / name)
        return [name]
    return move(root, chosen, name)


def move(root: Path, old: str, new: str) -> list[str]:
    if (root / new).exists() or new.startswith(old + "/"):
        return []
    (root / old).rename(root / new)
    return [old, new]


def text_of(name: str, chance: random.Random) -> str:
    one, two, three = (chance.choice(WORDS) for _ in range(3))
    if name.endswith(".py"):
        body = f"import {one}\n\n\ndef {two}(x: {three}):\n    return x.{one}({three}())\n"
    elif name.endswith(".js"):
        body = f"import {{ {one} }} from './{two}'\nclass {three} {{ {two}() {{ {one}() }} }}\n"
    elif name.endswith(".go"):
        body = f"package p\n\nfunc {one}() int {{\n\treturn {two}.{three}()\n}}\n"
    else:
        body = f"About {one} and {two}.\n"
    return body * chance.choice([1, 1, 2, 40])


def churn(root: Path, cache: Path, tmp_path: Path, seed: int, edits: int, check_every: int) -> None:
    chance = random.Random(seed)
    index = Index(root, cache, workers=1)
    try:
        index.refresh()
        for count in range(1, edits + 1):
            changed = edit(root, chance)
            if chance.random() < 0.7:
                changed += edit(root, chance)
            if chance.random() < 0.97:
                index.update(changed)
            else:  # the watcher lost something; or the editor was started anew
                if chance.random() < 0.5:
                    index.close()
                    index = Index(root, cache, workers=1)
                index.refresh()
            if count % check_every == 0 or count == edits:
                assert answers(index) == from_scratch(root, tmp_path), f"seed {seed}, edit {count}"
    finally:
        index.close()


def test_I5_incremental_is_the_same_as_from_scratch(
    root: Path, cache: Path, tmp_path: Path
) -> None:
    """Danger: an index that drifts away from the repository, a little with every edit."""
    churn(root, cache, tmp_path, seed=5, edits=100, check_every=25)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", range(5))
def test_I5_ten_thousand_edits(root: Path, cache: Path, tmp_path: Path, seed: int) -> None:
    churn(root, cache, tmp_path, seed, edits=1200, check_every=100)  # 1.7 edits each: 10,000 in all


def test_I5_edges_that_were_kept_follow_what_changed_while_no_server_ran(
    root: Path, cache: Path, tmp_path: Path
) -> None:
    """Danger: after a restart an import leads to where it led before; S4: to what is excluded."""
    write(root, SHOP)
    with Index(root, cache, workers=1) as first:
        first.refresh()
        assert first.settle() and first.snapshot().resolver.imported("shop/tax.py")
    write(root, {"shop/tax.py": "import web.new\n", "web/new.py": "from shop import Cart\n"})
    (root / "shop/cart.py").unlink()
    with (
        Index(root, cache, workers=1) as second,
        Index(root, tmp_path / "other", workers=1) as fresh,
    ):
        assert second._library.store.derived("graph") is not None
        for index in (second, fresh):
            index.refresh()
            assert index.settle()
        assert second.snapshot().resolver.edges == fresh.snapshot().resolver.edges != {}
    with Index(root, cache, excludes=["web/"], workers=1) as third:
        assert third.snapshot().resolver.edges == {}
        third.refresh()
        assert third.settle() and third.snapshot().resolver.importers("shop/__init__.py") == []


def test_a_warm_start_tells_the_resolver_nothing_that_it_knows(root: Path, cache: Path) -> None:
    """Danger: half a minute of a processor at each start of the editor."""
    write(root, SHOP)
    for path in root.rglob("*.*"):
        os.utime(path, (1_700_000_000, 1_700_000_000))
    with Index(root, cache, workers=1) as first:
        first.refresh()
        assert first.settle()
        known = first.snapshot().versions()
    with Index(root, cache, workers=1) as second:
        assert second.snapshot().resolver.differing(known) == []
        second.refresh()
        assert second.settle() and second.snapshot().resolver.changes == 0
