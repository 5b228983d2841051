# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: SIM905  words of a table are read more easily so
"""Whether the names that an edit newly uses mean something.

In: changed files, the index. Out: (failed, doubts): a reason why not, and what could not be told.
It fails only where it is certain: a module that is nowhere, a function that nothing defines, an
import that went though its name is still used. It looks at no installed package, and runs nothing.
"""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, NamedTuple

from indexer.parse import Around, extract_bytes
from indexer.types import FileRecord
from lsp_server.actions import python_names
from lsp_server.actions.naming import is_test

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from indexer.snapshot import Snapshot
    from indexer.types import Import
    from lsp_server.actions.edited import Edited
    from lsp_server.actions.types import Target

WEB = frozenset(("javascript", "typescript", "tsx"))
_DECLARING = (  # files that name what a project uses, beside the root
    *("pyproject.toml", "requirements.txt", "requirements-dev.txt", "dev-requirements.txt"),
    *("requirements.in", "setup.py", "setup.cfg", "Pipfile", "environment.yml", "tox.ini"),
    *("package.json", "Cargo.toml", "go.mod", "deno.json"),
)
_OWN = frozenset(("self", "this"))
# A module that says so has more names than are written in it.
_OPEN_MODULE = rb"__getattr__|globals\(\)|import \*|export \*|module\.exports|::\*|macro_rules!"
_IMPORTERS_SEEN = 40  # windows that speak of a module; one that imports it is among the first
_TEST_TOOLS = frozenset(("pytest", "unittest", "hypothesis", "jest", "@jest/globals", "vitest"))
_NODE = frozenset(
    "assert async_hooks buffer child_process cluster console crypto dgram dns events fs http http2"
    " https module net os path perf_hooks process querystring readline stream string_decoder"
    " timers tls tty url util v8 vm worker_threads zlib test".split()
)
# What may be called without being defined by the project, in languages where that is a short list.
_KNOWN_CALLS = {
    "go": frozenset(
        "append cap clear close complex copy delete imag len make max min new panic print println"
        " real recover string int int8 int16 int32 int64 uint uint8 uint16 uint32 uint64 uintptr"
        " byte rune float32 float64 bool error any complex64 complex128 func".split()
    ),
    "rust": frozenset("drop align_of size_of size_of_val matches fn Fn FnMut FnOnce".split()),
    **dict.fromkeys(
        WEB,
        frozenset(
            "parseInt parseFloat isNaN isFinite fetch setTimeout setInterval setImmediate alert"
            " clearTimeout clearInterval clearImmediate queueMicrotask structuredClone require atob"
            " btoa encodeURIComponent decodeURIComponent encodeURI decodeURI escape unescape eval"
            " requestAnimationFrame cancelAnimationFrame requestIdleCallback confirm prompt super"
            " addEventListener removeEventListener dispatchEvent postMessage importScripts import"
            " describe it test expect before after beforeEach afterEach beforeAll afterAll suite"
            " setup teardown bench assert open close print matchMedia getComputedStyle scrollTo"
            " reportError define defineProps defineEmits defineExpose withDefaults constructor"
            " function if for while switch catch return typeof void delete await yield new".split()
        ),
    ),
}


class Findings(NamedTuple):
    """What is certainly wrong, and what could not be told; "" each where there is nothing."""

    wrong: str
    doubt: str = ""


def check(it: Target, files: Sequence[Edited]) -> Findings:
    """Look at every changed file; the first certain fault ends it."""
    doubts = []
    for file in files:
        if file.after.tier != "A":
            continue
        for found in _looks(it, file, files):
            if found.wrong:
                return Findings(f"{file.path}: {found.wrong}")
            doubts += [found.doubt] if found.doubt else []
    return Findings("", "; ".join(dict.fromkeys(doubts)))


def _looks(it: Target, file: Edited, files: Sequence[Edited]) -> Iterator[Findings]:
    yield _imports(it, file, files)
    yield _gone_imports(file)
    yield _names(it, file, files)
    yield _own_members(file)


# -- modules -------------------------------------------------------------------------------------


def _imports(it: Target, file: Edited, files: Sequence[Edited]) -> Findings:
    known = {(item.module, item.name, item.level) for item in file.before.imports}
    doubts = []
    for item in file.after.imports:
        if (item.module, item.name, item.level) in known:
            continue
        found = _import(it, file, item, files)
        if found.wrong:
            return found
        doubts.append(found.doubt)
    return Findings("", "; ".join(filter(None, doubts)))


