# SPDX-License-Identifier: Apache-2.0
"""Code actions through the real server process: what each kind of client is offered and gets."""

from __future__ import annotations

import asyncio
import time

import pytest
from action_editor import DEADLINE_S, action_editor
from lsprotocol import types
from pygls.exceptions import JsonRpcException

LONG = "def is_on(x):\r\n    if x:\r\n        return True\r\n    else:\r\n        return False\r\n"
SHORT = "def is_on(x):\r\n    return bool(x)\r\n"
GOOD = "```python\ndef is_on(x):\n    if x:\n        return True\n    return False\n```"
SHOWN = "def is_on(x):\r\n    if x:\r\n        return True\r\n    return False\r\n"
WRONG = "```python\ndef is_off(x):\n    return False\n```"
SIMPLIFY = "refactor.rewrite.simplify"
INSTRUCT = "refactor.rewrite.instruct"
PROFILES = ("code-server", "neovim", "none")
ASKS = {"clientCommands": ["ghostwright.instruct"]}
STALE, CANCELLED = -32801, -32800


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "project"
    root.mkdir()
    (root / ".git").mkdir()
    (root / "a.py").write_bytes(f"\ufeff# \U0001f600\r\n{LONG}".encode())
    (root / "b.py").write_bytes(b"from a import is_on\n\nprint(is_on(1))\n")
    return root


def kinds(actions) -> list[str]:
    return [each.kind for each in actions if isinstance(each, types.CodeAction)]


def of_kind(actions, kind):
    (found,) = [each for each in actions if getattr(each, "kind", "") == kind]
    return found


def begins_and_ends(it) -> list[list[str]]:
    """The kinds of values of each progress of an action."""
    return [
        [value["kind"] for value in values]
        for token, values in it.progress.items()
        if token.startswith("ghostwright-work")
    ]


async def until(true):
    end = time.monotonic() + DEADLINE_S
    while not true():
        assert time.monotonic() < end, "it did not come"
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("profile", PROFILES)
async def test_P10_each_client_gets_the_same_text_in_its_own_way(root, monkeypatch, profile):
    async with action_editor(root, monkeypatch, [GOOD], profile) as it:
        uri = it.open(root / "a.py", f"# \U0001f600\r\n{LONG}")
        listed = await it.list(uri, (2, 4))
        if profile == "none":  # commands are all that it knows
            assert all(isinstance(each, types.Command) for each in listed)
            (chosen,) = [each for each in listed if each.arguments[0]["kind"] == SIMPLIFY]
            answer = await it.command(chosen.command, *chosen.arguments)
            assert answer["accepted"] and answer["applied"] and it.label == chosen.title
        else:
            chosen = of_kind(listed, SIMPLIFY)
            assert chosen.edit is None and chosen.command is None and not chosen.is_preferred
            resolved = await it.resolve(chosen)
            asks_first = profile == "code-server"
            assert bool(resolved.edit.change_annotations) == asks_first
            (change,) = resolved.edit.document_changes
            assert change.text_document.version == 1
            it.apply(resolved.edit)
            assert begins_and_ends(it)[0][0] == "begin" and begins_and_ends(it)[0][-1] == "end"
        assert it.texts[uri] == f"# \U0001f600\r\n{SHOWN}"
        assert (root / "a.py").read_bytes() == f"\ufeff# \U0001f600\r\n{LONG}".encode()


async def test_the_list_is_filtered_and_asks_no_model_but_maybe_the_user(root, monkeypatch):
    async with action_editor(root, monkeypatch, [], options=ASKS) as it:
        uri = it.open(root / "a.py", LONG)
        everything = kinds(await it.list(uri, (2, 4)))
        assert SIMPLIFY in everything and "quickfix.ai" not in everything
        rewrites = kinds(await it.list(uri, (2, 4), only=["refactor.rewrite"]))
        assert rewrites and all(kind.startswith("refactor.rewrite.") for kind in rewrites)
        sources = kinds(await it.list(uri, (2, 4), only=["source"]))
        assert all(kind.startswith("source.") for kind in sources)
        assert await it.list(uri, (2, 4), only=["refactor.inline", "notebook"]) == []
        chosen = of_kind(await it.list(uri, (1, 0), (3, 0)), INSTRUCT)
        assert chosen.command.command == "ghostwright.instruct", "the client asks its user"
        asked = chosen.command.arguments[0]
        expected = {"kind": INSTRUCT, "uri": uri, "version": 1, "instruction": ""}
        assert {name: asked[name] for name in expected} == expected
        assert asked["question"]
        assert it.decodes() == []
        assert not any("clientCommands" in message for message in it.messages)


