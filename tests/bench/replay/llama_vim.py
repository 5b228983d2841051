# SPDX-License-Identifier: Apache-2.0
"""What llama.vim asks of llama.cpp's server, and when, written anew from how it behaves.

In: an editor's lines and cursor after each key. Out: calls of `/infill`, and what would be on the
screen. Defaults of the plug-in's version of 2026 throughout; the names are those of its settings.

The rules, as far as they bear on figures:
- every move asks, unless a request runs: then a timer asks 100 ms later; nothing is cancelled;
- a request has up to 256 lines before, the line up to the cursor, the rest of it and 64 lines
  after, and a ring of up to 16 chunks of other places, each about half of 64 lines;
- with more than 8 characters behind the cursor nothing is asked;
- answers are kept under the text around the cursor; what was typed since is looked up in them up
  to 128 characters back, and this is how a suggestion stays on the screen;
- when one is shown, the next is asked for as if it had been accepted.
"""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

N_PREFIX, N_SUFFIX = 256, 64  # lines
N_PREDICT = 128
T_MAX_PROMPT_MS, T_MAX_PREDICT_MS, T_FIRST_PREDICT_MS = 500, 1000, 250
MAX_LINE_SUFFIX = 8
MAX_CACHE_KEYS = 250
LOOK_BACK = 128
RETRY_S = 0.1
RING_N_CHUNKS, RING_QUEUE, RING_CHUNK_SIZE, RING_SCOPE = 16, 16, 64, 1024
RING_UPDATE_S, RING_REST_S = 1.0, 3.0
FAR_LINES = 32
SIMILAR_NEW, SIMILAR_HERE = 0.9, 0.5
MARK = "\0"  # between what stands before and after the cursor, in the keys of answers


class Chunk(NamedTuple):
    filename: str
    lines: tuple[str, ...]


class Around(NamedTuple):
    """What is sent of the open file."""

    prefix: str
    middle: str
    suffix: str
    rest: str  # of the line
    indent: int


@dataclass
class Request:
    """One call of the server."""

    sent: float
    speculative: bool
    answered: float = 0.0
    content: str = ""
    prompt_tokens: int = 0
    evaluated_tokens: int = 0


