# SPDX-License-Identifier: Apache-2.0
"""Emacs with eglot for tests: found, or installed by apt where that is allowed.

In: nothing but the environment. Out: the path of an `emacs` that has eglot, and runs of scenarios
(`emacs/<name>.el`) in it, in batch mode, with a home folder of their own.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock
from kept import TOOLS

if TYPE_CHECKING:
    from collections.abc import Mapping

PACKAGES = ("emacs-nox", "elpa-eglot")
INSTALL_TIMEOUT_S = 300
MISSING = f"no Emacs with eglot here: apt-get install {' '.join(PACKAGES)} (or Emacs 29 and newer)"
ASK_VERSION = (
    '(progn (package-initialize) (require \'eglot) (princ (format "Emacs %s" emacs-version)))'
)

HERE = Path(__file__).parent
SCENARIOS = HERE / "emacs"
ROOT = HERE.parents[1]


def emacs() -> Path | None:
    """The editor, installed if need be and allowed; None where it cannot be had."""
    found = _found()
    if found is None and _may_install():
        TOOLS.mkdir(parents=True, exist_ok=True)
        with FileLock(TOOLS / "emacs.lock", timeout=INSTALL_TIMEOUT_S):
            found = _found() or _installed()
    return found


def run(
    scenario: str,
    editor: Path,
    home: Path,
    place: Mapping[str, str],
    environment: Mapping[str, str],
    deadline_s: float,
) -> subprocess.CompletedProcess[str]:
    """Run a scenario; `home` has its `.emacs.d/init.el`. No process is left behind."""
    init = home / ".emacs.d" / "init.el"
    command = [
        str(editor),
        *("--batch", "--directory", str(SCENARIOS)),
        *("--eval", f"(setq user-init-file {json.dumps(str(init))})"),
        *("--load", str(SCENARIOS / f"{scenario}.el")),
    ]
    process = subprocess.Popen(
        command,
        env={
            **os.environ,
            **environment,
            "HOME": str(home),
            "PATH": os.pathsep.join([str(home / "bin"), os.environ.get("PATH", "")]),
            "GHOSTWRIGHT_TEST": json.dumps(dict(place)),
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        start_new_session=True,
    )
    try:
        printed, _ = process.communicate(timeout=deadline_s)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    return subprocess.CompletedProcess(command, process.returncode, printed)


def command_in(folder: Path) -> None:
    """Put `ghostwright` there, as an installation puts it on the path."""
    folder.mkdir(parents=True)
    program = folder / "ghostwright"
    program.write_text(
        f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" -m lsp_server "$@"\n', "utf-8"
    )
    program.chmod(0o755)


def _found() -> Path | None:
    program = shutil.which("emacs")
    if program is None:
        return None
    asked = [program, "--batch", "--eval", ASK_VERSION]
    shown = subprocess.run(asked, capture_output=True, text=True, timeout=60, check=False)
    return Path(program) if shown.stdout.startswith("Emacs ") else None


def _may_install() -> bool:
    return os.name == "posix" and os.geteuid() == 0 and shutil.which("apt-get") is not None


def _installed() -> Path | None:
    apt = ["apt-get", "install", "--yes", "--quiet", "--no-install-recommends", *PACKAGES]
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for step in (apt, ["apt-get", "update", "--quiet"], apt):
        done = subprocess.run(
            step, env=quiet, capture_output=True, timeout=INSTALL_TIMEOUT_S, check=False
        )
        if done.returncode == 0 and step is apt:
            break
    return _found()
