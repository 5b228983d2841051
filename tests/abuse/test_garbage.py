# SPDX-License-Identifier: Apache-2.0
"""E9, S7: whatever a model writes, the rules take a moment and the editor gets text or nothing."""

from __future__ import annotations

import time
import unicodedata

import pytest

from engine.trim import LONGEST_LINE_CHARS, MAX_LINES, Gap, enough, trim

MOST_MS = 50
MANY = 10_000_000
DOCUMENT = tuple(f"    value_{n} = compute({n})  # <|ok|>\n" for n in range(20_000))
GAP = Gap(
    "    ",
    "",
    "    value = call(",
    "    return value_1",
    above_lines=DOCUMENT[:40],
    below_lines=DOCUMENT[40:80],
    unit="    ",
    document=DOCUMENT,
)
MID_LINE = Gap("x = call(", ", timeout=other)", "x = 1", "y = 2", unit="\t")
GARBAGE = {
    "10 MB without a newline": "x" * MANY,
    "10 MB of newlines": "\n" * MANY,
    "10 MB of spaces": " " * MANY,
    "10 MB of lines": "    a = 1\n" * (MANY // 10),
    "10 MB of unlike lines": "".join(f"    a{n} = {n}\n" for n in range(MANY // 17)),
    "a unit without end": "self.abc, " * (MANY // 10),
    "a unit that is nearly one": ("ab" * 150 + "c\n") * 1000,
    "open brackets": "([{" * 100_000,
    "closing brackets": ")]}" * 100_000,
    "quotes": "\"'`" * 100_000,
    "backslashes": '"' + "\\" * 100_000,
    "comments without end": "/*" * 100_000,
    "fences": "```\n" * 100_000,
    "greetings": "Here is\n" * 100_000,
    "white space before a fence": " \n" * 100_000 + "```",
    "special tokens": "<|im_end|>" * 100_000,
    "special tokens of the file": "<|ok|>" * 100_000,
    "half tokens": "<|" * 100_000,
    "deep indentation": "\n".join(" " * n + "x" for n in range(2000)),
    "tabs and spaces": "\n".join("\t " * (n % 9) + "if x:" for n in range(2000)),
    "lines like the one below": "    return value_11\n" * 1000,
    "NUL": "ab\x00cd",
    "ANSI": "\x1b[31mred\x1b[0m",
    "zero width": "a\u200bb",
    "bidi": "a\u202eb",
    "tags": "ab\U000e0041cd",
    "lone surrogate": "\ud800",
    "split UTF-8": "ab\ufffd",
    "every control character": "ab" + "".join(map(chr, range(32))),
    "Zalgo": "a" + "\u0301" * 10_000,
    "carriage returns": "\r" * 100_000,
    "nothing": "",
}


def milliseconds(work) -> float:
    """Of our own thread, the best of three: others use the machine too."""
    spent = []
    for _ in range(3):
        started = time.thread_time()
        work()
        spent.append((time.thread_time() - started) * 1000)
    return min(spent)


@pytest.mark.parametrize("gap", [GAP, MID_LINE], ids=["fresh line", "mid line"])
@pytest.mark.parametrize("raw", GARBAGE.values(), ids=GARBAGE)
def test_E9_garbage_takes_a_moment_and_never_reaches_the_editor(raw, gap):
    shown, _ = trim(raw, gap)
    assert not [
        c for c in shown if c not in "\n\t" and unicodedata.category(c) in ("Cc", "Cf", "Cs")
    ]
    assert len(shown) <= MAX_LINES * (LONGEST_LINE_CHARS + 1)
    shown.encode("utf-8")
    assert milliseconds(lambda: trim(raw, gap)) < MOST_MS
    assert milliseconds(lambda: enough(raw, gap)) < MOST_MS


@pytest.mark.parametrize("raw", GARBAGE.values(), ids=GARBAGE)
def test_E9_an_endless_stream_is_stopped(raw):
    """By the first thing that is wrong with it, at the latest where no more can be shown."""
    if len(raw) > 50_000:
        assert enough(raw[:6000], GAP)
