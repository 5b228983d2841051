# SPDX-License-Identifier: Apache-2.0
"""What a client asks an action for: in the `data` of a listed one, in the arguments of a command.

In: JSON as it comes, from our own list or from anybody. Out: a `Wish`, total; then a `Request` on
the document as it is now. What is malformed is an error of one line.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pygls.exceptions import JsonRpcInvalidParams

from lsp_server.actions.listing import byte_offset
from lsp_server.actions.types import Diagnostic, Request

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lsprotocol import types

    from lsp_server.actions.types import Severity
    from lsp_server.documents import Document
    from lsp_server.positions import Encoding

DIAGNOSTICS_MAX = 8  # what a tool says of one selection; they travel to the client and back
MESSAGE_MAX_CHARS = 500
TEXT_MAX_CHARS = 4000  # of an instruction, a path, a kind
SEVERITIES: Mapping[int, Severity] = {1: "error", 2: "warning", 3: "information", 4: "hint"}
Span = tuple[tuple[int, int], tuple[int, int]]  # (line, column) in the client's units


@dataclass(frozen=True, slots=True)
class Said:
    """A diagnostic as the client has it."""

    span: Span
    message: str
    source: str = ""
    code: str = ""
    severity: Severity = "warning"


@dataclass(frozen=True, slots=True)
class Wish:
    """An action by its kind, for a place of a document at a version (None: as it is now)."""

    kind: str
    uri: str
    version: int | None
    span: Span
    instruction: str = ""
    diagnostics: tuple[Said, ...] = ()

    def data(self) -> dict[str, Any]:
        """As JSON; `read` takes it back."""
        return {
            "kind": self.kind,
            "uri": self.uri,
            "version": self.version,
            "range": _range(self.span),
            "instruction": self.instruction,
            "diagnostics": [
                {
                    "range": _range(each.span),
                    "message": each.message,
                    "source": each.source,
                    "code": each.code,
                    "severity": each.severity,
                }
                for each in self.diagnostics
            ],
        }


def read(value: Any) -> Wish:
    """Raises JsonRpcInvalidParams with one line."""
    span = _span(field(value, "range") or value)
    kind, uri = text(field(value, "kind")), text(field(value, "uri"))
    if span is None or not kind or not uri:
        raise JsonRpcInvalidParams("an action needs kind, uri and range (or start and end)")
    version = field(value, "version")
    return Wish(
        kind,
        uri,
        version if type(version) is int else None,
        span,
        text(field(value, "instruction")),
        tuple(filter(None, map(_said, _list(field(value, "diagnostics"))))),
    )


def heard(diagnostics: Sequence[types.Diagnostic], selected: types.Range) -> tuple[Said, ...]:
    """What the client's tools say of a selection: what overlaps it, bounded."""
    span = _typed_span(selected)
    said = (
        Said(
            _typed_span(each.range),
            text(each.message, MESSAGE_MAX_CHARS),
            text(each.source),
            str(each.code)[:MESSAGE_MAX_CHARS] if each.code is not None else "",
            SEVERITIES.get(int(each.severity or 2), "warning"),
        )
        for each in diagnostics
    )
    near = [each for each in said if each.span[0] <= span[1] and span[0] <= each.span[1]]
    return tuple(near[:DIAGNOSTICS_MAX])


def request(wish: Wish, document: Document, encoding: Encoding) -> Request:
    """The wish on a document that is open."""
    start, end = (document.place(*end, encoding) for end in wish.span)
    said = located(wish.diagnostics, document, encoding)
    return Request(wish.kind, document, start, end, wish.instruction, said)


def located(said: Sequence[Said], document: Document, encoding: Encoding) -> tuple[Diagnostic, ...]:
    """Diagnostics at bytes of the document's text."""
    found = []
    for each in said:
        start, end = sorted(document.place(*end, encoding) for end in each.span)
        ends = byte_offset(document, start), byte_offset(document, end)
        found.append(Diagnostic(*ends, each.message, each.source, each.code, each.severity))
    return tuple(found)


def field(value: Any, name: str) -> Any:
    """A member of what JSON became, a dictionary or an object; None where it has none."""
    return value.get(name) if isinstance(value, dict) else getattr(value, name, None)


def text(value: Any, most: int = TEXT_MAX_CHARS) -> str:
    """A text of bounded length; "" for anything else."""
    return value[:most] if isinstance(value, str) else ""


def _list(value: Any) -> Sequence[Any]:
    return value[:DIAGNOSTICS_MAX] if isinstance(value, (list, tuple)) else ()


def _said(value: Any) -> Said | None:
    span, message = _span(field(value, "range")), text(field(value, "message"), MESSAGE_MAX_CHARS)
    if span is None or not message:
        return None
    return Said(
        span,
        message,
        text(field(value, "source"), MESSAGE_MAX_CHARS),
        text(field(value, "code"), MESSAGE_MAX_CHARS),
        _severity(field(value, "severity")),
    )


def _severity(value: Any) -> Severity:
    """By its number, as clients have it, or by its word, as in our own data."""
    known = (word for number, word in SEVERITIES.items() if value in (number, word))
    return next(known, "warning")


def _span(value: Any) -> Span | None:
    start, end = _position(field(value, "start")), _position(field(value, "end"))
    return (start, end) if start is not None and end is not None else None


def _position(value: Any) -> tuple[int, int] | None:
    line, character = field(value, "line"), field(value, "character")
    if type(line) is not int or type(character) is not int:
        return None
    return max(0, line), max(0, character)


def _typed_span(value: types.Range) -> Span:
    start, end = value.start, value.end
    return (start.line, start.character), (end.line, end.character)


def _range(span: Span) -> dict[str, dict[str, int]]:
    start, end = ({"line": line, "character": character} for line, character in span)
    return {"start": start, "end": end}
