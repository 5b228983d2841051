# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: PTH114, PTH115, PTH206  the paths here are strings, as a listener gets them
"""Watching: nothing missed (I4), nothing blocks or spins (I6), limits (I7), few calls.

The gathering is tested without threads; the rest with real files, and each way of watching that
can run here: inotify folder by folder, watchdog's own observer (macOS and Windows), polling.
"""

from __future__ import annotations

import errno
import logging
import os
import random
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer import changes, watch, watch_sources
from indexer.changes import (
    LATEST_S,
    MAX_PATHS,
    QUIET_S,
    Coalescer,
    Reported,
    differences,
    files_below,
    look,
    stamp_of,
)
from indexer.watch import Watch

linux = pytest.mark.skipif(sys.platform != "linux", reason="inotify")
by_folder = pytest.mark.skipif(not watch_sources.has_inotify(), reason="needs Linux and watchdog 7")
# On Linux watchdog's observer warns when it finds a folder twice. We use it elsewhere.
found_twice = pytest.mark.filterwarnings("ignore:Callback with id:RuntimeWarning")
SOURCES = [
    pytest.param("inotify", marks=by_folder),
    pytest.param("observer", marks=found_twice),
    "poll",
]
WAIT_S = 20.0  # two noisy cores; a passing test waits for next to none of it
IGNORED = {".git", "node_modules"}


def ignored(path: str) -> bool:
    return not IGNORED.isdisjoint(path.split(os.sep))


