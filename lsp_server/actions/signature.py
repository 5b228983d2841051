# SPDX-License-Identifier: Apache-2.0
"""Other parameters for a function, and all of its calls with it (`refactor.rewrite.signature`).

In: a function, and what is wished: words (`add parameter timeout=3`, `remove b`, `swap a and b`) or
a whole new header; free words go to the model, which writes the header only. Out: one proposal for
all files: header, overriding methods, uses in the body, every call that the index resolves. A call
that cannot be written for certain refuses the whole with its place; a call of which nothing is
known is told in the note.
"""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise
from typing import TYPE_CHECKING

from engine.chat import Turn
from indexer import arguments, masks
from indexer.arguments import Uncertain
from indexer.signatures import parameters
from lsp_server.actions import headers
from lsp_server.actions.across import Edit, changes, indexed, where
from lsp_server.actions.bodies import body_edits
from lsp_server.actions.call_sites import Sites, sites
from lsp_server.actions.function_text import FunctionText, function_text
from lsp_server.actions.rename import places
from lsp_server.actions.target import function_at
from lsp_server.actions.types import Proposal, Refused

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from indexer.signatures import Parameter
    from indexer.snapshot import Snapshot
    from indexer.uses import Use
    from lsp_server.actions.headers import Wish
    from lsp_server.actions.types import Check, Target

_ASK = """This is the header of a function in {language}:

{header}

{instruction}

Write the new header, on one line, with every parameter that it has to have. No body, no words."""


class Signature:
    kind = "refactor.rewrite.signature"

    def title(self, target: Target) -> str:
        function = function_at(target)
        return f"Change the parameters of {function.name}" if function is not None else ""

    def ask(self, target: Target) -> Sequence[Turn]:
        """The new header, where the instruction is free words."""
        function = _function(target, indexed(target))
        if _plain(function, target.instruction) is not None:
            return ()
        if not target.instruction.strip():
            raise Refused("say what is to change, such as `add parameter timeout=3`")
        header = function.data[function.row.start : function.closed + 1].decode()
        text = _ASK.format(
            language=target.language, header=header, instruction=target.instruction.strip()
        )
        return (Turn("user", text),)

    def read(self, target: Target, answer: str) -> Proposal:
        snapshot = indexed(target)
        function = _function(target, snapshot)
        wish = _plain(function, target.instruction) if not answer else None
        if wish is None:
            wish = headers.from_header(_now(function), function.row.name, _without_fence(answer))
        if wish is None:
            raise Refused(f"there is no header of {function.row.name} with parentheses in that")
        return _Plan(target, snapshot, function, wish).proposal()

    def checks(self, target: Target, proposal: Proposal) -> Sequence[Check]:
        del target, proposal
        return ()


def _function(it: Target, snapshot: Snapshot) -> FunctionText:
    row = function_at(it)
    if row is None:
        raise Refused("no function is selected")
    return function_text(snapshot, (it.path, it.record.symbols.index(row)))


def _now(function: FunctionText) -> Wish:
    return headers.unchanged(function.language, function.items)


def _plain(function: FunctionText, words: str) -> Wish | None:
    """What the instruction means without a model, None where it takes one."""
    now = _now(function)
    return headers.wished(now, words) or headers.from_header(now, function.row.name, words)


def _without_fence(answer: str) -> str:
    parts = answer.split("```")
    inner = parts[1] if len(parts) > 1 else answer
    return inner.partition("\n")[2] if len(parts) > 1 else inner


