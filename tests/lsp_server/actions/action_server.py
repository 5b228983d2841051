# SPDX-License-Identifier: Apache-2.0
"""The real server process on an engine that answers questions from a file.

`python action_server.py ANSWERS LOG TOKEN_MS`: ANSWERS is a JSON list of texts, one a question, or
null for a machine without a model; every decode leaves a line in LOG: how it was stopped. A piece
of PIECE_CHARS characters takes TOKEN_MS milliseconds.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from engine.fake import FakeEngine
from engine.layout import layouts
from engine.types import ModelNotFound, Slot
from lsp_server.protocol import lifecycle, transport
from lsp_server.protocol.server import GhostwrightServer

CONTEXT_TOKENS = 65_536  # of bytes
PIECE_CHARS = 8


class Scripted(FakeEngine):
    """Answers from a list in turn, with nothing once that is empty."""

    def __init__(self, answers: list[str], log: Path, token_ms: int) -> None:
        layout = layouts()["chatml"]
        super().__init__(self._next, layout=layout, context_tokens=CONTEXT_TOKENS)
        self._answers, self._log, self._answer_s = answers, log, token_ms / 1000

    def complete(self, prompt, sampling, cancel, listener, slot=Slot.KEYSTROKE):
        self._token_s = self._answer_s
        with self._log.open("a") as log:
            log.write("began\n")
        done = super().complete(prompt, sampling, cancel, listener, slot)
        with self._log.open("a") as log:
            log.write(f"{done.stopped_by}\n")
        return done

    def _next(self, _prompt: str) -> list[str]:
        text = self._answers.pop(0) if self._answers else ""
        return [text[at : at + PIECE_CHARS] for at in range(0, len(text), PIECE_CHARS)]


def main() -> None:
    answers, log = json.loads(Path(sys.argv[1]).read_text("utf-8")), Path(sys.argv[2])

    def load() -> FakeEngine:
        if answers is None:
            raise ModelNotFound("no model on this machine yet; run: ghostwright setup")
        return Scripted(answers, log, int(sys.argv[3]))

    lifecycle.exit_now(transport.serve_stdio(GhostwrightServer(load)))


if __name__ == "__main__":
    main()
