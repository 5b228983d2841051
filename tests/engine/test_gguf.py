# SPDX-License-Identifier: Apache-2.0
"""The bounded header reader: what it reads, what it refuses, how fast and in how little memory.

E1: a bad file is one line with the path and the fix. E2: a malicious one is refused within 50 ms
and 50 MB, before native code sees it.
"""

from __future__ import annotations

import os
import socket
import struct
import subprocess
import sys
import time
import tracemalloc
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tiny_models import LAYERS, SPECIAL_TOKENS, write_tiny

from engine import gguf
from engine.gguf import read_header
from engine.types import ModelNotFound, ModelRejected

LIMIT_S = 0.050
LIMIT_BYTES = 50 << 20
U8, U32, I32, F32, BOOL, TEXT, ARRAY, U64 = 0, 4, 5, 6, 7, 8, 9, 10


# A file by hand, so that every field can be wrong.


def text(value):
    raw = value if isinstance(value, bytes) else value.encode()
    return struct.pack("<Q", len(raw)) + raw


def pair(key, kind, value):
    return text(key) + struct.pack("<I", kind) + value


def u32(value):
    return struct.pack("<I", value)


def u64(value):
    return struct.pack("<Q", value)


def array(kind, count, items=b""):
    return u32(kind) + u64(count) + items


def weight(name="w", shape=(32,), kind=0, offset=0):
    dimensions = b"".join(u64(length) for length in shape)
    return text(name) + u32(len(shape)) + dimensions + u32(kind) + u64(offset)


SHAPE = [
    pair("general.architecture", TEXT, text("qwen2")),
    pair("qwen2.context_length", U32, u32(2048)),
    pair("qwen2.block_count", U32, u32(2)),
    pair("qwen2.embedding_length", U32, u32(64)),
    pair("qwen2.attention.head_count", U32, u32(4)),
]


def build(pairs=SHAPE, weights=None, data=bytes(128), **odd):
    """A GGUF file. `odd` replaces magic, version, tensor_count or key_count."""
    weights = [weight()] if weights is None else weights
    head = odd.get("magic", b"GGUF") + u32(odd.get("version", 3))
    head += u64(odd.get("tensor_count", len(weights))) + u64(odd.get("key_count", len(pairs)))
    head += b"".join(pairs) + b"".join(weights)
    return head + bytes(-len(head) % 32) + data


def of(*more, without=""):
    return [*(p for p in SHAPE if not (without and without.encode() in p)), *more]


@pytest.fixture
def save(tmp_path):
    def write(content, name="model.gguf"):
        path = tmp_path / name
        path.write_bytes(content)
        return path

    return write


def check_rejected(path, *words, error=ModelRejected):
    """One line, with the path, what is wrong and what to do; fast and small."""
    tracemalloc.start()
    started = time.thread_time()
    with pytest.raises(error) as raised:
        read_header(path)
    spent = time.thread_time() - started
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    message = str(raised.value)
    assert message.isprintable()
    assert path.name in message
    assert "; " in message
    assert len(message) < len(str(path)) + 300
    assert all(word in message for word in words), message
    assert peak < LIMIT_BYTES
    return spent


# What it reads


def test_the_hand_made_file_is_sound(save):
    header = read_header(save(build()))
    assert (header.architecture, header.context_length, header.block_count) == ("qwen2", 2048, 2)
    assert header.tensors == (gguf.Tensor("w", (32,), "F32", 0, 128),)
    assert header.data_offset + 128 == header.file_bytes
    assert header.expert_count == 0


def test_sizes_for_the_memory_arithmetic(tmp_path):
    header = read_header(write_tiny(tmp_path / "tiny.gguf"))
    assert header.architecture == "qwen3moe"
    assert (header.block_count, header.embedding_length, header.head_count) == (LAYERS, 64, 4)
    assert (header.head_count_kv, header.key_length, header.value_length) == (2, 16, 16)
    assert (header.expert_count, header.expert_used_count) == (8, 2)
    assert (header.number("full_attention_interval"), header.split_count) == (0, 1)
    assert header.vocabulary_tokens > 256 + len(SPECIAL_TOKENS)
    assert "tokenizer.ggml.tokens" not in header.metadata
    assert header.tensor_count == 3 + LAYERS * 12


def test_where_the_file_says_nothing_the_usual_is_assumed(save):
    pairs = of(pair("qwen2.full_attention_interval", U32, u32(4)))
    header = read_header(save(build(pairs)))
    assert (header.head_count_kv, header.key_length, header.value_length) == (4, 16, 16)
    assert header.number("full_attention_interval") == 4
    per_layer = pair("qwen2.attention.head_count_kv", ARRAY, array(U32, 2, u32(1) + u32(0)))
    assert read_header(save(build(of(per_layer)))).head_count_kv == 4  # never too few


