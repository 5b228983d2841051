# SPDX-License-Identifier: Apache-2.0
"""The first program of a sandbox: it gives up what the command has no use for, and becomes it.

In: `confined.py LIMITS COMMAND...`, LIMITS as JSON. Out: the command, with limits on memory,
processor time, file size and processes, and, where Linux has Landlock, with no folder to write to
but those named. Started by path in a bare interpreter: it imports nothing of ours.
"""

from __future__ import annotations

import ctypes
import json
import os
import sys

# Of linux/landlock.h; the numbers are the same on every architecture.
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION = 1 << 0
_BENEATH = 1
# Writing, removing and making of every kind; reading and running stay free.
_WRITES = (1 << 1) | sum(1 << bit for bit in range(4, 13))
_REFER, _TRUNCATE = 1 << 13, 1 << 14  # of versions 2 and 3
_NO_NEW_PRIVILEGES = 38  # of prctl
_DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/tty", "/dev/shm", "/dev/pts")  # noqa: S108


class _Ruleset(ctypes.Structure):
    _fields_ = (("handled", ctypes.c_uint64),)


class _Beneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("folder", ctypes.c_int32))


def main() -> None:
    limits = json.loads(sys.argv[1])
    limit(limits)
    if limits["writable"]:
        write_only_below(limits["writable"])
    if os.getpid() == 1:
        become_init()
    command = sys.argv[2:]
    try:
        os.execvp(command[0], command)  # noqa: S606  there is no shell here
    except OSError as error:
        sys.stderr.write(f"{command[0]}: {error.strerror}\n")
        sys.exit(127)


def become_init() -> None:
    """Stay as the first process of a namespace, for which signals mean something else; returns in
    the child that becomes the command. Ends as that child does, and all else with it.
    """
    child = os.fork()
    while child:
        ended, status = os.wait()
        if ended == child:
            code = os.waitstatus_to_exitcode(status)
            os._exit(code if code >= 0 else 128 - code)


def limit(limits: dict[str, int]) -> None:
    """Set what the system can limit; what is limited to less already stays so."""
    try:
        import resource  # noqa: PLC0415  not on Windows
    except ImportError:
        return
    wanted = (
        ("RLIMIT_DATA", "memory_bytes"),  # not RLIMIT_AS: runtimes reserve much and use little
        ("RLIMIT_CPU", "cpu_s"),
        ("RLIMIT_FSIZE", "file_bytes"),
        ("RLIMIT_NPROC", "processes"),
        ("RLIMIT_CORE", "core_bytes"),
    )
    for name, key in wanted:
        kind = getattr(resource, name, None)
        if kind is None:
            continue
        most = resource.getrlimit(kind)[1]
        value = limits[key] if most == resource.RLIM_INFINITY else min(limits[key], most)
        try:
            resource.setrlimit(kind, (value, value))
        except (OSError, ValueError):  # some systems know a limit and refuse to set it
            continue


def write_only_below(folders: list[str]) -> bool:
    """Forbid this process and all that it starts to write anywhere else. False: not possible."""
    if sys.platform != "linux":
        return False
    system = ctypes.CDLL(None, use_errno=True)
    system.syscall.restype = ctypes.c_long
    version = system.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), _VERSION)
    if version < 1:
        return False
    handled = _WRITES | (_REFER if version > 1 else 0) | (_TRUNCATE if version > 2 else 0)  # noqa: PLR2004
    ruleset = _Ruleset(handled)
    size = ctypes.c_size_t(ctypes.sizeof(ruleset))
    rules = system.syscall(_CREATE_RULESET, ctypes.byref(ruleset), size, 0)
    if rules < 0:
        return False
    for folder in (*folders, *_DEVICES):
        _allow(system, rules, folder, handled)
    system.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    done: int = system.syscall(_RESTRICT_SELF, rules, 0)
    os.close(rules)
    return done == 0


def _allow(system: ctypes.CDLL, rules: int, place: str, handled: int) -> None:
    try:
        handle = os.open(place, os.O_PATH | os.O_CLOEXEC)  # type: ignore[attr-defined,unused-ignore]
    except OSError:
        return
    allowed = handled if os.path.isdir(place) else handled & ((1 << 1) | _TRUNCATE)  # noqa: PTH112
    rule = _Beneath(allowed, handle)
    system.syscall(_ADD_RULE, rules, _BENEATH, ctypes.byref(rule), 0)
    os.close(handle)


if __name__ == "__main__":
    main()
