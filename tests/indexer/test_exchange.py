# SPDX-License-Identifier: Apache-2.0
"""An index handed on: the same answers as one built here, and nothing that an archive says alone.

A wrong archive may cost time. It is never run, never written outside of the cache, and what it
says of a file is used only for the very bytes it speaks of.
"""

import dataclasses
import hashlib
import json
import subprocess
import tempfile
import uuid
from pathlib import Path

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from index_checks import SHOP, answers, from_scratch, write

from indexer import exchange
from indexer.exchange import BadArchive
from indexer.exchange_in import adopt
from indexer.exchange_out import collect
from indexer.index import Index
from indexer.library import search_folder
from indexer.search import Busy, Search
from indexer.store import store_name
from lsp_server.commands.index import holds_secret

KEY = "AKIA" + "IOSFODNN7ABCDEFG"
WHOLE = SHOP | {"package.json": '{"name": "shop"}', "web/load.js": "export function load(x) {}\n"}


def take(root, folder, excludes=()):
    folder.mkdir(parents=True, exist_ok=True)
    return collect(root, folder, excludes, holds_secret)[0]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A repository, and an archive of it."""
    base = tmp_path_factory.mktemp("made")
    root = base / "repository"
    write(root, WHOLE)
    archive = take(root, base / "cache")
    file = base / "shop.gwi"
    return root, archive, file, exchange.write(file, archive)


def test_an_import_says_what_a_build_says_and_parses_nothing(made, tmp_path):
    root, _, file, name = made
    read_name, archive = exchange.read(file, name.upper())
    came = adopt(archive, root, tmp_path / "cache")
    assert read_name == name
    assert (came.files, came.others, came.audited) == (len(WHOLE), 0, len(WHOLE))
    with Index(root, tmp_path / "cache", workers=1) as index:
        assert index.snapshot().paths() == sorted(WHOLE), "known before the first look"
        assert answers(index) == from_scratch(root, tmp_path)
        report = index.refresh()
        assert (report.extracted, report.warm, report.problems) == (0, True, ())
        assert answers(index) == from_scratch(root, tmp_path)
        assert index.settle()
        cart = index.snapshot().resolver
        assert [t.path for t in cart.imports("shop/tax.py")] == ["shop/cart.py"]


def test_another_checkout_elsewhere_is_served_too(made, tmp_path):
    """The place of the repository is in no archive, as it is in no record."""
    root, archive, _, _ = made
    other = tmp_path / "elsewhere"
    write(other, WHOLE)
    assert adopt(archive, other, tmp_path / "cache").files == len(WHOLE)
    for name in exchange.SECTIONS:
        packed = msgpack.packb(getattr(archive, name))
        assert str(root).encode() not in packed and root.name.encode() not in packed


def test_files_that_are_others_here_cost_time_only(made, tmp_path):
    """Changed, gone, new, of another language by its first line: as a build from scratch says."""
    _, archive, _, _ = made
    root = tmp_path / "mine"
    write(root, WHOLE | {"shop/cart.py": "class Basket:\n    def getPrice(self):\n        pass\n"})
    (root / "web/app.js").unlink()
    write(root, {"shop/new.py": "def total(): pass\n"})
    came = adopt(archive, root, tmp_path / "cache")
    assert (came.files, came.others) == (len(WHOLE) - 2, 2)
    with Index(root, tmp_path / "cache", workers=1) as index:
        assert "shop/cart.py" not in index.snapshot().paths()
        assert index.refresh().extracted == 2
        assert answers(index) == from_scratch(root, tmp_path)


def test_a_record_under_another_text_is_not_used(made, tmp_path):
    """The hash is of the bytes here: an archive cannot say which record a file has."""
    root, archive, _, _ = made
    swapped = {row[0]: row[1] for row in archive.files}
    swapped["shop/cart.py"], swapped["shop/tax.py"] = (
        swapped["shop/tax.py"],
        swapped["shop/cart.py"],
    )
    files = tuple((p, swapped[p], size, 0, swapped[p]) for p, _, size, _, _ in archive.files)
    came = adopt(dataclasses.replace(archive, files=files), root, tmp_path / "cache")
    assert came.others == 2
    with Index(root, tmp_path / "cache", workers=1) as index:
        index.refresh()
        assert answers(index) == from_scratch(root, tmp_path)


def test_an_archive_that_lies_is_found_out(made, tmp_path):
    """A record that is well formed, under the right hash, and not what the parser makes of it."""
    root, archive, _, _ = made
    cart = next(row[1] for row in archive.files if row[0] == "shop/cart.py")
    false = tuple(
        (*row[:4], row[4].replace(b"Cart", b"Evil")) if row[0] == cart else row
        for row in archive.blobs
    )
    with pytest.raises(BadArchive, match=r"shop/cart\.py what is not so"):
        adopt(dataclasses.replace(archive, blobs=false), root, tmp_path / "cache")
    with Index(root, tmp_path / "cache", workers=1) as index:
        assert index.snapshot().paths() == [] == index.snapshot().symbols("Evil")


def test_S1_what_the_policy_here_refuses_is_not_taken_over(made, tmp_path):
    root, archive, _, _ = made
    came = adopt(archive, root, tmp_path / "cache", ["web/"])
    assert came.others == 2
    with Index(root, tmp_path / "cache", ["web/"], workers=1) as index:
        assert [p for p in index.snapshot().paths() if p.startswith("web")] == []
        index.refresh()
        assert index.snapshot().symbols("main") == []


def test_S2_secrets_and_what_is_not_committed_are_in_no_byte_of_it(tmp_path):
    root = tmp_path / "r"
    paths = write(root, WHOLE | {"shop/keys.py": f'AWS = "{KEY}"\n', ".env": "TOKEN=canary77\n"})
    git = ["git", "-C", str(root), "-c", "user.name=n", "-c", "user.email=e@x"]
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "add", "-f", *paths], check=True)
    subprocess.run([*git, "commit", "-qm", "one"], check=True)
    write(root, {"shop/tax.py": "def draft_of_mine(): pass\n", "shop/mine.py": "canary_mine = 1\n"})
    archive = take(root, tmp_path / "cache")
    assert archive.left_out == {"secret": 1, "uncommitted": 2} and len(archive.commit) == 40
    assert {row[0] for row in archive.files} == set(WHOLE) - {"shop/tax.py"}
    whole = b"".join(msgpack.packb(getattr(archive, name)) for name in exchange.SECTIONS).lower()
    for word in (KEY, "canary77", "draft_of_mine", "canary_mine", "shop/keys", ".env"):
        assert word.lower().encode() not in whole, word
    assert b"getprice" in whole, "the test can see words"


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_a_change_of_any_byte_is_refused(made, data):
    """In the magic, the name, the length, the manifest, each section, and at the end."""
    whole = made[2].read_bytes()
    at = data.draw(st.integers(0, len(whole) - 1))
    changed = bytearray(whole)
    changed[at] ^= data.draw(st.integers(1, 255))
    refuse(bytes(changed))


def test_every_region_is_guarded(made):
    """The same without chance: all of the head, and the two ends of each section."""
    whole = made[2].read_bytes()
    packed = [row[2] for row in msgpack.unpackb(whole[44 : 44 + _length(whole)])[3]]
    at, edges = 44 + _length(whole), []
    for size in packed:
        edges += [at, at + size // 2, at + size - 1]
        at += size
    assert at == len(whole)
    for place in (*range(44 + _length(whole)), *edges):
        changed = bytearray(whole)
        changed[place] ^= 0x20
        refuse(bytes(changed))
    for cut in (0, 7, 43, 50, len(whole) - 1):
        refuse(whole[:cut])
    refuse(whole + b"\0")


def _length(whole):
    return int.from_bytes(whole[40:44], "big")


def refuse(changed):
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "changed.gwi"
        file.write_bytes(changed)
        with pytest.raises(BadArchive):
            exchange.read(file)


def test_another_archive_than_the_one_asked_for_is_refused(made):
    with pytest.raises(BadArchive, match="another archive"):
        exchange.read(made[2], "0" * 64)


def resealed(file, change):
    """An archive whose checksums are right and whose manifest somebody has written by hand."""
    whole = file.read_bytes()
    made_by, commit, left_out, table = msgpack.unpackb(whole[44 : 44 + _length(whole)])
    manifest = msgpack.packb(change(made_by, commit, left_out, table))
    rest = whole[44 + _length(whole) :]
    head = exchange.MAGIC + hashlib.sha256(manifest).digest() + len(manifest).to_bytes(4, "big")
    return head + manifest + rest


@pytest.mark.parametrize(
    "change",
    [
        lambda m, c, left, t: ("other", c, left, t),
        lambda m, c, left, t: (m, c, left, t[:-1]),
        lambda m, c, left, t: (m, c, left, [[r[0], 1 << 40, *r[2:]] for r in t]),
        lambda m, c, left, t: (m, c, left, [[r[0], r[1] - 1, *r[2:]] for r in t]),
        lambda m, c, left, t: (m, c, left, [[r[0], r[1] + 1, *r[2:]] for r in t]),
        lambda m, c, left, t: (m, c, left, [["../x", *r[1:]] for r in t]),
        lambda m, c, left, t: (m, c, 3, t),
        lambda m, c, left, t: 7,
        lambda m, c, left, t: "x" * 70_000,
    ],
)
def test_a_manifest_written_by_hand_is_refused(made, change):
    """E2's kind: sizes that lie, sections that are missing, a small file that would be huge."""
    refuse(resealed(made[2], change))


