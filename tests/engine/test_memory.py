# SPDX-License-Identifier: Apache-2.0
"""What memory is said to be needed, against llama.cpp's own figures and against processes (E3)."""

from __future__ import annotations

import subprocess
import sys

import pytest
import tiny_layers
from tiny_models import FAMILIES, write_tiny

from engine import catalogue, memory
from engine.gguf import read_header
from engine.memory import Running
from engine.shape import Shape, of_header, state_bytes
from tests.bench.bench_memory import AIM_PERCENT, measure
from tests.bench.isolated import isolated
from tests.upcycled_model import write_upcycled_moe

# Loads a file and lets llama.cpp say how much it allocated. In a process of its own: the level of
# its log is global.
PROGRAM = """
import sys, xllamacpp
p = xllamacpp.CommonParams()
p.model.path = sys.argv[1]
p.n_ctx, p.n_parallel, p.n_batch = int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
p.n_ubatch, p.kv_unified = p.n_batch, sys.argv[5] == "shared"
p.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
p.no_extra_bufts, p.fit_params, p.warmup, p.ui, p.verbosity = True, False, False, False, 4
server = xllamacpp.Server(p)
sys.stdin.read()
"""
MIB = 1 << 20
TOKENS = 32_768


def allocated(path, slots, batch, shared) -> dict[str, float]:
    """MiB by kind of buffer: KV, RS (states), compute."""
    words = [str(path), str(TOKENS), str(slots), str(batch), "shared" if shared else "split"]
    command = [sys.executable, "-c", PROGRAM, *words]
    pipe = subprocess.PIPE
    found: dict[str, float] = {}
    with subprocess.Popen(command, stdin=pipe, stderr=pipe, stdout=subprocess.DEVNULL) as process:
        for raw in process.stderr:
            line = raw.decode(errors="replace")
            if "buffer size =" in line and "CPU" in line:
                kind = line.split("CPU", 1)[1].split("buffer size")[0].strip(" _")
                found[kind] = float(line.rsplit("=", 1)[1].split()[0])
            if "compute" in found:
                break
        process.kill()  # a server that is closed as soon as it is open may wait for ever
    return found


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    ("slots", "batch", "shared"), [(1, 16, True), (2, 64, False), (2, 64, True)]
)
@pytest.mark.parametrize("arch", FAMILIES)
def test_buffers_are_as_large_as_llama_cpp_makes_them(tmp_path, arch, slots, batch, shared):
    """Latent attention has no values, hybrids have states: as llama.cpp allocates, not papers."""
    path = write_tiny(tmp_path / f"{arch}.gguf", arch, context_tokens=TOKENS)
    shape = of_header(read_header(path))
    running = Running(batch, slots=slots, shared=shared)
    need = memory.estimate(shape, TOKENS, running)
    real = allocated(path, slots, batch, shared)
    assert need.kv / MIB == pytest.approx(real["KV"], abs=0.005)
    assert need.state / MIB == pytest.approx(real.get("RS", 0.0), abs=0.005)
    assert need.compute / MIB == pytest.approx(real["compute"], rel=0.2)
    assert need.weights / MIB == pytest.approx(real["Mapped model"], abs=0.02)


# Published figures: bytes of a token in f16, bytes of a slot's state.
PUBLISHED = [
    ("qwen2.5-coder-0.5b", 24 * 2 * 2 * 64 * 2, 0),
    ("qwen3-coder-30b-a3b", 98_304, 0),  # 48 layers, 4 heads of 128
    ("qwen3-coder-next-80b-a3b", 24_576, 36 * 2_195_456),  # every fourth of 48 layers
    ("qwen3.5-35b-a3b", 20_480, 30 * 2_195_456),
    ("kimi-k2", 61 * (512 + 64) * 2, 0),  # latent: one key of 576 for all heads
]


@pytest.mark.parametrize(("model", "token", "state"), PUBLISHED)
def test_bytes_of_a_token_are_those_of_published_models(model, token, state):
    shape = catalogue.find(model).shape
    assert memory.kv_bytes_per_token(shape, "f16") == token
    assert memory.kv_bytes_per_token(shape, "q8_0") == pytest.approx(token * 34 / 64)
    assert shape.state_bytes == state


def test_a_state_is_what_its_convolution_and_its_matrix_take():
    small = tiny_layers
    found = state_bytes(small.KERNEL, small.STATE_VALUES, small.STATE_KEY_HEADS, small.STATE_WIDTH)
    assert found == 4 * (3 * (64 + 2 * 2 * 16) + 16 * 64)
    assert state_bytes(1, 0, 0, 0) == 0


