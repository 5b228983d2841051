# SPDX-License-Identifier: Apache-2.0
"""What is indexed first: what a file imports, found on the disk before anything is listed."""

from __future__ import annotations

import subprocess
import threading
from typing import TYPE_CHECKING

import pytest
from index_checks import write

from indexer import index as index_module
from indexer.demand import Demand
from indexer.index import Index
from indexer.languages import detect
from indexer.listing import recently_changed
from indexer.nearby import find
from indexer.parse import extract
from indexer.policy import Policy

if TYPE_CHECKING:
    from pathlib import Path


def taken(demand: Demand) -> list[str]:
    """What is left, in order; a star before what somebody waits for."""
    rows = []
    while (one := demand.take()) is not None:
        rows.append(("*" if one[1] else "") + one[0])
    return rows


def found(root: Path, path: str) -> list[str]:
    record = extract(detect(path), (root / path).read_bytes())
    policy = Policy.load([root], ["private/"])
    return find(str(root), policy, path, record.language, record.imports)


# --- where an import leads ---

TREES = {
    "python: packages, modules, relative": (
        "shop/web/views.py",
        (
            "import os\nimport shop.cart\nfrom shop.tax import rate\nfrom . import forms\n"
            "from ..db import (Session, models)\n"
        ),
        [
            *("shop/cart.py", "shop/tax.py", "shop/web/forms.py", "shop/web/__init__.py"),
            *("shop/db/__init__.py", "shop/db/models.py"),
        ],
        ["shop/__init__.py", "other/cart.py"],
    ),
    "python: a source root": (
        "tests/test_cart.py",
        "from shop.cart import Cart\n",
        ["src/shop/cart.py"],
        ["src/shop/__init__.py", "src/shop/tax.py"],
    ),
    "typescript: siblings, index files, paths, packages": (
        "apps/web/src/main.ts",
        (
            'import { a } from "./a";\nimport b from "../lib";\nimport { c } from "@app/c";\n'
            'import { d } from "@scope/shared";\n'
        ),
        [
            *("apps/web/src/a.ts", "apps/web/lib/index.ts", "apps/web/src/special/c.ts"),
            "packages/shared/src/index.ts",
        ],
        ["apps/web/src/b.ts", "packages/other/src/index.ts"],
    ),
    "go: the folder of a package": (
        "cmd/main.go",
        'package main\n\nimport (\n\t"fmt"\n\t"example.org/shop/cart"\n)\n',
        ["cart/cart.go", "cart/price.go"],
        ["cart/cart_test.go", "tax/tax.go"],
    ),
    "rust: modules of the crate": (
        "src/main.rs",
        "mod cart;\nuse crate::tax::rate;\n",
        ["src/cart.rs", "src/tax/mod.rs"],
        ["src/other.rs"],
    ),
    "java: by the package's path": (
        "app/src/main/java/org/shop/Main.java",
        "package org.shop;\nimport org.shop.cart.Cart;\npublic class Main {}\n",
        ["app/src/main/java/org/shop/cart/Cart.java"],
        ["app/src/main/java/org/shop/cart/Tax.java"],
    ),
    "c: beside, and in include": (
        "src/main.c",
        '#include "cart.h"\n#include <shop/tax.h>\n',
        ["src/cart.h", "include/shop/tax.h"],
        ["src/other.h"],
    ),
}
PROJECTS = {
    "apps/web/tsconfig.json": (
        '{ "compilerOptions": { "baseUrl": ".", // here\n "paths": {"@app/*": ["src/special/*"]}}}'
    ),
    "packages/shared/package.json": '{"name": "@scope/shared", "main": "dist/index.js"}',
    "go.mod": "module example.org/shop\n",
}


@pytest.mark.parametrize("name", TREES)
def test_what_a_file_imports_is_found_without_a_list(name: str, tmp_path: Path) -> None:
    """Danger: the first suggestion waits until fifty thousand files are listed."""
    path, text, wanted, others = TREES[name]
    write(tmp_path, {**PROJECTS, **dict.fromkeys([*wanted, *others], "\n"), path: text})
    assert sorted(found(tmp_path, path)) == sorted(wanted)


def test_S3_nothing_outside_secret_or_excluded_is_found(tmp_path: Path) -> None:
    root = tmp_path / "root"
    files = ["private/keys.py", "shop/id_rsa.py", "shop/plain.py", "shop/fifo/__init__.py"]
    write(root, {**dict.fromkeys(files, ""), "shop/__init__.py": ""})
    write(tmp_path, {"outside.py": "", "root2/evil.py": ""})
    (root / "shop" / "linked.py").symlink_to(tmp_path / "outside.py")
    (root / "shop" / "away").symlink_to(tmp_path / "root2")
    text = (
        "from .. import outside\nfrom ... import outside\nfrom .linked import x\n"
        "from .away import evil\nfrom .away.evil import x\nimport private.keys\n"
        "from .plain import y\n"
    )
    write(root, {"shop/main.py": text, "shop/web.ts": 'import "../../outside\\0"; import "/etc";'})
    assert found(root, "shop/main.py") == ["shop/plain.py"]
    assert found(root, "shop/web.ts") == []


