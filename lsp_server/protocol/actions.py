# SPDX-License-Identifier: Apache-2.0
"""Code actions: the list at once, the edit when the user has chosen one and it has been checked.

In: the protocol's parameters. Out: its results. Clients that resolve get the edit from
`codeAction/resolve`; for all others a command does the work and the edit comes by
`workspace/applyEdit`. What an action needs words for is asked by the client's own command
`ghostwright.instruct`, where `initializationOptions.clientCommands` says that it has one: it gets
the arguments of `ghostwright.refactor` and calls that with `instruction` filled in.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from lsprotocol import types
from pygls.exceptions import JsonRpcContentModified, JsonRpcException, JsonRpcInvalidParams

from indexer.policy import Policy
from lsp_server.actions import ground, report
from lsp_server.actions.listing import DEFAULTED
from lsp_server.actions.registry import MODULES
from lsp_server.actions.types import STALE, Check, Outcome, Proposal, Refused
from lsp_server.protocol import edits as next_edits
from lsp_server.protocol import wishes
from lsp_server.protocol.work import work
from lsp_server.protocol.workspace_edit import Ability, Place, workspace_edit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from lsp_server.actions.listing import Offer
    from lsp_server.actions.types import FileChange, Request
    from lsp_server.documents import Document
    from lsp_server.protocol.server import GhostwrightServer
    from lsp_server.protocol.wishes import Wish
    from lsp_server.session import Session

REFACTOR = "ghostwright.refactor"
INSTRUCT = "ghostwright.instruct"  # of the client
KINDS = (*MODULES, next_edits.KIND.value)
REVIEW = "source.securityReview"
NAME = "Ghostwright"
NEXT_EDIT_S = 0.012  # after all others are there; a list has 50 ms

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Shape:
    """What the client can do with a list of actions."""

    literals: bool = False  # else commands only
    resolves: bool = False  # asks for the edit later
    disabled: bool = False  # shows what cannot be done, and why

    @classmethod
    def of(cls, capabilities: types.ClientCapabilities) -> Shape:
        text = capabilities.text_document
        action = text.code_action if text else None
        if action is None:
            return cls()
        resolve = action.resolve_support
        return cls(
            action.code_action_literal_support is not None,
            bool(resolve and "edit" in resolve.properties and action.data_support),
            bool(action.disabled_support),
        )


def client_commands(options: Any) -> tuple[frozenset[str], Any]:
    """The client's own commands that we may name, and its other options, which are settings."""
    if not isinstance(options, dict) or "clientCommands" not in options:
        return frozenset(), options
    named = options["clientCommands"]
    names = frozenset(filter(None, map(wishes.text, named if isinstance(named, list) else ())))
    return names, {name: value for name, value in options.items() if name != "clientCommands"}


async def _perform(request: Request, session: Session, say: Callable[[str], None]) -> Outcome:
    from lsp_server.actions.perform import perform  # noqa: PLC0415  parsers: not at the start

    return await perform(request, session, say)


# --- the list ---


async def code_action(
    ls: GhostwrightServer, params: types.CodeActionParams
) -> list[types.CodeAction | types.Command]:
    """Actions for a selection. No model is asked to list them.

    A list that only follows the cursor does not wait for a next edit that takes long to be found.
    """
    moved = _moved(params)
    if moved and ls.finding is not None and not ls.finding.done():
        return await _offered(ls, params)  # it cannot be stopped, and two take twice as long
    offered = await _offered(ls, params)  # first: both are work of the interpreter
    finding = ls.finding = asyncio.ensure_future(next_edits.code_action(ls, params))
    await asyncio.wait([finding], timeout=NEXT_EDIT_S if moved else None)
    return [*(finding.result() if finding.done() else ()), *offered]


def _moved(params: types.CodeActionParams) -> bool:
    """Whether nobody asks for the list but the editor, for a cursor that has moved."""
    return params.context.trigger_kind == types.CodeActionTriggerKind.Automatic


async def _offered(
    ls: GhostwrightServer, params: types.CodeActionParams
) -> list[types.CodeAction | types.Command]:
    context, uri = params.context, params.text_document.uri
    document = ls.session.documents.get(uri)
    kinds = [kind for kind in MODULES if next_edits.wanted(kind, context.only)]
    if document is None or not kinds:
        return []
    encoding = ls.protocol.position_encoding
    ends = params.range.start, params.range.end
    start, end = (document.place(each.line, each.character, encoding) for each in ends)
    said = wishes.heard(context.diagnostics, params.range)
    found = wishes.located(said, document, encoding)
    offers = await ls.listing.offers(document, (start, end), found, kinds, asked=not _moved(params))
    span = tuple((each.line, each.character) for each in ends)
    wish = wishes.Wish("", uri, document.version, (span[0], span[1]), "", said)
    return _listed(offers, wish, Shape.of(ls.client_capabilities), ls.client_commands)


def _listed(
    offers: Sequence[Offer], wish: Wish, shape: Shape, commands: frozenset[str]
) -> list[types.CodeAction | types.Command]:
    """Offers as this client can take them."""
    found: list[types.CodeAction | types.Command] = []
    for each in offers:
        mute = each.kind in DEFAULTED and INSTRUCT not in commands
        offer = each._replace(question="") if mute else each
        if (offer.question and INSTRUCT not in commands) or (
            offer.disabled and not (shape.literals and shape.disabled)
        ):
            continue
        said = wish.diagnostics if offer.kind.startswith("quickfix") else ()
        mine = replace(wish, kind=offer.kind, instruction=offer.instruction, diagnostics=said)
        found.append(_action(offer, mine, shape))
    return found


