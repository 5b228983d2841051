# SPDX-License-Identifier: Apache-2.0
"""Stack traces as people paste them: text in, frames out.

Python (pytest too), Go, Rust, Java, C#, Ruby and Node are read, with their chains of causes; in a
log's prefix, quoted, coloured or without indentation. Paths are as written. It knows no repository:
whether a file is there, and where, is for others to say.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MAX_CHARS = 500_000  # of a text; a log that is longer is read up to here
MAX_LINE_CHARS = 600  # of a line; no frame is longer, and patterns stay quick
MAX_FRAMES = 200  # of a trace, the innermost; an endless recursion has a thousand alike

_COLOUR = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_QUOTING = re.compile(r"^(?:>[ \t]?)+", re.MULTILINE)


class Frame(NamedTuple):
    """A call. `path` is as written, for Java and its like with the folders of its package."""

    path: str
    line: int
    function: (
        str  # as written: `Shop.buy`, `main.(*Shop).Buy`, `<module>`; "" where it does not say
    )
    name: str  # its last name alone, of what surrounds it where it has none; "" where none is known


class Trace(NamedTuple):
    """One error with the calls that led to it, the innermost first."""

    language: str
    error: str  # its kind: `ValueError`, `java.lang.IllegalStateException`, `panic`; "" for unknown
    message: str  # its first line
    frames: tuple[Frame, ...]


def read(text: str) -> tuple[Trace, ...]:
    """The traces in a text, the one that led to the others first. () where there is none."""
    text = _COLOUR.sub("", text[:MAX_CHARS]).replace("\r\n", "\n")
    text = "\n".join(line[:MAX_LINE_CHARS] for line in _QUOTING.sub("", text).split("\n"))
    best: tuple[Trace, ...] = ()
    for format_ in _FORMATS:
        found = tuple(_traces(format_, text))
        if _size(found) > _size(best):
            best = found
    return best


def _size(traces: tuple[Trace, ...]) -> int:
    return sum(len(trace.frames) for trace in traces)


@dataclass(frozen=True, slots=True)
class _Format:
    """How one language prints a trace. Patterns have the groups path, line, fn; kind, message."""

    language: str
    frames: tuple[re.Pattern[str], ...]
    error: re.Pattern[str]
    begin: re.Pattern[str]  # of a trace
    name: Callable[[str], str]  # the plain name in a function as it is written
    innermost_last: bool = False  # and the error behind it
    cause_last: bool = False  # a trace is followed by the one that caused it
    handling: str = ""  # a trace behind these words was no consequence of the one before
    thread: re.Pattern[str] | None = None  # how each begins; only the first has the error
    panic: str = ""  # the kind of all errors


def _traces(format_: _Format, text: str) -> Iterator[Trace]:
    starts = [match.start() for match in format_.begin.finditer(text)]
    bounds = [0, *starts, len(text)]
    found: list[Trace] = []
    for start, end in pairwise(bounds):
        trace = _trace(format_, text[start:end])
        if trace is None:
            continue
        if format_.handling and format_.handling in text[max(0, start - 120) : start]:
            found.insert(0, trace)
        else:
            found.append(trace)
    return reversed(found) if format_.cause_last else iter(found)


def _trace(format_: _Format, block: str) -> Trace | None:
    threads = list(format_.thread.finditer(block)) if format_.thread else []
    if len(threads) > 1:
        block = block[: threads[1].start()]
    matches = [match for pattern in format_.frames for match in pattern.finditer(block)]
    matches.sort(key=lambda match: match.start("path"))
    if not matches:
        return None
    error = (_error_behind if format_.innermost_last else _error_before)(format_, block, matches)
    frames = [frame for match in matches if (frame := _frame(format_, match))]
    if format_.innermost_last:
        frames.reverse()
    once = [frame for at, frame in enumerate(frames) if not _told_better(frame, frames, at)]
    kind = format_.panic or (error["kind"] if error else "")
    message = (error["message"] or "").strip() if error else ""
    return Trace(format_.language, kind, message, tuple(once[:MAX_FRAMES]))


def _frame(format_: _Format, match: re.Match[str]) -> Frame:
    function = (match.groupdict().get("fn") or "").strip()
    path, line = match["path"].strip(), int(match["line"])
    if format_.language == "java":
        return _java_frame(path, line, function)
    if format_.language == "go":
        function = re.sub(r"\([^()]*\)$", "", function)
    return Frame(path, line, function, format_.name(function))


def _told_better(frame: Frame, frames: list[Frame], at: int) -> bool:
    """Whether the place of the error comes again, with its function."""
    return not frame.function and any(
        other.function and other.line == frame.line and _base(other.path) == _base(frame.path)
        for other in frames[at + 1 :]
    )


def _base(path: str) -> str:
    return path.replace("\\", "/").rpartition("/")[2]


def _error_before(
    format_: _Format, block: str, matches: list[re.Match[str]]
) -> re.Match[str] | None:
    """The last one that begins before the first frame ends; else the first of all."""
    found = list(format_.error.finditer(block))
    before = [match for match in found if match.start() < matches[0].end()]
    return before[-1] if before else next(iter(found), None)


def _error_behind(
    format_: _Format, block: str, matches: list[re.Match[str]]
) -> re.Match[str] | None:
    """The first one behind the last frame that is indented less; else the last of all."""
    last = matches[-1]
    found = [match for match in format_.error.finditer(block) if match.start("kind") > last.start()]
    for match in found:
        if _column(block, match.start("kind")) < max(1, _column(block, last.start())):
            return match
    return found[-1] if found else None


def _column(block: str, at: int) -> int:
    return at - block.rfind("\n", 0, at) - 1


# Plain names.


def _python_name(function: str) -> str:
    return "" if function.startswith("<") else function.rpartition(".")[2]


def _node_name(function: str) -> str:
    if function.startswith("new "):
        return "constructor"
    name = re.sub(r" \[as [^\]]*\]", "", function).rpartition(".")[2]
    name = name.removeprefix("async ").removeprefix("get ").removeprefix("set ")
    return "" if name.startswith("<") else name.removeprefix("#")


def _go_name(function: str) -> str:
    name = re.sub(r"\[\.\.\.\]|-fm$", "", function.rpartition("/")[2])
    return re.sub(r"(?:\.(?:func|gowrap)?\d+)+$", "", name).rpartition(".")[2]


def _rust_name(function: str) -> str:
    name = re.sub(r"::h[0-9a-f]{16}$", "", function)
    name = re.sub(r"(?:::\{+closure[^}]*\}+)+$", "", name)
    return re.sub(r"::<.*>$", "", name).rpartition("::")[2]


def _sharp_name(function: str) -> str:
    """`<Load>d__5.MoveNext` is the asynchronous Load, `<Main>g__Read|0_0` a Read inside of Main."""
    inner = re.search(r"<\w+>g__(\w+)|<(\w+)>[bd]__", function)
    if inner:
        return inner[1] or inner[2]
    name = re.sub(r"[`\[].*$", "", function)
    return re.sub(r"\.\.c?ctor$", "", name).rpartition(".")[2]


def _ruby_name(function: str) -> str:
    name = re.split(r"[#. ]", function)[-1]
    return "" if name.startswith("<") or name.endswith((">", ")")) else name


def _java_frame(file: str, line: int, written: str) -> Frame:
    """`a.b.Shop$Till.lambda$buy$0` in Shop.java is `Shop.Till.buy` in a/b/Shop.java."""
    *package, owner, method = ("", "", *written.split("."))[-max(2, written.count(".") + 1) :]
    owners = [part for part in owner.split("$") if part and not part.isdigit()]
    inner = re.fullmatch(r"lambda\$(\w+?)\$\d+", method)
    method = inner[1] if inner else method
    name = owners[-1] if method == "<init>" and owners else method
    path = "/".join([*(part for part in package if part), file])
    return Frame(path, line, ".".join([*owners, method]), "" if name.startswith("<") else name)


_KIND = r"(?P<kind>(?:[A-Za-z_]\w*\.)*(?:[A-Z]\w*|\w*(?:[Ee]rror|[Ee]xception)))"
_NEVER = re.compile(r"(?!)")
_LINES = re.MULTILINE
_FORMATS = (
    _Format(
        "python",
        (
            re.compile(r'File "(?P<path>[^"\n]+)", line (?P<line>\d+)(?:, in (?P<fn>[^\n]+))?'),
            re.compile(r"^(?P<path>[^\s:]+\.py):(?P<line>\d+): (?:in (?P<fn>\S+))?", _LINES),
        ),
        re.compile(
            rf"^(?:E[ \t]+|[| \t]*|\S+\.py:\d+: |[^\n]*\|[ \t]+){_KIND}"
            r"(?::[ \t]+(?P<message>\S.*))?[ \t]*$",
            _LINES,
        ),
        re.compile(r"Traceback \(most recent call last\)"),
        _python_name,
        innermost_last=True,
        handling="During handling of the above exception",
    ),
    _Format(
        "go",
        (
            re.compile(
                r"^[ \t]*(?:created by )?(?P<fn>[^\s].*?)(?: in goroutine \d+)?\n"
                r"[ \t]+(?P<path>\S.*?\.(?:go|s)):(?P<line>\d+)(?: \+0x[0-9a-f]+)?[ \t]*$",
                _LINES,
            ),
        ),
        re.compile(r"^[ \t]*(?P<kind>panic|fatal error): (?P<message>.*)$", _LINES),
        re.compile(r"^[ \t]*(?:panic|fatal error): ", _LINES),
        _go_name,
        thread=re.compile(r"^[ \t]*goroutine \d+ \[[^\]\n]*\]:", _LINES),
        panic="panic",
    ),
    _Format(
        "rust",
        (
            re.compile(
                r"panicked at (?:'.*', )?(?P<path>[^'\n]+?):(?P<line>\d+):\d+:?[ \t]*$", _LINES
            ),
            re.compile(
                r"^[ \t]*\d+:[ \t]+(?:0x[0-9a-f]+ - )?(?P<fn>\S.*)\n"
                r"[ \t]+at (?P<path>\S.*?):(?P<line>\d+)(?::\d+)?[ \t]*$",
                _LINES,
            ),
        ),
        re.compile(
            r"(?P<kind>panicked) at (?:[^'\n][^\n]*:\n|(?='))(?P<message>'.*'(?=, )|[^\n]*)"
        ),
        re.compile(r"^.*\bpanicked at ", _LINES),
        _rust_name,
        panic="panic",
    ),
    _Format(
        "java",
        (
            re.compile(
                r"\bat (?:[\w.$@-]*/)*(?P<fn>[\w.$<>]+)"
                r"\((?P<path>[\w$-]+\.(?:java|kt|kts|scala|groovy)):(?P<line>\d+)\)"
            ),
        ),
        re.compile(
            r"(?:^|[ \t])(?P<kind>(?:[a-z_][\w$]*\.)+[A-Z][\w$]*)"
            r"(?::[ \t](?P<message>.*))?$",
            _LINES,
        ),
        re.compile(r"^[ \t]*Caused by: ", _LINES),
        lambda function: function,
        cause_last=True,
    ),
    _Format(
        "csharp",
        (
            re.compile(
                r"\bat (?P<fn>[\w.<>`+|\[\],$]+?)\([^)\n]*\)"
                r" in (?P<path>[^\n]+?):line (?P<line>\d+)"
            ),
        ),
        re.compile(
            r"(?P<kind>(?:\w+\.)*\w+(?:Exception|Error)): (?P<message>.*?)(?= ---> |$)", _LINES
        ),
        _NEVER,
        _sharp_name,
    ),
    _Format(
        "ruby",
        (
            re.compile(
                r"^[ \t]*(?:\d+: )?(?:from )?(?P<path>(?:[A-Za-z]:)?[^\s:]+):(?P<line>\d+)"
                r":in [`'](?P<fn>[^'\n]+)'",
                _LINES,
            ),
        ),
        re.compile(r"(?<=': )(?P<message>[^\n]+) \((?P<kind>[A-Z][\w:]*)\)"),
        _NEVER,
        _ruby_name,
    ),
    _Format(
        "javascript",
        (
            re.compile(
                r"\bat (?:async )?(?P<fn>[^(\n]+?) "
                r"\((?P<path>[^\n]+?):(?P<line>\d+):\d+\)[ \t]*[{]?$",
                _LINES,
            ),
            re.compile(
                r"\bat (?:async )?(?P<path>(?:/|\w+:[/\\])[^\n']*?|[^()\s'][^()\n']*?)"
                r":(?P<line>\d+):\d+[ \t]*[{]?$",
                _LINES,
            ),
        ),
        re.compile(
            r"(?:^|[ \t(])(?P<kind>\w*(?:Error|Exception))(?: \[\w+\])?(?:: (?P<message>.*))?$",
            _LINES,
        ),
        re.compile(r"^.*\[cause\]: ", _LINES),
        _node_name,
        cause_last=True,
    ),
)
