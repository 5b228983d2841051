# SPDX-License-Identifier: Apache-2.0
"""Token healing: where an answer is begun for a model, it begins before the word at the cursor."""

from __future__ import annotations

import asyncio

import pytest
from checks import ask_at, fake_session
from fixture import marked

from engine.layout import layouts
from lsp_server.documents import Place, from_text
from lsp_server.suggest import Ask
from lsp_server.suggestions.healing import TOKEN_CHARS, healed


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("a = 1\nreturn $0\n", "return", id="a blank"),
        pytest.param("return pri$0\n", "return", id="a word with its blank"),
        pytest.param("return self.ra$0\n", "return self.", id="a word"),
        pytest.param("x = f($0)\n", "x = f(", id="nothing to heal"),
        pytest.param("x:\n    $0\n", "    ", id="indentation is left alone"),
        pytest.param("pri$0\n", "pri", id="the first word of a line, too"),
        pytest.param("x:\n\tif 😀 \t$0\n", "\tif 😀", id="astral characters, a tab"),
        pytest.param(f"a {'b' * TOKEN_CHARS}$0", f"a {'b' * TOKEN_CHARS}", id="a long word"),
    ],
)
def test_where_the_decode_begins(text, expected):
    place = marked(text)
    document = from_text("untitled:1", place.text)
    found = healed(Ask(document, Place(place.line, place.index)))
    assert found.document.lines[found.place.line][: found.place.index] == expected
    assert found.document.suffix(found.place) == document.suffix(Place(place.line, place.index))


def asked(text, answers, layout):
    """What is shown, and the ends of the prompts."""
    prompts = []

    def answer(prompt):
        prompts.append(prompt.rsplit("\n", 1)[-1] if layout == "chatml" else prompt)
        return answers[min(len(prompts), len(answers)) - 1]

    session = fake_session(answer, layout=layouts()[layout])
    try:
        return asyncio.run(ask_at(session, text)).text, prompts
    finally:
        session.close()


def test_what_is_written_again_is_not_shown_again():
    assert asked("x = pri$0\n", [[" print", "(x)", "\n"]], "chatml") == ("nt(x)", ["x ="])


def test_text_that_does_not_write_it_again_is_asked_for_at_the_cursor():
    answers = [[" value", "\n"], ["nt(x)", "\n"]]
    assert asked("x = pri$0\n", answers, "chatml") == ("nt(x)", ["x =", "x = pri"])


def test_a_model_that_fills_holes_is_asked_at_the_cursor():
    shown, prompts = asked("x = pri$0\n", [["nt(x)", "\n"]], "qwen")
    assert shown == "nt(x)"
    assert len(prompts) == 1
    assert "x = pri<|fim_suffix|>" in prompts[0]
