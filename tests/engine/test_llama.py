# SPDX-License-Identifier: Apache-2.0
"""The real engine on the real starter model: tokens, fills, cancels, refusals (E7, E9, S5, S9)."""

from __future__ import annotations

import http.client
import random
import threading
import time
from pathlib import Path

import pytest

import engine
from engine.prompt import Hole, build, layouts
from engine.tokens import Tokens, chunks
from engine.trim import Gap, trim
from engine.types import Prompt, RequestRejected, Sampling, Slot

pytestmark = pytest.mark.model

SOURCES = sorted(Path(engine.__file__).parent.glob("*.py"))
PREFIX = "def add(a, b):\n    return"
SUFFIX = "\n\nprint(add(1,2))\n"
SPECIALS = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|fim_prefix|>",
    "<|fim_middle|>",
    "<|fim_suffix|>",
    "<|fim_pad|>",
    "<|repo_name|>",
    "<|file_sep|>",
)


def fim(llama, prefix=PREFIX, suffix=SUFFIX) -> Prompt:
    return Prompt(
        (
            llama.special("<|fim_prefix|>"),
            *llama.tokenize(prefix),
            llama.special("<|fim_suffix|>"),
            *llama.tokenize(suffix),
            llama.special("<|fim_middle|>"),
        ),
        (),
    )


def write(llama, prompt, max_tokens=12):
    return llama.complete(prompt, Sampling(max_tokens), threading.Event(), lambda _: True)


def test_fills_a_hole_and_reports_what_it_cost(llama):
    prompt = fim(llama)
    done = write(llama, prompt)
    assert done.text.lstrip().startswith("a + b")
    assert done.usage.prompt_tokens == len(prompt.token_ids)
    assert done.usage.cached_tokens + done.usage.evaluated_tokens == done.usage.prompt_tokens
    assert 0 < done.usage.decoded_tokens <= 12
    assert 0 < done.usage.ttft_ms <= done.usage.total_ms


def test_a_turn_fills_a_hole_where_a_model_knows_no_other_way(llama):
    """The layout of chat models, on one that is a chat model too."""
    hole = Hole("a.py", PREFIX, SUFFIX, 2)
    tokens = Tokens(llama)
    prompt = build("repo", (), hole, layout=layouts()["chatml"], tokens=tokens, budget=500)
    text = write(llama, prompt).text
    gap = Gap(before="    return", after="", above="def add(a, b):", below="print(add(1,2))")
    assert trim(text, gap)[0].strip() == "a + b"


def test_a_prompt_that_grows_at_its_end_is_read_at_its_end_only(llama):
    prompt = fim(llama, PREFIX * 5)
    llama.warm(prompt, threading.Event())
    again = llama.warm(Prompt((*prompt.token_ids, 1, 2, 3), ()), threading.Event())
    assert again.evaluated_tokens == 3


@pytest.mark.parametrize("name", SPECIALS)
def test_S5_special_tokens_in_text_stay_text(llama, name):
    special = llama.special(name)
    assert special is not None
    assert special not in llama.tokenize(f"x = '{name}'  # {name}")


def test_S5_no_special_token_gets_into_a_prompt_but_ours(llama):
    text = " ".join(SPECIALS)
    tokens = Tokens(llama)
    hole = Hole(f"{text}.py", f"{text}\n{text}", f"{text}\n", 2)
    prompt = build(text, (), hole, layout=layouts()["qwen"], tokens=tokens, budget=2000)
    specials = {llama.special(name) for name in SPECIALS}
    placed = [token for token in prompt.token_ids if token in specials]
    names = ("repo_name", "file_sep", "fim_prefix", "fim_suffix", "fim_middle")
    assert placed == [llama.special(f"<|{name}|>") for name in names]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_tokens_of_the_chunks_are_the_tokens_of_the_whole(llama, path):
    text = path.read_text(encoding="utf-8")
    assert len(list(chunks(text))) > 1 or len(text) < 1200
    assert list(Tokens(llama).ids(text)) == llama.tokenize(text)


def test_tokens_of_chunks_of_nasty_text_are_those_of_the_whole(llama):
    lines = (
        "x = 1\n",
        "\n",
        "   \n",
        "\t\tif a:\n",
        "\u2028é€😀\n",
        "\r\n",
        "    # 'a'\r\n",
        "))\n",
    )
    choose = random.Random(7)
    for _ in range(20):
        text = "".join(choose.choice(lines) for _ in range(400))
        assert list(Tokens(llama).ids(text)) == llama.tokenize(text)


def test_cancel_while_writing_stops_at_the_next_token(llama):
    cancel, pieces = threading.Event(), []

    def listen(piece):
        pieces.append(piece)
        if len(pieces) == 3:
            cancel.set()
        return True

    done = llama.complete(fim(llama, "# A long story\n", ""), Sampling(200), cancel, listen)
    assert done.stopped_by == "cancelled"
    assert len(pieces) <= 4


