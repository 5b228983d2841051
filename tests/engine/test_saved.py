# SPDX-License-Identifier: Apache-2.0
"""Saved states: a cache that may miss and never lies, on disks and beside servers that misbehave.

Guards I9, I10, I12 for states, and S1, S4: text of an excluded file stays in no state.
"""

from __future__ import annotations

import logging
import os
import signal
import stat
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import msgpack
import pytest

from engine.fake import FakeEngine
from engine.saved import OWNER_FILE, SavedStates, StateKey, model_identity
from engine.types import RequestRejected, Slot

KEY = StateKey("/home/me/project", "main", "sha256:abc", Slot.KEYSTROKE, "engine 1")
TOKENS = tuple(range(1000))
BUDGET = 1 << 20


@pytest.fixture
def states(tmp_path):
    return SavedStates(tmp_path / "states", BUDGET)


def keep(states, key=KEY, tokens=TOKENS, paths=("a.py", "b/c.py")):
    """Save as an engine does, and keep it."""
    path = states.new_path()
    engine = FakeEngine(lambda _: ())
    engine._residency.set(key.slot, tokens)
    return states.keep(key, path, engine.save(key.slot, path), paths)


def files(states):
    return sorted(states._folder.iterdir())


def record_of(states, key=KEY):
    return states._record_path(key)


def test_what_was_kept_is_found_and_restores(states):
    assert keep(states)
    found = states.find(KEY)
    engine = FakeEngine(lambda _: ())
    engine.restore(KEY.slot, found.path, found.token_ids)
    assert engine.resident(KEY.slot) == TOKENS
    with pytest.raises(RequestRejected):
        engine.restore(KEY.slot, found.path, found.token_ids[1:])
    assert engine.resident(KEY.slot) == ()


@pytest.mark.parametrize(
    "change",
    [{"root": "/other"}, {"branch": "dev"}, {"model": "sha256:d"}, {"slot": Slot.DEEP}],
    ids=lambda change: next(iter(change)),
)
def test_each_repository_branch_model_and_slot_has_its_own(states, change):
    keep(states)
    assert states.find(replace(KEY, **change)) is None
    assert states.find(KEY)


def test_a_state_of_another_build_or_setting_is_removed(states, caplog):
    keep(states)
    with caplog.at_level(logging.WARNING):
        assert states.find(replace(KEY, state_format="engine 2")) is None
    assert len(caplog.records) == 1
    assert files(states) == []


def test_a_newer_state_replaces_the_older(states):
    keep(states)
    keep(states, tokens=TOKENS[:10])
    assert states.find(KEY).token_ids == TOKENS[:10]
    assert len(files(states)) == 2


def damage(data, how, at):
    if how == "truncated":
        return data[: at % len(data)]
    if how == "longer":
        return data + b"x"
    at %= len(data)
    return data[:at] + bytes([data[at] ^ (1 << (at % 8))]) + data[at + 1 :]


@pytest.mark.parametrize("which", ["record", "state"])
@pytest.mark.parametrize("how", ["truncated", "longer", "flipped"])
def test_I9_a_damaged_state_is_a_miss_with_one_line_and_repairs_itself(states, caplog, which, how):
    for at in range(0, 4000, 97):
        caplog.clear()
        keep(states)
        path = record_of(states) if which == "record" else states.find(KEY).path
        path.write_bytes(damage(path.read_bytes(), how, at))
        assert states.find(KEY) is None
        assert len(caplog.records) == 1 and "\n" not in caplog.records[0].getMessage()
        assert not record_of(states).exists()
        assert keep(states) and states.find(KEY).token_ids == TOKENS


@pytest.mark.parametrize(
    "content",
    [
        b"",
        msgpack.packb([99, "a future version"]),
        msgpack.packb({"not": "a list"}),
        msgpack.packb([1, "/r", "engine 1", "../../etc/passwd", 1, b"", b"", [], 0.0]),
        b"\xc1",
    ],
    ids=["empty", "version", "shape", "path", "no-msgpack"],
)
def test_I9_a_record_with_a_good_checksum_and_bad_content_is_a_miss(states, content):
    from engine.saved import _sum  # noqa: PLC0415  a record made by hand

    record_of(states).write_bytes(_sum(content) + content)
    assert states.find(KEY) is None
    assert files(states) == []


def test_a_state_whose_file_is_gone_is_a_miss(states):
    keep(states)
    states.find(KEY).path.unlink()
    assert states.find(KEY) is None


@pytest.mark.parametrize("at", [0, 1])
def test_S4_no_state_with_text_of_an_excluded_file_stays(states, at):
    paths = [("a.py", "secret/key.py"), ("a.py",)]
    keys = [KEY, replace(KEY, slot=Slot.DEEP)]
    for key, holds in zip(keys, paths, strict=True):
        keep(states, key, paths=holds)
    excluded = ("secret/key.py", "a.py")[at]
    gone = states.forget(lambda root, path: (root, path) == (KEY.root, excluded))
    assert gone == (1, 2)[at]
    assert len(files(states)) == 2 * (2 - gone)


def test_S1_a_state_whose_record_cannot_be_read_goes_too(states):
    keep(states)
    record_of(states).write_bytes(b"?")
    assert states.forget(lambda *_: False) == 1
    assert not record_of(states).exists()


