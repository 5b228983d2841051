# SPDX-License-Identifier: Apache-2.0
"""An agent with a scripted model on a text fixture: what it was told, what it wants to change."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from acting import acting

from engine.toolcalls import Call, write
from indexer import languages
from indexer.parse import extract
from lsp_server.actions import agent, verify
from lsp_server.actions.target import target
from lsp_server.actions.types import Check, Proposal, Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from acting import Desk

    from engine.chat import Turn
    from engine.types import Engine, Usage
    from lsp_server.settings import Settings

DONE = "Done as asked."


@dataclass
class Ran:
    """How a run ended. `reason` is "" where it ended with a proposal."""

    proposal: Proposal = field(default_factory=Proposal)
    turns: tuple[Turn, ...] = ()
    reason: str = ""
    asked: list[str] = field(default_factory=list)
    usages: list[Usage] = field(default_factory=list)
    prompts: list[tuple[int, ...]] = field(default_factory=list)
    heard: list[str] = field(default_factory=list)

    @property
    def files(self) -> dict[str, str]:
        return {change.path: change.after for change in self.proposal.changes}

    @property
    def results(self) -> list[str]:
        """What the model was told after each of its answers."""
        return [turn.text for turn in self.turns[2:] if turn.role == "user"]

    @property
    def shown(self) -> str:
        """All the model was ever told."""
        return "\n".join(turn.text for turn in self.turns if turn.role == "user")


def call(tool: str, /, **arguments: str) -> str:
    return write(Call(tool, arguments))


def edit(path: str, old: str, new: str) -> str:
    return call("propose_edit", path=path, old=old, new=new)


async def parses(_it, proposal, _rules) -> tuple[Check, ...]:
    """The first step of a ladder, for tests that are about what follows when it fails."""
    for change in proposal.changes:
        record = extract(languages.detect(change.path), change.after.encode())
        if record.error_count:
            return (Check("parse", passed=False, detail=f"{change.path} cannot be parsed"),)
    return (Check("parse", passed=True),)


def agent_run(
    folder: Path,
    text: str,
    answers: Sequence[str],
    *,
    arrange: Callable[[Desk], None] = lambda _: None,
    instruction: str,
    newline: str = "\n",
    bom: bool = False,
    settings: Settings | None = None,
    **how: object,
) -> Ran:
    """Make a repository of a fixture, `arrange` it further, and run an agent in it."""
    kind = "refactor.rewrite.instruct"
    options = {"newline": newline, "bom": bom, "settings": settings}
    with acting(folder, text, kind, instruction=instruction, **options) as desk:
        arrange(desk)
        return run_on(desk, answers, **how)


def run_on(
    desk: Desk,
    answers: Sequence[str | Sequence[str]],
    *,
    prove=None,
    tests=None,
    instruction: str = "",
    moving: bool = False,
) -> Ran:
    """Run an agent whose model gives these answers, one a step; a list comes in pieces.

    `moving`: the test itself changes files meanwhile.
    """
    session, ran, left = desk.session, Ran(), list(answers)
    request = replace(desk.request, instruction=instruction or desk.request.instruction)
    it = target(request, session)
    rules = verify.Rules.of(session, it)
    work = agent.run(it, session, rules, ran.heard.append, prove=prove, tests=tests)
    before = _disk(desk.root)

    def answer(prompt: str) -> Sequence[str]:
        ran.asked.append(prompt)
        given = left.pop(0) if left else ""
        return [given] if isinstance(given, str) else given

    with _recorded(session.worker.ready.result(), answer, ran):
        try:
            ran.proposal, ran.turns = asyncio.run(work)
        except Refused as refused:
            ran.reason = str(refused)
            ran.turns = getattr(refused, "turns", ())
    assert moving or _disk(desk.root) == before, "an agent writes nothing"
    return ran


@contextmanager
def _recorded(engine: Engine, answer: Callable[[str], Sequence[str]], ran: Ran) -> Iterator[None]:
    complete = engine.complete

    def recorded(prompt, *arguments):
        done = complete(prompt, *arguments)
        ran.usages.append(done.usage)
        ran.prompts.append(prompt.token_ids)
        return done

    engine.complete, engine._answer = recorded, answer
    try:
        yield
    finally:
        engine.complete = complete


def _disk(root: Path) -> dict[str, bytes]:
    files = (path for path in root.rglob("*") if path.is_file() and not path.is_symlink())
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}
