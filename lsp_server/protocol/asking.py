# SPDX-License-Identifier: Apache-2.0
"""Questions about the repository, for clients: the answer as it grows, then the whole as JSON.

In: the arguments of `ghostwright.ask`. Out: `ghostwright/answer {token, text}` for each piece where
the client has given a token, and the contract's JSON. How it is answered is in `actions/ask.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pygls.exceptions import JsonRpcException, JsonRpcInvalidParams

from engine.types import EngineError
from lsp_server.actions.report import one_line
from lsp_server.actions.types import Refused
from lsp_server.protocol.wishes import field, text
from lsp_server.protocol.work import work
from lsp_server.schedule import NoText

if TYPE_CHECKING:
    from collections.abc import Callable

    from lsp_server.protocol.server import GhostwrightServer

ASK = "ghostwright.ask"
ANSWER = "ghostwright/answer"
REQUEST_FAILED = -32803  # of the protocol: it was understood, and cannot be done
TITLE = "Ghostwright: answering"


async def ask(ls: GhostwrightServer, *arguments: Any) -> dict[str, Any]:
    """[{question, uri?, line? (from 0), token?}] to an answer with checked citations."""
    argument = arguments[0] if arguments else None
    question = text(field(argument, "question")).strip()
    if not question:
        raise JsonRpcInvalidParams("there is no question")
    try:
        return await work(ls, TITLE, lambda _: _answered(ls, question, argument))
    except (Refused, NoText, EngineError) as reason:
        raise JsonRpcException(one_line(str(reason)), REQUEST_FAILED) from reason


async def _answered(ls: GhostwrightServer, question: str, argument: Any) -> dict[str, Any]:
    from lsp_server.actions.ask import ask as answer  # noqa: PLC0415  for who asks nothing

    uri, line = text(field(argument, "uri")), field(argument, "line")
    answered = await answer(
        question,
        ls.session,
        document=ls.session.documents.get(uri),
        line=line + 1 if type(line) is int and line >= 0 else None,
        hear=_teller(ls, field(argument, "token")),
    )
    record: dict[str, Any] = answered.record()
    return record


def _teller(ls: GhostwrightServer, token: Any) -> Callable[[str], None]:
    """Who hears the pieces of an answer, on the engine's thread."""
    if not isinstance(token, (str, int)):
        return lambda _: None

    def tell(piece: str) -> None:
        ls.protocol.notify(ANSWER, {"token": token, "text": piece})

    return tell
