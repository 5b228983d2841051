# SPDX-License-Identifier: Apache-2.0
"""Whether an edit stays with what the user has pointed at.

In: changed files, the target, what the proposal renames and re-signs. Out: the reason why not, ""
where it does. Outside of what was pointed at, only these may change: imports, calls of what has
other parameters now, names of what is called otherwise now; and a definition may be added beside.
Instructions found in the repository ask for more than that; the user's own may name more.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from indexer.scopes import VALUES
from lsp_server.actions import syntax
from lsp_server.actions.differences import hunks
from lsp_server.actions.edited import named_in, pointed_at, qualified, selected
from lsp_server.actions.naming import is_test
from lsp_server.actions.target import function_at
from lsp_server.actions.text_form import lines

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import tree_sitter as ts

    from indexer.types import Symbol
    from lsp_server.actions.edited import Edited
    from lsp_server.actions.kept_symbols import Moved
    from lsp_server.actions.types import Target

_IMPORT = re.compile(r"import|^use_declaration$|extern_crate|^preproc_include$|^using_|^package_cl")
_IMPORT_DEPTH = 4  # nodes below the root: `if TYPE_CHECKING:` has its imports there
_ABOVE = ("#", "//", "/*", "*", "@", "--", "///")  # what belongs to the definition below it
# Comments that are about a file or to a tool, wherever they stand.
_OF_THE_FILE = re.compile(
    r"licen[cs]e|copyright|spdx|nosec|noqa|type:\s*ignore|eslint-|@ts-|go:build|nolint|prettier-"
    r"|#!|coding[:=]|ghostwright:",
    re.IGNORECASE,
)
_TEST_BLOCK = re.compile(r"(?:describe|it|test|suite)(?:\.\w+)?\(")
_CALM_CALL = re.compile(
    rb"\b(?:logging\.getLogger|re\.compile|TypeVar|ParamSpec|NewType|Decimal|frozenset|set|tuple|dict"
    rb"|list|Path|Object\.freeze|new (?:Map|Set)|errors\.New|regexp\.MustCompile)\([^()\n]*\)"
)
_TOKEN = re.compile(r"[^\W\d][\w$]*|\d\w*|\S")


def problem(it: Target, files: Sequence[Edited], what: Moved) -> str:
    """Why an edit goes too far."""
    for file in files:
        if file.fresh or _is_named(it, file.path):
            continue
        if found := _problem(it, file, what):
            return f"{file.path}:{found}; only what was asked for may change"
    return ""


def _is_named(it: Target, path: str) -> bool:
    """Whether the user has written the file's name in the instruction."""
    name = path.rpartition("/")[2]
    return any(
        re.search(rf"(?<![\w/.-]){re.escape(text)}(?![\w-])", it.instruction)
        for text in (path, name)
    )


def _problem(it: Target, file: Edited, what: Moved) -> str:
    spans = named_in(it.instruction, file.before)
    if file.path == it.path:
        mine = pointed_at(it)
        if not mine or (function_at(it) is None and _inside(file, *selected(it))):
            return ""
        spans += mine
    old, new = _rest(file, spans, what, here=file.path == it.path)
    if [text for _, text in old] == [text for _, text in new]:
        return ""
    if is_test(file.path) and _only_tests_more([t for _, t in old], [t for _, t in new]):
        return ""
    if _tokens(old, what) == _tokens(new, what):
        return ""
    return _first(old, new)


def _inside(file: Edited, start: int, end: int) -> bool:
    """Lines outside of any function were selected, and not a byte outside of them is another."""
    rest = len(file.new) - (len(file.old) - end)
    return (
        end > start
        and rest >= start
        and file.new[:start] == file.old[:start]
        and file.new[rest:] == file.old[end:]
    )


def _rest(
    file: Edited, spans: Iterable[tuple[int, int]], what: Moved, *, here: bool
) -> tuple[list[tuple[int, str]], list[tuple[int, str]]]:
    """Numbered lines of both texts without what may change: what is left must be the same."""
    spans = list(spans)
    old = qualified(file.before)
    about = {name for name, s in old if any(a <= s.start and s.end <= b for a, b in spans)}
    about |= {_new_name(name, what) for name in about}
    names = {name for name, _ in old}
    kept = {file.old[s.start : s.end] for name, s in old if name not in about}
    # Others of the same name, such as overloads: each must be there as it was.
    twins = {
        file.old[s.start : s.end]
        for name, s in old
        if name in about and not any(a <= s.start and s.end <= b for a, b in spans)
    }
    fresh = []
    for name, symbol in qualified(file.after):
        text = file.new[symbol.start : symbol.end]
        added = name not in names and _old_name(name, what) not in names and text not in kept
        may_add = _is_calm(symbol, text) if here else _is_test_of(file, symbol)
        if (name in about and text not in twins) or (may_add and added):
            fresh.append((symbol.start, symbol.end))
    return _left(file.language, file.old, spans), _left(file.language, file.new, fresh)


