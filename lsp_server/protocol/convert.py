# SPDX-License-Identifier: Apache-2.0
"""Our values to the protocol's and back. No decisions are made here."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from lsprotocol import types

from lsp_server.documents import Change, path_of
from lsp_server.suggest import Selected
from lsp_server.suggestions.record import further

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from indexer.snapshot import Found
    from lsp_server.documents import Document, Place
    from lsp_server.positions import Encoding
    from lsp_server.session import Status
    from lsp_server.suggest import Ask, Suggestion

ACCEPTED = "ghostwright.accepted"


def roots(params: types.InitializeParams) -> list[Path]:
    """The workspace's folders, from whichever of three generations of fields the client sends."""
    if params.workspace_folders:
        return folders(params.workspace_folders)
    if params.root_uri:
        return folders([types.WorkspaceFolder(params.root_uri, "")])
    return [Path(params.root_path)] if params.root_path else []


def folders(listed: Sequence[types.WorkspaceFolder]) -> list[Path]:
    """The paths of those folders that are on a disk."""
    return [path for path in (path_of(folder.uri) for folder in listed) if path is not None]


def changes(
    events: Sequence[types.TextDocumentContentChangeEvent],
) -> list[Change]:
    """Content changes as ours: with a range a part, without it the whole text."""
    return [_change(event) for event in events]


def _change(event: types.TextDocumentContentChangeEvent) -> Change:
    if isinstance(event, types.TextDocumentContentChangePartial):
        start, end = event.range.start, event.range.end
        return Change(event.text, (start.line, start.character), (end.line, end.character))
    return Change(event.text)


def selected(
    params: types.TextDocumentPositionParams | types.InlineCompletionParams,
    document: Document,
    encoding: Encoding,
) -> Selected | None:
    """What is selected in the list that the editor shows at the cursor."""
    context = params.context if isinstance(params, types.InlineCompletionParams) else None
    chosen = context.selected_completion_info if context else None
    if chosen is None:
        return None
    ends = chosen.range.start, chosen.range.end
    start, end = (document.place(each.line, each.character, encoding) for each in ends)
    return Selected(chosen.text, min(start, end), max(start, end))


def inline_items(
    suggestion: Suggestion, ask: Ask, number: str, encoding: Encoding
) -> types.InlineCompletionList:
    """Items that insert at the cursor, the best first. Plain text: some clients show snippets raw.

    What is selected in the editor's list is a part of each, as editors ask. `number` is what the
    suggestion is called when the client tells what became of it.
    """
    chosen = ask.selected
    begin, first, last = chosen or ("", ask.place, ask.place)
    ends = (ask.document.position(place, encoding) for place in (first, last))
    where = types.Range(*(types.Position(*end) for end in ends))
    texts = {number: suggestion.text} if suggestion.text else {}
    if texts:
        texts |= {further(number, n): text for n, text in enumerate(suggestion.others)}
    return types.InlineCompletionList(
        items=[
            types.InlineCompletionItem(
                insert_text=begin + text,
                range=where,
                command=types.Command(title="Accepted", command=ACCEPTED, arguments=[name]),
            )
            for name, text in texts.items()
        ]
    )


def completion_items(
    suggestion: Suggestion, document: Document, place: Place, encoding: Encoding
) -> types.CompletionList:
    """The fallback for clients without inline completion: one item, the whole suggestion."""
    if not suggestion.text:
        return types.CompletionList(is_incomplete=True, items=[])
    # Clients take the item for the word at the cursor, and some replace that: it is a part of it.
    word = _word_before(document, place)
    ends = (replace(place, index=place.index - len(word)), place)
    first_line = (word + suggestion.text).strip().split("\n", 1)[0]
    covered = types.Range(*(types.Position(*document.position(end, encoding)) for end in ends))
    item = types.CompletionItem(
        label=first_line,
        kind=types.CompletionItemKind.Text,
        detail="Ghostwright",
        documentation=suggestion.text,
        filter_text=first_line,
        sort_text="0",
        insert_text_format=types.InsertTextFormat.PlainText,
        text_edit=types.TextEdit(covered, word + suggestion.text),
    )
    return types.CompletionList(is_incomplete=True, items=[item])


def status(
    value: Status, resident_tokens: int, index: tuple[int, int], speed: Mapping[str, object]
) -> dict[str, object]:
    """The object of `ghostwright/status` and of the command of that name.

    `speed` is empty while there is no model: `lsp_server.budget.figures`.
    """
    return {
        "state": value.state,
        "message": value.message,
        "model": value.model,
        "index": {"files": index[0], "done": index[1]},
        "resident_tokens": resident_tokens,
        "speed": dict(speed),
    }


SYMBOL_KINDS = {
    "function": types.SymbolKind.Function,
    "method": types.SymbolKind.Method,
    "class": types.SymbolKind.Class,
    "interface": types.SymbolKind.Interface,
    "enum": types.SymbolKind.Enum,
    "struct": types.SymbolKind.Struct,
    "trait": types.SymbolKind.Interface,
    "module": types.SymbolKind.Module,
    "constant": types.SymbolKind.Constant,
    "field": types.SymbolKind.Field,
    "property": types.SymbolKind.Property,
    "type": types.SymbolKind.TypeParameter,
}


def symbols(
    found: Sequence[tuple[Path, Found, tuple[int, int]]],
) -> list[types.WorkspaceSymbol]:
    """Definitions with the (line, column) of their names, in the client's units."""
    listed = []
    for root, each, (line, column) in found:
        position = types.Position(line, column)
        location = types.Location((root / each.path).as_uri(), types.Range(position, position))
        kind = SYMBOL_KINDS.get(each.symbol.kind, types.SymbolKind.Variable)
        listed.append(types.WorkspaceSymbol(location, each.symbol.name, kind))
    return listed


def _word_before(document: Document, place: Place) -> str:
    before = document.lines[place.line][: place.index]
    start = len(before)
    while start and (before[start - 1].isalnum() or before[start - 1] == "_"):
        start -= 1
    return before[start:]
