# SPDX-License-Identifier: Apache-2.0
"""Walks a model file of 2023 from end to end before native code sees it.

In: the path of a GGML file (`ggml`, `ggmf`, `ggjt`) or of a GGUF file of version 1. Out: a frozen
`LegacyFile`, or one line that says what is wrong and what to do instead. The loaders of that year
trust their file: a size that is wrong there is a write outside of memory, so every number, name,
shape and the end of the file are checked here. Weights are skipped, never read.
"""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, cast

from engine import legacy_gguf
from engine.gguf import _opened as opened
from engine.gguf_reader import TENSOR_TYPES, U32, BadFile, one_line, shown
from engine.legacy_forms import FAMILIES, FORMS, GPT2, GPTJ, GPTNEOX, LLAMA, Form, optional, sides
from engine.types import ModelNotFound, ModelRejected

if TYPE_CHECKING:
    from pathlib import Path

INSTEAD = "use a GGUF file of version 2 or 3 with the default engine, see `ghostwright models list`"
MAGICS = {b"lmgg": "ggml", b"fmgg": "ggmf", b"tjgg": "ggjt", b"algg": "ggla"}  # as stored
VERSIONS = {"ggml": (0,), "ggmf": (1,), "ggjt": (1, 2, 3)}
LLAMA_CONTEXT_TOKENS = 2048  # its GGML header does not say: that of the first LLaMA
PACKED = (2, 3, 6, 7, 8, 10, 11, 12, 13, 14)  # types of weights in blocks that the loaders know
PLAIN = (0, 1)  # F32, F16
FTYPES = (0, 1, 2, 3, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18)
QUANTISATION_FACTOR, QUANTISATION_VERSION = 1000, 2  # version * 1000 + kind, in one number
FIXED_CONTEXT = (GPT2, GPTJ, GPTNEOX)  # families whose loaders take the window of the file
STARCODER = b"<fim_prefix>"

MAX_NUMBERS = {  # twice the largest of that year, or more
    "vocabulary": 1 << 19,
    "context": 1 << 16,
    "width": 1 << 14,
    "heads": 1 << 8,
    "layers": 1 << 8,
    "rotated": 1 << 10,
    "multiple": 1 << 16,
}
MAX_TOKEN_BYTES = 1024
MAX_NAME_BYTES = 63
MAX_ELEMENTS = (1 << 31) - 1  # the loaders count in 32 bits
BLOCK_BYTES = 1 << 16  # of the file at a time


@dataclass(frozen=True, slots=True)
class LegacyFile:
    """What a file of 2023 says of itself."""

    path: Path
    family: str  # as ctransformers calls it
    context_tokens: int
    fixed_context: bool  # it is part of the weights or of the header
    vocabulary: tuple[bytes, ...]
    file_bytes: int
    cache_token_bytes: int  # keys and values of one token


def is_legacy(path: Path) -> bool:
    """Whether it is a file that only the legacy engine may read. False where it cannot be told."""
    try:
        with opened(path) as (file, _):
            start = file.read(8)
    except (BadFile, OSError):
        return False
    return start[:4] in MAGICS or start == legacy_gguf.START


def read(path: Path) -> LegacyFile:
    """Walk the file at `path`. Raises ModelNotFound, ModelRejected."""
    try:
        with opened(path) as (file, size):
            return _read(path, file, size)
    except FileNotFoundError:
        raise ModelNotFound(f"{one_line(str(path))}: no such file") from None
    except (BadFile, OSError) as error:
        raise ModelRejected(f"{one_line(str(path))}: {one_line(str(error))}") from None


