# SPDX-License-Identifier: Apache-2.0
"""A minimal server on the real transport: what the tests of transport and life cycle drive.

In: a folder for the log as the only argument. Out: a language server on stdio.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from lsprotocol import types

from lsp_server import documents, log
from lsp_server.protocol import lifecycle
from lsp_server.protocol.transport import Server, serve_stdio


def build() -> Server:
    """A server whose handlers are the kinds that a real one has."""
    server = Server("echo", "0")
    store = documents.Documents()

    @server.feature("test/echo")
    async def echo(params: Any) -> Any:
        return params

    @server.feature("test/slow")
    async def slow(params: Any) -> Any:
        await asyncio.sleep(params["seconds"])
        return params

    @server.feature("test/stuck")
    async def stuck(params: Any) -> Any:
        await asyncio.to_thread(threading.Event().wait)

    @server.feature("test/stuckLoop")
    async def stuck_loop(params: Any) -> Any:
        threading.Event().wait()  # what native code on the loop looks like

    @server.feature("test/fail")
    async def fail(params: Any) -> Any:
        raise RuntimeError(params)

    @server.feature("test/notJson")
    async def not_json(params: Any) -> Any:
        return threading.Lock()

    @server.feature("test/askClient")
    async def ask_client(params: Any) -> Any:
        return await server.protocol.send_request_async("test/question", params)

    @server.feature("test/flood")
    async def flood(params: Any) -> Any:
        for _ in range(params["messages"]):
            server.protocol.notify("test/noise", "x" * params["characters"])

    @server.feature("test/print")
    async def print_to_stdout(params: Any) -> Any:
        print("a stray line", flush=True)
        return "printed"

    @server.feature("test/text")
    async def text(params: Any) -> Any:
        document = store.get(params["uri"])
        return None if document is None else document.text

    @server.command("test.add")
    async def add(ls: Server, left: int, right: int) -> int:
        return left + right

    @server.command("test.slow")
    async def slow_command(*arguments: Any) -> None:
        await asyncio.sleep(60)

    @server.feature(types.TEXT_DOCUMENT_DID_OPEN)
    async def did_open(params: types.DidOpenTextDocumentParams) -> None:
        item = params.text_document
        store.open(item.uri, item.language_id, item.version, item.text)

    @server.feature(types.TEXT_DOCUMENT_DID_CHANGE)
    async def did_change(params: types.DidChangeTextDocumentParams) -> None:
        changes = [_change(change) for change in params.content_changes]
        item = params.text_document
        store.change(item.uri, item.version, changes, server.protocol.position_encoding)

    def undecodable(method: str, params: Any) -> None:
        if method == types.TEXT_DOCUMENT_DID_CHANGE:
            store.lose(params["textDocument"]["uri"])

    server.protocol.undecodable = undecodable
    return server


def _change(change: Any) -> documents.Change:
    if not isinstance(change, types.TextDocumentContentChangePartial):
        return documents.Change(change.text)
    start, end = change.range.start, change.range.end
    return documents.Change(change.text, (start.line, start.character), (end.line, end.character))


if __name__ == "__main__":
    log.set_up(Path(sys.argv[1]), "debug")
    lifecycle.exit_now(serve_stdio(build()))
