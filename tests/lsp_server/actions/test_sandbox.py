# SPDX-License-Identifier: Apache-2.0
"""What runs code of a model is shut in, bounded and gone afterwards, whatever happens."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import tempfile
import textwrap
import time
from pathlib import Path

import psutil
import pytest
from climbing import climbing, failed

from lsp_server.actions import own_tests, sandbox, scratch_copy, verify
from lsp_server.actions.own_tests import Verdict
from lsp_server.actions.sandbox import Ran, Walls
from lsp_server.settings import Settings, Verify

posix = pytest.mark.skipif(os.name == "nt", reason="signals and sessions of POSIX")


@pytest.fixture(scope="module", params=["walls", "none"])
def behind(request):
    """With the strongest walls of this system, and with none as on others."""
    return asyncio.run(sandbox.walls()) if request.param == "walls" else Walls()


def run(folder, code, behind, **options):
    """A Python program in the sandbox."""
    work, home = folder / "work", folder / "home"
    for place in (work, home):
        place.mkdir(exist_ok=True)
    options = {"timeout_s": 20, **options}
    command = [sys.executable, "-S", "-c", textwrap.dedent(code)]
    return asyncio.run(sandbox.run(command, work, home=home, behind=behind, **options))


def alive(word):
    """Processes that have a word in their arguments."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            found += [process.pid] if any(word in part for part in process.cmdline()) else []
    return found


def test_output_code_and_input_come_through(tmp_path, behind):
    ran = run(tmp_path, "import sys; print(sys.stdin.read()); sys.exit(3)", behind, stdin=b"hello")
    assert (ran.code, ran.output.strip(), ran.stopped) == (3, "hello", "")
    assert run(tmp_path, "import sys; print(sys.stdin.read() == '')", behind).output == "True\n"


def test_a_program_that_is_not_there_is_said(tmp_path, behind):
    ran = asyncio.run(
        sandbox.run(["no-such-tool"], tmp_path, timeout_s=9, home=tmp_path / "h", behind=behind)
    )
    assert ran.code == 127 and "no-such-tool" in ran.output


def test_S1_no_variable_of_ours_goes_in(tmp_path, behind, monkeypatch):
    monkeypatch.setenv("API_TOKEN", "canary-of-the-environment")
    ran = run(tmp_path, "import os; print(dict(os.environ))", behind)
    assert "canary" not in ran.output
    assert str(tmp_path / "home") in ran.output


def test_S9_the_network_is_gone_where_the_system_can_take_it_away(tmp_path):
    behind = asyncio.run(sandbox.walls())
    if not behind.no_network:
        pytest.skip("no name spaces for networks here")
    code = """
        import socket
        try:
            socket.create_connection(("192.0.2.1", 80), timeout=5)
        except OSError as error:
            print(error.errno == 101, error)
    """
    assert run(tmp_path, code, behind).output.startswith("True")


@pytest.mark.skipif(sys.platform != "linux", reason="Landlock is of Linux")
def test_S10_nothing_is_written_outside_of_the_scratch_folder(tmp_path, behind):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").write_text("as it was")
    code = f"""
        import os
        for attempt in (
            lambda: open({str(outside / "new")!r}, "w"),
            lambda: open({str(outside / "kept")!r}, "w"),
            lambda: os.remove({str(outside / "kept")!r}),
            lambda: os.rename({str(outside / "kept")!r}, "mine"),
            lambda: os.symlink("x", {str(outside / "link")!r}),
        ):
            try:
                attempt()
            except OSError:
                print("refused")
        open("inside", "w").write("fine")
    """
    ran = run(tmp_path, code, behind)
    if ran.output.count("refused") < 5 and os.uname().release < "5.13":
        pytest.skip("a kernel without Landlock")
    assert ran.output.count("refused") == 5
    assert (outside / "kept").read_text() == "as it was"
    assert [p.name for p in outside.iterdir()] == ["kept"]
    assert (tmp_path / "work" / "inside").read_text() == "fine"


def test_what_takes_too_long_is_stopped(tmp_path, behind):
    started = time.monotonic()
    ran = run(
        tmp_path, "import time; print('begun', flush=True); time.sleep(60)", behind, timeout_s=1
    )
    assert ran.stopped == "timeout" and "begun" in ran.output
    assert time.monotonic() - started < 15


def test_what_takes_too_much_memory_is_stopped(tmp_path, behind):
    code = "kept = [bytearray(20_000_000) for _ in range(100)]; import time; time.sleep(30)"
    ran = run(tmp_path, code, behind, memory_bytes=300_000_000)
    assert ran.stopped == "memory" or "MemoryError" in ran.output


@posix
def test_what_starts_too_many_processes_is_stopped_with_all_of_them(tmp_path, behind):
    mark = f"bomb-{time.monotonic_ns()}"
    code = f"""
        import os, time
        mark = {mark!r}
        for _ in range(60):
            if os.fork() == 0:
                time.sleep(60)
        time.sleep(60)
    """
    ran = run(tmp_path, code, behind, processes=30)
    assert ran.stopped == "processes" or "BlockingIOError" in ran.output
    assert alive(mark) == []