async def test_a_fix_is_offered_for_what_tools_say_of_the_selection_alone(root, monkeypatch):
    def said(line):
        where = types.Range(types.Position(line, 4), types.Position(line, 6))
        return types.Diagnostic(where, "x is not bound", severity=types.DiagnosticSeverity.Error)

    async with action_editor(root, monkeypatch, []) as it:
        uri = it.open(root / "a.py", LONG)
        far = await it.list(uri, (4, 0), only=["quickfix"], diagnostics=[said(1)])
        assert kinds(far) == []
        near = await it.list(uri, (1, 5), only=["quickfix"], diagnostics=[said(1)] * 50)
        assert kinds(near) == ["quickfix.ai"]
        told = near[0].data["diagnostics"]
        assert len(told) == 8
        assert told[0]["message"] == "x is not bound"


async def test_nothing_is_offered_that_may_not_or_cannot_be_done(root, monkeypatch):
    async with action_editor(root, monkeypatch, []) as it:
        for path in (root / "secret" / ".env.py", root.parent / "outside.py", root / ".env"):
            uri = it.open(path, LONG)
            assert [a for a in await it.list(uri, (2, 4)) if a.kind] == [], path
        uri = it.open(root / "off.py", f"# ghostwright: off\n{LONG}")
        assert await it.list(uri, (2, 4)) == []
        assert await it.list((root / "b.py").as_uri(), (0, 0)) == [], "it is not open"
        uri = it.open(root / "a.py", LONG)
        offered = kinds(await it.list(uri, (1, 0), (3, 0)))
        assert offered and INSTRUCT not in offered, "there is nobody to ask for words"
        uri = it.open(root / "b.py", f"# gw: handle None\r\n{LONG}")
        chosen = of_kind(await it.list(uri, (1, 0), (3, 0)), INSTRUCT)
        assert chosen.data["instruction"] == "handle None"


async def test_without_a_model_the_reason_is_shown_where_the_client_can(root, monkeypatch):
    async with action_editor(root, monkeypatch, None) as it:
        uri = it.open(root / "a.py", LONG)
        chosen = of_kind(await it.list(uri, (2, 4)), SIMPLIFY)
        assert "ghostwright setup" in chosen.disabled.reason
        assert "\n" not in chosen.disabled.reason


async def test_P5_an_action_of_an_older_text_is_refused_before_any_work(root, monkeypatch):
    async with action_editor(root, monkeypatch, [GOOD]) as it:
        uri = it.open(root / "a.py", LONG)
        chosen = of_kind(await it.list(uri, (2, 4)), SIMPLIFY)
        it.type(uri, 0, 0, "\n")
        with pytest.raises(JsonRpcException) as refused:
            await it.resolve(chosen)
        assert refused.value.code == STALE
        assert it.decodes() == []
        answer = await it.command("ghostwright.refactor", chosen.data)
        assert not answer["accepted"]
        assert [check["name"] for check in answer["checks"]] == ["version"]


async def test_P5_a_text_that_changes_while_the_model_writes_is_not_edited(root, monkeypatch):
    async with action_editor(root, monkeypatch, [GOOD], token_ms=20) as it:
        uri = it.open(root / "a.py", LONG)
        chosen = of_kind(await it.list(uri, (2, 4)), SIMPLIFY)
        waiting = asyncio.ensure_future(it.resolve(chosen))
        await until(it.decodes)
        it.type(uri, 0, 0, "\n")
        with pytest.raises(JsonRpcException) as refused:
            await waiting
        assert refused.value.code == STALE


@pytest.mark.parametrize("by", ["progress", "request"])
async def test_a_cancel_stops_the_model_and_touches_nothing(root, monkeypatch, by):
    async with action_editor(root, monkeypatch, [GOOD * 40, GOOD], token_ms=50) as it:
        uri = it.open(root / "a.py", LONG)
        chosen = of_kind(await it.list(uri, (2, 4)), SIMPLIFY)
        waiting = asyncio.ensure_future(it.resolve(chosen))
        await until(it.decodes)
        if by == "progress":
            (token,) = [t for t in it.progress if t.startswith("ghostwright-work")]
            it.client.window_work_done_progress_cancel(types.WorkDoneProgressCancelParams(token))
        else:
            (msg_id,) = it.client.protocol._request_futures
            it.client.cancel_request(types.CancelParams(msg_id))
        with pytest.raises((JsonRpcException, asyncio.CancelledError)):
            await waiting
        await until(lambda: it.decodes() == ["began", "cancelled"])
        await until(lambda: begins_and_ends(it)[0][-1] == "end")
        assert it.texts[uri] == LONG
        again = of_kind(await it.list(uri, (2, 4)), SIMPLIFY)
        assert (await it.resolve(again)).edit is not None, "the engine is free"
        assert all(each[0] == "begin" and each.count("end") == 1 for each in begins_and_ends(it))


async def test_a_refused_answer_gives_the_reason_in_one_line_and_no_edit(root, monkeypatch):
    async with action_editor(root, monkeypatch, [WRONG] * 8) as it:
        uri = it.open(root / "a.py", LONG)
        chosen = of_kind(await it.list(uri, (2, 4)), SIMPLIFY)
        assert (await it.resolve(chosen)).edit is None
        assert len(it.decodes()) == 6, "three rounds"
        (message,) = [m for m in it.messages if "is_on" in m]
        assert "\n" not in message
        answer = await it.command("ghostwright.refactor", chosen.data)
        assert (answer["accepted"], answer["applied"]) == (False, False)
        assert it.label is None, "no edit was sent"


