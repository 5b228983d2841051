# SPDX-License-Identifier: Apache-2.0
"""What a review has found, shown as diagnostics for as long as the lines are as they were.

In: findings at bytes of a document, then its changes. Out: `textDocument/publishDiagnostics`. A
finding goes when its lines change, when the document closes, and with the next review.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lsprotocol import types

from lsp_server.suggestions.hunks import steps

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lsp_server.actions.types import Finding
    from lsp_server.documents import Change, Document
    from lsp_server.positions import Encoding
    from lsp_server.protocol.transport import Server
    from lsp_server.suggestions.hunks import Step

SOURCE = "Ghostwright"
SEVERITIES = {
    "error": types.DiagnosticSeverity.Error,
    "warning": types.DiagnosticSeverity.Warning,
    "information": types.DiagnosticSeverity.Information,
    "hint": types.DiagnosticSeverity.Hint,
}


class Findings:
    """Of each document, those that still hold."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._shown: dict[str, list[types.Diagnostic]] = {}

    def show(self, document: Document, found: Sequence[Finding], encoding: Encoding) -> None:
        """In place of what an earlier review has found."""
        data = document.text.encode()
        self._shown[document.uri] = [_diagnostic(f, document, data, encoding) for f in found]
        self._publish(document.uri, document.version)

    def edited(self, before: Document | None, after: Document, changes: Sequence[Change]) -> None:
        """Follow a document: what stands in changed lines is gone, what is below them moves."""
        shown = self._shown.get(after.uri)
        if not shown:
            return
        touched = steps(changes, len(before.lines)) if before is not None else None
        kept = [] if touched is None else [d for d in shown if _follows(d, touched)]
        self._shown[after.uri] = kept
        if len(kept) < len(shown):
            self._publish(after.uri, after.version)

    def closed(self, uri: str) -> None:
        if self._shown.pop(uri, None):
            self._publish(uri, None)

    def _publish(self, uri: str, version: int | None) -> None:
        self._server.text_document_publish_diagnostics(
            types.PublishDiagnosticsParams(uri, self._shown.get(uri, []), version)
        )


def _diagnostic(
    finding: Finding, document: Document, data: bytes, encoding: Encoding
) -> types.Diagnostic:
    ends = (
        document.offset_position(len(data[:offset].decode("utf-8", "ignore")))
        for offset in (finding.start, finding.end)
    )
    return types.Diagnostic(
        types.Range(*(types.Position(*document.position(end, encoding)) for end in ends)),
        finding.message,
        severity=SEVERITIES[finding.severity],
        code=finding.code or None,
        source=SOURCE,
    )


def _follows(shown: types.Diagnostic, touched: Sequence[Step]) -> bool:
    """Move a diagnostic with the lines above it; False where its own have changed."""
    start, end = shown.range.start, shown.range.end
    moved = 0
    for step in touched:
        if step.old_start <= end.line and start.line < step.old_end:
            return False
        if step.old_end <= start.line:
            moved += (step.end - step.start) - (step.old_end - step.old_start)
    shown.range = types.Range(
        types.Position(start.line + moved, start.character),
        types.Position(end.line + moved, end.character),
    )
    return True
