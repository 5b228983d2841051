# SPDX-License-Identifier: Apache-2.0
"""What the engine has read outlives the editor, and nothing excluded stays in it.

In: the session's engine, the paths of what it reads. Out: a saved state at the end of a pause and
of the session, the same state in the engine after a start, none of it once a path in it is
excluded. Knows no protocol.
"""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import TYPE_CHECKING

from engine.places import cache_dir
from engine.saved import SavedStates, StateKey, model_identity
from engine.state import common_prefix
from engine.types import EngineError, Slot
from engine.worker import Priority
from lsp_server.schedule import NoText

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterable

    from engine.load import Choice
    from engine.types import Engine
    from engine.worker import Job
    from lsp_server.session import Session

FOLDER = "states"  # below the cache folder
LEAST_TOKENS = 128  # fewer are read sooner than a state is found
LEAST_NEW_SHARE = 0.1  # of the tokens, for a state to be written again
NO_BRANCH = "-"

_log = logging.getLogger(__name__)
_Saved = tuple[Path, tuple[int, ...], tuple[str, ...]]


class Residence:
    """The keystroke's state of one session, in the engine and on disk."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._states: SavedStates | None = None
        self._key: StateKey | None = None
        self._paths: tuple[str, ...] = ()  # absolute, of all text that the engine has read last
        self._saved: tuple[int, ...] = ()

    def folder(self) -> Path | None:
        """Where the engine may write; None where nothing can or shall be kept."""
        budget_bytes = self._session.settings.stateDiskMb << 20
        if not budget_bytes:
            return None
        folder = cache_dir() / FOLDER
        try:
            self._states = SavedStates(folder, budget_bytes)
        except OSError as error:
            _log.warning("states are not saved: %s", error)
            return None
        return folder

    def restore(self, engine: Engine, choice: Choice) -> None:
        """Bring back what was read in an earlier session; on the engine's thread, before any job.

        What has become excluded since is gone before it is read.
        """
        roots = self._session.roots
        if self._states is None or not roots:
            return
        self._states.forget(self._is_excluded)
        self._key = StateKey(
            str(roots[0]),
            branch_of(roots[0]),
            model_identity(choice.path),
            Slot.KEYSTROKE,
            engine.info.state_format,
        )
        found = self._states.find(self._key)
        if found is None:
            return
        try:
            engine.restore(Slot.KEYSTROKE, found.path, found.token_ids)
        except EngineError as error:
            _log.warning("a saved state is not used: %s", error)
            self._states.discard(self._key)
            return
        self._saved, self._paths = found.token_ids, found.paths

    def reads(self, root: Path, paths: Iterable[str]) -> None:
        """The engine is about to have text of these files, relative to `root`, and no other."""
        self._paths = tuple(str(root / path) for path in dict.fromkeys(paths))

    async def save(self) -> None:
        """Save what is resident if it is worth it; gives way to anything else."""
        job = self._submit(Priority.WARM_UP)
        if job is not None and (saved := await asyncio.wrap_future(job.future)) is not None:
            await asyncio.get_running_loop().run_in_executor(None, self._keep, saved)

    def save_now(self, within_s: float) -> None:
        """The same at the end of a session, off the event loop; given up when it takes longer."""
        job = self._submit(Priority.COMPLETION)
        if job is None:
            return
        try:
            saved = job.future.result(within_s)
        except (EngineError, TimeoutError) as reason:
            _log.warning("the last state was not saved: %s", reason or "no time")
            return
        if saved is not None:
            self._keep(saved)

    def purge(self) -> None:
        """Drop every state with text of a file that is excluded now, in the engine and on disk."""
        try:
            worker = self._session.running_worker()
        except NoText:
            return  # `restore` will look

        def work(engine: Engine, _: threading.Event) -> None:
            if any(self._is_excluded("", path) for path in self._paths):
                self._paths, self._saved = (), ()
                engine.forget(Slot.KEYSTROKE)
            if self._states is not None:
                self._states.forget(self._is_excluded)

        worker.submit(Priority.COMPLETION, work)

    def _submit(self, priority: Priority) -> Job[_Saved | None] | None:
        states = self._states
        if states is None or self._key is None:
            return None
        try:
            worker = self._session.running_worker()
        except NoText:
            return None

        def work(engine: Engine, _: threading.Event) -> _Saved | None:
            tokens = engine.resident(Slot.KEYSTROKE)
            known = common_prefix(tokens, self._saved)
            if len(tokens) < LEAST_TOKENS or len(tokens) - known < LEAST_NEW_SHARE * len(tokens):
                return None
            path = states.new_path()
            return path, tuple(engine.save(Slot.KEYSTROKE, path)), self._paths

        return worker.submit(priority, work)

    def _keep(self, saved: _Saved) -> None:
        path, tokens, paths = saved
        assert self._states is not None
        assert self._key is not None
        if self._states.keep(self._key, path, tokens, paths):
            self._saved = tokens
        if paths != self._paths:  # excluded, perhaps, while it was written
            self._states.forget(self._is_excluded)

    def _is_excluded(self, _: str, path: str) -> bool:
        return not self._session.may_read(Path(path))


def branch_of(root: Path) -> str:
    """The name of the branch that is checked out, or of the commit; `NO_BRANCH` without git."""
    git = root / ".git"
    try:
        if git.is_file():  # a linked work tree
            git = (root / git.read_text("utf-8").partition("gitdir:")[2].strip()).resolve()
        head = (git / "HEAD").read_text("utf-8").strip()
    except (OSError, ValueError):
        return NO_BRANCH
    return head.removeprefix("ref: ") or NO_BRANCH
