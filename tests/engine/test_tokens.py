# SPDX-License-Identifier: Apache-2.0
"""The remembering tokeniser: right, bounded, and quick the second time."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from engine.fake import FakeEngine
from engine.tokens import Tokens

CODE = "".join(f"def function_{n}(a, b):\n    return a + b * {n}\n\n" for n in range(4000))


class Counting(FakeEngine):
    """Counts what reaches the engine."""

    def __init__(self):
        super().__init__(lambda _: ())
        self.asked = []

    def tokenize(self, text):
        self.asked.append(text)
        return super().tokenize(text)


class SpaceFirst(FakeEngine):
    """A space before everything, as SentencePiece vocabularies do it."""

    def __init__(self):
        super().__init__(lambda _: ())

    def tokenize(self, text):
        return super().tokenize(" " + text)


def test_what_was_counted_is_not_tokenised_again():
    engine = Counting()
    tokens = Tokens(engine)
    assert tokens.count(CODE) == len(CODE)
    asked = len(engine.asked)
    assert len(tokens.ids(CODE)) == len(CODE)
    assert len(engine.asked) == asked


def test_typing_at_the_end_asks_for_one_chunk():
    engine = Counting()
    tokens = Tokens(engine)
    tokens.ids(CODE)
    engine.asked.clear()
    tokens.ids(CODE + "x")
    assert len(engine.asked) <= 1
    assert sum(map(len, engine.asked)) < 1300


def test_E8_the_memory_is_bounded_and_holds_what_was_used_last():
    engine = Counting()
    tokens = Tokens(engine, remembered_bytes=50_000)
    for start in range(0, len(CODE), 600):
        tokens.ids(CODE[start : start + 600])
    assert 0 <= tokens._room_bytes < 5_000
    assert len(tokens._chunks) < 30
    engine.asked.clear()
    tokens.ids(CODE[start : start + 600])
    assert not engine.asked


def test_a_chunk_larger_than_the_memory_is_tokenised_all_the_same():
    tokens = Tokens(Counting(), remembered_bytes=1000)
    assert tokens.count("x" * 10_000) == 10_000
    assert tokens.count("x" * 10_000) == 10_000


@given(st.text(max_size=3000))
def test_a_vocabulary_that_puts_a_space_first_puts_none_into_the_text(text):
    """CodeLlama and Codestral: a space a chunk would stand in the code that the model sees."""
    ids = bytes(list(Tokens(SpaceFirst()).ids(text)))
    assert ids == text.encode("utf-8", errors="replace")