def test_every_scalar_type_is_read(save):
    forms = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 10: "<Q", 11: "<q", 7: "<?"}
    pairs = of(*(pair(f"k{kind}", kind, struct.pack(form, 1)) for kind, form in forms.items()))
    pairs += [pair("f", F32, struct.pack("<f", 0.5)), pair("d", 12, struct.pack("<d", 0.25))]
    metadata = read_header(save(build(pairs))).metadata
    assert [metadata[f"k{kind}"] for kind in forms] == [1] * len(forms)
    assert (metadata["f"], metadata["d"], metadata["k7"]) == (0.5, 0.25, True)


def test_e2_a_chat_template_is_only_a_string(save):
    template = (
        "{{ ''.__class__.__mro__[1].__subclasses__() }}{% for x in range(10**9) %}{% endfor %}"
    )
    header = read_header(save(build(of(pair("tokenizer.chat_template", TEXT, text(template))))))
    assert header.metadata["tokenizer.chat_template"] == template


def test_long_arrays_cost_no_memory(save):
    """A vocabulary of 250,000 strings, as Qwen3.5 has; the real headers take six megabytes."""
    words = b"".join(text(f"token{n}") for n in range(250_000))
    path = save(build(of(pair("tokenizer.ggml.tokens", ARRAY, array(TEXT, 250_000, words)))))
    tracemalloc.start()
    assert read_header(path).vocabulary_tokens == 250_000
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 << 20
    started = time.thread_time()
    read_header(path)
    assert time.thread_time() - started < 1.0


# What it refuses: files that are no models (E1)

