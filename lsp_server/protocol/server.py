# SPDX-License-Identifier: Apache-2.0
"""The wiring: one handler a method, each of them decode, call, encode.

In: the protocol's parameters. Out: its results. What happens in between is in `suggest.py` and
`session.py`. The model is loaded after `initialized`, in the background.
"""

from __future__ import annotations

import asyncio
from functools import partial
from importlib import metadata
from typing import TYPE_CHECKING, Any, cast

from lsprotocol import types

from engine.load import NO_LIMIT, SAFE_CONTEXT_TOKENS
from engine.places import cache_dir
from indexer import site
from lsp_server import explain, log, settings, suggest
from lsp_server.actions import listing
from lsp_server.documents import path_of
from lsp_server.protocol import (
    actions,
    asking,
    convert,
    feedback,
    lifecycle,
    progress,
    requests,
    selecting,
    status,
)
from lsp_server.protocol import edits as next_edits
from lsp_server.protocol.findings import Findings
from lsp_server.protocol.transport import Server
from lsp_server.session import Session
from lsp_server.suggestions import choice, tally
from lsp_server.suggestions.ahead import Ahead

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from engine.types import Engine
    from lsp_server.documents import Change, Document

SYMBOLS_LIMIT = 200
WARM_AFTER_S = 3.0  # what actions need is read behind the first keystrokes, not before them
CRASHED_OFTEN = (
    "the engine took the server down three times in three minutes and is left alone; choose "
    "another model or setting, or wait: ghostwright doctor"
)


