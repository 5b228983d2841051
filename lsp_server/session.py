# SPDX-License-Identifier: Apache-2.0
"""Everything that lives as long as a client is connected.

In: settings, workspace roots, open documents. Out: the engine's worker, its state in words, and
the answer whether a document may be completed at all. Knows no protocol.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal

from engine import load as loading
from engine import tuning
from engine.prompt import layouts
from engine.shared import load as sharing
from engine.tokens import Tokens
from engine.types import ModelNotFound, Slot
from engine.worker import Priority, Worker
from indexer.policy import Policy
from lsp_server import guard
from lsp_server.budget import figures
from lsp_server.dashboard.feed import Feed
from lsp_server.deep import Deep
from lsp_server.documents import Documents
from lsp_server.elsewhere import Elsewhere
from lsp_server.indexing import Indexing
from lsp_server.residence import Residence
from lsp_server.schedule import LINGER_S, LONG_LINGER_S, NoText, Scheduler
from lsp_server.settings import ADAPTIVE
from lsp_server.suggestions import kept
from lsp_server.suggestions.confidence import Threshold
from lsp_server.suggestions.instant import Instant
from lsp_server.suggestions.ledger import Ledger
from lsp_server.suggestions.next_edit import NextEdits
from lsp_server.suggestions.record import Record
from lsp_server.surroundings import Surroundings
from lsp_server.warming import Warming

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from engine.prompt import Layout
    from engine.types import Engine, EngineInfo
    from lsp_server.documents import Change, Document
    from lsp_server.settings import Settings

State = Literal["starting", "indexing", "loading", "ready", "busy", "paused", "no-model", "error"]
UNLOAD_S = 10.0  # two models at once may be more than there is memory for
SAVE_AT_END_S = 0.5  # the editor waits two seconds for us; the engine's end takes up to one
PLACES_MAX = 1000  # paths whose root is remembered
# Clients that wait themselves (LSP4IJ: 300 ms), by the names of the programs that it runs in.
SELF_DEBOUNCING = (
    *("lsp4ij", "jetbrains", "intellij", "pycharm", "webstorm", "phpstorm", "rubymine", "goland"),
    *("clion", "rider", "rustrover", "dataspell", "datagrip", "android studio", "aqua"),
)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Status:
    """What the user may see of us at any time."""

    state: State
    message: str = ""
    model: str = ""


class Session:
    """The state behind the handlers. Used from the event loop, except `tokens` and `_load`."""

    def __init__(
        self,
        settings: Settings,
        roots: Sequence[Path],
        *,
        client: str = "",
        on_status: Callable[[Status], None] = lambda _: None,
        on_warning: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.settings = settings
        self.documents = Documents()
        self.worker: Worker | None = None
        self.status = Status("starting")
        self._roots = tuple(root.resolve() for root in roots)
        self.indexing = Indexing(self._roots, settings.exclude)
        self.surroundings = Surroundings()
        self.residence = Residence(self)
        self.deep = Deep(self)
        self.elsewhere = Elsewhere(self)
        self.warming = Warming(self)
        self.model_known = asyncio.Event()  # loaded, or known that it cannot be
        self._policies: dict[Path, Policy] = {}
        self._places: dict[Path, tuple[Path, Path]] = {}
        self._on_status = on_status
        self._on_warning = on_warning
        self._said: list[str] = []  # while loading, on the engine's thread
        self._model_file: Path | None = None
        self._tokens: Tokens | None = None
        self.instant = Instant()
        self.next_edits = NextEdits(self)
        place = kept.folder()
        counts = Ledger(place)
        self.last = Feed(place, self, counts.save)
        self.threshold = Threshold(place)
        self.record = Record(counts, learn=self.threshold.learn)
        self.scheduler = Scheduler(_debounce_s(settings, client), _linger_s(client))

    # -- the model ---------------------------------------------------------------------------

    def start(
        self, load: Callable[[], Engine] | None = None, *, most_tokens: int = loading.NO_LIMIT
    ) -> None:
        """Load the model in the background; `load` replaces the settings' choice."""
        self.elsewhere.begin()
        self._set(Status("loading", "loading the model"))
        self.worker = Worker(load or (lambda: self._load(most_tokens)))

    async def unload(self) -> None:
        """Let go of the model, its state saved; `start` may load another one."""
        loop = asyncio.get_running_loop()
        self._set(Status("loading", "another model is loaded"))
        self.model_known.clear()
        self.warming.stop()
        self.scheduler.forget()
        await loop.run_in_executor(None, self.residence.save_now, SAVE_AT_END_S)
        self._keep_speed()
        worker, self.worker = self.worker, None  # nothing is handed to it from here on
        if worker is not None and not await loop.run_in_executor(None, worker.close, UNLOAD_S):
            _log.warning("the engine did not stop in time")
        self._model_file = self._tokens = None
        self.surroundings.forget()
        self.deep.forget()

    def give_up(self, reason: str) -> None:
        """Go on without a model."""
        self._set(Status("error", reason))

    def loaded(self) -> None:
        """Call once `worker.ready` is done."""
        assert self.worker is not None
        self.model_known.set()
        while self._said:
            self._on_warning(self._said.pop(0))
        error = self.worker.ready.exception()
        if error is None:
            info = self.worker.ready.result().info
            speed = f"reads {info.prefill_per_s:.0f}, writes {info.decode_per_s:.0f} tokens/s"
            self._set(Status("ready", f"{info.model}{self.elsewhere.place()}: {speed}", info.model))
        else:
            state: State = "no-model" if isinstance(error, ModelNotFound) else "error"
            self._set(Status(state, str(error)))
            self.elsewhere.failed(error)

    def running_worker(self) -> Worker:
        """The worker of a loaded model. Raises NoText with the state while there is none."""
        worker = self.worker
        if worker is None or not worker.ready.done() or worker.ready.exception() is not None:
            raise NoText(self.status.message or self.status.state)
        return worker

    def engine_info(self) -> EngineInfo:
        """What is known of the loaded model. Raises NoText while there is none."""
        return self.running_worker().ready.result().info

    def resident_tokens(self) -> int:
        """How many tokens the keystroke's slot holds now."""
        try:
            return len(self.running_worker().ready.result().resident(Slot.KEYSTROKE))
        except NoText:
            return 0

    def speed(self) -> dict[str, object]:
        """The measured speed and what follows from it; nothing while there is no model."""
        try:
            return figures(self.engine_info(), self.settings)
        except NoText:
            return {}

    def reload(self, settings: Settings) -> None:
        """Take new settings; where they need the model anew (`needs_loading`), the caller loads."""
        before, self.settings = self.settings, settings
        self.scheduler.forget()
        if settings.exclude != before.exclude:
            self.rules_changed()
            self.indexing.exclude(settings.exclude)
        self.warming.again()

    def edited(
        self, before: Document | None, document: Document, changes: Sequence[Change]
    ) -> None:
        """A document has changed: what was written for others was written from what it was."""
        self.scheduler.forget_all_but(document.uri)
        self.record.changed(document)
        if before is not None:
            self.next_edits.edited(before, document, changes)
        else:
            self.next_edits.closed(document.uri)

    def rules_changed(self) -> None:
        """Other files may be read from here on; what may not is dropped wherever it is (S4)."""
        self._policies = {}  # another one: a thread that reads the old rules must not keep them
        self.scheduler.forget()
        self.instant.forget()
        self.last.forget()
        self.residence.purge()
        self.warming.again()

    def close(self) -> None:
        """Let go of index and model. Native code that does not return is left to the end."""
        self.elsewhere.stop()
        self.residence.save_now(SAVE_AT_END_S)
        self.residence.close()
        self._keep_speed()
        self.instant.close()
        self.record.close()
        self.last.close()
        self.threshold.save()
        self.indexing.close()
        if self.worker is not None and not self.worker.close():
            _log.warning("the engine did not stop in time")

    def pause(self, *, paused: bool) -> None:
        """Stop or go on suggesting; the model stays loaded."""
        self._set(Status("paused", "paused") if paused else Status("starting"))
        if paused:
            self.warming.stop()
        if not paused and self.worker is not None and self.worker.ready.done():
            self.loaded()

    @property
    def layout(self) -> Layout:
        """The layout of the loaded model. Raises NoText while there is none."""
        return layouts()[self.engine_info().layout]

    def tokens(self, engine: Engine) -> Tokens:
        """The remembering tokeniser of the engine. Called on the engine's thread only."""
        if self._tokens is None:
            self._tokens = Tokens(engine)
        return self._tokens

    def _load(self, most_tokens: int) -> Engine:
        if self.elsewhere.wanted:
            return self.elsewhere.load()
        return self.load_local(self.settings.model, self.settings.modelPath, most_tokens)

    def load_local(self, model: str, path: str, most_tokens: int = loading.NO_LIMIT) -> Engine:
        """A model on this machine; on the engine's thread. Raises EngineError."""
        settings = self.settings
        choice = loading.choose(model, path)
        self._tokens = None
        shared = partial(sharing.load, urgency=self._urgency)
        engine = (shared if settings.shared else loading.load)(
            choice,
            room_tokens=settings.contextTokens + settings.maxSuggestionTokens,
            most_tokens=most_tokens,
            threads=settings.threads,
            gpu_layers=settings.gpuLayers,
            kv_type=settings.kvType,
            lora=settings.lora,
            state_folder=self.residence.folder(),
            say=self._said.append,
        )
        self._model_file = choice.path
        self.residence.restore(engine, choice)
        return engine

    def _urgency(self) -> Priority:
        """How urgent the engine's job is, for whoever schedules those of all windows."""
        return self.worker.urgency if self.worker is not None else Priority.COMPLETION

    def _keep_speed(self) -> None:
        """The next session begins with what this one has measured: its budget is the same."""
        if self._model_file is not None and self.worker is not None:
            ready = self.worker.ready
            if ready.done() and ready.exception() is None:
                tuning.remember(self._model_file, ready.result().info.costs)

    def _set(self, status: Status) -> None:
        if status != self.status:
            self.status = status
            self._on_status(status)

    # -- documents ---------------------------------------------------------------------------

    def check(self, document: Document, *, manual: bool) -> None:
        """Raise NoText, with the reason, where this document may have no suggestion."""
        if self.status.state == "paused":
            raise NoText("paused")
        if self.settings.languages.get(document.language_id) == "off":
            raise NoText(f"switched off for {document.language_id}")
        if self.settings.manual and not manual:
            raise NoText("only on request")
        if guard.switched_off(document.lines):
            raise NoText("switched off by a comment in the file")
        if document.path is None:
            return  # a buffer without a file: only what is in it is used
        decision = self._policy(document.path).decide(document.path)
        if not decision.allowed:
            raise NoText(f"{document.path.name} is not read: {guard.in_words(decision.reason)}")

    def may_read(self, path: Path) -> bool:
        """Whether text of this file may be read by a model."""
        return self._policy(path).decide(path).allowed

    @property
    def roots(self) -> tuple[Path, ...]:
        """The workspace's folders, resolved."""
        return self._roots

    def shown_path(self, document: Document) -> str:
        """The path as the model is shown it: relative to its root, with forward slashes."""
        if document.path is None:
            return "untitled"
        resolved, root = self._located(document.path)
        try:
            return resolved.relative_to(root).as_posix()
        except ValueError:
            return document.path.name

    def repository(self, document: Document) -> str:
        """The name of the repository that a document belongs to."""
        return self.root(document.path).name if document.path else "untitled"

    def change_roots(self, added: Sequence[Path], removed: Sequence[Path]) -> None:
        """Workspace folders come and go while the editor runs."""
        gone = {root.resolve() for root in removed}
        kept = [root for root in self._roots if root not in gone]
        fresh = [root.resolve() for root in added]
        self._roots = (*kept, *(root for root in fresh if root not in kept))
        self._places.clear()
        for root in gone:
            self.indexing.close_root(root)
        for root in fresh:
            self.indexing.open(root)

    def root(self, path: Path) -> Path:
        """The workspace root around a path, else its git work tree, else its folder."""
        return self._located(path)[1]

    def _located(self, path: Path) -> tuple[Path, Path]:
        """A path resolved, and its root. Remembered: links are followed by many looks at the disk.

        Whether it may be read is decided by the policy, which follows them each time.
        """
        if path not in self._places:
            if len(self._places) >= PLACES_MAX:
                self._places.clear()
            self._places[path] = _located(path.resolve(), self._roots)
        return self._places[path]

    def prepare(self) -> None:
        """Read the rules of every root: tens of milliseconds, so not at the first keystroke."""
        for root in self._roots:
            self._policy(root)

    def _policy(self, path: Path) -> Policy:
        known, root = self._policies, self.root(path)
        if root not in known:
            known[root] = Policy.load([root], self.settings.exclude)
        return known[root]


def _located(resolved: Path, roots: Sequence[Path]) -> tuple[Path, Path]:
    around = [root for root in roots if resolved.is_relative_to(root)]
    if around:
        return resolved, max(around, key=lambda root: len(root.parts))
    return resolved, roots[0] if roots else work_tree(resolved)


def work_tree(path: Path) -> Path:
    """The git work tree around a path, else its folder."""
    for folder in path.parents:
        if (folder / ".git").exists():
            return folder
    return path.parent


def _debounce_s(settings: Settings, client: str) -> float | None:
    if settings.debounceMs != ADAPTIVE:
        return settings.debounceMs / 1000
    return 0.0 if _waits_itself(client) else None


def _linger_s(client: str) -> float:
    return LONG_LINGER_S if _waits_itself(client) else LINGER_S


def _waits_itself(client: str) -> bool:
    return any(word in client.lower() for word in SELF_DEBOUNCING)
