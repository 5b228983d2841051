# SPDX-License-Identifier: Apache-2.0
"""What a function's body has to follow when its parameters change.

In: a function as text, a wish. Out: edits in the body. Raises Refused where a parameter that goes
is still used, where a new name means something there already, and where a use may mean another.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from indexer import masks
from indexer.binders import Binding, is_set, parameter_of
from indexer.echoes import Renamed, echoes, is_bare_use
from lsp_server.actions.across import Edit
from lsp_server.actions.headers import name_of
from lsp_server.actions.types import Refused

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lsp_server.actions.function_text import FunctionText
    from lsp_server.actions.headers import Wish


def body_edits(it: FunctionText, wish: Wish, place: str) -> list[Edit]:
    """See the module. `place`: of the function, for messages."""
    old = {name_of(it.language, item) for item in it.items} - {b""}
    new = {name_of(it.language, item) for item in wish.items} - {b""}
    renamed = {wish.came_from[name]: name for name in new if name in wish.came_from}
    for name in sorted(old - renamed.keys()):
        used = next(_bare(it, name), -1)
        if used >= 0:
            raise Refused(f"{name.decode()} is used in the body: {_line(it, place, used)}")
    for name in sorted(new - old):
        _refuse_given(it, name, place)
    edits: list[Edit] = []
    for before, after in renamed.items():
        if before != after:
            edits += _renamed(it, before, after, place)
    return edits


def _bare(it: FunctionText, name: bytes) -> Iterator[int]:
    """Where a name stands for itself in the body."""
    for at in masks.words(it.code, name, it.closed + 1, it.row.end):
        if is_bare_use(it.language, it.code, at, at + len(name)) or _is_shorthand(it, at, name):
            yield at


def _is_shorthand(it: FunctionText, at: int, name: bytes) -> bool:
    before, behind = masks.before(it.code, at), masks.behind(it.code, at + len(name))
    return (
        it.language in masks.SCRIPTS
        and it.code[before : before + 1] in (b"{", b",")
        and it.code[behind : behind + 1] in (b"}", b",")
    )


def _refuse_given(it: FunctionText, name: bytes, place: str) -> None:
    """A new name that the body gives itself, or that stands for something of the file."""
    text = name.decode()
    known = any(row.name == text and row.parent < 0 for row in it.record.symbols) or any(
        row.alias == text for row in it.record.imports
    )
    for at in _bare(it, name):
        if known or is_set(it.language, it.code, at, at + len(name)):
            raise Refused(f"{text} means something already: {_line(it, place, at)}")


def _renamed(it: FunctionText, old: bytes, new: bytes, place: str) -> list[Edit]:
    used = next(_bare(it, new), -1)
    if used >= 0:
        raise Refused(f"{new.decode()} is used in the body: {_line(it, place, used)}")
    symbol = it.definition[1]
    at = next(
        at
        for at in masks.words(it.code, old, it.opened, it.closed)
        if parameter_of(it.language, it.code, it.record, at) == symbol
        or masks.opening(it.code, at, it.opened) == it.opened
    )
    gone = b"\xff" * len(old)  # what `echoes` wants to see: the name is another one there
    there, here = (text[:at] + gone + text[at + len(old) :] for text in (it.data, it.code))
    bound = Binding("parameter", it.row.start, it.row.end, symbol)
    renamed = Renamed(it.path, there, here, it.record, at, old, gone)
    sites = {echo.start for echo in echoes(renamed, bound) if echo.start > it.closed}
    edits = [Edit(site, site + len(old), new) for site in sorted(sites)]
    for left in _bare(it, old):
        if left in sites or _is_of_another(it, left, old):
            continue
        if not _is_shorthand(it, left, old):
            line = _line(it, place, left)
            raise Refused(f"{old.decode()} may mean something else: {line}")
        edits.append(Edit(left, left + len(old), old + b": " + new))
    return edits


def _is_of_another(it: FunctionText, at: int, name: bytes) -> bool:
    """Whether a place is in a function inside of this one that has such a parameter itself."""
    rows, near = it.record.symbols, it.record.enclosing(at)
    while near not in (-1, it.definition[1]):
        row = rows[near]
        words = masks.words(it.code, name, row.start, row.end)
        if any(parameter_of(it.language, it.code, it.record, word) == near for word in words):
            return True
        near = row.parent
    return False


def _line(it: FunctionText, place: str, at: int) -> str:
    line = it.data.count(b"\n", 0, at) + 1
    return f"{place.rpartition(':')[0]}:{line}"
