# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: PTH100, PTH117, PTH118, PTH119  strings: Path objects take ten times as long
"""Which files may be read: one decision for every reader, made on the resolved path.

In: absolute paths, as an editor, a listing or an import names them. Out: a `Decision` with a
reason, or a file handle that is proven to be the file that was decided on.
It does not know what a file is for, nor git: `.gitignore` only shortens a listing, in `files.py`.
"""

from __future__ import annotations

import errno
import hashlib
import io
import ntpath
import os
import re
import stat
import sys
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from pathspec import GitIgnoreSpec

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from contextlib import AbstractContextManager

IGNORE_FILE = ".ghostwrightignore"
MAX_IGNORE_BYTES = 65_536  # an ignore file is some lines; a longer one is something else
MAX_WILDCARDS = 4  # in a line: matching takes name_length ** wildcards, and strangers write lines

VCS_NAMES = frozenset(
    {
        ".git",
        ".hg",
        ".svn",
        ".bzr",
        "cvs",
        "_darcs",
        ".jj",
        ".pijul",
        ".sl",
        "_fossil_",
        ".fslckout",
    }
)
# Control, bidirectional and invisible characters and lone surrogates: such a name could break out
# of the line it is shown in, cannot be stored as UTF-8, or is `.git` to a Mac's file system.
_ODD_CHARACTER = re.compile(
    "[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]"
)
_WINDOWS_DEVICE = re.compile(
    r"(con|prn|aux|nul|com\d|lpt\d|conin\$|conout\$)\s*(\..*)?", re.IGNORECASE
)
_SEPARATOR = re.compile(r"[\\/]")
_FOLDS_CASE = sys.platform in ("win32", "darwin")

_ANY_KIND = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0)
_FOLDER_FLAGS = _ANY_KIND | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_PATH", os.O_RDONLY)
_FILE_FLAGS = (
    _ANY_KIND
    | os.O_RDONLY
    | getattr(os, "O_NONBLOCK", 0)  # a FIFO without a writer opens at once
    | getattr(os, "O_NOCTTY", 0)
    | getattr(os, "O_BINARY", 0)
    | getattr(os, "O_NOINHERIT", 0)
)
# What opening without following a link says when a link, or a file, stands where a folder was.
_SWAPPED_ERRNOS = frozenset({errno.ELOOP, errno.EMLINK, errno.ENOTDIR})


@dataclass(frozen=True, slots=True)
class Decision:
    """May this path be read? A path that does not exist may: it can be a buffer not yet saved.

    reason: "" when allowed, else one of not-absolute, bad-name, traversal, device, outside-root,
    symlink-out, symlink-loop, vcs, secret, excluded, not-regular, unreadable, swapped, huge.
    relative, root: the resolved place, forward slashes; both "" where it is outside every root.
    """

    allowed: bool
    reason: str = ""
    relative: str = ""
    root: str = ""
    via_link: bool = False  # asked for by another name than its own


class Refused(Exception):
    """The policy does not let this file be read; `decision.reason` says why."""

    def __init__(self, decision: Decision) -> None:
        super().__init__(f"not readable by policy: {decision.reason}")
        self.decision = decision


@dataclass(frozen=True, slots=True)
class Opened:
    """An open regular file, unbuffered, that is the file that was decided on."""

    decision: Decision
    file: io.FileIO
    stat: os.stat_result  # taken before any read: a later write shows as another mtime


@dataclass(frozen=True, slots=True)
class Root:
    """A workspace folder. `rules` is None where its ignore file cannot be read: nothing may be."""

    given: str
    real: str
    rules: GitIgnoreSpec | None
    label: str = ""  # ".ssh/" where that is the root: a dot folder's name says what it holds

    def relative(self, place: str) -> str | None:
        """The path below this root, forward slashes, "" for the root; None where it is outside."""
        below = _below(self.real, place)
        return _below(self.given, place) if below is None else below


