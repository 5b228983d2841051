# SPDX-License-Identifier: Apache-2.0
"""THE STORY: from a wish for other code to an edit that has been checked.

In: a `Request`. Out: an `Outcome`: what is proposed, every check with its result, and whether all
of them passed. The model proposes; what it gets wrong goes back to it with the reason, three
rounds at most. Nothing is written here. Knows no protocol and no kind of action.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from engine.chat import Turn
from engine.types import EngineError
from lsp_server.actions import agent, model, registry, verify
from lsp_server.actions.target import target
from lsp_server.actions.types import STALE, Check, Outcome, Proposal, Refused
from lsp_server.schedule import NoText

if TYPE_CHECKING:
    from collections.abc import Callable

    from lsp_server.actions.types import Action, Request, Target
    from lsp_server.session import Session

    T = TypeVar("T")

ROUNDS = 3
CANDIDATES = 2  # a round, where the project's tests can tell which one is better
AGENT = "refactor.rewrite.instruct.repository"


async def perform(
    request: Request, session: Session, say: Callable[[str], None] = lambda _: None
) -> Outcome:
    """Do one action. It may end without an edit, with the reason why, but not with an error.

    `say` hears what is being done, a few words each. Cancelling the task stops the model and the
    checks; no file has been touched.
    """
    started = time.perf_counter()
    session.warming.stop()  # else what is read ahead takes the place of what the rounds go on from
    try:
        outcome = await _perform(request, session, say)
    except (Refused, NoText, EngineError) as reason:
        refused = Check("request", passed=False, detail=str(reason))
        outcome = Outcome(request.kind, Proposal(), (refused,), accepted=False)
    finally:
        session.warming.again()
    if _is_stale(request, outcome, session):
        stale = Check("version", passed=False, detail=STALE)
        outcome = replace(outcome, checks=(*outcome.checks, stale), accepted=False)
    return replace(outcome, total_ms=round((time.perf_counter() - started) * 1000, 1))


async def _perform(request: Request, session: Session, say: Callable[[str], None]) -> Outcome:
    action = registry.find(request.kind)
    session.check(request.document, manual=True)
    it = await _off_loop(target, request, session)
    if not await _off_loop(action.title, it):
        raise Refused("this action makes no sense for what is selected")
    rules = verify.Rules.of(session, it, wide=request.kind in registry.WIDE)
    work = _Work(action, it, session, rules)
    if request.kind == AGENT:
        return await _by_agent(work, say)
    turns = tuple(await _off_loop(action.ask, it))
    if not turns or (request.kind in registry.WITHOUT_MODEL and not _has_model(session)):
        return await _judged(work, "", Outcome(request.kind, Proposal(), (), accepted=False))
    seed = 0
    for number in range(1, ROUNDS + 1):
        say("asking the model" if number == 1 else f"asking again, {number} of {ROUNDS}")
        outcome = await _round(work, turns, number, seed)
        if outcome.accepted or _is_stale(request, outcome, session):
            return outcome
        # A small model often says the same again, word for word: then it is not asked greedily.
        seed = number * CANDIDATES if outcome.transcript[-1] in turns else 0
        turns = (*outcome.transcript, Turn("user", again(outcome)))
    return outcome


def _has_model(session: Session) -> bool:
    try:
        session.running_worker()
    except NoText:
        return False
    return True


@dataclass(frozen=True, slots=True)
class _Work:
    """What all rounds of one request share."""

    action: Action
    it: Target
    session: Session
    rules: verify.Rules


async def _round(work: _Work, turns: tuple[Turn, ...], number: int, seed: int) -> Outcome:
    """The best answer to the same question. Where tests can tell, there is more than one."""
    candidates = CANDIDATES if work.rules.runs_tests else 1
    sources, most = model.Sources(work.it.root), _answer_tokens(work)
    found = []
    for each in range(seed, seed + candidates):
        answer = await model.answer(turns, work.session, sources, seed=each, most_tokens=most)
        outcome = Outcome(
            work.action.kind,
            Proposal(),
            (),
            accepted=False,
            model=work.session.engine_info().model,
            rounds=number,
            transcript=(*turns, Turn("assistant", answer.text)),
        )
        found.append(await _judged(work, answer.text, outcome))
    return max(found, key=_merit)  # the first of equals


def _answer_tokens(work: _Work) -> int:
    tokens: Callable[[Target], int] | None = getattr(work.action, "answer_tokens", None)
    return tokens(work.it) if tokens is not None else model.ANSWER_TOKENS


async def _judged(work: _Work, answer: str, outcome: Outcome) -> Outcome:
    """The outcome with what an answer means, and the proof of it."""
    try:
        proposal = await _off_loop(work.action.read, work.it, answer)
        proposal = await verify.formatted(work.it, proposal, work.rules)
    except Refused as reason:
        return replace(outcome, checks=(Check("answer", passed=False, detail=str(reason)),))
    return await _checked(work, proposal, outcome)


def _merit(outcome: Outcome) -> tuple[bool, float]:
    """Accepted ones first; among them by the tests that pass, then by what is simpler now."""
    return outcome.accepted, verify.rank(outcome.checks, outcome.proposal)


async def _by_agent(work: _Work, say: Callable[[str], None]) -> Outcome:
    """Several steps with tools, on a copy in memory. What comes of it has passed the ladder."""
    model_id = work.session.engine_info().model
    outcome = Outcome(work.action.kind, Proposal(), (), accepted=False, model=model_id)
    proved: list[Check] = []

    async def prove(it: Target, proposal: Proposal, rules: verify.Rules) -> tuple[Check, ...]:
        proved[:] = await verify.ladder(it, proposal, rules)
        return tuple(proved)

    try:
        proposal, turns = await agent.run(work.it, work.session, work.rules, say, prove=prove)
    except agent.Stopped as stopped:
        check = Check("agent", passed=False, detail=str(stopped))
        steps = agent.transcript_text(stopped.turns)
        return replace(outcome, checks=(check,), transcript=stopped.turns, steps=steps)
    rounds = sum(turn.role == "assistant" for turn in turns)
    steps = agent.transcript_text(turns)
    outcome = replace(outcome, proposal=proposal, transcript=turns, rounds=rounds, steps=steps)
    if not proposal.changes:
        return replace(outcome, checks=(Check("agent", passed=False, detail=proposal.note),))
    return replace(outcome, checks=tuple(proved), accepted=True)


async def _checked(work: _Work, proposal: Proposal, outcome: Outcome) -> Outcome:
    """The outcome with the proof of a proposal."""
    checks = await verify.ladder(work.it, proposal, work.rules)
    if all(check.passed is not False for check in checks):
        checks = (*checks, *await _off_loop(work.action.checks, work.it, proposal))
    accepted = all(check.passed is not False for check in checks)
    return replace(outcome, proposal=proposal, checks=tuple(checks), accepted=accepted)


def _is_stale(request: Request, outcome: Outcome, session: Session) -> bool:
    """Whether a buffer that the edit is for is another by now."""
    if session.documents.get(request.document.uri) is not request.document:
        return True
    changed = {change.path: change for change in outcome.proposal.changes}
    return any(
        document.version != changed[path].version
        for document in session.documents
        if (path := session.shown_path(document)) in changed and changed[path].version is not None
    )


def again(outcome: Outcome) -> str:
    """What the model is told after an answer that did not pass."""
    return (
        f"That cannot be used: {outcome.reason}\n"
        "Answer again, in the same form as asked for, with this repaired and nothing else changed."
    )


async def _off_loop(work: Callable[..., T], *arguments: object) -> T:
    return await asyncio.get_running_loop().run_in_executor(None, partial(work, *arguments))