# --- in which order ---

PATHS = ["a/one.py", "a/two.py", "b/three.py", "b/four.py", "c/five.py", "c/six.py"]
ONE = "from b.three import Three\nfrom c import Six\n"


def test_the_order_is_use_imports_folder_lately_changed_rest() -> None:
    def lead(_path, _language, imports):
        return [p for one in imports for p in PATHS if p.endswith(f"{one.name.lower()}.py")]

    demand = Demand(PATHS, ["a/one.py"], lead)
    demand.soon(["c/five.py"])
    assert demand.take() == ("a/one.py", True)
    demand.read("a/one.py", extract("python", ONE.encode()))
    assert taken(demand) == ["*b/three.py", "*c/six.py", "a/two.py", "c/five.py", "b/four.py"]


def test_of_what_is_imported_only_what_it_hands_on_is_followed() -> None:
    """Danger: one file's imports of imports are the whole repository, and nothing comes first."""
    asked = []

    def lead(path, _language, imports):
        asked.append((path, [one.name for one in imports]))
        return {"a/one.py": ["c/__init__.py"], "c/__init__.py": ["c/six.py"]}.get(path, [])

    demand = Demand(None, ["a/one.py"], lead)
    demand.read("a/one.py", extract("python", b"from c import Six\n"))
    package = b"from .six import Six\nfrom .five import Five\nimport os\n"
    demand.read("c/__init__.py", extract("python", package))
    demand.read("c/six.py", extract("python", b"from d import deep\n"))
    assert asked == [("a/one.py", ["Six"]), ("c/__init__.py", ["Six"])]
    assert taken(demand) == ["*a/one.py", "*c/__init__.py", "*c/six.py"]


def test_when_the_user_moves_the_order_does() -> None:
    demand = Demand(PATHS, ["a/one.py"])
    assert demand.take() == ("a/one.py", True)
    demand.prefer(["c/six.py"])
    assert taken(demand)[:3] == ["*c/six.py", "a/two.py", "c/five.py"]
    assert demand.left() == 0 and demand.take() is None
    demand.again("b/four.py")
    assert taken(demand) == ["*b/four.py"]


def test_what_was_committed_lately_is_known(tmp_path: Path) -> None:
    assert recently_changed(str(tmp_path)) == []
    who = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run([*who, "init", "-q"], check=True)
    assert recently_changed(str(tmp_path)) == []  # no commit yet
    for name in ("old.py", "in/new näme.py"):
        write(tmp_path, {name: "x = 1\n"})
        subprocess.run([*who, "add", "-A"], check=True)
        subprocess.run([*who, "commit", "-q", "-m", name], check=True)
    assert recently_changed(str(tmp_path)) == ["in/new näme.py", "old.py"]
    assert recently_changed(str(tmp_path / "in")) == ["new näme.py"]


def test_S10_the_repositorys_configuration_starts_no_program(tmp_path: Path) -> None:
    """Danger: looking at the history of a stranger's repository runs what its .git/config says."""
    who = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run([*who, "init", "-q"], check=True)
    write(tmp_path, {"a.py": "x = 1\n", ".gitattributes": "*.py diff=odd filter=odd\n"})
    subprocess.run([*who, "add", "-A"], check=True)
    subprocess.run([*who, "commit", "-q", "-m", "one"], check=True)
    ran = tmp_path / "ran"
    program = tmp_path / "program.sh"
    program.write_text(f"#!/bin/sh\ntouch {ran}\n")
    program.chmod(0o755)
    names = ["gpg.program", "diff.external", "diff.odd.textconv", "diff.odd.command"]
    names += ["core.pager", "core.fsmonitor", "filter.odd.smudge", "core.sshCommand"]
    for name in names:
        subprocess.run([*who, "config", name, str(program)], check=True)
    subprocess.run([*who, "config", "log.showSignature", "true"], check=True)
    write(tmp_path, {"a.py": "x = 2\n"})
    assert recently_changed(str(tmp_path)) == [".gitattributes", "a.py"]
    assert not ran.exists()


# --- the index as a whole ---


