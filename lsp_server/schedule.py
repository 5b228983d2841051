# SPDX-License-Identifier: Apache-2.0
"""When the model runs and for whom: debounce, join, cancel, deadlines.

In: places where the user wants text. Out: the text of the one decode that serves them, as it grows.
Knows neither protocol nor prompts. Everything here runs on the event loop, but for `Decode.hear`,
which the engine's thread calls.

At most one decode is in flight. A key typed meanwhile joins it as long as what was typed may still
be what the model writes: a decode is thrown away only when the text has proved it wrong, when the
user has gone elsewhere, or when nobody has waited for it for LINGER_S.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple, NoReturn

from engine.state import common_prefix
from engine.trim import Gap, enough
from engine.types import Usage
from engine.worker import Job, Priority, Worker

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from engine.types import Completion, Engine, Piece, Prompt

# Editors cancel the old request just before they send the next: wait for the next to join.
LINGER_S = 0.05
# Clients that wait themselves cancel at a key and ask 0.3 s after it.
LONG_LINGER_S = 0.4
# A line that stands is shown soon: the rest of a block may take seconds, and the next key finds it.
REST_S = 0.4
# A key held down, text typed by a tool: wait for the next one. Typists' keys are farther apart, and
# what they wait for begins at once.
REPEAT_S = 0.06
REPEAT_DEBOUNCE_S = 0.03
FAST_TYPING_S = 0.25  # keys closer than this are a burst
# In a burst the next key is near, and an answer after it is not shown: what stands of a line is,
# word by word, and the next key's answer is longer. Who has stopped to think gets whole lines.
BURST_ANSWER_S = 0.08
NEVER = float("inf")
WHOLE_WORDS = re.compile(r".*(?:\w(?=\W)|\W(?=\w))", re.DOTALL)
REMEMBERED_DECODES = 32
SUPERSEDED = "superseded by a newer request"
DIVERGED = "the user typed something else"
Source = Literal["model", "joined", "cache"]


@dataclass(frozen=True, slots=True)
class Place:
    """Where text is wanted: the file, all that stands before the cursor, what stands after it."""

    uri: str
    prefix: str
    suffix: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a job of the engine brought: the prompt it read and what it wrote."""

    prompt: Prompt
    completion: Completion


class Begun(NamedTuple):
    """A prompt that the engine reads, of which so many tokens are resident; and when it began."""

    prompt: Prompt
    cached_tokens: int
    prepare_ms: float
    at: float


class NoText(Exception):
    """There is no text for this request; the message says why. Not an error."""


class Superseded(NoText):
    """A newer request has taken the place of this one."""


class Diverged(NoText):
    """The decode does not write what the user typed."""


