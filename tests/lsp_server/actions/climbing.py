# SPDX-License-Identifier: Apache-2.0
"""Proposals as replacements in a fixture's files, sent up the real ladder."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from acting import acting

from lsp_server.actions import verify
from lsp_server.actions.target import target
from lsp_server.actions.types import FileChange, Proposal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from acting import Desk

    from lsp_server.actions.types import Check, Target

KIND = "refactor.rewrite.simplify"


@dataclass
class Climb:
    """One proposal after another on the same desk."""

    desk: Desk
    it: Target

    @property
    def rules(self) -> verify.Rules:
        return verify.Rules.of(self.desk.session, self.it)

    def proposal(self, edits: Mapping[str, object]) -> Proposal:
        """For each path pairs (old, new) to replace, or the whole text after; None before: new."""
        return Proposal(tuple(self._change(path, edit) for path, edit in edits.items()))

    def checks(self, edits: Mapping[str, object]) -> tuple[Check, ...]:
        return asyncio.run(verify.ladder(self.it, self.proposal(edits), self.rules))

    def _change(self, path: str, edit: object) -> FileChange:
        before = self._before(path)
        if isinstance(edit, str):
            return FileChange(path, before, edit)
        after = before
        assert after is not None, path
        for old, new in edit:
            assert old in after, f"{old!r} is not in {path}"
            after = after.replace(old, new)
        return FileChange(path, before, after)

    def _before(self, path: str) -> str | None:
        if path == self.it.path:
            return self.it.data.decode()
        place = self.desk.root / path
        try:
            return place.read_bytes().decode()
        except (OSError, ValueError):
            return None


class climbing(acting):  # noqa: N801  as `acting`
    """As `acting`, with a `Climb` instead of a desk."""

    def __init__(self, folder: Path, text: str, **options: object) -> None:
        super().__init__(folder, text, KIND, **options)

    def __enter__(self) -> Climb:
        desk = super().__enter__()
        return Climb(desk, target(desk.request, desk.session))


def failed(checks: Sequence[Check]) -> str:
    """The name of the check that failed, "" for none; it must be the last one."""
    names = [check.name for check in checks if check.passed is False]
    assert len(names) <= 1 and (not names or checks[-1].name == names[0])
    return names[0] if names else ""
