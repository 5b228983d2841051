# SPDX-License-Identifier: Apache-2.0
"""A trace typed into the real server process, on the fake engine and on the real model."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest

from engine.places import cache_dir
from indexer.store import store_name
from lsp_server import cli
from lsp_server.indexing import FOLDER
from lsp_server.replaying import screen, typing_in
from lsp_server.replaying.client import ServerFailed
from lsp_server.replaying.keystrokes import Hunk, Pace, Typist
from lsp_server.replaying.report import report, totals
from lsp_server.replaying.trace import Trace, dump
from lsp_server.replaying.typing_in import Answer, Manner, Played, play

HERE = Path(__file__).parent
SAMPLE = HERE.parent / "sample"
PATH = "ledger/fresh.py"
LETTERS = "abcdefghijkl"


def written(text, before="", root=""):
    typist = Typist(Pace(keys_per_s=20, pause_s=0.1))
    typist.fill(PATH, before, text, (0, len(before)))
    return Trace(str(root), "", "", {PATH: before or None}, tuple(typist.keys))


@pytest.fixture
def sample(tmp_path):
    return Path(shutil.copytree(SAMPLE, tmp_path / "ledger"))


@pytest.fixture
def fake(tmp_path):
    """The command of the real server on an engine that goes on with the alphabet."""
    return (sys.executable, str(HERE / "fake_server.py"), str(tmp_path / "log"), "5", "20")


def contents(root):
    return {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.mark.parametrize("wait", [False, True])
def test_what_is_typed_as_suggested_stays_on_the_screen(fake, sample, wait):
    before = contents(sample)
    trace = written("x = é😀a" + LETTERS[1:])
    played = play(trace, sample, Manner(wait=wait, command=fake))
    found = report(trace, played, speed=1.0)
    rows = found["per_key"]
    assert found["keys"] == len(trace.keys) == len(rows)
    # Behind "a" the engine goes on with what is typed: whatever comes fits, and stays.
    tail = rows[-len(LETTERS) :]
    for row, after in zip(tail, LETTERS[1:] + "m", strict=True):
        assert row["suggestion"][:1] in {after, ""}, "a buffer out of step has another last letter"
    first = next(number for number, row in enumerate(tail) if row["on_screen"])
    assert all(row["on_screen"] and row["foreseen"] for row in tail[first + 1 :])
    if wait:  # at speed, a slow machine may answer late
        assert first == 0 and found["sources"]["cache"] >= 3
    assert found["prompt_tokens"] == found["cached_tokens"] + found["evaluated_tokens"] > 0
    assert contents(sample) == before, "a replay wrote into the repository"


def test_a_right_text_is_accepted_and_its_keys_are_not_typed(fake, sample):
    alphabet = "abcdefghijklmnopqrstuvwxyz"
    trace = written("x = " + alphabet * 2)
    played = play(trace, sample, Manner(wait=True, accept_s=0.0, command=fake))
    found = report(trace, played, speed=1.0)
    assert len(played.answers) == len(trace.keys)
    assert found["accepts"] >= 2
    assert found["next_answers"] >= 1
    asked = sum(answer.answer_ms is not None for answer in played.answers)
    assert asked < len(trace.keys) - 2 * 10, "keys that were accepted were typed"


def test_a_server_that_dies_is_one_line(sample):
    command = (sys.executable, "-c", "import sys; sys.exit('no such module')")
    with pytest.raises(ServerFailed, match="the server ended: no such module"):
        play(written("abc"), sample, Manner(command=command))


def test_a_server_without_a_model_is_one_line(sample):
    with pytest.raises(ServerFailed, match="no model 'qwen9'"):
        play(written("abc"), sample, Manner(options={"model": "qwen9"}))


def test_the_command_works_in_a_copy_that_is_gone_afterwards(
    fake, sample, capsys, tmp_path, monkeypatch
):
    roots = []
    real = typing_in.play

    def noted(trace, root, manner, on_key):
        roots.append(root)
        assert root != sample and not (root / ".env").exists()
        assert (root / "ledger" / "money.py").read_bytes() and not (root / PATH).exists()
        return real(trace, root, Manner(manner.speed, manner.wait, command=fake), on_key)

    (sample / ".env").write_text("KEY=hunter2\n")
    monkeypatch.setattr("lsp_server.commands.replay.play", noted)
    path = tmp_path / "t.jsonl"
    with path.open("w") as stream:
        dump(written(LETTERS, root=sample), stream)
    assert cli.main(["replay", str(path), "--keys", "5", "--speed", "2", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["keys"] == 5 and found["speed"] == 2.0
    assert not roots[0].exists()
    assert not (cache_dir() / FOLDER / store_name(roots[0])).exists(), "its index is left behind"


WRONG = [
    (("--set", "contextTokens=many"), "contextTokens must be a whole number"),
    (("--set", "colour=1"), "is not a setting"),
    ((), "name it with --root"),
]


@pytest.mark.parametrize(("words", "said"), WRONG)
def test_what_is_wrong_takes_one_line(capsys, tmp_path, words, said):
    path = tmp_path / "t.jsonl"
    with path.open("w") as stream:
        dump(written("abc", root=tmp_path / "gone"), stream)
    assert cli.main(["replay", str(path), *words]) == 1
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and said in err


# -- the screen, by hand -------------------------------------------------------------------------

SCREENS = [
    # typed, answers (text or None), on the screen, foreseen, characters right of shown
    ("abcd", ["bcd", "", "", ""], [1, 1, 1, 0], [0, 1, 1, 1], (3, 3)),
    ("abcd", ["bxx", "", "", ""], [1, 1, 0, 0], [0, 1, 0, 0], (1, 3)),
    ("abcd", ["bcd", "cd", "d", ""], [1, 1, 1, 0], [0, 1, 1, 1], (3, 3)),
    ("abcd", [None, None, "d", "e"], [0, 0, 1, 1], [0, 0, 0, 1], (1, 1)),
    ("abcd", ["zzzz", "cd", None, None], [1, 1, 1, 0], [0, 0, 1, 1], (2, 6)),
]


@pytest.mark.parametrize(("text", "given", "there", "foreseen", "right"), SCREENS)
def test_the_screen_is_as_an_editor_has_it(text, given, there, foreseen, right):
    trace = written(text)
    answers = [Answer() if one is None else Answer(50.0, one) for one in given]
    sights = screen.watch(trace, screen.follow(trace, answers))
    assert [bool(sight.shown) for sight in sights] == list(map(bool, there))
    assert [sight.foreseen for sight in sights] == list(map(bool, foreseen))
    chars = sum(s.right_chars for s in sights), sum(s.new_chars for s in sights)
    assert chars == right


def test_what_is_deleted_takes_the_suggestion_with_it():
    typist = Typist(Pace())
    typist.change(PATH, "abc\n", "xyz\n", [Hunk((0, 1), (0, 1))])
    trace = Trace("", "", "", {PATH: "abc\n"}, tuple(typist.keys))
    answers = [Answer(1.0, "c"), *[Answer()] * (len(trace.keys) - 1)]
    assert [bool(shown) for shown in screen.follow(trace, answers)][:2] == [True, False]


def test_a_user_who_accepts_does_not_type_what_was_accepted():
    trace = written("abcdef")
    answers = [Answer(1.0, "bcd"), *[Answer(1.0, "")] * 3, Answer(1.0, "f"), Answer()]
    sights = screen.watch(trace, screen.follow(trace, answers))
    assert screen.figures(trace, sights).accepted_chars == 4


def test_totals_of_nothing_are_none_and_times_are_counted_once():
    assert totals([Answer()])["answer_ms_p50"] is None
    cost = {"source": "model", "prompt_tokens": 9, "cached_tokens": 4, "evaluated_tokens": 5}
    cost |= {"decoded_tokens": 2, "ttft_ms": 80.0}
    found = totals([Answer(90.0, "a", cost), Answer(310.0, "b"), Answer(100.0, "")])
    assert (found["answered_100ms"], found["answered_300ms"], found["answered"]) == (1, 1, 3)
    assert found["evaluated_per_suggestion_p50"] == 5 and found["ttft_ms_p95"] == 80.0


def test_the_report_has_the_names_of_the_contract():
    trace = written("a")
    found = report(trace, Played((Answer(),), 0.0, 0.0, 0.0, "m"), speed=1.0)
    names = (
        "keys answered_100ms answered_300ms prompt_tokens cached_tokens evaluated_tokens "
        "evaluated_per_suggestion_p50 ttft_ms_p50 ttft_ms_p95 accepted_chars per_key"
    )
    assert set(names.split()) <= set(found)


@pytest.mark.model
def test_the_real_model_keeps_its_prefix_while_keys_are_typed(starter_cache, sample):
    """P1: after the first answer a key costs its tail."""
    text = (SAMPLE / "ledger" / "money.py").read_text("utf-8") + "\n\n"
    typist = Typist(Pace(indent="typed"))
    typist.fill("ledger/money.py", text, "def t", (text.count("\n"), 0))
    trace = Trace("", "", "", {"ledger/money.py": text}, tuple(typist.keys))
    found = report(trace, play(trace, sample, Manner(wait=True)), speed=0.0)
    assert found["answered"] == found["keys"] == 5
    costs = [row for row in found["per_key"] if row["source"] == "model" and row["prompt_tokens"]]
    assert len(costs) >= 2
    later = costs[1:]
    assert min(row["cached_tokens"] / row["prompt_tokens"] for row in later) > 0.7
    assert found["server_cpu_s"] > 0
