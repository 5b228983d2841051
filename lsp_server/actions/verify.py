# SPDX-License-Identifier: Apache-2.0
"""THE LADDER: what a proposal has to pass before anybody sees it, the cheapest check first.

In: a `Target`, a `Proposal`, the `Rules` of the session. Out: one `Check` for each rung that was
climbed; the first that fails is the last. Nothing is written but in folders of our own. All work is
off the event loop; a cancelled ladder leaves no process and no folder behind.
"""

from __future__ import annotations

import asyncio
import re
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from indexer import languages
from indexer.files import Skipped, Source, read_source
from indexer.policy import Policy
from indexer.window import native
from lsp_server import guard
from lsp_server.actions import (
    complexity,
    formatting,
    kept_symbols,
    own_tests,
    python_names,
    references,
    sandbox,
    scope,
    syntax,
    text_form,
    toolchain,
    touchable,
)
from lsp_server.actions.edited import edited
from lsp_server.actions.scratch_copy import TooLarge
from lsp_server.actions.trial import TYPES, Trial
from lsp_server.actions.types import Check, Proposal
from lsp_server.settings import Verify

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from pathlib import Path

    import tree_sitter as ts
    from typing_extensions import Self

    from lsp_server.actions.edited import Edited
    from lsp_server.actions.own_tests import Verdict
    from lsp_server.actions.toolchain import Formatter
    from lsp_server.actions.types import FileChange, Target
    from lsp_server.documents import Document, Documents
    from lsp_server.session import Session

FILES_MAX = 200  # of one edit; nobody looks through more
CHARS_MAX = 1_048_576  # of a file, as for every other reader
TESTS_WEIGHT, SIMPLER_WEIGHT = 0.8, 0.2
_SHARE = re.compile(r"(\d+) of (\d+) tests passed")


@dataclass(frozen=True, slots=True)
class Rules:
    """What proposals of one request are measured by. `known`: runs of the tests as it was."""

    documents: Documents
    excludes: tuple[str, ...] = ()
    verify: Verify = field(default_factory=Verify)
    known: dict[str, Verdict] = field(default_factory=dict)

    wide: bool = False  # the whole repository is what the user has pointed at

    @classmethod
    def of(cls, session: Session, _it: Target, *, wide: bool = False) -> Self:
        settings = session.settings
        return cls(session.documents, settings.exclude, settings.verify, wide=wide)

    @property
    def runs_tests(self) -> bool:
        """Code of the project may be run: the user has said with what."""
        return bool(self.verify.testCommand.strip())


@dataclass(frozen=True, slots=True)
class Case:
    """A proposal with all that the rungs look at. `buffers` are the open files as they are now."""

    it: Target
    proposal: Proposal
    rules: Rules
    buffers: Mapping[str, Document]
    policy: Policy | None  # None: no file, only a buffer
    sources: dict[str, Source]  # what the disk has, of files that were looked at
    files: list[Edited]  # filled when their texts have been found to be readable

    @property
    def changes(self) -> tuple[FileChange, ...]:
        return self.proposal.changes


async def ladder(it: Target, proposal: Proposal, rules: Rules) -> tuple[Check, ...]:
    """Climb. No checks for a proposal without changes."""
    if not proposal.changes:
        return ()
    case = await _case(it, proposal, rules)
    checks: list[Check] = []
    async with AsyncExitStack() as stack:
        for rung in (*_STILL, format_, *await _moving(case, stack)):
            check = await _climbed(rung, case)
            checks += [check] if check is not None else []
            if check is not None and check.passed is False:
                break
    return tuple(checks)


async def formatted(it: Target, proposal: Proposal, rules: Rules) -> Proposal:
    """The proposal as the project's formatter writes it, where that concerns only our lines."""
    case = await _case(it, proposal, rules)
    if not proposal.changes or (await asyncio.to_thread(paths, case)).passed is False:
        return proposal
    changes = []
    for change in proposal.changes:
        done = await _format(case, change, change.after)
        ours = done is not None and formatting.only_ours(change, done)
        changes.append(replace(change, after=done) if done is not None and ours else change)
    return replace(proposal, changes=tuple(changes))


def rank(checks: Sequence[Check], proposal: Proposal) -> float:
    """How good a candidate is that has passed: 0 to 1, tests before simplicity.

    Without tests all have the same share of them.
    """
    share = 1.0
    for check in checks:
        if check.name == own_tests.NAME:
            found = _SHARE.search(check.detail)
            share = 0.0 if check.passed is False else 1.0
            share = int(found[1]) / max(1, int(found[2])) if found else share
    simpler = complexity.improvement(
        (languages.detect(change.path), change.before or "", change.after)
        for change in proposal.changes
    )
    return TESTS_WEIGHT * share + SIMPLER_WEIGHT * simpler