def _import(it: Target, file: Edited, item: Import, files: Sequence[Edited]) -> Findings:
    said = f"{'.' * item.level}{item.module}"
    snapshot = it.snapshot
    if snapshot is None or not snapshot.report.complete:
        return Findings("", f"the index is not complete: {said} was not looked for")
    if _is_new_module(item, files):
        return Findings("")
    place = file.path if not file.fresh else it.path
    places = snapshot.resolver.places(place, item)
    if places:
        name = places[0].rest.partition("::")[0] if file.language == "rust" else item.name
        return _member(snapshot, item._replace(name=name), file, places[0].path, files)
    inside = _is_inside(file, snapshot, place, item)
    if inside and place == file.path:
        return Findings(f"there is no module {said} {item.name} in this repository")
    if inside or file.language not in {"python", *WEB}:
        return Findings("", f"{said} is not of this repository")
    return _outside(it, file, item, snapshot)


def _is_new_module(item: Import, files: Sequence[Edited]) -> bool:
    last = re.split(r"[./:\\]+", item.module.strip("./"))[-1:]
    stems = {f.path.rpartition("/")[2].partition(".")[0] for f in files if f.fresh}
    return bool(stems & {*last, item.name})


def _is_inside(file: Edited, snapshot: Snapshot, place: str, item: Import) -> bool:
    """Whether an import that leads nowhere must lead to a file of this repository."""
    if file.language == "python":
        if item.level:
            return True
        top = item._replace(module=item.module.partition(".")[0], name="")
        return "." in item.module and bool(snapshot.resolver.places(place, top))
    if file.language in WEB:
        return item.module.startswith(("./", "../"))
    return file.language == "rust" and item.module.startswith(("crate::", "super::"))


def _member(
    snapshot: Snapshot, item: Import, file: Edited, path: str, files: Sequence[Edited]
) -> Findings:
    """`from shop import totl`: the module is there, is the name?"""
    if file.language not in {"python", "rust", *WEB} or item.name in ("", "*", "default"):
        return Findings("")
    changed = next((other for other in files if other.path == path), None)
    record = changed.after if changed is not None else snapshot.record(path)
    data = changed.new if changed is not None else snapshot.text(path)
    if path == file.path:  # the statement itself says the name
        data = b"\n".join(r for n, r in enumerate(data.splitlines(), 1) if n != item.line)
    stem = path.rpartition("/")[2].partition(".")[0]
    if record is None or stem == item.name or re.search(_OPEN_MODULE, data):
        return Findings("")
    if re.search(rf"(?<!\w){re.escape(item.name)}(?!\w)", data.decode("utf-8", "replace")):
        return Findings("")
    return Findings(f"{item.module or '.'} has no {item.name} to import")


def _outside(it: Target, file: Edited, item: Import, snapshot: Snapshot) -> Findings:
    """A package from elsewhere: of the language, declared, or imported by another file."""
    top = item.module.partition(".")[0]
    if file.language in WEB:
        bare = item.module.removeprefix("node:")
        if item.module.startswith("node:") or bare.partition("/")[0] in _NODE:
            return Findings("")
        top = "/".join(item.module.split("/")[: 2 if item.module.startswith("@") else 1])
    elif top in sys.stdlib_module_names:
        return Findings("")
    if top in _TEST_TOOLS and is_test(file.path):
        return Findings("")
    if _is_declared(snapshot, top) or _is_imported(snapshot, top) or _is_said(it, top):
        return Findings("")
    return Findings(f"{top} is no package that this project uses")


def _is_declared(snapshot: Snapshot, top: str) -> bool:
    name = top.casefold().replace("_", "-")
    for path in _DECLARING:
        text = snapshot.text(path).decode("utf-8", "replace").casefold()
        if name in text.replace("_", "-"):
            return True
    return False


def _is_imported(snapshot: Snapshot, top: str) -> bool:
    for hit in snapshot.search([(top.casefold(), 1.0)], _IMPORTERS_SEEN):
        record = snapshot.record(hit.path)
        for item in record.imports if record is not None else ():
            if item.module == top or item.module.startswith((f"{top}.", f"{top}/")):
                return True
    return any(
        item.module.startswith(top)
        for overlay in snapshot.overlays.values()
        for item in overlay.record.imports
    )


def _is_said(it: Target, top: str) -> bool:
    """The user's own words may bring in a package."""
    return re.search(rf"(?<!\w){re.escape(top)}(?!\w)", it.instruction, re.IGNORECASE) is not None


# -- names ---------------------------------------------------------------------------------------


