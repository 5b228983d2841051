# SPDX-License-Identifier: Apache-2.0
"""What a repository knows of paths and names that an answer cites.

In: paths and chains of names as a model writes them. Out: the place they mean, that there is none,
or that they are no citation: names of the languages and of libraries, words of the user, plain
words. By a snapshot and the pieces that the model has read. Knows no model and no stream.
"""

from __future__ import annotations

import builtins
import keyword
import re
import sys
import typing
from functools import cached_property
from typing import TYPE_CHECKING

from indexer import languages
from indexer.graph import COMMON_NAMES
from indexer.masks import KEYWORDS
from indexer.scopes import OWNERS
from indexer.terms import identifiers
from lsp_server.actions.citations import MANY_FILES, NO_FILE, NO_LINE, NO_NAME, Citation, Wrong
from lsp_server.actions.frames import function_around, normal

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from indexer.selection import Excerpt
    from indexer.snapshot import Snapshot
    from indexer.types import FileRecord, Symbol

BASES_MAX = 12  # steps up through base classes
WINDOWS_MAX = 8  # that are looked at for a name which is nobody's definition or use
_OTHER = "md rst txt toml json yml yaml cfg ini html css scss sql sh xml proto lock env csv svg"
OTHER_EXTENSIONS = frozenset(_OTHER.split())
_ELSEWHERE = """
self cls args kwargs console Promise Array Object Map Set JSON Math Date String Number Boolean
RegExp Symbol Error require module exports process window document fetch setTimeout Vec Option
Result Box Rc Arc HashMap HashSet Some Ok Err println std core alloc crate fmt strings context len
cap append make panic recover defer main init System List ArrayList Optional Stream Integer Double
Override Runnable Thread RuntimeException IllegalArgumentException IllegalStateException
NullPointerException java javax TypeScript JavaScript GitHub PyPI README
"""
# Names of the languages' own; what else stands in backticks without being of the repository.
OWN = frozenset(
    (
        *dir(builtins),
        *keyword.kwlist,
        *keyword.softkwlist,
        *sys.stdlib_module_names,
        *typing.__all__,
        *(word.decode() for word in KEYWORDS),
        *COMMON_NAMES,
        *_ELSEWHERE.split(),
    )
)
_HUMPED = re.compile(r"[^\W_]_+[^\W_]|[a-z\d][A-Z]")
_CAPITALISED = re.compile(r"[A-Z][a-z]\w+")
_SPLIT = re.compile(r"\.|::|#|->")
_TECHNOLOGY = re.compile(r"[A-Z]\w*\.js")  # Node.js, Vue.js


