# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: E501  a table of code, a row a text
"""Token estimates without a model: cases counted once with Qwen2.5's tokeniser, and speed."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import engine
from engine.estimate import estimate_tokens

SOURCES = "".join(p.read_text(encoding="utf-8") for p in Path(engine.__file__).parent.glob("*.py"))
LEAST_MB_PER_CPU_S = 2.0  # 6 on a busy machine; a pattern that backtracks falls far below

# text, what Qwen2.5's tokeniser makes of it
COUNTED = [
    ("def add(first, second):\n    return first + second\n", 12),
    (
        "    def __init__(self, request, *args, **kwargs):\n        super().__init__(*args, **kwargs)\n        self.request = request\n",
        31,
    ),
    (
        "const observer = new Subscriber<T>({\n  next: (value) => this.buffer.push(value),\n  error: reject,\n});\n",
        25,
    ),
    (
        "pub fn from_bytes(bytes: &[u8]) -> Result<Self, Utf8Error> {\n    let text = std::str::from_utf8(bytes)?;\n    Ok(Self::new(text))\n}\n",
        40,
    ),
    (
        "func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {\n\tif err := s.handle(w, r); err != nil {\n\t\thttp.Error(w, err.Error(), 500)\n\t}\n}\n",
        47,
    ),
    (
        'public static void main(String[] args) throws IOException {\n    System.out.println("Hello, world");\n}\n',
        21,
    ),
    (
        "#define MAX_BUFFER_SIZE 4096\nstatic int read_all(int fd, char *buffer, size_t count);\n",
        25,
    ),
    (
        "# ------------------------------------------------------------------\n# Names, and where they come from.\n",
        12,
    ),
    ("The quick brown fox doesn't jump over the lazy dog, and we'll see why.\n", 18),
    ("MAGIC = 0xDEADBEEF, 123456789, 3.14159265358979\n", 39),
    ("SELECT name, COUNT(*) FROM users WHERE created_at > '2024-01-01' GROUP BY name;\n", 27),
]


@pytest.mark.parametrize(("text", "true"), COUNTED, ids=[row[0][:16] for row in COUNTED])
def test_an_estimate_is_near_the_count(text, true):
    assert 0.85 * true <= estimate_tokens(text) <= 1.25 * true + 1


def test_nothing_has_no_tokens_and_anything_has_one():
    assert estimate_tokens("") == 0
    assert estimate_tokens("x") == 1


ASCII = st.text(st.characters(max_codepoint=127))


@given(ASCII, ASCII)
def test_more_text_never_has_much_less(text, more):
    assert estimate_tokens(text + more) >= estimate_tokens(text) - 2


@pytest.mark.parametrize(
    "text",
    [
        SOURCES * 3,
        "x" * 500_000,
        " " * 500_000,
        "\n" * 500_000,
        "=" * 500_000,
        "日本" * 100_000,
        "\ud800" * 100_000,
        "0123456789abcdef" * 30_000,
    ],
    ids=["code", "letters", "blanks", "lines", "signs", "kanji", "surrogates", "hex"],
)
def test_no_text_makes_it_slow(text):
    started = time.process_time()
    estimate_tokens(text)
    took = time.process_time() - started
    assert len(text) / 1e6 / took > LEAST_MB_PER_CPU_S
