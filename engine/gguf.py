# SPDX-License-Identifier: Apache-2.0
"""Reads the header of a GGUF file and refuses bad ones before native code sees them.

In: a path from a user. Out: a frozen `Header`, or one line that says what is wrong and what to do.
Arrays are skipped, never loaded. This module does not know what the metadata means beyond a few
sizes, and a chat template is only a string to it.
"""

from __future__ import annotations

import os
import re
import stat
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, BinaryIO

from engine.gguf_reader import (
    ARRAY,
    FIX_FETCH,
    SCALARS,
    STRING,
    TENSOR_TYPES,
    U32,
    BadFile,
    Reader,
    one_line,
    shown,
)
from engine.types import ModelNotFound, ModelRejected

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

Scalar = int | float | bool | str

MAX_KEYS = 4096  # real files have 20 to 60
MAX_TENSORS = 1 << 14  # real files have up to about 2,000
MAX_KEY_BYTES = 65_535  # as in llama.cpp
MAX_TENSOR_NAME_BYTES = 63  # as in ggml
MAX_TEXT_BYTES = 1 << 20  # one string; the longest are chat templates of some 10 KB
MAX_DIMENSIONS = 4
MAX_ALIGNMENT = 1 << 16
MAX_TENSOR_BYTES = 1 << 42
DEFAULT_ALIGNMENT = 32

FIX_OTHER = "see `ghostwright models list` for models that work"

SUPPORTED_ARCHITECTURES: Mapping[str, str] = MappingProxyType(
    {
        "qwen2": "Qwen2.5-Coder, the starter models",
        "qwen2moe": "Qwen1.5/2 MoE, and upcycled files of our tests",
        "qwen3": "Qwen3 dense",
        "qwen3moe": "Qwen3-Coder 30B-A3B and 480B-A35B, Qwen3 235B-A22B",
        "qwen3next": "Qwen3-Coder-Next",
        "qwen35": "Qwen3.5 dense",
        "qwen35moe": "Qwen3.5 MoE",
        "deepseek2": "Kimi K2, DeepSeek-Coder-V2",
        "llama": "CodeLlama, DeepSeek-Coder V1, Codestral and most converted dense models",
        "starcoder": "StarCoder",
        "starcoder2": "StarCoder2",
        "gemma": "CodeGemma",
        "gemma2": "Gemma 2",
        "gemma3": "Gemma 3",
        "granite": "Granite Code",
        "granitemoe": "Granite MoE",
    }
)

_MAGIC = b"GGUF"
_VERSIONS = (2, 3)
_OLD_MAGICS = (b"lmgg", b"fmgg", b"tjgg", b"algg")  # ggml, ggmf, ggjt, ggla as little-endian words
_PART = re.compile(r"-(\d{5})-of-(\d{5})\.gguf$")


@dataclass(frozen=True, slots=True)
class Tensor:
    """One weight as the header describes it. `offset` counts from `Header.data_offset`."""

    name: str
    shape: tuple[int, ...]  # fastest dimension first, as in the file
    type: str
    offset: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Header:
    """What a GGUF file says of itself. Sizes in bytes, context in tokens."""

    path: Path
    version: int
    metadata: Mapping[str, Scalar]
    array_lengths: Mapping[str, int]
    tensors: tuple[Tensor, ...]
    alignment: int
    data_offset: int
    file_bytes: int

    @property
    def architecture(self) -> str:
        return str(self.metadata["general.architecture"])

    @property
    def name(self) -> str:
        return str(self.metadata.get("general.name", self.path.name))

    @property
    def tensor_count(self) -> int:
        return len(self.tensors)

    @property
    def split_count(self) -> int:
        """How many files the model is in; 1 for a model in one file."""
        return max(1, self._plain("split.count"))

    @property
    def context_length(self) -> int:
        return self.number("context_length")

    @property
    def block_count(self) -> int:
        return self.number("block_count")

    @property
    def embedding_length(self) -> int:
        return self.number("embedding_length")

    @property
    def head_count(self) -> int:
        return self.number("attention.head_count")

    @property
    def head_count_kv(self) -> int:
        """KV heads a layer. Where the file gives a list a layer: all heads, which is never less."""
        return self.number("attention.head_count_kv") or self.head_count

    @property
    def key_length(self) -> int:
        """Width of a key a head."""
        return self.number("attention.key_length") or self._head_width

    @property
    def value_length(self) -> int:
        """Width of a value a head."""
        return self.number("attention.value_length") or self._head_width

    @property
    def expert_count(self) -> int:
        """Experts a layer; 0 for a dense model."""
        return self.number("expert_count")

    @property
    def expert_used_count(self) -> int:
        return self.number("expert_used_count")

    @property
    def vocabulary_tokens(self) -> int:
        return self.array_lengths.get("tokenizer.ggml.tokens", 0)

    @property
    def _head_width(self) -> int:
        return self.embedding_length // max(1, self.head_count)

    def number(self, key: str) -> int:
        """A whole number of the architecture's own keys; 0 where there is none."""
        return max(0, self._plain(f"{self.architecture}.{key}"))

    def _plain(self, key: str) -> int:
        value = self.metadata.get(key, 0)
        return value if isinstance(value, int) else 0