class KnownHere:
    """The `Known` of one question. `said`: names in what the user has written."""

    def __init__(self, snapshot: Snapshot, pieces: Sequence[Excerpt], said: str) -> None:
        self._snapshot, self._pieces = snapshot, pieces
        self._said_text, self._said = said, frozenset(identifiers(said))

    # Files.

    def file(self, path: str, first: int, last: int) -> Citation | Wrong | None:
        if not _is_file_name(path):
            return None
        found = self._meant(normal(path))
        if not found:
            if path in self._said_text or (_TECHNOLOGY.fullmatch(path) and not first):
                return None
            return Wrong(NO_FILE)
        if len(found) > 1:
            return Wrong(MANY_FILES)
        record = self._snapshot.record(found[0])
        lines = record.lines if record is not None else 0
        if first and not first <= last <= max(lines, 1):
            return Wrong(NO_LINE, found[0])
        around = function_around(record, first) if first and record else None
        return Citation(found[0], first, around.name if around else "")

    def _meant(self, path: str) -> list[str]:
        """Files that a path means: itself, else those that end so, else one that it ends with.

        Of several, the one that the model has read.
        """
        path = path.lstrip("/")
        if path in self._paths:
            return [path]
        base = path.rpartition("/")[2]
        named = [each for each in self._paths if each.endswith(base)]
        found = [each for each in named if each.endswith("/" + path)]
        found = found or [each for each in named if "/" in each and path.endswith("/" + each)]
        read = [each for each in found if any(piece.path == each for piece in self._pieces)]
        return read if len(read) == 1 else found

    @cached_property
    def _paths(self) -> dict[str, None]:
        return dict.fromkeys(self._snapshot.paths())

    # Names.

    def name(self, chain: str, *, called: bool) -> Citation | Wrong | None:
        parts = [part for part in _SPLIT.split(chain) if part]
        if len(parts) == 1 and parts[0] in OWN:
            return None
        found = self._defined(parts) or (self._module(parts) if len(parts) > 1 else None)
        if found is not None or not _looks_meant(parts, called=called):
            return found
        if self._may_be_elsewhere(parts):
            found = self._used(parts[-1])
        return found or (Wrong(NO_NAME) if self._is_ours(parts) else None)

    def _inherits_from_outside(self, parts: Sequence[str]) -> bool:
        """Whether a member may come from a library: nobody here can tell."""
        if len(parts) == 1 or not any(True for _ in self._owners(parts[-2])):
            return False
        return self._may_be_elsewhere(parts)

    def _defined(self, parts: Sequence[str]) -> Citation | None:
        """The definition; of a member of a class of ours, in it or in its bases."""
        name = parts[-1]
        if len(parts) > 1:
            for path, record, owner in self._owners(parts[-2]):
                member = self._member(path, record, owner, name, BASES_MAX)
                if member is not None:
                    return member
        found = self._snapshot.symbols(name, 1)
        if not found or found[0].symbol.name != name or not self._may_be_elsewhere(parts):
            return None
        return Citation(found[0].path, found[0].symbol.name_line, name)

    def _owners(self, name: str) -> Iterator[tuple[str, FileRecord, int]]:
        for path in self._snapshot.defining(name, 20):
            record = self._snapshot.record(path)
            for at, symbol in enumerate(record.symbols if record else ()):
                if record and symbol.name == name and symbol.kind in OWNERS - {"module"}:
                    yield path, record, at

    def _member(
        self, path: str, record: FileRecord, at: int, name: str, depth: int
    ) -> Citation | None:
        owner = record.symbols[at]
        line = _member_line(record, at, name)
        if line:
            return Citation(path, line, name)
        for base in owner.bases if depth else ():
            for place in self._owners(_plain(base)):
                if place[1:] == (record, at):
                    continue
                found = self._member(*place, name, depth - 1)
                if found is not None:
                    return found
        return None

    def _may_be_elsewhere(self, parts: Sequence[str]) -> bool:
        """Whether a name may be anybody's: not where its owner is a class of ours, all known."""
        if len(parts) == 1:
            return True
        owners = list(self._owners(parts[-2]))
        return not owners or any(not self._is_closed(r, at, BASES_MAX) for _, r, at in owners)

    def _is_closed(self, record: FileRecord, at: int, depth: int) -> bool:
        """Whether all bases of a class are in the repository."""
        for base in map(_plain, record.symbols[at].bases):
            if base in {"object", "Generic", "Protocol", "ABC"}:
                continue
            owners = list(self._owners(base))
            if not owners or not depth:
                return False
            if any(not self._is_closed(r, i, depth - 1) for _, r, i in owners if r is not record):
                return False
        return True

    def _used(self, name: str) -> Citation | None:
        """A use of a name, in what was read first, else anywhere; at last as a word of a text."""
        word = re.compile(rf"(?<![\w$]){re.escape(name)}(?![\w$])")
        for piece in self._pieces:
            if match := word.search(piece.text):
                line = piece.start_line + piece.text.count("\n", 0, match.start())
                return Citation(piece.path, min(line, piece.end_line), name)
        uses = self._snapshot.references(name, 1)
        if uses:
            return Citation(uses[0][0], uses[0][1].line, name)
        for hit in self._snapshot.search([(name, 1.0)], WINDOWS_MAX):
            text = self._snapshot.known_text(hit.path).decode("utf-8", "replace")
            lines = text.split("\n")[hit.start_line - 1 : hit.end_line]
            for number, content in enumerate(lines, hit.start_line):
                if word.search(content):
                    return Citation(hit.path, number, name)
        return None

    def _module(self, parts: Sequence[str]) -> Citation | None:
        """`shop.till` is the file shop/till.py, or the folder shop/till."""
        end = "/" + "/".join(parts)
        for path in self._paths:
            place = "/" + path
            if place.rpartition(".")[0].endswith(end):
                return Citation(path, 0, "")
            if end + "/" in place:
                return Citation((place.partition(end + "/")[0] + end)[1:], 0, "")
        return None

    # What is no citation.

    def _is_ours(self, parts: Sequence[str]) -> bool:
        """Whether a name that nobody knows was meant to be one of the repository."""
        head, name = parts[0], parts[-1]
        if name in self._said or name in OWN or (name.startswith("__") and name.endswith("__")):
            return False
        if len(parts) == 1:
            return True
        outside = self._is_own_module(head) or self._is_outside(head)
        return not (outside or self._inherits_from_outside(parts))

    def _is_own_module(self, head: str) -> bool:
        return head in OWN - {"self", "cls", "this"} and not self._snapshot.defining(head, 1)

    def _is_outside(self, head: str) -> bool:
        """Whether this is a library, as files know it that were read or speak of it."""
        hits = self._snapshot.search([(head, 1.0)], WINDOWS_MAX)
        paths = [*(piece.path for piece in self._pieces), *(hit.path for hit in hits)]
        for path in dict.fromkeys(paths):
            record = self._snapshot.record(path)
            for imported in record.imports if record else ():
                module = _SPLIT.split(imported.module)
                names = {imported.alias, module[0]}
                if head in names and not imported.level and self._module(module) is None:
                    return True
        return False


