# SPDX-License-Identifier: Apache-2.0
"""States outlive the session, and nothing excluded stays in them (S4), on a fake engine.

A saved state of the fake engine is a file of its tokens, which are the bytes of the text.
"""

from __future__ import annotations

import asyncio
import sys
import time
from array import array
from dataclasses import replace

import pytest
from slices import QUICK, Slices, opened, session_on, until

from engine.places import cache_dir
from engine.saved import WINDOWS_MAX, SavedStates
from engine.types import RequestRejected, Slot
from lsp_server import residence, warming
from lsp_server.documents import Place
from lsp_server.suggest import Ask, suggest

CANARY = "canary_5150"
SHAPES = f"def area(radius, {CANARY}=1):\n    return radius ** 2 * {CANARY}\n" + "# more\n" * 30
MAIN = "# Says how large things are.\n" * 10
MAIN += (
    "from shapes import area\n\n\ndef main():\n    size = area(2)\n    print(\n" + "# end\n" * 20
)
HERE = Place(15, 10)


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch):
    for name, value in (("OPENED_S", 0.01), ("PAUSE_S", 0.05), ("SAVE_S", 0.05)):
        monkeypatch.setattr(warming, name, value)
    monkeypatch.setattr(warming, "PATIENCE", 0.0)
    monkeypatch.setattr("lsp_server.deep.strained", lambda: True)  # only what keys need


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A cache folder of the test's own."""
    monkeypatch.setenv("GHOSTWRIGHT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "model.gguf"
    path.write_bytes(b"weights")
    return path


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "root"
    folder.mkdir()
    (folder / "shapes.py").write_text(SHAPES)
    (folder / "main.py").write_text(MAIN)
    return folder


def states():
    return sorted((cache_dir() / residence.FOLDER).glob("*.state"))


def saved_text():
    """The text of all files of states, and of their records."""
    found = b""
    for path in (cache_dir() / residence.FOLDER).iterdir():
        try:
            data = path.read_bytes()
        except FileNotFoundError:  # written under another name, and renamed meanwhile
            continue
        found += data
        if path.suffix == ".state":
            tokens = array("i")
            tokens.frombytes(data)
            found += bytes(token for token in tokens if token < 256)
    return found.decode("utf-8", "replace")


async def work_on(root, model, cache=None, name="main.py", settings=QUICK):
    """A session of an editor: open, ask, wait for the pause. Returns the text that was resident."""
    engine = Slices()
    async with session_on(engine, root, settings, cache, model) as session:
        document = opened(session, root / name)
        await suggest(Ask(document, HERE), session)
        await until(states)
    return engine


async def test_saved_in_a_pause_and_restored_at_the_start(root, model, cache):
    await work_on(root, model)
    assert "print(" in saved_text()
    engine = Slices()
    async with session_on(engine, root, QUICK, None, model) as session:
        assert "print(" in engine.text()
        document = session.documents.open((root / "main.py").as_uri(), "python", 1, MAIN)
        answer = await suggest(Ask(document, HERE), session)
        assert answer.usage.cached_tokens >= 0.95 * answer.usage.prompt_tokens


async def test_saved_as_soon_as_it_is_read(root, model, cache, monkeypatch):
    """I12: a process that ends must not cost a read that is done."""
    monkeypatch.setattr(warming, "SAVE_S", 3600.0)
    await work_on(root, model)
    assert "print(" in saved_text()


async def test_opening_the_file_again_keeps_what_was_chosen(root, model, cache):
    """Another choice of pieces at the start would throw away nearly all that was restored."""
    await work_on(root, model, cache)
    engine = Slices()
    async with session_on(engine, root, QUICK, cache, model) as session:
        document = opened(session, root / "main.py")
        await until(lambda: len(engine.warmed) >= 1)
        await asyncio.sleep(0.2)
        answer = await suggest(Ask(document, HERE), session)
        assert CANARY in engine.text()  # of another file
        assert answer.usage.cached_tokens >= 0.9 * answer.usage.prompt_tokens


async def test_pieces_of_a_file_that_changed_meanwhile_are_not_shown(root, model, cache):
    await work_on(root, model, cache)
    (root / "shapes.py").write_text(SHAPES.replace(CANARY, "renamed_77"))
    engine = Slices()
    async with session_on(engine, root, QUICK, cache, model) as session:
        document = session.documents.open((root / "main.py").as_uri(), "python", 1, MAIN)
        await suggest(Ask(document, HERE), session)
        assert CANARY not in engine.text()
        assert "print(" in engine.text()


async def test_saved_at_shutdown(root, model, cache):
    engine = Slices()
    async with session_on(engine, root, replace(QUICK, idleWarm=False), None, model) as session:
        document = opened(session, root / "main.py")
        await suggest(Ask(document, HERE), session)
        assert not states()
    assert "print(" in saved_text()


@pytest.mark.parametrize("way", ["setting", "ignore file"])
async def test_S4_what_becomes_excluded_is_gone_within_a_second(root, model, cache, way):
    engine = Slices()
    async with session_on(engine, root, QUICK, cache, model) as session:
        document = opened(session, root / "main.py")
        await suggest(Ask(document, HERE), session)
        await until(lambda: states() and CANARY in saved_text() and CANARY in engine.text())
        began = time.monotonic()
        if way == "setting":
            session.reload(replace(QUICK, exclude=("shapes.py",)))
        else:
            (root / ".ghostwrightignore").write_text("shapes.py\n")
        await until(lambda: CANARY not in saved_text() and CANARY not in engine.text())
        assert time.monotonic() - began < 1.0
        await suggest(Ask(document, HERE, manual=True), session)
        await until(states)  # what is read and saved from here on is without it
        await asyncio.sleep(0.3)
        assert CANARY not in engine.text()
    assert CANARY not in saved_text()


async def test_S4_excluded_while_nobody_ran_is_gone_at_the_start(root, model, cache):
    await work_on(root, model, cache)
    assert CANARY in saved_text()
    engine = Slices()
    async with session_on(engine, root, replace(QUICK, exclude=("shapes.py",)), None, model):
        assert engine.resident() == ()
        assert CANARY not in saved_text()


async def test_S4_excluded_while_it_is_written(root, model, cache):
    """The rules change between the engine's writing and the record."""
    engine = Slices()
    settings = replace(QUICK, idleWarm=False)
    async with session_on(engine, root, settings, None, model) as session:
        document = opened(session, root / "main.py")
        await suggest(Ask(document, HERE), session)
        real = engine.save

        def save(slot, path):
            tokens = real(slot, path)
            session.settings = replace(settings, exclude=("main.py",))
            session._policies = {}
            return tokens

        engine.save = save
        await session.residence.save()
        await until(lambda: not states())


async def test_other_repositories_keep_their_states(root, model, cache, tmp_path):
    """Each start looks for what is excluded, and another root is outside of this one."""
    await work_on(root, model, cache)
    other = tmp_path / "other"
    other.mkdir()
    async with session_on(Slices(), other, QUICK, None, model):
        assert states()
    (root / ".ghostwrightignore").write_text("shapes.py\n")
    async with session_on(Slices(), other, QUICK, None, model):
        assert not states()  # S4: its own ignore file counts wherever we are


async def test_another_branch_has_a_state_of_its_own_and_begins_with_a_sibling(root, model, cache):
    head = root / ".git" / "HEAD"
    head.parent.mkdir()
    head.write_text("ref: refs/heads/main\n")
    await work_on(root, model)
    head.write_text("ref: refs/heads/topic\n")
    engine = Slices()
    async with session_on(engine, root, QUICK, None, model) as session:
        assert "print(" in engine.text()
        document = opened(session, root / "main.py")
        answer = await suggest(Ask(document, HERE), session)
        assert answer.usage.cached_tokens >= 0.9 * answer.usage.prompt_tokens
    assert len(states()) == 1  # it is the same text: not written again for that alone


@pytest.mark.parametrize("harm", ["flip", "cut", "empty", "record", "gone"])
async def test_I9_a_damaged_state_is_a_miss(root, model, cache, harm):
    await work_on(root, model)
    state = states()[0]
    record = next(state.parent.glob("*.record"))
    victim = record if harm == "record" else state
    data = bytearray(victim.read_bytes())
    data[len(data) // 2] ^= 1
    victim.write_bytes({"cut": data[:-4], "empty": b""}.get(harm, data))
    if harm == "gone":
        state.unlink()
    engine = Slices()
    async with session_on(engine, root, QUICK, None, model) as session:
        assert engine.resident() == ()
        document = opened(session, root / "main.py")
        assert (await suggest(Ask(document, HERE), session)).text
        await until(states)


async def test_a_state_that_the_engine_refuses_is_a_miss(root, model, cache):
    await work_on(root, model)

    class Refusing(Slices):
        def restore(self, slot, path, token_ids):
            raise RequestRejected("of another build")

    async with session_on(Refusing(), root, QUICK, None, model):
        assert not states()


async def test_another_model_has_other_states(root, model, cache, tmp_path):
    await work_on(root, model)
    other = tmp_path / "other.gguf"
    other.write_bytes(b"other weights")
    engine = Slices()
    async with session_on(engine, root, QUICK, None, other):
        assert engine.resident() == ()
    assert states()


async def test_without_a_budget_nothing_is_kept(root, model, cache):
    await work_on(root, model)
    engine = Slices()
    settings = replace(QUICK, stateDiskMb=0)
    async with session_on(engine, root, settings, None, model) as session:
        assert not states()
        document = opened(session, root / "main.py")
        await suggest(Ask(document, HERE), session)
        await asyncio.sleep(0.3)
    assert not states()


async def test_a_cache_that_cannot_be_written_costs_a_line(root, model, cache, caplog):
    cache.mkdir()
    (cache / residence.FOLDER).write_text("a file where the folder should be")
    engine = Slices()
    async with session_on(engine, root, QUICK, None, model) as session:
        document = opened(session, root / "main.py")
        assert (await suggest(Ask(document, HERE), session)).text
        await asyncio.sleep(0.3)
    lines = [record for record in caplog.records if record.name == "lsp_server.residence"]
    assert len(lines) == 1


async def test_I10_a_disk_that_is_full_does_not_keep_a_session_from_its_end(root, model, cache):
    class Full(Slices):
        def save(self, slot, path):
            path.write_bytes(b"half")
            raise OSError(28, "No space left on device")

    engine = Full()
    async with session_on(engine, root, QUICK, None, model) as session:
        document = opened(session, root / "main.py")
        await suggest(Ask(document, HERE), session)
        await asyncio.sleep(0.3)
    assert engine.resident() == ()  # closed
    assert not states()


async def test_P9_an_engine_that_hangs_does_not_hold_up_the_end(root, model, cache):
    engine = Slices(slice_s=0.0)
    async with session_on(engine, root, QUICK, None, model) as session:
        document = opened(session, root / "main.py")
        await suggest(Ask(document, HERE), session)
        engine.slice_s = 4.0
        session.warming.touched(document, Place(0, 0))
        await asyncio.sleep(0.3)
        began = time.monotonic()
    assert time.monotonic() - began < 2.0


async def test_I12_two_servers_on_one_repository(root, model, cache):
    """Each keeps what it has read itself; whoever starts next finds one of the two whole."""
    one, two = Slices(), Slices()
    async with (
        session_on(one, root, QUICK, None, model) as first,
        session_on(two, root, QUICK, None, model) as second,
    ):
        for session, name in ((first, "main.py"), (second, "shapes.py")) * 3:
            document = opened(session, root / name)
            await suggest(Ask(document, Place(25, 2)), session)
            await session.residence.save()
    assert len(states()) == 2
    engine = Slices()
    async with session_on(engine, root, QUICK, None, model):
        assert "main.py" in engine.text() or "shapes.py" in engine.text()


async def test_S4_no_window_keeps_what_becomes_excluded_for_another(root, model, cache):
    async with (
        session_on(Slices(), root, QUICK, None, model) as first,
        session_on(Slices(), root, QUICK, None, model) as second,
    ):
        for session in (first, second):
            await suggest(Ask(opened(session, root / "main.py"), HERE), session)
            await session.residence.save()
        assert len(states()) == 2
        first.reload(replace(QUICK, exclude=("shapes.py",)))
        await until(lambda: CANARY not in saved_text())


def test_a_window_has_a_number_of_its_own_while_it_is_open(tmp_path):
    one, two = (SavedStates(tmp_path, 1 << 20) for _ in range(2))
    locks = [states.window("/r") for states in (one, two, one)]
    assert [number for number, _ in locks] == [0, 1, 2]
    assert one.window("/other")[0] == 0
    locks[1][1].release()
    again = [two.window("/r") for _ in range(WINDOWS_MAX)]
    assert [number for number, _ in again] == [1, *range(3, WINDOWS_MAX), 0, 0]
    assert again[-1][1] is None


@pytest.mark.skipif(sys.platform == "win32", reason="no such rights")
async def test_only_the_user_may_read_states(root, model, cache):
    await work_on(root, model)
    folder = cache / residence.FOLDER
    rights = {path.stat().st_mode & 0o077 for path in (folder, *folder.iterdir())}
    assert rights == {0}


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        ("ref: refs/heads/main\n", "refs/heads/main"),
        ("0123abcd\n", "0123abcd"),
        ("", residence.NO_BRANCH),
        (None, residence.NO_BRANCH),
    ],
)
def test_branch(tmp_path, head, expected):
    if head is not None:
        (tmp_path / ".git").mkdir()
        (tmp_path / ".git" / "HEAD").write_text(head)
    assert residence.branch_of(tmp_path) == expected


def test_branch_of_a_linked_work_tree(tmp_path):
    (tmp_path / "main" / ".git" / "worktrees" / "linked").mkdir(parents=True)
    (tmp_path / "main" / ".git" / "worktrees" / "linked" / "HEAD").write_text("ref: refs/heads/b\n")
    linked = tmp_path / "linked"
    linked.mkdir()
    (linked / ".git").write_text("gitdir: ../main/.git/worktrees/linked\n")
    assert residence.branch_of(linked) == "refs/heads/b"


async def test_a_prompt_that_was_never_begun_does_not_hide_what_is_resident(root, model, cache):
    """S4: the engine still holds the text of the prompt before."""
    engine = Slices()
    async with session_on(engine, root, replace(QUICK, idleWarm=False), None, model) as session:
        document = opened(session, root / "shapes.py")
        await suggest(Ask(document, Place(25, 2)), session)
        session.residence.reads(engine, Slot.KEYSTROKE, root, ["main.py"])
        session.reload(replace(session.settings, exclude=("shapes.py",)))
        await until(lambda: Slot.KEYSTROKE in engine.forgotten)
