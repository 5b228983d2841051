# SPDX-License-Identifier: Apache-2.0
"""The deep slot grows while nobody types, gives way at once, and leaves what keys need alone."""

from __future__ import annotations

import asyncio
import time
from collections import namedtuple
from dataclasses import replace

import psutil
import pytest
from slices import QUICK, Slices, opened, session_on, until

from engine.places import cache_dir
from engine.types import Slot
from lsp_server import deep, residence, warming
from lsp_server.documents import Place
from lsp_server.suggest import Ask, suggest

FILES = 12
HERE = Place(2, 11)
CONTEXT_TOKENS = 4096
ROOM = int(CONTEXT_TOKENS * deep.SHARE)


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch, tmp_path):
    for name, value in (("OPENED_S", 0.01), ("PAUSE_S", 0.05), ("SAVE_S", 0.01)):
        monkeypatch.setattr(warming, name, value)
    monkeypatch.setattr(warming, "PATIENCE", 0.0)
    monkeypatch.setattr(deep, "strained", lambda: False)
    monkeypatch.setattr(deep, "on_battery", lambda: False)
    monkeypatch.setattr(deep, "REST_S", 0.05)
    monkeypatch.setenv("GHOSTWRIGHT_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "model.gguf"
    path.write_bytes(b"weights")
    return path


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "root"
    folder.mkdir()
    for n in range(FILES):
        below = f"from part_{n - 1} import value_{n - 1}\n\n" if n else "\n\n"
        body = f"def value_{n}():\n    return canary_{n}\n" + f"# of part {n}\n" * 15
        (folder / f"part_{n}.py").write_text(below + body)
    return folder


def engine_of(**pace):
    return Slices(context_tokens=CONTEXT_TOKENS, **pace)


def deep_readings(engine):
    return [text for slot, text in engine.warmed if slot is Slot.DEEP]


async def grown(session, engine):
    """Wait until all is read."""
    await until(session.warming._task.done, 20)
    return engine.text(Slot.DEEP)


async def resident(session):
    """`prefix` as a refactor would ask for it."""
    job = session.worker.submit(0, lambda engine, _: session.deep.prefix(engine))
    return await asyncio.wrap_future(job.future)


async def test_it_grows_from_outlines_to_whole_files_within_its_room(root, tmp_path):
    engine = engine_of()
    async with session_on(engine, root, QUICK, tmp_path / "index") as session:
        opened(session, root / "part_3.py")
        text = await grown(session, engine)
        found = await resident(session)
    assert ROOM * 0.5 < len(engine.resident(Slot.DEEP) or found.token_ids) <= ROOM
    assert "# of part" in text
    whys = [part.why for part in found.parts]
    assert whys == sorted(whys, key=lambda why: why != "map of the repository")
    assert found.token_ids[: len(found.token_ids)]
    assert len(deep_readings(engine)) > 5  # in steps


async def test_it_does_not_depend_on_where_the_user_is(root, tmp_path):
    texts = set()
    for name in ("part_3.py", "part_9.py"):
        engine = engine_of()
        async with session_on(engine, root, QUICK, tmp_path / "index") as session:
            opened(session, root / name)
            texts.add(await grown(session, engine))
    assert len(texts) == 1


async def test_a_key_is_answered_at_once_and_keeps_its_slot(root, tmp_path):
    engine = engine_of(answer=("_all",), slice_s=0.01)  # the file stays one that parses
    async with session_on(engine, root, QUICK, tmp_path / "index") as session:
        document = opened(session, root / "part_3.py")
        await suggest(Ask(document, HERE), session)
        await until(lambda: len(engine.resident(Slot.DEEP)) > 100, 30)
        before = engine.resident()
        began = time.monotonic()
        answer = await suggest(Ask(document, HERE, manual=True), session)
        waited_s = time.monotonic() - began
        assert answer.text
        assert answer.usage.evaluated_tokens == 0  # nothing of the keystroke's was lost
        assert engine.resident() == before
        assert waited_s < 0.25  # a step takes 0.16 s, all of it 2 s
        read = len(engine.resident(Slot.DEEP))
        await until(lambda: len(engine.resident(Slot.DEEP)) > read)  # and on it goes
        assert deep_readings(engine)[-1].startswith(deep_readings(engine)[0][:200])


async def test_it_is_kept_while_little_changes_and_made_anew_when_much_does(root, tmp_path):
    engine = engine_of()
    async with session_on(engine, root, QUICK, tmp_path / "index") as session:
        document = opened(session, root / "part_3.py")
        first = await grown(session, engine)
        (root / "part_5.py").write_text("changed_5 = 1\n")
        session.warming.touched(document, HERE)
        assert await grown(session, engine) == first
        for n in range(4, FILES):
            (root / f"part_{n}.py").write_text(f"changed_{n} = 1\n")
        session.indexing.feed([root / f"part_{n}.py" for n in range(4, FILES)])
        await asyncio.sleep(0.5)
        session.warming.touched(document, HERE)
        assert "changed_4" in await grown(session, engine)


async def test_it_outlives_the_session(root, model, tmp_path, monkeypatch):
    monkeypatch.setattr(deep, "SAVE_EVERY_TOKENS", 500)
    one = engine_of()
    async with session_on(one, root, QUICK, tmp_path / "index", model) as session:
        opened(session, root / "part_3.py")
        first = await grown(session, one)
    two = engine_of()
    async with session_on(two, root, QUICK, tmp_path / "index", model) as session:
        opened(session, root / "part_3.py")
        assert await grown(session, two) == first
        assert len(deep_readings(two)) <= 2  # what had been read since it was saved last
        assert (await resident(session)).token_ids


async def test_S4_an_excluded_file_goes_out_of_it_and_of_the_disk(root, model, tmp_path):
    engine = engine_of()
    async with session_on(engine, root, QUICK, tmp_path / "index", model) as session:
        opened(session, root / "part_3.py")
        assert "canary_0" in await grown(session, engine)
        session.reload(replace(QUICK, exclude=("part_0.py",)))
        await until(lambda: "canary_0" not in engine.text(Slot.DEEP), 1.0)
        text = await grown(session, engine)
        assert "canary_0" not in text
        assert "canary_1" in text
    states = (cache_dir() / residence.FOLDER).glob("*")
    assert not any(b"part_0.py" in path.read_bytes() for path in states)


@pytest.mark.parametrize(
    ("settings", "reads"), [({}, True), ({"idleWarm": False}, False)], ids=["on", "off"]
)
async def test_the_setting_decides(root, tmp_path, settings, reads):
    engine = engine_of()
    async with session_on(engine, root, replace(QUICK, **settings), tmp_path / "index") as session:
        opened(session, root / "part_3.py")
        await asyncio.sleep(1.0)
    assert bool(deep_readings(engine)) is reads


async def test_it_rests_while_the_machine_is_busy(root, tmp_path, monkeypatch):
    busy = True
    monkeypatch.setattr(deep, "strained", lambda: busy)
    engine = engine_of()
    async with session_on(engine, root, QUICK, tmp_path / "index") as session:
        opened(session, root / "part_3.py")
        await asyncio.sleep(0.7)
        assert deep_readings(engine) == []
        busy = False
        await until(lambda: deep_readings(engine))


Battery = namedtuple("Battery", "power_plugged")  # noqa: PYI024  as psutil's
Memory = namedtuple("Memory", "available total")  # noqa: PYI024


@pytest.mark.parametrize(
    ("battery", "load", "available", "expected"),
    [
        (None, 0.5, 0.5, False),
        (Battery(True), 0.5, 0.5, False),
        (Battery(None), 0.5, 0.5, False),  # the system does not know
        (Battery(False), 0.5, 0.5, True),
        (None, 1.0, 0.5, False),  # that is ourselves
        (None, 2.0, 0.5, True),
        (None, 0.5, 0.01, True),
    ],
)
def test_manners(monkeypatch, battery, load, available, expected):
    monkeypatch.undo()
    cores = psutil.cpu_count()
    monkeypatch.setattr(psutil, "sensors_battery", lambda: battery, raising=False)
    monkeypatch.setattr(psutil, "getloadavg", lambda: (load * cores, 0, 0))
    monkeypatch.setattr(psutil, "virtual_memory", lambda: Memory(available * 8e9, 8e9))
    assert deep.strained() is expected