def _looks_meant(parts: Sequence[str], *, called: bool) -> bool:
    """Whether this looks like a name of code, and not like a word."""
    name = parts[-1]
    like_code = _HUMPED.search(name) or _CAPITALISED.fullmatch(name)
    return called or bool(like_code) or (len(parts) > 1 and len(name) > 1)


def _plain(base: str) -> str:
    """`shop.Till[int]` is `Till`."""
    return _SPLIT.split(base.partition("[")[0].partition("<")[0])[-1]


def _member_line(record: FileRecord, at: int, name: str) -> int:
    """Where a type itself has a member: defined, declared or assigned; 0 for nowhere."""
    owner = record.symbols[at]
    for symbol in record.symbols:
        if symbol.name == name and (symbol.parent == at or _adds_to(record, symbol, owner)):
            return symbol.name_line
    for typed in record.typed_names:
        if owner.start <= typed.start < owner.end and typed.name.endswith("." + name):
            return typed.line
    for use in record.references.named(name):
        if owner.start <= use.start < owner.end and use.receiver in {"self", "this", "cls"}:
            return use.line
    return 0


def _adds_to(record: FileRecord, symbol: Symbol, owner: Symbol) -> bool:
    """Whether a member stands outside of its owner, as in Go and Rust."""
    if owner.name in symbol.bases:
        return True
    parent = record.symbols[symbol.parent] if symbol.parent >= 0 else None
    return (
        parent is not None
        and parent.kind in {"impl", "extension"}
        and (parent.name == owner.name or owner.name in parent.bases)
    )


def _is_file_name(path: str) -> bool:
    """Whether this ends as names of files do; `os.path` does not."""
    extension = path.rpartition(".")[2].lower()
    return extension in OTHER_EXTENSIONS or languages.detect(f"x.{extension}") != languages.TEXT