@posix
def test_what_leaves_the_group_is_found_and_stopped_too(tmp_path, behind):
    mark = f"runaway-{time.monotonic_ns()}"
    code = f"""
        import subprocess, sys
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", {mark!r}],
                         start_new_session=True)
        print("left")
    """
    ran = run(tmp_path, code, behind)
    assert ran.code == 0 and ran.output == "left\n" and not ran.stopped
    assert alive(mark) == []


def test_output_is_bounded(tmp_path, behind):
    ran = run(tmp_path, "print('x' * 30_000_000); print('the end')", behind)
    assert len(ran.output) <= sandbox.OUTPUT_MAX_BYTES and ran.output.endswith("the end\n")


@posix
@pytest.mark.parametrize("after_s", [0.0, 0.05, 0.4])
def test_a_cancelled_run_leaves_no_process_and_no_folder(tmp_path, behind, after_s):
    mark = f"cancelled-{time.monotonic_ns()}"
    places = []

    async def work():
        async with scratch_copy.folder() as place:
            places.append(place)
            command = [sys.executable, "-c", "import time; time.sleep(60)", mark]
            home = place / "home"
            home.mkdir()
            await sandbox.run(command, place, timeout_s=50, home=home, behind=behind)

    async def cancelled():
        task = asyncio.ensure_future(work())
        await asyncio.sleep(after_s)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancelled())
    assert alive(mark) == []
    assert [place for place in places if place.exists()] == []


# -- the copy and the tests in it ------------------------------------------------------------------

SHOP = """
    //- shop.py
    def price(count):
        return count * $02
    //- test_shop.py
    import unittest

    import shop


    class ShopTest(unittest.TestCase):
        def test_price(self):
            self.assertEqual(shop.price(2), 4)

        def test_that_failed_before(self):
            self.assertEqual(shop.price(2), 5)
    //- .env
    TOKEN=canary
    """
COMMAND = f"{sys.executable} -m unittest test_shop"


def settings(command=COMMAND, timeout_s=60):
    return Settings(debounceMs=0, verify=Verify(testCommand=command, timeoutS=timeout_s))


def leftovers():
    return set(Path(tempfile.gettempdir()).glob(f"{scratch_copy.PREFIX}*"))


def test_the_tests_of_the_project_decide_and_old_failures_do_not_count(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with climbing(tmp_path, SHOP, settings=settings()) as it:
        (it.desk.root / "node_modules").mkdir()
        rules = it.rules
        good = it.proposal({"shop.py": [("count * 2", "2 * count")]})
        checks = asyncio.run(verify.ladder(it.it, good, rules))
        assert failed(checks) == "" and "1 of 2 tests passed" in checks[-1].detail
        assert len(rules.known) == 1
        bad = it.proposal({"shop.py": [("count * 2", "count * 3")]})
        checks = asyncio.run(verify.ladder(it.it, bad, rules))
        assert failed(checks) == "tests" and "test_price" in checks[-1].detail
        assert len(rules.known) == 1  # the run without the change was not made again
        assert "count * 2" in (it.desk.root / "shop.py").read_text()
    assert leftovers() == set()


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("no-such-tool --all", "no-such-tool"),
        ("'unclosed", "cannot be read"),
        (f"{sys.executable} -c 'raise SystemExit(4)'", "without the change too"),
    ],
)
def test_a_command_that_says_nothing_decides_nothing(tmp_path, command, words):
    with climbing(tmp_path, SHOP, settings=settings(command)) as it:
        checks = it.checks({"shop.py": [("count * 2", "2 * count")]})
        assert failed(checks) == "" and checks[-1].passed is None
        assert words in checks[-1].detail


@posix
def test_a_change_that_never_ends_is_stopped_and_refused(tmp_path):
    command = f"{sys.executable} -c 'import shop; shop.price(2)'"
    with climbing(tmp_path, SHOP, settings=settings(command, timeout_s=2)) as it:
        endless = [("    return count * 2", "    while count:\n        pass\n    return count")]
        checks = it.checks({"shop.py": endless})
        assert failed(checks) == "tests" and "verify.timeoutS" in checks[-1].detail


@posix
def test_a_cancelled_ladder_leaves_no_process_and_no_folder(tmp_path):
    mark = f"ladder_{time.monotonic_ns()}"
    command = f"{sys.executable} -c 'import time; time.sleep(60)' {mark}"
    before = leftovers()
    with climbing(tmp_path, SHOP, settings=settings(command)) as it:
        proposal = it.proposal({"shop.py": [("count * 2", "2 * count")]})

        async def cancelled(after_s):
            task = asyncio.ensure_future(verify.ladder(it.it, proposal, it.rules))
            await asyncio.sleep(after_s)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

        for after_s in (0.01, 0.1, 1.0):
            asyncio.run(cancelled(after_s))
            assert alive(mark) == []
    assert leftovers() <= before


