# SPDX-License-Identifier: Apache-2.0
"""What a user sees between two keys, and how much of it comes true.

In: a trace, and for each key the suggestions that were shown before the next. Out: figures. It
knows no server and no clock, and serves every client that shows text, also those of others.

A suggestion stays on the screen while the keys typed are its own next characters. A new answer
takes its place; an empty answer leaves it, as editors do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from lsp_server.replaying.trace import Buffer, shared_start

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lsp_server.replaying.trace import Trace
    from lsp_server.replaying.typing_in import Answer


class Shown(NamedTuple):
    """Text on the screen behind the cursor, so long after the key. `new`: not there before it."""

    text: str
    after_ms: float
    new: bool


@dataclass(frozen=True, slots=True)
class Sight:
    """One key: what was shown until the next, and what came true of it."""

    shown: tuple[Shown, ...]
    foreseen: bool  # what this key typed had been on the screen as what comes next
    right_chars: int  # of the new texts, those that were typed afterwards
    new_chars: int


@dataclass(frozen=True, slots=True)
class Figures:
    """Of a whole trace; shares are of all keys."""

    on_screen_share: float
    on_screen_100ms_share: float  # within 100 ms of the key
    shown: int  # different suggestions
    shown_right_share: float  # of their characters
    foreseen_chars: int
    accepted_chars: int  # of suggestions that are wholly right, each taken when it is first seen


def follow(trace: Trace, answers: Sequence[Answer]) -> list[tuple[Shown, ...]]:
    """What an editor shows for each key, given the answers."""
    seen: list[tuple[Shown, ...]] = []
    here = ""
    for key, answer in zip(trace.keys, answers, strict=True):
        here = "" if key.removed or not here.startswith(key.text) else here[len(key.text) :]
        shown = [Shown(here, 0.0, new=False)] if here else []
        if answer.text and answer.answer_ms is not None and answer.text != here:
            here = answer.text
            shown.append(Shown(here, answer.answer_ms, new=True))
        seen.append(tuple(shown))
    return seen


def watch(trace: Trace, seen: Sequence[tuple[Shown, ...]]) -> list[Sight]:
    """Each key with what came true."""
    sights = []
    last = ""
    for key, shown, after in zip(trace.keys, seen, upcoming(trace), strict=True):
        foreseen = bool(last) and not key.removed and last.startswith(key.text)
        # Where nothing more is typed, nobody can tell what is right.
        judged = [each.text for each in shown if each.new and after]
        right = sum(shared_start(text, after) for text in judged)
        sights.append(Sight(shown, foreseen, right, sum(map(len, judged))))
        last = shown[-1].text if shown else ""
    return sights


def figures(trace: Trace, sights: Sequence[Sight]) -> Figures:
    """The figures of a trace that was watched."""
    keys = len(trace.keys)
    quick = [any(each.after_ms <= 100 for each in sight.shown) for sight in sights]  # noqa: PLR2004  its name
    new_chars = sum(sight.new_chars for sight in sights)
    foreseen = (k for k, sight in zip(trace.keys, sights, strict=True) if sight.foreseen)
    return Figures(
        on_screen_share=round(sum(bool(sight.shown) for sight in sights) / keys, 4),
        on_screen_100ms_share=round(sum(quick) / keys, 4),
        shown=sum(each.new for sight in sights for each in sight.shown),
        shown_right_share=round(sum(s.right_chars for s in sights) / new_chars, 4)
        if new_chars
        else 0.0,
        foreseen_chars=sum(len(key.text) for key in foreseen),
        accepted_chars=_accepted(trace, sights),
    )


def upcoming(trace: Trace) -> Iterator[str]:
    """For each key what is typed behind the cursor from then on, as far as one place goes."""
    buffers = {path: Buffer(text or "") for path, text in trace.files.items()}
    start = 0
    while start < len(trace.keys):
        end = start
        heads = []
        while end < len(trace.keys) and trace.keys[end].hunk == trace.keys[start].hunk:
            buffer = buffers[trace.keys[end].path]
            heads.append(buffer.before(buffer.press(trace.keys[end])))
            end += 1
        final = heads[-1]
        for head in heads:
            yield final[len(head) :] if final.startswith(head) else ""
        start = end


def _accepted(trace: Trace, sights: Sequence[Sight]) -> int:
    """Characters that a user need not type who takes each suggestion that is wholly right."""
    total = skipped = 0
    for key, sight, after in zip(trace.keys, sights, upcoming(trace), strict=True):
        skipped = max(0, skipped - len(key.text))
        if skipped:
            continue
        whole = [e.text for e in sight.shown if e.text.strip() and after.startswith(e.text)]
        if whole:
            skipped = len(max(whole, key=len))
            total += skipped
    return total
