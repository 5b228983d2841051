# SPDX-License-Identifier: Apache-2.0
"""Whole texts to an editor's edits and to a patch: applied, they give the same bytes (I3)."""

from __future__ import annotations

import subprocess
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lsprotocol import types

from lsp_server.actions import differences
from lsp_server.actions.types import FileChange, Refused
from lsp_server.documents import Change, apply, from_text
from lsp_server.positions import ENCODINGS
from lsp_server.protocol.workspace_edit import Ability, Place, text_edits, workspace_edit

LINES = st.sampled_from(
    ["", "a", "b = '\U0001f600'", "\tcafé", "x\x0cy\u2028z", "}", "    return 1"]
)
ENDS = st.sampled_from(["\n", "\r\n", "\r", "\n", "\r\n"])
TEXTS = st.builds(
    lambda bom, rows, last: bom + "".join(line + end for line, end in rows) + last,
    st.sampled_from(["", "\ufeff"]),
    st.lists(st.tuples(LINES, ENDS), max_size=8),
    LINES,
)


def applied(before: str, edits, encoding) -> str:
    """What an editor makes of edits: all places are those of the text before."""
    changes = [
        Change(
            edit.new_text,
            (edit.range.start.line, edit.range.start.character),
            (edit.range.end.line, edit.range.end.character),
        )
        for edit in edits
    ]
    return apply(from_text("", before), changes[::-1], 2, encoding).text


@given(TEXTS, TEXTS, st.sampled_from(ENCODINGS))
def test_edits_give_the_text_byte_for_byte(before, after, encoding):
    edits = text_edits(before, after, encoding)
    assert applied(before, edits, encoding) == after
    assert bool(edits) == (before != after)
    ends = [(e.range.start.line, e.range.end.line) for e in edits]
    assert all(one[1] <= two[0] for one, two in pairwise(ends))


@given(TEXTS, st.data())
def test_one_changed_line_is_one_small_edit(before, data):
    lines = from_text("", before).lines
    at = data.draw(st.integers(0, len(lines) - 1))
    changed = (*lines[:at], "another" + lines[at], *lines[at + 1 :])
    (edit,) = text_edits(before, "".join(changed), "utf-16")
    assert edit.new_text == "another" + lines[at]
    assert edit.range.start == types.Position(at, 0)


PATCHED = {
    "in the middle": ("a\nb\nc\nd\ne\nf\n", "a\nb\nX\nd\ne\nf\n"),
    "two places far apart": (
        "".join(f"{n}\n" for n in range(40)),
        "".join(f"{n}\n" for n in range(40) if n != 3) + "end\n",
    ),
    "without an end of line": ("a\nb", "a\nc"),
    "CRLF": ("a\r\nb\r\n", "a\r\nc\r\nd\r\n"),
    "emptied": ("a\n", ""),
    "a new file": (None, "a\nb\n"),
    "from nothing": ("", "a\n"),
}


@pytest.mark.parametrize(("before", "after"), PATCHED.values(), ids=PATCHED)
@pytest.mark.parametrize("name", ["a.txt", "my file.txt"])
def test_git_takes_the_diff(tmp_path, before, after, name):
    file = tmp_path / name
    if before is not None:
        file.write_bytes(before.encode())
    patch = differences.unified(FileChange(name, before, after))
    command = ["git", "apply", "--whitespace=nowarn", "-"]
    subprocess.run(command, cwd=tmp_path, input=patch.encode(), check=True, timeout=20)
    assert file.read_bytes() == after.encode()


def test_a_large_file_that_is_all_new_is_one_hunk_and_no_wait():
    before, after = ([f"{word} {n}\n" for n in range(20_000)] for word in ("old", "new"))
    assert differences.hunks(before, after) == [(0, 20_000, 0, 20_000)]


CHANGED = FileChange("a.py", "\ufeffa\nb\n", "\ufeffa\nc\n")
NEW = FileChange("tests/new.py", None, "x\n")
OPEN = Place("file:///r/a.py", from_text("file:///r/a.py", CHANGED.before, version=7))
PLACES = {"a.py": OPEN, "tests/new.py": Place("file:///r/tests/new.py")}
ALL = Ability("utf-16", versions=True, create=True, annotations=True)


def test_a_client_that_can_all_gets_versions_new_files_and_asks_its_user():
    edit = workspace_edit([CHANGED, NEW], PLACES, ALL, "Do it")
    changed, created, filled = edit.document_changes
    assert changed.text_document == types.OptionalVersionedTextDocumentIdentifier(OPEN.uri, 7)
    assert (created.kind, created.uri) == ("create", "file:///r/tests/new.py")
    assert filled.text_document.version is None
    assert filled.edits[0].new_text == "x\n"
    (annotation,) = edit.change_annotations.values()
    assert (annotation.label, annotation.needs_confirmation) == ("Do it", True)
    used = {changed.edits[0].annotation_id, created.annotation_id, filled.edits[0].annotation_id}
    assert used == edit.change_annotations.keys()


def test_a_client_that_declares_nothing_gets_plain_changes_and_no_new_file():
    edit = workspace_edit([CHANGED], PLACES, Ability(), "Do it")
    assert list(edit.changes) == [OPEN.uri]
    assert edit.document_changes is None and edit.change_annotations is None
    with pytest.raises(Refused, match=r"cannot create tests/new\.py"):
        workspace_edit([CHANGED, NEW], PLACES, Ability(), "Do it")


def test_a_closed_file_is_edited_as_an_editor_opens_it_without_its_byte_order_mark():
    first = FileChange("a.py", "\ufeffa\n", "\ufeffc\n")
    edit = workspace_edit([first], {"a.py": Place("file:///r/a.py")}, Ability(), "")
    assert applied("a\n", edit.changes["file:///r/a.py"], "utf-16") == "c\n"


@pytest.mark.parametrize(
    ("workspace", "expected"),
    [
        (None, Ability("utf-8")),
        (types.WorkspaceEditClientCapabilities(document_changes=True), Ability("utf-8", True)),
        (  # Neovim: says nothing of documentChanges, and needs them for what it says it can
            types.WorkspaceEditClientCapabilities(
                resource_operations=[types.ResourceOperationKind.Create]
            ),
            Ability("utf-8", True, True),
        ),
    ],
)
def test_P10_what_a_client_can(workspace, expected):
    told = types.ClientCapabilities(
        workspace=types.WorkspaceClientCapabilities(workspace_edit=workspace)
    )
    assert Ability.of(told, "utf-8") == expected