@dataclass(frozen=True, slots=True)
class Policy:
    """The rules of one workspace, fixed when loaded: load again when an ignore file changes."""

    roots: tuple[Root, ...]  # deepest first
    user_rules: GitIgnoreSpec
    problems: tuple[str, ...] = ()  # lines for the user

    @classmethod
    def load(
        cls, roots: Iterable[str | os.PathLike[str]], user_excludes: Iterable[str] = ()
    ) -> Policy:
        """Read each root's `.ghostwrightignore`. Never raises; what is wrong is in `problems`."""
        user_rules, problems = compile_rules(user_excludes, "the setting `exclude`")
        loaded = []
        for given in roots:
            root, more = _load_root(os.path.abspath(given))
            loaded.append(root)
            problems += more
        loaded.sort(key=lambda root: len(root.real), reverse=True)
        return cls(tuple(loaded), user_rules, tuple(problems))

    def decide(self, path: str | os.PathLike[str]) -> Decision:
        """Decide on one absolute path, from what is on the disk now. Never raises."""
        return _Judge(self).decide(os.fspath(path))

    def decide_all(self, paths: Iterable[str]) -> Iterator[Decision]:
        """Decide on many, resolving each folder once: for a listing, within one moment."""
        judge = _Judge(self)
        return (judge.decide(path) for path in paths)

    def open_checked(self, path: str | os.PathLike[str]) -> AbstractContextManager[Opened]:
        """Decide and open, as `open_decided`."""
        return open_decided(self.decide(path))

    def read_checked(self, path: str | os.PathLike[str], limit_bytes: int) -> bytes:
        """The whole file. Raises Refused ("huge" above the limit, of which no more is read)."""
        with self.open_checked(path) as opened:
            data = read_up_to(opened.file, limit_bytes + 1)
        if len(data) > limit_bytes:
            raise Refused(replace(opened.decision, allowed=False, reason="huge"))
        return data


@dataclass(frozen=True, slots=True)
class _Judge:
    """One moment's view of the disk. What it remembers is not kept for the next question."""

    policy: Policy
    real_folders: dict[str, str] = field(default_factory=dict)
    homes: dict[str, list[tuple[Root, str]]] = field(default_factory=dict)
    folder_reasons: dict[tuple[str, str], str] = field(default_factory=dict)

    def decide(self, path: str) -> Decision:
        if problem := self._spelling_problem(path):
            return Decision(allowed=False, reason=problem)
        path = os.path.normpath(path)  # only now: some versions of it cut a path at a NUL
        folder, name, mode = self._resolve(path)
        homes = self._homes(folder)
        if not homes:
            inside = any(root.relative(path) for root in self.policy.roots)
            return Decision(allowed=False, reason="symlink-out" if inside else "outside-root")
        root, prefix = homes[0]
        via_link = root.relative(path) != prefix + name
        reason = self._place_reason(homes, name)
        if not reason and via_link:
            reason = self._asked_reason(path)
        reason = reason or _kind_reason(mode)
        return Decision(not reason, reason, prefix + name, root.real, via_link)

    def _spelling_problem(self, path: str) -> str:
        if not os.path.isabs(path):
            return "not-absolute"
        if _ODD_CHARACTER.search(path):
            return "bad-name"
        if ".." in path and ".." in _SEPARATOR.split(path):
            return "traversal"
        if os.name == "nt":
            below = (root.relative(path) for root in self.policy.roots)
            return windows_problem(next((rest for rest in below if rest is not None), path))
        return ""

    def _resolve(self, path: str) -> tuple[str, str, int]:
        """Real folder, name and mode of what is there: 0 for nothing, -1 for not to be seen."""
        folder, name = os.path.split(path)
        real_folder = self._real_folder(folder)
        place = path if real_folder == folder else os.path.join(real_folder, name)
        mode = _mode(place)
        if mode <= 0 or not stat.S_ISLNK(mode):
            return real_folder, name, mode
        place = _real(place)
        return *os.path.split(place), _mode(place)

    def _real_folder(self, folder: str) -> str:
        """As `_real`, from what is known of the folders above; paths may be very deep."""
        known, above, below = self.real_folders, folder, []
        while above not in known:
            parent, name = os.path.split(above)
            if not name or os.name == "nt":  # junctions look like folders there
                known[above] = _real(above)
            else:
                below.append(name)
                above = parent
        for name in reversed(below):
            real = os.path.join(known[above], name)
            above = os.path.join(above, name)
            known[above] = real if stat.S_ISDIR(_mode(real)) else _real(real)
        return known[folder]

    def _homes(self, folder: str) -> list[tuple[Root, str]]:
        """Every root that contains a real folder, deepest first, with the prefix below it."""
        homes = self.homes.get(folder)
        if homes is None:
            homes = []
            for root in self.policy.roots:
                if (below := _below(root.real, folder)) is not None:
                    homes.append((root, below + "/" if below else ""))
            self.homes[folder] = homes
        return homes

    def _place_reason(self, homes: list[tuple[Root, str]], name: str) -> str:
        for root, prefix in homes:
            reason = self._folder_reason(root, prefix) or self._name_reason(root, prefix + name)
            if reason:
                return reason
        return ""

    def _asked_reason(self, path: str) -> str:
        """A link called `.env` is refused too: what it points to is what `.env` would hold."""
        for root in self.policy.roots:
            asked = root.relative(path)
            if asked:
                folder, _, name = asked.rpartition("/")
                return self._place_reason([(root, folder + "/" if folder else "")], name)
        return ""

    def _folder_reason(self, root: Root, prefix: str) -> str:
        """Why nothing below `prefix` ("" or "a/b/") may be read, the folders above it included."""
        key = (root.real, prefix)
        reason = self.folder_reasons.get(key)
        if reason is None:
            above = prefix[:-1].rpartition("/")[0]
            if prefix:
                reason = self._folder_reason(root, above + "/" if above else "")
                reason = reason or self._name_reason(root, prefix)
            else:
                reason = "excluded" if root.rules is None else builtin_reason(root.label)
            self.folder_reasons[key] = reason
        return reason

    def _name_reason(self, root: Root, relative: str) -> str:
        """The rules on one path; a folder's ends with a slash. Folders above are not looked at."""
        if reason := builtin_reason(root.label + relative):
            return reason
        spelled = relative.casefold() if _FOLDS_CASE else relative
        for rules in (root.rules, self.policy.user_rules):
            if rules and rules.match_file(spelled):
                return "excluded"
        return ""