@dataclass
class LlamaVim:
    """The plug-in in an editor whose buffer is `lines`; row and column count from 0."""

    infill: Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]
    filename: str
    on_shown: Callable[[str], None]  # a text is on the screen from now on; "" when it goes
    rng: random.Random = field(default_factory=lambda: random.Random(5))
    ring: list[Chunk] = field(default_factory=list)
    queued: list[Chunk] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.lines: list[str] = [""]
        self.row = self.column = 0
        self._cache: OrderedDict[str, str] = OrderedDict()
        self._job: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._hint: list[str] | None = None
        self._can_accept = False
        self._last_move = 0.0
        self._row_picked = -9999
        self._indent = -1
        self._background: set[asyncio.Task[Any]] = set()

    # -- what the editor tells ------------------------------------------------------------------

    def moved(self, lines: list[str], row: int, column: int) -> None:
        """The text or the cursor has changed."""
        self.lines, self.row, self.column = lines, row, column
        self._last_move = time.perf_counter()
        self._hide()
        self._try_hint()
        self._ask(None)

    def entered(self, filename: str, lines: list[str], row: int) -> None:
        """Another buffer is looked at: a chunk around its cursor waits for the ring."""
        half = RING_CHUNK_SIZE // 2
        self._pick(filename, lines[max(0, row - half) : row + half + 1], evict=True)

    async def rest(self) -> None:
        """The editor is in normal mode for long enough: all that waits is in the ring, and read."""
        self.ring = [*self.ring, *self.queued][-RING_N_CHUNKS:]
        self.queued = []
        await self.infill(self._body("", "", "", 0))

    async def run(self) -> None:
        """The timer of the ring, for as long as the editor runs."""
        while True:
            await asyncio.sleep(RING_UPDATE_S)
            if self.queued and time.perf_counter() - self._last_move >= RING_REST_S:
                task = asyncio.ensure_future(self._update_ring())
                self._background.add(task)
                task.add_done_callback(self._background.discard)

    def stop(self) -> None:
        for task in (self._job, *self._background):
            if task is not None:
                task.cancel()
        if self._timer is not None:
            self._timer.cancel()

    # -- asking ---------------------------------------------------------------------------------

    def _ask(self, accepted: list[str] | None, at: tuple[int, int] | None = None) -> None:
        """Ask for the cursor, or for where it were if `accepted` had been accepted at `at`."""
        if self._job is not None:
            if self._timer is not None:
                self._timer.cancel()
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(RETRY_S, self._ask, accepted, at)
            return
        row, column = at or (self.row, self.column)
        around = self._around(min(row, len(self.lines) - 1), column, accepted)
        if len(around.rest) > MAX_LINE_SUFFIX:
            return
        keys = _keys(around)
        if any(key in self._cache for key in keys):
            return
        self._indent = around.indent
        self._evict_like_here()
        request = Request(time.perf_counter(), accepted is not None)
        self._job = asyncio.ensure_future(self._run(request, around, keys))
        if abs(row - self._row_picked) > FAR_LINES:
            self._row_picked = row
            first = max(0, row - RING_SCOPE)
            self._pick(self.filename, self.lines[first : max(1, row - N_PREFIX)], evict=False)
            after = row + N_SUFFIX
            chunk = self.lines[after : after + RING_CHUNK_SIZE + 1] or self.lines[-1:]
            self._pick(self.filename, chunk, evict=False)

    async def _run(self, request: Request, around: Around, keys: list[str]) -> None:
        self.requests.append(request)
        body = {
            **self._body(around.prefix, around.suffix, around.middle, N_PREDICT),
            "n_indent": around.indent,
            "top_k": 40,
            "top_p": 0.9,
            "samplers": ["top_k", "top_p", "infill"],
            "t_max_prompt_ms": T_MAX_PROMPT_MS,
            "t_max_predict_ms": T_MAX_PREDICT_MS if request.speculative else T_FIRST_PREDICT_MS,
        }
        try:
            answer = await self.infill(body)
            if "content" in answer:  # else an error, which the plug-in passes over
                request.answered = time.perf_counter()
                self._answered(request, answer, keys)
        finally:
            self._job = None

    def _answered(self, request: Request, answer: dict[str, Any], keys: list[str]) -> None:
        timings = answer["timings"]
        request.content = answer["content"]
        request.evaluated_tokens = int(timings["prompt_n"])
        request.prompt_tokens = request.evaluated_tokens + int(timings.get("cache_n", 0))
        for key in keys:
            self._cache[key] = request.content
            self._cache.move_to_end(key)
        while len(self._cache) > MAX_CACHE_KEYS:
            self._cache.popitem(last=False)
        if self._hint is None or not self._can_accept:
            self._try_hint()

    def _body(self, prefix: str, suffix: str, middle: str, n_predict: int) -> dict[str, Any]:
        extra = [
            {"text": "\n".join(chunk.lines) + "\n", "filename": chunk.filename}
            for chunk in self.ring
        ]
        return {
            "id_slot": 0,
            "input_prefix": prefix,
            "input_suffix": suffix,
            "input_extra": extra,
            "prompt": middle,
            "n_predict": n_predict,
            "stream": False,
            "cache_prompt": True,
        }

    def _around(self, row: int, column: int, accepted: list[str] | None) -> Around:
        line = self.lines[row]
        above = self.lines[max(0, row - N_PREFIX) : row]
        if accepted is None:
            head, rest = line[:column], line[column:]
            indent = len(line) - len(line.lstrip())
            if not line.strip():
                head, rest, indent = "", "", 0
        else:
            whole = [line + accepted[0], *accepted[1:]]
            *more, head = whole
            rest, indent = "", self._indent
            above = [*above[len(more) :], *more]
        below = self.lines[row + 1 : row + 1 + N_SUFFIX]
        prefix = "\n".join(above) + "\n"
        return Around(prefix, head, rest + "\n" + "\n".join(below) + "\n", rest, indent)

    # -- showing --------------------------------------------------------------------------------

    def _hide(self) -> None:
        self._hint, self._can_accept = None, False
        self.on_shown("")

    def _try_hint(self) -> None:
        """Show what the kept answers have for this place."""
        around = self._around(self.row, self.column, None)
        content = self._look_up(around)
        if content is None:
            return
        self._show(content, around)
        self._ask(self._hint, (self.row, self.column))

    def _look_up(self, around: Around) -> str | None:
        text = around.prefix + around.middle
        exact = self._cache.get(text + MARK + around.suffix)
        if exact is not None:
            return exact
        best: str | None = None
        for back in range(1, min(LOOK_BACK, len(text)) + 1):
            kept = self._cache.get(text[:-back] + MARK + around.suffix)
            if kept and kept.startswith(text[-back:]):
                left = kept[back:]
                if left and len(left) > len(best or ""):
                    best = left
        return best

    def _show(self, content: str, around: Around) -> None:
        lines = content.rstrip("\n").split("\n")
        here = self.lines[self.row]
        if not here.strip():
            blank = len(lines[0]) - len(lines[0].lstrip())
            lines[0] = lines[0][min(blank, len(here)) :]
        if self._repeats(lines, around):
            lines = [""]
        text = "\n".join(lines)
        self._hint = [*lines[:-1], lines[-1] + around.rest]
        self._can_accept = bool("\n".join(self._hint).strip())
        self.on_shown(text if self._can_accept else "")

    def _repeats(self, lines: list[str], around: Around) -> bool:
        """Whether a suggestion says only what stands below already."""
        below = self.lines[self.row + 1 :]
        if len(lines) > 1 and not lines[0] and lines[1:] == below[: len(lines) - 1]:
            return True
        if len(lines) == 1 and lines[0] == around.rest:
            return True
        while len(below) > 1 and not below[0].strip():
            below = below[1:]
        if not below or around.middle + lines[0] != below[0]:
            return False
        if len(lines) == 2:
            return len(below) > 1 and below[1].startswith(lines[1])
        return len(lines) == 1 or lines[1:] == below[1 : len(lines)]

    # -- the ring -------------------------------------------------------------------------------

    def _pick(self, filename: str, lines: list[str], *, evict: bool) -> None:
        """Let a part of `lines` wait for the ring."""
        if len(lines) < 3:
            return
        chunk = Chunk(filename, tuple(self._part(lines)))
        kept = [*self.ring, *self.queued]
        if any(other.lines == chunk.lines for other in kept):
            return
        alike = [other for other in kept if similarity(other.lines, chunk.lines) > SIMILAR_NEW]
        if alike and not evict:
            return
        self.ring = [other for other in self.ring if other not in alike]
        self.queued = [other for other in self.queued if other not in alike][1 - RING_QUEUE :]
        self.queued.append(chunk)

    def _part(self, lines: list[str]) -> list[str]:
        if len(lines) + 1 < RING_CHUNK_SIZE:
            return lines
        half = RING_CHUNK_SIZE // 2
        first = self.rng.randrange(max(1, len(lines) - half))
        return lines[first : first + half + 1]

    def _evict_like_here(self) -> None:
        """Chunks that are like the place of the cursor would only be repeated."""
        half = RING_CHUNK_SIZE // 2
        here = self._part(self.lines[max(0, self.row - half) : self.row + half + 1])
        others = (c for c in self.ring[1:] if similarity(c.lines, here) <= SIMILAR_HERE)
        self.ring = [*self.ring[:1], *others]

    async def _update_ring(self) -> None:
        """One chunk more, read at once by a request that writes nothing."""
        if len(self.ring) == RING_N_CHUNKS:
            self.ring.pop(0)
        self.ring.append(self.queued.pop(0))
        await self.infill(self._body("", "", "", 0))


def similarity(one: Any, other: Any) -> float:
    """How many words two chunks share: 0 none, 1 all."""
    words, others = (re.split(r"\W+", "\n".join(lines)) for lines in (one, other))
    known = set(words)
    return 2.0 * sum(word in known for word in others) / (len(words) + len(others))


def _keys(around: Around) -> list[str]:
    """What an answer is kept under: the whole text around, and without its first lines."""
    keys, prefix = [around.prefix + around.middle + MARK + around.suffix], around.prefix
    for _ in range(3):
        prefix = prefix.partition("\n")[2]
        if not prefix:
            break
        keys.append(prefix + around.middle + MARK + around.suffix)
    return keys