def read_header(path: Path) -> Header:
    """Read and check the header of the model file at `path`.

    Raises ModelNotFound where there is no file, ModelRejected for everything that is not a whole
    model of an architecture we run. Never blocks, and runs nothing that the file contains.
    """
    header = read_any(path)
    try:
        _check_runnable(header)
    except BadFile as bad:
        raise ModelRejected(f"{one_line(str(path))}: {bad}") from None
    return header


def read_any(path: Path) -> Header:
    """The same for a file that need not be a model that runs: an adapter.

    Raises ModelNotFound, ModelRejected for what is no whole GGUF file.
    """
    try:
        with _opened(path) as (file, size):
            return _header(path, Reader(file, size), size)
    except BadFile as bad:
        raise ModelRejected(f"{one_line(str(path))}: {bad}") from None
    except FileNotFoundError:
        raise ModelNotFound(f"{one_line(str(path))}: no such file; {FIX_FETCH}") from None
    except OSError as error:
        reason = error.strerror or "cannot be read"
        raise ModelRejected(f"{one_line(str(path))}: {reason}; {FIX_FETCH}") from None


def model_tensors(header: Header) -> tuple[Tensor, ...]:
    """The tensors of all files of a model; a first part names only its own.

    Raises ModelRejected.
    """
    found = list(header.tensors)
    for path in _other_parts(header):
        try:
            with _opened(path) as (file, size):
                found += _header(path, Reader(file, size), size).tensors
        except (BadFile, OSError) as error:  # noqa: PERF203  a few parts, each named in its error
            raise ModelRejected(f"{one_line(str(path))}: {one_line(str(error))}") from None
    return tuple(found)


@contextmanager
def _opened(path: Path) -> Iterator[tuple[BinaryIO, int]]:
    """A regular file and its size. A pipe or device is refused unopened, or at least unread."""
    _regular_bytes(path.stat())
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    with open(os.open(path, flags), "rb", buffering=0) as file:  # noqa: PTH123  an open descriptor
        yield file, _regular_bytes(os.fstat(file.fileno()))


def _regular_bytes(found: os.stat_result) -> int:
    if stat.S_ISDIR(found.st_mode):
        raise BadFile("is a directory", "give the path of the GGUF file in it")
    if not stat.S_ISREG(found.st_mode):
        raise BadFile("is not a regular file", "give the path of a GGUF file")
    if found.st_size == 0:
        raise BadFile("is empty")
    return found.st_size


def _header(path: Path, reader: Reader, size: int) -> Header:
    version = _version(reader)
    tensor_count = _limited(reader.count(), MAX_TENSORS, "tensors")
    key_count = _limited(reader.count(), MAX_KEYS, "metadata keys")
    metadata, lengths = _metadata(reader, key_count)
    alignment = _alignment(metadata)
    tensors = tuple(_tensor(reader) for _ in range(tensor_count))
    data_offset = -(-reader.position // alignment) * alignment
    _check_layout(tensors, alignment, size - data_offset)
    return Header(
        path=path,
        version=version,
        metadata=MappingProxyType(metadata),
        array_lengths=MappingProxyType(lengths),
        tensors=tensors,
        alignment=alignment,
        data_offset=data_offset,
        file_bytes=size,
    )


def _version(reader: Reader) -> int:
    _check_magic(reader.peek(512))
    reader.skip(len(_MAGIC))
    version = reader.count(U32)
    if version and version & 0xFFFF == 0:
        raise BadFile("is big-endian", "use a little-endian GGUF file")
    if version not in _VERSIONS:
        fix = "convert it with a recent llama.cpp"
        raise BadFile(f"has GGUF version {version}, not 2 or 3", fix)
    return version


def _check_magic(start: bytes) -> None:
    if start.startswith(_MAGIC):
        return
    if start[:4] in _OLD_MAGICS:
        raise BadFile(
            "is a GGML file of 2023, older than GGUF",
            "the legacy engine reads it: install ghostwright[ctransformers]",
        )
    text = start.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"<!doctype", b"<html", b"<?xml")):
        raise BadFile("is a web page, not a model (a sign-in or error page was saved)")
    if text.startswith(b"version https://git-lfs"):
        raise BadFile("is a Git LFS pointer, not the model", "run `git lfs pull` beside it")
    raise BadFile(f"is not a GGUF file (it starts with {start[:4].hex(' ')})")


def _limited(count: int, limit: int, what: str) -> int:
    if count > limit:
        raise BadFile(f"claims {count} {what}, more than {limit}")
    return count


def _metadata(reader: Reader, key_count: int) -> tuple[dict[str, Scalar], dict[str, int]]:
    scalars: dict[str, Scalar] = {}
    lengths: dict[str, int] = {}
    for _ in range(key_count):
        key = reader.text("key", MAX_KEY_BYTES)
        if key in scalars or key in lengths:
            raise BadFile(f"has the key {shown(key)} twice")
        kind = reader.count(U32)
        if kind == ARRAY:
            lengths[key] = _skip_array(reader, key)
        else:
            scalars[key] = _scalar(reader, kind, key)
    return scalars, lengths