class Listener:
    """Keeps every call, and a mirror of the tree made of nothing but what the calls say."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.calls: list[frozenset[str] | None] = []
        self.branches = 0
        self.inside = 0
        self.mirror = scratch(root)
        self.changed = threading.Condition()

    def on_change(self, paths):
        with self.changed:
            assert not self.inside, "calls overlap"
            self.inside += 1
            self.calls.append(paths)
            if paths is None:
                self.mirror = scratch(self.root)
            else:
                self.apply(paths)
            self.inside -= 1
            self.changed.notify_all()

    def apply(self, paths):
        """In sorted order: one that is no file takes with it what was below."""
        for path in sorted(paths):
            assert not ignored(path), path
            if (state := read(path)) is not None:
                self.mirror[path] = state
                continue
            self.mirror.pop(path, None)
            for below in [known for known in self.mirror if known.startswith(path + os.sep)]:
                del self.mirror[below]

    def on_branch(self):
        with self.changed:
            self.branches += 1
            self.changed.notify_all()

    def wait(self, condition, timeout_s=WAIT_S):
        with self.changed:
            return self.changed.wait_for(condition, timeout_s)

    def sees(self, *paths: Path) -> bool:
        wanted = {os.fspath(path) for path in paths}
        return self.wait(lambda: wanted <= self.paths())

    def paths(self) -> set[str]:
        return {path for call in self.calls for path in call or ()}

    def rescans(self) -> int:
        return self.calls.count(None)


def read(path: str) -> str | None:
    try:
        return os.readlink(path) if os.path.islink(path) else Path(path).read_text("utf-8")
    except OSError:
        return None


def scratch(root: Path) -> dict[str, str]:
    found = {entry.path: read(entry.path) for entry in files_below(os.fspath(root), ignored)}
    return {path: text for path, text in found.items() if text is not None}


def use(source: str, monkeypatch) -> None:
    if source == "poll":
        refuse(monkeypatch, errno.ENOSPC)
    elif source == "observer" and sys.platform == "linux":
        monkeypatch.setattr(watch_sources, "Inotify", watch_sources.Observed)


def refuse(monkeypatch, number: int) -> None:
    """The system has no more watches to give. Polls follow each other quickly."""

    def open_(self):
        raise OSError(number, "inotify watch limit reached")

    for kind in (watch_sources.Inotify, watch_sources.Observed):
        monkeypatch.setattr(kind, "open", open_)
    monkeypatch.setattr(changes, "POLL_MIN_S", 0.02)


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "root"
    root.mkdir()
    return root


@pytest.fixture
def begin(root):
    """Start a `Watch` with a `Listener`; closed at the end."""
    begun = []

    def start(folder=root, **more):
        listener = Listener(folder)
        watching = Watch(
            os.fspath(folder), listener.on_change, ignored, on_branch=listener.on_branch, **more
        )
        begun.append(watching)
        watching.start()
        assert watching.wait_ready(WAIT_S)
        return watching, listener

    yield start
    for watching in begun:
        watching.close()
        assert not any(thread.is_alive() for thread in watching._threads)


# -- the gathering, without threads

REPORTS = st.lists(
    st.tuples(
        st.floats(0, 0.2),  # seconds since the report before
        st.sampled_from(["a", "b", "c", "rescan", "branch"]),
    ),
    max_size=60,
)


@given(REPORTS)
def test_I4_a_report_comes_once_and_never_late(reports):
    """A thread that takes whatever is due, when it is due, gets everything, in time, once."""
    coalescer = Coalescer()
    now = 0.0
    waiting: dict[str, float] = {}  # what was reported and not yet taken: since when
    newest = 0.0

    def take_until(end: float) -> None:
        while (due := coalescer.due()) is not None and due <= end:
            taken = coalescer.take()
            expected = {name for name in waiting if len(name) == 1}
            assert taken.rescan == ("rescan" in waiting)
            assert taken.branch == ("branch" in waiting)
            assert taken.paths == (frozenset() if taken.rescan else expected)
            assert due - min(waiting.values()) <= LATEST_S + 1e-9
            assert due - newest >= QUIET_S - 1e-9 or due - min(waiting.values()) >= LATEST_S - 1e-9
            waiting.clear()
        assert (coalescer.due() is None) == (not waiting)

    for pause, name in reports:
        now += pause
        take_until(now)
        if name in {"rescan", "branch"}:
            getattr(coalescer, name)(now)
        else:
            coalescer.add(name, now)
        assert len(name) != 1 or coalescer.covers(name)
        waiting.setdefault(name, now)
        newest = now
    take_until(now + LATEST_S)
    assert not waiting


def test_I4_too_many_paths_are_a_rescan():
    coalescer = Coalescer()
    for number in range(MAX_PATHS):
        coalescer.add(str(number), 0.0)
    assert coalescer.due() == QUIET_S
    full = coalescer.take()
    assert len(full.paths) == MAX_PATHS and not full.rescan
    for number in range(MAX_PATHS + 5):
        coalescer.add(str(number), 1.0)
    assert coalescer.take() == changes.Changes(frozenset(), rescan=True)
    assert coalescer.due() is None


STATES = st.one_of(st.none(), st.tuples(st.integers(0, 3), st.integers(0, 2)))


@given(st.lists(st.tuples(st.sampled_from("ab"), STATES, st.integers(0, 10**10)), max_size=40))
def test_I4_only_a_state_that_is_surely_the_same_is_passed_over(reports):
    """Danger: a write that shares its time stamp with the one reported is taken for the same."""
    reported = Reported()
    last: dict[str, object] = {}
    for path, state, age_ns in reports:
        found = None if state is None else stat_result(*state)
        now_ns = 3 * 10**9 + age_ns
        settled = state is None or changes.is_settled(found, now_ns)
        news = reported.is_news(path, found, now_ns)
        assert news == (not settled or last.get(path, "never") != state)
        last[path] = state if settled else "never"


def stat_result(second: int, size: int) -> os.stat_result:
    parts = [0o100644, 7, 1, 1, 0, 0, size, 0, second, second, 0, float(second), float(second)]
    return os.stat_result([*parts, 0, second * 10**9 + 5, second * 10**9 + 5])


def test_I4_what_was_reported_is_bounded():
    reported = Reported()
    for number in range(MAX_PATHS + 50):
        reported.is_news(str(number), None, 0)
    assert len(reported._stamps) == MAX_PATHS
    assert reported.is_news("0", None, 0), "the oldest is forgotten, so it is news"
    assert not reported.is_news(str(MAX_PATHS), None, 0)


LOOKS = st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 3))


@given(LOOKS, LOOKS)
def test_I7_two_looks_differ_by_what_changed(before, after):
    changed = {path for path in {*before, *after} if before.get(path) != after.get(path)}
    assert sorted(differences(before, after)) == sorted(changed)


def test_I7_a_rewrite_with_the_old_time_and_size_shows(root):
    """Danger: `cp -p` and unpacked archives put the mtime back."""
    file = root / "a.py"
    file.write_text("one")
    before = look(os.fspath(root), ignored)
    found = file.stat()
    time.sleep(0.05)
    file.write_text("two")
    os.utime(file, ns=(found.st_atime_ns, found.st_mtime_ns))
    assert file.stat().st_mtime_ns == found.st_mtime_ns
    assert list(differences(before, look(os.fspath(root), ignored))) == [os.fspath(file)]


# -- real files


@pytest.mark.parametrize("source", SOURCES)
def test_I4_every_kind_of_change_is_seen(source, root, begin, monkeypatch):
    (root / "old").mkdir()
    for name in ("edit", "gone", "move", "old/below"):
        (root / name).write_text("1")
    (root / "other").mkdir()
    (root / "other" / "x").write_text("1")
    use(source, monkeypatch)
    watching, listener = begin()
    assert watching.polling == (source == "poll")

    (root / "edit").write_text("22")
    assert listener.sees(root / "edit")
    (root / "gone").unlink()
    assert listener.sees(root / "gone")
    (root / "new").write_text("1")
    assert listener.sees(root / "new")
    (root / "move").rename(root / "moved")
    assert listener.sees(root / "move", root / "moved")
    os.truncate(root / "edit", 0)
    assert listener.wait(lambda: listener.mirror[os.fspath(root / "edit")] == "")
    (root / "a" / "b" / "c").mkdir(parents=True)
    (root / "a" / "b" / "c" / "deep").write_text("1")
    assert listener.sees(root / "a" / "b" / "c" / "deep")
    (root / "other").rename(root / "another")
    assert listener.sees(root / "another" / "x")
    (root / "another" / "x").write_text("333")
    assert listener.wait(lambda: listener.mirror.get(os.fspath(root / "another/x")) == "333")
    shutil.rmtree(root / "old")
    assert listener.wait(lambda: listener.mirror == scratch(root))
    assert not listener.rescans() and not listener.branches


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("seed", [1, 2])
def test_I4_what_the_calls_say_is_what_is_there(source, seed, root, begin, monkeypatch):
    """Random edits, folders that come, move and go, one after the other without a pause."""
    check_random_edits(source, seed, root, begin, monkeypatch, rounds=1)


@pytest.mark.slow
@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("seed", range(10))
def test_I4_what_the_calls_say_is_what_is_there_long(source, seed, root, begin, monkeypatch):
    check_random_edits(source, seed, root, begin, monkeypatch, rounds=10)


def check_random_edits(source, seed, root, begin, monkeypatch, rounds):
    """A poll is right when a burst is over: a file may go and come back between two looks."""
    use(source, monkeypatch)
    monkeypatch.setattr(changes, "POLL_MIN_S", LATEST_S + 0.1)
    _, listener = begin()
    rng = random.Random(seed)
    for number in range(rounds):
        for _ in range(200):
            edit(root, rng)
            if rng.random() < 0.02:
                time.sleep(rng.random() * 0.05)
        if source == "poll" or number == rounds - 1:
            assert listener.wait(lambda: listener.mirror == scratch(root)), (
                f"missed: {set(scratch(root).items()) ^ set(listener.mirror.items())}"
            )


def edit(root: Path, rng: random.Random) -> None:
    folder = root.joinpath(*(rng.choice("pqr") for _ in range(rng.randrange(4))))
    file = folder / rng.choice("xyz")
    kind = rng.choice(["write"] * 5 + ["unlink", "rename", "move", "rmtree", "ignored", "loop"])
    try:
        if kind == "write":
            folder.mkdir(parents=True, exist_ok=True)
            file.write_text(str(rng.random()))
        elif kind == "unlink":
            file.unlink()
        elif kind == "rename":
            file.replace(folder / rng.choice("xyz"))
        elif kind == "move" and folder != root:
            folder.rename(root / rng.choice("pqr"))
        elif kind == "rmtree" and folder != root:
            shutil.rmtree(folder)
        elif kind == "ignored":
            (folder / "node_modules").mkdir()
            (folder / "node_modules" / "x").write_text("1")
        elif kind == "loop":
            (folder / "loop").symlink_to(root, target_is_directory=True)
    except OSError:
        return  # there is no such file or folder just now


def rewrite_all(root: Path, count: int, folders: int) -> list[Path]:
    files = [root / str(number % folders) / f"{number}.py" for number in range(count)]
    for file in files:
        file.parent.mkdir(exist_ok=True)
        file.write_text("x = 1\n")
    return files


REWRITE = """
import sys
for line in sys.stdin.read().splitlines():
    with open(line, "w") as file:
        file.write("x = 22\\n")
