# SPDX-License-Identifier: Apache-2.0
"""The large file of the bench: of the right size, never begun without room, never left behind."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import psutil
import pytest

from engine import catalogue
from engine.gguf import read_header
from tests.bench.engine import bench_mixture, random_model


def test_the_shape_is_that_of_the_model_of_the_catalogue():
    row = catalogue.find("qwen3-coder-30b-a3b")
    assert (row.experts, row.experts_active) == (random_model.EXPERTS, random_model.EXPERTS_USED)
    assert row.native_context == random_model.CONTEXT_TOKENS
    size = random_model.file_bytes(random_model.LAYERS)
    assert size == pytest.approx(17.3e9, rel=0.01)
    elements = sum(w.bytes // 144 * 256 for w in random_model.weights(48) if w.kind.name == "Q4_K")
    assert elements / 1e9 == pytest.approx(row.total_parameters_b, rel=0.02)


def test_without_room_on_the_disk_nothing_is_written(tmp_path, monkeypatch):
    needed = random_model.file_bytes(4)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=needed))
    (figure,) = bench_mixture.run(tmp_path, 4, 2048)
    assert figure.value is None
    assert "are free" in figure.note
    assert list(tmp_path.iterdir()) == []


def test_a_file_of_the_bench_is_one_that_we_accept(tmp_path, monkeypatch):
    """Narrow and with a small vocabulary; the large form is what `make bench` is for."""
    monkeypatch.setattr(random_model, "VOCABULARY", 512)
    monkeypatch.setattr(random_model, "_LAYER", random_model._LAYER[:1])
    header = read_header(random_model.write(tmp_path / "cut.gguf", 3))
    assert (header.architecture, header.block_count) == ("qwen3moe", 3)
    assert header.vocabulary_tokens == 512
    assert sum(t.bytes for t in header.tensors) == random_model.file_bytes(3)


@pytest.mark.slow
@pytest.mark.parametrize("interrupt", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_bench_leaves_no_file_and_no_process(tmp_path, interrupt):
    module = "tests.bench.engine.bench_mixture"
    command = [sys.executable, "-m", module, "--layers", "1", "--folder", str(tmp_path)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as bench:
        assert "GB written" in bench.stderr.readline()
        until = time.monotonic() + 60
        while not (children := psutil.Process(bench.pid).children()):
            assert time.monotonic() < until
            time.sleep(0.05)
        bench.send_signal(interrupt)
        bench.communicate(timeout=60)
    assert bench.returncode == 128 + interrupt
    assert list(tmp_path.iterdir()) == []
    psutil.wait_procs(children, timeout=10)
    assert not any(child.is_running() for child in children)