def _scalar(reader: Reader, kind: int, key: str) -> Scalar:
    if kind == STRING:
        return reader.text("value", MAX_TEXT_BYTES)
    if kind not in SCALARS:
        raise BadFile(f"has an unknown type {kind} at the key {shown(key)}")
    return reader.value(SCALARS[kind])


def _skip_array(reader: Reader, key: str) -> int:
    kind, count = reader.count(U32), reader.count()
    if kind == ARRAY:
        raise BadFile(f"has an array within an array at the key {shown(key)}")
    if kind == STRING:
        reader.skip_strings(count)
    elif kind in SCALARS:
        reader.skip(count * SCALARS[kind].size)
    else:
        raise BadFile(f"has an unknown type {kind} at the key {shown(key)}")
    return count


def _alignment(metadata: Mapping[str, Scalar]) -> int:
    value = metadata.get("general.alignment", DEFAULT_ALIGNMENT)
    sound = isinstance(value, int) and 0 < value <= MAX_ALIGNMENT and value & (value - 1) == 0
    if not sound:
        raise BadFile(f"has the alignment {shown(str(value))}, not a power of two")
    return int(value)


def _tensor(reader: Reader) -> Tensor:
    name = reader.text("tensor name", MAX_TENSOR_NAME_BYTES)
    dimensions = reader.count(U32)
    if not 0 < dimensions <= MAX_DIMENSIONS:
        raise BadFile(f"has a tensor {shown(name)} of {dimensions} dimensions")
    shape = tuple(reader.count() for _ in range(dimensions))
    kind, offset = reader.count(U32), reader.count()
    if kind not in TENSOR_TYPES:
        raise BadFile(f"has a tensor {shown(name)} of unknown type {kind}", FIX_OTHER)
    type_name, block_elements, block_bytes = TENSOR_TYPES[kind]
    elements = 1
    for length in shape:
        elements *= length
    size = elements // block_elements * block_bytes
    if not elements or shape[0] % block_elements or size > MAX_TENSOR_BYTES:
        raise BadFile(f"has a tensor {shown(name)} of impossible shape")
    return Tensor(name, shape, type_name, offset, size)


def _check_layout(tensors: tuple[Tensor, ...], alignment: int, data_bytes: int) -> None:
    """Each tensor aligned, within the file and over no other. `data_bytes` may be negative."""
    if len({tensor.name for tensor in tensors}) != len(tensors):
        raise BadFile("has two tensors of one name")
    end = 0
    for tensor in sorted(tensors, key=lambda tensor: tensor.offset):
        if tensor.offset % alignment:
            raise BadFile(f"has a tensor {shown(tensor.name)} that is not aligned")
        if tensor.offset < end:
            raise BadFile(f"has a tensor {shown(tensor.name)} that overlaps another")
        end = tensor.offset + tensor.bytes
        if end > data_bytes:
            missing = end - data_bytes
            raise BadFile(f"is truncated: {missing} bytes or more are missing at its end")


def _check_runnable(header: Header) -> None:
    _check_parts(header)
    architecture = header.metadata.get("general.architecture")
    if not isinstance(architecture, str):
        raise BadFile("does not say its architecture")
    if architecture not in SUPPORTED_ARCHITECTURES:
        what = f"has the architecture {shown(architecture)}, which cannot run here"
        raise BadFile(what, FIX_OTHER)
    for key in ("context_length", "block_count", "embedding_length", "head_count"):
        if getattr(header, key) <= 0:
            raise BadFile(f"does not say its {key}")
    if not header.tensors and header.split_count == 1:
        raise BadFile("has no weights")


def _check_parts(header: Header) -> None:
    """A model in several files: this must be the first of them, with the others beside it."""
    count, number = header._plain("split.count"), header._plain("split.no")  # noqa: SLF001  ours
    if count <= 1:
        return
    named = _PART.search(header.path.name)
    if named is None or int(named.group(2)) != count:
        raise BadFile(
            f"is part {number + 1} of {count} under another name",
            f"name the parts NAME-00001-of-{count:05d}.gguf and so on",
        )
    first = f"{header.path.name[: named.start()]}-00001-of-{count:05d}.gguf"
    if number != 0 or header.path.name != first:
        what = f"is part {number + 1} of {count}"
        raise BadFile(what, f"give the first part, {one_line(first)}")
    for other in _other_parts(header):
        if not other.is_file():
            raise BadFile(f"is in {count} parts and {one_line(other.name)} is missing")


def _other_parts(header: Header) -> Iterator[Path]:
    """The files beside the first part of a model, in order; none for a model in one file."""
    count = header.split_count
    stem = _PART.sub("", header.path.name)
    for part in range(2, count + 1):
        yield header.path.with_name(f"{stem}-{part:05d}-of-{count:05d}.gguf")
