# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: PTH112, PTH113, PTH114, PTH117, PTH118  strings: Path objects take ten times as long
"""Which files there are: all of a root, or a part of it.

In: a root folder. Out: relative paths, as git lists them or, without git, as a walk does. Git is
asked for names only, and runs nothing that a repository says. It reads no file but `.gitignore`,
and decides nothing: that is `policy`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from typing import TYPE_CHECKING

from indexer.policy import compile_rules, read_ignore_lines

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pathspec import GitIgnoreSpec

    Rules = tuple[tuple[str, GitIgnoreSpec], ...]

GIT_LIST_SECONDS = 20.0  # for a root and all repositories in it; 50,000 files take 0.1
GIT_LOG_SECONDS = 5.0  # what has changed lately decides about order only
GIT_HISTORY_SECONDS = 60.0  # of the whole history, for who can wait
RECENT_COMMITS = 20
MAX_WALK_DEPTH = 64  # folders; deeper is a loop or a joke
_LIST_FILES = ("ls-files", "-z", "-t", "-s", "-c", "-o", "--exclude-standard")


def list_files(root: str) -> list[str]:
    """Paths relative to `root`, forward slashes, sorted: git's list where there is git, else a
    walk that heeds `.gitignore`. Nested repositories are listed by their own rules.

    Names only: links and files gone since the last commit are among them, and names that are no
    UTF-8 hold surrogates. What may be read, `Policy` decides. Never raises.
    """
    deadline = time.monotonic() + GIT_LIST_SECONDS
    names = _ask_git(root, "", deadline)
    return sorted(set(names or _walk(root, "", deadline)))


def list_below(root: str, path: str) -> list[str] | None:
    """What `list_files` gives of a path and of what is in it, without looking at everything else.

    None where only the whole list can tell. Never raises.
    """
    deadline = time.monotonic() + GIT_LIST_SECONDS
    names = _part_of_git(root, "", path, deadline)
    if names is None:
        return list(_part_of_walk(root, "", path, deadline))
    if names:
        return names
    # Git's list counts unless it is empty, as in a folder that the repository around it ignores.
    tracked = _run_git(root, "", ["ls-files", "-z", "-t", "-c"], deadline - time.monotonic())
    some = any(record and not record.startswith(b"S") for record in (tracked or b"").split(b"\0"))
    return [] if some else None


def _part_of_git(root: str, prefix: str, path: str, deadline: float) -> list[str] | None:
    """Of git's list of the repository at `prefix`: a path and what is in it."""
    inner = next((one for one in _around(prefix, path) if _is_repository(_join(root, one))), "")
    asked = ["--literal-pathspecs", *_LIST_FILES, "--", (inner or path).removeprefix(prefix)]
    listing = _run_git(root, prefix, asked, deadline - time.monotonic())
    if listing is None:
        return None
    if inner and inner != path and (listing.endswith(b"/\0") or b" 160000 " in listing):
        return _part_of_nested(root, inner + "/", path, deadline)
    found = _read_git_list(root, prefix, listing, deadline)
    return [name for name in found if name == path or name.startswith(path + "/")]


def _part_of_nested(root: str, prefix: str, path: str, deadline: float) -> list[str]:
    """Of the repository at `prefix`, which is a folder around the path or the path itself."""
    if prefix == path + "/":
        return list(_list_nested(root, prefix, deadline))
    names = _part_of_git(root, prefix, path, deadline)
    return list(_part_of_walk(root, prefix, path, deadline)) if names is None else names


def _around(prefix: str, path: str) -> list[str]:
    """The folders around a path below `prefix`, the outermost first, and the path itself."""
    parts = path.removeprefix(prefix).split("/")
    return [prefix + "/".join(parts[:at]) for at in range(1, len(parts) + 1)]


