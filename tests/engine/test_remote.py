# SPDX-License-Identifier: Apache-2.0
"""Engines elsewhere, against a real server on loopback that can do wrong (E7, E9, S5, S9)."""

from __future__ import annotations

import copy
import json
import logging
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from remote_server import SPECIALS, Faults, RemoteServer, ids_of, text_of

from engine.chat import Turn
from engine.chat import build as build_chat
from engine.prompt import Hole, build, layouts
from engine.remote import Away, KeyRefused, RemoteEngine, Where
from engine.remote_detect import base_of, is_own, row_of
from engine.remote_http import Timeouts
from engine.remote_tokens import ByteVocabulary, cut
from engine.tokens import Tokens
from engine.types import (
    EngineError,
    ModelNotFound,
    ModelRejected,
    Prompt,
    RequestRejected,
    Sampling,
    Slot,
)

CERTIFICATES = Path(__file__).with_name("certificates")  # and their keys, made for this
KINDS = ("llama-server", "vLLM", "SGLang")
CANCEL_S = 0.05  # the aim
NOISE_S = 2.0  # of a busy machine: threads that are not run
CALM = Timeouts(connect_s=5.0, first_byte_s=20.0, between_s=20.0, whole_s=20.0)
HASTY = Timeouts(connect_s=1.0, first_byte_s=0.5, between_s=0.5, whole_s=5.0)
SECRET = "sk-test-0123456789"
PIECES = (" a", " + b")


@pytest.fixture(scope="module", autouse=True)
def pool():
    """One server and one engine a kind: to make an engine takes a tenth of a second."""
    made = {}
    yield made
    for server, engine, _ in made.values():
        engine.close()
        server.stop()


@pytest.fixture
def remote(pool):
    """A server and an engine on it; the faults begin when the engine is there."""

    @contextmanager
    def opened(kind, pieces=PIECES, **faults):
        if kind not in pool:
            server, away = RemoteServer(kind), []
            server.start()
            pool[kind] = (
                server,
                RemoteEngine(Where(server.url, "", "", CALM), on_away=away.append),
                away,
            )
        server, engine, away = pool[kind]
        server.faults, server.pieces, server.cache = copy.deepcopy(Faults(**faults)), pieces, []
        server.asked.clear()
        server.closed.clear()
        away.clear()
        engine._forget_all()
        engine.heard_away = away
        yield server, engine

    return opened


@contextmanager
def fresh(kind, *, key="", variable="", timeouts=CALM, **faults):
    """The same, of its own: to be stopped, to be hasty, to have a key."""
    away = []
    with RemoteServer(kind, PIECES, key) as server:
        engine = RemoteEngine(Where(server.url, "", variable, timeouts), on_away=away.append)
        server.asked.clear()
        server.faults = copy.deepcopy(Faults(**faults))
        engine.heard_away = away
        try:
            yield server, engine
        finally:
            engine.close()


def write(engine, ids=(1, 2, 3), max_tokens=8, cancel=None, listener=lambda _: True, **slot):
    cancel = cancel or threading.Event()
    return engine.complete(Prompt(tuple(ids), ()), Sampling(max_tokens), cancel, listener, **slot)


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_server_is_found_and_writes(remote, kind):
    with remote(kind) as (server, engine):
        assert engine.server.kind == kind
        assert engine.info.model == "qwen2.5-coder-7b"
        assert (engine.info.layout, engine.info.context_tokens) == ("qwen", 4096)
        done = write(engine, range(1, 40))
        assert (done.text, done.stopped_by) == (" a + b", "end")
        assert [piece.logprob for piece in done.pieces] == [-0.5, -0.5]
        assert (done.usage.prompt_tokens, done.usage.decoded_tokens) == (39, 2)
        assert server.prompts[-1] == list(range(1, 40)), "ids are sent, not text"
        again = write(engine, (*range(1, 40), 7))
        assert (again.usage.cached_tokens, again.usage.evaluated_tokens) == (39, 1)
        assert engine.warm(Prompt(tuple(range(1, 60)), ()), threading.Event()).decoded_tokens == 0
        assert len(engine.resident()) >= 59


