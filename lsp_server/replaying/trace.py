# SPDX-License-Identifier: Apache-2.0
r"""A keystroke trace: files as they were, and the keys that changed them, with times.

In: JSON lines, which anybody may have written. Out: a `Trace` whose every key fits its file; and
the other way round. It knows no git, no server and no screen.

The first line says where the trace is from, then a line for each file, then one for each key:
    {"trace": 1, "root": "/home/me/shop", "revision": "", "parent": ""}
    {"path": "shop/cart.py", "before": "def total(self):\n"}
    {"at_s": 2.0, "path": "shop/cart.py", "line": 1, "column": 17, "removed": "", "text": "\n    ",
     "hunk": 0}
A key takes `removed` away at a place and puts `text` there; the cursor is then behind it. Lines and
columns count from 1, columns in characters. `before` is null for a file that did not exist.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath
from typing import IO, TYPE_CHECKING, Any

from indexer.policy import builtin_reason, windows_problem

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

VERSION = 1
MAX_FILE_BYTES = 1 << 20  # of a file that is typed in; sources beyond that get no suggestions
MAX_KEYS = 100_000  # three and a half hours at eight keys a second
MAX_TRACE_BYTES = 64 << 20
WHY_CHARS = 120
_COMMIT = re.compile(r"([0-9a-f]{40}([0-9a-f]{24})?)?")


class Unusable(Exception):
    """What was given makes no trace, or is none. One line."""


@dataclass(frozen=True, slots=True)
class Key:
    """One keystroke: `removed` stands at the place before it, `text` after it."""

    at_s: float  # from the moment when the first file is open
    path: str
    line: int
    column: int
    removed: str
    text: str
    hunk: int  # keys of one number are typed at one place, one behind the other


@dataclass(frozen=True, slots=True)
class Trace:
    """`files` are the texts before the first key, None for a file that is new."""

    root: str  # where the repository was; "" where that is unknown
    revision: str  # the commit, "" where the trace is not from one
    parent: str  # the commit before it, "" for a first one
    files: Mapping[str, str | None]
    keys: tuple[Key, ...]


class Buffer:
    """The text of an open file, as lines that keep their ends. Lines end with LF or CR LF."""

    def __init__(self, text: str) -> None:
        self.lines = _lines(text)

    @property
    def text(self) -> str:
        return "".join(self.lines)

    def press(self, key: Key) -> tuple[int, int]:
        """Type a key. Returns the cursor: line and index from 0. Raises Unusable."""
        row, index = key.line - 1, key.column - 1
        if not 0 <= row < len(self.lines) or index < 0:
            raise Unusable(f"line {key.line} is not in {key.path}")
        last = row + key.removed.count("\n") + 1
        old = "".join(self.lines[row:last])
        if index > len(old.rstrip("\r\n")) or old[index : index + len(key.removed)] != key.removed:
            raise Unusable(f"what {key.path} has at line {key.line} is not what the key changes")
        new = _lines(old[:index] + key.text + old[index + len(key.removed) :])
        if not new[-1] and last < len(self.lines):
            new.pop()  # the end of a line within the file begins no line of its own
        self.lines[row:last] = new
        typed = key.text.split("\n")
        return row + len(typed) - 1, len(typed[-1]) + index * (len(typed) == 1)

    def before(self, cursor: tuple[int, int]) -> str:
        """All text that stands before a cursor."""
        row, index = cursor
        return "".join(self.lines[:row]) + self.lines[row][:index]


def _lines(text: str) -> list[str]:
    *whole, rest = text.split("\n")
    return [*(line + "\n" for line in whole), rest]


def dump(trace: Trace, stream: IO[str]) -> None:
    """Write a trace as JSON lines."""
    head = {"root": trace.root, "revision": trace.revision, "parent": trace.parent}
    rows: list[dict[str, Any]] = [{"trace": VERSION, **head}]
    rows += [{"path": path, "before": text} for path, text in trace.files.items()]
    rows += map(asdict, trace.keys)
    stream.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def load(path: Path, most_keys: int = MAX_KEYS) -> Trace:
    """Read a trace, its first `most_keys` keys. Raises Unusable, with the line that is wrong."""
    head: dict[str, str] = {}
    files: dict[str, str | None] = {}
    keys: list[Key] = []
    for number, line in enumerate(_read(path).split("\n"), 1):
        try:
            row = json.loads(line) if line.strip() else {}
            if row and not head:
                head = _head(row)
            elif "before" in row:
                files[_path(row["path"])] = _before(row["before"])
            elif row and len(keys) < most_keys:
                keys.append(_key(row, files))
        except (KeyError, TypeError, ValueError, RecursionError) as error:  # noqa: PERF203  it ends the loop
            why = f"no {error}" if isinstance(error, KeyError) else str(error)
            raise Unusable(f"{path}:{number}: not a trace: {why[:WHY_CHARS]}") from error
    if not keys:
        raise Unusable(f"{path}: not a trace: it has no keys")
    trace = Trace(head["root"], head["revision"], head["parent"], files, tuple(keys))
    for _ in played(trace):
        pass  # a key that does not fit is found before any server is started
    return trace


def played(trace: Trace) -> Iterator[tuple[Key, Buffer, tuple[int, int]]]:
    """Each key with the file as it is then and the cursor in it. Raises Unusable."""
    buffers = {path: Buffer(text or "") for path, text in trace.files.items()}
    for key in trace.keys:
        cursor = buffers[key.path].press(key)
        yield key, buffers[key.path], cursor


def shared_start(text: str, other: str) -> int:
    """How many characters two texts have in common from their start."""
    pairs = zip(text, other, strict=False)
    return next(
        (number for number, (a, b) in enumerate(pairs) if a != b), min(len(text), len(other))
    )


def check_text(path: str, text: str) -> None:
    """Raise Unusable for text whose lines editors would count otherwise than we do."""
    if "\r" in text.replace("\r\n", ""):
        raise Unusable(f"{path}: lines that end with CR alone are not traced")


def _read(path: Path) -> str:
    try:
        if path.stat().st_size > MAX_TRACE_BYTES:
            raise Unusable(f"{path}: larger than {MAX_TRACE_BYTES >> 20} MB")
        return path.read_text("utf-8")
    except OSError as error:
        raise Unusable(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise Unusable(f"{path}: not a trace: not UTF-8") from error


def _head(row: Mapping[str, Any]) -> dict[str, str]:
    if row["trace"] != VERSION:
        raise ValueError(f"version {row['trace']!r} is not {VERSION}")
    names = {name: _word(row[name], name) for name in ("root", "revision", "parent")}
    if not all(_COMMIT.fullmatch(names[name]) for name in ("revision", "parent")):
        raise ValueError("the commits are not full names")  # words that git would take for options
    return names


def _before(value: object) -> str | None:
    if value is None:
        return None
    text = _word(value, "before")
    if len(text) > MAX_FILE_BYTES:
        raise ValueError(f"a file above {MAX_FILE_BYTES} characters")
    check_text("a file", text)
    return text


def _key(row: Mapping[str, Any], files: Mapping[str, str | None]) -> Key:
    at_s = row["at_s"]
    if not isinstance(at_s, int | float) or isinstance(at_s, bool) or not 0 <= at_s < 1e6:  # noqa: PLR2004  eleven days
        raise ValueError("at_s is not a time")
    if row["path"] not in files:
        raise ValueError("a key in a file that the trace does not have")
    line, column, hunk = (_whole(row[name], name) for name in ("line", "column", "hunk"))
    removed, text = _word(row["removed"], "removed"), _word(row["text"], "text")
    if not removed and not text:
        raise ValueError("a key that does nothing")
    check_text("a key", text)
    return Key(float(at_s), row["path"], line, column, removed, text, hunk)


def _path(value: object) -> str:
    """A path below the root, which a scratch copy may write to; never a file of secrets."""
    path = _word(value, "path")
    parts = PurePosixPath(path).parts
    odd = not path or path.startswith("/") or ".." in parts or "\\" in path or "\0" in path
    if odd or windows_problem(path):
        raise ValueError(f"{path[:40]!r} is not a path within a repository")
    if any(builtin_reason("/".join(parts[: end + 1])) for end in range(len(parts))):
        raise ValueError(f"{path[:40]!r} is not a file that is read")
    return path


def _word(value: object, name: str) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{name} is not text")
    value.encode("utf-8")  # half a character is a ValueError
    return value


def _whole(value: object, name: str) -> int:
    if type(value) is not int:
        raise TypeError(f"{name} is not a whole number")
    return value