def _part_of_walk(root: str, prefix: str, path: str, deadline: float) -> Iterator[str]:
    """Of what a walk finds below `prefix`: a path and what is in it."""
    rules: Rules = ()
    here = prefix
    for one in _around(prefix, path):
        place = _join(root, one)
        linked = os.path.islink(place)
        is_folder = os.path.isdir(place) and not linked
        if os.path.lexists(_join(root, here + ".gitignore")):
            rules = (*rules, (here, _gitignore(root, here)))
        if one.endswith("/.git") or one == ".git" or _ignored(rules, one, is_folder=is_folder):
            return
        if not is_folder:
            if one == path and (linked or os.path.isfile(place)):
                yield one
            return
        if _is_repository(place):
            yield from _part_of_nested(root, one + "/", path, deadline)
            return
        if one.count("/") >= MAX_WALK_DEPTH:
            return
        here = one + "/"
    yield from _walk(root, here, deadline, rules)


def _list_nested(root: str, prefix: str, deadline: float) -> Iterator[str]:
    names = _ask_git(root, prefix, deadline) if _is_repository(_join(root, prefix)) else None
    yield from _walk(root, prefix, deadline) if names is None else names


def recently_changed(root: str) -> list[str]:
    """Files that the last commits touched, the latest first; none where there is no git.

    Relative to `root`, not all of them still there. Never raises.
    """
    # The repository's own configuration could have signatures checked by a program of its choice.
    safe = ["--no-show-signature", "--no-ext-diff", "--no-textconv", "--no-renames"]
    asked = ["log", *safe, f"--max-count={RECENT_COMMITS}", "--no-merges", "--format="]
    names = _run_git(root, "", [*asked, "--name-only", "--relative", "-z"], GIT_LOG_SECONDS)
    return [name for name in dict.fromkeys(os.fsdecode(names or b"").split("\0")) if name]


def last_changed(root: str) -> dict[str, int]:
    """When the last commit that touched each file was made, in seconds; empty without git.

    Never raises.
    """
    safe = ["--no-show-signature", "--no-ext-diff", "--no-textconv", "--no-renames"]
    asked = ["log", *safe, "--no-merges", "--format=%x01%ct", "--name-only", "--relative", "-z"]
    found: dict[str, int] = {}
    when = 0
    for word in os.fsdecode(_run_git(root, "", asked, GIT_HISTORY_SECONDS) or b"").split("\0"):
        name = word.lstrip("\n")
        if name.startswith("\x01"):
            when = int(name[1:].strip() or 0)
        elif name:
            found.setdefault(name, when)  # the latest comes first
    return found


def committed(root: str) -> tuple[str, dict[str, str]]:
    """The commit that is checked out, and git's hash of every file in it; "" where there is none.

    Runs nothing: to compare with the files on the disk is left to who asks. Never raises.
    """
    commit = _run_git(root, "", ["rev-parse", "--verify", "-q", "HEAD"], GIT_LOG_SECONDS)
    listing = _run_git(root, "", ["ls-tree", "-r", "-z", "HEAD"], GIT_LIST_SECONDS)
    if not commit or listing is None:
        return "", {}
    found = {}
    for entry in os.fsdecode(listing).split("\0"):
        what, _, path = entry.partition("\t")
        if path:
            found[path] = what.rpartition(" ")[2]
    return commit.decode("ascii", "replace").strip(), found


def _ask_git(root: str, prefix: str, deadline: float) -> list[str] | None:
    """Git's list of the repository at `prefix` ("" or "a/b/"); None where it has none to give."""
    listing = _run_git(root, prefix, _LIST_FILES, deadline - time.monotonic())
    return None if listing is None else list(_read_git_list(root, prefix, listing, deadline))


def _run_git(root: str, prefix: str, words: Sequence[str], seconds: float) -> bytes | None:
    """What git prints in the repository at `prefix`; None where it fails."""
    git = _git_program(root)
    if git is None or seconds <= 0:
        return None
    options = ["-c", "core.fsmonitor=false", "-c", "core.untrackedCache=false"]
    try:
        done = subprocess.run(
            [git, "--no-pager", *options, "-C", _join(root, prefix), *words],
            env=_git_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=seconds,
            check=True,
        )
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    return done.stdout


