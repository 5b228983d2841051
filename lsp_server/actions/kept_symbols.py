# SPDX-License-Identifier: Apache-2.0
"""Whether the definitions that an edit is not about are still there, as they were.

In: what the changed files define before and after, spans that the user has pointed at. Out: the
reason why not, "" where they are. A definition that goes must be one that was pointed at, and
nobody may use it any more. Bodies are `scope`'s business.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, NamedTuple

from indexer.scopes import FUNCTIONS, OWNERS
from lsp_server.actions.edited import pointed_at, qualified, word_at

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from indexer.types import FileRecord, Reference, Symbol
    from lsp_server.actions.edited import Edited
    from lsp_server.actions.types import Target

USES_MAX = 400  # looked at for each definition that goes
# Here one name may have several definitions that differ in what they take.
_OVERLOADING = frozenset(
    ("java", "kotlin", "scala", "csharp", "cpp", "c", "swift", "typescript", "tsx", "elixir")
)
_SAME_NAMES = frozenset(("_", "init"))  # of Go, and what Python's dispatchers are called
_SIGNED = FUNCTIONS | OWNERS
_OWN = frozenset(("self", "this", "cls"))


class Moved(NamedTuple):
    """What a proposal does to definitions."""

    renamed: Mapping[str, str]  # old name -> new name
    resigned: frozenset[str]  # names whose parameters are others now, where that was asked for


def moved(it: Target, files: Sequence[Edited]) -> Moved:
    """Renamed and resigned definitions among those that the user has pointed at."""
    renamed: dict[str, str] = {}
    resigned: set[str] = set()
    word = word_at(it)
    for file in files:
        old, new = _by_name(file.before), _by_name(file.after)
        gone, come = old.keys() - new.keys(), new.keys() - old.keys()
        renamed.update(_pair(gone, come, word))
        for name in old.keys() & new.keys():
            if _signatures(old[name]) != _signatures(new[name]):
                resigned.update({s.name for s in old[name] if _is_about(it, file, s, word)})
    if word and not renamed:
        renamed.update(_local(it, files, word))
    return Moved(renamed, frozenset(resigned))


def problem(it: Target, files: Sequence[Edited], *, wide: bool = False) -> str:
    """Why definitions are not as they must be.

    wide: all of them are pointed at; they may take other parameters, or go where nobody uses them.
    """
    what = moved(it, files)
    changed = frozenset(file.path for file in files)
    for file in files:
        found = (
            _gone(it, file, what, changed, wide=wide)
            or ("" if wide else _resigned(it, file, what))
            or _doubled(file.language, file)
        )
        if found:
            return found
    return ""


def _pair(gone: Iterable[str], come: Iterable[str], word: str) -> Iterator[tuple[str, str]]:
    """A name that went where the cursor was, with the only one that came in its place."""
    old = {name.rpartition(".")[2].rpartition(":")[2] for name in gone}
    new = {name.rpartition(".")[2].rpartition(":")[2] for name in come}
    if word in old and len(new - old) == 1:
        yield word, min(new - old)


def _local(it: Target, files: Sequence[Edited], word: str) -> Iterator[tuple[str, str]]:
    """A parameter, a variable or a field that is called otherwise now: it is no definition here."""
    mine = next((file for file in files if file.path == it.path), None)
    if mine is None:
        return
    old, new = (
        Counter(re.findall(r"[^\W\d][\w$]*", text.decode())) for text in (mine.old, mine.new)
    )
    come = (new - old).keys()
    if old[word] and not new[word] and len(come) == 1 and not (old - new).keys() - {word}:
        yield word, min(come)


def _by_name(record: FileRecord) -> dict[str, list[Symbol]]:
    table: dict[str, list[Symbol]] = defaultdict(list)
    for name, symbol in qualified(record):
        table[name].append(symbol)
    return table


def _is_about(it: Target, file: Edited, symbol: Symbol, word: str) -> bool:
    """Whether the user has pointed at this definition: in the text, or by its name."""
    if symbol.name == word:
        return True
    if file.path != it.path:
        return False
    spans = pointed_at(it)
    return not spans or any(a <= symbol.start and symbol.end <= b for a, b in spans)


def _gone(it: Target, file: Edited, what: Moved, changed: frozenset[str], *, wide: bool) -> str:
    word = word_at(it)
    new = _by_name(file.after)
    for name, symbols in _by_name(file.before).items():
        bare = symbols[0].name
        if name in new or (bare not in what.renamed and _renamed(name, what) in new):
            continue
        named = wide or bare in what.renamed or any(_is_about(it, file, s, word) for s in symbols)
        if not named:
            return f"{name} is gone from {file.path}; it must stay as it is"
        if use := _use(it, file, symbols[0], changed):
            return f"{name} is gone, and {use} still uses it"
    return ""


def _renamed(name: str, what: Moved) -> str:
    return re.sub(r"[^\W\d]\w*", lambda match: what.renamed.get(match[0], match[0]), name)


def _use(it: Target, file: Edited, symbol: Symbol, changed: frozenset[str]) -> str:
    """A place that certainly still means a definition that is gone."""
    if symbol.name not in file.names():
        for reference in file.after.references.named(symbol.name):
            if _means_own(file, reference, symbol):
                return f"{file.path}:{reference.line}"
    return _use_elsewhere(it, file, symbol, changed)


def _means_own(file: Edited, reference: Reference, symbol: Symbol) -> bool:
    if reference.receiver:
        return symbol.parent >= 0 and reference.receiver in _OWN
    imported = any(item.alias == symbol.name or item.name == "*" for item in file.after.imports)
    typed = any(name.name == symbol.name for name in file.after.typed_names)
    return symbol.parent < 0 and reference.kind == "call" and not imported and not typed


def _use_elsewhere(it: Target, file: Edited, symbol: Symbol, changed: frozenset[str]) -> str:
    snapshot = it.snapshot
    if snapshot is None or file.fresh:
        return ""
    for path, reference in snapshot.references(symbol.name, USES_MAX):
        if path in changed:
            continue
        targets = snapshot.resolver.definition(path, reference, guess=False)
        if any(t.path == file.path and _is_it(file, t.symbol, symbol) for t in targets):
            return f"{path}:{reference.line}"
    for path in snapshot.resolver.importers(file.path) if symbol.parent < 0 else ():
        record = snapshot.record(path) if path not in changed else None
        for item in record.imports if record is not None else ():
            if item.name == symbol.name:
                return f"{path}:{item.line}"
    return ""


def _is_it(file: Edited, index: int, symbol: Symbol) -> bool:
    symbols = file.before.symbols
    return 0 <= index < len(symbols) and symbols[index].name == symbol.name


def _resigned(it: Target, file: Edited, what: Moved) -> str:
    """A definition that was not pointed at must take and give what it did."""
    word = word_at(it)
    new = _by_name(file.after)
    for name, symbols in _by_name(file.before).items():
        later = new.get(name) or new.get(_renamed(name, what))
        if later is None or symbols[0].name in what.resigned:
            continue
        if any(_is_about(it, file, symbol, word) for symbol in symbols):
            continue
        old = Counter(_renamed(line, what) for line in _signatures(symbols).elements())
        if gone := old - Counter(_renamed(line, what) for line in _signatures(later).elements()):
            return f"{name} is not what this is about, and must stay: {min(gone)[:120]}"
    return ""


def _signatures(symbols: Iterable[Symbol]) -> Counter[str]:
    """How definitions are declared, without spaces and line breaks."""
    return Counter("".join(s.signature.split()) for s in symbols if s.kind in _SIGNED)


def _doubled(language: str, file: Edited) -> str:
    """A name that is defined twice in one place, and was not before."""
    old, new = _counts(language, file, before=True), _counts(language, file, before=False)
    for key, count in new.items():
        if count > 1 and count > old[key] and key[0] not in _SAME_NAMES:
            return f"{key[0]} is defined {count} times in {file.path}"
    return ""


def _counts(language: str, file: Edited, *, before: bool) -> Counter[tuple[str, str]]:
    record, data = (file.before, file.old) if before else (file.after, file.new)
    counts: Counter[tuple[str, str]] = Counter()
    for name, symbol in qualified(record):
        if symbol.kind not in _SIGNED or symbol.kind in ("module", "type"):
            continue
        if data[symbol.start : symbol.start + 1] in (b"@", b"#"):  # a setter, an overload, a cfg
            continue
        signature = "".join(symbol.signature.split()) if language in _OVERLOADING else ""
        counts[name, signature] += 1
    return counts
