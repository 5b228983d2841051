# SPDX-License-Identifier: Apache-2.0
"""What a commit changed, as git knows it, and the files as they were before.

In: a repository and a revision. Out: the changed files with both texts and their hunks; or the tree
before, written into an empty folder. The repository is only read: not even its index is touched.
It knows no keys and no server.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, NamedTuple

from indexer.files import reason_by_head
from indexer.policy import builtin_reason
from lsp_server import guard
from lsp_server.replaying.keystrokes import Hunk
from lsp_server.replaying.trace import MAX_FILE_BYTES, Unusable, check_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

GIT_SECONDS = 120.0  # a checkout of a large repository on a slow disk
MAX_CHANGED_FILES = 1000
HEAD_BYTES = 8192
REGULAR_MODES = ("100644", "100755")
SKIPPED_STATES = {"D": "deleted", "R": "renamed", "C": "copied", "T": "another kind of file"}
_HUNK = re.compile(rb"^@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@", re.MULTILINE)


class Changed(NamedTuple):
    """A file of a commit. `before` is None where the commit made it."""

    path: str
    before: str | None
    after: str
    hunks: tuple[Hunk, ...]


class Commit(NamedTuple):
    """Full names; `parent` is "" for a first commit."""

    name: str
    parent: str


def find(root: Path, revision: str) -> Commit:
    """The one commit that a revision names. Raises Unusable."""
    if _git(root, "rev-parse", "--git-dir") is None:
        raise Unusable(f"{root} is not a git repository")
    found = None if revision[:1] in {"-", ""} else _git(
        root, "rev-parse", "--verify", "--quiet", revision + "^{commit}"
    )  # fmt: skip
    if found is None:
        raise Unusable(f"{revision!r} is not a commit of {root}")
    name, *parents = _needed(root, "rev-list", "--parents", "-n", "1", _line(found)).split()
    if len(parents) > 1:
        raise Unusable(f"{revision} is a merge of {len(parents)} commits: name one of those")
    if not parents and _line(_needed(root, "rev-parse", "--is-shallow-repository")) == "true":
        raise Unusable(f"{revision}: a shallow clone does not have the commit before it")
    return Commit(name.decode(), parents[0].decode() if parents else "")


def changes(
    root: Path, commit: Commit, files: str = "*", on_skipped: Callable[[str], None] = lambda _: None
) -> Iterator[Changed]:
    """The files of a commit that a person may have typed; `on_skipped` hears of the others."""
    before = commit.parent or _empty_tree(root)
    words = ("diff-tree", "-r", "-z", "-M", "--raw", "--no-abbrev", before, commit.name)
    fields = iter(os.fsdecode(_needed(root, *words)).split("\0"))
    number = 0
    for head in fields:
        if not head:
            return
        old_mode, mode, old_id, new_id, state = head[1:].split(" ")
        path = next(fields)
        if state[0] in "RC":
            path = next(fields)
        if not fnmatchcase(path, files):
            continue
        number += 1
        if number > MAX_CHANGED_FILES:
            raise Unusable(f"more than {MAX_CHANGED_FILES} files changed; choose some with --files")
        reason = SKIPPED_STATES.get(state[0], "") or _mode_reason(mode) or builtin_reason(path)
        found = reason or _changed(root, path, "" if old_mode == "000000" else old_id, new_id)
        if isinstance(found, str):
            on_skipped(f"{path}: {guard.in_words(found)}; left out")
        else:
            yield found


def write_tree(root: Path, commit: str, folder: Path) -> None:
    """The files of a commit into an empty folder. Raises Unusable."""
    index = {"GIT_INDEX_FILE": str(folder.with_name(folder.name + ".index"))}
    plain = ("-c", "filter.lfs.smudge=", "-c", "filter.lfs.process=", "-c", "filter.lfs.required=0")
    _needed(root, "read-tree", commit, environment=index)
    _needed(root, *plain, "checkout-index", "-a", f"--prefix={folder}{os.sep}", environment=index)


def _changed(root: Path, path: str, old_id: str, new_id: str) -> Changed | str:
    """A file's change, or why it cannot be typed."""
    before = _text(root, path, old_id) if old_id else b""
    after = _text(root, path, new_id)
    if isinstance(before, str) or isinstance(after, str):
        return before if isinstance(before, str) else str(after)
    old, new = before.decode(), after.decode()
    if not old_id:
        return Changed(path, None, new, (Hunk((0, 0), (0, new.count("\n") + 1)),))
    options = ("--no-color", "--no-ext-diff", "--no-textconv", "--text", "--no-indent-heuristic")
    diff = _needed(root, "diff", *options, "--unified=0", old_id, new_id)
    hunks = tuple(_hunk(*found.groups()) for found in _HUNK.finditer(diff))
    return Changed(path, old, new, hunks) if hunks else "nothing but its mode changed"


def _text(root: Path, path: str, blob: str) -> bytes | str:
    """A file's bytes, which are UTF-8, or the reason why it is not typed."""
    if int(_needed(root, "cat-file", "-s", blob)) > MAX_FILE_BYTES:
        return "huge"
    data = _needed(root, "cat-file", "blob", blob)
    reason = reason_by_head(data[:HEAD_BYTES])
    if reason and reason != "empty":
        return reason
    try:
        check_text(path, data.decode())
    except UnicodeDecodeError:
        return "not UTF-8"
    except Unusable:
        return "lines that end with CR alone"
    return data


def _hunk(*numbers: bytes | None) -> Hunk:
    return Hunk(_range(*numbers[:2]), _range(*numbers[2:]))


def _range(line: bytes | None, count: bytes | None) -> tuple[int, int]:
    """Of an empty range git names the line above."""
    size = 1 if count is None else int(count)
    start = int(line or 0) - (size > 0)
    return start, start + size


def _mode_reason(mode: str) -> str:
    return "" if mode in REGULAR_MODES else "not-regular"


def _empty_tree(root: Path) -> str:
    return _line(_needed(root, "hash-object", "-t", "tree", os.devnull))


def _line(data: bytes) -> str:
    return os.fsdecode(data).strip()


def _needed(root: Path, *words: str, environment: dict[str, str] | None = None) -> bytes:
    """What git prints. Raises Unusable where it fails."""
    printed = _git(root, *words, environment=environment)
    if printed is None:
        command = next(word for word in words if not word.startswith("-") and "=" not in word)
        raise Unusable(f"git {command} failed in {root}")
    return printed


def _git(root: Path, *words: str, environment: dict[str, str] | None = None) -> bytes | None:
    """What git prints, None where it fails. It takes no locks, asks nothing, fetches nothing."""
    git = shutil.which("git")
    if git is None:
        raise Unusable("git is not on this machine")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    quiet = {"GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "GIT_NO_LAZY_FETCH": "1"}
    try:
        done = subprocess.run(
            [git, "--no-pager", "-c", "core.fsmonitor=false", "-C", str(root), *words],
            env={**kept, **quiet, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=GIT_SECONDS,
            check=True,
        )
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    return done.stdout
