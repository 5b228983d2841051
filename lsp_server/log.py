# SPDX-License-Identifier: Apache-2.0
"""The log: small, and without the user's text.

In: records of the standard library's logging. Out: one line each, in a file of this process in
the given folder, and warnings on stderr. Nothing ever goes to stdout, which belongs to the
protocol. It knows no settings and no protocol. Lines are shortened, long quotations and the home
folder are removed, repeats are counted instead of written, and all files together stay small.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import sys
import time
import traceback
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Callable

Level = Literal["debug", "info", "warning", "error"]

# Together at most 16 MB, below the 20 MB of S11: eight processes with two files of 1 MB each.
MAX_FILE_BYTES: Final = 1_000_000
MAX_PROCESSES: Final = 8
MAX_LINE_CHARS: Final = 500  # a reason with two paths fits; a function of source does not
MAX_MESSAGE_CHARS: Final = 4_000  # what is longer is not looked through, only named by its length
MAX_QUOTE_CHARS: Final = 40  # a name or an option fits; a line of source mostly does not
BURST: Final = 20  # lines that one place in the code may write ...
WINDOW_S: Final = 10.0  # ... within this time

OURS: Final = ("lsp_server", "indexer", "engine")
# Their lines carry whole messages, and so whole documents, at every level from debug to error.
SILENCED: Final = ("pygls", "lsprotocol")

_QUOTED: Final = re.compile(r"""(['"`])((?:\\.|(?!\1)[^\\])*)\1""", re.DOTALL)
_FRAMES: Final = 3  # of a traceback: where it broke and who called


def set_up(folder: Path, level: Level = "info", *, stderr: bool = True) -> Path | None:
    """Send all logging to a file in `folder`; returns its path.

    Repeating it replaces the earlier set-up. A folder that cannot be written leaves stderr only:
    one warning, and None.
    """
    close()
    silence_libraries()
    root = logging.getLogger()
    root.setLevel(logging.WARNING)
    set_level(level)
    if stderr:
        root.addHandler(_dressed(_Stderr(sys.stderr), logging.WARNING))
    try:
        path = _fresh_file(folder)
    except OSError as error:
        root.warning("no log file: %s", error.strerror or type(error).__name__)
        return None
    root.addHandler(_dressed(_File(path), logging.DEBUG))
    return path


def set_level(level: Level) -> None:
    """How much our own modules write; other libraries never write less than warnings."""
    for name in OURS:
        logging.getLogger(name).setLevel(level.upper())


def silence_libraries() -> None:
    """Keep the lines of the protocol libraries out of every log, whatever the level."""
    for name in SILENCED:
        logger = logging.getLogger(name)
        logger.setLevel(logging.CRITICAL + 1)
        logger.propagate = False  # their children may set levels of their own, but end here


def close() -> None:
    """Flush and take away what `set_up` added."""
    root = logging.getLogger()
    for handler in [h for h in root.handlers if isinstance(h, _Stderr | _File)]:
        root.removeHandler(handler)
        with contextlib.suppress(OSError, ValueError):  # what is still buffered has no room
            handler.close()


def redact(text: str) -> str:
    """One short line without long quotations, further lines or the name of the home folder."""
    if len(text) > MAX_MESSAGE_CHARS:
        start = re.split(r"['\"`\r\n]", text[:MAX_QUOTE_CHARS], maxsplit=1)[0]
        text = f"{start}<{len(text)} characters>"
    text = _QUOTED.sub(_shorten_quotation, text)
    first, *others = text.splitlines() or [""]
    text = f"{first} <{len(others)} more lines>" if others else first
    home = str(Path.home())
    if len(home) > 1:  # "/" would match everywhere
        text = re.sub(re.escape(home) + r"(?![\w.-])", "~", text)
    if not text.isprintable():
        text = "".join(char if char.isprintable() else " " for char in text)
    return text if len(text) <= MAX_LINE_CHARS else text[: MAX_LINE_CHARS - 1] + "…"


def _shorten_quotation(match: re.Match[str]) -> str:
    quote, inside = match.group(1), match.group(2)
    if len(inside) <= MAX_QUOTE_CHARS and "\n" not in inside:
        return match.group(0)
    return f"{quote}<{len(inside)} characters>{quote}"


class _Line(logging.Formatter):
    """A record as one redacted line; an exception as its message and the places it came through."""

    def format(self, record: logging.LogRecord) -> str:
        message = record.getMessage()
        if record.exc_info and record.exc_info[1] is not None:
            message += f": {_exception_line(record.exc_info[1])}"
        if swallowed := getattr(record, "swallowed", 0):
            message += f" ({swallowed} more like this were not written)"
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(record.created))
        return f"{stamp} {record.levelname.lower()} {record.name}: {redact(message)}"


def _exception_line(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)[-_FRAMES:]
    places = " < ".join(f"{Path(f.filename).name}:{f.lineno}" for f in reversed(frames))
    return f"{type(error).__name__}: {redact(str(error))[:200]} ({places})"


class _Repeats(logging.Filter):
    """Lets each place in the code write a burst a window, then says how many it swallowed.

    Keyed by place, not by text: texts have numbers in them, and places are few.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._seen: dict[tuple[str, int], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        key, now = (record.pathname, record.lineno), self._clock()
        since, count = self._seen.get(key, (now, 0))
        record.swallowed = 0  # each handler counts for itself, just before it formats
        if now - since >= WINDOW_S:
            record.swallowed = max(0, count - BURST)
            since, count = now, 0
        self._seen[key] = (since, count + 1)
        return count < BURST


class _Quiet:
    """A log that cannot be written (full disk, closed stderr) must not stop or fill anything."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  logging's name
        del record


class _Stderr(_Quiet, logging.StreamHandler):  # type: ignore[type-arg]  # subscripting fails at run time in 3.10
    pass


class _File(_Quiet, RotatingFileHandler):
    def __init__(self, path: Path) -> None:
        super().__init__(
            path, maxBytes=MAX_FILE_BYTES, backupCount=1, encoding="utf-8", errors="replace"
        )


def _dressed(handler: logging.Handler, level: int) -> logging.Handler:
    handler.setLevel(level)
    handler.setFormatter(_Line())
    handler.addFilter(_Repeats())
    return handler


def _fresh_file(folder: Path) -> Path:
    """A file of this process alone: two servers cannot rotate one file between them."""
    folder.mkdir(parents=True, exist_ok=True)
    old = sorted(folder.glob("server-*.log"), key=_modified, reverse=True)
    for path in old[MAX_PROCESSES - 1 :]:
        for name in (path, path.with_name(path.name + ".1")):
            with contextlib.suppress(OSError):  # gone already, or still open (Windows)
                name.unlink()
    return folder / f"server-{os.getpid()}.log"


def _modified(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