# -- what needs no other program -------------------------------------------------------------------


def paths(case: Case) -> Check:
    """Only files that may be touched, and only as they are now."""
    names = [change.path for change in case.changes]
    if len(names) > FILES_MAX:
        return _failed("paths", f"{len(names)} files; {FILES_MAX} are the most")
    if len({name.casefold() for name in names}) < len(names):
        return _failed("paths", "a file is changed twice")
    for change in case.changes:
        if wrong := _path_problem(case, change) or _stale(case, change):
            return _failed("paths", f"{change.path[:200]!a} {wrong}")
    return _passed("paths")


def text(case: Case) -> Check:
    """Characters, line ends, marks and indentation are those of the file."""
    for change in case.changes:
        source = case.sources.get(change.path)
        encoding = source.encoding if source is not None else "utf-8"
        wrong = text_form.problem(
            change.before or "", change.after, encoding=encoding, allowed=case.it.instruction
        )
        if len(change.after) > CHARS_MAX:
            wrong = f"has {len(change.after):,} characters; {CHARS_MAX:,} are the most"
        if wrong:
            return _failed("text", f"{change.path}: {wrong}")
    return _passed("text")


def parse(case: Case) -> Check:
    """No place that the grammar cannot read, but for those that were there."""
    unknown = []
    for change in case.changes:
        mine = change.path == case.it.path
        language = case.it.language if mine else languages.detect(change.path)
        if native(language) is None:
            unknown.append(change.path)
        elif wrong := _syntax(language, change):
            return _failed("parse", f"{change.path}: {wrong}")
    case.files.extend(edited(case.it, change) for change in case.changes)
    if len(unknown) == len(case.changes):
        return Check("parse", None, "no grammar for this kind of file")
    return _passed("parse")


def symbols(case: Case) -> Check:
    """What is not to be changed is still there; bodies as well."""
    if wrong := kept_symbols.problem(case.it, case.files, wide=case.rules.wide):
        return _failed("symbols", wrong)
    if case.rules.wide:
        return _passed("symbols")
    if wrong := scope.problem(case.it, case.files, kept_symbols.moved(case.it, case.files)):
        return _failed("symbols", wrong)
    return _passed("symbols")


def names(case: Case) -> Check:
    """What is newly imported and called exists."""
    found = references.check(case.it, case.files)
    if found.wrong:
        return _failed("references", found.wrong)
    return Check("references", None if found.doubt else True, found.doubt)


def _path_problem(case: Case, change: FileChange) -> str:
    asked = case.it.path
    if case.policy is None or case.it.root is None:
        return "" if change.path == asked else "is not the buffer that this was asked in"
    new = change.before is None
    wrong = "" if change.path == asked else touchable.spelling_problem(change.path)
    wrong = wrong or touchable.name_problem(change.path, asked)
    wrong = wrong or (touchable.new_file_problem(change.path, asked) if new else "")
    root = case.it.root
    return wrong or touchable.place_problem(case.policy, root, change.path, new=new)


def _stale(case: Case, change: FileChange) -> str:
    """Whether the text before is what the user sees: the open buffer's, else the disk's."""
    buffer = case.buffers.get(change.path)
    source = _source(case, change.path)
    if isinstance(source, Source):
        case.sources[change.path] = source
    if buffer is not None:
        if change.version not in (None, buffer.version) or change.before != buffer.text:
            return "has changed meanwhile"
        return ""
    if change.before is None:
        return ""
    if isinstance(source, Skipped) and source.reason != "empty":
        return f"cannot be edited: {guard.in_words(source.reason)}"
    if change.before != _text_of(source):
        return "has changed meanwhile"
    return ""


def _source(case: Case, path: str) -> Source | Skipped | None:
    if case.policy is None or case.it.root is None:
        return None
    return read_source(case.policy, str(case.it.root / path))


def _text_of(source: Source | Skipped | None) -> str:
    if not isinstance(source, Source):
        return ""
    return (text_form.BOM if source.bom else "") + source.data.decode()


def _syntax(language: str, change: FileChange) -> str:
    after = syntax.parsed(language, change.after.encode())
    if after is None:
        return "takes too long to parse"
    before = syntax.parsed(language, change.before.encode()) if change.before else None
    if after[1] > (before[1] if before is not None else 0):
        return f"line {_first_error(after[0].root_node)} is not {language}"
    if language == "python":
        return python_names.syntax_problem(change.before or "", change.after)
    return ""