@pytest.mark.parametrize(
    ("shown", "trusted", "reason"),
    [
        ("here", "here", ""),
        ("here", "", "certificate verify failed"),
        ("here", "elsewhere", "certificate verify failed"),
        ("elsewhere", "elsewhere", "IP address mismatch"),  # another host's
    ],
)
def test_S5_nothing_is_sent_to_a_host_that_cannot_prove_its_name(
    monkeypatch, shown, trusted, reason
):
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATES / f"{trusted}.pem"))
    with RemoteServer("vLLM", PIECES, certificate=CERTIFICATES / f"{shown}.pem") as server:
        where = Where(server.url, "", "", CALM)
        if reason:
            with pytest.raises(EngineError, match=reason) as refused:
                RemoteEngine(where)
            assert "\n" not in str(refused.value)
            assert not server.asked
            return
        engine = RemoteEngine(where)
        assert write(engine).text == " a + b"
        engine.close()


@pytest.mark.parametrize("kind", KINDS)
def test_the_length_and_the_listener_end_an_answer(remote, kind):
    with remote(kind, ("a", "b", "c", "d")) as (_, engine):
        assert write(engine, max_tokens=2).stopped_by == "length"
        done = write(engine, listener=lambda piece: piece != "b")
        assert (done.text, done.stopped_by) == ("ab", "listener")


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_cached_is_not_made_up(remote, kind):
    with remote(kind, hide_cached=True) as (_, engine):
        write(engine)
        cached = write(engine).usage.cached_tokens
        assert cached == (2 if kind == "llama-server" else 0)


@pytest.mark.parametrize("kind", KINDS)
def test_S5_text_of_a_file_becomes_no_special_token(remote, kind):
    nasty = "".join(f"x = '{name}' {name}{name}\n" for name in SPECIALS[2:5]) + "<|fim_<|im_end|>"
    with remote(kind) as (server, engine):
        tokens = Tokens(engine)
        hole = Hole("<|im_end|>.py", f"{nasty}\nprint(", f")\n{nasty}", 3)
        prompt = build(
            "<|fim_pad|>", (), hole, layout=layouts()["qwen"], tokens=tokens, budget=4000
        )
        write(engine, prompt.token_ids)
        placed = [text_of([i]) for i in server.prompts[-1] if i >= 256]
        names = ("repo_name", "file_sep", "fim_prefix", "fim_suffix", "fim_middle")
        assert placed == [f"<|{name}|>" for name in names]
        plain = text_of([i for i in server.prompts[-1] if i < 256])
        assert nasty in plain, "the text itself is as it was"


@settings(max_examples=50)
@given(st.lists(st.sampled_from([*SPECIALS, "<", "|", ">", "a", "\n", "[INST]", "▁"])).map("".join))
def test_S5_cuts_leave_no_whole_name_and_lose_nothing(text):
    pieces = list(cut(text, lambda name: name in SPECIALS))
    assert "".join(pieces) == text
    assert all(i < 256 for piece in pieces for i in ids_of(piece, parse_special=True))


@settings(max_examples=50)
@given(st.text(st.characters(codec="utf-8")) | st.sampled_from(SPECIALS))
def test_S5_bytes_for_a_server_without_a_tokenizer(text):
    vocabulary = ByteVocabulary(SPECIALS)
    sent = vocabulary.wire(vocabulary.tokenize(text))
    assert all(i < 256 for i in ids_of(sent, parse_special=True))
    assert sent.replace("< ", "<") == text.replace("< ", "<")


def test_an_unchanged_line_is_not_tokenised_again(remote):
    with remote("vLLM") as (server, engine):
        tokens = Tokens(engine)
        text = "".join(f"value_{n} = {n}\n" for n in range(200))
        tokens.ids(text)
        asked = len(server.asked)
        tokens.ids(text + "x")
        assert len(server.asked) - asked <= 1


def test_a_server_without_raw_prompts_gets_turns():
    with RemoteServer("OpenAI-compatible") as server:
        server.faults = Faults(no_tokenizer=True, no_raw=True)
        engine = RemoteEngine(Where(server.url, timeouts=CALM))
        tokens = Tokens(engine)
        turns = (Turn("system", "Be brief."), Turn("user", "What is <|im_start|>?"))
        prompt = build_chat(turns, tokens=tokens, budget=4000)
        assert write(engine, prompt.token_ids).text == " a + b"
        assert server.prompts[-1] == [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "What is < |im_start|>?"},
        ]
        hole = Hole("a.py", "def add(a, b):\n    return", "\n", 2)
        filled = build(
            "r", (), hole, layout=layouts()[engine.info.layout], tokens=tokens, budget=999
        )
        write(engine, filled.token_ids)
        roles = [message["role"] for message in server.prompts[-1]]
        assert roles == ["system", "user", "assistant"]
        assert server.prompts[-1][-1]["content"].endswith("return")
        engine.close()


