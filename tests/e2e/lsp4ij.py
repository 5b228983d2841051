# SPDX-License-Identifier: Apache-2.0
"""A JetBrains IDE with LSP4IJ 0.20, as far as a language server can tell: it waits, sends and
ignores what that does.

In: keys, accepts, a choice from the list of actions. Out: text, grey text, and what was sent. Read
in LSP4IJ's sources (d21cff92, 2026-06-23: LSPInlineCompletionProvider, LSPInlineCompletionSupport,
ClientCapabilitiesFactory, DocumentContentSynchronizer, LSPLazyCodeActionIntentionAction,
LanguageServerWrapper, LanguageClientImpl) and, for what happens to grey text when a key is typed,
in the platform's InlineCompletionSuggestionUpdateManager.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from e2e.editor import SERVER, Editor
from lsprotocol import types

from lsp_server.documents import Change, apply, from_text, path_of

if TYPE_CHECKING:
    from collections.abc import Sequence

TEMPLATE = Path(__file__).parents[2] / "editors" / "jetbrains"
DEBOUNCE_S = 0.3
OPENED_S = 0.5  # after didOpen, before anything else is asked
RESTARTS = 20
# The IDE says its own full name and version, not that of the plug-in.
IDE = "PyCharm 2025.2.4"

INLINE, ACTION = types.InlineCompletionTriggerKind, types.CodeActionTriggerKind
CAPABILITIES = types.ClientCapabilities(
    general=types.GeneralClientCapabilities(
        position_encodings=[types.PositionEncodingKind.Utf16],
        stale_request_support=types.StaleRequestSupportOptions(
            cancel=True, retry_on_content_modified=[]
        ),
    ),
    workspace=types.WorkspaceClientCapabilities(
        apply_edit=True,
        configuration=True,
        workspace_folders=True,
        workspace_edit=types.WorkspaceEditClientCapabilities(document_changes=True),
        did_change_watched_files=types.DidChangeWatchedFilesClientCapabilities(
            dynamic_registration=True
        ),
        did_change_configuration=types.DidChangeConfigurationClientCapabilities(
            dynamic_registration=True
        ),
    ),
    text_document=types.TextDocumentClientCapabilities(
        inline_completion=types.InlineCompletionClientCapabilities(dynamic_registration=True),
        code_action=types.CodeActionClientCapabilities(
            dynamic_registration=True,
            data_support=True,
            code_action_literal_support=types.ClientCodeActionLiteralOptions(
                types.ClientCodeActionKindOptions(
                    [
                        types.CodeActionKind.QuickFix,
                        types.CodeActionKind.Refactor,
                        types.CodeActionKind.RefactorExtract,
                        types.CodeActionKind.RefactorInline,
                        types.CodeActionKind.RefactorRewrite,
                        types.CodeActionKind.Source,
                        types.CodeActionKind.SourceOrganizeImports,
                    ]
                )
            ),
            resolve_support=types.ClientCodeActionResolveOptions(["edit"]),
        ),
    ),
    window=types.WindowClientCapabilities(work_done_progress=True),
)


def command_line(text: str, home: Path) -> list[str]:
    """The words of a command of the template: macros, then blanks outside of double quotes."""
    words, word, quoted = [], "", False
    for char in text.replace("$USER_HOME$", str(home)):
        if char == '"':
            quoted = not quoted
        elif char == " " and not quoted:
            words.append(word)
            word = ""
        else:
            word += char
    return [word for word in (*words, word) if word]


class Connection(Editor):
    """One process of the server, and all that it has said."""

    def __init__(self, root: Path, settings: dict[str, Any]) -> None:
        super().__init__(root)
        self.edits: list[types.WorkspaceEdit] = []
        self.commands: list[str] = []  # that we ran: none, unless an action has one

        @self.client.feature(types.WORKSPACE_CONFIGURATION)
        def on_configuration(params: types.ConfigurationParams) -> list[Any]:
            return [settings.get(item.section or "") for item in params.items]

        @self.client.feature(types.CLIENT_REGISTER_CAPABILITY)
        def on_register(_: types.RegistrationParams) -> None:
            return None

        @self.client.feature(types.WINDOW_WORK_DONE_PROGRESS_CREATE)
        def on_create(_: types.WorkDoneProgressCreateParams) -> None:
            return None

        @self.client.feature(types.WORKSPACE_APPLY_EDIT)
        def on_edit(params: types.ApplyWorkspaceEditParams) -> types.ApplyWorkspaceEditResult:
            self.edits.append(params.edit)
            return types.ApplyWorkspaceEditResult(applied=True)

    async def begin(
        self, command: Sequence[str], name: str, settings: dict[str, Any], options: Any
    ) -> types.InitializeResult:
        await self.client.start_io(*command, env=dict(os.environ))
        result = await self.client.initialize_async(
            types.InitializeParams(
                process_id=os.getpid(),
                root_uri=self.root.as_uri(),
                root_path=str(self.root),
                capabilities=CAPABILITIES,
                client_info=types.ClientInfo(name, "2025.2.4"),
                initialization_options=options,
                workspace_folders=[types.WorkspaceFolder(self.root.as_uri(), self.root.name)],
            )
        )
        self.client.initialized(types.InitializedParams())
        # Settings are pushed when the server has started, and told when it asks for them.
        self.client.workspace_did_change_configuration(
            types.DidChangeConfigurationParams(settings=settings)
        )
        return result

    @property
    def pid(self) -> int:
        return int(self.client._server.pid)

    @property
    def is_alive(self) -> bool:
        return self.client._server.returncode is None


class Ide:
    """An IDE with one project and one open file, its caret where the last key was typed."""

    def __init__(
        self,
        root: Path,
        path: Path,
        settings: dict[str, Any] | None = None,
        name: str = IDE,
        command: Sequence[str] = SERVER,
    ) -> None:
        template = json.loads((TEMPLATE / "settings.json").read_text("utf-8"))
        self.settings = {"ghostwright": {**template["ghostwright"], **(settings or {})}}
        self.options = json.loads((TEMPLATE / "initializationOptions.json").read_text("utf-8"))
        self.root, self.name, self.command = root, name, command
        self.uri = path.as_uri()
        self.document = from_text(self.uri, path.read_bytes().decode())
        self.caret = len(self.document.text)
        self.grey = ""
        self.asked: list[float] = []  # seconds from the last key to each request
        self.answers: list[float] = []  # seconds from the last key until grey text stood there
        self.spans: list[tuple[int, int]] = []  # that the last items would replace, in characters
        self.restarts = 0
        self.connection: Connection | None = None
        self._version = 0
        self._waiting: asyncio.Task[None] | None = None
        self._connecting = asyncio.Lock()

    # -- the server's process

    async def server(self) -> Connection:
        """The running server; one that has ended is started again, RESTARTS times at most."""
        async with self._connecting:
            if self.connection is not None and self.connection.is_alive:
                return self.connection
            if self.connection is not None:
                self.restarts += 1
                assert self.restarts <= RESTARTS
                await self.connection.client.stop()
            self.connection = Connection(self.root, self.settings)
            result = await self.connection.begin(
                self.command, self.name, self.settings, self.options
            )
            assert result.capabilities.position_encoding == types.PositionEncodingKind.Utf16
            assert result.capabilities.inline_completion_provider
            self._version = 1
            language = "python"
            item = types.TextDocumentItem(self.uri, language, 1, self.document.text)
            self.connection.client.text_document_did_open(types.DidOpenTextDocumentParams(item))
            await asyncio.sleep(OPENED_S)
            return self.connection

    async def stop(self) -> int:
        await self._forget()
        assert self.connection is not None
        return await self.connection.stop()

    # -- typing

    async def key(self, char: str) -> None:
        """One key. What is typed as suggested shortens the grey text and asks for nothing."""
        typed_at = time.perf_counter()
        self._insert(char)
        if self.grey.startswith(char) and len(self.grey) > len(char):
            self.grey = self.grey[len(char) :]
            return
        await self._forget()
        self._waiting = asyncio.create_task(self._ask(typed_at, DEBOUNCE_S))

    async def type(self, text: str, pause_s: float = 0.05) -> None:
        for char in text:
            await self.key(char)
            await asyncio.sleep(pause_s)

    async def call(self) -> None:
        """The shortcut that asks by hand: at once, and still called automatic."""
        await self._forget()
        self._waiting = asyncio.create_task(self._ask(time.perf_counter(), 0.0))

    async def shown(self, timeout_s: float = 60.0) -> str:
        """The grey text, once the answer to the last key is there; it may be empty."""
        if self._waiting is not None:
            await asyncio.wait_for(asyncio.shield(self._waiting), timeout_s)
        return self.grey

    def accept(self, text: str | None = None) -> None:
        """Insert it, or its beginning. No command is run, nothing is told, nothing is asked."""
        taken = self.grey if text is None else text
        assert taken
        assert self.grey.startswith(taken)
        self.grey = self.grey[len(taken) :]
        self._insert(taken)

    async def _forget(self) -> None:
        """Cancel what is waited for, as a new key does."""
        self.grey = ""
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)

    def _insert(self, text: str) -> None:
        at = self._position(self.caret)
        change = Change(text, (at.line, at.character), (at.line, at.character))
        self.document = apply(self.document, [change], self._version + 1, "utf-16")
        self.caret += len(text)
        if self.connection is None or not self.connection.is_alive:
            return  # the next request starts it and opens the document
        self._version += 1
        part = types.TextDocumentContentChangePartial(types.Range(at, at), text, 0)
        target = types.VersionedTextDocumentIdentifier(self._version, self.uri)
        self.connection.client.text_document_did_change(
            types.DidChangeTextDocumentParams(target, [part])
        )

    async def _ask(self, typed_at: float, wait_s: float) -> None:
        await asyncio.sleep(wait_s)
        server = await self.server()
        caret, identifier = self.caret, f"inline-{len(self.asked)}"
        self.asked.append(time.perf_counter() - typed_at)
        params = types.InlineCompletionParams(
            types.InlineCompletionContext(INLINE.Automatic),
            types.TextDocumentIdentifier(self.uri),
            self._position(caret),
        )
        request = asyncio.wrap_future(
            server.client.protocol.send_request(
                types.TEXT_DOCUMENT_INLINE_COMPLETION, params, msg_id=identifier
            )
        )
        try:
            answer = await asyncio.shield(request)
        except asyncio.CancelledError:
            # The server's answer to a cancelled request is an error that nobody waits for.
            request.add_done_callback(lambda done: done.cancelled() or done.exception())
            server.client.protocol.notify(types.CANCEL_REQUEST, types.CancelParams(id=identifier))
            raise
        self.spans = []
        texts = [self._grey_of(item, caret) for item in (answer.items if answer else [])]
        self.grey = next(filter(str.strip, texts), "")
        if self.grey:
            self.answers.append(time.perf_counter() - typed_at)

    def _grey_of(self, item: types.InlineCompletionItem, caret: int) -> str:
        """Its text without what stands before the caret. `command` and `filterText` are not read;
        a snippet would be shown as it is written.
        """
        text = item.insert_text if isinstance(item.insert_text, str) else item.insert_text.value
        if item.range is None:
            return text
        start, end = (self._offset(one) for one in (item.range.start, item.range.end))
        self.spans.append((start, end))
        if start < caret <= end and caret - start < len(text):
            return text[caret - start :]
        return text

    def _position(self, offset: int) -> types.Position:
        place = self.document.offset_position(offset)
        return types.Position(*self.document.position(place, "utf-16"))

    def _offset(self, position: types.Position) -> int:
        place = self.document.place(position.line, position.character, "utf-16")
        return self.document.offset(place)

    # -- Alt+Enter

    async def actions(self, start: tuple[int, int], end: tuple[int, int]) -> list[types.CodeAction]:
        server = await self.server()
        params = types.CodeActionParams(
            types.TextDocumentIdentifier(self.uri),
            types.Range(types.Position(*start), types.Position(*end)),
            types.CodeActionContext(diagnostics=[], trigger_kind=ACTION.Automatic),
        )
        listed = await server.client.text_document_code_action_async(params)
        return [one for one in listed or () if isinstance(one, types.CodeAction)]

    async def choose(self, action: types.CodeAction) -> None:
        """Resolve it where it has neither edit nor command, then apply its edit."""
        server = await self.server()
        if action.edit is None and action.command is None:
            action = await server.client.code_action_resolve_async(action)
        if action.command is not None:
            server.commands.append(action.command.command)
            await server.command(action.command.command, *(action.command.arguments or []))
        for edit in [*([action.edit] if action.edit else []), *server.edits]:
            self._apply(edit)

    def _apply(self, edit: types.WorkspaceEdit) -> None:
        """`documentChanges` only; other files are changed on the disk."""
        assert edit.document_changes is not None
        assert edit.change_annotations is None, "never declared"
        for each in edit.document_changes:
            assert isinstance(each, types.TextDocumentEdit)
            ours = each.text_document.uri == self.uri
            assert each.text_document.version in ((self._version,) if ours else (None,))
            path = path_of(each.text_document.uri)
            assert path is not None
            text = self.document.text if ours else path.read_bytes().decode()
            changes = []
            for one in each.edits:
                assert isinstance(one, types.TextEdit)
                span = one.range
                ends = ((at.line, at.character) for at in (span.start, span.end))
                changes.append(Change(one.new_text, *ends))
            changes.sort(key=lambda one: one.start or (0, 0), reverse=True)
            after = apply(from_text(each.text_document.uri, text), changes, 2, "utf-16")
            if ours:
                self.document = after
            else:
                path.write_bytes(after.text.encode())