PLAIN = Shape(10, 10, 64, 4, 2, 16, 16, 0, 96, 300, 2048, weights=1000, repackable=600)


@pytest.mark.parametrize(
    ("running", "what", "expected"),
    [
        (Running(16), "weights", 1000),
        (Running(16, repacked=True), "weights", 1600),
        (Running(16), "kv", 10 * 2 * 32 * 2 * 1024),
        (Running(16, kv_type="q8_0"), "kv", 10 * 2 * 32 * 34 // 32 * 1024),
        (Running(16, slots=2, shared=False), "kv", 10 * 2 * 32 * 2 * 1024),
    ],
)
def test_how_a_context_is_run_changes_what_it_takes(running, what, expected):
    assert getattr(memory.estimate(PLAIN, 1024, running), what) == expected


def test_states_of_a_hybrid_count_for_each_slot_and_each_checkpoint():
    shape = catalogue.find("qwen3.5-9b").shape
    one = shape.state_bytes
    assert memory.estimate(shape, 8192, Running(16)).state == one
    assert memory.estimate(shape, 8192, Running(16, slots=2)).state == 2 * one
    assert memory.estimate(shape, 8192, Running(16, slots=2, checkpoints=4)).state == 10 * one


def test_a_split_context_scores_less_than_a_shared_one():
    split = memory.estimate(PLAIN, 8192, Running(16, slots=2, shared=False))
    shared = memory.estimate(PLAIN, 8192, Running(16, slots=2))
    assert split.compute < shared.compute
    assert split.kv == shared.kv


def test_experts_are_told_from_the_rest(tmp_path):
    shape = of_header(read_header(write_tiny(tmp_path / "moe.gguf", "qwen2moe")))
    expert = 3 * tiny_layers.WIDTH * tiny_layers.EXPERT_WIDTH * 4
    assert shape.expert_bytes == FAMILIES["qwen2moe"].layers * 8 * expert
    kimi = of_header(read_header(write_tiny(tmp_path / "kimi.gguf", "deepseek2")))
    assert (kimi.dense_layers, kimi.expert_layers) == (1, 1)


def test_a_model_in_parts_counts_all_of_them(tmp_path):
    """The header of a first part names only its own tensors: a model of 290 GB looked like 50."""
    whole = write_tiny(tmp_path / "whole.gguf", "qwen3moe")
    subprocess.run(
        [sys.executable, "-c", SPLIT, str(whole), str(tmp_path)], check=True, capture_output=True
    )
    first = read_header(tmp_path / "m-00001-of-00002.gguf")
    assert of_header(first).weights == of_header(read_header(whole)).weights
    assert of_header(first).expert_bytes == of_header(read_header(whole)).expert_bytes


SPLIT = """
import sys, gguf
from pathlib import Path
reader = gguf.GGUFReader(sys.argv[1])
half = len(reader.tensors) // 2
for number, tensors in enumerate((reader.tensors[:half], reader.tensors[half:])):
    path = Path(sys.argv[2]) / f"m-{number + 1:05d}-of-00002.gguf"
    writer = gguf.GGUFWriter(path, "qwen3moe")
    for key, field in reader.fields.items():
        if not key.startswith("GGUF.") and key != "general.architecture":
            inner = field.types[1] if len(field.types) > 1 else None
            writer.add_key_value(key, field.contents(), field.types[0], sub_type=inner)
    writer.add_uint16("split.count", 2)
    writer.add_uint16("split.no", number)
    for tensor in tensors:
        writer.add_tensor(tensor.name, tensor.data)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
"""


@pytest.mark.model
def test_the_estimate_is_within_a_tenth_of_a_process(starter_model):
    assert abs(isolated(measure, starter_model, 8192).percent) < AIM_PERCENT


@pytest.mark.slow
@pytest.mark.model
@pytest.mark.parametrize("context", [2048, 32_768])
@pytest.mark.parametrize("kv_type", ["f16", "q8_0"])
def test_the_estimate_is_within_a_tenth_at_every_context(starter_model, context, kv_type):
    assert abs(isolated(measure, starter_model, context, kv_type).percent) < AIM_PERCENT


@pytest.mark.slow
@pytest.mark.model
def test_the_estimate_of_a_mixture_of_experts_is_within_a_tenth(starter_model, tmp_path):
    path = write_upcycled_moe(starter_model, tmp_path / "moe.gguf")
    assert abs(isolated(measure, path, 8192).percent) < AIM_PERCENT