@pytest.mark.parametrize(
    "part",
    [
        {"blobs": ((0, "k", ("python", 1, 1, 1, 1), ("n",), b""),)},
        {"blobs": ((1, "k", ("python", 1, 1, 1, "1"), ("n",), b""),)},
        {"blobs": ((1, "k", ("python", 1, 1, 1, 1), ("n", "n"), b""),)},
        {"blobs": ((1, b"k", ("python", 1, 1, 1, 1), ("n",), b""),)},
        {"files": (("a.py", 99_999, 1, 0, 99_999),)},
        {"files": ((b"a.py", 1, 1, 0, 1),)},
        {"files": 3},
        {"derived": {"graph": "text"}},
        {"search": ("x",)},
    ],
)
def test_rows_of_another_shape_are_refused(made, part, tmp_path):
    file = tmp_path / "odd.gwi"
    exchange.write(file, dataclasses.replace(made[1], **part))
    with pytest.raises(BadArchive, match="not well formed"):
        exchange.read(file)


def test_S3_a_path_out_of_the_root_is_another_file(made, tmp_path):
    """Zip-slip: no name of an archive is ever opened but through the policy, nor written at all."""
    root, archive, _, _ = made
    outside = tmp_path / "outside.py"
    outside.write_text("secret = 1\n")
    one = archive.files[0]
    odd = ["../outside.py", str(outside), "a/../../outside.py", ".git/config", "x\0y", ""]
    files = [*archive.files, *((path, *one[1:]) for path in odd)]
    came = adopt(dataclasses.replace(archive, files=files), root, tmp_path / "cache")
    assert came.others == len(odd)
    with Index(root, tmp_path / "cache", workers=1) as index:
        index.refresh()
        assert answers(index) == from_scratch(root, tmp_path)


