# SPDX-License-Identifier: Apache-2.0
"""Next edits for clients: as `textDocument/copilotInlineEdit` and as a code action.

In: the protocol's parameters; those of the first are no part of the standard and are taken as they
come. Out: its results, in the client's position encoding. What is proposed is decided in
`suggestions/next_edit.py`.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from lsprotocol import types

from lsp_server.protocol.convert import ACCEPTED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lsp_server.documents import Document
    from lsp_server.positions import Encoding
    from lsp_server.protocol.server import GhostwrightServer
    from lsp_server.suggestions.next_edit import Proposal

INLINE_EDIT = "textDocument/copilotInlineEdit"
KIND = types.CodeActionKind.RefactorRewrite
TITLE = "Ghostwright: next edit: "
TITLE_TEXT_MAX = 60  # characters of the new text in a title


async def inline_edit(ls: GhostwrightServer, params: Any) -> dict[str, Any]:
    """The next edit, in the shape that Copilot's clients read; none as an empty list."""
    asked = _asked(params)
    document = ls.session.documents.get(asked[0]) if asked else None
    if asked is None or document is None or asked[1] not in (None, document.version):
        return {"edits": []}
    proposal = await _next_edit(ls, document, *asked[2])
    if proposal is None:
        return {"edits": []}
    return {"edits": [inline_item(proposal, ls.protocol.position_encoding)]}


async def code_action(
    ls: GhostwrightServer, params: types.CodeActionParams
) -> list[types.CodeAction]:
    """Actions for a selection. No model is asked to list them."""
    document = ls.session.documents.get(params.text_document.uri)
    if document is None or not wanted(KIND, params.context.only):
        return []
    start = params.range.start
    proposal = await _next_edit(ls, document, start.line, start.character)
    return [] if proposal is None else [action(proposal, ls.protocol.position_encoding)]


async def _next_edit(
    ls: GhostwrightServer, document: Document, line: int, column: int
) -> Proposal | None:
    """Off the loop where anything was edited at all; None where the text changed meanwhile."""
    next_edits = ls.session.next_edits
    place = document.place(line, column, ls.protocol.position_encoding)
    question = next_edits.question(document, place)
    if question is None:
        return None
    loop = asyncio.get_running_loop()
    proposal = await loop.run_in_executor(None, next_edits.answer, question)
    if proposal is None:
        return None
    now = ls.session.documents.get(proposal.document.uri)
    fits = now is proposal.document if proposal.version is not None else now is None
    return proposal if fits and ls.session.documents.get(document.uri) is document else None


def wanted(kind: str, only: Sequence[str | types.CodeActionKind] | None) -> bool:
    """Whether a client that filters by kinds asks for this one: a kind includes those below it."""
    return not only or any(
        each in ("", kind) or kind.startswith(f"{each}.") for each in map(_text, only)
    )


def _text(kind: str | types.CodeActionKind) -> str:
    return kind.value if isinstance(kind, types.CodeActionKind) else kind


def inline_item(proposal: Proposal, encoding: Encoding) -> dict[str, Any]:
    """One edit as Copilot's clients read it. The command does nothing yet but to be accepted."""
    found = span(proposal, encoding)
    return {
        "text": proposal.text,
        "textDocument": {"uri": proposal.document.uri, "version": proposal.version},
        "range": {"start": _position(found.start), "end": _position(found.end)},
        "command": {"title": "Accepted", "command": ACCEPTED, "arguments": []},
    }


def _position(place: types.Position) -> dict[str, int]:
    return {"line": place.line, "character": place.character}


def action(proposal: Proposal, encoding: Encoding) -> types.CodeAction:
    """The same as a code action that needs no second question."""
    edit = types.TextEdit(span(proposal, encoding), proposal.text)
    target = types.OptionalVersionedTextDocumentIdentifier(proposal.document.uri, proposal.version)
    changes = [types.TextDocumentEdit(target, [edit])]
    return types.CodeAction(
        title=title(proposal),
        kind=KIND,
        edit=types.WorkspaceEdit(document_changes=changes),
    )


def title(proposal: Proposal) -> str:
    """One line that says what is written and where."""
    text = " ".join(proposal.text.split()) or "remove " + " ".join(proposal.old.split())
    short = text if len(text) <= TITLE_TEXT_MAX else text[: TITLE_TEXT_MAX - 1] + "…"
    name = proposal.document.path.name if proposal.document.path else "this text"
    return f"{TITLE}{short} ({name}:{proposal.start.line + 1})"


def span(proposal: Proposal, encoding: Encoding) -> types.Range:
    """The proposal's range in the client's columns."""
    ends = (proposal.start, proposal.end)
    positions = (proposal.document.position(place, encoding) for place in ends)
    return types.Range(*(types.Position(*position) for position in positions))


def _asked(params: Any) -> tuple[str, int | None, tuple[int, int]] | None:
    """Document, version and position of a request that no type describes; None where it has none.

    It comes as a dict or as an object with the same names, depending on how it was decoded.
    """
    target, position = _field(params, "textDocument"), _field(params, "position")
    uri, version = _field(target, "uri"), _field(target, "version")
    line, column = _field(position, "line"), _field(position, "character")
    if not isinstance(uri, str) or not isinstance(line, int) or not isinstance(column, int):
        return None
    return uri, version if isinstance(version, int) else None, (line, column)


def _field(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, dict) else getattr(value, name, None)
