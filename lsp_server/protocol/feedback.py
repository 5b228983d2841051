# SPDX-License-Identifier: Apache-2.0
"""What clients tell of suggestions: shown, accepted, accepted in part.

In: one command and two notifications of Copilot-shaped clients, each as malformed as it may be.
Out: calls of the session's record. An item is known by the id in the arguments of its command;
what names no suggestion of ours changes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lsp_server.positions import to_index

if TYPE_CHECKING:
    from lsp_server.protocol.server import GhostwrightServer

DID_SHOW = "textDocument/didShowCompletion"
DID_PARTIALLY_ACCEPT = "textDocument/didPartiallyAcceptCompletion"


async def accepted(ls: GhostwrightServer, *arguments: Any) -> None:
    """The item's command, which clients run when the user has taken it whole."""
    if identifier := _text(arguments[0] if arguments else None):
        ls.session.record.accepted(identifier)


async def did_show(ls: GhostwrightServer, params: Any) -> None:
    """The client draws it. One that says so is believed about all others."""
    if identifier := _identifier(params):
        ls.session.record.told_shown(identifier)


async def did_partially_accept(ls: GhostwrightServer, params: Any) -> None:
    """A word or a line of it was taken; `acceptedLength` counts UTF-16 from its start."""
    identifier, units = _identifier(params), _get(params, "acceptedLength")
    if identifier and type(units) is int and units > 0:
        text = ls.session.record.text_of(identifier)
        # As one line: a length counts terminators too.
        length = to_index(text.replace("\r", " ").replace("\n", " "), units, "utf-16")
        ls.session.record.accepted(identifier, length)


def _identifier(params: Any) -> str:
    """The id that we gave an item; empty where there is none."""
    arguments = _get(_get(_get(params, "item"), "command"), "arguments")
    return _text(arguments[0]) if isinstance(arguments, (list, tuple)) and arguments else ""


def _get(value: Any, name: str) -> Any:
    """A member of what JSON became, a dictionary or an object; None where it has none."""
    return value.get(name) if isinstance(value, dict) else getattr(value, name, None)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
