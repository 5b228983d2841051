# SPDX-License-Identifier: Apache-2.0
"""What the user is told without asking: `ghostwright/status`, and each problem once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lsprotocol import types

if TYPE_CHECKING:
    from lsp_server.protocol.transport import Server
    from lsp_server.session import Status

METHOD = "ghostwright/status"
TOLD_AS_MESSAGE = {"no-model": types.MessageType.Warning, "error": types.MessageType.Error}


class StatusLine:
    """Sends status changes; a problem also as a message, but the same one never twice."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._told: set[str] = set()

    def show(self, status: Status, shown: dict[str, object]) -> None:
        """Tell the client of a new status; `shown` is the whole object."""
        self._server.protocol.notify(METHOD, shown)
        if status.state in TOLD_AS_MESSAGE:
            self.warn(status.message, TOLD_AS_MESSAGE[status.state])

    def warn(self, message: str, kind: types.MessageType = types.MessageType.Warning) -> None:
        """Show one line to the user, once."""
        if message not in self._told:
            self._told.add(message)
            self._server.window_show_message(
                types.ShowMessageParams(kind, f"Ghostwright: {message}")
            )
