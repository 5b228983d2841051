# SPDX-License-Identifier: Apache-2.0
"""Cuts cases out of a repository, in the order of hashes and never by hand.

In: the files of a repository. Out: `Case`s, and the files with every hole cut out of them: what is
indexed has seen no answer. Cases whose answer stands elsewhere in the repository are dropped and
counted. A name is needed if the cursor's file does not show it and another file defines it; what
other files merely use (built-in names, those of libraries) is kept beside as `elsewhere`.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from indexer.holes import KINDS, File, Hole
from indexer.languages import detect
from indexer.parse import extract

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from tests.bench.context.sources import Repository

SEED = "ghostwright-1"
CASES_A_FILE = 4
FREE_A_FILE = 1  # of them, cases that need nothing of other files
HOLE_GAP_LINES = 3  # between two holes of a file
FILE_MAX_BYTES = 400_000
FILE_MIN_LINES = 10
ALONE_MIN_CHARS = 20  # a shorter answer is looked for together with its line
NEAR_BEFORE_TOKENS, NEAR_AFTER_TOKENS = 1500, 500
FAMILIES = {"typescript": ("typescript", "tsx"), "python": ("python",)}
WORD = re.compile(r"[^\W\d]\w*")
_NOT_FOR_HOLES = re.compile(
    r"(^|/)(tests?|testing|testdata|__tests__|spec|specs|fixtures|resources|mocks?|vendor"
    r"|third_party|generated|benches)/|(^|[/_.-])(tests?|spec|conftest|bench|mock)[_.-]"
    r"|_pb2|\.pb\.|\.d\.ts$|zz_generated|Test\.java$",
    re.IGNORECASE,
)
_GENERATED = re.compile(rb"(?i)(code generated|auto-?generated|do not edit|@generated)")


@dataclass(frozen=True, slots=True)
class Case:
    """A hole in a file. `text` is the file with this hole cut, line and col are 1-based."""

    id: str
    repository: str
    language: str
    path: str
    kind: str
    line: int
    col: int
    text: str
    truth: str
    print: str  # what to look for in order to find the answer: itself, or its whole line
    names: tuple[str, ...] = ()  # all identifiers of the answer
    needs: tuple[str, ...] = ()
    elsewhere: tuple[str, ...] = ()  # not shown either, and used or defined in another file
    needs_near: tuple[str, ...] = ()  # like `needs`, if the file is shown around the cursor only

    @property
    def offset(self) -> int:
        """Of the cursor in `text`."""
        lines = self.text.split("\n")
        return sum(map(len, lines[: self.line - 1])) + self.line - 1 + self.col - 1


@dataclass(slots=True)
class Cut:
    """A repository with its holes."""

    cases: list[Case]
    original: dict[str, str]  # files of the language, by path
    sealed: dict[str, str]
    others: dict[str, bytes]  # all the rest
    dropped: Counter[str] = field(default_factory=Counter)


def squeezed(text: str) -> str:
    """Text with every run of white space as one blank."""
    return " ".join(text.split())


def words(text: str) -> frozenset[str]:
    return frozenset(WORD.findall(text))


def read(root: Path, repository: Repository) -> tuple[dict[str, str], dict[str, bytes]]:
    """Files of the repository's language as text, and all others."""
    root = _repository(root)
    family = FAMILIES.get(repository.language, (repository.language,))
    texts, others = {}, {}
    for path in sorted(root.rglob("*")):
        relative = path.relative_to(root).as_posix()
        if path.is_symlink() or not path.is_file() or path.stat().st_size > FILE_MAX_BYTES:
            continue
        if any(f"{folder}/" in relative for folder in repository.without):
            continue
        data = path.read_bytes()
        text = _text(data) if detect(relative) in family else None
        if text is None:
            others[relative] = data
        else:
            texts[relative] = text
    return texts, others


def _repository(folder: Path) -> Path:
    """What a developer would have opened: Debian puts sources deep into a tree of all packages."""
    modules = sorted(folder.glob("usr/**/go.mod"), key=lambda path: len(path.parts))
    inside = list(folder.iterdir())
    if modules:
        return modules[0].parent
    return inside[0] if len(inside) == 1 and inside[0].is_dir() else folder


def _text(data: bytes) -> str | None:
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return None
    return None if "\r" in text else text


def cut(
    repository: Repository,
    original: dict[str, str],
    others: dict[str, bytes],
    wanted: int,
    count: Callable[[str], int],
) -> Cut:
    """Up to `wanted` cases with a need, as many of each kind as can be had, and as many without."""
    result = Cut([], original, dict(original), others)
    choice = _Choice(original, wanted, result.dropped)
    for path, line, number in _places(repository, original):
        if choice.done():
            break
        choice.consider(path, line, number)
    for path, holes in choice.chosen.items():
        result.sealed[path] = _without(original[path], holes)
    others_have = _Names(result.sealed)
    for path, holes in choice.chosen.items():
        for hole in holes:
            result.cases.append(_case(repository, path, original[path], hole, others_have, count))
    result.cases.sort(key=lambda case: hashed(case.id))
    return result


