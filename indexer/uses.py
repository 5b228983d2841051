# SPDX-License-Identifier: Apache-2.0
"""Where a definition is used, in every file of a repository, word by word.

In: a snapshot, a definition by path and number. Out: `Uses`: places that mean it for certain,
places with its name of which nothing says what they mean, and the definitions that share its fate
(overriding and overridden methods, stubs, overloads). Asked once for a user's wish, not at a key:
it looks through whole files. It changes nothing and knows no text but the saved and unsaved one.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple, Protocol

from indexer import masks
from indexer.echoes import is_bare_use
from indexer.families import family
from indexer.modules import same_family
from indexer.types import Reference

if TYPE_CHECKING:
    from collections.abc import Iterator

    from indexer.families import Definition
    from indexer.graph import Resolver
    from indexer.types import FileRecord

FILES_MAX = 5_000  # looked through; in larger repositories those that the search names
WINDOWS_MAX = 5_000
SURE = 0.5  # score of a definition, as in `indexer.targets`; below it is a guess
STATEMENT_LINES = 60  # of one import
LINK_MAX_BYTES = 200  # of one name, what joins it, and white space
_WORDS = re.compile(r"[^\W_]_[^\W_]|[a-z0-9][A-Z]")  # a name of several words
_LINK = re.compile(rb"([\w$]*)[ \t\r\n]*(\?\.|!?\.|::|->)[ \t\r\n]*\Z")
_OBJECT = re.compile(rb"(?:[=(,:\[?&|]|=>|\breturn)\s*\Z")
_EXPORTS = ("exports", "module.exports")  # of CommonJS: what they are given is what they mean
_LISTED = re.compile(rb"^__all__\b[^=\n]*(?:\+?=|\.(?:extend|append)\()[^=]", re.MULTILINE)


class Repository(Protocol):
    """What is asked of a snapshot."""

    @property
    def resolver(self) -> Resolver: ...
    def paths(self) -> list[str]: ...
    def record(self, path: str) -> FileRecord | None: ...
    def known_text(self, path: str) -> bytes: ...
    def defining(self, name: str) -> list[str]: ...
    def references(self, name: str, limit: int = ...) -> list[tuple[str, Reference]]: ...


class Use(NamedTuple):
    """The name stands at byte `at`.

    `kind`: definition, import, listed (in `__all__`), shorthand (`{ name }` of JavaScript),
    attribute (behind `receiver`), name.
    """

    path: str
    at: int
    kind: str
    line: int
    receiver: str = ""
    path_like: bool = False  # `Type::name` of Rust and C++


class Uses(NamedTuple):
    """All that is known of a name that a definition has."""

    name: str
    definitions: tuple[Definition, ...]  # the asked one first
    sure: tuple[Use, ...]
    unsure: tuple[Use, ...]
    mentions: int  # in strings and comments of the files with sure uses
    outside: tuple[str, ...]  # what the owner extends and the repository does not have
    by_name: tuple[Use, ...] = ()  # those of `sure` whose receiver is unknown: the name tells


def uses(repo: Repository, path: str, symbol: int) -> Uses:
    """Every use of a definition, in order of files and bytes."""
    record = repo.record(path)
    if record is None:
        return Uses("", (), (), (), 0, ())
    name = record.symbols[symbol].name
    kin = family(repo, path, symbol)
    member = _is_member(record, symbol)
    sure: list[Use] = []
    unsure: list[Use] = []
    mentions = 0
    for other in _files(repo, path, name, record.language):
        look = _Look(repo, other, name.encode(), frozenset(kin.definitions), member)
        found = look.all()
        sure += [use for use, certain in found if certain]
        unsure += [use for use, certain in found if not certain]
        if any(certain for _, certain in found):
            mentions += look.mentions()
    by_name: tuple[Use, ...] = ()
    if unsure and not kin.outside and _is_only(repo, name, kin.definitions):
        sure, by_name, unsure = sorted([*sure, *unsure]), tuple(unsure), []
    return Uses(name, kin.definitions, tuple(sure), tuple(unsure), mentions, kin.outside, by_name)


def _is_only(repo: Repository, name: str, definitions: tuple[Definition, ...]) -> bool:
    """Whether a name says by itself what it means: of several words, and nothing else has it.

    Names of one word (`get`, `send`, `convert`) are those of many libraries' objects, too.
    """
    if not _WORDS.search(name.strip("_")):
        return False
    for path in repo.defining(name):
        record = repo.record(path)
        for number, row in enumerate(record.symbols if record is not None else ()):
            if row.name == name and (path, number) not in definitions:
                return False
    return True


def _is_member(record: FileRecord, symbol: int) -> bool:
    row = record.symbols[symbol]
    return row.kind in ("method", "constructor", "field", "property") or (
        row.parent >= 0 and record.symbols[row.parent].kind not in ("module", "function", "method")
    )


def _files(repo: Repository, path: str, name: str, language: str) -> Iterator[str]:
    """Files of the same family of languages that hold the name."""
    paths = repo.paths()
    if len(paths) > FILES_MAX:
        near = {path, *repo.defining(name), *repo.resolver.importers(path)}
        near |= {found for found, _ in repo.references(name, WINDOWS_MAX)}
        for one in tuple(near):
            near.update(repo.resolver.importers(one))
        paths = sorted(near)
    for other in paths:
        record = repo.record(other)
        if record is None or record.tier != "A" or not same_family(record.language, language):
            continue
        if name.encode() in repo.known_text(other):
            yield other


class _Look:
    """One file, looked through for one name."""

    def __init__(
        self,
        repo: Repository,
        path: str,
        name: bytes,
        wanted: frozenset[Definition],
        member: bool,
    ) -> None:
        record = repo.record(path)
        assert record is not None  # `_files` has seen it
        self.repo, self.path, self.name, self.record = repo, path, name, record
        self.data = repo.known_text(path)
        self.code = masks.code_of(record.language, self.data)
        self._wanted, self._member = wanted, member
        self._given = {self.record.symbols[n].name_start for p, n in wanted if p == path}
        self._others = {row.name_start for row in record.symbols} - self._given

    def all(self) -> list[tuple[Use, bool]]:
        imported = set(self._imports())
        found: list[tuple[Use, bool]] = [(self._use(at, "import"), True) for at in imported]
        top = bool(imported)
        for at in masks.words(self.code, self.name):
            if at in imported:
                continue
            use, certain = self._at(at)
            if use is not None:
                found.append((use, certain))
                top = top or (certain and use.kind in ("definition", "name"))
        if top and not self._member and self.record.language == "python":
            found += [(self._use(at, "listed"), True) for at in self._listed()]
        return sorted(found)

    def mentions(self) -> int:
        """How often the name stands in strings and comments."""
        return sum(1 for _ in masks.words(self.data, self.name)) - sum(
            1 for _ in masks.words(self.code, self.name)
        )

    def _use(self, at: int, kind: str, receiver: str = "", *, path_like: bool = False) -> Use:
        return Use(self.path, at, kind, self.code.count(b"\n", 0, at) + 1, receiver, path_like)

    def _at(self, at: int) -> tuple[Use | None, bool]:
        """What stands at a word, and whether it is certain."""
        if at in self._given:
            return self._use(at, "definition"), True
        if at in self._others:
            return None, False
        if link_before(self.code, at) is not None:
            return self._attribute(at)
        if self._in_object(at):
            kind = "name" if self._is_exported(at) else "shorthand"
        elif is_bare_use(self.record.language, self.code, at, at + len(self.name)):
            kind = "name"
        else:
            return None, False
        reference = Reference(self.name.decode(), "", "name", at, 0)
        return (self._use(at, kind), True) if self._means(reference) else (None, False)

    def _in_object(self, at: int) -> bool:
        """`{ name }` that makes an object: its key is the name, too."""
        before, behind = masks.before(self.code, at), masks.behind(self.code, at + len(self.name))
        if (
            self.record.language not in masks.SCRIPTS
            or self.code[before : before + 1] not in (b"{", b",")
            or self.code[behind : behind + 1] not in (b"}", b",")
        ):
            return False
        opened = masks.opening(self.code, at)
        if opened < 0 or self.code[opened] not in b"{":
            return False
        return _OBJECT.search(self.code, max(0, opened - LINK_MAX_BYTES), opened) is not None

    def _is_exported(self, at: int) -> bool:
        """`module.exports = { name }`: other files know it by this key."""
        opened = masks.opening(self.code, at)
        head = self.code[max(0, opened - LINK_MAX_BYTES) : opened]
        return re.search(rb"\bmodule\.exports\s*=\s*\Z", head) is not None

    def _attribute(self, at: int) -> tuple[Use | None, bool]:
        receiver, start = chain(self.code, at)
        if not receiver:
            return None, False
        path_like = self.code[:at].rstrip().endswith(b"::")
        use = self._use(at, "attribute", receiver, path_like=path_like)
        found = self._means(Reference(self.name.decode(), receiver, "attribute", start, 0))
        if receiver in _EXPORTS and not self._member and self.record.language in masks.SCRIPTS:
            found = self._means(Reference(self.name.decode(), "", "name", at, 0))
        if found is None and self._may_mean(receiver):
            return use, False
        return (use, True) if found else (None, False)

    def _may_mean(self, receiver: str) -> bool:
        """Whether an unresolved receiver may have the member: not if it comes from outside."""
        if not self._member:
            return False
        first = receiver.partition(".")[0]
        targets = self.repo.resolver.imports(self.path)
        return not any(t.imported.alias == first and t.path is None for t in targets)

    def _means(self, reference: Reference) -> bool | None:
        """True: a wanted definition; False: another; None: not known."""
        found = self.repo.resolver.definition(self.path, reference, guess=False)
        targets = {(t.path, t.symbol) for t in found if t.score >= SURE}
        if not targets:
            return None
        if targets <= self._wanted:
            return True
        return None if targets & self._wanted else False

    def _imports(self) -> Iterator[int]:
        """Where statements of import name a wanted definition."""
        name = self.name.decode()
        if all(row.name != name for row in self.record.imports):
            return
        for target in self.repo.resolver.imports(self.path):
            wanted = (target.path, -1 if target.symbol is None else target.symbol) in self._wanted
            if wanted and target.imported.name == name:
                yield from self._imported(target.imported.line, target.imported.alias == name)

    def _imported(self, line: int, unaliased: bool) -> Iterator[int]:
        start = _offset(self.code, line)
        end = _offset(self.code, line + STATEMENT_LINES)
        if self.record.language == "python":
            start = max(start, self.code.find(b"import", start, end))
        found = masks.words(self.code, self.name, start, end)
        first = next(found, -1)
        if first < 0:
            return
        yield first
        if unaliased and re.match(
            rb"\s+as\s+%b\b" % self.name, self.code[first + len(self.name) :]
        ):
            yield next(found)

    def _listed(self) -> Iterator[int]:
        """Where `__all__` names it."""
        quoted = re.compile(rb"(['\"])%b\1" % re.escape(self.name))
        for listed in _LISTED.finditer(self.code):
            opened = re.compile(rb"[\[(]").search(self.code, listed.start() + len(b"__all__"))
            if opened is None or opened.start() > listed.end() + 1:
                continue
            closed = masks.closing(self.code, opened.start())
            for match in quoted.finditer(self.data, opened.start(), max(closed, 0)):
                yield match.start() + 1


def chain(code: bytes, at: int) -> tuple[str, int]:
    """What stands before a member's name, as a `Reference` has it, and where that starts.

    A receiver that begins with something else than a name is "()", from its dot on.
    """
    names: list[str] = []
    start = at
    while (link := link_before(code, start)) is not None:
        if not link[1]:
            return ".".join(["()", *names]), link.start(2)
        names.insert(0, link[1].decode("utf-8", "replace"))
        start = link.start()
    return ".".join(names), start


def link_before(code: bytes, at: int) -> re.Match[bytes] | None:
    """The name before a member and what joins the two; None for a name that stands for itself."""
    if code[:at].endswith(b"...") and not code[:at].endswith(b"...."):
        return None
    return _LINK.search(code, max(0, at - LINK_MAX_BYTES), at)


def _offset(code: bytes, line: int) -> int:
    """Where a line starts; the end of the text for one behind the last."""
    at = 0
    for _ in range(line - 1):
        at = code.find(b"\n", at) + 1
        if not at:
            return len(code)
    return at