def _action(offer: Offer, wish: Wish, shape: Shape) -> types.CodeAction | types.Command:
    title = f"{NAME}: {offer.title.rstrip('. …')}" + ("…" if offer.question else "")
    data = {**wish.data(), "title": title}
    if offer.question:
        command = types.Command(
            title=title, command=INSTRUCT, arguments=[{**data, "question": offer.question}]
        )
    else:
        command = types.Command(title=title, command=REFACTOR, arguments=[data])
    if not shape.literals:
        return command
    action = types.CodeAction(title=title, kind=offer.kind)
    if offer.disabled:
        action.disabled = types.CodeActionDisabled(report.one_line(offer.disabled))
    elif shape.resolves and not offer.question:
        action.data = data
    else:
        action.command = command
    return action


# --- the work ---


async def resolve(ls: GhostwrightServer, action: types.CodeAction) -> types.CodeAction:
    """The edit of an action that was chosen, or none and the reason as a message."""
    if action.data is None or action.edit is not None or action.command is not None:
        return action
    wish = wishes.read(action.data)
    request = _request(ls, wish)
    if _is_stale(wish, request):
        raise JsonRpcContentModified(STALE)
    outcome = await work(ls, action.title, partial(_perform, request, ls.session))
    if ls.session.documents.get(wish.uri) is not request.document:
        raise JsonRpcContentModified(STALE)
    action.edit = await _edit(ls, request, outcome, action.title)
    return action


async def refactor(ls: GhostwrightServer, *arguments: Any) -> dict[str, Any]:
    """The command: does an action, has the client apply its edit, returns the JSON of it."""
    argument = arguments[0] if arguments else None
    wish = wishes.read(argument)
    request = _request(ls, wish)
    title = wishes.text(wishes.field(argument, "title")) or f"{NAME}: {wish.kind}"
    if _is_stale(wish, request):
        stale = Check("version", passed=False, detail=STALE)
        outcome = Outcome(wish.kind, Proposal(), (stale,), accepted=False)
    else:
        outcome = await work(ls, title, partial(_perform, request, ls.session))
    edit = await _edit(ls, request, outcome, title)
    applied = edit is not None and await _applied(ls, edit, title)
    return {**report.record(outcome, request.document), "applied": applied}


def _request(ls: GhostwrightServer, wish: Wish) -> Request:
    document = ls.session.documents.get(wish.uri)
    if document is None:
        raise JsonRpcInvalidParams("this document is not open")
    return wishes.request(wish, document, ls.protocol.position_encoding)


def _is_stale(wish: Wish, request: Request) -> bool:
    return wish.version not in (None, request.document.version)


async def _edit(
    ls: GhostwrightServer, request: Request, outcome: Outcome, label: str
) -> types.WorkspaceEdit | None:
    """The edit of an outcome; None, and the user has read why, where there is none."""
    proposal, encoding = outcome.proposal, ls.protocol.position_encoding
    if not outcome.accepted:
        _tell(ls, outcome.reason, types.MessageType.Warning)
        return None
    if outcome.kind == REVIEW:
        ls.findings.show(request.document, proposal.findings, encoding)
    if not proposal.changes:
        _tell(ls, proposal.note or "nothing to change", types.MessageType.Info)
        return None
    try:
        places = await _places(ls, request.document, proposal.changes)
        ability = Ability.of(ls.client_capabilities, encoding)
        return workspace_edit(proposal.changes, places, ability, label)
    except Refused as reason:
        _tell(ls, str(reason), types.MessageType.Warning)
        return None


async def _places(
    ls: GhostwrightServer, document: Document, changes: Sequence[FileChange]
) -> dict[str, Place]:
    """Where the changed files are, all of them as they were when they were read."""
    session = ls.session
    root = session.root(document.path) if document.path is not None else None
    open_: dict[str, Document] = {}
    for each in session.documents:
        if each.path is not None and root is not None and session.root(each.path) == root:
            open_[session.shown_path(each)] = each
    open_[session.shown_path(document)] = document
    files = await asyncio.get_running_loop().run_in_executor(
        None, _held, changes, root, session.settings.exclude, open_
    )
    return {
        file.change.path: Place(
            file.document.uri if file.document is not None else file.path.as_uri(), file.document
        )
        for file in files
    }


def _held(
    changes: Sequence[FileChange],
    root: Any,
    exclude: Sequence[str],
    open_: Mapping[str, Document],
) -> list[ground.Held]:
    policy = Policy.load([root] if root is not None else [], exclude)
    return ground.held(changes, root, policy, open_)


async def _applied(ls: GhostwrightServer, edit: types.WorkspaceEdit, label: str) -> bool:
    """Whether the client has applied an edit; the user reads why not."""
    params = types.ApplyWorkspaceEditParams(edit, label)
    try:
        answer = await ls.workspace_apply_edit_async(params)
    except JsonRpcException as error:
        _tell(ls, f"the editor cannot apply the edit: {error}", types.MessageType.Warning)
        return False
    if not answer.applied and answer.failure_reason:
        _tell(ls, f"not applied: {answer.failure_reason}", types.MessageType.Warning)
    return bool(answer.applied)


def _tell(ls: GhostwrightServer, words: str, kind: types.MessageType) -> None:
    ls.window_show_message(types.ShowMessageParams(kind, f"{NAME}: {report.one_line(words)}"))
