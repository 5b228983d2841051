# SPDX-License-Identifier: Apache-2.0
"""An editor for tests and the demo: starts the real server and speaks to it over stdio."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from lsprotocol import types
from pygls.lsp.client import LanguageClient

if TYPE_CHECKING:
    from pathlib import Path

SERVER = (sys.executable, "-m", "lsp_server", "serve", "--stdio")
SETTLED = ("ready", "no-model", "error")
INLINE = types.TextDocumentClientCapabilities(
    inline_completion=types.InlineCompletionClientCapabilities()
)


class Editor:
    """One open workspace. Positions are (line, character) from 0 in UTF-16 units."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.client = LanguageClient("test-editor", "1")
        self.statuses: list[dict[str, Any]] = []
        self.messages: list[str] = []
        self.versions: dict[str, int] = {}
        self._changed = asyncio.Event()

        @self.client.feature("ghostwright/status")
        def on_status(params: Any) -> None:
            self.statuses.append(_plain(params))
            self._changed.set()

        @self.client.feature(types.WINDOW_SHOW_MESSAGE)
        def on_message(params: types.ShowMessageParams) -> None:
            self.messages.append(params.message)
            self._changed.set()

    async def start(
        self,
        options: dict[str, Any] | None = None,
        capabilities: types.ClientCapabilities | None = None,
        environment: dict[str, str] | None = None,
    ) -> types.InitializeResult:
        await self.client.start_io(*SERVER, env={**os.environ, **(environment or {})})
        result = await self.client.initialize_async(
            types.InitializeParams(
                process_id=os.getpid(),
                capabilities=capabilities or types.ClientCapabilities(text_document=INLINE),
                root_uri=self.root.as_uri(),
                workspace_folders=[types.WorkspaceFolder(self.root.as_uri(), self.root.name)],
                initialization_options=options,
                client_info=types.ClientInfo("test-editor", "1"),
            )
        )
        self.client.initialized(types.InitializedParams())
        return result

    async def settled(self, timeout_s: float = 120.0) -> dict[str, Any]:
        """The status once the model is loaded or known to be missing."""
        return await asyncio.wait_for(self._settled(), timeout_s)

    async def _settled(self) -> dict[str, Any]:
        while not self.statuses or self.statuses[-1]["state"] not in SETTLED:
            self._changed.clear()
            await self._changed.wait()
        return self.statuses[-1]

    def open(self, path: Path, text: str | None = None, language: str = "python") -> str:
        uri = path.as_uri()
        self.versions[uri] = 1
        content = path.read_bytes().decode() if text is None else text
        item = types.TextDocumentItem(uri, language, 1, content)
        self.client.text_document_did_open(types.DidOpenTextDocumentParams(item))
        return uri

    def type(self, uri: str, line: int, character: int, text: str, over: int = 0) -> None:
        """Insert text at a place, over so many characters."""
        self.versions[uri] += 1
        here, end = types.Position(line, character), types.Position(line, character + over)
        change = types.TextDocumentContentChangePartial(range=types.Range(here, end), text=text)
        target = types.VersionedTextDocumentIdentifier(version=self.versions[uri], uri=uri)
        self.client.text_document_did_change(types.DidChangeTextDocumentParams(target, [change]))

    async def suggest(self, uri: str, line: int, character: int, *, manual: bool = False) -> str:
        """The text of the suggestion at a place, empty when there is none."""
        kind = types.InlineCompletionTriggerKind
        params = types.InlineCompletionParams(
            types.InlineCompletionContext(kind.Invoked if manual else kind.Automatic),
            types.TextDocumentIdentifier(uri),
            types.Position(line, character),
        )
        answer = await self.client.text_document_inline_completion_async(params)
        items = answer.items if answer else []
        return str(items[0].insert_text) if items else ""

    async def command(self, name: str, *arguments: Any) -> Any:
        params = types.ExecuteCommandParams(name, list(arguments))
        return _plain(await self.client.workspace_execute_command_async(params))

    async def explain(self) -> dict[str, Any]:
        return await self.command("ghostwright.explain")

    async def stop(self) -> int:
        """Shut down in order; the server's exit code."""
        await self.client.shutdown_async(None)
        self.client.exit(None)
        process = self.client._server
        code = await asyncio.wait_for(process.wait(), 10)
        await self.client.stop()
        return code


def _plain(value: Any) -> Any:
    """pygls makes objects of JSON that it knows no type for: back to dicts and lists."""
    if hasattr(value, "_asdict"):
        return {name: _plain(item) for name, item in value._asdict().items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value


@asynccontextmanager
async def editor(root: Path, options: dict[str, Any] | None = None, **more: Any) -> Any:
    """A started editor with a settled server, stopped at the end."""
    it = Editor(root)
    await it.start(options, **more)
    try:
        await it.settled()
        yield it
    finally:
        await it.stop()