class Decode:
    """One run of the engine, which many requests may wait for."""

    def __init__(
        self, place: Place, gap: Callable[[], Gap], loop: asyncio.AbstractEventLoop
    ) -> None:
        """`gap` is asked for when there is text: a key does not wait for what is looked at then."""
        self.place = place
        self.raw = ""
        self.pieces: list[Piece] = []  # of `raw`, at least: they are ahead of it for a moment
        self.created = time.perf_counter()
        self.begun: Begun | None = None
        self._first_piece = 0.0  # when it came
        self.waiters = 0
        self.job: Job[Outcome] | None = None
        self.outcome: asyncio.Future[Outcome] = loop.create_future()
        # Nobody may be left to hear of a failure; that is not worth a warning.
        self.outcome.add_done_callback(lambda future: future.cancelled() or future.exception())
        self._gap = gap
        self._loop = loop
        self._grown = asyncio.Event()
        self.is_shown = False  # its beginning, while it still writes
        self._line_stood = 0.0  # since when; 0 for no line yet

    def begin(self, prompt: Prompt, engine: Engine, started: float) -> None:
        """Note what the engine is going to read; on its thread. `started`: of preparing it."""
        now = time.perf_counter()
        cached = common_prefix(engine.resident(), prompt.token_ids)
        self.begun = Begun(prompt, cached, (now - started) * 1000, now)

    def hear(self, piece: Piece) -> bool:
        """Take a piece of text on the engine's thread; False when no more is needed."""
        self._first_piece = self._first_piece or time.perf_counter()
        self.pieces.append(piece)
        self.raw += piece
        self._loop.call_soon_threadsafe(self.wake)
        return not enough(self.raw, self._gap())

    @property
    def usage(self) -> Usage:
        """What it has cost so far."""
        if self.outcome.done():
            return self.outcome.result().completion.usage
        if self.begun is None:
            return Usage()
        read, cached, written = len(self.begun.prompt.token_ids), self.begun.cached_tokens, 0.0
        now = time.perf_counter()
        if self._first_piece:
            written = self._first_piece - self.begun.at
        times = (round(written * 1000, 2), round((now - self.begun.at) * 1000, 2))
        return Usage(read, cached, read - cached, len(self.pieces), *times)

    def typed(self, place: Place) -> str | None:
        """What was typed since this decode began; None if the places differ in any other way."""
        mine = self.place
        same = mine.uri == place.uri and mine.suffix == place.suffix
        if not same or not place.prefix.startswith(mine.prefix):
            return None
        return place.prefix[len(mine.prefix) :]

    def may_serve(self, place: Place) -> bool:
        """Whether its text, as far as it is known, goes on where `place` is."""
        typed = self.typed(place)
        if typed is None or self.failed or self.given_up:
            return False
        if not typed:
            return True  # its own place: a second time it would write the same
        if self.outcome.done():
            return self.raw.startswith(typed) and bool(self.raw[len(typed) :].strip())
        return self.raw.startswith(typed) or typed.startswith(self.raw)

    @property
    def given_up(self) -> bool:
        """Cancelled while it runs: it will bring no more."""
        return self.job is not None and self.job.cancel.is_set() and not self.outcome.done()

    @property
    def failed(self) -> bool:
        """Ended without an answer: cancelled, or refused by the engine."""
        if not self.outcome.done():
            return False
        if self.outcome.cancelled() or self.outcome.exception() is not None:
            return True
        return self.outcome.result().completion.stopped_by == "cancelled"

    def cancel(self) -> None:
        if self.job is not None:
            self.job.cancel.set()

    def standing(self, typed: str, *, words: bool) -> str:
        """Whole lines behind what was typed, or whole `words` while there is no line."""
        beyond = self.raw[len(typed) :] if self.raw.startswith(typed) else ""
        lines = beyond[: beyond.rfind("\n") + 1]
        if lines.strip() or not words:
            return lines
        match = WHOLE_WORDS.match(beyond)
        return match.group() if match else ""

    def ripe(self, typed: str, words_from: float, worth: Callable[[str], bool]) -> bool:
        """Whether lines beyond what was typed that are `worth` showing have stood for REST_S.

        From the moment `words_from` on, words that stand are enough.
        """
        now = time.perf_counter()
        if now >= words_from and worth(self.standing(typed, words=True)):
            return True
        if not worth(self.standing(typed, words=False)):
            return False
        if self._gap().one_line:
            return True  # what is still written is for the next line
        if not self._line_stood:
            self._line_stood = now
            self._loop.call_later(REST_S, self.wake)
        return now - self._line_stood >= REST_S

    async def grown(self) -> None:
        """Wait for more text, for the end, or for a `wake`."""
        self._grown.clear()
        await self._grown.wait()

    def wake(self) -> None:
        """Let everyone who waits look again."""
        self._grown.set()

    def finish(self, future: asyncio.Future[Outcome]) -> None:
        """Take over the job's result and wake everyone."""
        if not self.outcome.done():
            if future.cancelled():
                self.outcome.cancel()
            elif (error := future.exception()) is not None:
                self.outcome.set_exception(error)
            else:
                self.outcome.set_result(future.result())
        self.wake()


