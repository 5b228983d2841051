# SPDX-License-Identifier: Apache-2.0
"""Another name for a definition, everywhere (`refactor.rewrite.rename`). No model is needed.

In: the new name as the instruction, a cursor on the definition or on a use of it. Out: one
proposal for all files: whatever the index resolves to the definition. Strings and comments stay.
Refused where the new name means something already; what nothing is known of is told in the note.
"""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING

from indexer import masks
from indexer.binders import binding, is_set, parameter_of
from indexer.echoes import Renamed, echoes, is_bare_use
from indexer.families import owner_of
from indexer.scopes import FUNCTIONS
from indexer.types import Reference
from indexer.uses import SURE, chain, uses
from lsp_server.actions.across import Edit, changes, indexed, shift, where
from lsp_server.actions.target import function_at, symbol_at
from lsp_server.actions.types import Proposal, Refused

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.chat import Turn
    from indexer.families import Definition
    from indexer.snapshot import Snapshot
    from indexer.types import FileRecord
    from indexer.uses import Use, Uses
    from lsp_server.actions.types import Check, Target

SHOWN_MAX = 5  # places in a note
_NAMED = re.compile(r"(?:rename\b.*\bto\s+|to\s+)?[`'\"]?([\w$]+)[`'\"]?[.\s]*", re.IGNORECASE)
_SPECIAL = re.compile(r"__\w+__|constructor|main|init|default")


class Rename:
    kind = "refactor.rewrite.rename"

    def title(self, target: Target) -> str:
        name = _word(target)[1] or getattr(symbol_at(target), "name", "")
        return f"Rename {name} everywhere" if name and target.record.tier == "A" else ""

    def ask(self, target: Target) -> Sequence[Turn]:
        """Nothing: what is meant is known."""
        del target
        return ()

    def read(self, target: Target, answer: str) -> Proposal:
        del answer
        snapshot = indexed(target)
        new = new_name(target)
        local = _local(target, snapshot, new)
        if local is not None:
            return local
        path, symbol = meant(target, snapshot)
        found = uses(snapshot, path, symbol)
        _refuse_clash(snapshot, found, new.encode())
        edits: dict[str, list[Edit]] = defaultdict(list)
        for use in found.sure:
            edits[use.path].append(_edit(use, found.name, new))
        return Proposal(changes(target, edits), note(snapshot, found, new, len(edits)))

    def checks(self, target: Target, proposal: Proposal) -> Sequence[Check]:
        del target, proposal
        return ()


def new_name(it: Target) -> str:
    """What the instruction asks for. Raises Refused where that is no name."""
    match = _NAMED.fullmatch(it.instruction.strip())
    name = match[1] if match else ""
    if not name or not masks.is_word(it.language, name.encode()):
        raise Refused(f"{it.instruction[:40]!r} is no new name: write one, such as `total`")
    return name


def meant(it: Target, snapshot: Snapshot) -> Definition:
    """The definition at the cursor, or of what is used there. Raises Refused."""
    at, name = _word(it)
    record = snapshot.record(it.path)
    assert record is not None  # `indexed` has looked
    at -= shift(it, snapshot)
    for number, row in enumerate(record.symbols):
        if row.name_start == at and row.name == name:
            return it.path, number
    if name:
        receiver, start = chain(masks.code_of(it.language, snapshot.known_text(it.path)), at)
        reference = Reference(name, receiver, "name", start, 0)
        found = snapshot.resolver.definition(it.path, reference, guess=False)
        sure = [target for target in found if target.score >= SURE and target.symbol >= 0]
        if sure:
            return sure[0].path, sure[0].symbol
    around = function_at(it) or symbol_at(it)
    if around is None or (name and name != around.name):
        raise Refused(f"no definition of {name!r} is known" if name else "no name is selected")
    return it.path, it.record.symbols.index(around)


def _word(it: Target) -> tuple[int, str]:
    """The name at the cursor and where it starts; "" where there is none."""
    start = it.start
    while start and masks.WORD.fullmatch(b"x" + it.data[start - 1 : start]):
        start -= 1
    match = masks.WORD.match(it.data, start)
    if match is None or not masks.is_word(it.language, match[0]):
        return it.start, ""
    return start, match[0].decode("utf-8", "replace")