"""


def check_rewrites(root, begin, count):
    files = rewrite_all(root, count, folders=50)
    _, listener = begin()
    names = "\n".join(map(os.fspath, files))
    subprocess.run([sys.executable, "-c", REWRITE], input=names, text=True, check=True)
    assert listener.sees(*files), f"{len(listener.paths())} of {count}"
    assert not listener.rescans()
    assert len(listener.calls) <= 3 + count / 500


def test_I4_500_rewrites_are_500(root, begin):
    check_rewrites(root, begin, 500)


@pytest.mark.slow
@pytest.mark.parametrize("attempt", range(3))
def test_I4_10000_rewrites_are_10000(attempt, root, begin):
    """watchdog without a filter saw 525 to 708 of them."""
    check_rewrites(root, begin, 10_000)


@pytest.mark.parametrize("source", SOURCES)
def test_ignored_folders_are_neither_reported_nor_watched(source, root, begin, monkeypatch):
    (root / "node_modules" / "deep").mkdir(parents=True)
    use(source, monkeypatch)
    watching, listener = begin()
    (root / "node_modules" / "deep" / "x").write_text("1")
    (root / "src").mkdir()
    (root / "src" / "node_modules").mkdir()
    (root / "src" / "node_modules" / "x").write_text("1")
    watching.feed([os.fspath(root / "node_modules" / "deep" / "x")])
    (root / "seen").write_text("1")
    assert listener.sees(root / "seen")
    time.sleep(0.2)
    assert listener.paths() - {os.fspath(root / "src")} == {os.fspath(root / "seen")}


@linux
def test_I4_a_folder_in_the_place_of_another(root, begin):
    """Danger: what was in the first one is never reported as gone."""
    for name in ("p", "q"):
        (root / name).mkdir()
        (root / name / f"of-{name}").write_text("1")
    _, listener = begin()
    (root / "p").rename(root / "away")
    (root / "q").rename(root / "p")
    assert listener.wait(lambda: listener.mirror == scratch(root))


@by_folder
def test_a_folder_that_was_moved_out_is_watched_no_more(tmp_path, root, begin):
    """Danger: its watch lives on under the old name, and reports what happens elsewhere."""
    (root / "p" / "q").mkdir(parents=True)
    _, listener = begin()
    (root / "p").rename(tmp_path / "away")
    assert listener.sees(root / "p")
    (tmp_path / "away" / "q" / "x").write_text("1")
    (root / "y").write_text("1")
    assert listener.sees(root / "y")
    assert listener.paths() == {os.fspath(root / "p"), os.fspath(root / "y")}


@linux
def test_a_continuous_stream_is_not_put_off(root, begin):
    """Danger: a log written all the time keeps the debounce from ever ending."""
    (root / "log").write_text("")
    _, listener = begin()
    end = time.monotonic() + 2.0
    while time.monotonic() < end:
        with (root / "log").open("a") as log:
            log.write("line\n")
        time.sleep(0.005)
    assert 2 <= len(listener.calls) <= 8


def test_a_change_arrives_soon(root, begin):
    _, listener = begin()
    (root / "a").write_text("1")
    begin_s = time.monotonic()
    assert listener.sees(root / "a")
    assert time.monotonic() - begin_s < 1.0  # 0.05 and a noisy machine


@pytest.mark.parametrize("source", SOURCES)
def test_I6_links_that_lead_in_a_circle(source, root, begin, monkeypatch):
    (root / "a").mkdir()
    (root / "a" / "up").symlink_to(root, target_is_directory=True)
    (root / "self").symlink_to(root / "self")
    use(source, monkeypatch)
    _, listener = begin()
    (root / "a" / "x").write_text("1")
    (root / "b").mkdir()
    (root / "b" / "up").symlink_to("..", target_is_directory=True)
    assert listener.sees(root / "a" / "x", root / "b" / "up")
    assert not any("up" + os.sep in path for path in listener.paths())


@linux
@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("how", ["delete", "rename"])
def test_I6_root_goes_and_comes_back(how, source, root, begin, monkeypatch):
    """One call, no spin, and all is as before when it is back."""
    monkeypatch.setattr(watch, "ROOT_POLL_S", 0.05)
    monkeypatch.setattr(watch_sources, "CHECK_S", 0.2)  # the observer says nothing of a rename
    for number in range(50):
        (root / str(number)).mkdir()
        (root / str(number) / "x").write_text("1")
    use(source, monkeypatch)
    _, listener = begin()
    if how == "delete":
        shutil.rmtree(root)
    else:
        root.rename(root.parent / "elsewhere")
    assert listener.wait(listener.rescans)
    used = cpu_seconds()
    time.sleep(0.5)
    assert cpu_seconds() - used < 0.2, "it spins"
    assert listener.rescans() == 1
    assert listener.calls[-1] is None

    root.mkdir()
    (root / "new").write_text("1")
    assert listener.wait(lambda: listener.rescans() == 2)
    (root / "newer").write_text("1")
    assert listener.sees(root / "newer")
    assert listener.mirror == scratch(root)


def cpu_seconds() -> float:
    times = psutil.Process().cpu_times()
    return times.user + times.system


@linux
def test_I6_another_folder_in_the_place_of_the_root(tmp_path, begin, monkeypatch):
    """No event tells that a parent was renamed: the root is looked at now and then."""
    monkeypatch.setattr(watch_sources, "CHECK_S", 0.05)
    root = tmp_path / "parent" / "root"
    root.mkdir(parents=True)
    _, listener = begin(root)
    (tmp_path / "parent").rename(tmp_path / "old")
    root.mkdir(parents=True)
    assert listener.wait(listener.rescans)
    (root / "x").write_text("1")
    assert listener.sees(root / "x")


def test_I6_a_root_that_is_not_there_yet(tmp_path, monkeypatch):
    monkeypatch.setattr(watch, "ROOT_POLL_S", 0.05)
    root = tmp_path / "later"
    listener = Listener(root)
    watching = Watch(os.fspath(root), listener.on_change, ignored)
    watching.start()
    try:
        assert not watching.wait_ready(0.2)
        root.mkdir()
        (root / "x").write_text("1")
        assert watching.wait_ready(WAIT_S)
        assert listener.wait(lambda: listener.mirror == scratch(root) and listener.mirror)
    finally:
        watching.close()


@linux
def test_I6_a_root_that_is_a_link(tmp_path, begin):
    """Paths are spelled as the root was given."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    _, listener = begin(tmp_path / "link")
    (tmp_path / "real" / "x").write_text("1")
    assert listener.sees(tmp_path / "link" / "x")
    assert listener.paths() == {os.fspath(tmp_path / "link" / "x")}