def test_a_server_without_a_tokenizer_gets_text_in_the_layout_of_its_model():
    with RemoteServer("OpenAI-compatible") as server:
        server.faults = Faults(no_tokenizer=True)
        engine = RemoteEngine(Where(server.url, timeouts=CALM))
        hole = Hole("a.py", "def add(a, b):\n    return", "\n", 2)
        layout = layouts()[engine.info.layout]
        prompt = build("r", (), hole, layout=layout, tokens=Tokens(engine), budget=999)
        write(engine, prompt.token_ids)
        assert server.prompts[-1].endswith("return<|fim_suffix|>\n<|fim_middle|>")
        engine.close()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("moment", ["before the first", "between two"])
def test_E7_a_cancel_closes_the_connection_at_once(remote, kind, moment):
    waits = {"first_s": 5.0} if moment == "before the first" else {"each_s": 5.0}
    with remote(kind, ("a", "b"), **waits) as (server, engine):
        cancel, at = threading.Event(), []
        timer = threading.Timer(0.3, lambda: (at.append(time.monotonic()), cancel.set()))
        timer.start()
        done = write(engine, cancel=cancel)
        late = time.monotonic() - at[0]
        assert done.stopped_by == "cancelled"
        assert late < CANCEL_S + NOISE_S
        deadline = time.monotonic() + 2
        while not server.closed and time.monotonic() < deadline:
            time.sleep(0.005)
        assert server.closed and server.closed[0] - at[0] < CANCEL_S + NOISE_S
        server.faults = Faults()
        assert write(engine).text == "ab", "the next one works"


@pytest.mark.parametrize("kind", KINDS)
def test_a_cancelled_reading_claims_nothing(remote, kind):
    with remote(kind, first_s=5.0) as (_, engine):
        cancel = threading.Event()
        threading.Timer(0.1, cancel.set).start()
        usage = engine.warm(Prompt(tuple(range(1, 90)), ()), cancel)
        assert usage.cut_short
        assert engine.resident() == ()


WRONG = {
    "HTML": ({"body": b"<!doctype html><title>sign in</title>"}, "text/html"),
    "nothing": ({"body": b""}, "no JSON"),
    "malformed": ({"events": [b"data: {'a': 1}\n\n"]}, "no JSON"),
    "half UTF-8": ({"events": [b'data: {"content": "\xe6\x97"}\n\n']}, "no JSON"),
    "a list": ({"events": [b"data: [1]\n\n"]}, "cannot be read"),
    "a number": ({"events": [b"data: 7\n\n"]}, "cannot be read"),
    "deep": ({"events": [b"data: " + b"[" * 200_000 + b"\n\n"]}, "no JSON"),
    "wrong types": (
        {"events": [b'data: {"content": 3, "choices": [{"text": 3}]}\n\n']},
        "cannot be read",
    ),
    "no choices": ({"events": [b'data: {"content": [], "choices": 5}\n\n']}, "cannot be read"),
    "infinite": (
        {"events": [b'data: {"tokens_predicted": 1e999, "usage": {"prompt_tokens": 1e999}}\n\n']},
        "cannot be read",
    ),
    "no end": ({"events": [b'data: {"content": "", "choices": [{"text": ""}]}\n\n']}, "broke off"),
    "an error": ({"events": [b'data: {"error": {"message": "out\\nof"}}\n\n']}, "out of"),
    "an error of text": ({"events": [b'data: {"error": "no"}\n\n']}, "no"),
    "an endless line": ({"endless": b"x" * 65536}, "without an end"),
    "endless comments": ({"endless": b": ping\n" * 8192}, "without an end"),
    "400": ({"statuses": [400]}, "declines (400: too busy)"),
    "redirect": ({"redirect": "http://elsewhere.example/v1"}, "redirects to http://elsewhere"),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("wrong", WRONG)
def test_E9_a_wrong_answer_is_one_line_and_the_next_one_works(remote, kind, wrong):
    faults, line = WRONG[wrong]
    with remote(kind, **faults) as (server, engine):
        with pytest.raises(RequestRejected) as refused:
            write(engine)
        assert line in str(refused.value)
        assert "\n" not in str(refused.value) and len(str(refused.value)) < 300
        assert engine.resident() == ()
        server.faults = Faults()
        assert write(engine).text == " a + b"
        assert not engine.heard_away


@pytest.mark.parametrize("kind", KINDS)
def test_E9_a_server_that_takes_no_notice_of_the_length_is_stopped(remote, kind):
    event = {"content": "x", "choices": [{"text": "x"}]}
    line = f"data: {json.dumps(event)}\n\n".encode()
    with remote(kind, endless=line * 100) as (_, engine):
        done = write(engine, max_tokens=4)
        assert done.stopped_by == "length"
        assert len(done.text) < 200


def test_E9_halves_of_a_character_are_put_together(remote):
    texts = [r"\ud83d", r"\ude00 \ud83d", r"x", r"\udc00"]
    events = [f'data: {{"choices": [{{"text": "{text}"}}]}}\n\n'.encode() for text in texts]
    end = b'data: {"choices": [{"text": "", "finish_reason": "stop"}]}\n\n'
    with remote("vLLM", events=[*events, end]) as (_, engine):
        pieces = []
        done = write(engine, listener=lambda piece: pieces.append(piece) or True)
        assert done.text == "😀 \ufffdx\ufffd"
        "".join(pieces).encode("utf-8")


@pytest.mark.parametrize("kind", ["vLLM", "SGLang"])
def test_a_prompt_that_was_cut_by_the_server_is_no_answer(remote, kind):
    with remote(kind, wrong_count=-1) as (server, engine):
        with pytest.raises(RequestRejected, match="read 2 of 3 tokens"):
            write(engine)
        server.faults.wrong_count = 1  # a token of its own before ours
        assert write(engine).usage.prompt_tokens == 3


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("faults", "line"),
    [
        ({"cut_after": 1}, "broke off"),
        ({"drop": True}, "broke off"),
        ({"statuses": [502]}, r"is not ready \(502"),
    ],
    ids=["closed in mid-stream", "closed at once", "bad gateway"],
)
def test_a_server_that_is_gone_is_away_and_said_once(remote, kind, faults, line):
    with remote(kind, **faults) as (server, engine):
        with pytest.raises(Away, match=line):
            write(engine)
        assert len(engine.heard_away) == 1
        assert engine.resident() == ()
        server.faults = Faults()
        assert write(engine).text == " a + b"


