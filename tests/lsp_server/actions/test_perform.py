# SPDX-License-Identifier: Apache-2.0
"""The story of an action: rounds, reasons, what is stale, what a cancel leaves behind."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest
from acting import acting, after

from engine.chat import Turn
from engine.fake import FakeEngine
from lsp_server.actions import perform, registry, report, verify
from lsp_server.actions.target import function_at, replaced
from lsp_server.actions.types import STALE, Check, FileChange, Proposal, Refused
from lsp_server.documents import Change
from lsp_server.settings import Settings

FILES = """
//- area.py
def area(radius):
    return 3 * $0radius


def other():
    return area(2)
"""
NEW = "def area(radius):\n    return 3.14 * radius ** 2"


class Rewrite:
    """Replaces the function at the cursor by what the model says."""

    kind = "refactor.rewrite.simplify"

    def title(self, target):
        return "Rewrite" if function_at(target) else ""

    def ask(self, _target):
        return (Turn("user", "rewrite"),)

    def read(self, target, answer):
        if answer == "nonsense":
            raise Refused("there is no code in it")
        function = function_at(target)
        text = replaced(target, function.start, function.end, answer)
        version = target.document.version
        return Proposal((FileChange(target.path, target.document.text, text, version),))

    def checks(self, _target, proposal):
        squared = "**" in proposal.changes[0].after
        return (Check("square", squared, "" if squared else "an area grows with the square"),)


@pytest.fixture
def desk(tmp_path, monkeypatch):
    monkeypatch.setattr(registry, "find", lambda _kind: Rewrite())

    def make(*answers, **more):
        return acting(tmp_path, FILES, Rewrite.kind, answers, **more)

    return make


def test_a_good_answer_is_accepted_at_once(desk):
    with desk(NEW) as it:
        outcome = it.act()
    assert outcome.accepted, outcome.reason
    assert after(outcome)["area.py"].startswith(NEW + "\n\n\ndef other")
    assert (outcome.rounds, outcome.model) == (1, "fake")
    assert outcome.proposal.changes[0].before == (it.root / "area.py").read_text("utf-8")


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        pytest.param("nonsense", "there is no code in it", id="cannot be read"),
        pytest.param("def area(radius):\n    return 3", "grows with the square", id="own check"),
        pytest.param("def area(radius:\n    return 3 ** 2", "parse", id="does not parse"),
    ],
)
def test_what_was_wrong_goes_back_to_the_model(desk, wrong, reason):
    with desk(wrong, NEW) as it:
        outcome = it.act()
        assert outcome.accepted, outcome.reason
        assert outcome.rounds == 2
        assert reason in it.asked[1]
        assert it.asked[1].startswith(it.asked[0]), "what was read stays read"


def test_three_rounds_are_the_most(desk):
    with desk("nonsense", "nonsense", "nonsense", NEW) as it:
        outcome = it.act()
        assert not outcome.accepted
        assert (outcome.rounds, len(it.asked)) == (3, 3)
        assert outcome.reason == "answer: there is no code in it"
        assert [turn.role for turn in outcome.transcript].count("assistant") == 3


@pytest.mark.parametrize(
    ("answers", "greedy"),
    [
        pytest.param(("nonsense", "nonsense", NEW), [True, True, False], id="said again"),
        pytest.param(("nonsense", "other nonsense", NEW), [True, True, True], id="something else"),
    ],
)
def test_who_says_the_same_again_is_not_asked_greedily(desk, monkeypatch, answers, greedy):
    """A small model repeats itself word for word, and would to the end of the rounds."""
    seen, complete = [], FakeEngine.complete

    def spied(engine, prompt, sampling, *more):
        seen.append(sampling.temperature == 0)
        return complete(engine, prompt, sampling, *more)

    monkeypatch.setattr(FakeEngine, "complete", spied)
    with desk(*answers) as it:
        assert it.act().accepted
    assert seen == greedy


def test_P5_an_edit_for_an_older_text_is_not_accepted(desk):
    with desk(NEW) as it:
        documents, uri = it.session.documents, it.request.document.uri
        original = verify.ladder

        async def typed_meanwhile(*arguments):
            documents.change(uri, 2, [Change("#", (0, 0), (0, 0))], "utf-16")
            return await original(*arguments)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(verify, "ladder", typed_meanwhile)
            outcome = it.act()
        assert len(it.asked) == 1, "no answer of the model could repair that"
    assert not outcome.accepted
    assert STALE in outcome.reason


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        (Settings(exclude=("area.py",)), "area.py is not read"),
        (Settings(languages={"": "off"}), "switched off"),
    ],
)
def test_S1_what_may_not_be_read_is_not_asked_about(desk, settings, reason):
    with desk(NEW, settings=settings) as it:
        outcome = it.act()
        assert not outcome.accepted
        assert reason in outcome.reason
        assert it.asked == []


def test_an_unknown_kind_is_one_line(desk, monkeypatch):
    with desk() as it:
        monkeypatch.undo()
        request = SimpleNamespace(kind="refactor.move", document=it.request.document)
        outcome = asyncio.run(perform.perform(request, it.session))
    assert outcome.reason.startswith("request: no action 'refactor.move'")
    assert "\n" not in outcome.reason


def test_without_a_model_the_reason_is_given(desk):
    with desk() as it:
        it.session.worker.close()
        it.session.worker = None
        outcome = it.act()
    assert not outcome.accepted
    assert outcome.reason


def test_E7_a_cancel_stops_the_model_and_touches_no_file(desk):
    with desk(NEW, NEW) as it:
        engine = it.session.worker.ready.result()
        engine._read_s = 30
        before = {path: path.read_bytes() for path in it.root.rglob("*.py")}

        async def scene():
            task = asyncio.ensure_future(perform.perform(it.request, it.session))
            await asyncio.sleep(0.3)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            engine._read_s = 0
            return await asyncio.wait_for(perform.perform(it.request, it.session), 10)

        assert asyncio.run(scene()).accepted
        assert {path: path.read_bytes() for path in it.root.rglob("*.py")} == before


def test_what_machinery_can_do_is_done_without_a_model(tmp_path):
    text = """
    //- a.py
    def f(a):
        b = a + 1
        $0c = b * 2
        d = c - b
        $0return d
    """
    with acting(tmp_path, text, "refactor.extract.function") as it:
        it.session.worker.close()
        it.session.worker = None
        outcome = it.act()
    assert outcome.accepted, outcome.reason
    assert outcome.rounds == 0
    assert "c = b * 2" in after(outcome)["a.py"]


def test_an_agents_steps_are_there_to_be_read(tmp_path):
    calls = [
        (
            "<tool_call>\n<function=propose_edit>\n<parameter=path>\na.py\n</parameter>\n"
            "<parameter=old>\nLIMIT = 3\n</parameter>\n<parameter=new>\nLIMIT = 4\n</parameter>\n"
            "</function>\n</tool_call>"
        ),
        "The limit is four now.",
    ]
    text = "\n//- a.py\nLIMIT = 3$0\n"
    kind = perform.AGENT
    with acting(tmp_path, text, kind, calls, instruction="set the limit to four") as it:
        outcome = it.act()
        told = report.record(outcome, it.request.document)["steps"]
    assert outcome.accepted, outcome.reason
    assert after(outcome) == {"a.py": "LIMIT = 4\n"}
    assert "propose_edit" in told[0]
    assert "propose_edit" in next(report.lines(outcome))
