# SPDX-License-Identifier: Apache-2.0
"""Writes small model files of 2023: random weights of a real shape, in the formats of that year.

In: a path and a family. Out: a file of some hundred KB that ctransformers loads. Its vocabulary has
every byte, a few words of code and, for StarCoder, the special tokens of holes. What it says is
noise that depends on the prompt.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import numpy as np

from engine import legacy_forms
from engine.legacy_forms import Form, sides

if TYPE_CHECKING:
    from pathlib import Path

WIDTH, HEADS, LAYERS, CONTEXT_TOKENS = 64, 4, 2, 256
ROTATED = WIDTH // HEADS
MULTIPLE = 32  # llama's inner width is rounded up to it
WEIGHT_SPREAD = 0.2  # wide enough that greedy output depends on the prompt
F32 = 0  # the type of a tensor
SPECIALS = (b"<|endoftext|>", b"<fim_prefix>", b"<fim_middle>", b"<fim_suffix>", b"<fim_pad>")
WORDS = (b"def", b" return", b" self", b"    ", b"import", b"  ", b"re", b"ret")
SPM = (b"<unk>", b"<s>", b"</s>")
FORMS = {form.family: form for form in legacy_forms.FORMS}
EVERY = ("starcoder", *FORMS, "gguf")  # "gguf": a llama in a GGUF file of version 1


def write(path: Path, family: str) -> Path:
    """A file of any of EVERY."""
    return write_gguf_v1(path) if family == "gguf" else write_ggml(path, family)


def vocabulary(family: str) -> list[bytes]:
    """The tokens of a family, in the form in which its files have them."""
    each = [bytes([byte]) for byte in range(256)]
    if family == "starcoder":
        return [*SPECIALS, *each, *WORDS]
    if family == "llama":
        return [*SPM, *each, *WORDS]
    if family == "replit":
        spaced = [word.replace(b" ", "▁".encode()) for word in WORDS]
        return [*SPM, *each, "▁".encode(), *spaced]
    if family == "mpt":  # as characters, one a byte
        return [b"<|endoftext|>", *(chr(byte).encode() for byte in range(256)), *WORDS]
    return [b"<|endoftext|>", *each, *WORDS]


def write_ggml(path: Path, family: str, *, magic: bytes = b"lmgg", seed: int = 1) -> Path:
    """A random model of a family. llama is written as ggjt, version 3."""
    form = FORMS["gpt2" if family == "starcoder" else family]
    tokens = vocabulary(family)
    numbers = _numbers(form, len(tokens))
    if family == "llama":
        magic = b"tjgg" + struct.pack("<I", 3)
    parts = [magic, *(_number(name, numbers[name]) for name in form.numbers)]
    if form.repeats_vocabulary:
        parts.append(struct.pack("<I", len(tokens)))
    for number, token in enumerate(tokens):
        parts.append(struct.pack("<I", len(token)) + token)
        if form.scores:
            parts.append(struct.pack("<f", -float(number)))
    content = b"".join(parts)
    draw = np.random.default_rng(seed)
    for name, shape in sides(form, numbers).items():
        if name != "model/lm_head":  # as in GPT-2's files: the embedding is used
            content += tensor(name, shape, draw, at=len(content) if family == "llama" else None)
    path.write_bytes(content)
    return path


def _numbers(form: Form, tokens: int) -> dict[str, int]:
    every = {
        "vocabulary": tokens,
        "context": CONTEXT_TOKENS,
        "width": WIDTH,
        "heads": HEADS,
        "layers": LAYERS,
        "rotated": ROTATED,
        "parallel": 1,
        "multiple": MULTIPLE,
        "alibi": 8,
        "clip": 0,
        "ftype": 0,
    }
    return {name: every[name] for name in form.numbers}


def _number(name: str, value: int) -> bytes:
    return struct.pack("<f" if name in {"alibi", "clip"} else "<I", value)


def tensor(
    name: str, shape: tuple[int, ...], draw: np.random.Generator, *, at: int | None = None
) -> bytes:
    """One tensor with its header; `at`: where it starts in a file whose data is aligned."""
    values = draw.normal(0.0, WEIGHT_SPREAD, shape[::-1]).astype("<f4")
    if len(shape) == 1:
        is_bias = name.endswith(("/b", "bias"))
        values = np.zeros(shape, "<f4") if is_bias else np.ones(shape, "<f4")
    raw = name.encode()
    header = struct.pack("<III", len(shape), len(raw), F32)
    header += struct.pack(f"<{len(shape)}I", *shape) + raw
    padding = b"" if at is None else bytes(-(at + len(header)) % 32)
    return header + padding + values.tobytes()


def write_gguf_v1(path: Path, *, seed: int = 1, **odd: str | int) -> Path:
    """A random LLaMA in a GGUF file of version 1; `odd` replaces metadata."""
    tokens = [*SPM, *(b"<0x%02X>" % byte for byte in range(256)), "▁<PRE>".encode()]
    tokens += ["▁<SUF>".encode(), "▁<MID>".encode(), "▁".encode(), *(b"r", b"e", b"re")]
    kinds = [2, 3, 3, *[6] * 256, *[1] * (len(tokens) - 259)]
    values: dict[str, str | int | float] = {
        "general.architecture": "llama",
        "llama.context_length": CONTEXT_TOKENS,
        "llama.embedding_length": WIDTH,
        "llama.feed_forward_length": 4 * WIDTH,
        "llama.block_count": LAYERS,
        "llama.attention.head_count": HEADS,
        "llama.rope.dimension_count": ROTATED,
        "llama.attention.layer_norm_rms_epsilon": 1e-5,
        "tokenizer.ggml.model": "llama",
    }
    values.update({key.replace("__", "."): value for key, value in odd.items()})
    pairs = [_pair(key, value) for key, value in values.items()]
    pairs.append(_array("tokenizer.ggml.tokens", 8, len(tokens), b"".join(map(_text, tokens))))
    scores = np.arange(0, -len(tokens), -1).astype("<f4")
    pairs.append(_array("tokenizer.ggml.scores", 6, len(tokens), scores.tobytes()))
    types = np.array(kinds, "<i4")
    pairs.append(_array("tokenizer.ggml.token_type", 5, len(tokens), types.tobytes()))
    infos, data = _llama_tensors(len(tokens), seed)
    content = b"GGUF" + struct.pack("<III", 1, len(infos), len(pairs))
    content += b"".join([*pairs, *infos])
    path.write_bytes(content + bytes(-len(content) % 32) + data)
    return path


def _llama_tensors(tokens: int, seed: int) -> tuple[list[bytes], bytes]:
    shapes = {"token_embd.weight": (WIDTH, tokens), "output_norm.weight": (WIDTH,)}
    shapes["output.weight"] = (WIDTH, tokens)
    for layer in range(LAYERS):
        own = {"attn_norm": (WIDTH,), "ffn_norm": (WIDTH,), "ffn_down": (4 * WIDTH, WIDTH)}
        own |= dict.fromkeys(("attn_q", "attn_k", "attn_v", "attn_output"), (WIDTH, WIDTH))
        own |= dict.fromkeys(("ffn_gate", "ffn_up"), (WIDTH, 4 * WIDTH))
        shapes |= {f"blk.{layer}.{name}.weight": shape for name, shape in own.items()}
    draw, infos, data = np.random.default_rng(seed), [], b""
    for name, shape in shapes.items():
        head = _text(name.encode()) + struct.pack("<I", len(shape))
        infos.append(head + struct.pack(f"<{len(shape)}IIQ", *shape, F32, len(data)))
        values = draw.normal(0.0, WEIGHT_SPREAD, shape[::-1]).astype("<f4")
        data += (np.ones(shape, "<f4") if len(shape) == 1 else values).tobytes()
    return infos, data


def _pair(key: str, value: str | float) -> bytes:
    head = _text(key.encode())
    if isinstance(value, str):
        return head + struct.pack("<I", 8) + _text(value.encode())
    if isinstance(value, float):
        return head + struct.pack("<If", 6, value)
    return head + struct.pack("<II", 4, value)


def _array(key: str, kind: int, count: int, items: bytes) -> bytes:
    return _text(key.encode()) + struct.pack("<III", 9, kind, count) + items


def _text(raw: bytes) -> bytes:
    return struct.pack("<I", len(raw)) + raw
