# SPDX-License-Identifier: Apache-2.0
"""Unsaved texts: patched at every key, read whole when the user pauses."""

from __future__ import annotations

import random
import threading
from typing import TYPE_CHECKING

import pytest
from test_patch import LONG, check_spans, edited

from indexer import overlays
from indexer.index import Index
from indexer.overlays import Overlays
from indexer.parse import NOTHING_AROUND, extract, extract_bytes
from indexer.workers import Result

if TYPE_CHECKING:
    from collections.abc import Iterator

    from indexer.parse import Around


class Reader:
    """What workers do, in this process, with a note of how much was read."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.broken = False
        self.wait = threading.Event()
        self.wait.set()

    def __call__(self, language: str, data: bytes, around: Around | None) -> Result:
        self.wait.wait(10)
        self.sizes.append(len(data))
        blob = None if self.broken else extract_bytes(language, data, around or NOTHING_AROUND)
        fields = {"path": "", "language": language, "digest": "", "size": len(data)}
        return Result(**fields, record=blob, reason="takes too long" if self.broken else "")


@pytest.fixture
def reader() -> Reader:
    return Reader()


@pytest.fixture
def changed() -> list[str]:
    return []


@pytest.fixture
def texts(reader: Reader, changed: list[str]) -> Iterator[Overlays]:
    made = Overlays(reader, changed.append)
    yield made
    reader.wait.set()
    made.close()


def with_line(line: str) -> bytes:
    at = LONG.index("        return total", len(LONG) // 2)
    return (LONG[:at] + line + LONG[at:]).encode()


def test_a_key_in_a_long_text_reads_a_part_and_a_pause_reads_the_whole(
    texts: Overlays, reader: Reader, changed: list[str]
) -> None:
    texts.put("a.py", LONG.encode())
    old = texts.view
    for size in range(1, 30):
        texts.put("a.py", with_line("        " + "self.store.call(value)\n"[:size].rstrip() + "\n"))
    assert reader.sizes[0] == len(LONG) and max(reader.sizes[1:]) < len(LONG) / 4
    assert len(reader.sizes) <= 2 + 29  # the part before the edit is read once
    data = texts.view["a.py"].data
    assert texts.view["a.py"].record == extract("python", data)
    assert texts.wait(10) and reader.sizes[-1] == len(data)
    assert texts.view["a.py"].record == extract("python", data)
    assert changed == []  # it was so already
    assert old["a.py"].data == LONG.encode()


def test_P4_a_key_in_a_very_long_text_reads_nothing_and_a_pause_reads_the_whole(
    texts: Overlays, reader: Reader, changed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Danger: every key in a file of a megabyte takes 30 ms from the suggestion to come."""
    monkeypatch.setattr(overlays, "PATCHED_MAX_BYTES", len(LONG) // 2)
    monkeypatch.setattr(overlays, "QUIET_S", 60.0)
    assert texts.put("a.py", LONG.encode())
    for size in range(1, 30):
        data = with_line("        " + "self.store.call(value)\n"[:size].rstrip() + "\n")
        assert not texts.put("a.py", data)
    assert len(reader.sizes) == 1
    assert texts.view["a.py"].data == LONG.encode()  # with the record of just that
    assert texts.view["a.py"].record == extract("python", LONG.encode())
    assert texts.wait(10) and len(reader.sizes) == 2
    assert texts.view["a.py"].data == data
    assert texts.view["a.py"].record == extract("python", data)
    assert changed == ["a.py"]


def test_what_was_not_sure_is_right_after_a_pause(
    texts: Overlays, reader: Reader, changed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(overlays, "QUIET_S", 0.05)
    texts.put("a.py", LONG.encode())
    data = LONG.replace("import os\n", "import os\nfrom a import total\n").encode()
    texts.put("a.py", data)
    whole = extract("python", data)
    assert texts.view["a.py"].record != whole
    check_spans(texts.view["a.py"].record, data)
    assert texts.wait(10) and texts.view["a.py"].record == whole and changed == ["a.py"]


def test_a_superseded_or_dropped_text_is_not_shown_again(texts: Overlays, reader: Reader) -> None:
    """S4, P5. Danger: what was excluded or closed comes back when its reading ends."""
    for path in ("a.py", "b.py"):
        texts.put(path, LONG.encode())
        texts.put(path, with_line("        old()\n"))
    reader.wait.clear()
    waiter = threading.Thread(target=texts.wait, args=(10,))
    waiter.start()
    while not texts._busy:
        waiter.join(0.001)
    texts.drop(["a.py"])
    reader.wait.set()
    waiter.join()
    texts.put("b.py", with_line("        new()\n"))
    assert texts.wait(10)
    assert list(texts.view) == ["b.py"]
    assert texts.view["b.py"].data == with_line("        new()\n")
    assert texts.view["b.py"].record == extract("python", with_line("        new()\n"))


def test_I2_what_breaks_a_worker_is_not_tried_at_every_key(texts: Overlays, reader: Reader) -> None:
    """Danger: two seconds of a worker's time for each key in a text that no parser survives."""
    reader.broken = True
    for size in range(20):
        texts.put("a.py", with_line("x" * size + "\n"))
    assert len(reader.sizes) == 1
    assert texts.view["a.py"].record.problems == ("takes too long",)
    assert texts.view["a.py"].data == with_line("x" * 19 + "\n")
    reader.broken = False
    assert texts.wait(10)
    assert texts.view["a.py"].record == extract("python", texts.view["a.py"].data)


def test_another_language_by_its_first_line_is_read_anew(texts: Overlays) -> None:
    texts.put("tool", b"#!/usr/bin/env python\n" + LONG.encode())
    texts.put("tool", b"#!/usr/bin/env ruby\n" + LONG.encode())
    assert texts.view["tool"].record.language == "ruby"


def test_I5_edits_through_workers_settle_to_what_a_cold_read_gives(tmp_path) -> None:
    """Danger: the index of a buffer that was typed into differs from that of the same text."""
    chance = random.Random(3)
    with Index(tmp_path, tmp_path / "cache", workers=1) as index:
        index.refresh()
        text = LONG
        for number in range(40):
            text = edited(text, "python", chance)
            assert index.overlay("a.py", text)
            record = index.snapshot().record("a.py")
            assert record is not None
            check_spans(record, text.encode())
            if number % 10 == 9:
                assert index.settle(30)
                assert index.snapshot().record("a.py") == extract("python", text.encode())
