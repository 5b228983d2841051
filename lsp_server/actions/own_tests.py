# SPDX-License-Identifier: Apache-2.0
"""What a run of tests says: how many passed, which failed, and what a change has broken.

In: what a test command has printed, and its code. Out: a `Verdict`; of two of them a `Check`.
It reads what pytest, unittest, cargo, go, jest, vitest and mocha print; of others the code alone
counts. It runs nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lsp_server.actions.types import Check

if TYPE_CHECKING:
    from lsp_server.actions.sandbox import Ran

NAME = "tests"
TAIL_CHARS = 1200  # of the output, for the model to see what went wrong
NAMES_MAX = 5  # failed tests that are named
COLOURS = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_FAILED_NAME = re.compile(
    r"^(?:FAILED|ERROR) (?P<pytest>[^\s(]\S*)"
    r"|^(?:FAIL|ERROR): (?P<unittest>\S+ \([^)\n]*\))"
    r"|^test (?P<cargo>\S+) \.\.\. FAILED"
    r"|^\s*--- FAIL: (?P<go>\S+)"
    r"|^\s*(?:\u25cf|\u00d7|\u2715) (?P<jest>[^\n]{1,200}?)(?: \(?\d+ ?ms\)?)?$",
    re.MULTILINE,
)
# A line that sums up, and the numbers in it.
_SUMS = (
    re.compile(r"^=+ (?P<line>.*\b(?:passed|failed|error)s?\b.*) in [\d.]+s.*=+$", re.MULTILINE),
    re.compile(r"^(?P<line>\d+ (?:passed|failed|errors?)\b.*) in [\d.]+s.*$", re.MULTILINE),
    re.compile(r"^test result: \w+\. (?P<line>\d+ passed; \d+ failed.*)$", re.MULTILINE),
    re.compile(r"^Tests:\s+(?P<line>.*\btotal)$", re.MULTILINE),
    re.compile(r"^\s*Tests\s+(?P<line>\d+ (?:passed|failed).*)$", re.MULTILINE),
)
_NUMBER = re.compile(r"(\d+) (passed|failed|errors?)\b")
_UNITTEST = re.compile(r"^Ran (\d+) tests? in .*?\n\s*\n(OK|FAILED)(?: \((.*)\))?", re.MULTILINE)
_UNITTEST_BAD = re.compile(r"(?:failures|errors)=(\d+)")
_GO = re.compile(r"^\s*--- (PASS|FAIL): ", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Verdict:
    """One run. `passed` and `failed` are 0 where the output does not say; `failures` are names."""

    code: int
    passed: int = 0
    failed: int = 0
    failures: frozenset[str] = frozenset()
    stopped: str = ""
    tail: str = ""

    @property
    def good(self) -> bool:
        return self.code == 0 and not self.stopped and not self.failed

    @property
    def counted(self) -> bool:
        return bool(self.passed or self.failed)


def verdict(ran: Ran) -> Verdict:
    """Read the output of a run."""
    text = COLOURS.sub("", ran.output).replace("\r\n", "\n")
    names = {name for match in _FAILED_NAME.finditer(text) for name in match.groups() if name}
    passed, failed = _counts(text)
    stopped = ran.stopped
    return Verdict(ran.code, passed, failed, frozenset(names), stopped, text[-TAIL_CHARS:].strip())


def _counts(text: str) -> tuple[int, int]:
    if found := _UNITTEST.findall(text):
        total = sum(int(count) for count, _, _ in found)
        bad = sum(int(n) for *_, said in found for n in _UNITTEST_BAD.findall(said))
        return total - bad, bad
    passed = failed = 0
    for pattern in _SUMS:
        for match in pattern.finditer(text):
            for count, what in _NUMBER.findall(match["line"]):
                passed += int(count) * (what == "passed")
                failed += int(count) * (what != "passed")
        if passed or failed:
            return passed, failed
    results = _GO.findall(text)
    return results.count("PASS"), results.count("FAIL")


def compared(before: Verdict | None, after: Verdict, timeout_s: int, confined: str) -> Check:
    """What a change has done to the tests. `before` is needed where `after` is not good.

    Tests that failed before do not count. `confined` says what a run could not be kept from.
    """
    if after.good:
        said = f"{after.passed} of {after.passed} tests passed" if after.counted else "passed"
        return Check(NAME, passed=True, detail=_with(said, confined))
    assert before is not None
    if after.stopped:
        said = _stopped(after, timeout_s)
        if before.stopped:
            return Check(NAME, passed=None, detail=f"{said}, and without the change too")
        return Check(NAME, passed=False, detail=_with(said, after.tail))
    if before.good or _is_worse(before, after):
        return Check(NAME, passed=False, detail=_broken(before, after))
    if after.counted and before.counted:
        total = after.passed + after.failed
        said = f"{after.passed} of {total} tests passed; the others failed before"
        return Check(NAME, passed=True, detail=_with(said, confined))
    return Check(NAME, passed=None, detail="the tests fail without the change too")


def _is_worse(before: Verdict, after: Verdict) -> bool:
    if before.stopped:
        return False
    if before.counted and not after.counted:
        return True
    if after.failures and after.failures - before.failures:
        return True
    return after.failed > before.failed or (before.counted and after.passed < before.passed)


def _broken(before: Verdict, after: Verdict) -> str:
    names = sorted(after.failures - before.failures)[:NAMES_MAX]
    total = after.passed + after.failed
    said = f"{after.passed} of {total} tests passed" if total else f"exit code {after.code}"
    if names:
        said += f"; broken by this change: {', '.join(names)}"
    return _with(said, after.tail)


def _stopped(after: Verdict, timeout_s: int) -> str:
    return {
        "timeout": f"the tests took longer than {timeout_s} s (verify.timeoutS)",
        "memory": "the tests took more memory than they may",
        "processes": "the tests started more processes than they may",
    }.get(after.stopped, after.stopped)


def _with(said: str, more: str) -> str:
    return f"{said}\n{more}" if more else said
