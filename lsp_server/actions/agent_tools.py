# SPDX-License-Identifier: Apache-2.0
"""What an agent can do: look at the repository, change its shadow, have the tests run.

In: calls as a model wrote them. Out: results of a bounded size, in text; a call that is wrong gets
one line that says what would be right. Nothing here leaves the shadow. Knows no model.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from engine.toolcalls import Parameter, Tool, restored
from indexer.terms import identifiers
from lsp_server.actions.types import Proposal, Refused

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping

    from engine.toolcalls import Call
    from lsp_server.actions.shadow import Shadow

    # What a user's command says of a proposal. None: no command is set, or nobody trusts it.
    Tests = Callable[[Proposal], Awaitable[str]]

RESULT_CHARS = 12_000  # of one call: 300 lines of code
RESULT_SHARE = 0.25  # of all there is room for, at most: more than one file is to be read
LINE_CHARS = 200  # of a line that is found
TESTS_CHARS = 4_000  # the end of what tests say, where the summary is
ERROR = "error: "  # what the result of a mistake begins with
ERROR_CHARS = 400  # one line
MAX_EDIT_CHARS = 65_536  # of `old` or `new`
MAX_QUERY_CHARS = 200
HITS = 12  # windows looked at for a query
LINES_A_HIT = 3
LINES_A_FILE = 8  # of one that is not in the index as it is
SYMBOLS = 10
REFERENCES = 80  # lines; who renames needs to see all of them, in most repositories

PATH = Parameter("path", "relative to the root of the repository")
READ = Tool(
    "read_file",
    "Read a file, or some of its lines.",
    (
        PATH,
        Parameter("start_line", "the first line, from 1", "integer", required=False),
        Parameter("end_line", "the last line", "integer", required=False),
    ),
)
SEARCH = Tool(
    "search",
    "Find definitions and lines that have these words or names.",
    (Parameter("query", "names or words"),),
)
REFERENCES_TOOL = Tool(
    "references",
    "List where a name is defined and used.",
    (Parameter("name", "one identifier"),),
)
EDIT = Tool(
    "propose_edit",
    "Replace a piece of a file. For a new file give an empty `old` and a path that does not exist.",
    (
        PATH,
        Parameter("old", "the text to replace, exactly as it stands in the file, and only once"),
        Parameter("new", "what stands there instead"),
    ),
)
TESTS = Tool("run_tests", "Run the tests of the project on what you have changed.")


class Result(NamedTuple):
    """What a call gave. `wrong`: it was a mistake of the model's."""

    text: str
    wrong: bool = False


