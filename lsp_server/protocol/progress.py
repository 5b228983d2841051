# SPDX-License-Identifier: Apache-2.0
"""How far the index is: work-done progress for clients that show it, and counts for the status.

In: calls from the indexes' threads. Out: messages, sent from the loop, at most ten a second.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from lsprotocol import types

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable
    from pathlib import Path

    from indexer.snapshot import Report
    from lsp_server.protocol.transport import Server

PERIOD_S = 0.1
STATUS_S = 1.0  # a number in a status bar need not change more often
_log = logging.getLogger(__name__)


class IndexProgress:
    """A listener of `lsp_server.indexing`."""

    def __init__(
        self,
        server: Server,
        loop: asyncio.AbstractEventLoop,
        *,
        shown: bool,
        tell: Callable[[], None] = lambda: None,
    ) -> None:
        """`shown`: the client can show progress that the server begins. `tell`: the counts are new.

        It is called from the loop, once a second at most, and at the end.
        """
        self._server, self._loop, self._shown, self._tell = server, loop, shown, tell
        self._told = time.monotonic()
        self._begun: dict[str, float] = {}  # token -> when it was last reported
        self.files = 0
        self.done = 0

    def progress(self, root: Path, done: int, total: int) -> None:
        """A refresh begins (0 of 0), or goes on."""
        self._loop.call_soon_threadsafe(self._report, root, done, total)

    def finished(self, root: Path, report: Report | None) -> None:
        """A refresh has ended."""
        self._loop.call_soon_threadsafe(self._end, root, report)

    def _report(self, root: Path, done: int, total: int) -> None:
        self.files, self.done = total, done
        now = time.monotonic()
        if now - self._told >= STATUS_S:
            self._told = now
            self._tell()
        if not self._shown:
            return
        token = _token(root)
        if token not in self._begun:
            # By the protocol the client's consent is awaited; a client that refuses ignores us.
            self._server.protocol.send_request(
                types.WINDOW_WORK_DONE_PROGRESS_CREATE, types.WorkDoneProgressCreateParams(token)
            )
            self._send(token, types.WorkDoneProgressBegin(f"Indexing {root.name}", percentage=0))
        elif now - self._begun[token] < PERIOD_S:
            return
        self._begun[token] = now
        percentage = 100 * done // total if total else 0
        text = f"{done:,} of {total:,} files" if total else "listing"
        self._send(token, types.WorkDoneProgressReport(message=text, percentage=percentage))

    def _end(self, root: Path, report: Report | None) -> None:
        if report is not None:
            self.files = self.done = report.files
            for problem in report.problems:
                _log.warning("%s", problem)
        if self._begun.pop(_token(root), None) is not None:
            text = f"{report.files:,} files" if report else "failed"
            self._send(_token(root), types.WorkDoneProgressEnd(message=text))
        self._tell()

    def _send(
        self,
        token: str,
        value: types.WorkDoneProgressBegin
        | types.WorkDoneProgressReport
        | types.WorkDoneProgressEnd,
    ) -> None:
        self._server.progress(types.ProgressParams(token, value))


def _token(root: Path) -> str:
    return f"ghostwright-index-{root}"