@pytest.mark.parametrize("moment", ["first_s", "each_s"])
def test_a_server_that_is_silent_is_away(moment):
    with fresh("vLLM", **{moment: 20.0}) as (_, engine):
        engine._http._timeouts = HASTY
        began = time.monotonic()
        with pytest.raises(Away, match="sent nothing for too long"):
            write(engine)
        assert time.monotonic() - began < 15
        assert len(engine.heard_away) == 1


@pytest.mark.parametrize("kind", ["llama-server", "vLLM"])
def test_a_server_that_was_restarted_is_spoken_to_again(kind):
    with fresh(kind) as (server, engine):
        server.stop()
        with pytest.raises(Away, match=r"cannot be reached|broke off"):
            write(engine)
        server.start()
        assert write(engine).text == " a + b"


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_server_is_asked_again_within_patience(remote, status):
    with remote("vLLM", statuses=[status, status], retry_after="0.2") as (server, engine):
        began = time.monotonic()
        assert write(engine, slot=Slot.DEEP).text == " a + b"  # patient: the machine may be busy
        assert time.monotonic() - began >= 0.4
        assert len(server.asked) == 3


def test_a_busy_server_without_a_time_is_asked_after_growing_waits(remote):
    with remote("SGLang", statuses=[503, 429]) as (server, engine):
        began = time.monotonic()
        assert write(engine, slot=Slot.DEEP).text == " a + b"
        assert time.monotonic() - began >= 0.25 * 0.5 + 0.5 * 0.5
        assert len(server.asked) == 3


def test_a_key_does_not_wait_for_a_server_that_asks_for_a_minute(remote):
    with remote("vLLM", statuses=[429], retry_after="60") as (_, engine):
        began = time.monotonic()
        with pytest.raises(RequestRejected, match="declines \\(429"):
            write(engine)
        assert time.monotonic() - began < 10
        assert not engine.heard_away


def test_a_busy_server_is_left_alone_when_the_key_is_cancelled(remote):
    with remote("vLLM", statuses=[429] * 9, retry_after="1") as (_, engine):
        cancel = threading.Event()
        threading.Timer(0.1, cancel.set).start()
        began = time.monotonic()
        assert write(engine, cancel=cancel).stopped_by == "cancelled"
        assert time.monotonic() - began < 0.1 + CANCEL_S + NOISE_S


