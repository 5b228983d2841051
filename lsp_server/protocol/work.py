# SPDX-License-Identifier: Apache-2.0
"""Work that a user waits for and may call off: progress in the client, from its begin to its end.

In: a title and a coroutine that says what it is doing. Out: its value. `window/workDoneProgress/
cancel` and `$/cancelRequest` both cancel the coroutine. Knows not what the work is.
"""

from __future__ import annotations

import asyncio
import secrets
from concurrent.futures import Future
from typing import TYPE_CHECKING, TypeVar

from lsprotocol import types
from pygls.exceptions import JsonRpcRequestCancelled

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

    from lsp_server.protocol.transport import Server

    T = TypeVar("T")
    Say = Callable[[str], None]


async def work(server: Server, title: str, doing: Callable[[Say], Coroutine[Any, Any, T]]) -> T:
    """Do it. Raises JsonRpcRequestCancelled where the user called it off in the progress."""
    window = server.client_capabilities.window
    if not window or not window.work_done_progress:
        return await doing(lambda _: None)
    token = f"ghostwright-work-{secrets.token_hex(8)}"
    # By the protocol the client's consent is awaited; a client that refuses ignores us.
    server.protocol.send_request(
        types.WINDOW_WORK_DONE_PROGRESS_CREATE, types.WorkDoneProgressCreateParams(token)
    )

    def send(
        value: types.WorkDoneProgressBegin
        | types.WorkDoneProgressReport
        | types.WorkDoneProgressEnd,
    ) -> None:
        server.progress(types.ProgressParams(token, value))

    task = asyncio.ensure_future(
        doing(lambda words: send(types.WorkDoneProgressReport(message=words, cancellable=True)))
    )
    stop: Future[None] = Future()
    stop.add_done_callback(lambda _: task.cancel())
    server.work_done_progress.tokens[token] = stop  # pygls cancels it when the client says so
    send(types.WorkDoneProgressBegin(title, cancellable=True))
    try:
        return await task
    except asyncio.CancelledError:
        if stop.cancelled():
            raise JsonRpcRequestCancelled("cancelled") from None
        raise
    finally:
        del server.work_done_progress.tokens[token]
        send(types.WorkDoneProgressEnd())