class GhostwrightServer(Server):
    """A server for one client."""

    session: Session
    ahead: Ahead
    listing: listing.Listing

    def __init__(
        self, load: Callable[[], Engine] | None = None, *, log_file: Path | None = None
    ) -> None:
        """`load` makes an engine in place of the one that the settings name."""
        super().__init__("ghostwright", metadata.version("ghostwright"))
        self.load = load
        self.log_file = log_file
        self.index_progress: progress.IndexProgress | None = None
        self.status_line = status.StatusLine(self)
        self.user_options, self.problems = settings.read_user_file()
        self.client_options: Any = None  # what it said at the start
        self.client_commands: frozenset[str] = frozenset()  # that we may name in an action
        self.findings = Findings(self)
        self.finding: asyncio.Future[Any] | None = None  # of a next edit, for a list of actions
        self.selection = selecting.Selection()
        self.client_settings: Any = None  # what it said last
        self.loaded_with: settings.Settings | None = None
        self.loading: asyncio.Task[None] | None = None
        self.crashes: lifecycle.CrashRecord | None = None
        self.protocol.undecodable = self._undecodable
        for method, handler in FEATURES.items():
            self.feature(method, OPTIONS.get(method))(handler)
        for command, handler in COMMANDS.items():
            self.command(command)(handler)

    def open_session(self, params: types.InitializeParams) -> None:
        """Begin with the client's settings and folders."""
        options = params.initialization_options
        self.client_commands, self.client_options = actions.client_commands(options)
        resolved, problems = settings.resolve(self.user_options, self.client_options)
        self.problems += problems
        log.set_level(cast("log.Level", resolved.logLevel))
        self.session = Session(
            resolved,
            convert.roots(params),
            client=params.client_info.name if params.client_info else "",
            on_status=lambda _: self.tell_status(),
            on_warning=self.status_line.warn,
        )
        self.ahead = Ahead(self.session)
        self.listing = listing.Listing(self.session)
        self.session.indexing.wake()
        self.session.last.begin()  # shows it where a dashboard is open

    def tell_status(self) -> None:
        """Tell the client how we are now."""
        self.status_line.show(self.session.status, self.status_object())

    def status_object(self) -> dict[str, object]:
        """The object of `ghostwright/status` and of the command, as it is now."""
        index = self.index_progress
        return convert.status(
            self.session.status,
            self.session.resident_tokens(),
            (index.files, index.done) if index else (0, 0),
            self.session.speed(),
        )

    def take_settings(self, options: Any) -> None:
        """New settings from the client, above those of its start."""
        self.client_settings = options
        for problem in self.settings_without_choice()[1]:
            self.status_line.warn(problem)
        self._follow_settings()

    def settings_without_choice(self) -> tuple[settings.Settings, list[str]]:
        """What all layers of settings say, and what is wrong with them."""
        layers = self.user_options, self.client_options, self.client_settings
        return settings.resolve(*layers)

    def choose_model(self, model: str) -> None:
        """Take another model, until the settings name yet another one."""
        self.selection.choose(model, self.settings_without_choice()[0])
        self._follow_settings()

    def _follow_settings(self) -> None:
        """Take the settings as they are now; the model is loaded anew where they need that."""
        self.session.reload(self.selection.above(self.settings_without_choice()[0]))
        if self._is_out_of_date():
            self.loading = asyncio.create_task(self._load_anew(self.loading))

    def _is_out_of_date(self) -> bool:
        """Whether the model was loaded, or is being loaded, with other settings."""
        used = self.loaded_with
        return used is not None and settings.needs_loading(used, self.session.settings)

    def follow(
        self, before: Document | None, document: Document, changes: Sequence[Change]
    ) -> None:
        """Tell everybody whom it concerns that a document has changed."""
        self.session.edited(before, document, changes)
        self.session.indexing.edited(document)
        self.session.warming.edited(document, changes, self.protocol.position_encoding)
        self.findings.edited(before, document, changes)

    def open_index(self) -> None:
        """Index the workspace in the background, with progress where the client shows it."""
        window = self.client_capabilities.window
        shown = bool(window and window.work_done_progress)
        loop = asyncio.get_running_loop()
        self.index_progress = progress.IndexProgress(self, loop, shown=shown, tell=self.tell_status)
        on_rules = partial(loop.call_soon_threadsafe, self.session.rules_changed)
        self.session.indexing.start(cache_dir(), self.index_progress, on_rules)
        for document in self.session.documents:
            self.session.indexing.opened(document)

    async def load_model(self) -> None:
        """Load in the background, with the care that earlier crashes advise."""
        self.loaded_with = self.session.settings
        crashes = lifecycle.CrashRecord(cache_dir() / "running", repr(self.session.settings))
        verdict = crashes.verdict()
        if verdict == "no-model":
            self.session.give_up(CRASHED_OFTEN)
            return
        crashes.start()
        self.protocol.at_stop(crashes.end)
        self.crashes = crashes
        most = SAFE_CONTEXT_TOKENS if verdict == "smaller" else NO_LIMIT
        self.session.start(self.load, most_tokens=most)
        worker = self.session.worker
        assert worker is not None
        ready = asyncio.wrap_future(worker.ready)
        await asyncio.wait([ready])
        if not ready.cancelled():
            ready.exception()  # heard; `loaded` says it to the user
            if worker is self.session.worker:  # else another one is wanted by now
                self.session.loaded()

    async def _load_anew(self, before: asyncio.Task[None] | None) -> None:
        """Change the model for the one that the settings name; one change after the other."""
        if before is not None:
            await asyncio.wait([before])
        if self._is_out_of_date():  # several changes at once are one
            await self.session.unload()
            if self.crashes is not None:
                self.crashes.end()  # what happens from here on is not of these settings
            await self.load_model()
            self.session.warming.again()

    async def answer(
        self, params: types.TextDocumentPositionParams | Any, *, manual: bool
    ) -> tuple[suggest.Suggestion, suggest.Ask] | None:
        """A suggestion for a position of an open document, None when it is not open."""
        document = self.session.documents.get(params.text_document.uri)
        if document is None:
            return None
        position = params.position
        place = document.place(position.line, position.character, self.protocol.position_encoding)
        selected = convert.selected(params, document, self.protocol.position_encoding)
        ask = suggest.Ask(document, place, manual, selected)
        suggestion = await suggest.suggest(ask, self.session)
        if manual:
            suggestion = await choice.with_others(ask, suggestion, self.session)
        self.session.last.set(explain.record(suggestion))
        self.ahead.shown(ask, suggestion)
        return suggestion, ask

    def _undecodable(self, method: str, params: Any) -> None:
        """A change that could not be read: the document's text is unknown from here on."""
        if method == types.TEXT_DOCUMENT_DID_CHANGE and isinstance(params, dict):
            document = params.get("textDocument")
            if isinstance(document, dict) and isinstance(document.get("uri"), str):
                self.session.documents.lose(document["uri"])