def test_cancel_while_reading_stops_at_a_micro_batch_and_keeps_what_was_read(llama):
    tokens = llama.tokenize("".join(f"value_{n} = {n * n}\n" for n in range(120)))
    cancel = threading.Event()
    timer = threading.Timer(1.0, cancel.set)
    timer.start()
    usage = llama.warm(Prompt(tuple(tokens), ()), cancel)
    timer.cancel()
    assert usage.evaluated_tokens < len(tokens), "read to the end: the cancel was not seen"
    again = llama.warm(Prompt(tuple(tokens[: usage.evaluated_tokens + 1]), ()), threading.Event())
    assert again.cached_tokens >= usage.evaluated_tokens - 32  # at most two micro-batches lost


def check_cancels(llama, points):
    """E7: after cancels of warm-ups and answers in either slot, answers are a fresh context's."""
    asked = [fim(llama), fim(llama, "import os\n\n\ndef home():\n    return ", "\n")]
    fresh = []
    for prompt in asked:
        llama.forget(Slot.KEYSTROKE)
        fresh.append(write(llama, prompt).text)
    long = fim(llama, "".join(f"value_{n} = {n * n}\n" for n in range(20)))
    choose = random.Random(3)
    for point in range(points):
        slot, cancel = Slot(choose.randrange(2)), threading.Event()
        timer = threading.Timer(choose.uniform(0, 0.6), cancel.set)
        timer.start()
        if choose.random() < 0.5:
            llama.warm(choose.choice([long, *asked]), cancel, slot)
        else:
            prompt = choose.choice([long, *asked])
            llama.complete(prompt, Sampling(12), cancel, lambda _: True, slot)
        timer.cancel()
        which, slot = point % 2, Slot(choose.randrange(2))
        done = llama.complete(asked[which], Sampling(12), threading.Event(), lambda _: True, slot)
        assert done.text == fresh[which], (point, slot)


def test_E7_a_cancel_leaves_no_dirt(llama):
    check_cancels(llama, 3)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_E7_200_cancels_leave_no_dirt(llama):
    check_cancels(llama, 200)


def test_neither_slot_evicts_the_other(llama):
    key, deep = fim(llama, PREFIX * 3), fim(llama, PREFIX * 6)
    never = threading.Event()
    llama.warm(key, never)
    llama.warm(deep, never, Slot.DEEP)
    write(llama, fim(llama, PREFIX * 4))
    assert llama.warm(deep, never, Slot.DEEP).evaluated_tokens == 1
    assert llama.resident(Slot.DEEP) == deep.token_ids


def test_S4_a_forgotten_slot_holds_nothing_of_what_it_held(llama):
    prompt = fim(llama)
    llama.warm(prompt, threading.Event())
    llama.forget(Slot.KEYSTROKE)
    assert set(llama.resident()).isdisjoint(prompt.token_ids)
    assert llama.warm(prompt, threading.Event()).cached_tokens == 0


@pytest.mark.parametrize(
    ("prompt", "reason"),
    [((), "empty"), ((1,) * 9000, "exceeds"), ((10**9,), "invalid")],
    ids=["empty", "too-long", "no-such-token"],
)
def test_bad_prompts_are_refused_in_one_line_and_the_next_works(llama, prompt, reason):
    with pytest.raises(RequestRejected, match=reason) as refused:
        write(llama, Prompt(prompt, ()))
    assert "\n" not in str(refused.value)
    assert write(llama, fim(llama)).text


def test_E9_text_comes_in_whole_characters(llama):
    pieces = []
    prompt = fim(llama, 'GREETING = "日本語のテキスト、絵文字 😀😃', '"\n')
    llama.complete(prompt, Sampling(24), threading.Event(), lambda p: pieces.append(p) or True)
    "".join(pieces).encode("utf-8")
    assert "\ufffd" not in "".join(pieces)


@pytest.mark.parametrize("path", ["/tokenize", "/completion", "/slots", "/props", "/v1/models"])
def test_S9_the_listener_refuses_who_has_no_key(llama, path):
    connection = http.client.HTTPConnection(llama._listener._host, llama._listener._port)
    assert llama._listener._host == "127.0.0.1"
    for headers in ({}, {"Authorization": "Bearer wrong"}):
        connection.request("POST", path, "{}", headers)
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 401
        assert answer.getheader("Access-Control-Allow-Origin") in (None, "null")
    connection.close()


def test_the_listener_closing_its_connection_is_survived(llama):
    llama.tokenize("a")
    llama._listener._connection.sock.close()
    assert llama.tokenize("a") == llama.tokenize("a")
    time.sleep(5.2)  # the listener closes what rests for five seconds
    assert llama.tokenize("b")
