# SPDX-License-Identifier: Apache-2.0
"""A session for one question on the command line: an index as the disk is, and a model if any.

In: a root, settings. Out: a `Session` such as an editor has, without a watch on the disk: it lives
for one answer. Knows no action.
"""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING, cast

from lsp_server import settings
from lsp_server.cli import Failed
from lsp_server.commands.index import open_index, refreshed
from lsp_server.indexing import Indexing
from lsp_server.session import Session

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from engine.types import Engine
    from indexer.index import Index
    from indexer.snapshot import Snapshot
    from lsp_server.indexing import Indexed

SETTLE_S = 60.0  # for the imports of a repository seen for the first time


class _Settled(Indexing):
    """One index, as the disk is now."""

    def __init__(self, root: Path, index: Index) -> None:
        super().__init__([root], ())
        self._root, self._index = root, index

    def of(self, path: Path) -> Indexed | None:
        # What an `Indexed` is asked here is its snapshot, and that we have.
        return cast("Indexed", self) if path.resolve().is_relative_to(self._root) else None

    def snapshot(self) -> Snapshot:
        return self._index.snapshot()

    def close(self) -> None:
        self._index.close()


@contextmanager
def session_on(root: Path) -> Iterator[Session]:
    """A session whose index of `root` is up to date. Raises Failed where the settings are wrong."""
    resolved, problems = settings.resolve(settings.read_user_file()[0])
    if problems:
        raise Failed("; ".join(problems))
    session = Session(resolved, [root])
    index = open_index(root)
    session.indexing.close()
    session.indexing = _Settled(root, index)
    try:
        refreshed(index)
        index.settle(SETTLE_S)
        yield session
    finally:
        session.close()


async def with_model(session: Session, load: Callable[[], Engine] | None = None) -> None:
    """Load the model, or know that there is none: the session's state says why."""
    session.start(load)
    assert session.worker is not None
    ready = asyncio.wrap_future(session.worker.ready)
    await asyncio.wait([ready])
    ready.exception()  # heard; `loaded` says it
    session.loaded()
