# SPDX-License-Identifier: Apache-2.0
"""Model files of 2023 that run: a small file of each family, through the seam (E1, P2).

Needs the extra `[ctransformers]`; without it these are skipped in one line.
"""

from __future__ import annotations

import importlib.util
import threading

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tiny_legacy import CONTEXT_TOKENS, EVERY, write

from engine import load
from engine.layout import layouts
from engine.prompt import Hole, build
from engine.tokens import Tokens
from engine.types import Prompt, RequestRejected, Sampling, Slot

if importlib.util.find_spec("ctransformers") is None:
    pytest.skip("needs the extra [ctransformers]", allow_module_level=True)

LAYOUTS = {"starcoder": "granite", "gguf": "codellama"}  # the others have no tokens for holes
CODE = "import os\n\n\ndef total(self, rows):\n    return sum(rows)\n"


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("legacy")
    return {family: write(folder / f"{family}.bin", family) for family in EVERY}


def open_(path, **options):
    options.setdefault("threads", 1)
    return load.load(load.choose("", str(path)), gpu_layers=0, kv_type="f16", **options)


@pytest.fixture(scope="module")
def starcoder(files):
    engine = open_(files["starcoder"])
    yield engine
    engine.close()


def prompt_of(engine, text):
    return Prompt(tuple(engine.tokenize(text)), ())


def run(engine, prompt, tokens=12, slot=Slot.KEYSTROKE, listener=lambda _: True, cancel=None):
    return engine.complete(prompt, Sampling(tokens), cancel or threading.Event(), listener, slot)


@pytest.mark.parametrize("family", EVERY)
def test_each_family_loads_writes_and_keeps_what_it_read(files, family, capfd):
    """State that is re-used gives the same text as one read anew: positions are right."""
    said = []
    engine = open_(files[family], say=said.append)
    assert engine.info.layout == LAYOUTS.get(family, "prefix")
    first = run(engine, prompt_of(engine, CODE + "def a"))
    assert first.stopped_by in {"length", "end"}
    prompt = prompt_of(engine, CODE + "def b(x):\n    return ")
    common = engine.resident()
    second = run(engine, prompt)
    assert 0 < second.usage.cached_tokens < len(prompt.token_ids)
    assert (
        tuple(common[: second.usage.cached_tokens])
        == prompt.token_ids[: second.usage.cached_tokens]
    )
    assert engine.resident()[: len(prompt.token_ids)] == prompt.token_ids
    assert second.text == "".join(second.pieces)
    engine.close()
    fresh = open_(files[family])
    anew = run(fresh, prompt)
    assert (anew.text, anew.stopped_by) == (second.text, second.stopped_by)
    assert anew.usage.evaluated_tokens == len(prompt.token_ids)
    fresh.close()
    assert len(said) == 1
    assert "legacy engine" in said[0]
    assert capfd.readouterr().out == ""  # stdout belongs to the protocol


def test_a_hole_is_filled_with_starcoders_tokens(starcoder):
    tokens, hole = Tokens(starcoder), Hole("a.py", "def f():\n    return ", "\n", 2)
    layout = layouts()[starcoder.info.layout]
    prompt = build("repo", (), hole, layout=layout, tokens=tokens, budget=200)
    assert starcoder.special("<fim_suffix>") in prompt.token_ids
    assert run(starcoder, prompt).usage.prompt_tokens == len(prompt.token_ids)


def test_without_tokens_for_holes_the_file_up_to_the_cursor_is_shown(files):
    engine = open_(files["gpt2"])
    hole = Hole("a.py", "def f():\n    return ", "\nBEHIND\n", 2)
    layout = layouts()[engine.info.layout]
    prompt = build("repo", (), hole, layout=layout, tokens=Tokens(engine), budget=200)
    assert prompt.token_ids == tuple(engine.tokenize("# a.py\n")) + tuple(
        engine.tokenize(hole.prefix)
    )
    engine.close()


def test_a_warm_prompt_is_not_read_again_and_slots_take_turns(starcoder):
    prompt = prompt_of(starcoder, CODE)
    starcoder.forget(Slot.KEYSTROKE)
    warmed = starcoder.warm(prompt, threading.Event())
    assert (warmed.evaluated_tokens, warmed.decoded_tokens) == (len(prompt.token_ids), 0)
    assert starcoder.resident() == prompt.token_ids
    assert run(starcoder, prompt).usage.evaluated_tokens == 1
    run(starcoder, prompt_of(starcoder, "other"), slot=Slot.DEEP)
    assert starcoder.resident() == ()
    assert run(starcoder, prompt).usage.cached_tokens == 0


