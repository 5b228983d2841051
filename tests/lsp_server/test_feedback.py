# SPDX-License-Identifier: Apache-2.0
"""What clients tell of suggestions, well-formed or not (P6)."""

from __future__ import annotations

import asyncio
from collections import Counter
from types import SimpleNamespace

import pytest

from lsp_server.documents import Place, from_text
from lsp_server.protocol import feedback
from lsp_server.suggestions import ledger
from lsp_server.suggestions.record import Record

TEXT = "'😀' + b\r\nc"


class Told:
    """A server's session with one suggestion shown, and what was counted of it."""

    def __init__(self, folder):
        self.folder, self.book = folder, ledger.Ledger(folder)
        self.session = SimpleNamespace(record=Record(self.book))
        document = from_text("file:///a.py", "a = \n", language_id="python")
        suggestion = SimpleNamespace(others=(), text=TEXT, model="m", source="model")
        self.id = self.session.record.shown(suggestion, document, Place(0, 4))
        self.document = document

    def item(self):
        return {"insertText": TEXT, "command": {"command": "x", "arguments": [self.id]}}

    def something_else(self):
        self.session.record.changed(from_text(self.document.uri, "a = !\n"))

    @property
    def counts(self):
        self.book.save()
        return sum(ledger.read(self.folder).values(), Counter())


@pytest.fixture
def told(tmp_path):
    return Told(tmp_path)


def objects(value):
    """JSON as the protocol's library hands it over where it knows no type."""
    if isinstance(value, dict):
        return SimpleNamespace(**{name: objects(each) for name, each in value.items()})
    return [objects(each) for each in value] if isinstance(value, list) else value


@pytest.mark.parametrize("form", [dict, objects], ids=["dictionaries", "objects"])
def test_shown_and_accepted_in_part(told, form):
    asyncio.run(feedback.did_show(told, form({"item": told.item()})))
    # The string, its emoji of two units included.
    params = {"item": told.item(), "acceptedLength": 4}
    asyncio.run(feedback.did_partially_accept(told, form(params)))
    told.something_else()
    assert told.counts == Counter(shown=1, word=1)


@pytest.mark.parametrize(
    ("length", "outcome"),
    [(7, "word"), (8, "line"), (10, "line"), (11, "whole"), (10**9, "whole")],
)
def test_lengths_count_as_the_client_counts(told, length, outcome):
    """UTF-16 and terminators: `'😀' + b` has 8 units."""
    params = {"item": told.item(), "acceptedLength": length}
    asyncio.run(feedback.did_partially_accept(told, params))
    told.something_else()
    assert told.counts[outcome] == 1


def test_accepted(told):
    asyncio.run(feedback.accepted(told, told.id))
    told.something_else()
    assert told.counts == Counter(shown=1, whole=1)


ODD = [None, 3, "x", [], {}, {"item": None}, {"item": 3}, {"item": {"command": None}}]
ODD += [{"item": {"command": {"arguments": arguments}}} for arguments in (None, 3, [], [None], {})]
ODD += [{"item": {"command": {"arguments": [each]}}} for each in ("", "no such", 1, {}, [])]


@pytest.mark.parametrize("params", ODD, ids=repr)
def test_P6_malformed_news_changes_nothing(told, params):
    asyncio.run(feedback.did_show(told, params))
    asyncio.run(feedback.did_partially_accept(told, params))
    if isinstance(params, dict):
        params = {**params, "acceptedLength": 3}
    asyncio.run(feedback.did_partially_accept(told, objects(params)))
    told.something_else()
    assert told.counts == Counter(shown=1, rejected=1)


@pytest.mark.parametrize("length", [None, "3", 1.5, True, -1, 0, [], {}], ids=repr)
def test_P6_a_malformed_length_changes_nothing(told, length):
    params = {"item": told.item(), "acceptedLength": length}
    asyncio.run(feedback.did_partially_accept(told, params))
    told.something_else()
    assert told.counts == Counter(shown=1, rejected=1)


@pytest.mark.parametrize("arguments", [(), (None,), (3,), ({},), ("no such", 2)], ids=repr)
def test_P6_a_command_with_other_arguments_changes_nothing(told, arguments):
    asyncio.run(feedback.accepted(told, *arguments))
    told.something_else()
    assert told.counts == Counter(shown=1, rejected=1)
