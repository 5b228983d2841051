# SPDX-License-Identifier: Apache-2.0
"""Findings of a review stay for as long as their lines do, and follow them."""

from __future__ import annotations

import pytest

from lsp_server.actions.types import Finding
from lsp_server.documents import Change, apply, from_text
from lsp_server.protocol.findings import Findings

TEXT = "a\nb = '\U0001f600' + c\nd\ne\n"


class Client:
    """Keeps what was published last."""

    def __init__(self):
        self.published = []

    def text_document_publish_diagnostics(self, params):
        self.published.append(params)


def shown(*pieces):
    document = from_text("file:///a.py", TEXT, version=1)
    data = TEXT.encode()
    found = [
        Finding(data.index(piece), data.index(piece) + len(piece), piece.decode(), "CWE-1", "error")
        for piece in (each.encode() for each in pieces)
    ]
    client = Client()
    findings = Findings(client)
    findings.show(document, found, "utf-16")
    return document, client, findings


def test_they_are_published_in_the_clients_columns():
    _, client, _ = shown("c")
    (params,) = client.published
    (one,) = params.diagnostics
    assert (params.version, one.source, one.code, one.severity) == (1, "Ghostwright", "CWE-1", 1)
    assert (one.range.start.line, one.range.start.character, one.range.end.character) == (1, 11, 12)


@pytest.mark.parametrize(
    ("change", "kept"),
    [
        (Change("x", (0, 0), (0, 1)), ["c", "e"]),
        (Change("x", (1, 0), (1, 1)), ["e"]),
        (Change("", (1, 0), (2, 0)), ["e"]),
        (Change("new\nlines\n", (0, 0), (0, 0)), ["c", "e"]),
        (Change("x", (2, 0), (3, 1)), ["c"]),
        (Change("x\n"), []),
    ],
)
def test_what_stands_in_changed_lines_goes_and_the_rest_moves(change, kept):
    document, client, findings = shown("c", "e")
    after = apply(document, [change], 2, "utf-16")
    findings.edited(document, after, [change])
    last = apply(after, [Change("x", (0, 0), (0, 0))], 3, "utf-16")
    findings.closed("file:///other.py")
    if len(kept) < 2:
        assert [d.message for d in client.published[-1].diagnostics] == kept
    for one in findings._shown[document.uri]:
        line = after.lines[one.range.start.line]
        assert one.message in line
    findings.edited(after, last, [Change("y")])
    assert client.published[-1].diagnostics == []


def test_a_closed_document_has_none():
    document, client, findings = shown("c")
    findings.closed(document.uri)
    findings.closed(document.uri)
    assert [len(params.diagnostics) for params in client.published] == [1, 0]


def test_the_next_review_replaces_them():
    document, client, findings = shown("c")
    findings.show(document, [], "utf-16")
    assert client.published[-1].diagnostics == []