class _Scan:
    """A walk over a file. Asks for no byte past its end."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        # Opened without a buffer it is a raw file, whatever its type is called.
        self._file = io.BufferedReader(cast("io.RawIOBase", file), BLOCK_BYTES)
        self.size, self.at = size, 0
        self.passed = 0  # checks, so far

    def raw(self, count: int) -> bytes:
        self._check(count)
        found = self._file.read(count)
        if len(found) != count:
            raise BadFile(f"ends at byte {self.at + len(found)}", INSTEAD)
        return found

    def number(self) -> int:
        return int(U32.unpack(self.raw(U32.size))[0])

    def skip(self, count: int) -> None:
        self._check(count)
        self._file.seek(self.at)

    def release(self) -> None:
        """Leave the file open, for the next walk."""
        self._file.detach()

    def _check(self, count: int) -> None:
        if self.at + count > self.size:
            missing = self.at + count - self.size
            raise BadFile(f"is truncated: {missing} bytes or more are missing at its end", INSTEAD)
        self.at += count


def _read(path: Path, file: BinaryIO, size: int) -> LegacyFile:
    start = file.read(8)
    if start == legacy_gguf.START:
        file.seek(0)
        found = legacy_gguf.read(file, size, INSTEAD)
        cache = found.cache_token_bytes
        return LegacyFile(path, "gguf", found.context_tokens, False, found.vocabulary, size, cache)
    kind = MAGICS.get(start[:4], "")
    if kind == "ggla":
        raise BadFile("is a LoRA adapter of 2023, not a model", INSTEAD)
    if not kind:
        raise BadFile("is no file of 2023", INSTEAD)
    version = int(U32.unpack(start[4:])[0]) if kind != "ggml" and len(start) == 8 else 0  # noqa: PLR2004  two words
    if version not in VERSIONS[kind]:
        raise BadFile(f"has {kind} version {version}, which no engine here reads", INSTEAD)
    return _first_that_fits(path, file, size, kind, version)


def _first_that_fits(path: Path, file: BinaryIO, size: int, kind: str, version: int) -> LegacyFile:
    """The family whose form the whole file has; else what is wrong by the form that went furthest.

    Only llama was ever stored under the other magics.
    """
    furthest, wrong = -1, BadFile("")
    for form in FORMS if kind == "ggml" else (LLAMA,):
        file.seek(0)
        scan = _Scan(file, size)
        try:
            return _walk(path, scan, form, kind, version)
        except BadFile as bad:
            if scan.passed > furthest:
                furthest, wrong = scan.passed, bad
        finally:
            scan.release()
    raise wrong


def _walk(path: Path, scan: _Scan, form: Form, kind: str, version: int) -> LegacyFile:
    scan.skip(4 if kind == "ggml" else 8)
    numbers = {name: scan.number() for name in form.numbers}
    _check_numbers(numbers, form)
    scan.passed += 1
    _check_ftype(numbers["ftype"], form, kind, version)
    scan.passed += 1
    if form.repeats_vocabulary and scan.number() != numbers["vocabulary"]:
        raise BadFile("gives two sizes of its vocabulary", INSTEAD)
    vocabulary = _vocabulary(scan, form, numbers["vocabulary"])
    scan.passed += 1
    _tensors(scan, form, numbers, aligned=kind == "ggjt")
    family = form.family
    if form is GPT2 and STARCODER in vocabulary:
        family = "starcoder"
    if form is LLAMA and "▁<PRE>".encode() in vocabulary:
        what = "is a CodeLlama in a GGML file, whose positions ctransformers cannot set"
        raise BadFile(what, INSTEAD)
    context = numbers.get("context", LLAMA_CONTEXT_TOKENS)
    cache = 2 * numbers["layers"] * numbers["width"] * form.cache_bytes
    fixed = form in FIXED_CONTEXT
    return LegacyFile(path, family, context, fixed, vocabulary, scan.size, cache)


def _check_numbers(numbers: dict[str, int], form: Form) -> None:
    for name, most in MAX_NUMBERS.items():
        if not 0 < numbers.get(name, 1) <= most:
            what = f"has {name} {numbers[name]}, or is of no family that is read: {FAMILIES}"
            raise BadFile(what, INSTEAD)
    width, layers, heads = numbers["width"], numbers["layers"], numbers["heads"]
    head = width // heads
    rotated = numbers.get("rotated", 2)
    # What is rotated goes in pairs; llama rotates whole heads; two families crash with one head.
    whole = form is not LLAMA or rotated == head
    if heads == 1 or width % heads or rotated > head or rotated % 2 or not whole:
        raise BadFile(f"has {heads} heads for a width of {width}, {rotated} rotated", INSTEAD)
    context = numbers["context"] if form in FIXED_CONTEXT else 1  # else the engine limits it
    if max(4 * width, numbers["vocabulary"], layers * context) * width > MAX_ELEMENTS:
        raise BadFile("has numbers that together are too large", INSTEAD)


def _check_ftype(ftype: int, form: Form, kind: str, version: int) -> None:
    """Quantised weights changed their layout twice in 2023; only the last is still read."""
    quantised = ftype % QUANTISATION_FACTOR > max(PLAIN)
    if ftype % QUANTISATION_FACTOR not in FTYPES:
        raise BadFile(f"has weights of the unknown kind {ftype}", INSTEAD)
    if form is LLAMA:
        last = kind == "ggjt" and version == VERSIONS["ggjt"][-1]
    else:
        last = ftype // QUANTISATION_FACTOR == QUANTISATION_VERSION
    if quantised and not last:
        raise BadFile("is quantised in a format that was given up in May 2023", INSTEAD)


def _vocabulary(scan: _Scan, form: Form, count: int) -> tuple[bytes, ...]:
    found = []
    for _ in range(count):
        length = scan.number()
        if length > MAX_TOKEN_BYTES:
            raise BadFile(f"has a token of {length} bytes, more than {MAX_TOKEN_BYTES}", INSTEAD)
        found.append(scan.raw(length))
        if form.scores:
            scan.skip(struct.calcsize("<f"))
    if form.family == "mpt":
        return tuple(map(_bytes_of_characters, found))
    return tuple(found)


def _bytes_of_characters(token: bytes) -> bytes:
    """MPT's loader takes each character for one byte; what is no UTF-8 makes it end the process."""
    try:
        return bytes(ord(char) & 0xFF for char in token.decode())
    except UnicodeDecodeError:
        raise BadFile("has a token that is not UTF-8", INSTEAD) from None


