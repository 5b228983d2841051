# SPDX-License-Identifier: Apache-2.0
"""The repository as an agent would leave it: texts over texts, in memory alone.

In: paths and edits as a model writes them, which nobody has checked. Out: texts, `FileChange`s.
A path is decided on as it is spelled and as it is resolved; what may be read by a model is the
session's to say. Nothing is written anywhere. Knows no model and no tool.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from indexer.files import Source
from lsp_server import guard
from lsp_server.actions import text_form, touchable
from lsp_server.actions.types import FileChange, Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from indexer.snapshot import Snapshot
    from lsp_server.actions.types import Target

MAX_FILES = 32  # changed in one go: more than that nobody looks through
MAX_FILE_BYTES = 1_048_576  # as large as files are that the index reads
MAX_CHANGED_BYTES = 4 * MAX_FILE_BYTES  # in all
MAX_PATH_CHARS = 400
PLACES_SAID = 5  # where an ambiguous text is


@dataclass(slots=True)
class _Text:
    """A file that was looked at. `before` None: there is none yet."""

    before: str | None
    now: str | None
    version: int | None = None
    encoding: str = "utf-8"


class Shadow:
    """One agent's view. Used from one thread at a time."""

    def __init__(self, it: Target, may_read: Callable[[Path], bool]) -> None:
        """Raises Refused for a file outside of any index."""
        if it.snapshot is None:
            raise Refused("this file belongs to no repository that is indexed")
        self.snapshot: Snapshot = it.snapshot
        self.root = Path(it.snapshot.root)
        self._it = it
        self._may_read = may_read
        self._texts: dict[str, _Text] = {}
        self._edited: dict[str, None] = {}  # in the order of their first edit

    # -- what there is -----------------------------------------------------------------------

    def place(self, path: str) -> str:
        """The file that a path means, relative to the root. Raises Refused."""
        spelled = _spelled(path)
        asked = self.root.joinpath(*spelled.split("/"))
        try:
            real = asked.resolve()
        except (OSError, RuntimeError, ValueError) as error:  # a loop of links, a NUL
            raise Refused(f"{_short(path)} cannot be looked up") from error
        if not real.is_relative_to(self.root) or real == self.root:
            raise Refused(f"{_short(path)} is outside of the repository")
        if real.is_dir():
            raise Refused(f"{_short(path)} is a folder")
        if not (self._may_read(asked) and self._may_read(real)):
            raise Refused(f"{_short(path)} may not be read: it is excluded, or holds secrets")
        return real.relative_to(self.root).as_posix()

    def readable(self, path: str) -> bool:
        """Whether a path of the index may be shown still."""
        try:
            return self.place(path) == path
        except Refused:
            return False

    def text(self, path: str) -> str:
        """A file's text as it would be. Raises Refused where there is none."""
        now = self._at(path).now
        if now is None:
            raise Refused(f"there is no file {_short(path)}")
        return now

    def own(self) -> Iterator[tuple[str, str]]:
        """Files whose text the search index does not have: open ones, edited ones."""
        for path in sorted({self._it.path, *self._it.open, *self._edited}):
            if self.readable(path) and (now := self._at(path).now) is not None:
                yield path, now

    def edited(self, path: str) -> bool:
        return path in self._edited

    def _at(self, path: str) -> _Text:
        known = self._texts.get(path)
        if known is None:
            known = self._texts[path] = self._look(path)
        return known

    def _look(self, path: str) -> _Text:
        it = self._it
        document = it.document if path == it.path else it.open.get(path)
        if document is not None:
            return _Text(document.text, document.text, document.version)
        found = self.snapshot.saved(path)
        if isinstance(found, Source):
            text = ("\ufeff" if found.bom else "") + found.data.decode()
            return _Text(text, text, encoding=found.encoding)
        if found.reason == "vanished":
            return _Text(None, None)
        if found.reason == "empty":
            return _Text("", "")
        raise Refused(f"{_short(path)} is not read: {guard.in_words(found.reason)}")

    # -- what would be -----------------------------------------------------------------------

    def edit(self, path: str, old: str, new: str) -> str:
        """Replace the one place where `old` stands; "" makes a new file. Says what was done.

        Line ends are the file's own, however `old` and `new` have them. Raises Refused.
        """
        known = self._at(path)
        self._allowed(path, known)
        old, new = old.replace("\r\n", "\n"), new.replace("\r\n", "\n")
        if old == new:
            raise Refused("`old` and `new` are the same: nothing would change")
        if not old:
            after, said = self._created(path, known, new), f"{path}: made"
        else:
            after, said = _exchanged(path, self.text(path), old, new)
        self._keep(path, known, after)
        return said

    def _created(self, path: str, known: _Text, new: str) -> str:
        if known.now:
            raise Refused(f"{path} exists: `old` must be a part of it")
        return new if new.endswith("\n") else f"{new}\n"

    def _allowed(self, path: str, known: _Text) -> None:
        problem = touchable.name_problem(path, self._it.path)
        if not problem and known.before is None:
            problem = touchable.new_file_problem(path, self._it.path)
        if problem:
            raise Refused(f"{path} {problem}")

    def _keep(self, path: str, known: _Text, after: str) -> None:
        allowed, encoding = self._it.instruction, known.encoding
        if problem := text_form.problem(
            known.before or "", after, encoding=encoding, allowed=allowed
        ):
            raise Refused(f"{path}: {problem}")
        if len(after.encode()) > MAX_FILE_BYTES:
            raise Refused(f"{path} would have over {MAX_FILE_BYTES:,} bytes")
        if path not in self._edited and len(self._edited) == MAX_FILES:
            raise Refused(f"{MAX_FILES} files are changed: no more of them")
        others = sum(len((self._at(p).now or "").encode()) for p in self._edited if p != path)
        if others + len(after.encode()) > MAX_CHANGED_BYTES:
            raise Refused(f"the changed files would have over {MAX_CHANGED_BYTES:,} bytes")
        known.now = after
        self._edited[path] = None

    def changes(self) -> tuple[FileChange, ...]:
        """What was changed, whole. Raises Refused where a file may not be touched any more."""
        found = []
        for path in self._edited:
            known = self._texts[path]
            if known.now is None or known.now == known.before:
                continue
            if self.place(path) != path:
                raise Refused(f"{path} is another file now")
            found.append(FileChange(path, known.before, known.now, known.version))
        return tuple(found)


