# SPDX-License-Identifier: Apache-2.0
"""From a keystroke to a suggestion, on the fake engine: what is shown, joined, cancelled (P5)."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

import pytest
from checks import ask_at, check_suggest, fake_session
from fixture import marked

from engine.types import Piece, RequestRejected
from lsp_server import schedule
from lsp_server.documents import Change, Place
from lsp_server.explain import record
from lsp_server.session import Session
from lsp_server.settings import Settings
from lsp_server.suggest import Ask, suggest

ANSWER = ["self", ".radius", " ** 2", "\n", "# more"]
KNOWN = {"cache", "joined"}  # a line is shown while the next is still written
AREA = "def area(self):\n    return $0\n"


@pytest.mark.parametrize(
    ("text", "answer", "expected"),
    [
        pytest.param(AREA, ANSWER, "self.radius ** 2", id="a line"),
        pytest.param("a = 1\r\n$0\r\n", ["b = 1\n", "c = 2\n"], "b = 1\r\nc = 2", id="CRLF stays"),
        pytest.param("a = '😀'$0\n", [" + b"], " + b", id="astral characters before the cursor"),
        pytest.param("$0", ["import os"], "import os", id="empty file"),
        pytest.param(AREA, [], "", id="nothing written"),
    ],
)
def test_shows(text, answer, expected):
    check_suggest(text, answer, expected)


@pytest.mark.parametrize(
    ("settings", "manual", "shown", "reason"),
    [
        ({"manual": True}, False, "", "only on request"),
        ({"manual": True}, True, "self.radius ** 2", ""),
        ({"languages": {"python": "off"}}, True, "", "switched off for python"),
        ({"multiline": False}, False, "self.radius ** 2", ""),
    ],
)
def test_settings_decide(settings, manual, shown, reason):
    session = fake_session(ANSWER, Settings(debounceMs=0, **settings))
    suggestion = asyncio.run(ask_at(session, AREA, manual=manual))
    session.close()
    assert (suggestion.text, suggestion.reason) == (shown, reason)


def test_a_file_outside_the_root_or_excluded_is_refused(tmp_path):
    root = tmp_path / "root"
    root.mkdir()
    for path in (tmp_path / "other.py", root / ".env", root / "kept_out.py"):
        session = fake_session(ANSWER, Settings(debounceMs=0, exclude=("kept_out.py",)), root)
        document = session.documents.open(path.as_uri(), "python", 1, "a = ")
        suggestion = asyncio.run(suggest(Ask(document, Place(0, 4)), session))
        session.close()
        assert suggestion.text == ""
        assert suggestion.reason.startswith(f"{path.name} is not read: ")


def test_an_engine_that_refuses_gives_a_reason():
    def refuse(_):
        raise RequestRejected("no room")

    session = fake_session(refuse)
    suggestion = asyncio.run(ask_at(session, AREA))
    session.close()
    assert (suggestion.text, suggestion.reason) == ("", "no room")


@pytest.fixture(autouse=True)
def no_burst(monkeypatch):
    """However quickly a test goes on: its keys are those of someone who waits for whole lines."""
    monkeypatch.setattr(schedule, "FAST_TYPING_S", 0.0)


class Typist:
    """Types into one buffer and asks after each key."""

    def __init__(self, session, text):
        self.session = session
        place = marked(text)
        self.document = session.documents.open("untitled:1", "python", 1, place.text)
        self.place = Place(place.line, place.index)

    def type(self, text):
        at = (self.place.line, self.place.index)
        version = self.document.version + 1
        changes = [Change(text, at, at)]
        self.document, problem = self.session.documents.change(
            "untitled:1", version, changes, "utf-32"
        )
        assert problem is None
        self.place = replace(self.place, index=self.place.index + len(text))

    def ask(self):
        return asyncio.ensure_future(suggest(Ask(self.document, self.place), self.session))


def play(session, scene):
    try:
        return asyncio.run(scene())
    finally:
        session.close()


def counted(answer):
    calls = []

    def function(prompt):
        calls.append(prompt)
        return answer

    return function, calls


def test_typed_as_suggested_goes_on_without_the_model():
    function, calls = counted(ANSWER)
    session = fake_session(function)

    async def scene():
        typist = Typist(session, AREA)
        await typist.ask()
        typist.type("self.ra")
        return await typist.ask()

    suggestion = play(session, scene)
    assert suggestion.text == "dius ** 2"
    assert suggestion.source in KNOWN
    assert len(calls) == 1


def test_a_key_that_fits_joins_the_decode_in_flight():
    function, calls = counted(ANSWER)
    session = fake_session(function, token_s=0.05)

    async def scene():
        typist = Typist(session, AREA)
        first = typist.ask()
        await asyncio.sleep(0.08)
        first.cancel()  # as editors do, just before they ask again
        typist.type("se")
        return await typist.ask()

    suggestion = play(session, scene)
    assert (suggestion.text, suggestion.source) == ("lf.radius ** 2", "joined")
    assert len(calls) == 1


def test_a_key_that_proves_the_decode_wrong_replaces_it():
    function, calls = counted(ANSWER)
    session = fake_session(function, token_s=0.05)

    async def scene():
        typist = Typist(session, AREA)
        first = typist.ask()
        await asyncio.sleep(0.02)
        typist.type("x")
        second = typist.ask()
        return await first, await second

    first, second = play(session, scene)
    assert (first.text, first.reason) == ("", "superseded by a newer request")
    assert (second.text, second.source) == ("self.radius ** 2", "model")
    assert len(calls) == 2


def test_P5_an_edit_while_answering_makes_the_answer_stale():
    session = fake_session(ANSWER, token_s=0.05)

    async def scene():
        typist = Typist(session, AREA)
        asked = typist.ask()
        await asyncio.sleep(0.02)
        typist.type("x")
        return await asked

    suggestion = play(session, scene)
    assert (suggestion.text, suggestion.reason) == ("", "stale")


def test_a_request_that_nobody_wants_any_more_stops_the_engine():
    stopped = []

    def slow(_):
        for n in range(1000):
            yield str(n)
            stopped.append(time.monotonic())

    session = fake_session(slow, token_s=0.01)

    async def scene():
        asked = Typist(session, AREA).ask()
        await asyncio.sleep(0.1)
        asked.cancel()
        cancelled = time.monotonic()
        await asyncio.sleep(0.4)
        return cancelled

    cancelled = play(session, scene)
    assert stopped[-1] - cancelled < 0.2  # LINGER_S and a token, on a busy machine


def test_the_deadline_gives_the_lines_that_are_there(monkeypatch):
    monkeypatch.setattr("lsp_server.suggest.DEADLINE_S", 0.3)
    session = fake_session(["a = 1\n", "    b = ", *"xxxxxxxxxxxxxxxx"], token_s=0.07)

    async def scene():
        return await Typist(session, "def f():\n    $0\n").ask()

    suggestion = play(session, scene)
    assert (suggestion.text, suggestion.stopped_by) == ("a = 1", "running")


BLOCK = ["a = first", "\n", "    b = second", *(f" + n{i}" for i in range(30))]


def test_a_line_that_stands_is_shown_while_the_rest_is_written():
    function, calls = counted(BLOCK)
    session = fake_session(function, token_s=0.05)

    async def scene():
        typist = Typist(session, "def f():\n    $0\n")
        first = await typist.ask()
        typist.type("a = ")
        second = await typist.ask()
        await asyncio.sleep(2.5)
        typist.type("f")
        return first, second, await typist.ask()

    first, second, last = play(session, scene)
    assert (first.text, second.text) == ("a = first", "first")
    assert second.source == "joined"
    assert (last.text, last.source) == ("irst", "cache")  # it was written to its end
    assert len(calls) == 1


WORDS = ["def", " area", "_of", "(", "shape", "):", "\n", "    return shape.width * shape.height"]


def test_in_a_burst_whole_words_are_shown_before_the_line_stands(monkeypatch):
    """The next key is near: what is not shown before it, is not shown."""
    monkeypatch.setattr(schedule, "FAST_TYPING_S", 0.4)
    function, calls = counted(WORDS)
    session = fake_session(function, token_s=0.06)

    async def scene():
        typist = Typist(session, "$0\n")
        typist.ask()
        shown = []
        for key in "def ar":
            typist.type(key)
            asked = typist.ask()
            await asyncio.sleep(0.12)
            if asked.done():
                shown.append((await asked).text)
            else:
                asked.cancel()
        typist.type("e")
        await asyncio.sleep(0.5)
        return shown, await typist.ask()

    shown, last = play(session, scene)
    whole = "def area_of(shape):"
    assert shown
    assert whole.find(shown[0]) > 0
    assert not whole.endswith(shown[0])
    assert last.text == "a_of(shape):"
    assert len(calls) == 1


def test_who_has_paused_gets_the_whole_line():
    session = fake_session(WORDS, token_s=0.06)

    async def scene():
        typist = Typist(session, "$0\n")
        return await typist.ask()

    assert play(session, scene).text == "".join(WORDS)


def test_a_decode_that_was_given_up_is_not_joined():
    """A key that comes between the last waiter's end and the engine's is answered all the same."""
    function, calls = counted(ANSWER)
    session = fake_session(function, token_s=0.3)

    async def scene():
        typist = Typist(session, AREA)
        first = typist.ask()
        await asyncio.sleep(0.02)
        first.cancel()
        await asyncio.sleep(0.15)  # cancelled after LINGER_S; its token takes 0.3 s
        typist.type("s")
        return await typist.ask()

    suggestion = play(session, scene)
    assert suggestion.text == "self.radius ** 2"
    assert len(calls) == 2


def test_what_is_left_of_an_answer_may_be_too_little():
    """Then the model goes on, instead of the same scrap being found again."""
    function, calls = counted(['"a b"'])
    session = fake_session(function)

    async def scene():
        typist = Typist(session, "name = $0\n")
        await typist.ask()
        typist.type('"a b')
        return await typist.ask()

    suggestion = play(session, scene)
    assert suggestion.source == "model"
    assert suggestion.reason != "the user typed something else"
    assert len(calls) == 2


def test_what_is_known_waits_for_no_further_key():
    session = fake_session(ANSWER, Settings(debounceMs=500))

    async def scene():
        typist = Typist(session, AREA)
        await typist.ask()
        typist.type("s")
        return await typist.ask()

    suggestion = play(session, scene)
    assert suggestion.source in KNOWN
    assert suggestion.wait_ms == 0


SUM = "total = price_of(item) + shipping_to(country)\n"
REPEATED = "".join(f"{SUM}show_{n}(total)\n" for n in range(6)) + "total = price_of(it$0\n"


async def test_what_the_repository_makes_certain_needs_no_model():
    session = Session(Settings(debounceMs=0), [])
    found = await ask_at(session, REPEATED)
    assert (found.text, found.source) == ("em) + shipping_to(country", "instant")
    asked_by_hand = await ask_at(session, REPEATED, manual=True)
    assert (asked_by_hand.text, asked_by_hand.reason) == ("", "starting")
    session.close()


def test_what_is_certain_does_not_wait_for_the_model_and_does_not_stop_it():
    session = fake_session(["item) + shipping_to(country)  # as above"], token_s=0.3)

    async def scene():
        typist = Typist(session, REPEATED.replace("it$0", "$0"))
        by_hand = Ask(typist.document, typist.place, manual=True)  # asks the model in any case
        first = asyncio.ensure_future(suggest(by_hand, session))
        await asyncio.sleep(0.02)
        typist.type("it")
        known = await typist.ask()
        await asyncio.sleep(0.6)
        typist.type("e")
        return await first, known, await typist.ask()

    first, known, last = play(session, scene)
    assert first.reason == "superseded by a newer request"
    assert (known.text, known.source) == ("em) + shipping_to(country", "instant")
    # What the model has written meanwhile goes farther.
    assert (last.text, last.source) == ("m) + shipping_to(country)  # as above", "cache")


def test_who_rests_at_what_is_certain_gets_what_the_model_says(monkeypatch):
    apart_s = 0.5
    monkeypatch.setattr(schedule, "FAST_TYPING_S", apart_s)
    session = fake_session(["em) + shipping_to(country)  # as above"])

    async def scene():
        typist = Typist(session, REPEATED)
        first, second = await typist.ask(), await typist.ask()
        await asyncio.sleep(apart_s)
        return first, second, await typist.ask()

    first, second, rested = play(session, scene)
    assert (first.source, second.source, rested.source) == ("instant", "instant", "model")
    assert rested.text == "em) + shipping_to(country)  # as above"


@pytest.mark.parametrize("answer", ["", "\n", " "])
def test_a_place_without_text_costs_the_model_once(answer):
    function, calls = counted([answer])
    session = fake_session(function)

    async def scene():
        typist = Typist(session, "name = $0\n")
        return await typist.ask(), await typist.ask()

    first, second = play(session, scene)
    assert first.text == second.text == ""
    assert first.reason == second.reason
    assert len(calls) == 1


@pytest.mark.parametrize(
    ("unsure", "reason"), [(True, "the model was not sure enough"), (False, "")]
)
def test_who_asks_why_hears_the_reason_though_the_model_still_writes(unsure, reason):
    pieces = [Piece("self.radius", -9.0 if unsure else -0.1), "\n", "# m", "ore", "\n"]
    session = fake_session(pieces, token_s=0.1)

    async def scene():
        return await Typist(session, AREA).ask()

    found = play(session, scene)
    assert found.stopped_by == "running"
    assert found.reason == reason
    assert bool(found.text) is not unsure


def test_every_figure_of_the_contract_is_reported():
    session = fake_session(ANSWER)
    found = record(asyncio.run(ask_at(session, AREA)))
    session.close()
    assert found["prompt_tokens"] == found["cached_tokens"] + found["evaluated_tokens"] > 0
    assert found["decoded_tokens"] > 0
    assert {s["role"] for s in found["segments"]} == {"header", "prefix", "suffix"}
    names = "text model ttft_ms total_ms stopped_by rules segments shown reason source"
    assert set(names.split()) <= set(found)


@pytest.mark.parametrize(
    ("answer", "shown"),
    [
        (["first", "_name", " + ", "wor"], "first_name +"),
        (["a = 1", "\n", "    b =", " 2"], "a = 1"),
    ],
)
def test_what_ends_at_the_limit_is_cut_at_a_word_or_line(answer, shown):
    session = fake_session([*answer, "d"], Settings(debounceMs=0, maxSuggestionTokens=len(answer)))
    found = asyncio.run(ask_at(session, "def f():\n    $0\n"))
    session.close()
    assert (found.text, found.stopped_by) == (shown, "length")