def test_a_cancel_ends_reading_at_a_batch_and_writing_at_a_token(starcoder):
    prompt = prompt_of(starcoder, CODE * 2)
    starcoder.forget(Slot.KEYSTROKE)
    cancel = threading.Event()
    cancel.set()
    usage = starcoder.warm(prompt, cancel)
    assert usage.cut_short
    done = run(starcoder, prompt, cancel=cancel)
    assert (done.stopped_by, done.text) == ("cancelled", "")
    cancel = threading.Event()
    done = run(starcoder, prompt, 100, listener=lambda _: cancel.set() or True, cancel=cancel)
    assert done.stopped_by == "cancelled"
    assert len(done.pieces) == 1


def test_a_listener_stops_and_lengths_hold(starcoder):
    prompt = prompt_of(starcoder, CODE)
    assert run(starcoder, prompt, 50, listener=lambda _: False).stopped_by == "listener"
    assert run(starcoder, prompt, 0).text == ""
    full = Prompt((prompt.token_ids * 20)[: CONTEXT_TOKENS - 2], ())
    done = run(starcoder, full, 50)
    assert done.usage.decoded_tokens <= 3
    assert len(starcoder.resident()) <= CONTEXT_TOKENS


@pytest.mark.parametrize(
    ("ids", "words"),
    [
        ((), "empty"),
        ((1 << 20,), "another vocabulary"),
        ((-1,), "another vocabulary"),
        ((7,) * (CONTEXT_TOKENS + 1), "exceeds the context of 256"),
    ],
)
def test_what_native_code_would_read_outside_of_memory_is_refused(starcoder, ids, words):
    with pytest.raises(RequestRejected, match=words):
        run(starcoder, Prompt(ids, ()))


@pytest.mark.parametrize(("family", "most"), [("mpt", 64), ("llama", 100), ("gguf", 100)])
def test_a_window_that_the_file_leaves_open_can_be_smaller(files, family, most):
    engine = open_(files[family], most_tokens=most)
    assert engine.info.context_tokens == most
    done = run(engine, Prompt(tuple(engine.tokenize("a b " * most))[: most - 4], ()), 20)
    assert len(engine.resident()) <= most
    assert done.stopped_by in {"length", "end"}
    engine.close()


def test_states_are_refused_and_leave_no_file(starcoder, tmp_path):
    path = tmp_path / "state"
    with pytest.raises(RequestRejected, match="saves no states"):
        starcoder.save(Slot.KEYSTROKE, path)
    with pytest.raises(RequestRejected, match="restores no states"):
        starcoder.restore(Slot.KEYSTROKE, path, (1, 2))
    assert starcoder.resident() == ()
    assert not path.exists()


@pytest.mark.parametrize("family", ["starcoder", "llama", "replit", "gguf"])
def test_text_of_many_bytes_a_character_has_room(files, family):
    """The library's own Python gives a character one token's room; here each takes three or four.

    Text that looks like a special token stays text.
    """
    engine = open_(files[family])
    assert len(engine.tokenize("日本語🙂" * 500)) >= (1 if family == "replit" else 6500)
    assert engine.tokenize("a\0b")
    special = engine.special("<fim_prefix>")
    assert special is None or special not in engine.tokenize("<fim_prefix>")
    assert engine.tokenize("") == []
    engine.close()
    with pytest.raises(RequestRejected, match="closed"):
        run(engine, Prompt((1,), ()))


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.text(st.characters(min_codepoint=9, max_codepoint=126), max_size=200))
def test_our_words_are_the_librarys(starcoder, text):
    assert starcoder.tokenize(text) == starcoder._tokenized(text)


def test_sampling_by_chance_is_repeated_by_its_seed(starcoder):
    prompt, cancel = prompt_of(starcoder, CODE), threading.Event()
    texts = [
        starcoder.complete(
            prompt, Sampling(24, temperature=2.0, top_p=1.0, seed=seed), cancel, lambda _: True
        ).text
        for seed in (1, 1, 2)
    ]
    assert texts[0] == texts[1] != texts[2]