@contextmanager
def open_decided(decision: Decision, way: Way | None = None) -> Iterator[Opened]:
    """Open what was allowed; never blocks on a FIFO, a device or a socket.

    The decision may be old: only a regular file at that very place, reached without a link, is
    opened. `way`: to the file before, for many in order. Raises Refused, also when the path was
    swapped since; OSError otherwise.
    """
    if not decision.allowed:
        raise Refused(decision)
    try:
        if way is None:
            handle = open_below(decision.root, decision.relative)
        else:
            handle = way.open(decision.root, decision.relative)
    except OSError as error:
        if error.errno in _SWAPPED_ERRNOS:
            raise Refused(replace(decision, allowed=False, reason="swapped")) from None
        raise
    with io.FileIO(handle) as file:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            raise Refused(replace(decision, allowed=False, reason="not-regular"))
        yield Opened(decision, file, status)


def _below(base: str, place: str) -> str | None:
    if place == base:
        return ""
    start = base if base.endswith(os.sep) else base + os.sep
    return place[len(start) :].replace(os.sep, "/") if place.startswith(start) else None


def builtin_reason(relative: str) -> str:
    """What no setting can take back: version control's own files, and secrets."""
    folded = relative.casefold()
    name = folded.rstrip("/").rpartition("/")[2]
    if name in VCS_NAMES:
        return "vcs"
    plain_names, needle = _secret_names()
    if (name in plain_names or needle.search(name)) and _secret_rules().match_file(folded):
        return "secret"
    return ""


@cache
def _secret_patterns() -> list[str]:
    lines = Path(__file__).with_name("exclude.txt").read_text("utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


@cache
def _secret_names() -> tuple[frozenset[str], re.Pattern[str]]:
    """What the last name of every path that matches `exclude.txt` has: it is one of these names,
    or holds one of these literals. Most paths are passed by that, in a microsecond.
    """
    last_names = [pattern.rstrip("/").rpartition("/")[2] for pattern in _secret_patterns()]
    needles = {max(name.split("*"), key=len) for name in last_names if "*" in name}
    return frozenset(last_names), re.compile("|".join(map(re.escape, sorted(needles))))


@cache
def _secret_rules() -> GitIgnoreSpec:
    """`exclude.txt`. Compiled when a name looks like it: that takes 50 ms."""
    rules, problems = compile_rules(_secret_patterns(), "exclude.txt", fold=True)
    assert not problems, problems
    return rules


def compile_rules(
    lines: Iterable[str], source: str, *, fold: bool = _FOLDS_CASE
) -> tuple[GitIgnoreSpec, list[str]]:
    """Gitignore lines to rules, and one message for each line that was not taken as it is.

    A line of too many wildcards is cut after the last one that is allowed, which can only make
    it match more: to exclude too much is the safe error.
    """
    kept: list[str] = []
    problems: list[str] = []
    for raw in lines:
        line = raw.rstrip("\r\n")
        if cut := re.match(rf"(?:[^*]*\*+){{{MAX_WILDCARDS}}}(?=[^*]*\*)", line):
            problems.append(
                f"{source}: more than {MAX_WILDCARDS} wildcards, shortened: {line[:80]}"
            )
            line = "" if line.startswith("!") else cut[0]
        line = line.casefold() if fold else line
        try:
            GitIgnoreSpec.from_lines([line], backend="simple")
        except ValueError:
            problems.append(f"{source}: not a pattern: {line[:80]}")
        else:
            kept.append(line)
    return GitIgnoreSpec.from_lines(kept, backend="simple"), problems


def read_up_to(file: io.FileIO, limit_bytes: int) -> bytes:
    """Read until the end or the limit, whichever is first."""
    pieces = []
    while limit_bytes > 0 and (piece := file.read(limit_bytes)):
        pieces.append(piece)
        limit_bytes -= len(piece)
    return b"".join(pieces)


def read_ignore_lines(root: str, relative: str) -> list[str]:
    """The lines of a small text file below a root, no link followed. Raises OSError."""
    with io.FileIO(open_below(root, relative)) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "not a regular file")
        data = read_up_to(file, MAX_IGNORE_BYTES + 1)
    if len(data) > MAX_IGNORE_BYTES:
        raise OSError(errno.EFBIG, f"larger than {MAX_IGNORE_BYTES} bytes")
    return data.decode("utf-8-sig", "surrogateescape").split("\n")