async def initialize(ls: GhostwrightServer, params: types.InitializeParams) -> None:
    """Settings and folders; the fallback only where inline completion is missing."""
    ls.open_session(params)
    text = params.capabilities.text_document
    if text is None or text.inline_completion is None:
        options = types.CompletionOptions(trigger_characters=[".", "(", " "])
        ls.feature(types.TEXT_DOCUMENT_COMPLETION, options)(completion)


async def initialized(ls: GhostwrightServer, _: types.InitializedParams) -> None:
    """Say what was wrong with the settings and load the model."""
    for problem in ls.problems:
        ls.status_line.warn(problem)
    await requests.settings_in_time(ls)
    ls.open_index()
    await asyncio.get_running_loop().run_in_executor(None, ls.session.prepare)
    # Together: a client that never answers does not keep the model from loading.
    await asyncio.gather(requests.register(ls), ls.load_model())
    await asyncio.sleep(WARM_AFTER_S)
    await asyncio.get_running_loop().run_in_executor(None, listing.warm)


async def shutdown(ls: GhostwrightServer, _: None) -> None:
    """Free the model, unless native code keeps it: then the process's end does."""
    ls.session.warming.stop()
    ls.ahead.stop()
    ls.session.scheduler.forget()  # a decode under way would keep the last state from being saved
    await asyncio.get_running_loop().run_in_executor(None, ls.session.close)


async def did_open(ls: GhostwrightServer, params: types.DidOpenTextDocumentParams) -> None:
    """Keep the text as the editor has it."""
    item = params.text_document
    document = ls.session.documents.open(item.uri, item.language_id, item.version, item.text)
    ls.session.indexing.opened(document)
    ls.session.warming.opened(document)
    if document.path is not None:  # the first keystroke must not wait for a grammar
        asyncio.get_running_loop().run_in_executor(None, site.warm, document.path.name)


async def did_change(ls: GhostwrightServer, params: types.DidChangeTextDocumentParams) -> None:
    """Follow the editor's changes."""
    target = params.text_document
    edits = convert.changes(params.content_changes)
    encoding = ls.protocol.position_encoding
    before = ls.session.documents.get(target.uri)
    changed, problem = ls.session.documents.change(target.uri, target.version, edits, encoding)
    if changed is not None:
        ls.follow(before, changed, edits)
    if problem:
        ls.status_line.warn(problem)


async def did_close(ls: GhostwrightServer, params: types.DidCloseTextDocumentParams) -> None:
    """Forget the text: from here on the file is what the disk says."""
    document = ls.session.documents.get(params.text_document.uri)
    if document is not None:
        ls.session.indexing.closed(document)
        ls.session.record.closed(document.uri)
        ls.session.next_edits.closed(document.uri)
        ls.findings.closed(document.uri)
    ls.session.documents.close(params.text_document.uri)


async def did_change_watched_files(
    ls: GhostwrightServer, params: types.DidChangeWatchedFilesParams
) -> None:
    """The editor has seen files change on the disk."""
    paths = (path_of(change.uri) for change in params.changes)
    ls.session.indexing.feed([path for path in paths if path is not None])


async def workspace_symbol(
    ls: GhostwrightServer, params: types.WorkspaceSymbolParams
) -> list[types.WorkspaceSymbol]:
    """Definitions anywhere in the workspace, by name."""
    if not params.query:
        return []
    look_up = partial(ls.session.indexing.symbols, params.query, SYMBOLS_LIMIT)
    encoding = ls.protocol.position_encoding
    loop = asyncio.get_running_loop()
    return convert.symbols(await loop.run_in_executor(None, look_up, encoding))


async def inline_completion(
    ls: GhostwrightServer, params: types.InlineCompletionParams
) -> types.InlineCompletionList:
    """Ghost text."""
    manual = params.context.trigger_kind == types.InlineCompletionTriggerKind.Invoked
    answer = await ls.answer(params, manual=manual)
    if answer is None:
        return types.InlineCompletionList(items=[])
    suggestion, ask = answer
    at = ask.settled  # what is selected in the editor's list comes with the text, or not at all
    number = ls.session.record.shown(suggestion, at.document, at.place, manual=manual)
    return convert.inline_items(suggestion, ask, number, ls.protocol.position_encoding)


