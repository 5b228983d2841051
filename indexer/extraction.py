# SPDX-License-Identifier: Apache-2.0
"""THE STORY of moving code into a function of its own: syntax and data flow, no model.

In: a language, a file's UTF-8 text, the bytes that are selected. Out: an `Extraction`, which can
write the file with the new function under any name; or CannotExtract with the reason, in one
line. What cannot be proved to do the same is refused. It knows no other file and no editor.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

from indexer.extraction_dialect import marked, of
from indexer.extraction_flow import facts
from indexer.extraction_go import GO
from indexer.extraction_java import JAVA
from indexer.extraction_python_text import PYTHON
from indexer.extraction_rust import RUST
from indexer.extraction_script import JAVASCRIPT, TYPESCRIPT
from indexer.extraction_shape import CannotExtract, Found, Name, Shape
from indexer.extraction_snap import snap
from indexer.extraction_text import Edit, call_text, function_text, written
from indexer.window import native, parse

if TYPE_CHECKING:
    from collections.abc import Callable

    import tree_sitter as ts

    from indexer.extraction_dialect import Dialect
    from indexer.extraction_flow import Facts
    from indexer.extraction_shape import Selection
    from indexer.extraction_walk import Variable, Walker

DIALECTS: dict[str, Dialect] = {
    "python": PYTHON,
    "javascript": JAVASCRIPT,
    "typescript": TYPESCRIPT,
    "tsx": TYPESCRIPT,
    "go": GO,
    "java": JAVA,
    "rust": RUST,
}
PARSE_MAX_S = 1.0  # of processor time; a file of a megabyte takes a fifth
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_WORD = re.compile(rb"[A-Za-z_$][\w$]*")
NAME_MAX_CHARS = 60
TRIES = 50  # of numbers behind a name


@dataclass(frozen=True)
class Extraction:
    """A selection that can be moved. Names of parameters and results are those of the file."""

    language: str
    selection: Selection
    shape: Shape
    enclosing: str  # the function that it is taken out of, "" where it has no name

    @property
    def inputs(self) -> tuple[str, ...]:
        return tuple(parameter.name for parameter in self.shape.parameters)

    @cached_property
    def taken(self) -> frozenset[str]:
        """Every word of the file: a new name is none of them."""
        return frozenset(w.decode() for w in _WORD.findall(self.selection.data) if w.isascii())

    def may_be_named(self, name: str) -> bool:
        """Whether the new function can have a name."""
        return (
            _NAME.fullmatch(name) is not None
            and len(name) <= NAME_MAX_CHARS
            and name not in self.taken
            and name not in DIALECTS[self.language].keywords
            and not name.startswith("__")
            and bool(name.strip("_"))
        )

    @property
    def is_method(self) -> bool:
        """Whether other classes can have a member of the same name that would be taken for it."""
        return bool(self.shape.place.receiver)

    @property
    def default_name(self) -> str:
        """A name that says a little, and is free in this file."""
        return self.free_name(lambda _: False)

    def free_name(self, is_taken: Callable[[str], bool]) -> str:
        """The same, where names may be taken elsewhere too."""
        camel = DIALECTS[self.language].camel
        results = self.shape.results
        words = ["extracted"]
        if len(results) == 1 and results[0].name.isascii():
            words = ["compute", results[0].name.strip("_$")]
        elif self.enclosing.isascii() and self.enclosing.strip("_$"):
            words = [self.enclosing.strip("_$"), "part"]
        words[0] = words[0][:1].lower() + words[0][1:]
        name = words[0] + "".join(w[:1].upper() + w[1:] if camel else f"_{w}" for w in words[1:])
        found, number = name, 2
        while not self.may_be_named(found) or is_taken(found):
            found = f"{name}{'' if camel else '_'}{number}"
            number += 1
            if number == TRIES:  # the name itself is no good
                name = "extracted"
        return found

    def function(self, name: str, doc: str = "") -> str:
        """The new function's text."""
        return function_text(DIALECTS[self.language], self.selection, self.shape, name, doc)

    def call(self, name: str) -> str:
        """What stands where the selection was."""
        return call_text(DIALECTS[self.language], self.selection, self.shape, name)

    def edits(self, name: str, doc: str = "") -> tuple[Edit, ...]:
        """Bytes to replace, from the last to the first."""
        return written(DIALECTS[self.language], self.selection, self.shape, name, doc)

    def apply(self, name: str, doc: str = "") -> bytes:
        """The whole file with the function moved out."""
        data = self.selection.data
        for edit in self.edits(name, doc):
            data = data[: edit.start] + edit.text.encode() + data[edit.end :]
        return data


@lru_cache(maxsize=4)  # the list, the question and the answer look at the same selection
def _planned(language: str, data: bytes, start: int, end: int) -> Extraction | str:
    try:
        return _plan(language, data, start, end)
    except CannotExtract as reason:
        return str(reason)
    except RecursionError:
        return "the code is nested too deep"


def plan(language: str, data: bytes, start: int, end: int) -> Extraction:
    """How the bytes `start` to `end` become a function. Raises CannotExtract."""
    found = _planned(language, data, start, end)
    if isinstance(found, str):
        raise CannotExtract(found)
    return found


