# SPDX-License-Identifier: Apache-2.0
"""What the user may choose: several texts by hand, texts behind a list's choice, none at all."""

from __future__ import annotations

import asyncio
import time

import pytest
from checks import ask_at, fake_session
from fixture import marked

from engine.types import RequestRejected
from lsp_server.documents import Place
from lsp_server.protocol import convert
from lsp_server.settings import Settings
from lsp_server.suggest import Ask, Selected, Suggestion, suggest
from lsp_server.suggestions import choice

TEXT = "value = $0\n"


def by_hand(answers, text=TEXT, **pace):
    """What is offered on request by a model that writes one answer after the other."""
    rest = iter(answers)

    def answer(_prompt):
        found = next(rest)
        if found is None:
            raise RequestRejected("no room")
        return [found]

    session = fake_session(answer, **pace)

    async def scene():
        place = marked(text)
        document = session.documents.open("untitled:1", "python", 1, place.text)
        ask = Ask(document, Place(place.line, place.index), manual=True)
        return await choice.with_others(ask, await suggest(ask, session), session)

    try:
        return asyncio.run(scene())
    finally:
        session.close()


@pytest.mark.parametrize(
    ("answers", "first", "others"),
    [
        (["first", "second", "third"], "first", ("second", "third")),
        (["first", "first", "third"], "first", ("third",)),
        (["first", "second", "second"], "first", ("second",)),
        (["first", "\n", "third"], "first", ("third",)),
        ([""], "", ()),
        (["first", None], "first", ()),
        (["first", "second", None], "first", ("second",)),
    ],
)
def test_on_request_there_are_several_that_differ(answers, first, others):
    found = by_hand(answers)
    assert (found.text, found.others) == (first, others)


def test_further_texts_give_way_to_what_is_asked_next():
    """Not every client cancels what it no longer wants."""
    texts = iter((["first"], [str(n) for n in range(200)], ["next"]))
    session = fake_session(lambda _prompt: next(texts), token_s=0.02)

    async def scene():
        document = session.documents.open("untitled:1", "python", 1, "value = ")
        ask = Ask(document, Place(0, 8), manual=True)
        others = asyncio.ensure_future(
            choice.with_others(ask, await suggest(ask, session), session)
        )
        await asyncio.sleep(0.1)
        started = time.monotonic()
        found = await suggest(ask, session)
        return found, time.monotonic() - started, await others

    found, waited_s, first = asyncio.run(scene())
    session.close()
    assert found.text == "next"
    assert waited_s < 2  # the second text takes four
    assert first.others == ()


def test_the_user_does_not_wait_long_for_the_others(monkeypatch):
    monkeypatch.setattr(choice, "OTHERS_S", 0.05)
    started = time.monotonic()
    found = by_hand(["first", "second", "third"], token_s=0.3)
    assert (found.text, found.others) == ("first", ())
    assert time.monotonic() - started < 3


@pytest.mark.parametrize(
    ("text", "selected", "answer", "shown"),
    [
        ("math.sq$0\n", "sqrt", ["(x)"], "(x)"),
        ("math.sq$0)\n", "sqrt", ["(x)"], "(x)"),
        ("x = Pa$0\n", "Path\nLike", ["()"], "()"),
    ],
)
def test_a_suggestion_goes_on_behind_what_is_selected_in_the_list(text, selected, answer, shown):
    """VS Code shows only what begins with the choice of its list."""
    prompts = []
    session = fake_session(lambda prompt: prompts.append(prompt) or answer)
    place = marked(text)
    document = session.documents.open("untitled:1", "python", 1, place.text)
    cursor = Place(0, place.index)
    wanted = Selected(selected, Place(0, place.index - 2), cursor)
    ask = Ask(document, cursor, selected=wanted)
    found = asyncio.run(suggest(ask, session))
    session.close()
    assert found.text == shown
    before = place.text[: place.index - 2] + selected
    assert before in prompts[0]
    items = convert.inline_items(found, ask, "1", "utf-16").items
    assert [item.insert_text for item in items] == [selected + shown]
    assert items[0].range.start.character == place.index - 2
    assert items[0].range.end.character == place.index


def test_every_text_is_an_item_of_its_own():
    session = fake_session([])
    document = session.documents.open("untitled:1", "python", 1, "\U0001f600 = ")
    session.close()
    found = Suggestion("one", others=("two", "three"))
    items = convert.inline_items(found, Ask(document, Place(0, 4)), "1", "utf-16").items
    assert [item.insert_text for item in items] == ["one", "two", "three"]
    assert [item.command.arguments for item in items] == [["1"], ["1.0"], ["1.1"]]
    assert {item.range.start.character for item in items} == {5}
    assert not convert.inline_items(Suggestion(""), Ask(document, Place(0, 4)), "1", "utf-16").items


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("# ghostwright: off\na = $0\n", "switched off by a comment in the file"),
        (
            "#!/bin/sh\n// Ghostwright:off, please\na = $0\n",
            "switched off by a comment in the file",
        ),
        ("# ghostwright: offer\na = $0\n", ""),
        ("# not ghostwrights: off\na = $0\n", ""),
        (f"{'#' * 5000} ghostwright: off\na = $0\n", ""),
        (f"{'x = 1' + chr(10)}" * 12 + "# ghostwright: off\na = $0\n", ""),
    ],
)
@pytest.mark.parametrize("manual", [False, True])
def test_a_comment_in_the_file_switches_off(text, reason, manual):
    session = fake_session(["first"], Settings(debounceMs=0))
    found = asyncio.run(ask_at(session, text, manual=manual))
    session.close()
    assert found.reason == reason
    assert bool(found.text) is not bool(reason)