NO_MODELS = {
    "empty": (b"", "is empty"),
    "web page": (b"<!DOCTYPE html><html>Sign in", "web page"),
    "web page, plain": (b"\n  <html><body>404", "web page"),
    "xml error": (b"<?xml version='1.0'?><Error>", "web page"),
    "git lfs": (b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n", "git lfs pull"),
    "ggml": (b"lmgg" + bytes(64), "legacy engine"),
    "ggjt": (b"tjgg" + bytes(64), "legacy engine"),
    "ggmf": (b"fmgg" + bytes(64), "legacy engine"),
    "zip": (b"PK\x03\x04" + bytes(64), "not a GGUF file"),
    "one byte": (b"G", "not a GGUF file"),
    "magic only": (b"GGUF", "ends within its header"),
    "control characters": (b"\x1b[2J\x07", "not a GGUF file"),
}

# Files that lie (E2)

HUGE = (1 << 63, (1 << 64) - 1, 1 << 40, 1 << 32)
MALICIOUS = {
    "big-endian": (build(version=3 << 24), "big-endian"),
    "version 1": (build(version=1), "version 1"),
    "version 99": (build(version=99), "version 99"),
    "version 0": (build(version=0), "version 0"),
    **{f"{n} keys": (build(key_count=n), "metadata keys") for n in HUGE},
    **{f"{n} tensors": (build(tensor_count=n), "tensors") for n in HUGE},
    "negative counts": (build(tensor_count=(1 << 64) - 1, key_count=1 << 63), "more than"),
    "43 bytes, endless": (
        b"GGUF" + u32(3) + u64(0) + u64(1) + u64(1) + b"k" + u32(ARRAY) + u32(U8) + u64(1 << 62),
        "ends within",
    ),
    "endless strings": (build([pair("k", ARRAY, array(TEXT, 1 << 62))]), "strings"),
    "endless booleans": (build([pair("k", ARRAY, array(BOOL, 1 << 63))]), "ends within"),
    "empty strings to the end": (
        build([pair("k", ARRAY, array(TEXT, 1 << 20, bytes(4096)))]),
        "ends within",
    ),
    "array of arrays": (
        build([pair("k", ARRAY, array(ARRAY, 1, array(U8, 0)))]),
        "within an array",
    ),
    "arrays all the way": (
        build([pair("k", ARRAY, array(ARRAY, 1 << 60, array(ARRAY, 1 << 60)))]),
        "within an array",
    ),
    "array of no type": (build([pair("k", ARRAY, array(77, 1))]), "unknown type 77"),
    "value of no type": (build([pair("k", 13, u32(0))]), "unknown type 13"),
    "key twice": (build(of(pair("k", U32, u32(1)), pair("k", U32, u32(2)))), "twice"),
    "architecture twice": (build([*SHAPE, SHAPE[0]]), "twice"),
    "array and key of one name": (
        build(of(pair("k", U32, u32(1)), pair("k", ARRAY, array(U8, 0)))),
        "twice",
    ),
    "long key": (build([u64(1 << 62) + b"k"]), "bytes, more than"),
    "key of 2^16": (build([pair("k" * (1 << 16), U32, u32(1))]), "more than 65535"),
    "long value": (build([text("k") + u32(TEXT) + u64(1 << 61)]), "bytes, more than"),
    "long string in an array": (
        build([pair("k", ARRAY, array(TEXT, 3, u64((1 << 64) - 8)))]),
        "ends within",
    ),
    "much text": (
        build([pair(f"k{n}", TEXT, text(b"x" * (1 << 20))) for n in range(9)]),
        "bytes of text",
    ),
    "key not UTF-8": (build([pair(b"\xff\xfe", U32, u32(1))]), "not UTF-8"),
    "value not UTF-8": (build([pair("k", TEXT, text(b"\xc3("))]), "not UTF-8"),
    **{
        f"alignment {value}": (
            build(of(pair("general.alignment", U32, u32(value)))),
            "power of two",
        )
        for value in (0, 3, 24, 33, (1 << 32) - 1, 1 << 31)
    },
    "alignment is text": (build(of(pair("general.alignment", TEXT, text("32")))), "power of two"),
    "no dimensions": (build(weights=[weight(shape=())]), "0 dimensions"),
    "five dimensions": (build(weights=[weight(shape=(1,) * 5)]), "5 dimensions"),
    "2^31 dimensions": (build(weights=[text("w") + u32(1 << 31)]), "dimensions"),
    "an empty weight": (build(weights=[weight(shape=(0, 4))]), "impossible shape"),
    "a weight of 2^63": (build(weights=[weight(shape=(1 << 63,))]), "impossible shape"),
    "sizes that overflow": (build(weights=[weight(shape=(1 << 32, 1 << 32, 1))]), "impossible"),
    "half a block": (build(weights=[weight(shape=(33,), kind=8)]), "impossible shape"),
    "type unknown": (build(weights=[weight(kind=999)]), "unknown type 999"),
    "type withdrawn": (build(weights=[weight(kind=4)]), "unknown type 4"),
    "beyond the end": (build(weights=[weight(offset=1 << 40)]), "truncated"),
    "offset of 2^64": (build(weights=[weight(offset=(1 << 64) - 32)]), "truncated"),
    "not aligned": (build(weights=[weight(shape=(1,), offset=4)]), "not aligned"),
    "overlap": (build(weights=[weight("a"), weight("b", offset=96)]), "overlaps"),
    "same place": (build(weights=[weight("a"), weight("b")]), "overlaps"),
    "same name": (
        build(weights=[weight("a"), weight("a", offset=128)], data=bytes(256)),
        "one name",
    ),
    "long name": (build(weights=[weight("w" * 64)]), "tensor name"),
    "no weights": (build(weights=[]), "no weights"),
    "data cut": (build(data=bytes(127)), "truncated: 1 bytes"),
    "no data": (build(data=b""), "truncated: 128 bytes"),
    "no architecture": (build(of(without="general.architecture")), "does not say its architecture"),
    "architecture is a number": (
        build([pair("general.architecture", U32, u32(1)), *SHAPE[1:]]),
        "does not say its architecture",
    ),
    "unknown architecture": (
        build([pair("general.architecture", TEXT, text("\x1b[31mevil\n" * 99)), *SHAPE[1:]]),
        "cannot run here",
    ),
    "an encoder": (build([pair("general.architecture", TEXT, text("bert")), *SHAPE[1:]]), "'bert'"),
    "no context": (build(of(without="context_length")), "context_length"),
    "no layers": (build(of(without="block_count")), "block_count"),
    "layers are text": (
        build(of(pair("qwen2.block_count", TEXT, text("2")), without="block_count")),
        "block_count",
    ),
    "negative layers": (
        build(of(pair("qwen2.block_count", I32, struct.pack("<i", -1)), without="block_count")),
        "block_count",
    ),
}


@pytest.mark.parametrize(("content", "words"), NO_MODELS.values(), ids=NO_MODELS)
def test_e1_what_is_no_model_says_what_it_is(save, content, words):
    check_rejected(save(content), words)


@pytest.mark.parametrize(("content", "words"), MALICIOUS.values(), ids=MALICIOUS)
def test_e2_a_malicious_file_is_refused_in_50_ms_and_50_mb(save, content, words):
    path = save(content)
    check_rejected(path, words)
    started = time.thread_time()  # again, without the memory tracer
    with pytest.raises(ModelRejected):
        read_header(path)
    assert time.thread_time() - started < LIMIT_S


def test_e1_paths_that_are_no_files(tmp_path):
    check_rejected(tmp_path, "is a directory")
    check_rejected(tmp_path / "missing.gguf", "no such file", error=ModelNotFound)
    check_rejected(tmp_path / "missing" / "m.gguf", "no such file", error=ModelNotFound)
    check_rejected(tmp_path / ("x" * 300) / "m.gguf", "too long")


@pytest.mark.skipif(os.name == "nt", reason="POSIX files")
def test_i6_a_pipe_a_device_and_a_socket_never_block(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        monkeypatch.chdir(tmp_path)  # socket paths are short
        listener.bind("socket")
        check_rejected(tmp_path / "socket", "not a regular file")
    check_rejected(tmp_path / "pipe", "not a regular file")
    check_rejected(Path("/dev/zero"), "not a regular file")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    check_rejected(tmp_path / "loop")


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root reads everything")
def test_i6_a_file_we_may_not_read(save):
    path = save(build())
    path.chmod(0)
    check_rejected(path, "Permission denied")


@pytest.mark.skipif(os.name == "nt", reason="Windows allows no such names")
def test_a_name_with_control_characters_stays_one_line(save):
    path = save(b"", name="line\nbreak.gguf")
    with pytest.raises(ModelRejected) as raised:
        read_header(path)
    assert str(raised.value).isprintable()


# Models in several files


def part(number, count):
    split = [
        pair("split.no", 2, struct.pack("<H", number)),
        pair("split.count", 2, struct.pack("<H", count)),
    ]
    return build(of(*split))


def test_a_model_in_parts_is_read_from_its_first(save):
    first = save(part(0, 2), "m-00001-of-00002.gguf")
    check_rejected(first, "m-00002-of-00002.gguf is missing")
    second = save(part(1, 2), "m-00002-of-00002.gguf")
    assert read_header(first).split_count == 2
    check_rejected(second, "part 2 of 2", "give the first part, m-00001-of-00002.gguf")
    check_rejected(save(part(0, 2), "renamed.gguf"), "another name")
    check_rejected(save(part(0, 3), "x-00001-of-00002.gguf"), "another name")


# Whatever a file holds


@pytest.fixture(scope="module")
def tiny_header(tmp_path_factory):
    path = write_tiny(tmp_path_factory.mktemp("gguf") / "tiny.gguf")
    header = read_header(path)
    return path.read_bytes(), header.data_offset


FLIPS = st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(1, 255)), max_size=8)


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(flips=FLIPS, cut=st.none() | st.floats(0, 1))
def test_e2_no_change_of_bytes_gives_anything_but_an_answer(tiny_header, tmp_path, flips, cut):
    """Flips in the header, and a cut anywhere: a header or ModelRejected, never more."""
    content, header_bytes = tiny_header
    spoilt = bytearray(content)
    for where, mask in flips:
        spoilt[int(where * header_bytes)] ^= mask
    if cut is not None:
        spoilt = spoilt[: int(cut * len(spoilt))]
    target = tmp_path / "spoilt.gguf"
    target.write_bytes(spoilt)
    started = time.thread_time()
    try:
        header = read_header(target)
    except ModelRejected:
        header = None  # any other error fails the test
    if header is not None:
        assert header.file_bytes == len(content)
    assert time.thread_time() - started < 10 * LIMIT_S


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(rest=st.binary(max_size=400), counts=st.tuples(*[st.integers(0, 20)] * 2))
def test_e2_random_bytes_after_a_sound_start(tmp_path, rest, counts):
    target = tmp_path / "random.gguf"
    target.write_bytes(b"GGUF" + u32(3) + u64(counts[0]) + u64(counts[1]) + rest)
    with pytest.raises(ModelRejected):
        read_header(target)


def test_the_table_of_types_agrees_with_the_format(tmp_path):
    """Against the reference package: names, and bytes a block."""
    reference = pytest.importorskip("gguf")
    ours = {kind: tuple(entry) for kind, entry in gguf.TENSOR_TYPES.items()}
    known = {
        int(kind): (kind.name, *sizes)
        for kind, sizes in reference.GGML_QUANT_SIZES.items()
        if kind.name != "Q8_1"  # never in files; the package pads it otherwise
    }
    del ours[9]
    assert ours == known


def test_the_reader_needs_nothing_but_the_standard_library():
    """It stands in front of native code: it must not bring native code along."""
    code = (
        "import sys, engine.gguf; print(sorted({'numpy', 'gguf', 'xllamacpp'} & set(sys.modules)))"
    )
    root = str(Path(gguf.__file__).parents[1])
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "[]"


def test_headers_are_frozen(save):
    header = read_header(save(build()))
    with pytest.raises(AttributeError):
        header.version = 2
    with pytest.raises(TypeError):
        header.metadata["x"] = 1
    assert replace(header, version=2).version == 2