def _first_error(root: ts.Node) -> int:
    """The line of the first place that the grammar cannot read, from 1."""
    node = root
    while node.has_error and not node.is_missing:
        below = next((child for child in node.children if child.has_error or child.is_error), None)
        if below is None or node.is_error:
            break
        node = below
    return int(node.start_point[0]) + 1


# -- what runs programs ----------------------------------------------------------------------------


async def format_(case: Case) -> Check | None:
    """A file that its formatter finds well formatted must stay so. None: there is no formatter."""
    said = []
    for change in case.changes:
        done = await _format(case, change, change.after)
        if done is None or done == change.after:
            said += [change.path] if done is not None else []
            continue
        if change.before is None or await _format(case, change, change.before) == change.before:
            line = next(iter(text_form.added_lines(change.after, done)), "").strip()
            return _failed(
                "format", f"{change.path}: the project's formatter writes {line[:120]!r}"
            )
        said.append(f"{change.path} (was not formatted before)")
    return _passed("format", ", ".join(said)) if said else None


async def _format(case: Case, change: FileChange, before: str) -> str | None:
    root, policy = case.it.root, case.policy
    if root is None or policy is None or not before:
        return None
    formatter = await asyncio.to_thread(_formatter, case, change.path, root, policy)
    if formatter is None:
        return None
    try:
        # What the user has installed is not walled in: a probe takes longer than formatting.
        behind = await sandbox.walls() if formatter.needs_root else sandbox.Walls()
        return await formatting.formatted(before, formatter, root, policy, behind)
    except OSError:
        return None


def _formatter(case: Case, path: str, root: Path, policy: Policy) -> Formatter | None:
    language = case.it.language if path == case.it.path else languages.detect(path)
    read = toolchain.reader(root, policy)
    return toolchain.formatter(root, path, language, read, trusted=case.rules.runs_tests)


async def _moving(case: Case, stack: AsyncExitStack) -> list[Rung]:
    """The rungs that run code of the project: none where the user has not named a command."""
    root, policy = case.it.root, case.policy
    if not case.rules.runs_tests or root is None or policy is None:
        return []
    before = {path: document.text for path, document in case.buffers.items()}
    after = before | {change.path: change.after for change in case.changes}
    rules = case.rules
    trial = Trial(root, policy, before, after, rules.verify, rules.known)
    await stack.enter_async_context(trial)

    async def types(case: Case) -> Check | None:
        read = toolchain.reader(root, policy)
        found = {file.language for file in case.files}
        checkers = await asyncio.to_thread(toolchain.checkers, root, found, read)
        changed = [change.path for change in case.changes]
        return await _tried(TYPES, trial.types(checkers, changed)) if checkers else None

    async def tests(_: Case) -> Check:
        return await _tried(own_tests.NAME, trial.tests())

    return [types, tests]


async def _tried(name: str, work: Awaitable[Check]) -> Check:
    try:
        return await work
    except (TooLarge, OSError, UnicodeEncodeError) as error:
        return Check(name, None, f"could not be run: {error}")


# -- the parts of a case ---------------------------------------------------------------------------


async def _case(it: Target, proposal: Proposal, rules: Rules) -> Case:
    documents = tuple(rules.documents)  # on the loop: the store is used from there only
    now = rules.documents.get(it.document.uri)
    return await asyncio.to_thread(_case_of, it, proposal, rules, documents, now)


def _case_of(
    it: Target,
    proposal: Proposal,
    rules: Rules,
    documents: Sequence[Document],
    now: Document | None,
) -> Case:
    policy = Policy.load([it.root], rules.excludes) if it.root is not None else None
    buffers = {}
    for document in documents if policy is not None else ():
        if document.path is None:
            continue
        decision = policy.decide(document.path) if policy is not None else None
        if decision is not None and decision.allowed:
            buffers[decision.relative] = document
    buffers[it.path] = now if now is not None else it.document
    return Case(it, proposal, rules, buffers, policy, {}, [])


async def _climbed(rung: Rung, case: Case) -> Check | None:
    if asyncio.iscoroutinefunction(rung):
        found: Check | None = await rung(case)
        return found
    return await asyncio.to_thread(rung, case)  # type: ignore[arg-type]


def _passed(name: str, detail: str = "") -> Check:
    return Check(name, passed=True, detail=detail)


def _failed(name: str, detail: str) -> Check:
    return Check(name, passed=False, detail=detail)


if TYPE_CHECKING:
    Rung = Callable[[Case], Check] | Callable[[Case], Awaitable[Check | None]]

_STILL: tuple[Callable[[Case], Check], ...] = (paths, text, parse, symbols, names)