async def completion(ls: GhostwrightServer, params: types.CompletionParams) -> types.CompletionList:
    """The same suggestion for clients without ghost text."""
    kind = params.context.trigger_kind if params.context else types.CompletionTriggerKind.Invoked
    answer = await ls.answer(params, manual=kind == types.CompletionTriggerKind.Invoked)
    if answer is None:
        return types.CompletionList(is_incomplete=True, items=[])
    suggestion, ask = answer
    encoding = ls.protocol.position_encoding
    return convert.completion_items(suggestion, ask.document, ask.place, encoding)


async def did_change_configuration(
    ls: GhostwrightServer, params: types.DidChangeConfigurationParams
) -> None:
    """New settings: what came with the message counts where the client cannot be asked."""
    if not await requests.pull_settings(ls):
        ls.take_settings(params.settings)


async def did_change_folders(
    ls: GhostwrightServer, params: types.DidChangeWorkspaceFoldersParams
) -> None:
    """Folders of the workspace come and go."""
    event = params.event
    ls.session.change_roots(convert.folders(event.added), convert.folders(event.removed))


async def explain_last(ls: GhostwrightServer, *_: Any) -> dict[str, Any]:
    """The JSON of `ghostwright explain` for the last answer."""
    return ls.session.last.record


async def report_status(ls: GhostwrightServer, *_: Any) -> dict[str, object]:
    """The status object, as it is now."""
    return {**ls.status_object(), "log": str(ls.log_file) if ls.log_file else ""}


async def statistics(_: GhostwrightServer, *__: Any) -> dict[str, Any]:
    """The JSON of `ghostwright stats`."""
    return await asyncio.get_running_loop().run_in_executor(None, tally.of_last_days)


async def pause(ls: GhostwrightServer, *_: Any) -> dict[str, object]:
    """Stop suggesting, or go on."""
    ls.session.pause(paused=ls.session.status.state != "paused")
    return ls.status_object()


async def reindex(ls: GhostwrightServer, *_: Any) -> None:
    """Look at every file again."""
    ls.session.indexing.rebuild()


FEATURES: dict[str, Callable[..., Any]] = {
    types.INITIALIZE: initialize,
    types.INITIALIZED: initialized,
    types.SHUTDOWN: shutdown,
    types.TEXT_DOCUMENT_DID_OPEN: did_open,
    types.TEXT_DOCUMENT_DID_CHANGE: did_change,
    types.TEXT_DOCUMENT_DID_CLOSE: did_close,
    types.TEXT_DOCUMENT_INLINE_COMPLETION: inline_completion,
    types.WORKSPACE_DID_CHANGE_CONFIGURATION: did_change_configuration,
    types.WORKSPACE_DID_CHANGE_WORKSPACE_FOLDERS: did_change_folders,
    types.WORKSPACE_DID_CHANGE_WATCHED_FILES: did_change_watched_files,
    types.WORKSPACE_SYMBOL: workspace_symbol,
    types.TEXT_DOCUMENT_CODE_ACTION: actions.code_action,
    types.CODE_ACTION_RESOLVE: actions.resolve,
    next_edits.INLINE_EDIT: next_edits.inline_edit,
    feedback.DID_SHOW: feedback.did_show,
    feedback.DID_PARTIALLY_ACCEPT: feedback.did_partially_accept,
}
OPTIONS: dict[str, Any] = {
    types.TEXT_DOCUMENT_INLINE_COMPLETION: types.InlineCompletionOptions(),
    types.TEXT_DOCUMENT_CODE_ACTION: types.CodeActionOptions(
        code_action_kinds=list(actions.KINDS), resolve_provider=True
    ),
}
COMMANDS: dict[str, Callable[..., Any]] = {
    convert.ACCEPTED: feedback.accepted,
    actions.REFACTOR: actions.refactor,
    asking.ASK: asking.ask,
    "ghostwright.explain": explain_last,
    "ghostwright.stats": statistics,
    "ghostwright.status": report_status,
    selecting.SELECT: selecting.select_model,
    "ghostwright.pause": pause,
    "ghostwright.reindex": reindex,
}