def _gone_imports(file: Edited) -> Findings:
    """An import that was taken away though its name is still in use."""
    old = {item.alias for item in file.before.imports if item.alias}
    gone = old - {item.alias for item in file.after.imports}
    gone -= {name for item in file.after.imports for name in (item.name, item.module)}
    gone -= file.names() | {typed.name for typed in file.after.typed_names}
    if not gone:
        return Findings("")
    record = FileRecord.from_bytes(
        extract_bytes(file.language, file.new, Around(names=tuple(gone)))
    )
    for reference in record.references:
        first = reference.receiver.partition(".")[0] or reference.name
        if first in gone and not _is_bound(file, first):
            return Findings(f"{first} is used in line {reference.line}, and its import is gone")
    return Findings("")


def _is_bound(file: Edited, name: str) -> bool:
    """Whether the text gives the name itself, as far as one can see: a parameter, a variable."""
    pattern = rf"(?<![\w.$]){re.escape(name)}\s*(?::(?!:)|=(?!=)|,[^()\n]*[=)]|\)\s*(?:=>|\{{|:))"
    return re.search(pattern, file.new.decode("utf-8", "replace")) is not None


def _names(it: Target, file: Edited, files: Sequence[Edited]) -> Findings:
    if file.language == "python":
        if wrong := python_names.problem(file.old.decode(), file.new.decode()):
            return Findings(wrong)
        return Findings("")
    known = _KNOWN_CALLS.get(file.language)
    if known is None or any(item.name == "*" and not item.alias for item in file.after.imports):
        return Findings("")
    for name, line in _new_calls(file):
        if name not in known and not _is_anywhere(it, file, name, files):
            return Findings(f"{name} is called in line {line}, and nothing defines it")
    return Findings("")


def _new_calls(file: Edited) -> Iterator[tuple[str, int]]:
    """Bare calls that were not there, of names that are written in no other way in the file."""
    old = {r.name for r in file.before.references if r.kind == "call" and not r.receiver}
    text = file.new.decode("utf-8", "replace")
    for reference in file.after.references:
        name = reference.name
        if reference.kind != "call" or reference.receiver or name in old or not name[:1].islower():
            continue
        otherwise = rf"(?<![\w$.]){re.escape(name)}(?![\w$])(?!\s*(?:<[^<>()]*>)?\()"
        declared = rf"\b(?:func|fn|function|let|const|var|macro_rules!)\s+{re.escape(name)}\b"
        if not any(re.search(pattern, text) for pattern in (otherwise, declared)):
            yield name, reference.line


def _is_anywhere(it: Target, file: Edited, name: str, files: Sequence[Edited]) -> bool:
    if any(name in other.names() for other in files) or _is_bound(file, name):
        return True
    if any(name in (item.alias, item.name) for item in file.after.imports):
        return True
    snapshot = it.snapshot
    return snapshot is None or not snapshot.report.complete or bool(snapshot.defining(name, 1))


def _own_members(file: Edited) -> Findings:
    """`self.total()` in a class that inherits from nothing and has no `total`."""
    old = {r.name for r in file.before.references if r.receiver in _OWN}
    for reference in file.after.references:
        if reference.receiver not in _OWN or reference.kind != "call" or reference.name in old:
            continue
        owner = _owner(file.after, reference.start)
        if owner >= 0 and not _has_member(file, owner, reference.name):
            name = file.after.symbols[owner].name
            where = f"called in line {reference.line}"
            return Findings(
                f"{reference.receiver}.{reference.name} is {where}, and {name} has none"
            )
    return Findings("")


def _owner(record: FileRecord, offset: int) -> int:
    """The class around a place, -1 where there is none or where it inherits."""
    at = record.enclosing(offset)
    while at >= 0 and record.symbols[at].kind != "class":
        at = record.symbols[at].parent
    if at < 0:
        return -1
    symbol = record.symbols[at]
    inherits = symbol.bases or re.search(r"[(@]|\bextends\b|\bimplements\b", symbol.signature)
    return -1 if inherits else at


def _has_member(file: Edited, owner: int, name: str) -> bool:
    symbol = file.after.symbols[owner]
    if any(row.parent == owner and row.name == name for row in file.after.symbols):
        return True
    text = file.new[symbol.start : symbol.end].decode("utf-8", "replace")
    if text.startswith("@") or re.search(r"__getattr|setattr\(|__dict__|Object\.assign", text):
        return True
    given = rf"(?<!\w)(?:self|this)\.{re.escape(name)}\s*(?:[:=](?!=)|,)"
    called = rf"(?<![\w])(?:self|this)\.{re.escape(name)}\s*\("
    elsewhere = rf"(?<![\w.]){re.escape(name)}(?!\w)"
    return bool(re.search(given, text)) or bool(re.search(elsewhere, re.sub(called, "", text)))