@linux
@pytest.mark.skipif(os.geteuid() == 0, reason="root may read anything")
def test_I6_a_closed_folder_is_watched_when_it_opens(root, begin):
    (root / "closed").mkdir(mode=0)
    _, listener = begin()
    (root / "closed").chmod(0o755)
    (root / "closed" / "x").write_text("1")
    assert listener.sees(root / "closed" / "x")


# -- limits


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENOSPC])
def test_I7_at_a_limit_it_polls_and_warns_once(number, root, begin, monkeypatch, caplog):
    monkeypatch.setattr(watch, "ROOT_POLL_S", 0.05)
    refuse(monkeypatch, number)
    with caplog.at_level(logging.WARNING):
        watching, listener = begin()
        (root / "x").write_text("1")
        assert listener.sees(root / "x")
        assert watching.polling and not listener.rescans()
        shutil.rmtree(root)
        assert listener.wait(listener.rescans)
        root.mkdir()
        assert listener.wait(lambda: listener.rescans() == 2)
    assert len([record for record in caplog.records if record.levelno >= logging.WARNING]) == 1
    assert "limit reached" in caplog.text and "\n" not in caplog.records[0].getMessage()


LIMITED = """
import os, resource, sys, threading, logging
from pathlib import Path
from indexer import changes
from indexer.watch import Watch

logging.basicConfig(format="%(levelname)s %(message)s")
changes.POLL_MIN_S = 0.05
root, kind = Path(sys.argv[1]), sys.argv[2]
if kind == "files":
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    last = os.open("/dev/null", os.O_RDONLY)  # listing a folder needs one handle, inotify three
    resource.setrlimit(resource.RLIMIT_NOFILE, (last + 1, before[1]))
    os.close(last)
elif kind != "late":
    Path("/proc/sys/user/max_inotify_" + kind).write_text("5")
seen, arrived = set(), threading.Event()

def on_change(paths):
    seen.update(paths or {os.fspath(root / "rescan")})
    if os.fspath(root / "9" / "x") in seen or "rescan" in str(seen):
        arrived.set()

watching = Watch(os.fspath(root), on_change, lambda path: False)
watching.start()
assert watching.wait_ready(20)
if kind == "late":
    assert not watching.polling
    Path("/proc/sys/user/max_inotify_watches").write_text("5")
    (root / "more").mkdir()
else:
    assert watching.polling
    if kind == "files":
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    (root / "9" / "x").write_text("1")
assert arrived.wait(20)
if kind == "late":
    arrived.clear()
    seen.clear()
    assert watching.polling
    (root / "9" / "x").write_text("1")
    assert arrived.wait(20)
watching.close()
print("seen")
"""


