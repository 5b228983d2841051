# SPDX-License-Identifier: Apache-2.0
"""Actions as text: files, a selection, what the model answers; out comes what would be written.

`//- path` starts a file, `$0` is the cursor, two of them are the ends of a selection. The session,
the index and every check are the real ones; only the model is played, one text an answer.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from textwrap import dedent
from types import SimpleNamespace
from typing import TYPE_CHECKING

from fixture import CURSOR, files

from engine.fake import FakeEngine
from engine.layout import layouts
from indexer.index import Index
from lsp_server.actions.perform import perform
from lsp_server.actions.types import Diagnostic, Request
from lsp_server.documents import from_text
from lsp_server.session import Session
from lsp_server.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from lsp_server.actions.types import Outcome

CONTEXT_TOKENS = 65_536  # of bytes: the fake engine reads byte by byte


@dataclass
class Desk:
    """A repository on the disk with a session on it; `asked` are the prompts as text."""

    root: Path
    session: Session
    request: Request
    asked: list[str]

    def act(self) -> Outcome:
        return asyncio.run(perform(self.request, self.session))


class acting:  # noqa: N801  used like a function: `with acting(...) as desk`
    """Write a fixture's files, index them, open the marked one. Bytes of files are kept as given.

    `newline` and `bom` change how the marked file is stored.
    """

    def __init__(
        self,
        folder: Path,
        text: str,
        kind: str,
        answers: Sequence[str] = (),
        *,
        instruction: str = "",
        diagnostics: Sequence[Diagnostic] = (),
        settings: Settings | None = None,
        newline: str = "\n",
        bom: bool = False,
    ) -> None:
        self._folder, self._kind, self._answers = folder, kind, list(answers)
        self._instruction, self._diagnostics = instruction, tuple(diagnostics)
        self._settings = settings or Settings(debounceMs=0)
        self._files = files(dedent(text))
        self._newline, self._bom = newline, "\ufeff" if bom else ""

    def __enter__(self) -> Desk:
        root = self._folder / "repository"
        root.mkdir()
        (root / ".git").mkdir()
        marked, start, end = "", 0, 0
        for path, given in self._files.items():
            body = given
            if CURSOR in given:
                with_ends = given.replace("\n", self._newline)
                marked, start = path, with_ends.index(CURSOR)
                end = with_ends.replace(CURSOR, "", 1).find(CURSOR)
                end = start if end < 0 else end
                body = self._bom + with_ends.replace(CURSOR, "")
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_bytes(body.encode())
        assert marked, f"one file needs {CURSOR}"
        self._index = Index(root, self._folder / "cache", workers=1)
        self._index.refresh()
        assert self._index.settle()
        asked: list[str] = []
        session = Session(self._settings, [root])
        self._session = session
        indexed = SimpleNamespace(snapshot=self._index.snapshot)
        session.indexing.close()
        session.indexing.of = lambda _path: indexed

        def answer(prompt: str) -> list[str]:
            asked.append(prompt)
            return [self._answers.pop(0)] if self._answers else []

        layout = layouts()["chatml"]
        session.start(lambda: FakeEngine(answer, layout=layout, context_tokens=CONTEXT_TOKENS))
        session.worker.ready.result(5)
        session.loaded()
        text = (root / marked).read_bytes().decode()
        document = session.documents.open((root / marked).as_uri(), "", 1, text)
        shift = len(self._bom)
        at = from_text(document.uri, text).offset_position
        request = Request(
            self._kind,
            document,
            at(start + shift),
            at(end + shift),
            self._instruction,
            self._diagnostics,
        )
        return Desk(root, session, request, asked)

    def __exit__(self, *_: object) -> None:
        self._session.close()
        self._index.close()


def after(outcome: Outcome) -> dict[str, str]:
    """The files of a proposal as they would be."""
    return {change.path: change.after for change in outcome.proposal.changes}