def _tensors(scan: _Scan, form: Form, numbers: dict[str, int], *, aligned: bool) -> None:
    """Up to the end of the file: each once, of its shape, none missing."""
    expected = sides(form, numbers)
    while scan.at < scan.size:
        dimensions, length, kind = scan.number(), scan.number(), scan.number()
        if dimensions not in {1, 2} or not 0 < length <= MAX_NAME_BYTES:
            what = f"has a tensor of {dimensions} dimensions with a name of {length} bytes"
            raise BadFile(what, INSTEAD)
        shape = tuple(scan.number() for _ in range(dimensions))
        name = scan.raw(length).decode(errors="replace")
        if expected.pop(name, None) != shape:
            what = f"has a tensor {shown(name)} that does not belong to {form.family}"
            raise BadFile(what, INSTEAD)
        if aligned:
            scan.skip(-scan.at % 32)
        scan.skip(_tensor_bytes(name, shape, kind))
        scan.passed += 1
    if missing := sorted(expected.keys() - optional(form)):
        raise BadFile(f"has no tensor {shown(missing[0])}", INSTEAD)


def _tensor_bytes(name: str, shape: tuple[int, ...], kind: int) -> int:
    if kind not in (*PLAIN, *PACKED) or (len(shape) == 1 and kind != 0):
        raise BadFile(f"has a tensor {shown(name)} of the wrong type {kind}", INSTEAD)
    _, block_elements, block_bytes = TENSOR_TYPES[kind]
    if shape[0] % block_elements:
        raise BadFile(f"has a tensor {shown(name)} of impossible shape", INSTEAD)
    elements = shape[0] * (shape[1] if len(shape) > 1 else 1)
    return elements // block_elements * block_bytes
