# SPDX-License-Identifier: Apache-2.0
"""Types a trace into a server, as an editor would, and notes what came for each key.

In: a trace, the folder it happens in, the server's settings. Out: one `Answer` a key. Nothing is
saved: the files are buffers that only the server sees.

After each key the change is sent, the request before is cancelled and a new one is made, as VS Code
does. What an answer has cost is asked of the server right after it, as long as no key is due.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from indexer.languages import detect
from lsp_server.positions import to_column
from lsp_server.replaying.client import SERVER, Client, ServerFailed
from lsp_server.replaying.keystrokes import KEYS_PER_S
from lsp_server.replaying.screen import upcoming
from lsp_server.replaying.trace import Buffer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from lsp_server.replaying.trace import Key, Trace

READY_S = 1800.0  # a large model from a slow disk, a large repository for the first time
ANSWER_S = 60.0  # of --wait: longer than the server's own deadline
CALL_S = 30.0
POLL_S = 0.1
WORTH_TAKING_CHARS = 3
ACCEPTED_S = 1.0  # who has just accepted a text waits so long for the next before typing on
UTF16: Final = "utf-16"  # what every editor can
SETTLED = ("ready", "no-model", "error", "paused")


@dataclass(frozen=True, slots=True)
class Answer:
    """What came for one key. Without `answer_ms` nothing came before the next key."""

    answer_ms: float | None = None  # from the key to the answer
    text: str = ""
    cost: Mapping[str, Any] = field(default_factory=dict)  # the server's own record, where known


@dataclass(frozen=True, slots=True)
class Played:
    """A whole trace as it went. Seconds, of the clock and of the processors."""

    answers: tuple[Answer, ...]
    ready_s: float
    typed_s: float
    server_cpu_s: float  # while the keys were typed, unanswered and thrown-away work included
    model: str
    accepts: tuple[Answer, ...] = ()  # what came after each text that was accepted


@dataclass(frozen=True, slots=True)
class Manner:
    """How to type: `speed` 2 is twice as fast as the trace; `wait`: each answer is waited for.

    `accept_s`: who sees a text that is just what is going to be typed takes it after so long.
    """

    speed: float = 1.0
    wait: bool = False
    accept_s: float | None = None
    settle_s: float = 0.0  # from the opening of the first file, before the trace's own first pause
    options: Mapping[str, Any] = field(default_factory=dict)
    command: Sequence[str] = SERVER


def play(
    trace: Trace, root: Path, manner: Manner, on_key: Callable[[], object] = lambda: None
) -> Played:
    """Type the whole trace. Raises ServerFailed with one line."""
    started = time.perf_counter()
    with Client(manner.command) as client:
        _start(client, root, manner.options)
        ready_s = time.perf_counter() - started
        editor = _Editor(client, root, trace)
        editor.open(trace.keys[0].path)
        time.sleep(manner.settle_s)
        begun, cpu_s = time.perf_counter(), client.cpu_s()
        typist = _Typist(editor, trace, manner, begun)
        while typist.at < len(trace.keys):
            typist.type()
            on_key()
        typed_s, cpu_s = time.perf_counter() - begun, client.cpu_s() - cpu_s
        model = client.status.get("model", "")
        done = tuple(typist.answers), ready_s, typed_s, cpu_s, model
        return Played(*done, tuple(typist.accepts))


class _Typist:
    """Who presses the keys of a trace, or takes what is suggested for them."""

    def __init__(self, editor: _Editor, trace: Trace, manner: Manner, begun: float) -> None:
        self._editor, self._keys, self._manner = editor, trace.keys, manner
        self._begun = begun  # later, by the time that reading before accepting took
        self._next_times = tuple(_next_times(trace))
        self._after = tuple(upcoming(trace)) if manner.accept_s is not None else ()
        self.at = 0  # the key to press
        self.answers: list[Answer] = []
        self.accepts: list[Answer] = []

    def type(self) -> None:
        """Press the next key, and accept for as long as what comes is right."""
        key, manner = self._keys[self.at], self._manner
        self._editor.open(key.path)
        if not manner.wait:
            _sleep_until(self._begun + key.at_s / manner.speed)
        answer = self._editor.answer(self._editor.press([key]), self._due())
        self.answers.append(answer)
        self.at += 1
        while keys := self._right(answer.text):
            answer = self._accept(keys)

    def _due(self) -> float:
        if self._manner.wait:
            return time.perf_counter() + ANSWER_S
        return self._begun + self._next_times[self.at] / self._manner.speed

    def _right(self, text: str) -> Sequence[Key]:
        """The keys that a text saves; none where it is not to be accepted."""
        after = self._after[self.at - 1] if self._after else ""
        if len(text.strip()) < WORTH_TAKING_CHARS or not after.startswith(text):
            return ()
        end, chars = self.at, 0
        while chars < len(text) and not self._keys[end].removed:
            chars += len(self._keys[end].text)
            end += 1
        return self._keys[self.at : end] if chars == len(text) else ()

    def _accept(self, keys: Sequence[Key]) -> Answer:
        """Read, take it, and see what comes next; the keys it saves have no answers."""
        accept_s = self._manner.accept_s or 0.0
        time.sleep(accept_s)
        self.answers += [Answer()] * len(keys)
        self.at += len(keys)
        asked = self._editor.press(keys)
        saved_s = (keys[-1].at_s - self._keys[self.at - len(keys) - 1].at_s) / self._manner.speed
        self._begun += accept_s - saved_s
        answer = self._editor.answer(asked, time.perf_counter() + ACCEPTED_S)
        self.accepts.append(answer)
        return answer


class _Editor:
    """Open buffers and the one request that is under way."""

    def __init__(self, client: Client, root: Path, trace: Trace) -> None:
        self._client, self._root, self._files = client, root, trace.files
        self._buffers: dict[str, Buffer] = {}
        self._versions: dict[str, int] = {}
        self._pending: int | None = None

    def open(self, path: str) -> None:
        """Show a file to the server, once."""
        if path in self._buffers:
            return
        text = self._files[path] or ""
        self._buffers[path], self._versions[path] = Buffer(text), 1
        item = {"uri": self._uri(path), "languageId": detect(path) or "plaintext"}
        document = {**item, "version": 1, "text": text}
        self._client.notify("textDocument/didOpen", {"textDocument": document})

    def press(self, keys: Sequence[Key]) -> tuple[int, float]:
        """Type a key, or several at once as when a suggestion is accepted.

        Returns the request for what may follow, and when it was typed.
        """
        key = keys[0]
        buffer, uri = self._buffers[key.path], self._uri(key.path)
        text = "".join(each.text for each in keys)
        change = {"range": self._range(key, buffer), "text": text}
        for each in keys:
            cursor = buffer.press(each)
        self._versions[key.path] += 1
        document = {"uri": uri, "version": self._versions[key.path]}
        pressed = time.perf_counter()
        self._client.notify(
            "textDocument/didChange", {"textDocument": document, "contentChanges": [change]}
        )
        if self._pending is not None:
            self._client.cancel(self._pending)
        place = {"textDocument": {"uri": uri}, "position": _position(buffer, *cursor)}
        self._pending = self._client.ask(
            "textDocument/inlineCompletion", {**place, "context": {"triggerKind": 2}}
        )
        return self._pending, pressed

    def answer(self, asked: tuple[int, float], due: float) -> Answer:
        """Wait for the answer, at most until the next key is due, and ask what it has cost."""
        number, pressed = asked
        reply = self._client.wait(number, due)
        if reply is None:
            return Answer()
        self._pending = None
        items = (reply.result or {}).get("items", []) if reply.error is None else []
        text = str(items[0]["insertText"]) if items else ""
        command = {"command": "ghostwright.explain", "arguments": []}
        explained = self._client.wait(self._client.ask("workspace/executeCommand", command), due)
        cost = (explained.result if explained else None) or {}
        # Of another answer, should the two have crossed: then nothing is known of this one.
        known = isinstance(cost, dict) and cost.get("text") == text
        return Answer(round((reply.at - pressed) * 1000, 1), text, cost if known else {})

    def _range(self, key: Key, buffer: Buffer) -> dict[str, Any]:
        row, index = key.line - 1, key.column - 1
        lines = key.removed.split("\n")
        end = row + len(lines) - 1, len(lines[-1]) + index * (len(lines) == 1)
        return {"start": _position(buffer, row, index), "end": _position(buffer, *end)}

    def _uri(self, path: str) -> str:
        return (self._root / path).as_uri()


def _start(client: Client, root: Path, options: Mapping[str, Any]) -> None:
    """Initialise and wait until model and index are there. Raises ServerFailed."""
    folder = {"uri": root.as_uri(), "name": root.name}
    client.call(
        "initialize",
        {
            "processId": None,
            "clientInfo": {"name": "ghostwright-replay"},
            "rootUri": folder["uri"],
            "workspaceFolders": [folder],
            "capabilities": {
                "general": {"positionEncodings": [UTF16]},
                "textDocument": {"inlineCompletion": {}, "synchronization": {}},
            },
            "initializationOptions": dict(options),
        },
        CALL_S,
    )
    client.notify("initialized", {})
    deadline = time.perf_counter() + READY_S
    while not _is_ready(client):
        if time.perf_counter() > deadline:
            raise ServerFailed(f"model and index were not ready in {READY_S:.0f} s")
        time.sleep(POLL_S)


def _is_ready(client: Client) -> bool:
    command = {"command": "ghostwright.status", "arguments": []}
    status = client.call("workspace/executeCommand", command, CALL_S)
    if status["state"] in SETTLED and status["state"] != "ready":
        raise ServerFailed(status["message"] or status["state"])
    index = status["index"]
    return bool(status["state"] == "ready" and index["files"] and index["files"] == index["done"])


def _next_times(trace: Trace) -> Iterator[float]:
    """When each key's time is over: at the next key; the last has as long as the one before."""
    times = [key.at_s for key in trace.keys]
    yield from times[1:]
    yield times[-1] + (times[-1] - times[-2] if len(times) > 1 else 1 / KEYS_PER_S)


def _position(buffer: Buffer, row: int, index: int) -> dict[str, int]:
    return {"line": row, "character": to_column(buffer.lines[row], index, UTF16)}


def _sleep_until(moment: float) -> None:
    left = moment - time.perf_counter()
    if left > 0:
        time.sleep(left)
