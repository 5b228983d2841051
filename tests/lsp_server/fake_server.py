# SPDX-License-Identifier: Apache-2.0
"""The real server process on a fake engine that goes on with the alphabet.

`python fake_server.py LOG MIN_MS MAX_MS`: an answer takes between so many milliseconds; every
decode leaves a line in LOG: when it began, was cancelled, ended (seconds, monotonic; 0: never).
With MAX_MS 0 the engine never comes back, and a request has a deadline of a second.
"""

from __future__ import annotations

import random
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from engine.fake import FakeEngine
from lsp_server import suggest
from lsp_server.protocol import lifecycle, transport
from lsp_server.protocol.server import GhostwrightServer

LETTERS = "abcdefghijklmnopqrstuvwxyz"
ANSWER_LETTERS = 16


class Recorded(FakeEngine):
    """Writes the letters that follow the one before the cursor, and keeps the log."""

    def __init__(self, log: Path, min_ms: int, max_ms: int) -> None:
        super().__init__(_next_letters)
        self._log, self._min_ms, self._max_ms = log, min_ms, max_ms

    def complete(self, prompt, sampling, cancel, listener):
        if not self._max_ms:
            time.sleep(3600)  # native code that has lost its way
        began, cancelled = time.monotonic(), []
        watch = threading.Thread(
            target=lambda: cancel.wait(10) and cancelled.append(time.monotonic()), daemon=True
        )
        watch.start()
        self._token_s = random.uniform(self._min_ms, self._max_ms) / 1000 / ANSWER_LETTERS
        done = super().complete(prompt, sampling, cancel, listener)
        ended = time.monotonic()
        with self._log.open("a") as log:
            log.write(f"{began} {cancelled[0] if cancelled else 0} {ended}\n")
        return done


def _next_letters(prompt: str):
    before = prompt.split("<|fim_suffix|>", maxsplit=1)[0]
    start = LETTERS.find(before[-1]) + 1
    return [LETTERS[(start + n) % 26] for n in range(ANSWER_LETTERS)]


def main() -> None:
    log, min_ms, max_ms = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    if not max_ms:
        suggest.DEADLINE_S = 1.0
    server = GhostwrightServer(lambda: Recorded(log, min_ms, max_ms))
    lifecycle.exit_now(transport.serve_stdio(server))


if __name__ == "__main__":
    main()