class _Names:
    """What the files of a repository define, and what stands in them at all."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._defined = {path: _definitions(path, text) for path, text in texts.items()}
        self._defining = Counter(name for names in self._defined.values() for name in names)
        self.standing = Counter(word for text in texts.values() for word in words(text))

    def defined_outside(self, name: str, path: str) -> bool:
        return self._defining[name] > (name in self._defined[path])


def _definitions(path: str, text: str) -> frozenset[str]:
    return frozenset(symbol.name for symbol in extract(detect(path), text.encode()).symbols)


class _Choice:
    """Takes places one by one and keeps the holes that make a case."""

    def __init__(self, original: Mapping[str, str], wanted: int, told: Counter[str]) -> None:
        self.chosen: dict[str, list[Hole]] = {}
        self._original = original
        self._told = told
        share = -(-wanted // len(KINDS))
        self._left = {(kind, need): share for kind in KINDS for need in (True, False)}
        self._free: Counter[str] = Counter()  # cases without a need, by path
        self._files: dict[str, tuple[File, dict[tuple[str, int], list[tuple[int, int]]]]] = {}
        self._blob = "\0".join(map(squeezed, original.values()))
        self._names = _Names(original)

    def done(self) -> bool:
        return not any(left for (_, need), left in self._left.items() if need)

    def consider(self, path: str, line: int, number: int) -> None:
        kind = KINDS[number % len(KINDS)]
        taken = self.chosen.get(path, [])
        if len(taken) >= CASES_A_FILE or not self._left[kind, True]:
            return
        hole = self._hole(path, kind, line, number // len(KINDS))
        if hole is None or any(_close(hole, other, self._original[path]) for other in taken):
            return
        self._told["candidates"] += 1
        need = self._has_need(path, hole)
        self._told["with need"] += need
        if not self._left[kind, need] or (not need and self._free[path] >= FREE_A_FILE):
            return
        self._told["looked for"] += 1
        if _stands_elsewhere(_print(self._original[path], hole), self._blob):
            self._told["stands elsewhere"] += 1
            return
        self.chosen.setdefault(path, []).append(hole)
        self._left[kind, need] -= 1
        self._free[path] += not need

    def _hole(self, path: str, kind: str, line: int, number: int) -> Hole | None:
        if path not in self._files:
            file = File(detect(path), self._original[path].encode())
            self._files[path] = file, file.spans()
        file, spans = self._files[path]
        found = spans.get((kind, line))
        return file.hole(kind, *found[number % len(found)], line) if found else None

    def _has_need(self, path: str, hole: Hole) -> bool:
        shown = words(_without(self._original[path], [hole]))
        return any(
            name not in shown and self._names.defined_outside(name, path) for name in hole.names
        )


def _places(repository: Repository, original: Mapping[str, str]) -> Iterator[tuple[str, int, int]]:
    """Every line of every file that may have a hole, in the order of hashes."""
    places = []
    for path, text in original.items():
        lines = text.count("\n")
        if lines < FILE_MIN_LINES or _NOT_FOR_HOLES.search(path):
            continue
        if _GENERATED.search(text[:1000].encode()):
            continue
        key = f"{repository.name}:{path}"
        places += [(hashed(f"{key}:{line}"), path, line) for line in range(1, lines + 1)]
    places.sort()
    for number, path, line in places:
        yield path, line, number


def hashed(text: str) -> int:
    digest = hashlib.blake2b(f"{SEED}:{text}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big")


def _close(one: Hole, other: Hole, text: str) -> bool:
    first, second = sorted((one, other), key=lambda hole: hole.start)
    between = text.encode()[first.end : second.start]
    return second.start <= first.end or between.count(b"\n") < HOLE_GAP_LINES


def _print(text: str, hole: Hole) -> str:
    """The answer as it would be found elsewhere: a short one with the line around it."""
    data = text.encode()
    answer = squeezed(data[hole.start : hole.end].decode())
    if len(answer) >= ALONE_MIN_CHARS:
        return answer
    start = data.rfind(b"\n", 0, hole.start) + 1
    end = data.find(b"\n", hole.end)
    return squeezed(data[start : len(data) if end < 0 else end].decode())


def _stands_elsewhere(text: str, blob: str) -> bool:
    at = blob.find(text)
    return blob.find(text, at + 1) >= 0


def _without(text: str, holes: list[Hole]) -> str:
    data = text.encode()
    for hole in sorted(holes, key=lambda hole: -hole.start):
        data = data[: hole.start] + data[hole.end :]
    return data.decode()


def _case(
    repository: Repository,
    path: str,
    original: str,
    hole: Hole,
    others_have: _Names,
    count: Callable[[str], int],
) -> Case:
    data = original.encode()
    text = _without(original, [hole])
    before = data[: hole.start].decode()
    line_start = before.rfind("\n") + 1
    outside = [name for name in hole.names if others_have.defined_outside(name, path)]
    shown, near = words(text), words(_near(before, text[len(before) :], count))
    return Case(
        id=f"{repository.name}:{path}:{hole.kind}:{hole.start}",
        repository=repository.name,
        language=repository.language,
        path=path,
        kind=hole.kind,
        line=before.count("\n") + 1,
        col=len(before) - line_start + 1,
        text=text,
        truth=data[hole.start : hole.end].decode(),
        print=_print(original, hole),
        names=hole.names,
        needs=tuple(n for n in outside if n not in shown),
        elsewhere=tuple(n for n in hole.names if n not in shown and others_have.standing[n]),
        needs_near=tuple(n for n in outside if n not in near),
    )


def _near(before: str, after: str, count: Callable[[str], int]) -> str:
    """The lines around the cursor that a prompt would show of its own file."""
    return "\n".join(
        (
            *reversed(_lines_within(before.split("\n")[::-1], NEAR_BEFORE_TOKENS, count)),
            *_lines_within(after.split("\n"), NEAR_AFTER_TOKENS, count),
        )
    )


def _lines_within(lines: list[str], budget: int, count: Callable[[str], int]) -> list[str]:
    kept = []
    for line in lines:
        budget -= count(line + "\n")
        if budget < 0:
            break
        kept.append(line)
    return kept