class Tools:
    """The tools of one agent. `room_chars`: of all results together."""

    def __init__(self, shadow: Shadow, room_chars: int, tests: Tests | None = None) -> None:
        self._shadow = shadow
        self._left = room_chars
        self._most = min(RESULT_CHARS, int(room_chars * RESULT_SHARE))
        self._tests = tests
        self.seen: set[str] = set()  # files whose text the model was shown
        self._do: Mapping[str, Callable[[Mapping[str, str]], str]] = {
            READ.name: self._read,
            SEARCH.name: self._search,
            REFERENCES_TOOL.name: self._references,
            EDIT.name: self._edit,
        }
        self.offered = (READ, SEARCH, REFERENCES_TOOL, EDIT, *([TESTS] if tests else []))

    def do(self, call: Call) -> Result:
        """Look or edit; blocks. Never raises for what the model may do wrong."""
        try:
            self._valid(call)
            return Result(self._do[call.name](call.arguments))
        except Refused as reason:
            return _wrong(str(reason))

    async def run_tests(self, call: Call) -> Result:
        """What the tests say of the changes so far. Raises Refused where that cannot be found."""
        try:
            self._valid(call)
        except Refused as reason:
            return _wrong(str(reason))
        changes = self._shadow.changes()
        if not changes or self._tests is None:
            return _wrong("nothing is changed yet")
        said = await self._tests(Proposal(changes))
        return Result(said[-TESTS_CHARS:])

    def _valid(self, call: Call) -> None:
        tool = next((tool for tool in self.offered if tool.name == call.name), None)
        if tool is None:
            names = ", ".join(tool.name for tool in self.offered)
            raise Refused(f"there is no tool {call.name}; there are {names}")
        known = {item.name for item in tool.parameters}
        if extra := call.arguments.keys() - known:
            raise Refused(f"{tool.name} has no parameter {min(extra)}")
        required = [item.name for item in tool.parameters if item.required]
        if missing := [name for name in required if name not in call.arguments]:
            raise Refused(f"{tool.name} needs the parameter {missing[0]}")

    def _fitting(self, text: str) -> str:
        """At most what one call may give and what is left; what is cut is said. Raises Refused."""
        most = max(0, min(self._most, self._left))
        if not most:
            raise Refused("there is no room to read more: finish with what you know")
        if len(text) > most:
            text = text[:most].rpartition("\n")[0] or text[:most]
            text += "\n(cut here: that was too much for one answer)"
        self._left -= len(text)
        return text

    # -- each tool: arguments in, text out; raises Refused -------------------------------------

    def _read(self, arguments: Mapping[str, str]) -> str:
        path = self._shadow.place(restored(arguments["path"]).strip())
        lines = self._lines(path)
        start = _number(arguments, "start_line", 1)
        end = _number(arguments, "end_line", len(lines))
        if lines and not 1 <= start <= min(end, len(lines)):
            raise Refused(f"{path} has {len(lines)} lines, not lines {start} to {end}")
        self.seen.add(path)
        shown: list[str] = []
        chars = 0
        for line in lines[start - 1 : end]:
            chars += len(line) + 1
            if chars > self._most - LINE_CHARS and shown:
                break
            shown.append(line)
        last = start + len(shown) - 1
        more = f"; read on from line {last + 1}" if last < min(end, len(lines)) else ""
        head = f"{path}, lines {start} to {last} of {len(lines)}{more}:"
        return self._fitting("\n".join((head, *shown)))

    def _search(self, arguments: Mapping[str, str]) -> str:
        query = _query(arguments["query"])
        words = {word.casefold() for word in identifiers(query)}
        found = [*self._definitions(query.strip()), *self._hits(query, words)]
        return self._fitting("\n".join(dict.fromkeys(found)) or "nothing found")

    def _references(self, arguments: Mapping[str, str]) -> str:
        name = identifiers(_query(arguments["name"]))[-1]
        found = [*self._definitions(name, exact=True), *self._uses(name)]
        unique = list(dict.fromkeys(found))
        more = f"\n(and {len(unique) - REFERENCES} more)" if len(unique) > REFERENCES else ""
        text = "\n".join(unique[:REFERENCES]) + more
        return self._fitting(text or f"{name} is not known here")

    def _edit(self, arguments: Mapping[str, str]) -> str:
        path, old, new = (restored(arguments[name]) for name in ("path", "old", "new"))
        if len(old) > MAX_EDIT_CHARS or len(new) > MAX_EDIT_CHARS:
            raise Refused(f"over {MAX_EDIT_CHARS:,} characters in one edit: make smaller ones")
        return self._shadow.edit(self._shadow.place(path.strip()), old, new)

    # -- what is found -----------------------------------------------------------------------

    def _definitions(self, name: str, *, exact: bool = False) -> Iterator[str]:
        for path, symbol in self._shadow.snapshot.symbols(name, SYMBOLS):
            stale = self._shadow.edited(path) or not self._shadow.readable(path)
            if not stale and (symbol.name == name or not exact):
                self.seen.add(path)
                line = f"{symbol.kind} {symbol.signature}"
                yield f"{path}:{symbol.name_line}: {line[:LINE_CHARS]}"

    def _hits(self, query: str, words: set[str]) -> Iterator[str]:
        own = dict(self._shadow.own())
        for path in own:
            lines = self._lines(path)
            yield from self._some(path, lines, range(1, len(lines) + 1), words, LINES_A_FILE)
        for hit in self._shadow.snapshot.search([(query, 1.0)], HITS, own):
            if self._shadow.readable(hit.path):
                between = range(hit.start_line, hit.end_line + 1)
                lines = _split(self._shadow.snapshot.known_text(hit.path).decode())
                yield from self._some(hit.path, lines, between, words, LINES_A_HIT)

    def _uses(self, name: str) -> Iterator[str]:
        own = dict(self._shadow.own())
        for path in own:
            lines = self._lines(path)
            pattern = re.compile(rf"\b{re.escape(name)}\b")
            numbers = [n for n, line in enumerate(lines, 1) if pattern.search(line)]
            yield from self._shown(path, lines, numbers)
        places: dict[str, list[int]] = {}
        for path, reference in self._shadow.snapshot.references(name, 2 * REFERENCES):
            places.setdefault(path, []).append(reference.line)
        for path, numbers in places.items():
            if path not in own and self._shadow.readable(path):
                lines = _split(self._shadow.snapshot.known_text(path).decode())
                yield from self._shown(path, lines, numbers)

    def _some(
        self, path: str, lines: list[str], numbers: Iterable[int], words: set[str], most: int
    ) -> Iterator[str]:
        there = (n for n in numbers if n <= len(lines))
        good = [n for n in there if any(word in lines[n - 1].casefold() for word in words)]
        yield from self._shown(path, lines, good[:most])

    def _shown(self, path: str, lines: list[str], numbers: Iterable[int]) -> Iterator[str]:
        for number in numbers:
            self.seen.add(path)
            if 1 <= number <= len(lines):
                yield f"{path}:{number}: {lines[number - 1].strip()[:LINE_CHARS]}"

    def _lines(self, path: str) -> list[str]:
        return _split(self._shadow.text(path))


def _wrong(reason: str) -> Result:
    return Result(ERROR + " ".join(reason.split())[:ERROR_CHARS], wrong=True)


def _split(text: str) -> list[str]:
    """Lines as the model sees them: without terminators and byte order mark."""
    lines = text.removeprefix("\ufeff").replace("\r\n", "\n").split("\n")
    return lines if lines[-1] else lines[:-1]


def _number(arguments: Mapping[str, str], name: str, default: int) -> int:
    text = arguments.get(name, "").strip()
    if not text:
        return default
    if not re.fullmatch(r"-?[0-9]{1,9}", text):
        raise Refused(f"{name} must be a whole number")
    return int(text)


def _query(text: str) -> str:
    text = restored(text)
    if len(text) > MAX_QUERY_CHARS:
        raise Refused(f"over {MAX_QUERY_CHARS} characters: some words are enough")
    if not identifiers(text):
        raise Refused("there is no name or word in that")
    return text