def test_S1_S3_the_copy_has_no_secret_and_no_link_out_and_is_no_hard_link(tmp_path):
    with climbing(tmp_path, SHOP) as it:
        root = it.desk.root
        (tmp_path / "outside.py").write_text("outside")
        (root / "link.py").symlink_to(tmp_path / "outside.py")
        place = tmp_path / "copy"
        place.mkdir()
        policy = verify.Policy.load([root])
        scratch_copy.copy(root, policy, {"shop.py": "changed\n", "new/a.py": "new\n"}, place)
        names = {p.relative_to(place).as_posix() for p in place.rglob("*") if not p.is_dir()}
        assert names == {"shop.py", "test_shop.py", "new/a.py"}
        assert (place / "shop.py").read_text() == "changed\n"
        assert (place / "test_shop.py").stat().st_nlink == 1
        assert "count" in (root / "shop.py").read_text()


def test_a_repository_that_is_too_large_is_not_copied(tmp_path, monkeypatch):
    monkeypatch.setattr(scratch_copy, "FILES_MAX", 1)
    with climbing(tmp_path, SHOP, settings=settings()) as it:
        checks = it.checks({"shop.py": [("count * 2", "2 * count")]})
        assert checks[-1].passed is None and "the most that are copied" in checks[-1].detail


TYPED = """
    //- tsconfig.json
    {}
    //- a.ts
    export function f(a: number): number {
      return $0a;
    }
    """
# What `tsc` says of a file that has the word `any` in it, in the words and with the code of `tsc`.
TSC = """#!/bin/sh
grep -n any a.ts | sed "s/^\\([0-9]*\\):.*/a.ts(\\1,3): error TS7006: Parameter 'a' is any./"
! grep -q any a.ts
"""


@posix
@pytest.mark.parametrize("old", ["", " // any"])
def test_new_messages_of_the_type_checker_fail_and_old_ones_do_not(tmp_path, old):
    text = TYPED.replace("number {", f"number {{{old}")
    with climbing(tmp_path, text, settings=settings(f"{sys.executable} -c pass")) as it:
        tsc = it.desk.root / "node_modules" / ".bin" / "tsc"
        tsc.parent.mkdir(parents=True)
        tsc.write_text(TSC)
        tsc.chmod(0o755)
        checks = it.checks({"a.ts": [("return a;", "return a + 1;")]})
        assert failed(checks) == "" and [check.name for check in checks][-2:] == ["types", "tests"]
        checks = it.checks({"a.ts": [("return a;", "return a as any;")]})
        assert failed(checks) == "types" and "TS7006" in checks[-1].detail


OUTPUTS = {
    "pytest": (
        "FAILED a.py::test_b - E\n==== 1 failed, 3 passed in 0.1s ====\n",
        3,
        {"a.py::test_b"},
    ),
    "pytest -q": ("FAILED a.py::test_b\n1 failed, 3 passed in 0.12s\n", 3, {"a.py::test_b"}),
    "unittest": (
        "FAIL: test_b (a.B)\n------\nRan 4 tests in 0.001s\n\nFAILED (failures=1)\n",
        3,
        {"test_b (a.B)"},
    ),
    "cargo": (
        "test a::b ... FAILED\n\ntest result: FAILED. 3 passed; 1 failed; 0 ignored\n",
        3,
        {"a::b"},
    ),
    "go": (
        "--- PASS: TestA (0.00s)\n--- PASS: TestC (0.0s)\n--- PASS: D\n--- FAIL: TestB (0.00s)\n",
        3,
        {"TestB"},
    ),
    "jest": ("  \u25cf adds (2 ms)\n\nTests:       1 failed, 3 passed, 4 total\n", 3, {"adds"}),
    "vitest": ("\x1b[31m \u00d7 adds\x1b[0m\n      Tests  1 failed | 3 passed (4)\n", 3, {"adds"}),
}


@pytest.mark.parametrize("tool", OUTPUTS)
def test_what_runners_print_is_read(tool):
    text, passed, names = OUTPUTS[tool]
    found = own_tests.verdict(Ran(1, text, 0.1))
    assert (found.passed, found.failed, found.failures) == (passed, 1, names)


GOOD = Verdict(0, 4)
ONE = Verdict(1, 3, 1, frozenset({"a"}))
OTHER = Verdict(1, 3, 1, frozenset({"b"}))
SLOW = Verdict(-9, stopped="timeout")
SILENT = Verdict(1)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (None, GOOD, True),
        (GOOD, ONE, False),
        (ONE, ONE, True),
        (ONE, OTHER, False),
        (OTHER, Verdict(1, 2, 1, frozenset({"b"})), False),
        (ONE, SILENT, False),
        (GOOD, SILENT, False),
        (SILENT, SILENT, None),
        (GOOD, SLOW, False),
        (SLOW, SLOW, None),
        (SLOW, ONE, None),
    ],
)
def test_a_run_is_judged_by_the_run_before(before, after, expected):
    assert own_tests.compared(before, after, 5, "").passed is expected
