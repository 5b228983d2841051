# SPDX-License-Identifier: Apache-2.0
"""Reads the header of a GGUF file of version 1, whose counts and lengths have 32 bits.

In: an open file and its size. Out: what the legacy engine needs to know, or `BadFile`. Version 1
was written for a week of August 2023; of its families ctransformers builds LLaMA (and CodeLlama).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO

from engine.gguf import (
    MAX_DIMENSIONS,
    MAX_KEY_BYTES,
    MAX_KEYS,
    MAX_TENSOR_BYTES,
    MAX_TENSOR_NAME_BYTES,
    MAX_TENSORS,
    Scalar,
    Tensor,
    _alignment,
    _check_layout,
    _limited,
    _scalar,
)
from engine.gguf_reader import (
    ARRAY,
    MAX_ARRAY_STRINGS,
    SCALARS,
    STRING,
    TENSOR_TYPES,
    U32,
    U64,
    BadFile,
    Reader,
    shown,
)

if TYPE_CHECKING:
    import struct
    from collections.abc import Mapping

START = b"GGUF" + U32.pack(1)
LLAMA = "llama"  # the architecture, and the kind of its vocabulary
NEEDED = ("context_length", "embedding_length", "feed_forward_length", "block_count")
HEADS = "attention.head_count"
TOKENS, SCORES = "tokenizer.ggml.tokens", "tokenizer.ggml.scores"
KINDS = "tokenizer.ggml.token_type"
INT, FLOAT = 5, 6  # types of the format
MAX_NUMBER = 1 << 20
NATIVE_TYPES = frozenset(
    ("F32", "F16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K")
)
CACHE_BYTES = 2  # of a number in the cache of keys and values


@dataclass(frozen=True, slots=True)
class OldGguf:
    """What a header of version 1 says."""

    context_tokens: int
    vocabulary: tuple[bytes, ...]
    cache_token_bytes: int


class NarrowReader(Reader):
    """A header whose counts and lengths have 32 bits."""

    def count(self, form: struct.Struct = U32) -> int:
        return int(self.value(form))

    def raw(self, length: int) -> bytes:
        self._fill(length)
        found = self._window[self._at : self._at + length]
        self.skip(length)
        return found


@dataclass(slots=True)
class _Values:
    """The metadata. Of arrays: what they hold and how many; only the vocabulary is kept."""

    scalars: dict[str, Scalar] = field(default_factory=dict)
    arrays: dict[str, tuple[int, int]] = field(default_factory=dict)
    vocabulary: tuple[bytes, ...] = ()


def read(file: BinaryIO, size: int, instead: str) -> OldGguf:
    """Check a header. Raises BadFile; `instead` says what to use."""
    reader = NarrowReader(file, size)
    reader.skip(len(START))
    tensor_count = _limited(reader.count(), MAX_TENSORS, "tensors")
    key_count = _limited(reader.count(), MAX_KEYS, "metadata keys")
    found = _values(reader, key_count)
    values = found.scalars
    _check_family(values, instead)
    _check_vocabulary(found, instead)
    numbers = {key: _number(values, key, instead) for key in (*NEEDED, HEADS)}
    if numbers["embedding_length"] % (2 * numbers[HEADS]):  # a head is rotated in pairs
        raise BadFile(f"has {numbers[HEADS]} heads for its width", instead)
    tensors = tuple(_tensor(reader) for _ in range(tensor_count))
    alignment = _alignment(values)
    data = -(-reader.position // alignment) * alignment
    _check_layout(tensors, alignment, size - data)
    if odd := {tensor.type for tensor in tensors} - NATIVE_TYPES:
        raise BadFile(f"has weights of type {odd.pop()}", instead)
    cache = 2 * CACHE_BYTES * numbers["block_count"] * numbers["embedding_length"]
    return OldGguf(numbers["context_length"], found.vocabulary, cache)


def _values(reader: NarrowReader, key_count: int) -> _Values:
    found = _Values()
    for _ in range(key_count):
        key = reader.text("key", MAX_KEY_BYTES)
        if key in found.scalars or key in found.arrays:
            raise BadFile(f"has the key {shown(key)} twice")
        kind = reader.count()
        if kind == ARRAY:
            _add_array(reader, found, key)
        else:
            found.scalars[key] = _scalar(reader, kind, key)
    return found


def _add_array(reader: NarrowReader, found: _Values, key: str) -> None:
    kind, count = reader.count(), reader.count()
    found.arrays[key] = (kind, count)
    if kind in SCALARS:
        reader.skip(count * SCALARS[kind].size)
    elif kind != STRING:
        raise BadFile(f"has an unknown type {kind} at the key {shown(key)}")
    elif key != TOKENS:
        raise BadFile(f"has texts at the key {shown(key)}, which LLaMA's files have not")
    else:
        _limited(count, MAX_ARRAY_STRINGS, "tokens")
        found.vocabulary = tuple(reader.raw(reader.count()) for _ in range(count))


def _check_family(values: Mapping[str, object], instead: str) -> None:
    architecture = str(values.get("general.architecture", ""))
    if architecture != LLAMA:
        raise BadFile(f"has the architecture {shown(architecture)} in GGUF version 1", instead)
    if values.get(f"{LLAMA}.expert_count"):
        raise BadFile("is a mixture of experts, which the legacy engine cannot run", instead)
    if values.get("tokenizer.ggml.model") != LLAMA:
        raise BadFile("has a vocabulary that is not LLaMA's", instead)


def _number(values: Mapping[str, object], key: str, instead: str) -> int:
    value = values.get(f"{LLAMA}.{key}")
    if not isinstance(value, int) or not 0 < value <= MAX_NUMBER:
        raise BadFile(f"does not say its {key}", instead)
    return value


def _check_vocabulary(found: _Values, instead: str) -> None:
    """The loader takes scores and types by a token's number, and needs that of a line break."""
    count = len(found.vocabulary)
    wanted = {TOKENS: (STRING, count), SCORES: (FLOAT, count), KINDS: (INT, count)}
    if not count or any(found.arrays.get(key) != what for key, what in wanted.items()):
        raise BadFile("has a vocabulary without a score and a type for each token", instead)
    bytes_of_text = {b"<0x%02X>" % byte for byte in range(256)}
    if not bytes_of_text <= set(found.vocabulary):
        raise BadFile("has a vocabulary without a token for each byte", instead)


def _tensor(reader: NarrowReader) -> Tensor:
    name = reader.text("tensor name", MAX_TENSOR_NAME_BYTES)
    dimensions = reader.count()
    if not 0 < dimensions <= MAX_DIMENSIONS:
        raise BadFile(f"has a tensor {shown(name)} of {dimensions} dimensions")
    shape = tuple(reader.count() for _ in range(dimensions))
    kind, offset = reader.count(), reader.count(U64)
    if kind not in TENSOR_TYPES:
        raise BadFile(f"has a tensor {shown(name)} of unknown type {kind}")
    type_name, block_elements, block_bytes = TENSOR_TYPES[kind]
    elements = 1
    for length in shape:
        elements *= length
    size = elements // block_elements * block_bytes
    if not elements or shape[0] % block_elements or size > MAX_TENSOR_BYTES:
        raise BadFile(f"has a tensor {shown(name)} of impossible shape")
    return Tensor(name, shape, type_name, offset, size)
