# SPDX-License-Identifier: Apache-2.0
"""A change tried out: the project's type checker and tests, in a copy, with and without it.

In: the root, the texts of open buffers and of a proposal, the user's command. Out: a `Check` each.
Without the change things are only run where they went wrong with it. It edits nothing of the
user's; the copies are gone when it ends.
"""

from __future__ import annotations

import asyncio
import os
import re
import shlex
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lsp_server.actions import own_tests, sandbox, scratch_copy
from lsp_server.actions.types import Check

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from typing_extensions import Self

    from indexer.policy import Policy
    from lsp_server.actions.sandbox import Ran, Walls
    from lsp_server.actions.toolchain import Checker
    from lsp_server.settings import Verify

TYPES = "types"
_PLACE = re.compile(r":\d+(?::\d+)?(?: - |:)|\(\d+,\d+\):")
_ERROR = re.compile(r"\berror\b")


@dataclass
class Trial:
    """Copies of a root, made when first needed. Used as `async with Trial(...) as trial`."""

    root: Path
    policy: Policy
    before: Mapping[str, str]  # texts of open buffers
    after: Mapping[str, str]  # these and the proposal's
    verify: Verify
    known: dict[str, own_tests.Verdict]  # runs without the change, by the state of the files
    _places: dict[str, Path] = field(default_factory=dict)
    _stack: AsyncExitStack = field(default_factory=AsyncExitStack)
    _walls: Walls | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def tests(self) -> Check:
        """Run the user's command. Raises scratch_copy.TooLarge, OSError."""
        try:
            command = shlex.split(self.verify.testCommand)
        except ValueError as error:
            return Check(own_tests.NAME, None, f"verify.testCommand cannot be read: {error}")
        if not command:
            return Check(own_tests.NAME, None, "verify.testCommand is empty")
        ran = await self._run(command, "after")
        if ran.code == 127:  # noqa: PLR2004  what a shell and our launcher say for "not found"
            return Check(own_tests.NAME, None, f"verify.testCommand: {ran.output.strip()[-200:]}")
        after = own_tests.verdict(ran)
        before = None if after.good else await self._without(command)
        return own_tests.compared(before, after, self.verify.timeoutS, said(ran.walls))

    async def types(self, checkers: Sequence[Checker], paths: Sequence[str]) -> Check:
        """New messages of the type checkers about these files are a failure."""
        doubts = []
        for checker in checkers:
            found = await self._messages(checker, paths, "after")
            if isinstance(found, str):
                doubts.append(found)
                continue
            if not found:
                continue
            known = await self._messages(checker, paths, "before")
            if isinstance(known, str):
                doubts.append(known)
            elif fresh := sorted((found - known).elements()):
                return Check(TYPES, passed=False, detail=f"{checker.name}: {fresh[0]}")
        if len(doubts) == len(checkers):
            return Check(TYPES, None, "; ".join(doubts))
        names = ", ".join(checker.name for checker in checkers)
        return Check(TYPES, passed=True, detail=f"{names}: nothing new")

    async def _messages(
        self, checker: Checker, paths: Sequence[str], which: str
    ) -> Counter[str] | str:
        """Messages without their line numbers, or why there are none."""
        place = await self._place(which)
        there = [path for path in paths if (place / path).is_file()]
        if not there:
            return Counter()
        ran = await self._run([*checker.command, *(there if checker.takes_files else [])], which)
        if ran.stopped or ran.code not in (0, 1, 2):
            return f"{checker.name} did not come to an end: {ran.stopped or ran.code}"
        # Some name files by their whole path, which is another one in each copy.
        return Counter(_about(ran.output.replace(f"{place}/", "").splitlines(), there))

    async def _without(self, command: Sequence[str]) -> own_tests.Verdict:
        state = await asyncio.to_thread(scratch_copy.state, self.root, self.policy)
        key = str(hash((state, tuple(command), tuple(sorted(self.before.items())))))
        if key not in self.known:
            self.known[key] = own_tests.verdict(await self._run(command, "before"))
        return self.known[key]

    async def _run(self, command: Sequence[str], which: str) -> Ran:
        place = await self._place(which)
        if self._walls is None:
            self._walls = await sandbox.walls()
        home = place.parent / f"home-{which}"
        home.mkdir(exist_ok=True)
        # Before what an editable install of the project itself points to.
        paths = {"PYTHONPATH": f"{place}{os.pathsep}{place / 'src'}"}
        return await sandbox.run(
            _in_copy(command, self.root, place),
            place,
            timeout_s=self.verify.timeoutS,
            home=home,
            behind=self._walls,
            variables=paths,
        )

    async def _place(self, which: str) -> Path:
        if which not in self._places:
            place = await self._stack.enter_async_context(scratch_copy.folder()) / "work"
            place.mkdir()
            texts = self.after if which == "after" else self.before
            await scratch_copy.copied(self.root, self.policy, texts, place, link_installed=True)
            self._places[which] = place
        return self._places[which]


def _in_copy(command: Sequence[str], root: Path, place: Path) -> list[str]:
    """A program that is named by its place in the root is that of the copy."""
    prefix = f"{root}/"
    return [word.replace(prefix, f"{place}/") for word in command]


def _about(rows: Iterable[str], paths: Sequence[str]) -> Iterable[str]:
    for row in rows:
        if _ERROR.search(row) and any(path in row for path in paths):
            yield _PLACE.sub(": ", row, count=1).strip()


def said(walls: Walls) -> str:
    """What a run could not be kept from, "" where it was kept from everything."""
    return "" if walls.no_network else "(the network could not be taken away on this system)"