def _segments(change):
    def changed(search):
        meta = json.loads(search["meta.json"])
        change(meta, search)
        return {**search, "meta.json": json.dumps(meta).encode()}

    return changed


@pytest.mark.parametrize(
    "change",
    [
        lambda search: {"meta.json": b"{"},
        lambda search: {},
        _segments(lambda meta, _: meta.update(schema=[])),
        _segments(lambda meta, _: meta.update(opstamp="x")),
        _segments(lambda meta, _: meta["segments"][0].update(segment_id="../../evil")),
        _segments(lambda meta, _: meta["segments"][0].update(segment_id=str(uuid.uuid4()))),
        _segments(lambda meta, _: meta["segments"][0].update(max_doc=-1)),
        _segments(lambda meta, _: meta["segments"][0].update(deletes={"x": 1})),
    ],
)
def test_a_search_index_of_another_kind_is_refused(made, change, tmp_path):
    root, archive, _, _ = made
    odd = dataclasses.replace(archive, search=change(dict(archive.search)))
    with pytest.raises(BadArchive):
        adopt(odd, root, tmp_path / "cache")
    with Index(root, tmp_path / "cache", workers=1) as index:
        index.refresh()
        assert answers(index) == from_scratch(root, tmp_path)


def test_I9_segments_of_garbage_are_a_miss(made, tmp_path):
    """tantivy panics on them; then the search index is made anew from the texts here."""
    root, archive, _, _ = made
    junk = {n: d if n == "meta.json" else bytes(len(d)) for n, d in archive.search.items()}
    adopt(dataclasses.replace(archive, search=junk), root, tmp_path / "cache")
    with Index(root, tmp_path / "cache", workers=1) as index:
        index.refresh()
        write(root, {"shop/late.py": "def late(): pass\n"})
        try:
            index.refresh()
            assert answers(index) == from_scratch(root, tmp_path)
        finally:
            (root / "shop/late.py").unlink()


def test_an_index_that_is_there_stays(made, tmp_path):
    root, archive, _, _ = made
    with Index(root, tmp_path / "cache", workers=1) as index:
        index.refresh()
    before = (tmp_path / "cache" / store_name(root)).read_bytes()
    assert adopt(archive, root, tmp_path / "cache") is None
    assert (tmp_path / "cache" / store_name(root)).read_bytes() == before


def test_I12_another_process_that_is_writing_is_not_disturbed(made, tmp_path, monkeypatch):
    root, archive, _, _ = made
    monkeypatch.setattr("indexer.search.LOCK_WAIT_S", 0.1)
    with Index(root, tmp_path / "cache", workers=1):
        pass
    writing = Search(search_folder(tmp_path / "cache" / store_name(root))).begin()
    try:
        with pytest.raises(Busy):
            adopt(archive, root, tmp_path / "cache")
    finally:
        writing.abandon()
    assert adopt(archive, root, tmp_path / "cache").files == len(WHOLE)


def test_nothing_half_written_is_left_where_the_disk_refuses(made, tmp_path):
    file = tmp_path / "none" / "x.gwi"
    with pytest.raises(OSError):
        exchange.write(file, made[1])
    assert not list(tmp_path.iterdir())
