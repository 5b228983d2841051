# SPDX-License-Identifier: Apache-2.0
"""What setup has found best is used at the next load; a record that cannot be trusted is none."""

from __future__ import annotations

import pytest
import tiny_models

from engine import load, tuning
from engine.speed import prior
from engine.tuning import Trial, Tuning

KEPT = Tuning(flash=True, batch_tokens=64, costs=prior(50.0, 10.0))


@pytest.fixture
def model(tmp_path, monkeypatch):
    monkeypatch.setenv("GHOSTWRIGHT_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "model.gguf"
    path.write_bytes(b"weights" * 100)
    return path


def record(model):
    return tuning._record_path(model)


def test_what_is_kept_is_found(model):
    assert tuning.find(model) == Tuning()
    tuning.keep(model, KEPT)
    assert tuning.find(model) == KEPT
    assert [path.suffix for path in record(model).parent.iterdir()] == [".json"]


def test_another_file_of_that_name_has_none(model):
    tuning.keep(model, KEPT)
    model.write_bytes(b"other weights")
    assert tuning.find(model) == Tuning()


def test_a_damaged_record_is_none(model, caplog):
    tuning.keep(model, KEPT)
    good = record(model).read_bytes()
    for at in range(0, len(good), 7):
        record(model).write_bytes(good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :])
        assert tuning.find(model) == Tuning()
    for bad in (b"", b"{}", good[:-1], good + b" ", b"\0" * 100_000):
        record(model).write_bytes(bad)
        assert tuning.find(model) == Tuning()
    assert "is not used" in caplog.text


@pytest.mark.parametrize(
    "change",
    [
        {"flash": "yes"},
        {"repacked": 1},
        {"batch_tokens": 7},
        {"batch_tokens": 1 << 20},
        {"costs": {"write_ms": float("nan")}},
        {"costs": {"write_ms": -1.0}},
        {"costs": {"no_such_figure": 1}},
        {"costs": {"write_ms": "quick"}},
        {"costs": []},
    ],
)
def test_a_record_of_impossible_figures_is_none(model, change):
    usual = {"version": tuning.RECORD_VERSION, "machine": tuning._machine()}
    fields = {"flash": False, "batch_tokens": 0, "repacked": False, "costs": None, **change}
    body = tuning.json.dumps({**usual, **fields}).encode()
    record(model).parent.mkdir(parents=True)
    record(model).write_bytes(tuning._sum(body) + body)
    assert tuning.find(model) == Tuning()


def test_a_record_of_another_build_is_none(model, monkeypatch):
    tuning.keep(model, KEPT)
    monkeypatch.setattr(tuning.metadata, "version", lambda _: "1.0")
    assert tuning.find(model) == Tuning()


def test_what_a_session_measures_is_kept_beside_what_setup_chose(model):
    tuning.keep(model, KEPT)
    tuning.remember(model, prior(20.0, 5.0))
    assert tuning.find(model) == Tuning(True, 64, costs=prior(20.0, 5.0))
    tuning.remember(model, None)
    tuning.remember(model.with_name("gone"), prior(1.0, 1.0))
    assert tuning.find(model).costs == prior(20.0, 5.0)


@pytest.mark.parametrize(
    ("read_ms", "key_ms", "better"),
    [(20, 100, False), (19, 96, False), (10, 100, True), (20, 80, True), (10, 120, False)],
)
def test_another_way_must_be_clearly_better(read_ms, key_ms, better):
    """Two runs of the same thing differ: what is used must not be left for chance."""
    assert Trial(1000, read_ms, key_ms).beats(Trial(1000, 20, 100)) is better


@pytest.mark.parametrize(
    ("depth", "read_ms", "is_hybrid", "ways"),
    [
        (100, 25.0, False, []),  # as slow as two cores: it would not show
        (600, 2.5, False, [(True, 0)]),  # no larger batch than it has
        (600, 0.5, False, [(True, 0), (False, 128)]),
        (4000, 0.2, False, [(True, 0), (False, 256)]),
        (4000, 0.001, False, [(True, 0), (False, 512)]),
        (4000, 0.2, True, [(True, 0)]),
        (1000, 20.0, False, [(True, 0)]),  # a larger batch would keep a key waiting
    ],
)
def test_only_what_may_help_is_tried(depth, read_ms, is_hybrid, ways):
    found = tuning.others(Tuning(), Trial(depth, read_ms, 100.0), is_hybrid=is_hybrid)
    assert [(way.flash, way.batch_tokens) for way in found] == ways
    assert all(way.batch_tokens in tuning.BATCHES for way in found)


@pytest.mark.parametrize(("depth", "flash_alone"), [(50, False), (600, True)])
def test_another_form_of_the_weights_is_tried_where_they_have_one(depth, flash_alone):
    """However slow the machine: it is reading itself that becomes quicker."""
    found = tuning.others(Tuning(), Trial(depth, 25.0, 100.0), may_repack=True)
    tried = [(way.flash, way.repacked) for way in found]
    assert tried == [(True, True), (False, True), *([(True, False)] * flash_alone)]


def test_a_model_is_loaded_as_it_was_found_best(model):
    """A real engine, with flash attention and the kept figures; its states are told apart."""
    path = tiny_models.write_tiny(model.with_name("tiny.gguf"), "qwen3moe")
    choice = load.Choice("tiny", path, "qwen")
    plain = load.load(choice, gpu_layers=0, kv_type="f16")
    found = tuning.trial(plain)
    kept = Tuning(flash=True, batch_tokens=128, costs=plain.info.costs)
    plain.close()
    assert found.depth > 1
    assert found.read_ms > 0
    assert found.key_ms > 0
    tuning.keep(path, kept)
    engine = load.load(choice, gpu_layers=0, kv_type="f16")
    assert engine.info.costs is not None
    assert engine.info.costs.batch_tokens == 128
    assert engine.info.costs.write_ms == kept.costs.write_ms
    assert engine.info.costs.experts > engine.info.costs.experts_used
    assert engine.info.state_format != plain.info.state_format
    assert tuning.trial(engine, 200).depth == 200
    engine.close()