class _Plan:
    """One change of a signature, worked out over all files."""

    def __init__(self, it: Target, snapshot: Snapshot, function: FunctionText, wish: Wish) -> None:
        self._it, self._snapshot, self._function, self._wish = it, snapshot, function, wish
        self._edits: dict[str, list[Edit]] = defaultdict(list)
        self._before = _row(function.language, function.items)
        self._after = _row(function.language, wish.items)
        self._receiver = function.receiver
        if self._receiver and (not self._after or self._after[0].name != self._before[0].name):
            raise Refused(f"{self._before[0].name.decode()} has to stay the first parameter")
        _refuse_order(function.language, self._after)

    def proposal(self) -> Proposal:
        found = sites(self._snapshot, self._function.definition)
        if self._wish.items == self._function.items and self._wish.result is None:
            raise Refused("these are its parameters already")
        for definition in found.definitions:
            self._header(function_text(self._snapshot, definition))
        updated = sum(self._call(use) for use in found.calls)
        self._values(found)
        made = changes(self._it, self._edits)
        return Proposal(made, self._note(found, updated, len(made)))

    def _change(self, *, unbound: bool) -> arguments.Change:
        """What calls see: without the receiver, but for `Type.method(object)`."""
        skip = 1 if self._receiver and not unbound else 0
        return arguments.Change(
            self._function.language,
            self._before[skip:],
            self._after[skip:],
            self._wish.came_from,
            self._wish.passes,
        )

    def _header(self, it: FunctionText) -> None:
        """The header and the body of the function, or of one that shares its fate."""
        place = where(self._snapshot, it.path, it.row.name_start)
        names = [each.name for each in _row(it.language, it.items)]
        if names != [each.name for each in self._before]:
            if self._change(unbound=False).compatible and it is not self._function:
                raise Refused(f"{place} has other parameters: change them first")
            raise Refused(f"{place} has other parameters: it would no longer fit")
        own = it.definition == self._function.definition
        texts = self._wish.items if own else tuple(self._items_of(it))
        data, code = it.inside
        self._edits[it.path].append(
            Edit(it.opened + 1, it.closed, arguments.laid_out(data, code, texts))
        )
        if own and self._wish.result is not None:
            start, end = it.result_span
            behind = b" " if it.language == "rust" else b""
            self._edits[it.path].append(Edit(start, end, b" " + self._wish.result + behind))
        self._edits[it.path] += body_edits(it, self._wish, place)

    def _items_of(self, it: FunctionText) -> Iterator[bytes]:
        """The wished items, with the types and defaults that another definition has."""
        theirs = {headers.name_of(it.language, item): item for item in it.items}
        for item in self._wish.items:
            name = headers.name_of(it.language, item)
            old = self._wish.came_from.get(name)
            if not name or old is None:
                yield item
                continue
            text = theirs[old]
            at = next(masks.words(masks.code_of(it.language, text), old))
            yield text[:at] + name + text[at + len(old) :]

    def _call(self, use: Use) -> bool:
        """Write one call anew; whether it had to be."""
        record, data = self._snapshot.record(use.path), self._snapshot.known_text(use.path)
        assert record is not None  # it has the use
        code = masks.code_of(record.language, data)
        opened = code.find(b"(", use.at)
        closed = masks.closing(code, opened)
        change = self._change(unbound=self._is_unbound(use))
        if self._function.is_around(use.path, use.at):
            change = change._replace(passes={name: name for name in change.passes})
        start = opened + 1
        try:
            new = arguments.rewritten(change, data[start:closed], code[start:closed])
        except Uncertain as why:
            place = where(self._snapshot, use.path, use.at)
            raise Refused(f"the call at {place} cannot be changed for certain: {why}") from None
        if new != data[start:closed]:
            self._edits[use.path].append(Edit(start, closed, new))
        return new != data[start:closed]

    def _is_unbound(self, use: Use) -> bool:
        """`Type.method(object)`: the call passes the receiver."""
        if not self._receiver or self._function.is_class_method:
            return False
        last = use.receiver.rpartition(".")[2]
        if self._function.language == "rust":
            return use.path_like
        return bool(last) and (last in self._function.owners or self._is_class(last))

    def _is_class(self, name: str) -> bool:
        """Whether the repository has a class of that name: one below or above the owner."""
        return any(
            row.name == name and row.kind == "class"
            for path in self._snapshot.defining(name)
            if (record := self._snapshot.record(path)) is not None
            for row in record.symbols
        )

    def _values(self, found: Sites) -> None:
        """Uses that hand the function on: whoever calls it then does not know of the change."""
        change = self._change(unbound=False)
        renamed_only = len(change.before) == len(change.after) and all(
            change.came_from.get(new.name) == old.name
            for old, new in zip(change.before, change.after, strict=True)
        )
        if change.compatible or renamed_only or not found.values:
            return
        raise Refused(
            f"{self._function.row.name} is handed on at {places(self._snapshot, found.values)}: "
            "what calls it there cannot be changed for certain"
        )

    def _note(self, found: Sites, updated: int, files: int) -> str:
        told = [f"{len(found.calls)} calls are known, {updated} of them changed, in {files} files"]
        if found.by_name:
            named = places(self._snapshot, found.by_name)
            told.append(f"by the name alone, which nothing else has: {named}")
        if found.unsure and not self._change(unbound=False).compatible:
            told.append(f"not known whose calls these are: {places(self._snapshot, found.unsure)}")
        return "; ".join(told)


def _refuse_order(language: str, row: Sequence[Parameter]) -> None:
    """A parameter without a default behind one that has it: not in Python."""
    plain = [each for each in row if not each.kind] if language == "python" else []
    for one, following in pairwise(plain):
        if one.optional and not following.optional:
            raise Refused(
                f"{following.name.decode()} has no default and would stand behind "
                f"{one.name.decode()}, which has one"
            )


def _row(language: str, items: Sequence[bytes]) -> tuple[Parameter, ...]:
    text = b", ".join(items)
    found = parameters(language, masks.code_of(language, text))
    if found is None:
        raise Refused("its parameters cannot be read")
    return found


ACTION = Signature()
