# SPDX-License-Identifier: Apache-2.0
"""Reading ahead in pauses, on a fake engine: what, when, and that it gives way."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

import pytest
from slices import QUICK, SLICE, Slices, opened, session_on, until

from engine.types import RequestRejected
from engine.worker import Priority
from lsp_server import prompting, warming
from lsp_server.documents import Change, Documents, Place
from lsp_server.documents import behind as behind_of
from lsp_server.session import Session
from lsp_server.suggest import Ask, suggest

TEXT = "def area(radius):\n    return radius ** 2\n\n\n" + "".join(
    f"def unused_{n}():\n    return {n}\n\n\n" for n in range(15)
)
HERE = Place(1, 11)


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch):
    """Pauses in proportion, so that tests need not wait for people."""
    for name, value in (("OPENED_S", 0.01), ("PAUSE_S", 0.05), ("SAVE_S", 0.05)):
        monkeypatch.setattr(warming, name, value)
    monkeypatch.setattr("lsp_server.deep.strained", lambda: False)
    monkeypatch.setattr("lsp_server.deep.on_battery", lambda: False)


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "root" / "shapes.py"
    path.parent.mkdir()
    path.write_text(TEXT)
    return path


@pytest.fixture
def choices(monkeypatch):
    """The moments at which a prompt was laid out: (seconds, anew)."""
    made = []
    real = prompting.build

    def build(*args, anew=False):
        made.append((time.monotonic(), anew))
        return real(*args, anew=anew)

    monkeypatch.setattr(prompting, "build", build)
    return made


async def test_an_opened_file_is_read_from_its_beginning(source):
    engine = Slices()
    async with session_on(engine, source.parent) as session:
        opened(session, source)
        await until(lambda: "unused_3" in engine.text())
        assert "shapes.py" in engine.text()
        document = session.documents.get(source.as_uri())
        answer = await suggest(Ask(document, HERE), session)
        before = len(TEXT[: TEXT.index("radius ** 2")])
        assert answer.usage.cached_tokens >= before


async def test_a_choice_anew_only_after_the_patience(source, choices):
    settings = replace(QUICK, contextTokens=1200)  # 1,000 tokens a second: a patience of 0.25 s
    async with session_on(Slices(), source.parent, settings) as session:
        document = opened(session, source)
        begun = time.monotonic()
        await suggest(Ask(document, HERE), session)
        await until(lambda: any(anew for _, anew in choices))
        assert [anew for _, anew in choices] == [False, False, True]
        assert choices[-1][0] - begun >= 0.25 * 1200 / 1000


async def test_keys_within_the_patience_never_choose_anew(source, choices):
    async with session_on(Slices(), source.parent) as session:
        document = opened(session, source)
        for _ in range(6):
            await suggest(Ask(document, HERE), session)
            await asyncio.sleep(0.15)  # longer than a pause, shorter than the patience
        assert not any(anew for _, anew in choices)


async def test_a_key_ends_a_warm_up(source):
    engine = Slices(("value + ",), slice_s=0.01)  # the file stays one that parses
    async with session_on(engine, source.parent) as session:
        document = opened(session, source)
        await until(lambda: len(engine.resident()) > 5 * SLICE)
        began = time.monotonic()
        answer = await suggest(Ask(document, HERE), session)
        assert answer.text and answer.usage.cached_tokens > 0
        assert time.monotonic() - began < 0.4  # what is left of the reading takes 0.8 s


async def test_what_gave_way_goes_on_where_it_was_left(source):
    engine = Slices(slice_s=0.01)
    async with session_on(engine, source.parent) as session:
        opened(session, source)
        await until(lambda: len(engine.resident()) > 5 * SLICE)
        job = session.worker.submit(Priority.COMPLETION, lambda engine, _: engine.resident())
        read = len(await asyncio.wrap_future(job.future))
        await until(lambda: "unused_14" in engine.text() or len(engine.resident()) > 2 * read)
        assert [text for _, text in engine.warmed[:2]] == [engine.warmed[0][1]] * 2


async def test_an_edit_without_a_request_ends_it_too(source):
    """In manual mode, or when text is deleted, no request comes."""
    engine = Slices(slice_s=0.01)
    async with session_on(engine, source.parent, replace(QUICK, manual=True)) as session:
        document = opened(session, source)
        await until(engine.resident)
        change = Change("# new\n", (0, 0), (0, 0))
        changed, _ = session.documents.change(document.uri, 2, [change], "utf-16")
        session.warming.edited(changed, [change], "utf-16")
        readings = len(engine.warmed)
        await until(lambda: len(engine.warmed) > readings)
        await until(lambda: "# new\n" in engine.text())
        # the place behind what was typed, not the end of the file
        assert "unused_0" not in engine.warmed[-1][1].split("<|fim_suffix|>")[0]


@pytest.mark.parametrize("way", ["excluded", "secret", "off", "paused", "idleWarm"])
async def test_S1_what_may_have_no_suggestion_is_never_read_ahead(source, way):
    changes = {
        "excluded": {"exclude": ("shapes.py",)},
        "off": {"languages": {"python": "off"}},
        "idleWarm": {"idleWarm": False},
    }
    engine = Slices()
    path = source.with_name(".env") if way == "secret" else source
    path.write_text(TEXT)
    settings = replace(QUICK, **changes.get(way, {}))
    async with session_on(engine, source.parent, settings) as session:
        session.pause(paused=way == "paused")
        document = opened(session, path)
        session.warming.touched(document, HERE)
        await asyncio.sleep(0.3)
        assert (engine.warmed, engine.resident()) == ([], ())


async def test_S4_a_warm_up_that_gave_way_does_not_go_on_with_what_is_excluded_now(source):
    engine = Slices(slice_s=0.01)
    async with session_on(engine, source.parent) as session:
        opened(session, source)
        await until(engine.resident)
        session.reload(replace(QUICK, exclude=("shapes.py",)))
        began = len(engine.warmed)
        await until(lambda: not engine.resident())
        await asyncio.sleep(0.3)
        assert engine.resident() == ()
        assert len(engine.warmed) == began


@pytest.mark.parametrize("way", ["changed", "closed"])
async def test_a_document_that_changed_is_not_read_at_an_old_place(source, way):
    engine = Slices()
    async with session_on(engine, source.parent) as session:
        document = opened(session, source)
        session.warming.touched(document, Place(40, 3))
        if way == "changed":
            everything = [Change("a = 1\n")]
            session.documents.change(document.uri, 2, everything, "utf-16")
        else:
            session.documents.close(document.uri)
        await asyncio.sleep(0.3)
        assert engine.warmed == []


async def test_new_settings_begin_anew_or_end_it(source):
    engine = Slices()
    async with session_on(engine, source.parent) as session:
        document = opened(session, source)
        await until(lambda: engine.warmed)
        session.documents.change(document.uri, 2, [Change("b = 1\n")], "utf-16")
        session.reload(replace(QUICK, maxSuggestionTokens=32))
        await until(lambda: "b = 1\n" in engine.text())
        session.reload(replace(QUICK, idleWarm=False))
        readings = len(engine.warmed)
        await asyncio.sleep(0.2)
        assert len(engine.warmed) == readings


async def test_without_a_model_nothing_is_read_and_nothing_fails(source, caplog):
    session = Session(QUICK, [source.parent])

    def load():
        raise RequestRejected("no model")

    session.start(load)
    with pytest.raises(RequestRejected):
        session.worker.ready.result(5)
    session.loaded()
    opened(session, source)
    await asyncio.sleep(0.2)
    assert session.warming._task.done() and session.warming._task.exception() is None
    session.close()
    assert "failed" not in caplog.text


async def test_P9_shutdown_takes_no_longer_while_a_warm_up_runs(source):
    engine = Slices(slice_s=0.05)
    async with session_on(engine, source.parent) as session:
        opened(session, source)
        await until(engine.resident)
        began = time.monotonic()
    assert time.monotonic() - began < 1.0


@pytest.mark.parametrize(
    ("text", "start", "added", "behind"),
    [
        ("a = 1", (0, 1), "b", Place(0, 2)),
        ("", (0, 0), "a\r\nb\rc\nde", Place(3, 2)),
        ("a\n\nb", (1, 0), "x\n", Place(2, 0)),
        ("a", (9, 9), "bc", Place(0, 3)),  # past the end
        ("a = 1\nb", (0, 4), "", Place(0, 4)),  # something was deleted
    ],
)
def test_the_place_behind_an_edit(text, start, added, behind):
    documents = Documents()
    documents.open("untitled:1", "python", 1, text)
    edit = Change(added, start, start)
    changed, _ = documents.change("untitled:1", 2, [edit], "utf-16")
    assert changed is not None
    assert behind_of(changed, changed.place(*start, "utf-16"), added) == behind
