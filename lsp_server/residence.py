# SPDX-License-Identifier: Apache-2.0
"""What the engine has read outlives the editor, and nothing excluded stays in it.

In: the session's engine, the paths of what it reads. Out: saved states at the end of a pause and of
the session, the same states in the engine after a start, none of it once a path in it is excluded.
Knows no protocol.

What is said of a slot is written on the engine's thread only; files are kept and dropped by one
thread of their own, in turn, so that neither a key nor the event loop waits for a disk.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotInTime  # another class in Python 3.10
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from engine.places import cache_dir
from engine.saved import SavedStates, StateKey, model_identity
from engine.state import common_prefix
from engine.types import EngineError, Slot
from engine.worker import Priority
from indexer.policy import Policy
from lsp_server.schedule import NoText

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterable

    from filelock import FileLock

    from engine.load import Choice
    from engine.saved import SavedState
    from engine.types import Engine
    from engine.worker import Job
    from lsp_server.session import Session

FOLDER = "states"  # below the cache folder
LEAST_TOKENS = 128  # fewer are read sooner than a state is found
LEAST_NEW_SHARE = 0.1  # of the tokens, for a state to be written again
# Hundreds of megabytes may be kept for the deep slot: it must not push out what keys need.
DEEP_DISK_SHARE = 0.5
NO_BRANCH = "-"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Held:
    """What is known of one slot."""

    saved: tuple[int, ...] = ()  # the tokens that are on disk
    tokens: tuple[int, ...] = ()  # what was resident when a prompt was laid out last,
    paths: frozenset[str] = frozenset()  # the files whose text was in that,
    wanted: frozenset[str] = frozenset()  # and those of the prompt, which may not have been begun

    def now(self, tokens: tuple[int, ...]) -> _Held:
        """The same, with `paths` those of the tokens that are resident now."""
        return self if tokens == self.tokens else replace(self, tokens=tokens, paths=self.wanted)


class Residence:
    """The states of one session's slots, in the engine and on disk."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._states: SavedStates | None = None
        self._key: StateKey | None = None
        self._lock: FileLock | None = None  # of this window's number among those on the repository
        self._held = dict.fromkeys(Slot, _Held())
        self._bytes_per_token = 0.0  # of a state; 0 while none was seen
        self._disk = ThreadPoolExecutor(1, thread_name_prefix="states")

    def folder(self) -> Path | None:
        """Where the engine may write; None where nothing can or shall be kept."""
        self._states = self._key = None
        folder = cache_dir() / FOLDER
        budget_bytes = self._session.settings.stateDiskMb << 20
        if not budget_bytes and not folder.exists():
            return None
        try:
            states = SavedStates(folder, budget_bytes)
            if not budget_bytes:
                mine = {str(root) for root in self._session.roots}
                states.forget(lambda root, _: root in mine)
                return None
        except OSError as error:
            _log.warning("states are not saved: %s", error)
            return None
        self._states = states
        return folder

    def restore(self, engine: Engine, choice: Choice) -> None:
        """Bring back what keys need; on the engine's thread, before any job.

        What has become excluded since is gone before it is read.
        """
        self._held = dict.fromkeys(Slot, _Held())
        roots = self._session.roots
        if self._states is None or not roots:
            return
        try:
            self._states.forget(self._is_excluded())
            model = model_identity(choice.path)
            self._leave()
            window, self._lock = self._states.window(str(roots[0]))
        except OSError as error:
            _log.warning("no saved state is used: %s", error)
            return
        root, state_format = roots[0], engine.info.state_format
        key = StateKey(str(root), branch_of(root), model, Slot.KEYSTROKE, state_format, window)
        self._key = key
        found = self._find(key)
        if found is not None and self._put_back(engine, key, found):
            self._session.surroundings.recall(found.note)

    async def recall_deep(self) -> None:
        """The same for the deep slot, while the user is idle: it takes a second."""
        if self._key is None or self._states is None:
            return
        key = self._key_of(self._key, Slot.DEEP)
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(self._disk, self._find, key)
        if found is None:
            return

        def work(engine: Engine, _: threading.Event) -> None:
            if not any(map(self._path_is_excluded, found.paths)) and self._put_back(
                engine, key, found
            ):
                self._session.deep.recall(found.note)

        await asyncio.wrap_future(
            self._session.running_worker().submit(Priority.WARM_UP, work).future
        )

    def reads(self, engine: Engine, slot: Slot, root: Path | None, paths: Iterable[str]) -> None:
        """The engine is about to read text of these files, relative to `root`, and no other.

        Without a root, of a buffer that belongs to no repository: that is not kept.
        """
        held = self._held[slot].now(tuple(engine.resident(slot)))
        wanted = frozenset(str(root / path) for path in paths if path) if root else frozenset()
        self._held[slot] = replace(held, wanted=wanted)

    async def save(self, slot: Slot = Slot.KEYSTROKE, most_bytes: float = math.inf) -> None:
        """Save what is resident if it is worth it; gives way to anything else.

        `most_bytes`: no state that is known to be larger.
        """
        job = self._submit(slot, Priority.WARM_UP, most_bytes)
        if job is not None:
            await asyncio.wrap_future(job.future)

    def save_now(self, within_s: float) -> None:
        """Save what keys need before the model goes; given up when it takes longer.

        Blocks: not on the event loop.
        """
        end = time.monotonic() + within_s
        job = self._submit(Slot.KEYSTROKE, Priority.COMPLETION)
        try:
            kept = job.future.result(within_s) if job is not None else None
            if kept is not None:
                kept.result(max(0.0, end - time.monotonic()))
        except (EngineError, CancelledError, NotInTime) as reason:
            _log.warning("the last state was not saved: %s", str(reason) or "no time")
        finally:
            if job is not None:
                job.cancel.set()

    def close(self) -> None:
        """Nothing is kept from here on."""
        self._disk.shutdown(wait=False)
        self._leave()

    def purge(self) -> None:
        """Drop every state with text of a file that is excluded now, in the engine and on disk."""
        self._on_disk(self._forget)
        try:
            worker = self._session.running_worker()
        except NoText:
            self._session.surroundings.forget()  # nothing is laid out yet; `restore` will look
            return

        def work(engine: Engine, _: threading.Event) -> None:
            self._session.surroundings.forget()
            for slot, held in self._held.items():
                if any(map(self._path_is_excluded, held.paths | held.wanted)):
                    self._held[slot] = _Held()
                    if slot is Slot.DEEP:
                        self._session.deep.forget()
                    engine.forget(slot)

        worker.submit(Priority.COMPLETION, work)

    def _find(self, key: StateKey) -> SavedState | None:
        assert self._states is not None
        return self._states.find(key) or self._states.find_sibling(key)

    def _put_back(self, engine: Engine, key: StateKey, found: SavedState) -> bool:
        """Restore a state; False where the engine refuses it."""
        assert self._states is not None
        try:
            engine.restore(key.slot, found.path, found.token_ids)
        except EngineError as error:
            _log.warning("a saved state is not used: %s", error)
            self._states.discard(key)
            found.path.unlink(missing_ok=True)  # it may be a sibling's
            return False
        paths = frozenset(found.paths)
        self._held[key.slot] = _Held(found.token_ids, found.token_ids, paths, paths)
        return True

    def _submit(
        self, slot: Slot, priority: Priority, most_bytes: float = math.inf
    ) -> Job[Future[None] | None] | None:
        """A job that saves a slot, and hands what it wrote to the disk's thread."""
        states, key, session = self._states, self._key, self._session
        if states is None or key is None or not session.settings.stateDiskMb:
            return None
        try:
            worker = session.running_worker()
        except NoText:
            return None

        def work(engine: Engine, _: threading.Event) -> Future[None] | None:
            held = self._held[slot] = self._held[slot].now(tuple(engine.resident(slot)))
            if not held.paths or not self._is_worth_it(slot, held):
                return None
            if self._bytes_per_token * len(held.tokens) > most_bytes:
                return None
            path = states.new_path()
            try:
                saved = tuple(engine.save(slot, path))
            except OSError as error:
                _log.warning("a state could not be saved: %s", error)
                path.unlink(missing_ok=True)
                return None
            self._held[slot] = replace(held, saved=saved)
            is_deep = slot is Slot.DEEP
            note, more = session.deep.note() if is_deep else session.surroundings.note()
            mine, paths = self._key_of(key, slot), held.paths | more
            return self._on_disk(lambda: self._keep(mine, path, saved, paths, note))

        return worker.submit(priority, work)

    def _is_worth_it(self, slot: Slot, held: _Held) -> bool:
        count = len(held.tokens)
        new = count - common_prefix(held.tokens, held.saved)
        if count < LEAST_TOKENS or new < LEAST_NEW_SHARE * count:
            return False
        most = (self._session.settings.stateDiskMb << 20) * DEEP_DISK_SHARE
        return slot is not Slot.DEEP or 0 < self._bytes_per_token * count <= most

    def _keep(
        self,
        key: StateKey,
        path: Path,
        tokens: tuple[int, ...],
        paths: frozenset[str],
        note: bytes,
    ) -> None:
        """Keep a file that was written, unless something in it was excluded meanwhile."""
        assert self._states is not None
        self._bytes_per_token = path.stat().st_size / len(tokens)
        if not any(map(self._path_is_excluded, paths)):
            self._states.keep(key, path, tokens, tuple(paths), note)
        path_is_bad = any(map(self._path_is_excluded, paths))
        if path_is_bad:
            path.unlink(missing_ok=True)

    def _forget(self) -> None:
        if self._states is not None:
            self._states.forget(self._is_excluded())

    def _on_disk(self, work: Callable[[], None]) -> Future[None] | None:
        """Have the disk's thread do something; it is said there if it fails. None at the end."""

        def logged() -> None:
            try:
                work()
            except OSError as error:
                _log.warning("saved states: %s", error)

        try:
            return self._disk.submit(logged)
        except RuntimeError:  # shut down
            return None

    def _leave(self) -> None:
        """The next window may have our number."""
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def _key_of(self, key: StateKey, slot: Slot) -> StateKey:
        """The key by the branch that is checked out now. The deep slot has one for all windows."""
        window = 0 if slot is Slot.DEEP else key.window
        return replace(key, slot=slot, branch=branch_of(Path(key.root)), window=window)

    def _path_is_excluded(self, path: str) -> bool:
        return not self._session.may_read(Path(path))

    def _is_excluded(self) -> Callable[[str, str], bool]:
        """Whether a path of a state, saved for a root, may be read no more.

        States of other repositories are judged by their own ignore files: this session's settings
        may be of its workspace only. Their next session looks with its own.
        """
        mine = {str(root) for root in self._session.roots}
        others: dict[str, Policy] = {}

        def is_excluded(root: str, path: str) -> bool:
            if root in mine:
                return self._path_is_excluded(path)
            if root not in others:
                others[root] = Policy.load([root])
            decision = others[root].decide(path)
            return not decision.allowed and decision.reason != "outside-root"

        return is_excluded


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