def test_imports_are_answered_for_while_the_root_is_being_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Danger: a listing of a large repository takes a second, and nobody can ask meanwhile."""
    root = tmp_path / "root"
    write(
        root, {"shop/main.py": "from shop.cart import Cart\n", "shop/cart.py": "class Cart: ...\n"}
    )
    write(root, {"late.py": "from rest import Rest\n", "rest.py": "class Rest: ...\n", "z.py": ""})
    write(root, {".gitignore": "rest.py\n", "last.py": "class Last: ...\n"})
    may_list = threading.Event()
    survey = index_module.Survey

    class Slow(survey):
        def is_listed(self):
            return may_list.is_set() and super().is_listed()

    monkeypatch.setattr(index_module, "Survey", Slow)
    with Index(root, tmp_path / "cache", workers=1) as index:
        thread = threading.Thread(target=index.refresh, kwargs={"first": ["shop/main.py"]})
        thread.start()
        until(lambda: "shop/cart.py" in index.snapshot().paths())
        assert "last.py" not in index.snapshot().paths()
        index.prefer(["late.py"])  # the user has moved meanwhile
        until(lambda: "rest.py" in index.snapshot().paths())
        may_list.set()
        thread.join(20)
        # What git ignores is gone again, as in an index that was never asked for it.
        expected = [".gitignore", "last.py", "late.py", "shop/cart.py", "shop/main.py"]
        assert index.snapshot().paths() == expected


@pytest.mark.parametrize("stop", ["cancel", "close"])
def test_a_listing_that_never_ends_is_not_waited_for(tmp_path: Path, monkeypatch, stop) -> None:
    """Danger: the editor is closed, and the server waits for a network drive."""
    monkeypatch.setattr(index_module.Survey, "is_listed", lambda _: False)
    write(tmp_path / "root", {"a.py": "x = 1\n"})
    index, cancel, reports = Index(tmp_path / "root", tmp_path / "cache"), threading.Event(), []
    thread = threading.Thread(target=lambda: reports.append(index.refresh(cancel=cancel)))
    thread.start()
    threading.Event().wait(0.1)
    if stop == "cancel":
        cancel.set()
        thread.join(20)
    index.close()
    thread.join(20)
    assert not thread.is_alive()
    assert [report.complete for report in reports] == [False]


def until(condition) -> None:
    for _ in range(2_000):
        if condition():
            return
        threading.Event().wait(0.01)
    raise AssertionError("not within 20 s")


# --- rules that change while it runs ---

SECRET = "canary_7f3a"


def holding(cache: Path, text: str) -> list[str]:
    """The names of the files that hold a text, with what stands around it."""
    found = []
    for path in sorted(cache.rglob("*")):
        data = path.read_bytes() if path.is_file() else b""
        if (at := data.find(text.encode())) >= 0:
            found.append(f"{path.name}: {data[max(0, at - 80) : at + 80]!r}")
    return found


def test_S4_what_becomes_excluded_is_gone_at_once_and_from_the_disk(tmp_path: Path) -> None:
    """Danger: the user excludes a file with a password in it, and it stays in the cache."""
    root, cache = tmp_path / "root", tmp_path / "cache"
    write(root, {"a.py": f"def {SECRET}(): return {SECRET}1\n", "b.py": "def other(): pass\n"})
    with Index(root, cache, workers=1) as index:
        index.refresh()
        index.overlay("a.py", f"def {SECRET}_unsaved(): pass\n")
        index.exclude(["a.py"])
        snapshot = index.snapshot()
        assert snapshot.paths() == ["b.py"] and snapshot.text("a.py") == b""
        assert snapshot.symbols(SECRET) == [] == snapshot.search([(SECRET, 1)])
        assert not index.overlay("a.py", f"def {SECRET}(): pass\n")
        assert index.refresh().complete
        assert [hit.path for hit in index.snapshot().search([("other", 1)])] == ["b.py"]
    assert holding(cache, SECRET) == []
    with Index(root, cache, workers=1) as index:
        assert index.refresh().extracted == 1  # the rules of the first start are back
        assert [found.path for found in index.snapshot().symbols(SECRET, 1)] == ["a.py"]


@pytest.mark.parametrize("how", ["setting", "file"])
def test_S4_a_long_pass_heeds_rules_that_change_meanwhile(tmp_path: Path, how: str) -> None:
    """Danger: for the minute that a first index takes, what is excluded is answered for."""
    root = tmp_path / "root"
    write(root, {f"m{n % 7}/f{n}.py": f"def f{n}(): return {n}\n" for n in range(700)})
    with Index(root, tmp_path / "cache", workers=1) as index:
        reports = []
        thread = threading.Thread(target=lambda: reports.append(index.refresh()))
        thread.start()
        until(lambda: any(path.startswith("m3/") for path in index.snapshot().paths()))
        if how == "setting":
            index.exclude(["m3/"])
        else:
            write(root, {".ghostwrightignore": "m3/\n"})
            index.update([".ghostwrightignore"])
        seen = set()
        while thread.is_alive():
            seen |= {path for path in index.snapshot().paths() if path.startswith("m3/")}
        assert not seen
        if not reports[0].complete:
            index.refresh()
        paths = index.snapshot().paths()
        assert sum(path.endswith(".py") for path in paths) == 600
