# SPDX-License-Identifier: Apache-2.0
"""Whether what was read is still so, the moment before it is changed.

In: `FileChange`s, the root, the policy, open buffers. Out: each with the file it is about, or
`Refused` with the first reason why not all of them can be made. The policy decides anew on the
resolved path: what an action may have been talked into is not written where nothing may be read.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from indexer.files import Skipped, Source, read_decided
from lsp_server import guard
from lsp_server.actions.types import Refused

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from indexer.policy import Policy
    from lsp_server.actions.types import FileChange
    from lsp_server.documents import Document

BOM = "\ufeff"


class Held(NamedTuple):
    """A change and the file it is about: its buffer, or what is on the disk; neither: a new one."""

    change: FileChange
    path: Path  # absolute, resolved
    document: Document | None = None
    source: Source | None = None


def held(
    changes: Sequence[FileChange], root: Path, policy: Policy, open_: Mapping[str, Document]
) -> list[Held]:
    """Look at every file. `open_`: buffers by their relative path, which count, not the disk.

    Reads files: not for the loop. Raises Refused.
    """
    twice = {c.path for c in changes if sum(c.path == other.path for other in changes) > 1}
    if twice:
        raise Refused(f"{', '.join(sorted(twice))}: changed twice in one answer")
    return [_held(change, root, policy, open_.get(change.path)) for change in changes]


def _held(change: FileChange, root: Path, policy: Policy, document: Document | None) -> Held:
    if document is not None and document.path is None:
        _same(change, document.text)  # a buffer without a file
        return Held(change, Path(), document)
    decision = policy.decide(f"{root}/{change.path}")
    if not decision.allowed:
        raise Refused(f"{change.path[:200]}: {guard.in_words(decision.reason)}")
    path = Path(decision.root) / decision.relative
    if document is not None:
        _same(change, document.text)
        return Held(change, path, document)
    if change.before is None:
        if path.exists():
            raise Refused(f"{change.path} exists already")
        return Held(change, path)
    source = read_decided(decision)
    if isinstance(source, Skipped):
        raise Refused(f"{change.path}: {guard.in_words(source.reason)}")
    _same(change, source.data.decode("utf-8"))
    return Held(change, path, source=source)


def _same(change: FileChange, text: str) -> None:
    before = change.before
    if before is None or before.removeprefix(BOM) != text.removeprefix(BOM):
        raise Refused(f"{change.path} was changed meanwhile; ask again")
