# SPDX-License-Identifier: Apache-2.0
"""The values between a wish for another code and an edit that has been checked.

In and out: plain frozen data. What is to be changed travels as whole texts of files, before and
after: a diff, the editor's edits and every check are made of these two. Texts keep their line
ends and their byte order mark. Knows no protocol, no model and no check.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from engine.chat import Turn
    from indexer.snapshot import Snapshot
    from indexer.types import FileRecord
    from lsp_server.documents import Document, Place

STALE = "the text was changed meanwhile; ask again"
Severity = Literal["error", "warning", "information", "hint"]


class Refused(Exception):
    """This cannot be done, or this answer is no good. One line, for the user and for the model."""


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """What a tool says is wrong, at bytes of the file's text."""

    start: int
    end: int
    message: str
    source: str = ""
    code: str = ""
    severity: Severity = "warning"


@dataclass(frozen=True, slots=True)
class Request:
    """One wish: an action by its kind, a document at a version, a selection (maybe empty)."""

    kind: str
    document: Document
    start: Place
    end: Place
    instruction: str = ""
    diagnostics: tuple[Diagnostic, ...] = ()


@dataclass(frozen=True, slots=True)
class Target:
    """What an action works on, with what syntax and index know. Offsets are bytes of `data`."""

    document: Document
    path: str  # relative to the root, forward slashes
    language: str  # of indexer.languages
    data: bytes  # the buffer as UTF-8, line ends as they are
    start: int
    end: int
    record: FileRecord  # symbols, references, imports of `data`
    root: Path | None = None
    snapshot: Snapshot | None = None  # None outside of any index
    open: Mapping[str, Document] = field(default_factory=dict)  # relative path -> other buffers
    instruction: str = ""
    diagnostics: tuple[Diagnostic, ...] = ()

    @property
    def selected(self) -> bytes:
        return self.data[self.start : self.end]


@dataclass(frozen=True, slots=True)
class FileChange:
    """One file's whole text before and after. `before` None: a new file."""

    path: str  # relative to the root, forward slashes
    before: str | None
    after: str
    version: int | None = None  # of the open buffer that `before` is; None: as on the disk


@dataclass(frozen=True, slots=True)
class Finding:
    """A weakness that a review has found, at bytes of the target's text."""

    start: int
    end: int
    message: str
    code: str = ""
    severity: Severity = "warning"


@dataclass(frozen=True, slots=True)
class Proposal:
    """What an action wants to do. No changes: there is nothing to do, and `note` says so."""

    changes: tuple[FileChange, ...] = ()
    note: str = ""  # one sentence for the user
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class Check:
    """One step of the proof. `passed` None: it could not be made here, `detail` says why."""

    name: str
    passed: bool | None
    detail: str = ""


class Action(Protocol):
    """One kind of code action. A module-level object; holds no state.

    One that knows how long its answer may be says so in `answer_tokens(target)`.
    `title` looks at syntax and index alone, in a few milliseconds.
    """

    kind: str

    def title(self, target: Target) -> str:
        """What the user reads in the list; "" where the action makes no sense here."""

    def ask(self, target: Target) -> Sequence[Turn]:
        """What the model is asked. () where no model is needed. Raises Refused."""

    def read(self, target: Target, answer: str) -> Proposal:
        """The edit that an answer means. Raises Refused with what the model did wrong."""

    def checks(self, target: Target, proposal: Proposal) -> Sequence[Check]:
        """What only this action can check; the ladder of `verify` comes before it."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a request."""

    kind: str
    proposal: Proposal
    checks: tuple[Check, ...]
    accepted: bool
    model: str = ""
    rounds: int = 0  # answers of the model that were looked at
    total_ms: float = 0.0
    transcript: tuple[Turn, ...] = ()
    steps: str = ""  # of an agent, for its reader: a line for each call and each result

    @property
    def reason(self) -> str:
        """Why it was not accepted, in one line."""
        failed = [f"{c.name}: {c.detail}" for c in self.checks if c.passed is False]
        return "; ".join(failed)