def _local(it: Target, snapshot: Snapshot, new: str) -> Proposal | None:
    """The renaming of a parameter or a variable of a function; None for what is none."""
    at, name = _word(it)
    at -= shift(it, snapshot)
    data, record = snapshot.known_text(it.path), snapshot.record(it.path)
    assert record is not None  # `indexed` has looked
    code = masks.code_of(it.language, data)
    bound = binding(it.language, code, record, at) if name else None
    if bound is not None and bound.kind == "parameter":
        raise Refused("a parameter's name is part of the signature: change that")
    if bound is None or bound.kind != "variable" or bound.symbol >= 0:
        return None
    old = name.encode()
    if next(masks.words(code, new.encode(), bound.start, bound.end), -1) >= 0:
        line = where(snapshot, it.path, bound.start)
        raise Refused(f"{new} is used already in the function at {line}")
    gone = b"\xff" * len(old)  # what `echoes` wants to see: the name is another one here
    there, here = (text[:at] + gone + text[at + len(old) :] for text in (data, code))
    renamed = Renamed(it.path, there, here, record, at, old, gone)
    sites = [echo.start for echo in echoes(renamed, bound)]
    first = next(masks.words(code, old, bound.start, bound.end), at)
    if first < at:
        raise Refused(
            f"{name} is set before, at {where(snapshot, it.path, first)}: rename it there"
        )
    places = sorted({at, *sites})
    left = [
        one
        for one in masks.words(code, old, bound.start, bound.end)
        if one not in places and is_bare_use(it.language, code, one, one + len(old))
    ]
    if left:
        raise Refused(f"{name} may mean something else at {where(snapshot, it.path, left[0])}")
    edits = [Edit(one, one + len(old), new.encode()) for one in places]
    return Proposal(changes(it, {it.path: edits}), f"{len(edits)} uses of {name} are {new} now")


def _edit(use: Use, old: str, new: str) -> Edit:
    text = f"{old}: {new}" if use.kind == "shorthand" else new
    return Edit(use.at, use.at + len(old.encode()), text.encode())


def _refuse_clash(snapshot: Snapshot, found: Uses, new: bytes) -> None:
    if _SPECIAL.fullmatch(found.name):
        raise Refused(f"the name {found.name} has a meaning of its own")
    if found.name.encode() == new:
        raise Refused("that is its name already")
    for path, symbol in found.definitions:
        owner = owner_of(snapshot, path, symbol)
        if owner is not None:
            _refuse_member(snapshot, owner, new)
    by_path: dict[str, list[Use]] = defaultdict(list)
    for use in found.sure:
        if use.kind != "attribute":
            by_path[use.path].append(use)
    for path, those in by_path.items():
        _refuse_bare(snapshot, path, those, new)


def _refuse_member(snapshot: Snapshot, owner: Definition, new: bytes) -> None:
    path, number = owner
    record = snapshot.record(path)
    assert record is not None  # it has the definition
    code = masks.code_of(record.language, snapshot.known_text(path))
    row = record.symbols[number]
    for at in masks.words(code, new, row.start, row.end):
        receiver, _ = chain(code, at)
        given = any(s.name_start == at and s.parent == number for s in record.symbols)
        if given or receiver in ("self", "this", "cls"):
            raise Refused(f"{row.name} has a {new.decode()}: {where(snapshot, path, at)}")


def _refuse_bare(snapshot: Snapshot, path: str, those: list[Use], new: bytes) -> None:
    """Where the new name stands for itself and sees what is renamed, it means something already."""
    record = snapshot.record(path)
    assert record is not None  # it has the uses
    given = {use.at for use in those if use.kind == "definition"}
    members = [row for row in record.symbols if row.name_start in given and row.kind == "method"]
    if len(members) == len(those):
        return
    code = masks.code_of(record.language, snapshot.known_text(path))
    for at in masks.words(code, new):
        if not is_bare_use(record.language, code, at, at + len(new)):
            continue
        function = masks.innermost(record, FUNCTIONS, at)
        if function >= 0:
            span = record.symbols[function]
            mine = any(span.start <= use.at < span.end for use in those)
            if not mine and _is_local(record, code, function, new):
                continue
        raise Refused(f"{new.decode()} means something already: {where(snapshot, path, at)}")


def _is_local(record: FileRecord, code: bytes, function: int, name: bytes) -> bool:
    row = record.symbols[function]
    return any(
        is_set(record.language, code, at, at + len(name))
        or parameter_of(record.language, code, record, at) == function
        for at in masks.words(code, name, row.start, row.end)
    )


def note(snapshot: Snapshot, found: Uses, new: str, files: int) -> str:
    """What was done, and what the user has to look at."""
    told = [f"{len(found.sure)} uses of {found.name} in {files} files are {new} now"]
    if found.by_name:
        told.append(f"by the name alone, which nothing else has: {places(snapshot, found.by_name)}")
    if found.unsure:
        told.append(f"not changed, of unknown type: {places(snapshot, found.unsure)}")
    if found.mentions:
        told.append(f"{found.mentions} mentions in strings and comments stay")
    if found.outside:
        told.append(f"{', '.join(found.outside[:SHOWN_MAX])} may expect the old name")
    return "; ".join(told)


def places(snapshot: Snapshot, those: Sequence[Use]) -> str:
    """The first few as `path:line`, and how many there are besides."""
    shown = ", ".join(where(snapshot, use.path, use.at) for use in those[:SHOWN_MAX])
    more = len(those) - SHOWN_MAX
    return f"{shown} and {more} more" if more > 0 else shown


ACTION = Rename()
