# SPDX-License-Identifier: Apache-2.0
"""A name was changed where it is given: where else in the file its old text means the same thing.

In: a file's text after the change and its record, where the new name stands, the old one. Out:
`Echo`es: the spans that still hold the old name, each with what should stand there. Rather none
than a wrong one: a place where the old name may mean something else is left out, and where the old
name is still given in the same scope there is no echo at all.
It knows no other file, no cursor and no time.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from indexer import masks
from indexer.binders import Binding, binding, is_set, parameter_of, parameters_at
from indexer.scopes import FUNCTIONS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from indexer.types import FileRecord

_RENAMED = "its definition is now called {}"
_OWN = re.compile(rb"\b(?:self|cls|this)[ \t]*\??\.[ \t]*\Z")
_WIDER = re.compile(rb"\b(?:global|nonlocal)\b([^\n]*)")
_STATEMENT = re.compile(rb"^[ \t]*(?:import|export)\b")
SITES_MAX = 1000  # of one name in one file: more is data


class Echo(NamedTuple):
    """A proposal: the bytes from `start` to `end` of a file hold `old` and should hold `new`."""

    path: str
    start: int
    end: int
    old: bytes
    new: bytes
    why: str


class Renamed(NamedTuple):
    """A file in which the word at `at` was `old` and is `new`. `data` is the text as it is."""

    path: str
    data: bytes
    code: bytes
    record: FileRecord
    at: int
    old: bytes
    new: bytes

    @property
    def language(self) -> str:
        return self.record.language

    def binding(self) -> Binding | None:
        """What the changed word gives a name to."""
        return binding(self.language, self.code, self.record, self.at)


def echoes(it: Renamed, bound: Binding) -> list[Echo]:
    """Uses of the old name in the same file, in order."""
    why = _RENAMED.format(it.new.decode("utf-8", "replace"))
    return [Echo(it.path, at, at + len(it.old), it.old, it.new, why) for at in _sites(it, bound)]


def uses_of_import(it: Renamed) -> list[int]:
    """Bare uses in a whole file of a name that it imports and gives to nothing else."""
    return _sites(it, Binding("top", 0, len(it.code)), imported=True)


def _sites(it: Renamed, bound: Binding, *, imported: bool = False) -> list[int]:
    if bound.kind == "member":
        return _own(it, bound)
    places = []
    for at in masks.words(it.code, it.old, bound.start, bound.end):
        places.append(at)
        if len(places) > SITES_MAX:
            return []
    inner = list(_hidden(it, bound))
    seen = [at for at in places if not any(start <= at < end for start, end in inner)]
    starts = frozenset([row.name_start for row in it.record.symbols])
    given = [at for at in seen if at in starts or _gives(it, at)]
    if not imported and _still_given(it, bound, given, starts):
        return []
    return [at for at in seen if is_bare_use(it.language, it.code, at, at + len(it.old))]


def _still_given(it: Renamed, bound: Binding, given: list[int], starts: frozenset[int]) -> bool:
    """Whether the old name begins elsewhere, too: then its uses may be meant for that."""
    if bound.kind in ("variable", "parameter") and it.language == "python":
        # A later assignment goes on with the same variable.
        return any(at < it.at or at in starts for at in given)
    return bool(given)


def _gives(it: Renamed, at: int) -> bool:
    return (
        is_set(it.language, it.code, at, at + len(it.old))
        or parameter_of(it.language, it.code, it.record, at) >= 0
    )


def _own(it: Renamed, bound: Binding) -> list[int]:
    """`self.old` inside of the type that has the member; none while another part of it gives it."""
    name = it.old.decode("utf-8", "replace")
    if any(row.name == name and bound.start <= row.start < bound.end for row in it.record.symbols):
        return []
    found = [
        at
        for at in masks.words(it.code, it.old, bound.start, bound.end)
        if _OWN.search(it.code, max(bound.start, at - 20), at)
        and masks.innermost(it.record, _TYPES, at) == masks.innermost(it.record, _TYPES, it.at)
    ]
    early = [
        at for at in found if at < it.at and re.match(rb"\s*=(?!=)", it.code[at + len(it.old) :])
    ]
    return [] if bound.symbol < 0 and early else found


_TYPES = frozenset(("class", "struct", "object", "interface", "trait", "enum", "record", "impl"))


def _hidden(it: Renamed, bound: Binding) -> Iterator[tuple[int, int]]:
    """Spans inside of the scope in which the old name means something else."""
    name = it.old.decode("utf-8", "replace")
    for number, row in enumerate(it.record.symbols):
        if row.kind not in FUNCTIONS or not bound.start <= row.start < row.end <= bound.end:
            continue
        if row.start <= it.at < row.end and bound.kind in ("parameter", "variable"):
            continue
        if _takes(it, number) or _sets(it, row.start, row.end):
            yield row.start, row.end
    for row in it.record.symbols:
        # In a class body the name of a member; from outside it is not seen, its line is not ours.
        if row.name == name and row.parent >= 0 and not _is_function(it, row.parent):
            yield masks.line_of(it.code, row.name_start)
    if it.language == "python":
        yield from _short_lived(it, bound)
    else:
        yield from _blocks(it, bound)


def _is_function(it: Renamed, number: int) -> bool:
    return it.record.symbols[number].kind in FUNCTIONS


def _takes(it: Renamed, number: int) -> bool:
    """Whether a function has a parameter of the old name."""
    row = it.record.symbols[number]
    opened = parameters_at(it.code, row.name_start)
    closed = masks.closing(it.code, opened, row.end) if opened >= 0 else -1
    found = masks.words(it.code, it.old, row.start, max(closed, row.start))
    return any(parameter_of(it.language, it.code, it.record, at) == number for at in found)


def _sets(it: Renamed, start: int, end: int) -> bool:
    if it.language != "python":
        return False  # block by block
    if any(it.old in re.split(rb"\W+", m[1]) for m in _WIDER.finditer(it.code, start, end)):
        return False
    return any(
        is_set("python", it.code, at, at + len(it.old))
        for at in masks.words(it.code, it.old, start, end)
    )


def _short_lived(it: Renamed, bound: Binding) -> Iterator[tuple[int, int]]:
    """Lines of Python in which a comprehension or a lambda has a name of its own."""
    name = re.escape(it.old)
    shadow = re.compile(
        rb"\blambda\b[^:\n]*\b%b\b|\bfor\b[^\n]*?\b%b\b[^\n]*?\bin\b" % (name, name)
    )
    for at in masks.words(it.code, it.old, bound.start, bound.end):
        start, end = masks.line_of(it.code, at)
        found = shadow.search(it.code, start, end)
        if found and not is_set("python", it.code, at, at + len(it.old)):
            yield start, end


def _blocks(it: Renamed, bound: Binding) -> Iterator[tuple[int, int]]:
    """Blocks between braces that declare the old name anew, and arrow functions that take it."""
    arrow = re.compile(rb"\b%b\b[^\n;{}]*=>" % re.escape(it.old))
    for at in masks.words(it.code, it.old, bound.start, bound.end):
        start, end = masks.line_of(it.code, at)
        if it.language in masks.SCRIPTS and arrow.search(it.code, start, end):
            block = it.code.find(b"{", at, end)
            closed = masks.closing(it.code, block) if block >= 0 else end
            yield start, max(closed, end)
        elif is_set(it.language, it.code, at, at + len(it.old)):
            around = binding(it.language, it.code, it.record, at)
            if around is not None and (around.start > bound.start or around.end < bound.end):
                yield around.start, around.end


def is_bare_use(language: str, code: bytes, at: int, end: int) -> bool:
    """Whether a word stands for itself: no member of something, no key, no argument's name."""
    prev, following = masks.before(code, at), masks.behind(code, end)
    last, near = code[prev : prev + 1], code[following : following + 1]
    if last == b"." and code[prev - 2 : prev + 1] != b"...":
        return False
    if code[prev - 1 : prev + 1] in (b"->", b"::"):
        return False
    if language != "python" and last in (b"@", b"#"):
        return False
    assigned = near == b"=" and code[following + 1 : following + 2] not in (b"=", b">")
    if language == "python":
        return not (assigned and last in (b"(", b",") and _in_call(code, at))
    if near == b":" and code[following : following + 2] != b"::" and last in (b"{", b",", b"("):
        return False
    return not (
        language in masks.SCRIPTS and last in (b"{", b",") and _is_shorthand(code, at, near)
    )


def _in_call(code: bytes, at: int) -> bool:
    opened = masks.opening(code, at, max(0, at - 4096))
    return opened >= 0 and code[opened] in b"("


def _is_shorthand(code: bytes, at: int, near: bytes) -> bool:
    """`{ name }` makes a key, too; between the braces of an import or export it does not."""
    if near not in (b",", b"}"):
        return False
    opened = masks.opening(code, at, max(0, at - 4096))
    if opened < 0 or code[opened] not in b"{":
        return False
    start, _ = masks.line_of(code, opened)
    return _STATEMENT.match(code[start:opened]) is None