def test_the_longest_unused_go_when_the_budget_is_spent(tmp_path):
    states = SavedStates(tmp_path, 30_000)
    keys = [replace(KEY, branch=name) for name in "abcd"]
    for at, key in enumerate(keys[:3]):
        assert keep(states, key)
        os.utime(record_of(states, key), (at, at))
    assert states.find(keys[0])  # used just now
    assert keep(states, keys[3])
    assert [states.find(key) is not None for key in keys] == [True, False, True, True]
    assert states.total_bytes() <= 30_000


@pytest.mark.parametrize("budget", [0, 100])
def test_what_exceeds_the_budget_is_not_kept(tmp_path, budget):
    states = SavedStates(tmp_path, budget)
    assert not keep(states)
    assert files(states) == []


@pytest.mark.skipif(os.name == "nt", reason="Windows has other permissions")
def test_states_are_for_the_owners_eyes_only(states):
    keep(states)
    assert stat.S_IMODE(states._folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in files(states)} == {OWNER_FILE}


def test_leftovers_are_swept_up_but_not_what_may_be_under_way(tmp_path):
    old, new, foreign = tmp_path / "a.state", tmp_path / "b.new", tmp_path / "notes.txt"
    for path in (old, new, foreign):
        path.write_bytes(b"text of somebody's file")
    os.utime(old, (1, 1))
    SavedStates(tmp_path, BUDGET)
    assert sorted(tmp_path.iterdir()) == [new, foreign]


def test_I10_a_disk_that_fails_loses_nothing_but_the_state(states, monkeypatch):
    keep(states)

    def full(*_args, **_kwargs):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fdopen", full)
        assert not keep(states, tokens=TOKENS[:5])
    assert states.find(KEY).token_ids == TOKENS
    assert len([path for path in files(states) if path.suffix == ".state"]) == 1


WRITER = """
import sys
from pathlib import Path
from dataclasses import replace
from engine.fake import FakeEngine
from engine.saved import SavedStates, StateKey
from engine.types import Slot
states = SavedStates(Path(sys.argv[1]), 1 << 20)
key = StateKey("/r", "main", "m", Slot.KEYSTROKE, "f")
print("ready", flush=True)
engine = FakeEngine(lambda _: ())
n = 0
while True:
    n += 1
    engine._residency.set(key.slot, (int(sys.argv[2]),) * (n % 3000 + 1))
    path = states.new_path()
    states.keep(key, path, engine.save(key.slot, path), ["a.py"])
    states.find(key)
"""


def check_kills(folder, kills):
    """I10, I12: two servers save the same state while others are killed: found or missing."""
    command = [sys.executable, "-c", WRITER, str(folder)]
    root = Path(__file__).resolve().parents[2]
    start = lambda n: subprocess.Popen(  # noqa: E731
        [*command, str(n)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=root
    )
    steady = start(1)
    steady.stdout.readline()
    states = SavedStates(folder, BUDGET)
    key = StateKey("/r", "main", "m", Slot.KEYSTROKE, "f")
    found = 0
    for n in range(kills):
        victim = start(2)
        victim.stdout.readline()
        time.sleep(0.01 + 0.003 * (n % 7))
        victim.send_signal(getattr(signal, "SIGKILL", signal.SIGTERM))
        victim.communicate()
        state = states.find(key)
        if state is not None:
            found += 1
            assert set(state.token_ids) in ({1}, {2})
    steady.kill()
    steady.communicate()
    assert found
    for path in files(states):
        os.utime(path, (1, 1))
    SavedStates(folder, BUDGET)
    assert len(files(states)) <= 2


def test_I10_I12_killed_and_competing_servers_leave_a_whole_state_or_none(tmp_path):
    check_kills(tmp_path, 4)


@pytest.mark.slow
def test_I10_I12_100_killed_servers(tmp_path):
    check_kills(tmp_path, 100)


def test_a_model_is_known_by_its_hash_or_else_by_size_time_and_header(tmp_path):
    path = tmp_path / "m.gguf"
    path.write_bytes(b"GGUF" + bytes(100))
    before = model_identity(path)
    assert model_identity(path, "abc") == "sha256:abc"
    assert model_identity(path) == before
    os.utime(path, (1, 1))
    assert model_identity(path) != before


def test_a_note_comes_back_and_a_branch_without_a_state_begins_with_the_newest(states):
    for at, branch in enumerate(("old", "new")):
        path = states.new_path()
        path.write_bytes(b"state")
        assert states.keep(replace(KEY, branch=branch), path, [at], ["a.py"], branch.encode())
    assert states.find(replace(KEY, branch="third")) is None
    found = states.find_sibling(replace(KEY, branch="third"))
    assert (found.token_ids, found.note) == ((1,), b"new")
    assert states.find_sibling(replace(KEY, branch="new")).note == b"old"
    for other in ({"root": "/else"}, {"model": "m"}, {"slot": Slot.DEEP}, {"state_format": "2"}):
        assert states.find_sibling(replace(KEY, **other)) is None
    found.path.write_bytes(b"wrong")
    assert states.find_sibling(replace(KEY, branch="third")).note == b"old"
