# SPDX-License-Identifier: Apache-2.0
"""An editor with code actions: lists, resolves, applies edits to the texts that it has open.

What it declares is one of the recorded profiles. It keeps all it is told: progress, messages,
diagnostics, pieces of answers, edits.
"""

from __future__ import annotations

import json
import sys
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Union

from e2e import editor as base
from lsprotocol import converters, types

from lsp_server.documents import Change, apply, from_text, path_of

if TYPE_CHECKING:
    from collections.abc import Sequence

HERE = Path(__file__).parent
PROFILES = HERE.parent / "client_profiles"
DEADLINE_S = 20.0


Listed = Union[types.Command, types.CodeAction]  # noqa: UP007  as the library spells it


def _listed(converter: Any, value: Any, _: Any) -> Any:
    is_command = isinstance(value.get("command"), str)
    return converter.structure(value, types.Command if is_command else types.CodeAction)


class ActionEditor(base.Editor):
    def __init__(self, root: Path, *, takes_edits: bool = True) -> None:
        super().__init__(root)
        self.texts: dict[str, str] = {}
        self.progress: dict[str, list[Any]] = {}
        self.diagnostics: dict[str, list[types.Diagnostic]] = {}
        self.pieces: list[dict[str, Any]] = []
        self.encoding = "utf-16"
        self.label: str | None = None
        feature = self.client.feature
        converter = self.client.protocol._converter
        # The library takes an action that has a command for a command.
        converter.register_structure_hook(Listed, partial(_listed, converter))

        @feature(types.WINDOW_WORK_DONE_PROGRESS_CREATE)
        def on_create(params: types.WorkDoneProgressCreateParams) -> None:
            self.progress.setdefault(str(params.token), [])

        @feature(types.PROGRESS)
        def on_progress(params: types.ProgressParams) -> None:
            self.progress.setdefault(str(params.token), []).append(base._plain(params.value))

        @feature(types.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)
        def on_diagnostics(params: types.PublishDiagnosticsParams) -> None:
            self.diagnostics[params.uri] = list(params.diagnostics)

        @feature("ghostwright/answer")
        def on_piece(params: Any) -> None:
            self.pieces.append(base._plain(params))

        @feature(types.WORKSPACE_APPLY_EDIT)
        def on_edit(params: types.ApplyWorkspaceEditParams) -> types.ApplyWorkspaceEditResult:
            self.label = params.label
            if takes_edits:
                self.apply(params.edit)
                return types.ApplyWorkspaceEditResult(applied=True)
            return types.ApplyWorkspaceEditResult(applied=False, failure_reason="not now")

    async def begin(self, profile: str, options: dict[str, Any] | None = None) -> None:
        recorded = json.loads((PROFILES / f"{profile}.json").read_text())["capabilities"]
        told = converters.get_converter().structure(recorded, types.ClientCapabilities)
        result = await self.start(options, told)
        self.encoding = result.capabilities.position_encoding
        await self.settled()

    def open(self, path: Path, text: str | None = None, language: str = "python") -> str:
        uri = super().open(path, text, language)
        self.texts[uri] = path.read_bytes().decode() if text is None else text
        return uri

    async def list(
        self, uri: str, start: tuple[int, int], end: tuple[int, int] | None = None, **context: Any
    ) -> list[Any]:
        span = types.Range(types.Position(*start), types.Position(*(end or start)))
        context.setdefault("diagnostics", [])
        params = types.CodeActionParams(
            types.TextDocumentIdentifier(uri), span, types.CodeActionContext(**context)
        )
        return list(await self.client.text_document_code_action_async(params) or ())

    async def resolve(self, action: types.CodeAction) -> types.CodeAction:
        return await self.client.code_action_resolve_async(action)

    def apply(self, edit: types.WorkspaceEdit) -> None:
        """To open texts, and to files where none is open, as editors do."""
        for uri, edits in (edit.changes or {}).items():
            self._take(uri, edits)
        for each in edit.document_changes or ():
            if isinstance(each, types.CreateFile):
                assert not path_of(each.uri).exists()
                path_of(each.uri).parent.mkdir(parents=True, exist_ok=True)
                path_of(each.uri).touch()
            else:
                version = each.text_document.version
                assert version is None or version == self.versions[each.text_document.uri]
                self._take(each.text_document.uri, each.edits)

    def _take(self, uri: str, edits: Sequence[types.TextEdit]) -> None:
        before = self.texts.get(uri)
        closed = before is None
        if closed:
            before = path_of(uri).read_bytes().decode()
        changes = [
            Change(
                e.new_text,
                (e.range.start.line, e.range.start.character),
                (e.range.end.line, e.range.end.character),
            )
            for e in edits
        ]
        after = apply(from_text(uri, before), changes[::-1], 2, self.encoding).text
        if closed:
            path_of(uri).write_bytes(after.encode())
        else:
            self.texts[uri] = after


@asynccontextmanager
async def action_editor(
    root: Path,
    monkeypatch: Any,
    answers: Sequence[str] | None,
    profile: str = "code-server",
    *,
    options: dict[str, Any] | None = None,
    token_ms: int = 0,
    takes_edits: bool = True,
) -> Any:
    """A started editor on a server whose model answers so; None: there is no model."""
    script, log = root.parent / "answers.json", root.parent / "decodes"
    script.write_text(json.dumps(answers), "utf-8")
    log.touch()
    server = str(HERE / "action_server.py")
    command = (sys.executable, server, str(script), str(log), str(token_ms))
    monkeypatch.setattr(base, "SERVER", command)
    it = ActionEditor(root, takes_edits=takes_edits)
    it.decodes = lambda: log.read_text().split()
    await it.begin(profile, options)
    try:
        yield it
    finally:
        await it.stop()