class Scheduler:
    """The newest wish wins; older ones are answered empty or by what the newest one brings."""

    def __init__(self, debounce_s: float | None, linger_s: float = LINGER_S) -> None:
        """`debounce_s` None means: by the pace of typing. `linger_s`: see LINGER_S."""
        self._debounce_s, self._linger_s = debounce_s, linger_s
        self._latest: Place | None = None
        self._last_key = float("-inf")
        self._words_from = NEVER
        self._current: Decode | None = None
        self._finished: deque[Decode] = deque(maxlen=REMEMBERED_DECODES)

    def arrive(self, place: Place) -> float:
        """Note a new wish. Returns how long to wait for the next key, in seconds."""
        now = time.perf_counter()
        since_s = now - self._last_key
        self._latest, self._last_key = place, now
        self._words_from = now + BURST_ANSWER_S if since_s < FAST_TYPING_S else NEVER
        if self._current is not None:
            self._current.wake()  # whoever waits for it may be out of date now
        if self._debounce_s is not None:
            return self._debounce_s
        return REPEAT_DEBOUNCE_S if since_s < REPEAT_S else 0.0

    def rests(self, place: Place) -> bool:
        """Whether text is wanted where it was wanted last, for longer than keys are apart."""
        rested = time.perf_counter() - self._last_key >= FAST_TYPING_S
        return rested and self._latest == place

    async def settle(self, place: Place, wait_s: float) -> None:
        """Wait for the next key. Raises Superseded when one came."""
        if wait_s:
            await asyncio.sleep(wait_s)
        self._check_latest(place)

    def find(self, place: Place) -> tuple[Decode, Source] | None:
        """A decode, running or done, whose text goes on at `place`."""
        for decode in reversed(self._finished):
            if decode.may_serve(place):
                return decode, "cache"
        if self._current is not None and self._current.may_serve(place):
            return self._current, "joined"
        return None

    def keep(self, place: Place) -> None:
        """Let a decode go on that may still serve a place, though nobody waits for it."""
        if self._current is not None and self._current.may_serve(place):
            self._current.is_shown = True

    @property
    def busy(self) -> bool:
        """Whether a decode is under way."""
        return self._current is not None

    def start(
        self,
        place: Place,
        gap: Callable[[], Gap],
        worker: Worker,
        work: Callable[[Engine, threading.Event, Decode], Outcome],
        priority: Priority = Priority.COMPLETION,
    ) -> Decode:
        """Begin a decode; the one before it is cancelled, since it serves nobody any more."""
        if self._current is not None:
            self._current.cancel()
        decode = Decode(place, gap, asyncio.get_running_loop())
        decode.job = worker.submit(priority, lambda engine, cancel: work(engine, cancel, decode))
        self._current = decode
        future = asyncio.wrap_future(decode.job.future)
        future.add_done_callback(lambda done: self._end(decode, done))
        return decode

    async def follow(
        self, decode: Decode, place: Place, deadline_s: float, worth: Callable[[str], bool]
    ) -> str:
        """The raw text of a decode beyond what was typed: whole, or what of it stands in time.

        `worth` tells of such a part, whose rest is still being written, whether it may be shown.
        Raises Superseded, Diverged (also where others have given it up), or the engine's own error.
        """
        typed = decode.typed(place)
        assert typed is not None
        deadline = time.perf_counter() + deadline_s
        words_from = self._words_from
        loop = asyncio.get_running_loop()
        alarms = [loop.call_later(wait_s, decode.wake) for wait_s in (deadline_s, BURST_ANSWER_S)]
        decode.waiters += 1
        try:
            while not (
                decode.outcome.done()
                or decode.ripe(typed, words_from, worth)
                or time.perf_counter() >= deadline
            ):
                await decode.grown()
                self._check_latest(place)
                if not decode.outcome.done() and not decode.may_serve(place):
                    raise Diverged(DIVERGED)
        finally:
            for alarm in alarms:
                alarm.cancel()
            decode.waiters -= 1
            self._linger(decode)
        if not decode.outcome.done():
            shown = decode.standing(typed, words=words_from < NEVER)
            decode.is_shown = bool(shown.strip())
            return shown
        if decode.failed:
            _raise_failure(decode)
        if not decode.raw.startswith(typed):
            raise Diverged(DIVERGED)
        if decode.outcome.result().completion.stopped_by == "length":
            return decode.standing(typed, words=True)  # it may have ended within a word
        return decode.raw[len(typed) :]

    def forget(self) -> None:
        """Drop all remembered text: what it was written from has changed."""
        self._finished.clear()
        if self._current is not None:
            self._current.cancel()
            self._current = None

    def forget_all_but(self, uri: str) -> None:
        """Drop what is remembered for other documents than this."""
        if any(decode.place.uri != uri for decode in self._finished):
            kept = [decode for decode in self._finished if decode.place.uri == uri]
            self._finished = deque(kept, maxlen=REMEMBERED_DECODES)

    def _check_latest(self, place: Place) -> None:
        if self._latest is not place:
            raise Superseded(SUPERSEDED)

    def _linger(self, decode: Decode) -> None:
        """Cancel a decode that nobody waits for, unless somebody joins it soon."""
        if decode.waiters or decode.outcome.done():
            return

        def cancel_if_alone() -> None:
            if not decode.waiters and not decode.is_shown:  # shown, the next key may go on with it
                decode.cancel()

        asyncio.get_running_loop().call_later(self._linger_s, cancel_if_alone)

    def _end(self, decode: Decode, done: asyncio.Future[Outcome]) -> None:
        decode.finish(done)
        if self._current is decode:
            self._current = None
        if not decode.failed:
            self._finished.append(decode)


def _raise_failure(decode: Decode) -> NoReturn:
    if not decode.outcome.cancelled():
        decode.outcome.result()  # raises the engine's own error, if there was one
    raise Diverged(DIVERGED)
