# SPDX-License-Identifier: Apache-2.0
"""The index in bad company: damaged caches, full disks, kills, a second server."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import index_checks
import pytest
from index_checks import SHOP, answers, fingerprint, write

from indexer.index import Index

ROOT = Path(__file__).resolve().parents[2]
HOT = {f"m{n}.py": SHOP["shop/tax.py"] * (n + 1) for n in range(6)}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    write(folder, {**SHOP, **HOT})
    for path in folder.rglob("*.*"):
        os.utime(path, (1_700_000_000, 1_700_000_000))
    return folder


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def child(root: Path, cache: Path, seconds: float = 0, limit_bytes: int = 0) -> subprocess.Popen:
    """Another server. With a limit no file of its may grow beyond it, as on a full disk."""
    program = f"import runpy, sys; sys.argv = ['x', {str(root)!r}, {str(cache)!r}, '{seconds}']; "
    if limit_bytes:
        program += (
            "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
            f"resource.setrlimit(resource.RLIMIT_FSIZE, ({limit_bytes}, {limit_bytes})); "
        )
    program += f"runpy.run_path({index_checks.__file__!r}, run_name='__main__')"
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, env=env
    )


def said(process: subprocess.Popen) -> tuple[str, str]:
    """What a child says in the end: its answers' fingerprint, and where its store is."""
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    print_, place = out.splitlines()[-1].split(" ", 1)
    return print_, place


def expected(root: Path, tmp_path: Path) -> str:
    with Index(root, tmp_path / "expected", workers=1) as index:
        index.refresh()
        return fingerprint(index)


def damage(cache: Path, chance: random.Random) -> str:
    """Flip a bit, cut a file, or remove one; says what was done."""
    files = [p for p in cache.rglob("*") if p.is_file() and p.stat().st_size]
    files.sort(key=lambda p: (p.suffix, p.stat().st_size))  # their names differ each time
    victim = chance.choice(files)
    data = bytearray(victim.read_bytes())
    at = chance.randrange(len(data))
    kind = chance.choice(["flip"] * 6 + ["cut", "remove"])
    if kind == "remove":
        victim.unlink()
    elif kind == "cut":
        victim.write_bytes(bytes(data[:at]))
    else:
        data[at] ^= 1 << chance.randrange(8)
        victim.write_bytes(bytes(data))
    return f"{kind} {victim.name} at {at}"


def suffer(root: Path, cache: Path, tmp_path: Path, rounds: int, seed: int) -> None:
    chance = random.Random(seed)
    with Index(root, cache, workers=1) as index:
        index.refresh()
        wanted = answers(index)
    pristine = tmp_path / "pristine"
    shutil.copytree(cache, pristine)
    for _ in range(rounds):
        shutil.rmtree(cache)
        shutil.copytree(pristine, cache)
        check_repaired(root, cache, wanted, damage(cache, chance))


def check_repaired(root: Path, cache: Path, wanted: dict[str, object], what: str) -> None:
    for _ in range(2):  # the second start finds it repaired
        with Index(root, cache, workers=1) as index:
            index.snapshot().symbols("Cart")
            report = index.refresh()
            assert answers(index) == wanted, what
    assert report.extracted == 0, f"not repaired: {what}"


def test_I9_a_damaged_cache_is_a_miss_and_is_repaired(
    root: Path, cache: Path, tmp_path: Path
) -> None:
    suffer(root, cache, tmp_path, rounds=6, seed=6)  # of the mark, the store and the search


def test_I9_a_panic_in_tantivy_is_damage_like_any_other(root: Path, cache: Path) -> None:
    with Index(root, cache, workers=1) as index:
        index.refresh()
        wanted = answers(index)
    (victim,) = cache.rglob("*.pos")
    data = bytearray(victim.read_bytes())
    data[22] ^= 16  # a length: the end of a slice is then before its start
    victim.write_bytes(data)
    check_repaired(root, cache, wanted, "a flip that tantivy panics at")


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_I9_two_thousand_damages(root: Path, cache: Path, tmp_path: Path) -> None:
    suffer(root, cache, tmp_path, rounds=2000, seed=9)