def _is_test_of(file: Edited, symbol: Symbol) -> bool:
    return is_test(file.path) and symbol.kind not in VALUES


def _is_calm(symbol: Symbol, text: bytes) -> bool:
    """Whether a definition may be added: one that does nothing when the file is loaded."""
    return symbol.kind not in VALUES or b"(" not in _CALM_CALL.sub(b"", text)


def _left(language: str, data: bytes, spans: Iterable[tuple[int, int]]) -> list[tuple[int, str]]:
    rows = lines(data.decode())
    dropped = _import_lines(language, data)
    for start, end in spans:
        first = data.count(b"\n", 0, start)
        last = data.count(b"\n", 0, max(start, end - 1))
        while first > 0 and _belongs_below(rows[first - 1]):
            first -= 1
        dropped.update(range(first, last + 1))
    return [
        (number, text.rstrip())
        for number, text in enumerate(rows)
        if number not in dropped and text.strip()
    ]


def _belongs_below(line: str) -> bool:
    """Whether a line above a definition is a part of it: its documentation, a decorator."""
    return line.lstrip().startswith(_ABOVE) and _OF_THE_FILE.search(line) is None


def _import_lines(language: str, data: bytes) -> set[int]:
    """Lines of import statements: whether these are right is `references`' business."""
    top = syntax.root(language, data)
    if top is None:
        return set()
    found: set[int] = set()
    for node in _below(top, _IMPORT_DEPTH):
        if _IMPORT.search(node.type):
            found.update(range(node.start_point[0], node.end_point[0] + 1))
    return found


def _below(node: ts.Node, depth: int) -> Iterator[ts.Node]:
    for child in node.named_children:
        yield child
        if depth > 1 and not _IMPORT.search(child.type):
            yield from _below(child, depth - 1)


def _new_name(name: str, what: Moved) -> str:
    return re.sub(r"[^\W\d]\w*", lambda match: what.renamed.get(match[0], match[0]), name)


def _old_name(name: str, what: Moved) -> str:
    back = {new: old for old, new in what.renamed.items()}
    return re.sub(r"[^\W\d]\w*", lambda match: back.get(match[0], match[0]), name)


def _only_tests_more(old: Sequence[str], new: Sequence[str]) -> bool:
    """Whether all lines are still there and blocks of tests were added, as JavaScript has them."""
    for hunk in hunks(old, new):
        if hunk.end > hunk.start:
            return False
        tops = [line for line in new[hunk.new_start : hunk.new_end] if line[:1] not in " \t})]"]
        if not all(map(_TEST_BLOCK.match, tops)):
            return False
    return True


def _tokens(rows: Iterable[tuple[int, str]], what: Moved) -> list[str]:
    """What the lines say, but for the changes that follow from others."""
    text = "\n".join(text for _, text in rows)
    for name in what.resigned:
        text = _without_arguments(text, what.renamed.get(name, name))
        text = _without_arguments(text, name)
    return [what.renamed.get(token, token) for token in _TOKEN.findall(text)]


def _without_arguments(text: str, name: str) -> str:
    """`name(a, b(c))` becomes `name()`."""
    pieces, done = [], 0
    for match in re.finditer(rf"(?<![\w$]){re.escape(name)}\s*(?:<[^<>()]*>)?\(", text):
        if match.start() < done:
            continue
        depth, at = 1, match.end()
        while at < len(text) and depth:
            depth += (text[at] in "([{") - (text[at] in ")]}")
            at += 1
        pieces += [text[done : match.start()], name, "()"]
        done = at
    return "".join([*pieces, text[done:]])


def _first(old: Sequence[tuple[int, str]], new: Sequence[tuple[int, str]]) -> str:
    """The first line that goes too far, as a person would name it."""
    found = hunks([text for _, text in old], [text for _, text in new])
    if not found:
        return "1: lines are moved"
    hunk = found[0]
    if hunk.new_start < hunk.new_end:
        number, text = new[hunk.new_start]
        return f"{number + 1}: {text.strip()[:80]!r} was not there"
    number, text = old[hunk.start]
    return f"{number + 1}: {text.strip()[:80]!r} is gone"