def _read_git_list(root: str, prefix: str, listing: bytes, deadline: float) -> Iterator[str]:
    """Records are `? name` (not tracked) or `H mode hash stage<TAB>name` (tracked)."""
    for record in os.fsdecode(listing).split("\0"):
        tag, _, rest = record.partition(" ")
        if not rest or tag == "S":  # left out of a sparse checkout
            continue
        name = rest if tag == "?" else rest.partition("\t")[2]
        if name.startswith(("/", "../")):
            continue
        nested = name.endswith("/") or (tag != "?" and rest.startswith("160000 "))
        if not nested:
            yield prefix + name
        elif below := name.rstrip("/."):
            yield from _list_nested(root, f"{prefix}{below}/", deadline)


def _git_program(root: str) -> str | None:
    """The user's git; never one that the repository brings (Windows looks there first)."""
    found = shutil.which("git")
    if found is None or not os.path.isabs(found):
        return None
    inside = os.path.realpath(found).startswith(os.path.join(os.path.realpath(root), ""))
    return None if inside else found


def _git_environment() -> dict[str, str]:
    """Nothing inherited that redirects git; no locks, no questions, nothing fetched."""
    kept = {key: value for key, value in os.environ.items() if not key.upper().startswith("GIT_")}
    return kept | {
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_ALLOW_PROTOCOL": "none",  # for a git that does not know the line above
    }


def _walk(root: str, prefix: str, deadline: float, around: Rules = ()) -> Iterator[str]:
    """Every file or link below `prefix` that no `.gitignore` on the way to it excludes.

    around: rules of the folders that `prefix` is in.
    """
    todo: list[tuple[str, Rules]] = [(prefix, around)]
    while todo:
        here, rules = todo.pop()
        entries = _entries(_join(root, here))
        if any(entry.name == ".gitignore" for entry in entries):
            rules = (*rules, (here, _gitignore(root, here)))
        for entry in entries:
            path = here + entry.name
            if entry.name == ".git" or _ignored(rules, path, is_folder=_is_folder(entry)):
                continue
            if not _is_folder(entry):
                yield path
            elif _is_repository(entry.path):
                yield from _list_nested(root, path + "/", deadline)
            elif path.count("/") < MAX_WALK_DEPTH:
                todo.append((path + "/", rules))


def _entries(folder: str) -> list[os.DirEntry[str]]:
    """Files, links and folders in it; none where it cannot be read or is gone."""
    try:
        with os.scandir(folder) as found:
            return [entry for entry in found if _is_listed(entry)]
    except OSError:
        return []


def _is_listed(entry: os.DirEntry[str]) -> bool:
    return entry.is_symlink() or _is_folder(entry) or entry.is_file(follow_symlinks=False)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    return entry.is_dir(follow_symlinks=False)


def _gitignore(root: str, prefix: str) -> GitIgnoreSpec:
    """Its rules; as none where it cannot be read: this list is for relevance, not for safety."""
    try:
        lines = read_ignore_lines(root, prefix + ".gitignore")
    except OSError:
        lines = []
    return compile_rules(lines, ".gitignore")[0]


def _ignored(rules: Rules, path: str, *, is_folder: bool) -> bool:
    """The deepest `.gitignore` that says anything about a path decides."""
    for prefix, spec in reversed(rules):
        verdict = spec.check_file(path[len(prefix) :] + ("/" if is_folder else "")).include
        if verdict is not None:
            return verdict
    return False


def _is_repository(folder: str) -> bool:
    return os.path.lexists(os.path.join(folder, ".git"))


def _join(root: str, prefix: str) -> str:
    return os.path.join(root, *prefix.split("/")) if prefix else root