async def test_an_edit_over_files_creates_nothing_and_changes_closed_files_as_well(
    root, monkeypatch
):
    async with action_editor(root, monkeypatch, None, "neovim") as it:
        await until(lambda: any(v[-1]["kind"] == "end" for v in it.progress.values() if v))
        uri = it.open(root / "a.py", f"# \U0001f600\r\n{LONG}")
        assert SIMPLIFY not in kinds(await it.list(uri, (2, 4))), "this client cannot say why"
        wish = {"kind": "refactor.rewrite.rename", "uri": uri, "instruction": "is_set"}
        here = {"line": 1, "character": 5}
        wish |= {"start": here, "end": here}
        end = time.monotonic() + DEADLINE_S
        while not (answer := await it.command("ghostwright.refactor", wish))["accepted"]:
            assert time.monotonic() < end, answer["checks"]  # the buffer is not in the index yet
            await asyncio.sleep(0.1)
        assert answer["applied"] and sorted(answer["files"]) == ["a.py", "b.py"]
        assert it.texts[uri] == f"# \U0001f600\r\n{LONG}".replace("is_on", "is_set")
        assert (root / "b.py").read_bytes() == b"from a import is_set\n\nprint(is_set(1))\n"


async def test_an_editor_that_does_not_apply_is_believed(root, monkeypatch):
    async with action_editor(root, monkeypatch, [GOOD], takes_edits=False) as it:
        uri = it.open(root / "a.py", LONG)
        chosen = of_kind(await it.list(uri, (2, 4)), SIMPLIFY)
        answer = await it.command("ghostwright.refactor", chosen.data)
        assert (answer["accepted"], answer["applied"]) == (True, False)
        await until(lambda: any("not applied: not now" in message for message in it.messages))


async def test_a_review_is_shown_as_diagnostics_until_the_lines_change(root, monkeypatch):
    text = "import os\n\n\ndef run(name):\n    os.system('ls ' + name)\n"
    async with action_editor(root, monkeypatch, ["nothing"]) as it:
        uri = it.open(root / "c.py", text)
        chosen = of_kind(await it.list(uri, (4, 8), only=["source"]), "source.securityReview")
        assert (await it.resolve(chosen)).edit is None
        await until(lambda: it.diagnostics.get(uri))
        (found,) = it.diagnostics[uri]
        assert (found.source, found.range.start.line) == ("Ghostwright", 4)
        it.type(uri, 4, 0, " ")
        await until(lambda: it.diagnostics[uri] == [])


async def test_an_answer_comes_in_pieces_and_whole_with_places_that_exist(root, monkeypatch):
    text = "`is_on` in a.py:1 says whether x is on. See also nowhere.py:7."
    async with action_editor(root, monkeypatch, [text] * 50, "neovim") as it:
        uri = it.open(root / "b.py")
        asked = {"question": "What does is_on say?", "uri": uri, "line": 0, "token": "t"}
        await until(lambda: any(v[-1]["kind"] == "end" for v in it.progress.values() if v))
        answer = await it.command("ghostwright.ask", asked)
        assert {piece["token"] for piece in it.pieces} == {"t"}
        assert "".join(piece["text"] for piece in it.pieces) == answer["answer"]
        assert {each["path"] for each in answer["citations"]} == {"a.py"}
        assert all(each["exists"] for each in answer["citations"])
        assert [name for name in ("segments", "model", "total_ms") if name not in answer] == []
        assert begins_and_ends(it)[-1][0] == "begin" and begins_and_ends(it)[-1][-1] == "end"


BAD = {
    "nothing": ([], "an action needs"),
    "no range": ([{"kind": SIMPLIFY, "uri": "file:///x.py"}], "an action needs"),
    "odd types": ([{"kind": 1, "uri": [], "range": "x"}], "an action needs"),
    "not open": (
        [
            {
                "kind": SIMPLIFY,
                "uri": "file:///x.py",
                "start": {"line": 0, "character": 0},
                "end": {"line": 0, "character": 0},
            }
        ],
        "not open",
    ),
}


async def test_commands_answer_nonsense_with_one_line(root, monkeypatch):
    async with action_editor(root, monkeypatch, []) as it:
        for arguments, reason in BAD.values():
            with pytest.raises(JsonRpcException, match=reason) as refused:
                await it.command("ghostwright.refactor", *arguments)
            assert "\n" not in str(refused.value)
        with pytest.raises(JsonRpcException, match="no question"):
            await it.command("ghostwright.ask", {"question": " "})
        uri = it.open(root / "a.py", LONG)
        here = {"line": 900, "character": 900}
        wish = {"kind": "refactor.move", "uri": uri, "start": here, "end": here}
        answer = await it.command("ghostwright.refactor", wish)
        assert not answer["accepted"]
        assert "refactor.move" in answer["checks"][0]["detail"]