def _plan(language: str, data: bytes, start: int, end: int) -> Extraction:
    dialect = DIALECTS.get(language)
    if dialect is None:
        raise CannotExtract(f"functions of {language} are not extracted")
    root = _root(language, data)
    selection = snap(dialect, data, root, start, end)
    if any(node.has_error for node in selection.nodes):
        raise CannotExtract("the selection has a syntax error")
    if selection.function.has_error:
        raise CannotExtract("the function has a syntax error")
    walker = dialect.walker(selection.function)
    found = Found(selection, walker, facts(walker.graph, selection.start, selection.end), root)
    _refuse_control(dialect, found)
    try:
        dialect.refuse(found)
        _refuse_sharing(found.facts, walker)
        shape = _shape(dialect, found)
    except CannotExtract:
        inner = dialect.inner(found)
        if inner is None:
            raise
        shape = inner
    name = selection.function.child_by_field_name("name")
    enclosing = (name.text or b"").decode() if name is not None else ""
    return Extraction(language, selection, shape, enclosing)


def _root(language: str, data: bytes) -> ts.Node:
    """A tree that holds its text: one that was read piece by piece asks for it again each time."""
    parsed, grammar = parse(language, data, time.thread_time() + PARSE_MAX_S), native(language)
    if parsed is None or grammar is None:
        raise CannotExtract("the file takes too long to parse")
    import tree_sitter as ts  # noqa: PLC0415  20 ms, not at start

    return ts.Parser(grammar).parse(data, parsed[0]).root_node


def _refuse_control(dialect: Dialect, found: Found) -> None:
    known = found.facts
    if not known.reached:
        raise CannotExtract("the selection does nothing, or is never reached")
    if known.leaves:
        raise CannotExtract(f"`{known.leaves[0]}` leaves the selection")
    if marked(found, ("yield",)):
        raise CannotExtract("`yield` cannot be moved into another function")
    if known.returns and known.goes_on and not (known.ends_all and dialect.returns_nothing):
        raise CannotExtract("it returns on some ways only")
    if found.selection.is_expression:
        _refuse_writes(found)


def _refuse_writes(found: Found) -> None:
    for variable in of(found.facts.outs, found.walker):
        raise CannotExtract(f"`{variable.name}` is set in the expression and used behind it")


def _refuse_sharing(known: Facts, walker: Walker) -> None:
    """A closure sees a variable itself, not its value: then it must stay one variable."""
    own = sum(1 << n for n, variable in enumerate(walker.variables) if not variable.outer)
    mine = known.needs | known.written
    for bits, why in (
        (known.lost_in_errors, "is set here, and read where an error would go"),
        (known.captured_inside & known.written_later, "is used by a closure here and set later"),
        (known.captured_inside & known.written & known.outs, "is shared with a closure"),
        (known.captured_before & known.written, "is set here and shared with a closure"),
        (known.closures_write & mine, "is set by a closure"),
        (known.captured_inside & known.written & _again(known), "is shared with a closure"),
    ):
        for variable in of(bits & own, walker):
            raise CannotExtract(f"`{variable.name}` {why}")


def _again(known: Facts) -> int:
    """All variables where the selection may run more than once."""
    return -1 if known.repeats else 0


def _shape(dialect: Dialect, found: Found) -> Shape:
    place = dialect.place(found)
    known, walker = found.facts, found.walker
    gives = "nothing"
    outs = known.outs
    if found.selection.is_expression:
        gives, outs = "value", 0
    elif known.returns:
        gives, outs = "return", 0
    elif outs:
        gives = "results"
    bits = known.needs | (outs & ~known.sure)
    parameters = [v for v in of(bits, walker) if not _visible(v, place.anchor.parent)]
    _refuse_parameters(known, parameters, walker)
    taken = place.receiver
    results = [v for v in of(outs, walker) if not v.outer]
    shape = Shape(
        tuple(_name(dialect, v, found, typed=dialect.typed) for v in parameters if v.name != taken),
        tuple(_name(dialect, v, found, typed=dialect.typed_results) for v in results),
        place,
        gives,
        is_async=marked(found, ("await",)),
    )
    return dialect.complete(shape, found)


def _refuse_parameters(known: Facts, parameters: list[Variable], walker: Walker) -> None:
    for variable in parameters:
        number = walker.variables.index(variable)
        is_set = known.before >> number & 1 or variable.outer or variable.word == "function"
        if not is_set:
            raise CannotExtract(f"`{variable.name}` may not be set when it is used")
        if variable.outer and known.written >> number & 1:
            raise CannotExtract(f"`{variable.name}` is set here, and belongs to a function around")


def _visible(variable: Variable, container: ts.Node | None) -> bool:
    start, end = variable.scope
    if container is None or not variable.outer:
        return False
    return start <= container.start_byte and container.end_byte <= end


def _name(dialect: Dialect, variable: Variable, found: Found, *, typed: bool) -> Name:
    selection = found.selection
    type_ = dialect.type_of(variable, found)
    if typed and not type_:
        raise CannotExtract(f"the type of `{variable.name}` is not declared")
    inside = selection.start <= variable.at < selection.end
    number = found.walker.variables.index(variable)
    is_written = bool(found.facts.written >> number & 1)
    return Name(variable.name, type_, variable.word, inside, is_written)