def _spelled(path: str) -> str:
    """A relative path without tricks, by the rules of every system. Raises Refused."""
    path = path.removeprefix("./")
    problem = touchable.spelling_problem(path)
    if problem or len(path) > MAX_PATH_CHARS:
        raise Refused(f"{_short(path)} {problem or 'is too long'}; name files as folder/file.py")
    return path


def _exchanged(path: str, text: str, old: str, new: str) -> tuple[str, str]:
    """The text after, and what was done in words."""
    pattern = re.compile("\r?\n".join(map(re.escape, old.split("\n"))))
    first = pattern.search(text)
    if first is None:
        raise Refused(f"`old` is not in {path}{_almost(text, old)}")
    lines = [text.count("\n", 0, first.start()) + 1]
    again = pattern.search(text, first.start() + 1)
    while again is not None and len(lines) < PLACES_SAID:
        lines.append(text.count("\n", 0, again.start()) + 1)
        again = pattern.search(text, again.start() + 1)
    if len(lines) > 1:
        places = ", ".join(map(str, lines))
        raise Refused(f"`old` is more than once in {path}, at lines {places}: take more lines")
    ends = _newline(first[0]) or _newline(text) or "\n"
    after = text[: first.start()] + new.replace("\n", ends) + text[first.end() :]
    was, now = old.count("\n") + 1, new.count("\n") + 1 if new else 0
    return after, f"{path}: lines {was} -> {now} at line {lines[0]}"


def _newline(text: str) -> str:
    """The first line end of a text, "" where it has none."""
    at = text.find("\n")
    if at < 0:
        return ""
    return "\r\n" if text[max(0, at - 1) : at] == "\r" else "\n"


def _almost(text: str, old: str) -> str:
    words = r"\s+".join(map(re.escape, old.split()))
    if words and re.search(words, text):
        return ", but with other white space: copy it exactly"
    return ": read the file and copy from it exactly"


def _short(path: str) -> str:
    return ascii(path[:80])