def test_the_key_is_sent_and_never_said(monkeypatch, caplog):
    monkeypatch.setenv("TEAM_KEY", SECRET)
    caplog.set_level(logging.DEBUG)
    with fresh("vLLM", key=SECRET, variable="TEAM_KEY") as (server, engine):
        assert write(engine).text
        assert server.headers[-1]["Authorization"] == f"Bearer {SECRET}"
        server.faults = Faults(events=[f'data: {{"error": "{SECRET} is bad"}}\n\n'.encode()])
        with pytest.raises(RequestRejected) as refused:
            write(engine)
        assert "***" in str(refused.value)
    assert SECRET not in caplog.text + str(refused.value) + repr(engine.info)


@pytest.mark.parametrize("value", ["", "wrong", "two\nlines", "ümlaut"])
def test_a_key_that_is_missing_or_refused_is_one_line(monkeypatch, value):
    monkeypatch.setenv("TEAM_KEY", value)
    with RemoteServer("vLLM", key=SECRET) as server:
        server.faults.echo_key = True
        with pytest.raises(KeyRefused) as refused:
            RemoteEngine(Where(server.url, "", "TEAM_KEY", CALM))
    assert "apiKeyEnv" in str(refused.value)
    assert not value or value not in str(refused.value)


def test_no_proxy_and_no_redirect_gets_a_prompt(remote, monkeypatch):
    """S9: neither the environment nor the server's word sends text elsewhere."""
    with RemoteServer("vLLM") as other:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, other.url)
        refused = pytest.raises(RequestRejected, match="not followed")
        with remote("vLLM", redirect=other.url) as (_, engine), refused:
            write(engine)
        assert other.asked == []


@pytest.mark.parametrize(
    ("model", "listed", "error"),
    [
        ("other", "qwen", ModelNotFound),
        ("", 7, ModelRejected),
    ],
)
def test_what_a_server_does_not_have_is_one_line(monkeypatch, model, listed, error):
    with RemoteServer("vLLM") as server:
        server.model = listed
        if error is ModelRejected:
            monkeypatch.setattr("remote_server._Handler._models", lambda self: self._json({}))
        with pytest.raises(error) as refused:
            RemoteEngine(Where(server.url, model, timeouts=CALM))
    assert "\n" not in str(refused.value)


def test_nobody_there_is_away():
    server = RemoteServer("vLLM")
    server.start()
    server.stop()
    with pytest.raises(Away, match="cannot be reached"):
        RemoteEngine(Where(server.url, timeouts=CALM))


def test_bad_prompts_are_refused_before_they_are_sent(tmp_path):
    with fresh("vLLM") as (server, engine):
        for ids in ((), (1,) * 5000):
            with pytest.raises(RequestRejected):
                write(engine, ids)
        with pytest.raises(RequestRejected):
            engine.save(Slot.KEYSTROKE, tmp_path / "state")
        with pytest.raises(RequestRejected):
            engine.restore(Slot.KEYSTROKE, tmp_path / "state", (1,))
        assert server.asked == []
        engine.close()
        with pytest.raises(RequestRejected, match="closed"):
            write(engine)


def test_S4_a_forgotten_slot_of_a_server_of_ours_is_overwritten(remote):
    with remote("llama-server") as (server, engine):
        write(engine, range(1, 50))
        engine.forget(Slot.KEYSTROKE)
        assert server.cache == [0]
        assert set(engine.resident()) <= {0}


@pytest.mark.parametrize(
    ("url", "base", "own"),
    [
        ("http://127.0.0.1:8000/v1/", "http://127.0.0.1:8000", True),
        ("http://localhost:8000", "http://localhost:8000", True),
        ("https://llm.example/team/v1", "https://llm.example/team", False),
        ("http://[::1]:8000/v1", "http://[::1]:8000", True),
    ],
)
def test_addresses(url, base, own):
    assert (base_of(url), is_own(url)) == (base, own)


@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("Qwen/Qwen3-Coder-30B-A3B-Instruct-FP8", "qwen3-coder-30b-a3b"),
        ("/models/qwen2.5-coder-0.5b-instruct-q4_k_m.gguf", "qwen2.5-coder-0.5b"),
        ("gpt-9", None),
    ],
)
def test_names_of_models(name, row):
    found = row_of(name)
    assert (found.id if found else None) == row


def test_engine_errors_are_what_the_worker_expects():
    assert issubclass(Away, EngineError)
    assert issubclass(KeyRefused, EngineError)
