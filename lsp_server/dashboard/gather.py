# SPDX-License-Identifier: Apache-2.0
"""What a dashboard knows: gathered from the servers' files while it is open, in memory only.

In: the folder where servers write (`feed.py`), the counts of what became of suggestions. Out: one
plain value for the page. What a server forgets, or a server that is gone, takes its texts along;
numbers stay. Files are read with suspicion: what is not as a server writes it is left out.
"""

from __future__ import annotations

import contextlib
import threading
import time
from bisect import bisect_left
from collections import Counter, deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from lsp_server.dashboard import feed, pulse
from lsp_server.suggestions import kept, tally

if TYPE_CHECKING:
    from collections.abc import Callable

SHOWN = 40  # answers on the page
RESIDENT_S = 300  # of resident tokens that are drawn
SAMPLE_S = 1.0
COUNTS_S = 2.0  # between two looks at the counts on the disk
MOST_REASONS = 30  # why there was no text; they are few sentences, but names of files are in some
# Upper bounds in ms, each inclusive; people see 100 as at once, and 300 is what a key has.
BOUNDS_MS: Final = (50, 100, 200, 300, 500, 1000, 2000)


@dataclass(slots=True)
class _Server:
    """One language server, as long as its file is touched."""

    pulse: pulse.Pulse
    head: dict[str, Any] = field(default_factory=dict)
    stamp: int = 0
    last: int = 0  # number of the last answer that was taken in
    answers: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=SHOWN))
    # Tokens at moments, in seconds since 1970.
    resident: deque[tuple[float, int]] = field(default_factory=deque)

    def forget(self) -> None:
        self.answers.clear()


class Gathered:
    """All that the page shows. `look` from one thread, `state` from any."""

    def __init__(self, place: Path, *, clock: Callable[[], float] = time.time) -> None:
        """`place` is where servers write; `clock` in seconds since 1970."""
        self._place, self._clock = place, clock
        self._began = clock()
        self._servers: dict[str, _Server] = {}
        self._latency: Counter[int] = Counter()  # by the number of its bound
        self._reasons: Counter[str] = Counter()
        self._counts: dict[str, Any] = {}
        self._counted = self._sampled = float("-inf")
        self._lock = threading.Lock()

    def look(self) -> None:
        """Say that we are open and take in what is new. Raises OSError."""
        pulse.touch(self._place / pulse.MARKER)
        now = self._clock()
        with self._lock:
            present = {path.name: path for path in pulse.written(self._place)}
            for name in [name for name in self._servers if name not in present]:
                del self._servers[name]
            for name, path in present.items():
                if path.suffix == pulse.SUFFIX:
                    known = self._servers.setdefault(name, _Server(pulse.Pulse(path)))
                    self._take(path, known)
            self._sample(now)
        if now - self._counted >= COUNTS_S:
            self._counted = now
            self._counts = tally.of_last_days()

    def state(self) -> dict[str, Any]:
        """What the page shows, as plain JSON; newest answers first, times in seconds since 1970."""
        with self._lock:
            living = {name: each for name, each in self._servers.items() if each.head}
            answers = [
                {**answer, "id": f"{name}.{answer['n']}", "workspace": _workspace(each.head)}
                for name, each in living.items()
                for answer in each.answers
            ]
            servers = [
                {**each.head, "id": name, "workspace": _workspace(each.head)}
                | {"resident": list(each.resident)}
                for name, each in sorted(living.items())
            ]
            reasons = self._reasons.most_common(MOST_REASONS)
            latency = [self._latency[at] for at in range(len(BOUNDS_MS) + 1)]
        answers.sort(key=lambda answer: -answer["at"])
        return {
            "now": self._clock(),
            "began": self._began,
            "resident_s": RESIDENT_S,
            "servers": servers,
            "answers": answers[:SHOWN],
            "latency": {"bounds_ms": BOUNDS_MS, "counts": latency},
            "empty": [{"reason": reason, "times": times} for reason, times in reasons],
            "acceptance": {
                "days": self._counts.get("days", tally.DAYS),
                "languages": self._counts.get("by_language", {}),
            },
        }

    def close(self) -> None:
        """Leave no text behind: servers stop when they miss the marker."""
        with self._lock:
            self._servers.clear()
        for path in (self._place / pulse.MARKER, *pulse.written(self._place)):
            with contextlib.suppress(OSError):  # a server removes its own, too
                path.unlink()

    def _take(self, path: Path, server: _Server) -> None:
        """Follow one server's file."""
        if not server.pulse.beats():
            server.head = {}
            server.forget()
            return
        with contextlib.suppress(OSError):
            stamp = path.stat().st_mtime_ns
            if stamp == server.stamp:
                return
            server.stamp = stamp
        head, answers = _checked(kept.read(path))
        if not head:
            return
        if head["forgotten"] != server.head.get("forgotten", head["forgotten"]):
            server.forget()
            self._reasons.clear()
        server.head = head
        for answer in answers:
            if answer["n"] > server.last:
                server.last = answer["n"]
                self._count(server, answer)

    def _count(self, server: _Server, answer: dict[str, Any]) -> None:
        if answer["text"]:
            server.answers.append(answer)
            self._latency[bisect_left(BOUNDS_MS, answer["answer_ms"])] += 1
        elif answer["reason"] in self._reasons or len(self._reasons) < MOST_REASONS:
            self._reasons[answer["reason"]] += 1

    def _sample(self, now: float) -> None:
        if now - self._sampled < SAMPLE_S:
            return
        self._sampled = now
        for server in self._servers.values():
            if server.head:
                server.resident.append((round(now, 1), server.head["resident_tokens"]))
            while server.resident and now - server.resident[0][0] > RESIDENT_S:
                server.resident.popleft()


def _workspace(head: dict[str, Any]) -> str:
    return ", ".join(Path(root).name for root in head["roots"]) or "no folder"


def _checked(found: Any) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """What a server says of itself and its answers; nothing where it is anything else."""
    head, answers = (found.get("head"), found.get("answers")) if _is(found, dict) else ({}, [])
    if not _is_head(head) or not _is(answers, list):
        return {}, []
    return head, [answer for answer in answers if _is_answer(answer)]


def _is_head(value: Any) -> bool:
    texts, numbers = ("state", "message", "model"), ("forgotten", "resident_tokens")
    return (
        _is(value, dict)
        and value.get("version") == feed.VERSION
        and all(_is(value.get(name), int) for name in numbers)
        and all(_is(value.get(name), str) for name in texts)
        and all(_is(value.get(name), list) for name in ("index", "roots"))
        and all(_is(root, str) for root in value["roots"])
    )


def _is_answer(value: Any) -> bool:
    texts, numbers = ("text", "reason", "source"), ("n", "at", "answer_ms")
    return (
        _is(value, dict)
        and all(_is(value.get(name), str) for name in texts)
        and all(_is(value.get(name), int) or _is(value.get(name), float) for name in numbers)
        and _is(value.get("segments"), list)
        and all(_is(each, dict) and _is(each.get("tokens"), int) for each in value["segments"])
    )


def _is(value: Any, kind: type) -> bool:
    """Of this very type: True is no number here."""
    return type(value) is kind