def run_limited(root, kind, prefix=(), script=LIMITED):
    for number in range(20):
        (root / str(number)).mkdir()
    done = subprocess.run(
        [*prefix, sys.executable, "-c", script, os.fspath(root), kind],
        capture_output=True, text=True, timeout=60, check=False,
        cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout == "seen\n"
    return done.stderr.splitlines()


def test_I7_a_folder_that_cannot_be_listed_is_not_empty(root, begin, monkeypatch):
    """Danger: out of handles for a moment, a poll takes the whole repository for deleted."""
    (root / "x").write_text("1")
    refuse(monkeypatch, errno.EMFILE)
    _, listener = begin()
    failed = threading.Event()

    def no_handles(folder):
        failed.set()
        raise OSError(errno.EMFILE, "Too many open files", folder)

    with monkeypatch.context() as patch:
        patch.setattr(changes.os, "scandir", no_handles)
        assert failed.wait(WAIT_S)
        time.sleep(0.2)
    assert not listener.calls
    (root / "y").write_text("1")
    assert listener.sees(root / "y")
    assert listener.paths() == {os.fspath(root / "y")}


@linux
def test_I7_no_more_open_files(root):
    warnings = run_limited(root, "files")
    assert len(warnings) == 1 and warnings[0].startswith("WARNING no file events ([Errno 24]")


@linux
@pytest.mark.parametrize("kind", ["watches", "instances", pytest.param("late", marks=by_folder)])
def test_I7_the_systems_own_limit(kind, root):
    """The limits of a user namespace of our own; "late" is met when a new folder comes."""
    namespace = ("unshare", "--user", "--map-root-user")
    try:
        subprocess.run([*namespace, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no user namespaces here")
    script = LIMITED.replace('"5"', '"0"') if kind == "instances" else LIMITED
    warnings = run_limited(root, kind, namespace, script)
    assert len(warnings) == 1 and warnings[0].startswith("WARNING no file events ("), warnings


def touch(root: Path, events: int) -> None:
    """The cheapest way to so many events: two files in turn, for equal ones in a row are one."""
    for number in range(events):
        os.utime(root / f"{number % 2}")


def rewrite(root: Path, events: int) -> None:
    for number in range(events):
        (root / f"{number % 100}").write_text("1" * (number % 3))


@by_folder
@pytest.mark.parametrize("fill", [touch, pytest.param(rewrite, marks=pytest.mark.slow)])
def test_I7_overflow_is_a_rescan_and_new_folders_are_watched(fill, root):
    """The reader is held up until the kernel drops events; then nothing is missing."""
    size = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text("ascii"))
    if size > 100_000:
        pytest.skip("a queue too long to fill")
    (root / "0").write_text("1")
    (root / "1").write_text("1")
    held, go_on = threading.Event(), threading.Event()

    def slow(path: str) -> bool:
        if path.endswith("hold"):
            held.set()
            go_on.wait(WAIT_S)
        return ignored(path)

    listener = Listener(root)
    watching = Watch(os.fspath(root), listener.on_change, slow)
    watching.start()
    try:
        assert watching.wait_ready(WAIT_S)
        (root / "hold").write_text("1")
        assert held.wait(WAIT_S)
        fill(root, size + 1)
        (root / "1").write_text("changed unseen")
        (root / "unseen").mkdir()
        go_on.set()
        assert listener.wait(listener.rescans)
        assert listener.wait(lambda: listener.mirror == scratch(root))
        (root / "unseen" / "x").write_text("1")
        assert listener.sees(root / "unseen" / "x")
    finally:
        go_on.set()
        watching.close()


def test_too_many_files_at_once_are_a_rescan(tmp_path, root, begin):
    """A folder that is moved in makes one event, and 10,001 paths."""
    (tmp_path / "big").mkdir()
    for number in range(MAX_PATHS + 1):
        (tmp_path / "big" / str(number)).touch()
    _, listener = begin()
    (tmp_path / "big").rename(root / "big")
    assert listener.wait(listener.rescans)
    assert not listener.paths()


# -- git


def git(root, *args):
    command = ["git", "-c", "user.name=t", "-c", "user.email=t@example.org", *args]
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    subprocess.run(command, cwd=root, check=True, capture_output=True, env=environment)


def two_branches(root: Path, files: int) -> list[Path]:
    git(root, "init", "-q", "-b", "main")
    paths = rewrite_all(root, files, folders=40)
    git(root, "add", ".")
    git(root, "commit", "-qm", "one")
    git(root, "checkout", "-qb", "other")
    for path in paths:
        path.write_text("x = 'other'\n")
    git(root, "commit", "-qam", "two")
    return paths


@pytest.mark.parametrize("source", SOURCES)
def test_I4_a_branch_switch_is_few_calls(source, root, begin, monkeypatch):
    paths = two_branches(root, 1_000)
    use(source, monkeypatch)
    _, listener = begin()
    time.sleep(0.1)
    assert not listener.calls and not listener.branches
    git(root, "checkout", "-q", "main")
    assert listener.wait(lambda: listener.branches)
    assert listener.sees(*paths)
    assert listener.mirror == scratch(root)
    assert len(listener.calls) <= 12 or source == "poll"  # which looks 50 times a second here
    assert listener.branches == 1 or source == "poll"  # which reports twice what it finds


@linux
def test_a_head_outside_the_root(tmp_path, root, begin):
    """A linked work tree: its HEAD is in the repository that it was made from."""
    two_branches(root, 2)
    tree = tmp_path / "tree"
    git(root, "worktree", "add", "-q", os.fspath(tree), "main")
    head = root / ".git" / "worktrees" / "tree" / "HEAD"
    assert head.is_file()
    _, listener = begin(tree, head=os.fspath(head))
    git(tree, "checkout", "-q", "-b", "third")
    assert listener.wait(lambda: listener.branches)
    assert not listener.calls


@linux
def test_a_repository_made_later(root, begin):
    _, listener = begin()
    git(root, "init", "-q", "-b", "main")
    assert listener.wait(lambda: listener.branches)
    before = listener.branches
    git(root, "symbolic-ref", "HEAD", "refs/heads/other")
    assert listener.wait(lambda: listener.branches > before)
    assert not listener.calls


# -- what the editor reports


def test_feed_comes_through_the_same_calls(root, begin, monkeypatch):
    """Also where the system tells us nothing."""
    for kind in (watch_sources.Inotify, watch_sources.Observed):
        monkeypatch.setattr(kind, "open", lambda self: None)
        monkeypatch.setattr(kind, "beat", lambda self: 60.0)
    watching, listener = begin()
    (root / "a").mkdir()
    (root / "a" / "x").write_text("1")
    (root / "y").write_text("1")
    watching.feed([os.fspath(root / "a"), os.fspath(root / "y"), os.fspath(root / "gone")])
    watching.feed([os.fspath(root / "a" / ".." / "y"), os.fspath(root.parent / "outside")])
    assert listener.sees(root / "a" / "x", root / "y", root / "gone")
    assert listener.calls == [{os.fspath(root / name) for name in ("a", "a/x", "y", "gone")}]


@pytest.mark.parametrize("later_s", [0.0, 0.3])
def test_a_path_reported_by_both_arrives_once(later_s, root, begin):
    """Editors wait before they tell; by then the system's event was delivered."""
    watching, listener = begin()
    (root / "x").write_text("1")
    (root / "gone").write_text("1")
    (root / "gone").unlink()
    time.sleep(later_s)
    watching.feed([os.fspath(root / "x"), os.fspath(root / "gone")])
    assert listener.sees(root / "x")
    time.sleep(0.3)
    assert sorted(path for call in listener.calls for path in call) == sorted(
        [os.fspath(root / "gone"), os.fspath(root / "x")]
    )
    (root / "x").write_text("2")
    assert listener.wait(lambda: listener.mirror[os.fspath(root / "x")] == "2")


def test_feed_never_waits(root, begin):
    """Danger: the server's loop stands still while a call lists the repository."""
    listing = threading.Event()
    watching = Watch(os.fspath(root), lambda _: listing.wait(WAIT_S), ignored)
    watching.start()
    try:
        assert watching.wait_ready(WAIT_S)
        watching.feed([os.fspath(root / "x")])
        time.sleep(0.2)
        begin_s = time.monotonic()
        watching.feed(os.fspath(root / str(number)) for number in range(1_000))
        assert time.monotonic() - begin_s < 0.5
    finally:
        listing.set()
        watching.close()


# -- life


def test_idle_costs_nothing(root, begin):
    check_idle(root, begin, 1.0)


@pytest.mark.slow
def test_idle_costs_nothing_long(root, begin):
    check_idle(root, begin, 5.0)


def check_idle(root, begin, seconds):
    """Reading a file is no change: without the filter the index wakes itself."""
    files = rewrite_all(root, 200, folders=50)
    watching, listener = begin()
    before = thread_seconds(watching)
    end = time.monotonic() + seconds
    for file in files:
        file.read_text("utf-8")
    time.sleep(max(0.0, end - time.monotonic()))
    assert thread_seconds(watching) - before <= 0.02
    assert not listener.calls


def thread_seconds(watching) -> float:
    """Processor time of all threads but the tests' own."""
    own = threading.get_native_id()
    return sum(
        thread.user_time + thread.system_time
        for thread in psutil.Process().threads()
        if thread.id != own
    )


def test_a_call_that_fails_does_not_end_the_watching(root, caplog):
    seen = threading.Event()

    def fail_once(paths):
        if any(path.endswith("first") for path in paths):
            raise ValueError("unlucky")
        seen.set()

    watching = Watch(os.fspath(root), fail_once, ignored)
    watching.start()
    try:
        assert watching.wait_ready(WAIT_S)
        watching.feed([os.fspath(root / "first")])
        time.sleep(0.2)
        watching.feed([os.fspath(root / "second")])
        assert seen.wait(WAIT_S)
    finally:
        watching.close()
    assert "unlucky" in caplog.text


def test_close_from_within_a_call_and_twice(root):
    closed = threading.Event()

    def close(_):
        watching.close()
        closed.set()

    watching = Watch(os.fspath(root), close, ignored)
    watching.start()
    assert watching.wait_ready(WAIT_S)
    watching.feed([os.fspath(root / "x")])
    assert closed.wait(WAIT_S)
    watching.close()
    assert not any(thread.is_alive() for thread in watching._threads)
    watching.feed([os.fspath(root / "y")])


def test_close_leaves_no_handle_and_no_thread(root):
    threads = threading.active_count()
    handles = len(psutil.Process().open_files()), count_handles()
    for _ in range(5):
        watching = Watch(os.fspath(root), lambda _: None, ignored)
        watching.start()
        assert watching.wait_ready(WAIT_S)
        watching.close()
    assert threading.active_count() == threads
    assert (len(psutil.Process().open_files()), count_handles()) == handles


def count_handles() -> int:
    process = psutil.Process()
    return process.num_fds() if hasattr(process, "num_fds") else process.num_handles()


def test_stamps_tell_none_from_something(root):
    (root / "x").write_text("")
    assert stamp_of(None) != stamp_of((root / "x").stat())