def rules_digest(root: str, user_excludes: Iterable[str]) -> str:
    """A name for what the user and a root's ignore file refuse. Never raises."""
    try:
        lines = read_ignore_lines(root, IGNORE_FILE)
    except OSError:
        lines = []
    rules = repr((tuple(user_excludes), lines))
    return hashlib.blake2b(rules.encode("utf-8", "replace"), digest_size=16).hexdigest()


class Way:
    """The folders from a root to a file, held open: its neighbour is reached without a second walk.

    No link is followed at any step. A path was resolved, so it has none; one that is met now was
    put there since. Walking from folder to folder leaves no gap between looking and opening, and a
    folder that is held is the one that was walked to, whatever has its name by now.
    """

    def __init__(self) -> None:
        self._names: list[str] = []  # the root first
        self._handles: list[int] = []

    def open(self, root: str, relative: str) -> int:
        """A descriptor of the file. Raises OSError."""
        if os.open not in os.supports_dir_fd:
            return _open_and_compare(root, relative)
        *folders, name = relative.split("/")
        wanted = [root, *folders]
        shared = 0
        while shared < min(len(wanted), len(self._names)) and wanted[shared] == self._names[shared]:
            shared += 1
        self._leave(shared)
        for folder in wanted[shared:]:
            above = self._handles[-1] if self._handles else None
            self._handles.append(os.open(folder, _FOLDER_FLAGS, dir_fd=above))
            self._names.append(folder)
        return os.open(name, _FILE_FLAGS, dir_fd=self._handles[-1])

    def close(self) -> None:
        """Let go of the folders."""
        self._leave(0)

    def _leave(self, kept: int) -> None:
        del self._names[kept:]
        while len(self._handles) > kept:
            os.close(self._handles.pop())


def open_below(root: str, relative: str) -> int:
    """A descriptor of the file, no link followed at any step. Raises OSError."""
    with closing(Way()) as way:
        return way.open(root, relative)


def _open_and_compare(root: str, relative: str) -> int:
    """Where a folder cannot be opened (Windows): open, then see that it is still that file."""
    path = os.path.join(root, *relative.split("/"))
    handle = os.open(path, _FILE_FLAGS)
    try:
        same = os.path.samestat(os.fstat(handle), os.lstat(path))
    except OSError:
        same = False
    if same and os.path.realpath(path) == path:
        return handle
    os.close(handle)
    raise OSError(errno.ELOOP, "swapped while it was opened")


def windows_problem(path: str) -> str:
    """Paths that are no plain files on Windows: shares, devices, streams, names it rewrites."""
    drive, rest = ntpath.splitdrive(path)
    if path.startswith(("\\\\", "//")) or len(drive) > len("C:"):
        return "device"  # merely looking at a share sends the user's credentials to it
    names = _SEPARATOR.split(rest)
    if any(":" in name or _WINDOWS_DEVICE.fullmatch(name) for name in names):
        return "device"
    return "bad-name" if any(name != name.rstrip(". ") for name in names) else ""


def _load_root(given: str) -> tuple[Root, list[str]]:
    real = os.path.realpath(given)
    name = os.path.basename(real)
    root = Root(given, real, rules=None, label=name + "/" if name.startswith(".") else "")
    try:
        lines = read_ignore_lines(real, IGNORE_FILE)
    except (FileNotFoundError, NotADirectoryError):
        lines = []
    except OSError as error:
        message = f"{IGNORE_FILE} cannot be read ({error.strerror}): nothing in its folder is read"
        return root, [message]
    rules, problems = compile_rules(lines, IGNORE_FILE)
    return replace(root, rules=rules), problems


def _real(path: str) -> str:
    """The resolved path; the path itself when it changed under the resolver: opening tells."""
    try:
        return os.path.realpath(path)
    except OSError:
        return path


def _mode(place: str) -> int:
    try:
        return os.lstat(place).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return 0
    except (OSError, ValueError):
        return -1


def _kind_reason(mode: int) -> str:
    if mode < 0:
        return "unreadable"
    if stat.S_ISLNK(mode):
        return "symlink-loop"
    return "" if mode == 0 or stat.S_ISREG(mode) else "not-regular"
