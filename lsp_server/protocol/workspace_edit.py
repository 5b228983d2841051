# SPDX-License-Identifier: Apache-2.0
"""Whole texts before and after, to the edits that an editor makes: few lines, versions, new files.

In: `FileChange`s, what the client can do, where each file is. Out: a `WorkspaceEdit`, or `Refused`
with the reason why this client cannot make it. Ranges begin and end at the starts of lines, so
that they are the same in every encoding but for the end of the last line.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lsprotocol import types

from lsp_server.actions.differences import hunks
from lsp_server.actions.types import Refused
from lsp_server.documents import from_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lsp_server.actions.types import FileChange
    from lsp_server.documents import Document
    from lsp_server.positions import Encoding

ANNOTATION = "ghostwright"
BOM = "\ufeff"


@dataclass(frozen=True, slots=True)
class Ability:
    """What the client can do with an edit."""

    encoding: Encoding = "utf-16"
    versions: bool = False  # documentChanges
    create: bool = False  # new files
    annotations: bool = False  # asks the user before it applies

    @classmethod
    def of(cls, capabilities: types.ClientCapabilities, encoding: Encoding) -> Ability:
        """Who handles operations on files must read `documentChanges`, said or not (Neovim)."""
        workspace = capabilities.workspace
        edit = workspace.workspace_edit if workspace else None
        if edit is None:
            return cls(encoding)
        operations = edit.resource_operations or ()
        return cls(
            encoding,
            versions=bool(edit.document_changes or operations),
            create=types.ResourceOperationKind.Create in operations,
            annotations=edit.change_annotation_support is not None,
        )


@dataclass(frozen=True, slots=True)
class Place:
    """Where a changed file is, and its buffer where it is open."""

    uri: str
    document: Document | None = None


def workspace_edit(
    changes: Sequence[FileChange], places: Mapping[str, Place], ability: Ability, label: str
) -> types.WorkspaceEdit:
    """One edit for all files; `places` has each path of `changes`. Raises Refused."""
    if not ability.create and (new := [c.path for c in changes if c.before is None]):
        raise Refused(f"this editor cannot create {', '.join(new)}")
    if not ability.versions:
        edits = {places[c.path].uri: _edits(c, places[c.path], ability) for c in changes}
        return types.WorkspaceEdit(changes=edits)
    note = ANNOTATION if ability.annotations else None
    operations: list[types.TextDocumentEdit | types.CreateFile] = []
    for change in changes:
        if change.before is None:
            operations.append(types.CreateFile(uri=places[change.path].uri, annotation_id=note))
        operations.append(_document_edit(change, places[change.path], ability, note))
    annotation = types.ChangeAnnotation(label, needs_confirmation=True)
    return types.WorkspaceEdit(
        document_changes=operations, change_annotations={note: annotation} if note else None
    )


def text_edits(before: str, after: str, encoding: Encoding) -> list[types.TextEdit]:
    """Edits of one text, all of them by its places before any."""
    old, new = from_text("", before), from_text("", after)
    return [
        types.TextEdit(
            types.Range(_position(old, h.start, encoding), _position(old, h.end, encoding)),
            "".join(new.lines[h.new_start : h.new_end]),
        )
        for h in hunks(old.lines, new.lines)
    ]


def _edits(change: FileChange, place: Place, ability: Ability) -> list[types.TextEdit]:
    before, after = change.before or "", change.after
    if place.document is None:  # an editor opens a file without its byte order mark
        before, after = before.removeprefix(BOM), after.removeprefix(BOM)
    return text_edits(before, after, ability.encoding)


def _document_edit(
    change: FileChange, place: Place, ability: Ability, note: str | None
) -> types.TextDocumentEdit:
    version = place.document.version if place.document is not None else None
    target = types.OptionalVersionedTextDocumentIdentifier(place.uri, version)
    edits: list[types.TextEdit | types.AnnotatedTextEdit | types.SnippetTextEdit] = []
    for edit in _edits(change, place, ability):
        if note is None:
            edits.append(edit)
        else:
            edits.append(types.AnnotatedTextEdit(note, edit.range, edit.new_text))
    return types.TextDocumentEdit(target, edits)


def _position(document: Document, line: int, encoding: Encoding) -> types.Position:
    """The start of a line; past the last one, which has no terminator, its end."""
    if line < len(document.lines):
        return types.Position(line, 0)
    end = document.offset_position(len(document.text))
    return types.Position(*document.position(end, encoding))
