# SPDX-License-Identifier: Apache-2.0
"""What is written ahead: the next suggestion is there when this one is accepted."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from checks import fake_session

from engine.worker import Priority
from lsp_server.documents import Change, Place, behind
from lsp_server.settings import Settings
from lsp_server.suggest import Ask, Selected, Suggestion, suggest
from lsp_server.suggestions.ahead import LOOK_S, Ahead, accepted, following

FIRST, SECOND = ["a", " = ", "first"], [" + b", " + c"]
ENOUGH_S = LOOK_S + 0.35


class Editor:
    """A buffer whose suggestions are shown, and accepted whole."""

    def __init__(self, session, text=""):
        self.session, self.ahead = session, Ahead(session)
        self.document = session.documents.open("untitled:1", "python", 1, text)
        self.place = Place(0, len(text))

    async def ask(self):
        asked = Ask(self.document, self.place)
        suggestion = await suggest(asked, self.session)
        self.ahead.shown(asked, suggestion)
        return suggestion

    def insert(self, text):
        at = (self.place.line, self.place.index)
        self.document, _ = self.session.documents.change(
            "untitled:1", self.document.version + 1, [Change(text, at, at)], "utf-32"
        )
        self.place = behind(self.document, self.place, text)


def written(calls):
    """A model whose second answer goes on behind the first."""

    def answer(prompt):
        calls.append(prompt)
        return FIRST if len(calls) == 1 else SECOND

    return answer


def play(scene, calls, **settings):
    async def whole():
        session = fake_session(written(calls), Settings(debounceMs=0, **settings))
        try:
            return await scene(Editor(session), session)
        finally:
            session.close()

    return asyncio.run(whole())


def test_the_next_suggestion_is_there_when_this_one_is_accepted():
    calls = []

    async def scene(editor, _):
        first = await editor.ask()
        await asyncio.sleep(ENOUGH_S)
        editor.insert(first.text)
        return first, await editor.ask()

    first, second = play(scene, calls)
    assert (first.text, first.source) == ("a = first", "model")
    assert (second.text, second.source) == (" + b + c", "cache")
    assert len(calls) == 2


@pytest.mark.parametrize("settings", [{"idleWarm": False}, {}], ids=["switched off", "typed on"])
def test_nothing_is_written_where_it_is_not_wanted(settings):
    calls = []

    async def scene(editor, _):
        await editor.ask()
        if not settings:
            editor.insert("x")  # at once: nobody has looked
        await asyncio.sleep(ENOUGH_S)

    play(scene, calls, **settings)
    assert len(calls) == 1


def test_it_gives_way_to_what_the_user_asks_for():
    """A key that needs the engine waits for a token or a slice, not for all that is ahead."""
    calls = []

    async def scene(editor, session):
        began = asyncio.Event()
        loop = asyncio.get_running_loop()

        def slow(_engine, cancel):
            loop.call_soon_threadsafe(began.set)
            return cancel.wait(10)

        gave_way = session.running_worker().submit(Priority.AHEAD, slow)
        await began.wait()
        found = await asyncio.wait_for(editor.ask(), 5)
        return found, gave_way.future.result(1)

    found, gave_way = play(scene, calls)
    assert found.text == "a = first"
    assert gave_way


@pytest.mark.parametrize(
    ("text", "line", "index"),
    [("b", 0, 3), ("b\nc\nde", 2, 2), ("b\r\nc", 1, 1), ("\U0001f600", 0, 3)],
)
def test_what_follows_an_accept_is_asked_behind_it(text, line, index):
    session = fake_session(FIRST)
    document = session.documents.open("untitled:1", "python", 1, "a b")
    session.close()
    after = accepted(Ask(document, Place(0, 2)), text)
    taken = Ask(document, Place(0, 1), selected=Selected("a ", Place(0, 0), Place(0, 2)))
    assert accepted(taken, text) == replace(after, arrived=taken.arrived)
    assert after.place == Place(line, index)
    assert after.document.text == f"a {text}b"
    assert document.text == "a b"


def test_of_an_instant_text_the_model_says_first_what_it_thinks():
    session = fake_session(FIRST)
    asked = Ask(session.documents.open("untitled:1", "python", 1, "a b"), Place(0, 2))
    session.close()
    assert following(asked, Suggestion("x", source="instant")) is asked
    assert following(asked, Suggestion("x")) == accepted(asked, "x")