def test_I9_damage_while_running_is_repaired(root: Path, cache: Path) -> None:
    with Index(root, cache, workers=1) as index:
        index.refresh()
        wanted = answers(index)
        with index._library.store._database.writing() as db:
            db.execute("UPDATE blobs SET record=zeroblob(50)")
        index._library._records.clear()
        assert answers(index)["records"] == wanted["records"]
        assert answers(index) == wanted


def full_disk(root: Path, cache: Path, wanted: str, limit_bytes: int) -> None:
    shutil.rmtree(cache, ignore_errors=True)
    assert said(child(root, cache, limit_bytes=limit_bytes))[0] == wanted, "while it is full"
    after, place = said(child(root, cache))
    assert after == wanted and place != "memory", "when there is room again"


@pytest.mark.skipif(sys.platform == "win32", reason="no limit on the size of files there")
@pytest.mark.parametrize("limit_bytes", [1, 70_000])
def test_I10_a_full_disk_costs_nothing_but_the_cache(
    root: Path, cache: Path, tmp_path: Path, limit_bytes: int
) -> None:
    full_disk(root, cache, expected(root, tmp_path), limit_bytes)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.skipif(sys.platform == "win32", reason="no limit on the size of files there")
def test_I10_a_disk_that_is_full_at_any_point(root: Path, cache: Path, tmp_path: Path) -> None:
    wanted = expected(root, tmp_path)
    for limit_bytes in range(1, 160_000, 1_024):
        full_disk(root, cache, wanted, limit_bytes)


def kill_indexing(root: Path, cache: Path, wanted: str, after_s: float) -> None:
    with child(root, cache, 60) as process:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        time.sleep(after_s)
        process.kill()
    assert said(child(root, cache))[0] == wanted, f"killed after {after_s} s"


def test_I10_a_kill_at_any_time_leaves_a_usable_index(
    root: Path, cache: Path, tmp_path: Path
) -> None:
    wanted = expected(root, tmp_path)
    for after_s in (0.0, 0.45):
        kill_indexing(root, cache, wanted, after_s)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_I10_five_hundred_kills(root: Path, cache: Path, tmp_path: Path) -> None:
    wanted = expected(root, tmp_path)
    for turn in range(500):
        if turn % 5 == 0:
            shutil.rmtree(cache, ignore_errors=True)
        kill_indexing(root, cache, wanted, random.random())


def two_servers(root: Path, cache: Path, tmp_path: Path, seconds: float) -> None:
    chance = random.Random(12)
    with Index(root, cache, workers=1) as ours:
        other = child(root, cache, seconds)
        ours.refresh()
        until = time.monotonic() + seconds * 0.6
        while time.monotonic() < until:
            name = f"m{chance.randrange(9)}.py"
            write(root, {name: chance.choice(list(SHOP.values())) * chance.randrange(1, 9)})
            ours.update([name])
        wanted = expected(root, tmp_path)
        assert said(other)[0] == wanted, "the other server"
        ours.refresh()
        assert fingerprint(ours) == wanted, "this server"


def test_I12_two_servers_share_one_index(root: Path, cache: Path, tmp_path: Path) -> None:
    """Danger: a deadlock, or an index that is half one server's and half the other's."""
    two_servers(root, cache, tmp_path, seconds=2)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_I12_two_servers_for_ten_minutes(root: Path, cache: Path, tmp_path: Path) -> None:
    two_servers(root, cache, tmp_path, seconds=600)


def test_I6_a_root_that_vanishes_is_an_empty_repository(root: Path, cache: Path) -> None:
    with Index(root, cache, workers=1) as index:
        index.refresh()
        shutil.rmtree(root)
        index.update(["shop/cart.py"])
        assert index.refresh().files == 0 and index.snapshot().paths() == []
    assert Index(root, cache).snapshot().paths() == []
